"""Which source columns a derived column comes from, read off the SQL that Ibis makes of an expression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from potato.errors import PotatoError, nearest

if TYPE_CHECKING:
    import ibis
    from sqlglot import lineage as sqlglot_lineage

_GENERATED = "ibis_"
"""How Ibis names a table that has no name, such as a list of constants: no dataset stands behind it."""


def column_lineage(expression: ibis.Table, sources: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """Return for each column of `expression` the source columns that its values are computed from.

    A column that only filters, joins or sorts is not a source: the lineage is that of values ("direct" in
    OpenLineage's words). The columns that a window is partitioned and sorted by count, because a lag or a
    cumulative sum is a different number without them.

    Parameters
    ----------
    expression : a table expression of a DuckDB connection, or one that is not bound to a connection.
    sources : table name in the expression: dataset name, such as {"weight": "bronze/weight"}.

    Returns
    -------
    {column: [{"dataset": ..., "column": ...}]}, columns in the order of the expression, sources sorted. A
    column that comes from no source, such as a constant or a count of rows, has an empty list.

    Raises
    ------
    PotatoError : the expression reads a table that `sources` does not name.

    Notes
    -----
    The method is SQLGlot's lineage over the query that would run, qualified with the schemas of its tables.
    """
    import ibis
    import ibis.expr.operations as ops
    import sqlglot
    from sqlglot import exp
    from sqlglot.lineage import lineage

    tables = {table.name: list(table.schema.names) for table in expression.op().find(ops.PhysicalTable)}
    for table in tables:
        if table not in sources and not table.startswith(_GENERATED):
            raise PotatoError(
                "The column lineage meets a table that stands for no dataset.",
                where=f"table {table}",
                expected=f"one of {', '.join(sorted(sources))}",
                found=table,
                nearest=nearest(table, sources),
                hint="Name the table's dataset in `sources`.",
            )

    query = sqlglot.parse_one(ibis.to_sql(expression, dialect="duckdb"), dialect="duckdb")
    for reference in query.find_all(exp.Table):
        # Names of tables are unique in one expression; the catalogue would only have to be told once more.
        reference.set("db", None)
        reference.set("catalog", None)
    schema = {table: dict.fromkeys(names, "unknown") for table, names in tables.items()}
    found = lineage(None, query, schema=schema, dialect="duckdb", copy=False)
    # DuckDB's names ignore case and SQLGlot writes them small: the real names are looked up.
    real = {
        (table.lower(), name.lower()): {"dataset": sources[table], "column": name}
        for table, names in tables.items()
        if table in sources
        for name in names
    }
    return {column: _sources(node, real) for column, node in zip(expression.columns, found.values(), strict=True)}


Lineage = dict[str, list[dict[str, str]]]


def through(found: Lineage, steps: Mapping[str, Lineage]) -> Lineage:
    """Return the lineage `found` with each source that is itself a step replaced by that step's own sources.

    `steps` maps a step's name to its column lineage, which names no step any more.
    """
    resolved = {}
    for column, sources in found.items():
        pairs = {
            (origin["dataset"], origin["column"])
            for source in sources
            for origin in (steps[source["dataset"]][source["column"]] if source["dataset"] in steps else [source])
        }
        resolved[column] = [{"dataset": dataset, "column": name} for dataset, name in sorted(pairs)]
    return resolved


def _sources(node: sqlglot_lineage.Node, real: Mapping[tuple[str, str], dict[str, str]]) -> list[dict[str, str]]:
    from sqlglot import exp

    leaves = {
        (leaf.expression.name.lower(), exp.to_column(leaf.name, dialect="duckdb").name.lower())
        for leaf in node.walk()
        if isinstance(leaf.expression, exp.Table)
    }
    # What is not found is a constant table of Ibis or the star of a count.
    return sorted((real[leaf] for leaf in leaves if leaf in real), key=lambda s: (s["dataset"], s["column"]))

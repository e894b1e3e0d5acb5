"""Which source columns a derived column comes from, read off the Ibis expression that computes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from potato.errors import PotatoError, nearest

if TYPE_CHECKING:
    import ibis
    import ibis.expr.operations as ops

Lineage = dict[str, list[dict[str, str]]]
"""Column: its sources, each with dataset and column, and with kind INDIRECT where it is no part of the value."""
INDIRECT = "indirect"
Pairs = frozenset[tuple[str, str]]

_GENERATED = "ibis_"
"""How Ibis names a table that has no name, such as a list of constants: no dataset stands behind it."""


def column_lineage(expression: ibis.Table, sources: Mapping[str, str]) -> Lineage:
    """Return for each column of `expression` the source columns that its values are computed from.

    A column that only filters, joins or sorts is not a source: the lineage is that of values ("direct" in
    OpenLineage's words). The columns that a window is partitioned and sorted by count, because a lag or a
    cumulative sum is a different number without them.

    Parameters
    ----------
    expression : a table expression, bound to a connection or not.
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
    Each field of the expression tree is followed once down to the tables that it reads. The same tree makes the
    query, so that the lineage can't differ from what runs.
    """
    import ibis.expr.operations as ops

    root = expression.op()
    for table in root.find(ops.PhysicalTable):
        if table.name not in sources and not table.name.startswith(_GENERATED):
            raise PotatoError(
                "The column lineage meets a table that stands for no dataset.",
                where=f"table {table.name}",
                expected=f"one of {', '.join(sorted(sources))}",
                found=table.name,
                nearest=nearest(table.name, sources),
                hint="Name the table's dataset in `sources`.",
            )
    known: dict[tuple[Any, str], Pairs] = {}
    return {column: _listed(_origin(root, column, sources, known)) for column in expression.columns}


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
        resolved[column] = _listed(pairs)
    return resolved


def merged(parts: Iterable[Lineage]) -> Lineage:
    """Return the lineage of a table that is put together from the rows of several, with the same columns."""
    found: dict[str, set[tuple[str, str]]] = {}
    for part in parts:
        for column, sources in part.items():
            found.setdefault(column, set()).update((source["dataset"], source["column"]) for source in sources)
    return {column: _listed(pairs) for column, pairs in found.items()}


def deciding(
    expressions: Iterable[ibis.Table], steps: Mapping[str, ibis.Table], sources: Mapping[str, str]
) -> list[dict[str, str]]:
    """Return the source columns by which rows are kept, dropped or matched on the way to `expressions`.

    `steps` are the expressions of the tables in between, whose own conditions count as well; `sources` as in
    `column_lineage`, with the steps among them.
    """
    import ibis.expr.operations as ops

    known: dict[tuple[Any, str], Pairs] = {}
    found: set[tuple[str, str]] = set()
    queue = [expression.op() for expression in expressions]
    seen: set[str] = set()
    while queue:
        root = queue.pop()
        conditions = [one for node in root.find(ops.Filter) for one in node.predicates]
        conditions += [one for node in root.find(ops.JoinLink) for one in node.predicates]
        for condition in conditions:
            for field in _fields(condition):
                found |= _origin(field.rel, field.name, sources, known)
        read = {table.name for table in root.find(ops.PhysicalTable)} & steps.keys() - seen
        seen |= read
        queue += [steps[name].op() for name in sorted(read)]
    return _listed(found)


def labelled(found: Lineage, deciding: Iterable[Mapping[str, str]]) -> Lineage:
    """Return `found` where each column of constants has the columns that decide on the rows, as indirect sources."""
    conditions = [dict(source, kind=INDIRECT) for source in deciding]
    return {column: sources or conditions for column, sources in found.items()}


def _listed(pairs: Pairs | set[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"dataset": dataset, "column": name} for dataset, name in sorted(pairs)]


def _origin(
    relation: ops.Relation, column: str, sources: Mapping[str, str], known: dict[tuple[Any, str], Pairs]
) -> Pairs:
    """Return the (dataset, column) pairs that one column of a relation comes from."""
    import ibis.expr.operations as ops

    found = known.get((relation, column))
    if found is not None:
        return found
    if isinstance(relation, ops.PhysicalTable):
        pairs = frozenset({(sources[relation.name], column)} if relation.name in sources else set())
    elif isinstance(relation, ops.Set):
        pairs = _origin(relation.left, column, sources, known) | _origin(relation.right, column, sources, known)
    else:
        pairs = frozenset().union(
            *(_origin(field.rel, field.name, sources, known) for field in _fields(relation.values[column]))
        )
    known[(relation, column)] = pairs
    return pairs


def _fields(value: ops.Value) -> Iterator[ops.Field]:
    """Yield the fields that a value is computed from, without those of a table that it only counts or looks into."""
    import ibis.expr.operations as ops

    seen: set[Any] = set()
    queue = [value]
    while queue:
        node = queue.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, ops.Field):
            yield node
        else:
            queue += [child for child in node.__children__ if isinstance(child, ops.Value | ops.SortKey)]

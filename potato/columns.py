"""Which source columns a derived column comes from, and how, read off the Ibis expression that computes it.

The words are those of OpenLineage's facet ColumnLineageDatasetFacet, version 1-2-0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from potato.errors import PotatoError, nearest

if TYPE_CHECKING:
    import ibis
    import ibis.expr.operations as ops

Source = dict[str, Any]
"""Dataset and column that something comes from, and `transformations`, the list of how."""
Lineage = dict[str, list[Source]]
"""Column: its sources."""
Pairs = frozenset[tuple[str, str, str]]
"""(dataset, column, how)."""

DIRECT = ("IDENTITY", "TRANSFORMATION", "AGGREGATION")
"""A value is taken as it is, computed within a row, or computed over several rows; of two steps the last word holds."""
INDIRECT = ("FILTER", "JOIN", "GROUP_BY", "SORT", "WINDOW", "CONDITIONAL")
"""A value is no part of the result, and decides which rows or values are."""

_IDENTITY, _TRANSFORMATION, _AGGREGATION = DIRECT
_GENERATED = "ibis_"
"""How Ibis names a table that has no name, such as a list of constants: no dataset stands behind it."""
_OPTIONAL = ("left", "any_left", "asof")
"""Joins that keep every row of the first table, whatever the second one holds."""


@dataclass(frozen=True)
class Traced:
    """Where a table comes from.

    Attributes
    ----------
    columns : by column, what its values are computed from, and what decides on this column alone.
    rows : what decides on which rows there are, and so on every column.
    """

    columns: Mapping[str, Pairs]
    rows: Pairs = frozenset()

    def by_column(self) -> Lineage:
        """Return the sources of each column, without those of `of_rows`, which every column has.

        A column that nothing is computed into has them all: a number of rows, or a constant such as the name of a
        fault, says something by the rows that it is of.
        """
        own = {column: {pair for pair in pairs if pair not in self.rows} for column, pairs in self.columns.items()}
        return {column: listed(own[column] or pairs or self.rows) for column, pairs in self.columns.items()}

    def of_rows(self) -> list[Source]:
        """Return the sources that decide on which rows there are."""
        return listed(self.rows)


def is_direct(source: Mapping[str, Any]) -> bool:
    """Tell whether the value of a source is part of what is computed from it."""
    return any(how in DIRECT for how in source["transformations"])


def source(dataset: str, column: str, *hows: str) -> Source:
    """Return a source as a manifest lists it."""
    return {"dataset": dataset, "column": column, "transformations": list(hows)}


def trace(expression: ibis.Table, known: Mapping[str, str | Traced]) -> Traced:
    """Return where a table expression comes from.

    Parameters
    ----------
    expression : bound to a connection or not.
    known : table name in the expression: the dataset that it is, such as {"weight": "bronze/weight"}, or where
        the step that made it comes from.

    Returns
    -------
    Columns in the order of the expression. Of several steps the way is composed: what is computed from a value that
    was computed from another one comes from that one directly, and whatever goes through a decision is indirect.

    Raises
    ------
    PotatoError : the expression reads a table that `known` does not name.

    Notes
    -----
    Each field of the expression tree is followed once down to the tables that it reads. The same tree makes the
    query, so that the lineage can't differ from what runs.

    The second table of a left join decides on its own columns, and on no row of the first. Which of its rows are
    met is a join, and counts for all columns.
    """
    import ibis.expr.operations as ops

    root = expression.op()
    for table in root.find(ops.PhysicalTable):
        if table.name not in known and not table.name.startswith(_GENERATED):
            raise PotatoError(
                "The column lineage meets a table that stands for no dataset.",
                where=f"table {table.name}",
                expected=f"one of {', '.join(sorted(known))}",
                found=table.name,
                nearest=nearest(table.name, known),
                hint="Name the table's dataset in `known`.",
            )
    walk = _Walk(known)
    return Traced({name: walk.column(root, name) for name in expression.columns}, walk.rows(root))


def merged(parts: Iterable[Traced]) -> Traced:
    """Return where a table comes from that is put together from the rows of several, with the same columns."""
    columns: dict[str, Pairs] = {}
    rows: Pairs = frozenset()
    for part in parts:
        rows |= part.rows
        for name, pairs in part.columns.items():
            # A column that is constant in one part comes from what decides on the rows of that part.
            columns[name] = columns.get(name, frozenset()) | (pairs or part.rows)
    return Traced(columns, rows)


def listed(pairs: Iterable[tuple[str, str, str]]) -> list[Source]:
    """Return sources sorted by dataset and column, each once, with all the ways in which it is one."""
    order = {how: place for place, how in enumerate((*DIRECT, *INDIRECT))}
    found: dict[tuple[str, str], list[str]] = {}
    for dataset, column, how in sorted(set(pairs), key=lambda pair: (*pair[:2], order[pair[2]])):
        found.setdefault((dataset, column), []).append(how)
    return [source(*place, *hows) for place, hows in found.items()]


def _composed(last: str, first: str) -> str:
    """Return how a source is one where `first` is followed by `last`."""
    if last not in DIRECT or first not in DIRECT:
        return first if last in DIRECT else last
    return max(last, first, key=DIRECT.index)


class _Walk:
    """The way through one expression, each relation and column once."""

    def __init__(self, known: Mapping[str, str | Traced]) -> None:
        self._known = known
        self._columns: dict[tuple[Any, str], Pairs] = {}
        self._rows: dict[Any, Pairs] = {}

    def column(self, relation: ops.Relation, name: str) -> Pairs:
        """Return where one column of a relation comes from."""
        found = self._columns.get((relation, name))
        if found is None:
            found = self._columns[(relation, name)] = self._column(relation, name)
        return found

    def rows(self, relation: ops.Relation) -> Pairs:
        """Return what decides on which rows a relation has."""
        found = self._rows.get(relation)
        if found is None:
            found = self._rows[relation] = frozenset(self._deciding(relation))
        return found

    def _column(self, relation: ops.Relation, name: str) -> Pairs:
        import ibis.expr.operations as ops

        if isinstance(relation, ops.PhysicalTable):
            known = self._known.get(relation.name)
            if isinstance(known, Traced):
                return known.columns[name]
            return frozenset() if known is None else frozenset({(known, name, _IDENTITY)})
        if isinstance(relation, ops.Set):
            return self.column(relation.left, name) | self.column(relation.right, name)
        found = set(self._value(relation.values[name], _IDENTITY))
        if isinstance(relation, ops.JoinChain):
            optional = {link.table for link in relation.rest if link.how in _OPTIONAL}
            for field in relation.values[name].find(ops.Field):
                if field.rel in optional:
                    found |= self.rows(field.rel)
        return frozenset(found)

    def _deciding(self, relation: ops.Relation) -> Iterator[tuple[str, str, str]]:
        import ibis.expr.operations as ops

        if isinstance(relation, ops.PhysicalTable):
            known = self._known.get(relation.name)
            yield from known.rows if isinstance(known, Traced) else ()
            return
        if isinstance(relation, ops.JoinChain):
            yield from self.rows(relation.first)
            for link in relation.rest:
                yield from self.rows(link.table) if link.how not in _OPTIONAL else ()
                yield from self._values(link.predicates, "JOIN")
            return
        for child in relation.__children__:
            yield from self.rows(child) if isinstance(child, ops.Relation) else ()
        if isinstance(relation, ops.Filter):
            yield from self._values(relation.predicates, "FILTER")
        elif isinstance(relation, ops.DropNull):
            yield from self._values(relation.subset or relation.values.values(), "FILTER")
        elif isinstance(relation, ops.Sort):
            yield from self._values(relation.keys, "SORT")
        elif isinstance(relation, ops.Aggregate):
            yield from self._values(relation.groups.values(), "GROUP_BY")
        elif isinstance(relation, ops.Distinct):
            yield from self._values(relation.values.values(), "GROUP_BY")
        elif isinstance(relation, ops.Project):
            # Taking a list apart is a join with its elements.
            apart = [node for value in relation.values.values() for node in value.find(ops.Unnest, filter=ops.Value)]
            yield from self._values(apart, "JOIN")

    def _values(self, values: Iterable[ops.Value], how: str) -> Iterator[tuple[str, str, str]]:
        for value in values:
            yield from self._value(value, how)

    def _value(self, value: ops.Value, how: str) -> Iterator[tuple[str, str, str]]:
        """Yield what a value comes from; what it only counts or looks into is no part of it."""
        import ibis.expr.operations as ops

        seen: set[tuple[Any, str]] = set()
        queue: list[tuple[Any, str]] = [(value, how)]
        while queue:
            node, how = queue.pop()
            if (node, how) in seen:
                continue
            seen.add((node, how))
            if isinstance(node, ops.Field):
                yield from ((at, name, _composed(how, before)) for at, name, before in self.column(node.rel, node.name))
            elif isinstance(node, ops.Subquery):
                yield from ((at, name, _composed(how, before)) for at, name, before in self._inside(node))
                queue += [(node.needle, how)] if isinstance(node, ops.InSubquery) else []
            else:
                queue += [(part, _composed(how, part_of)) for part, part_of in _parts(node)]

    def _inside(self, node: ops.Subquery) -> Pairs:
        """Return what the table inside a value comes from: its columns, and what decides on its rows."""
        import ibis.expr.operations as ops

        names = () if isinstance(node, ops.ExistsSubquery) else node.rel.schema.names
        return self.rows(node.rel).union(*(self.column(node.rel, name) for name in names))


def _parts(node: ops.Value) -> Iterator[tuple[ops.Value, str]]:
    """Yield the values that a value is made of, and how each is part of it."""
    import ibis.expr.operations as ops

    roles = {}
    if isinstance(node, ops.WindowFunction):
        roles = {"func": _IDENTITY, "group_by": "WINDOW", "order_by": "WINDOW", "start": "WINDOW", "end": "WINDOW"}
    elif isinstance(node, ops.IfElse):
        roles = {"bool_expr": "CONDITIONAL", "true_expr": _IDENTITY, "false_null_expr": _IDENTITY}
    elif isinstance(node, ops.SearchedCase | ops.SimpleCase):
        roles = {"base": "CONDITIONAL", "cases": "CONDITIONAL", "results": _IDENTITY, "default": _IDENTITY}
    elif isinstance(node, ops.Coalesce | ops.Alias | ops.SortKey):
        roles = {"arg": _IDENTITY}
    elif isinstance(node, ops.NullIf):
        roles = {"arg": _IDENTITY, "null_if_expr": "CONDITIONAL"}
    elif isinstance(node, ops.Reduction):
        roles = {"where": "FILTER", "key": "SORT", "order_by": "SORT"}
    usual = _AGGREGATION if isinstance(node, ops.Reduction) else _TRANSFORMATION
    for name, argument in zip(node.__argnames__, node.__args__, strict=True):
        for part in argument if isinstance(argument, tuple) else (argument,):
            if isinstance(part, ops.Value):
                yield part, roles.get(name, usual)
    if isinstance(node, ops.Coalesce):
        # Every value but the last decides whether the next one counts.
        yield from ((part, "CONDITIONAL") for part in node.arg[:-1])
    elif isinstance(node, ops.NullIf):
        yield node.arg, "CONDITIONAL"

"""Flags: rows that are kept and deserve a second look, each with the rule that drew the eye to it."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potato import conflicts, jumps, repeats, schema
from potato.families import NUTRITION
from potato.filerows import Place
from potato.study import FamilyMapping

LISTED = 1_000
"""How many rows of a file are listed for one flag: more of them say something about the file, not about the rows."""

Counts = dict[Place, dict[str, int]]
"""Place: flag: rows."""

_COLUMNS = [name for name in schema.FLAGS.names if name != "family"]
_PLACE = ["source_file", "source_row"]


def of_entries(kept: ir.Table, alike: ir.Table, mapping: FamilyMapping) -> list[ir.Table]:
    """Return the flagged ones of the kept nutrition rows, by flag; `alike` is the result of repeats.alike."""
    shown = "food" if "food" in mapping.columns else NUTRITION.value
    repeated = repeats.repeated_entries(alike, NUTRITION, shown)
    flagged = [_flag(repeated, repeats.REPEATED_FLAG, repeats.REPEATED_RULE)]
    off = conflicts.energy_off(kept, mapping)
    if off is not None:
        flagged.append(_flag(off, conflicts.ENERGY_FLAG, conflicts.RULES[conflicts.ENERGY_FLAG]))
    return flagged


def of_totals(off: ir.Table) -> list[ir.Table]:
    """Return the flagged ones of the kept fibre rows: the result of conflicts.fiber_off."""
    return [_flag(off, conflicts.FIBER_FLAG, conflicts.RULES[conflicts.FIBER_FLAG])]


def of_weigh_ins(jumped: ir.Table, raw: ir.Table) -> list[ir.Table]:
    """Return the flagged ones of the kept weight rows: the result of jumps.found, with bronze's text."""
    text = raw.select(*_PLACE, value=raw.weight)
    return [_flag(jumped.join(text, _PLACE).mutate(column=ibis.literal("weight")), jumps.FLAG, jumps.RULE)]


def of_kept(remarks: ir.Table, rows: ir.Table) -> ir.Table:
    """Return the result of cleaning.remarks without the cleaned `rows` that are set aside."""
    return remarks.anti_join(rows.filter(rows.reason.notnull()), _PLACE).select(_COLUMNS)


def every(flagged: Mapping[str, list[ir.Table]]) -> ir.Table:
    """Return the flagged rows of all families in the columns of schema.FLAGS."""
    parts = [rows.mutate(family=ibis.literal(family)) for family, tables in flagged.items() for rows in tables]
    return ibis.union(*(rows.select(schema.FLAGS.names) for rows in parts))


def listed(rows: ir.Table) -> tuple[pa.Table, Counts]:
    """Return schema.FLAGS, the first LISTED rows of each file and flag, and the counts of all rows.

    `rows` is the result of `every`; a row may stand in it once for each of its columns.
    """
    by = ["family", "source_file", "flag"]
    counted = rows.group_by(by).aggregate(rows=rows.source_row.nunique())
    found = counted.to_pyarrow().sort_by([(name, "ascending") for name in by])
    counts: Counts = {}
    for row in found.to_pylist():
        counts.setdefault((row["family"], row["source_file"]), {})[row["flag"]] = row["rows"]
    if not counts:
        return schema.FLAGS.arrow().empty_table(), counts
    place = ibis.dense_rank().over(group_by=by, order_by="source_row")
    first = rows.mutate(_place=place).filter(lambda t: t._place < LISTED).select(schema.FLAGS.names)
    key = [(name, "ascending") for name in schema.FLAGS.key]
    return first.to_pyarrow().cast(schema.FLAGS.arrow()).sort_by(key), counts


def _flag(rows: ir.Table, flag: str, rule: str) -> ir.Table:
    return rows.mutate(flag=ibis.literal(flag), rule=ibis.literal(rule)).select(_COLUMNS)

"""Flags: rows that are kept and deserve a second look, each with the rule that drew the eye to it."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potato import conflicts, jumps, repeats, schema
from potato.families import NUTRITION
from potato.study import FamilyMapping

LISTED = 1_000
"""How many rows of a file are listed for one flag: more of them say something about the file, not about the rows."""

Counts = dict[tuple[str, str], dict[str, int]]
"""(family, source file): flag: rows."""

_COLUMNS = [name for name in schema.FLAGS.names if name != "family"]
_PLACE = ["source_file", "source_row"]


def of_entries(kept: ir.Table, alike: ir.Table, mapping: FamilyMapping) -> list[ir.Table]:
    """Return the flagged ones of the kept nutrition rows, by flag; `alike` is the result of repeats.alike."""
    shown = "food" if "food" in mapping.columns else NUTRITION.value
    repeated = repeats.repeated_entries(kept, alike, NUTRITION, shown)
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


def listed(flagged: dict[str, list[ir.Table]], remarked: dict[str, ir.Table]) -> tuple[pa.Table, Counts]:
    """Return schema.FLAGS, the first LISTED rows of each file and flag, and the counts of all rows.

    `flagged` holds by family tables in which a row stands once, `remarked` of some families one in which it may stand
    for two columns.
    """
    counts: Counts = {}
    tables = [schema.FLAGS.arrow().empty_table()]
    for family, parts in flagged.items():
        once = [(rows, rows.count()) for rows in parts]
        several = [(rows, rows.source_row.nunique()) for name, rows in remarked.items() if name == family]
        for rows, number in [*once, *several]:
            by_flag = rows.group_by(["source_file", "flag"]).aggregate(rows=number)
            found = by_flag.order_by(["source_file", "flag"]).to_pyarrow().to_pylist()
            for row in found:
                counts.setdefault((family, row["source_file"]), {})[row["flag"]] = row["rows"]
            if any(row["rows"] > LISTED for row in found):
                rows = ibis.union(*(_first(rows, row["source_file"], row["flag"]) for row in found))
            if found:
                tables.append(of_family(family, rows).to_pyarrow().cast(schema.FLAGS.arrow()))
    return pa.concat_tables(tables).sort_by([(name, "ascending") for name in schema.FLAGS.key]), counts


def of_family(family: str, rows: ir.Table) -> ir.Table:
    """Return the flagged rows of a family in the columns of schema.FLAGS."""
    return rows.mutate(family=ibis.literal(family)).select(schema.FLAGS.names)


def _first(rows: ir.Table, source_file: str, flag: str) -> ir.Table:
    of_file = rows.filter((rows.source_file == source_file) & (rows.flag == flag))
    return of_file.order_by(["source_row", "column"]).limit(LISTED)


def _flag(rows: ir.Table, flag: str, rule: str) -> ir.Table:
    return rows.mutate(flag=ibis.literal(flag), rule=ibis.literal(rule)).select(_COLUMNS)

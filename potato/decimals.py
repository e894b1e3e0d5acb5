"""The decimal mark of each file, told by its numbers: a point, a comma, or nothing where both may be meant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir

from potato import quantities
from potato.families import FAMILIES, Family
from potato.orders import Row, fetch
from potato.study import FamilyMapping, Study

_GLANCE = 1_000  # rows at the start of a file, of which most have a number with one or two decimals

_THREE_DIGITS = r"^\s*[-+]?[1-9]\d{0,2}\.\d{3}\b"
_DECIMALS = r"^\s*[-+~]?(\d*\.(\d{1,2}|\d{4,})|0*\.\d+|(0|[1-9]\d{3})\d*\.\d+)\b"
_OVER_99 = r"^\s*[-+]?[1-9]\d{2,}\s*([A-Za-z].*)?$"


def numeric(family: Family, mapping: FamilyMapping) -> list[str]:
    """Return the fields of a family that hold numbers and that the study maps."""
    return [f.name for f in family.fields if f.kind in ("number", "weight") and f.name in mapping.columns]


def glance(tables: Mapping[str, ir.Table], study: Study) -> dict[str, dict[str, Row]]:
    """Return, by family and file, what the first rows of a file tell of its numbers, as `of_files` needs it."""
    parts = []
    for family, mapping in study.families().items():
        if names := numeric(FAMILIES[family], mapping):
            first = tables[family].filter(tables[family].source_row <= _GLANCE)
            parts.append(_looks(first, names).mutate(family=ibis.literal(family)))
    found: dict[str, dict[str, Row]] = {family: {} for family in study.families()}
    for row in fetch(ibis.union(*parts)):
        found[row["family"]][row["source_file"]] = row
    return found


def of_files(
    table: ir.Table,
    family: Family,
    mapping: FamilyMapping,
    simple: frozenset[str],
    files: list[str],
    glance: Mapping[str, Row],
) -> dict[str, tuple[str | None, str]]:
    """Return for each file its decimal mark and the sentence that says why.

    Parameters
    ----------
    table : the whole rows of bronze's table of the family.
    simple, files : columns without commas and the files, as plain.columns finds them.
    glance : what `glance` found of the family.
    """
    names = numeric(family, mapping)
    if simple.issuperset(names):
        why = "no number has a comma" if names else "no column of numbers is used"
        stated = (mapping.decimal, "stated in the study file") if mapping.decimal and names else None
        told: dict[str, tuple[str | None, str]] = dict.fromkeys(files, stated or (".", why))
        return told if mapping.decimal else {**told, **_maybe_thousands(table, names, files, glance)}
    totals = table.group_by("source_file").aggregate(
        # Most files have no comma in a number: nothing else has to be looked at.
        odd=_any([_may_have_comma(table[name]) for name in names if name not in simple]).any(),
    )
    listed = fetch(totals)
    if mapping.decimal:
        return {row["source_file"]: (mapping.decimal, "stated in the study file") for row in listed}
    odd = [row["source_file"] for row in listed if row["odd"]]
    counted = _counted_marks(table, names, odd) if odd else {}
    found: dict[str, tuple[str | None, str]] = {}
    for row in listed:
        if row["source_file"] in counted:
            found[row["source_file"]] = _mark(counted[row["source_file"]])
        else:
            found[row["source_file"]] = (".", "no number has a comma")
    pointed = [name for name, (mark, _) in found.items() if mark == "."]
    return found | _maybe_thousands(table, names, pointed, glance)


def _maybe_thousands(
    table: ir.Table, names: list[str], files: list[str], glance: Mapping[str, Row]
) -> dict[str, tuple[None, str]]:
    """Return those of `files` whose points may set thousands apart, with the sentence that says so.

    They have three digits after each point, beside whole numbers over 99: 1.850 beside 950 is 1850 as well as 1.85.
    """
    if not names:
        return {}
    files = [name for name in files if not glance.get(name, {}).get("clear")]
    if files:
        table = table.filter(table.source_file.isin(files))
        looks = fetch(_looks(table, names))
        files = [look["source_file"] for look in looks if look["pointed"] and not look["clear"]]
    if not files:
        return {}
    table = table.filter(table.source_file.isin(files))
    texts = [table[name] for name in names]
    alike = [ibis.ifelse(text.re_search(_THREE_DIGITS), text, ibis.null(str)) for text in texts]
    found = table.group_by("source_file").aggregate(
        clear=_any([text.re_search(_DECIMALS) for text in texts]).any(),
        whole=_any([text.re_search(_OVER_99) for text in texts]).any(),
        example=ibis.coalesce(*alike).min(),
    )
    return {
        row["source_file"]: (None, f"decimals or thousands, nothing tells which: such as {row['example'].strip()[:40]}")
        for row in fetch(found)
        if row["example"] and row["whole"] and not row["clear"]
    }


def _looks(table: ir.Table, names: list[str]) -> ir.Table:
    """Return for each file whether a number is `clear`, with one or two decimals, and whether a text is `pointed`."""
    texts = [table[name] for name in names]
    # Words such as n.a. sort after the digits.
    clear = _any([(text < ":") & (text.like("%._") | text.like("%.__")) for text in texts])
    pointed = _any([text.contains(".") for text in texts])
    return table.group_by("source_file").aggregate(clear=clear.any(), pointed=pointed.any())


def _any(values: list[ir.BooleanValue]) -> ir.BooleanValue:
    return reduce(or_, values, ibis.literal(False)).fill_null(False)


def _may_have_comma(column: ir.StringValue) -> ir.BooleanValue:
    return (column.contains(",") | column.like("%.%.%")).fill_null(False)


def _counted_marks(table: ir.Table, names: list[str], files: list[str]) -> dict[str, Row]:
    """Return for each of `files` how many numbers read in one way alone, how many in both, and an example of each."""
    some = table.filter(table.source_file.isin(files))
    marked = [
        some.select("source_file", raw=some[name]).filter(lambda t: t.raw.contains(",") | t.raw.contains("."))
        for name in names
    ]
    texts = reduce(lambda a, b: a.union(b), marked).group_by(["source_file", "raw"]).aggregate(n=lambda t: t.count())
    texts = texts.mutate(core=quantities.core(texts.raw))
    point, comma = quantities.readings(texts.core)
    kind = ibis.cases(
        (point.notnull() & comma.isnull(), "point"),
        (comma.notnull() & point.isnull(), "comma"),
        (comma.notnull() & (point != comma), "either"),
        else_=ibis.null(str),
    )
    kinds = texts.mutate(kind=kind).filter(lambda t: t.kind.notnull()).group_by(["source_file", "kind"])
    counts: dict[str, Row] = {name: {} for name in files}
    for row in fetch(kinds.aggregate(n=lambda t: t.n.sum(), example=lambda t: t.raw.min())):
        counts[row["source_file"]][row["kind"]] = row
    return counts


def _mark(kinds: Row) -> tuple[str | None, str]:
    def shown(kind: str) -> str:
        return f"{kinds[kind]['n']:,} such as {kinds[kind]['example'].strip()[:40]}"

    if "point" in kinds and "comma" in kinds:
        both = f"decimal points ({shown('point')}) and decimal commas ({shown('comma')})"
        return None, f"{both}: only numbers that read in one way are read"
    if "point" in kinds:
        return ".", f"decimal points or thousands with commas: {shown('point')}"
    if "comma" in kinds:
        return ",", f"decimal commas or thousands with points: {shown('comma')}"
    if "either" in kinds:
        return None, f"decimals or thousands, nothing tells which: {shown('either')}"
    return ".", "all numbers are whole"

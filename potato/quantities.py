"""Texts as numbers, as Ibis expressions: what is written plainly is read fast, the rest by its shape.

Whether a comma or a point marks the decimals is a fact of the file (evidence.py). A value that both readings accept
with different results, such as 1,100, is read only where the file decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

import ibis
import ibis.expr.types as ir

from potato.units import LB_PER_STONE, WEIGHT_UNITS

MISSING = (
    *(
        "",
        "na",
        "n/a",
        "n.a.",
        "n.a",
        "nan",
        "<na>",
        "null",
        "none",
        "nil",
        "-",
        "--",
        "---",
        "–",
        "—",
        ".",
        "..",
        "...",
    ),
    *("?", "??", "???", "*", "missing", "not recorded", "not available", "not measured", "no data", "n/r", "k.a."),
    *("#n/a", "#na", "#null!", "#value!", "#ref!", "#div/0!", "#num!", "#name?"),
)

# A pattern and no list: DuckDB looks a list up for every row, also where a branch is never taken.
_BLANK = "[\\s\u00a0\u202f]"  # written out: engines spell escapes differently


def pattern_of(words: Iterable[str]) -> str:
    """Return the pattern of a text that is one of `words` in any letters, with or without blanks around it."""
    return f"^{_BLANK}*(?i:{'|'.join(re.escape(word) for word in words)}){_BLANK}*$"


_MISSING = pattern_of(MISSING)
_UNUSUAL = f"{_MISSING}|^{_BLANK}|{_BLANK}$"
_MORE_THAN_A_NUMBER = "[^-+.,'’\\d\\s\u00a0\u202f]"

UNDECIDED = "?"
"""In place of a decimal mark or an order of dates: the file's own values do not tell, or contradict each other."""

# One or two decimals are decimals wherever the point stands, three may be thousands: 1.100.
PLAIN = r"^[-+]?(\d+|\d+\.\d{1,2})$"
PLAIN_WITH_POINTS = r"^[-+]?(\d+\.?\d*|\.\d+)$"

_APPROXIMATE = r"(?:~|≈|∼|≃|ca\.?|c\.|circa|about|approx\.?|approximately|around|roughly)"
_WRITTEN = r"[-+]?[\d.,][\d.,'’ ]*(?:[eE][-+]?\d+)?"
_PARTS = rf"^(?i:({_APPROXIMATE})?\s*({_WRITTEN})\s*([a-zµμ]+)?\.?)$"


def _shape(mark: str, group: str) -> str:
    """Return the pattern of a number whose decimals follow `mark` and whose thousands may be set apart by `group`."""
    thousands = "|".join(rf"[1-9]\d{{0,2}}({apart}\d{{3}})+" for apart in (group, " ", "['’]"))
    return rf"^[-+]?({thousands}|\d+)?({mark}\d+)?([eE][-+]?\d+)?$"


_AS_POINT, _AS_COMMA = _shape(r"\.", ","), _shape(",", r"\.")
_NUMBER_ALIKE = r"[~≈]?\s*[-+]?\d[\d.,]*\s*[a-zµ]*\.?"
_RANGE = rf"^{_NUMBER_ALIKE}\s*(-|–|—|‒|\.\.|…|/|to|bis|or)\s*{_NUMBER_ALIKE}$"
_EITHER_WAY = r"^[-+]?[1-9]\d{0,2}[.,]\d{3}$"

_STONES = r"^(\d{1,2})\s*st(?:one|ones)?\.?\s*(?:((?:\d|1[0-3])(?:\.\d+)?)\s*(?:lbs?|pounds?)?\.?)?$"

Read = TypeVar("Read", bound=ir.Value)


def stripped(column: ir.StringValue) -> ir.StringValue:
    """Return the text without surrounding blanks, the blanks of no width and no break that exports write included."""
    return column.replace("\u00a0", " ").replace("\u202f", " ").strip()


def text(column: ir.StringValue, *, plain: bool = False) -> ir.StringValue:
    """Return the text without surrounding blanks; null where it says that the value is missing.

    `plain` says that all texts of the column are plain (module plain).
    """
    if plain:
        return column.nullif("")
    bare = ibis.ifelse(is_missing(column), ibis.null(str), stripped(column))
    return ibis.ifelse(is_unusual(column), bare, column)


def is_unusual(column: ir.StringValue) -> ir.BooleanValue:
    """Return whether `text` changes the text: it has surrounding blanks, or says that the value is missing."""
    return column.re_search(_UNUSUAL)


def is_missing(column: ir.StringValue) -> ir.BooleanValue:
    """Return whether the text is blank or a word that says that there is no value; null for an absent cell."""
    return column.re_search(_MISSING)


def one_of(column: ir.StringValue, names: Iterable[str]) -> ir.BooleanValue:
    """Return whether the text is one of `names`."""
    return column.re_search(f"^({'|'.join(re.escape(name) for name in names)})$")


def by_file(source_file: ir.StringValue, said: Mapping[str, str], readings: Mapping[str, Read], default: str) -> Read:
    """Return for each row the reading that is said for its file; `default` for a file of which nothing is said."""
    listed = {key: [name for name, value in said.items() if value == key] for key in readings if key != default}
    branches = [(source_file.isin(names), readings[key]) for key, names in listed.items() if names]
    if not branches:
        return readings[default]
    chosen: Read = ibis.cases(*branches, else_=readings[default])
    return chosen


def taken_apart(table: ir.Table, names: Iterable[str], decimals: Mapping[str, str]) -> ir.Table:
    """Return the table with what `number` needs of each column: NAME_core, and NAME_unit for what stands beside it.

    Both are null where the text is a plain number, which is what most are. A step of its own, because one
    expression that reads a text in several ways grows with each.
    """
    plain = _plain(decimals)
    parts: dict[str, ir.Value] = {}
    for name in names:
        odd = ibis.ifelse(table[name].re_search(plain), ibis.null(str), stripped(table[name]))
        parts[f"{name}_core"] = odd.re_extract(_PARTS, 2).strip()
        parts[f"{name}_unit"] = odd.re_extract(_PARTS, 3).lower()
    return table.mutate(**parts)


def _plain(decimals: Mapping[str, str]) -> str:
    return PLAIN if set(decimals.values()) - {"."} else PLAIN_WITH_POINTS


def number(
    table: ir.Table,
    name: str,
    decimals: Mapping[str, str],
    units: Mapping[float, tuple[str, ...]],
    factor: float = 1.0,
) -> ir.FloatingValue:
    """Return a column as numbers; null where it is none, or two by what is known of its file.

    A column that `taken_apart` left alone has plain texts only (module plain).

    Parameters
    ----------
    decimals : file: "." or "," or UNDECIDED; a file that is not named has points.
    units : {factor: names}: what a unit beside the number multiplies it with; another unit makes it unreadable.
    factor : what a number without a unit is multiplied with.
    """
    fast = table[name].try_cast("float64")
    fast = fast if factor == 1.0 else fast * factor
    if f"{name}_core" not in table.columns:
        return fast
    written, unit = table[f"{name}_core"], table[f"{name}_unit"]
    point, comma = readings(written)
    either = ibis.ifelse(
        point.isnull() | comma.isnull() | (point == comma), ibis.coalesce(point, comma), ibis.null("float64")
    )
    choices = {".": ibis.coalesce(point, comma), ",": ibis.coalesce(comma, point), UNDECIDED: either}
    listed = [(one_of(unit, names), ibis.literal(times)) for times, names in units.items()]
    times = ibis.cases((unit == "", ibis.literal(factor)), *listed, else_=ibis.null("float64"))
    slow = by_file(table.source_file, decimals, choices, ".") * times
    return ibis.ifelse(written.isnull(), fast, slow)


def weight(table: ir.Table, decimals: Mapping[str, str]) -> ir.FloatingValue:
    """Return the column weight as `number` does, whatever its unit; stones and pounds as pounds."""
    names = {1.0: tuple(name for unit in WEIGHT_UNITS.values() for name in unit)}
    if "weight_core" not in table.columns:
        return number(table, "weight", decimals, names)
    written = stripped(table.weight).lower()
    stones, pounds = (written.re_extract(_STONES, group).try_cast("float64") for group in (1, 2))
    imperial = stones * LB_PER_STONE + ibis.coalesce(pounds, 0.0)
    return ibis.coalesce(number(table, "weight", decimals, names), imperial)


def is_stones(raw: ir.StringValue) -> ir.BooleanValue:
    """Return whether a weight is written in stones and pounds, such as 12 st 4 lb."""
    return stripped(raw).lower().re_search(_STONES)


def core(raw: ir.StringValue) -> ir.StringValue:
    """Return the digits, signs and marks of the number in the text; empty where it has another shape."""
    return stripped(raw).re_extract(_PARTS, 2).strip()


def readings(written: ir.StringValue) -> tuple[ir.FloatingValue, ir.FloatingValue]:
    """Return a core read with points for decimals, and read with commas for them; null where it can't be."""
    point = ibis.ifelse(written.re_search(_AS_POINT), written.re_replace("[, '’]", ""), ibis.null(str))
    comma = ibis.ifelse(written.re_search(_AS_COMMA), written.re_replace("[. '’]", ""), ibis.null(str))
    return point.try_cast("float64"), comma.replace(",", ".").try_cast("float64")


def unit_beside(raw: ir.StringValue) -> ir.StringValue:
    """Return what stands after the number, in small letters; empty where nothing does."""
    return stripped(raw).re_extract(_PARTS, 3).lower()


def has_words(raw: ir.StringValue) -> ir.BooleanValue:
    """Return whether the text holds more than the signs of a number."""
    return raw.try_cast("float64").isnull() & raw.re_search(_MORE_THAN_A_NUMBER)


def is_approximate(raw: ir.StringValue) -> ir.BooleanValue:
    """Return whether the text says that its number is not exact, such as ~8.5."""
    return stripped(raw).re_extract(_PARTS, 1) != ""


def unread(raw: ir.StringValue) -> ir.StringValue:
    """Return why a text that says something is no number: number_range, ambiguous_number or unreadable_number."""
    return ibis.cases(
        (stripped(raw).lower().re_search(_RANGE), "number_range"),
        (core(raw).re_search(_EITHER_WAY), "ambiguous_number"),
        else_="unreadable_number",
    )

"""Which column of a file says when a row was recorded: a date, a day number, or both; a week where there is no day."""

from __future__ import annotations

import re

from potato.looks import Column, FileLook
from potato.matches import Match, best
from potato.shapes import by_person, date_in_parts
from potato.synonyms import named

_BIRTH = re.compile(r"birth|dob|geburt|naissance|nacimiento|geboorte", re.IGNORECASE)
_DIFFERENT_DAYS = 0.05  # share of rows on which two dates that mean the same may differ


def times(file: FileLook, stated: set[str]) -> tuple[list[Match], list[str]]:
    """Return the columns that say when, and the dates among which only a person can choose.

    Parameters
    ----------
    stated : columns of dates that the person at the keyboard has named; one of them is taken.
    """
    found = []
    numbered = _numbered(file)
    dates = [c for c in file.columns if c.kind == "date" and not _BIRTH.search(c.name)]
    varying = [c for c in dates if not _constant(file, c)]
    # The day on which somebody was enrolled is no day of weighing.
    dates = varying or ([] if numbered else dates)
    rivals: list[str] = []
    mine = next((c for c in file.columns if c.name in stated), None)
    if mine:
        found.append(Match("date", mine.name, None, "as you stated"))
    elif dates:
        column = min(dates, key=lambda c: (_rank(c), -len(c.distinct)))
        known = _rank(column) is not _UNKNOWN
        alike = [c for c in dates if (_rank(c) is not _UNKNOWN) == known]
        if any(_differ(column, other) for other in alike):
            rivals = [c.name for c in alike]
        found.append(Match("date", column.name, None, f"{'its name, and ' if known else ''}{column.told()}"))
    return found + numbered, rivals


_UNKNOWN = 10_000


def _rank(column: Column) -> int:
    return min((said.rank for said in named(column.name) if said.field in ("date", "day")), default=_UNKNOWN)


def _numbered(file: FileLook) -> list[Match]:
    for wanted, unit in () if date_in_parts(file) else (("day", None), ("week", "week")):
        chosen = best(file, wanted, ("number",))
        if chosen and all(n is None or n == int(n) for n in chosen[0].numbers):
            return [Match("day", chosen[0].name, unit, f"its name, and {chosen[0].told()}")]
    return []


def _constant(file: FileLook, column: Column) -> bool:
    """Tell whether nobody's rows have a second date, though most people have several rows."""
    who = best(file, "subject_id", ("text", "number"))
    people = by_person(file, column, who[0].name if who else None).values()
    texts = [[text for text, _ in rows if text] for rows in people]
    return all(len(set(own)) <= 1 for own in texts) and sum(map(len, texts)) >= 2 * len(texts)


def _differ(column: Column, other: Column) -> bool:
    pairs = [(a, b) for a, b in zip(column.every_day, other.every_day, strict=True) if a and b]
    return sum(a != b for a, b in pairs) > _DIFFERENT_DAYS * len(pairs)

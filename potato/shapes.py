"""Shapes of a whole file: steady numbers, one row a person, dates in several columns."""

from __future__ import annotations

import statistics
from itertools import pairwise

from potato import timepoints
from potato.looks import Column, FileLook, is_clock, is_date
from potato.synonyms import key

_SPLIT_DATE = ({"year", "jahr", "annee", "ano", "jaar"}, {"month", "monat", "mois", "mes", "maand"})
_CHANGES_LITTLE, _CHANGES_SELDOM = 0.025, 0.08  # of a person's successive weights: median and 90th percentile


def by_person(file: FileLook, column: Column, who: str | None) -> dict[str, list[tuple[str, float | None]]]:
    """Return (text, number) of a column's rows by person, in file order; one person where no column says who."""
    people = file.column(who) if who else None
    grouped: dict[str, list[tuple[str, float | None]]] = {}
    for i, text in enumerate(column.texts):
        person = (people.texts[i] or "").strip() if people else ""
        grouped.setdefault(person, []).append(((text or "").strip(), column.numbers[i]))
    return grouped


def changes_little(file: FileLook, column: Column, who: str | None) -> bool:
    """Tell whether a column's numbers could be body weights: of an adult's size, and steady within each person."""
    steps: list[float] = []
    for rows in by_person(file, column, who).values():
        known = [n for _, n in rows if n]
        steps += [abs(b - a) / a for a, b in pairwise(known) if a > 0]
    known = [n for n in column.numbers if n]
    if len(known) < 4 or len(steps) < 3 or max(steps) == 0:
        return False
    in_range = sum(30 <= n <= 450 for n in known) >= 0.95 * len(known)
    late = sorted(steps)[int(0.9 * (len(steps) - 1))]
    return (
        in_range
        and statistics.median(known) >= 40
        and (statistics.median(steps) <= _CHANGES_LITTLE and late <= _CHANGES_SELDOM)
    )


def date_in_parts(file: FileLook) -> bool:
    """Tell whether year and month have columns of their own: a day beside them is no day of the study."""
    names = {key(c.name) for c in file.columns}
    return all(names & words for words in _SPLIT_DATE)


def trouble(file: FileLook, timed: bool, measured: bool) -> str | None:
    """Return why a file is not used, where it looks as if it was meant to be."""
    if not timed and date_in_parts(file):
        return "its date stands in several columns; join them into one column `date`, such as 2022-05-01"
    if measured and not timed:
        for column in file.columns:
            if sum(is_clock(text) for text in column.values) > 0.3 * len(column.values):
                dates = any(is_date(text) for text in column.values)
                where = "and dates in rows of their own" if dates else "and there is no date"
                return f"{column.name!r} holds times of day, {where}: put the date into each row"
        if timepoints.find(file).points:
            return "it has one row a person and a weight column for each time: describe it in a folder of its own"
        return (
            "no column says when a row was recorded: no date, no day number, no week;"
            " if one does, name it with `--map weight.day=COLUMN` or `--map weight.date=COLUMN`"
        )
    return None

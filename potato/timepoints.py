"""Which time a column of weights stands for, by its name: pre.weight, weight6weeks, t2, Gewicht nachher."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass

from potato.looks import Column, FileLook
from potato.synonyms import (
    CHANGE_WORDS,
    COUNTED_WORDS,
    END_WORDS,
    NOT_A_WEIGHT,
    NUMBERED_WORDS,
    START_WORDS,
    UNITS,
    WEIGHT_WORDS,
    key,
)

LIGHTEST, HEAVIEST = 25, 500  # a column's median: body weights of adults in kg or lb lie within
_DAYS_IN_A_MONTH = 30
_ALIKE = 0.25  # how far the medians of unnamed columns of one person's weights may be apart, as a share of the larger

_SAYS_NOTHING = frozenset(("of", "at", "in", "on", "the", "nr", "no"))
_KNOWN = WEIGHT_WORDS | START_WORDS | END_WORDS | frozenset().union(*COUNTED_WORDS.values()) | CHANGE_WORDS
_TIMES = NUMBERED_WORDS.union(*COUNTED_WORDS.values())
_NEVER = NOT_A_WEIGHT - START_WORDS - END_WORDS - CHANGE_WORDS - _TIMES - {"year"}


@dataclass(frozen=True)
class TimePoint:
    """A column of weights of one time: its day, None where the name does not tell it, and why that day."""

    column: str
    day: int | None
    evidence: str
    unit: str | None = None
    named: bool = True  # the name says that it is a weight


@dataclass(frozen=True)
class Found:
    """The time points of a file, and columns that are named like them but hold no body weights."""

    points: tuple[TimePoint, ...] = ()
    others: tuple[str, ...] = ()


def parts(name: str) -> list[str]:
    """Return the words and numbers of a column's name: `Prewt` is pre, wt and `weight6weeks` is weight, 6, weeks."""
    found = []
    for part in re.findall(r"[^\W\d_]+|\d+", key(name)):
        cuts = [(part[:i], part[i:]) for i in range(2, len(part) - 1)] if part not in _KNOWN else []
        found += next((list(cut) for cut in cuts if _KNOWN.issuperset(cut)), [part])
    return found


def point(name: str) -> TimePoint | None:
    """Return what a column's name says of a weighing's time; None for a name that has nothing to do with one."""
    said = parts(name)
    unit = next((u for u in (UNITS.get(part) for part in said) if u in ("kg", "lb")), None)
    weighs = unit is not None or not WEIGHT_WORDS.isdisjoint(said)
    rest = [p for p in said if p not in WEIGHT_WORDS | _SAYS_NOTHING and UNITS.get(p) not in ("kg", "lb")]
    if _NEVER & set(rest):
        return None
    numbers = [part for part in rest if part.isdecimal()]
    words = [part for part in rest if not part.isdecimal()]
    of_time = [part for part in words if part not in START_WORDS | END_WORDS]
    days = next((n for n, names in COUNTED_WORDS.items() if len(of_time) == 1 and of_time[0] in names), None)
    if days and len(numbers) == 1:
        day = days * int(numbers[0])
        counted = {1: "", 7: f", {numbers[0]} weeks", _DAYS_IN_A_MONTH: f", {numbers[0]} months of 30 days"}[days]
        return TimePoint(name, day, f"day {day}{counted}, by its name", unit, weighs)
    if words and not numbers and START_WORDS.issuperset(words):
        return TimePoint(name, 0, "day 0, by its name", unit, weighs)
    if (
        weighs
        or END_WORDS.issuperset(words or "-")
        or (numbers and (START_WORDS | END_WORDS | _TIMES).issuperset(words))
    ):
        return TimePoint(name, None, "its name does not tell the day", unit, weighs)
    return None


def is_change(name: str) -> bool:
    """Tell whether a name says that its numbers are changes of weight, not weights."""
    return not CHANGE_WORDS.isdisjoint(parts(name))


def find(file: FileLook) -> Found:
    """Return the columns of a file that are weights of one time each, where there are two or more of them."""
    options = [(column, said) for column in file.columns if (said := _of(column))]
    fits = [(column, said) for column, said in options if LIGHTEST <= _median(column) <= HEAVIEST]
    by_name = [pair for pair in fits if pair[1].named]
    if len(by_name) < 2:
        # Unnamed ones have to be each other's like, as t1, t2 and t3 of one person's weight are.
        largest = max((_median(column) for column, _ in fits), default=0)
        by_name = [pair for pair in fits if _median(pair[0]) >= (1 - _ALIKE) * largest]
    chosen = _in_one_unit([said for _, said in by_name])
    if len(chosen) < 2:
        changes = [c.name for c in file.columns if c.kind == "number" and is_change(c.name)]
        known = {column.name for column, _ in fits}
        return Found((), tuple(dict.fromkeys([*changes, *(c.name for c, _ in options if c.name not in known)])))
    # A time at which nobody was weighed has a column all the same.
    empty = [s for c in file.columns if c.kind == "empty" and (s := point(c.name)) and s.named == chosen[0].named]
    order = {column.name: column.position for column in file.columns}
    return Found(tuple(sorted([*chosen, *empty], key=lambda said: order[said.column])))


def _of(column: Column) -> TimePoint | None:
    return point(column.name) if column.kind == "number" and not is_change(column.name) else None


def _median(column: Column) -> float:
    return statistics.median(n for n in column.numbers if n is not None)


def _in_one_unit(said: list[TimePoint]) -> list[TimePoint]:
    """Leave out the second of two columns that hold the same weights in kg and in lb."""
    times = [(" ".join(p for p in parts(one.column) if UNITS.get(p) not in ("kg", "lb")), one) for one in said]
    kilograms = {time for time, one in times if one.unit == "kg"}
    return [one for time, one in times if not (one.unit == "lb" and time in kilograms)]

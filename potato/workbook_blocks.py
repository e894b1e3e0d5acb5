"""Where a sheet's days are: its blocks of labelled rows, the columns that are days, and those that are none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from potato.spreadsheets import Cell, Sheet, written

LABEL_COLUMN, FIRST_COLUMN = 2, 4  # C and E
# In this order, since a label such as "Energy (of the day)" holds more than one of them.
_ROWS = {"broke_diet": "broke diet", "energy_rating": "energy", "mood_rating": "mood", "date": "date", "day": "day"}
RATINGS = ("broke_diet", "energy_rating", "mood_rating")
_TOTAL = re.compile(
    r"\b(avg|average|mean|median|total|sum|start|end|finish|change|diff\w*|lost|loss|gain\w*|min|max|goal|target)\b"
)
_TIME = re.compile(r"(mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?|today")


@dataclass(frozen=True)
class Block:
    """Rows of days that belong together; people who run out of columns begin another block below.

    `rows` are those of the labels by key and `weights` those of the weights. `order` gives each place its number among
    all days of the sheet; a place is 1 for the first column of daily values. `aside` has the heading of each place
    that is no day, such as an average.
    """

    rows: dict[str, int]
    weights: list[int]
    order: dict[int, int]
    aside: dict[int, str]


def folded(text: str) -> str:
    """Return a text in small letters, with one blank where it has several."""
    return " ".join(text.casefold().split())


def first_column(label: int) -> int:
    """Return the first column of daily values, for labels in column `label`."""
    return max(FIRST_COLUMN, label + 1)


def values(sheet: Sheet, row: int, label: int) -> dict[int, Cell]:
    """Return a row's cells by place: 1 for the first column of daily values."""
    start = first_column(label)
    return {column - start + 1: cell for (r, column), cell in sheet.cells.items() if r == row and column >= start}


def blocks(sheet: Sheet, weights: list[int], label: int) -> list[Block]:
    """Return a sheet's blocks, from top to bottom; a Date or Day row between two rows of weights begins another."""
    starts = [0]
    columns = [LABEL_COLUMN, label]
    for above, below in pairwise(weights):
        between = _labelled(sheet, weights, columns, range(above + 1, below))
        heads = [between[key] for key in ("date", "day") if key in between]
        heads = [row for row in heads if len(values(sheet, row, label)) > 1]
        if heads:
            starts.append(min(heads))
    last = max((row for row, _ in sheet.cells), default=0) + 1
    found = []
    days = 0
    for start, end in zip(starts, [*starts[1:], last], strict=True):
        rows = _labelled(sheet, weights, columns, range(start, end))
        of_weights = [row for row in weights if start <= row < end]
        every = {key: values(sheet, row, label) for key, row in rows.items()}
        places = set().union(*every.values(), *(values(sheet, row, label) for row in of_weights))
        aside = _aside(every.get("date", {}), every.get("day", {}), places)
        order = {}
        for place in range(1, max(places, default=0) + 1):
            if place not in aside:
                days += 1
                order[place] = days
        found.append(Block(rows, of_weights, order, aside))
    return found


def _aside(dates: Mapping[int, Cell], days: Mapping[int, Cell], places: Iterable[int]) -> dict[int, str]:
    """Return the heading of each place that is no day: a word, after a column that has a date or a day number."""
    timed = sorted(place for place in {*dates, *days} if any(_tells(row.get(place)) for row in (dates, days)))
    aside: dict[int, str] = {}
    if not timed:
        return aside
    for place in sorted(place for place in places if place > timed[0]):
        heads = [cell for row in (dates, days) if isinstance(cell := row.get(place), str)]
        words = [text for cell in heads if re.search(r"[a-z]{2}", text := folded(cell)) and not _TIME.fullmatch(text)]
        if any(_TOTAL.search(text) for text in words) or (words and place not in timed):
            aside[place] = written(heads[0])
        elif aside and place > timed[-1] and place not in {*dates, *days}:
            # What stands without a heading behind an average belongs to it.
            aside[place] = aside[max(aside)]
    return aside


def _tells(cell: Cell | None) -> bool:
    if not isinstance(cell, str):
        return cell is not None
    return any(character.isdigit() for character in cell) and not _TOTAL.search(folded(cell))


def _labelled(sheet: Sheet, weights: Iterable[int], columns: list[int], within: range) -> dict[str, int]:
    """Return the row of each label: one that is the label, else starts with it, else holds it; the first of them."""
    taken = set(weights)
    rows: dict[str, int] = {}
    for column in columns:
        labels = sorted(
            (row, folded(cell).rstrip(" :?"))
            for (row, at), cell in sheet.cells.items()
            if at == column and row in within and row not in taken and isinstance(cell, str)
        )
        for fits in (str.__eq__, str.startswith, str.__contains__):
            for key, label in _ROWS.items():
                row = next((row for row, text in labels if row not in rows.values() and fits(text, label)), None)
                if row is not None:
                    rows.setdefault(key, row)
    return rows

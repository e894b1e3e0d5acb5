"""One participant's workbook in the trial's layout: the daily series, the summary, and what is odd about either.

The sheet of daily values has labels in column C and a column a day from column E on. A gap or a text in a series ends
nothing: each cell stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from potato import spreadsheets
from potato.spreadsheets import Cell, Sheet, Unreadable, number, written
from potato.units import WEIGHT_UNITS
from potato.workbook_days import When, calendar

HORIZON = 60  # the trial's last day

LABEL_COLUMN, FIRST_COLUMN = 2, 4  # C and E
WEIGHT_LABEL = "weight in the morning"
# In this order, since a label such as "Energy (of the day)" holds more than one of them.
_ROWS = {"broke_diet": "broke diet", "energy_rating": "energy", "mood_rating": "mood", "date": "date", "day": "day"}
RATINGS = ("broke_diet", "energy_rating", "mood_rating")
_MEASURE = re.compile(r"\b(weight|energy|mood)\b")
_PHASE = re.compile(r"\b(start)(?:ing)?\b|\bend (?:of )?(?:(week) (\d{1,2})|(60) days?)\b")


@dataclass(frozen=True)
class Reading:
    """What one column of the daily sheet says: texts as they stand; `cell` is where the weight is."""

    when: When
    weight: str
    unit: str
    cell: str
    broke_diet: str
    energy_rating: str
    mood_rating: str


@dataclass(frozen=True)
class Entry:
    """A label of the Summary sheet with its value as text, and what the label is about.

    `measure` is weight, energy or mood, and `day` the study day of its phase: 1 for the start, 7 n for the end of week
    n, 60 for the end; both None for any other label. `missing`: no value, or a zero where a zero means none.
    """

    label: str
    value: str
    cell: str
    measure: str | None
    day: int | None
    unit: str
    missing: bool


@dataclass
class Workbook:
    """All that one workbook says.

    `readings` are the days up to the horizon and `late` those after it, both in the order of columns. `first` is the
    date of day 1, where it can be told. `extra_sheets` have been read for nothing else than labels.
    """

    sheet: str = ""
    readings: list[Reading] = field(default_factory=list)
    late: list[Reading] = field(default_factory=list)
    summary: list[Entry] = field(default_factory=list)
    first: date | None = None
    gaps: int = 0
    extra_sheets: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def stated_id(self) -> str | None:
        """The Subject ID of the Summary, where it says one."""
        told = [entry.value for entry in self.summary if "subject id" in _folded(entry.label)]
        return told[0] if told and told[0] else None


def read(path: Path) -> Workbook:
    """Return what the workbook `path` says.

    Raises
    ------
    Unreadable
        where it is no workbook, or has neither a row of weights nor a summary.
    """
    return understood(spreadsheets.read(path))


def understood(sheets: list[Sheet]) -> Workbook:
    """Return what the sheets of a workbook say; Unreadable as for `read`."""
    book = Workbook()
    daily, rows = _daily_sheet(sheets, book)
    summary = _summary_sheet([sheet for sheet in sheets if sheet is not daily])
    if daily is None and summary is None:
        raise Unreadable("no sheet has the label 'Weight in the Morning', and none is a Summary")
    book.extra_sheets = [sheet.name for sheet in sheets if sheet is not daily and sheet is not summary]
    if daily is None:
        book.problems.append("no sheet has the label 'Weight in the Morning'; only its Summary is read")
    else:
        book.sheet = daily.name
        _read_daily(daily, rows, book)
    if summary is not None:
        book.summary = list(_entries(summary))
    return book


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _weight_rows(sheet: Sheet) -> list[tuple[int, int]]:
    """Return the cells of a sheet that label a row of weights: those of column C, else of the first that has one."""
    found = sorted(at for at, cell in sheet.cells.items() if isinstance(cell, str) and WEIGHT_LABEL in _folded(cell))
    columns = {column for _, column in found}
    chosen = LABEL_COLUMN if LABEL_COLUMN in columns else min(columns, default=None)
    return [at for at in found if at[1] == chosen]


def _likely_weight_rows(sheet: Sheet) -> list[tuple[int, int]]:
    """Return the cells of column C that name a weight in other words, and have values from column E on."""
    return sorted(
        at
        for at, cell in sheet.cells.items()
        if at[1] == LABEL_COLUMN and isinstance(cell, str) and "weight" in _folded(cell) and _values(sheet, *at)
    )


def _daily_sheet(sheets: list[Sheet], book: Workbook) -> tuple[Sheet | None, list[tuple[int, int]]]:
    """Return the sheet of daily values with its weight rows: Sheet1 if it has values, else the one with the most."""
    possible = [sheet for sheet in sheets if _folded(sheet.name) != "summary"]
    candidates = [(sheet, rows) for sheet in possible if (rows := _weight_rows(sheet))]
    if not candidates:
        candidates = [(sheet, rows[:1]) for sheet in possible if (rows := _likely_weight_rows(sheet))]
        for sheet, ((row, column),) in candidates:
            label = written(sheet.cells[row, column])
            book.problems.append(f"{sheet.address(row, column)}, {label!r}, is taken for 'Weight in the Morning'")
    if not candidates:
        return None, []

    def preference(candidate: tuple[Sheet, list[tuple[int, int]]]) -> tuple[bool, bool, int]:
        sheet, rows = candidate
        values = sum(len(_values(sheet, *at)) for at in rows)
        return values > 0, _folded(sheet.name).replace(" ", "") == "sheet1", values

    chosen = max(candidates, key=preference)
    for sheet, rows in candidates:
        values = sum(len(_values(sheet, *at)) for at in rows)
        if sheet is not chosen[0] and values:
            book.problems.append(f"the sheet {sheet.name!r} has {values} weights, too; {chosen[0].name!r} is used")
    return chosen


def _values(sheet: Sheet, row: int, label: int) -> dict[int, Cell]:
    """Return a row's cells by place: 1 for the first column of daily values."""
    start = max(FIRST_COLUMN, label + 1)
    return {column - start + 1: cell for (r, column), cell in sheet.cells.items() if r == row and column >= start}


def _read_daily(sheet: Sheet, weights: list[tuple[int, int]], book: Workbook) -> None:
    label = weights[0][1]
    rows = _labelled(sheet, {row for row, _ in weights}, [LABEL_COLUMN, label])
    cells = {key: _values(sheet, row, label) for key, row in rows.items()}
    filled = [(row, _values(sheet, row, label)) for row, _ in weights]
    series = [(row, values) for row, values in filled if values] or filled[:1]
    if len(series) > 1:
        book.problems.append(
            f"{len(series)} rows are called 'Weight in the Morning'"
            f" ({', '.join(sheet.address(row, label) for row, _ in series)}); all their weights are kept"
        )
    rated = {place for key in RATINGS for place in cells.get(key, {})}
    places = rated.union(*(values for _, values in series))
    told = calendar(cells.get("date", {}), cells.get("day", {}), places, sheet.epoch)
    book.first = told.first
    book.problems += told.problems
    start = max(FIRST_COLUMN, label + 1)
    for position, (row, values) in enumerate(series):
        if values:
            book.gaps += max(values) - min(values) + 1 - len(values)
        unit = _unit(written(sheet.cells[row, label]))
        # The ratings of a day stand beside its first weight only, so that no day is there twice for their sake.
        beside = {} if position else {key: cells.get(key, {}) for key in RATINGS}
        for place in sorted(values if position else places):
            weight = values.get(place)
            hidden = None if isinstance(weight, str | bool) else number(weight, sheet.epoch)
            ratings = {key: written(of_row.get(place)) for key, of_row in beside.items()}
            reading = Reading(
                told.columns[place],
                written(weight if hidden is None else hidden),
                unit,
                sheet.address(row, start + place - 1),
                **dict.fromkeys(RATINGS, "") | ratings,
            )
            (book.readings if reading.when.day <= HORIZON else book.late).append(reading)
        for column in range(label + 1, FIRST_COLUMN):
            if (row, column) in sheet.cells:
                text = written(sheet.cells[row, column])
                book.problems.append(f"{sheet.address(row, column)} holds {text!r} before column E, where days begin")


def _labelled(sheet: Sheet, taken: set[int], columns: list[int]) -> dict[str, int]:
    """Return the row of each label: one that is the label, else starts with it, else holds it; the first of them."""
    rows: dict[str, int] = {}
    for column in columns:
        labels = sorted(
            (row, _folded(cell).rstrip(" :?"))
            for (row, at), cell in sheet.cells.items()
            if at == column and row not in taken and isinstance(cell, str)
        )
        for fits in (str.__eq__, str.startswith, str.__contains__):
            for key, label in _ROWS.items():
                row = next((row for row, text in labels if row not in rows.values() and fits(text, label)), None)
                if row is not None:
                    rows.setdefault(key, row)
    return rows


def _unit(label: str) -> str:
    """Return the unit that a label states, or nothing where it states none or both."""
    words = re.findall(r"[a-z]+", _folded(label))
    stated = [unit for unit, names in WEIGHT_UNITS.items() if any(word in names for word in words)]
    return stated[0] if len(stated) == 1 else ""


def _summary_sheet(sheets: list[Sheet]) -> Sheet | None:
    """Return the sheet called Summary, else the first with a label `Subject ID` in column A or B."""
    for sheet in sheets:
        if _folded(sheet.name) == "summary" and sheet.cells:
            return sheet
    for sheet in sheets:
        if any(at[1] < 2 and isinstance(c, str) and "subject id" in _folded(c) for at, c in sheet.cells.items()):
            return sheet
    return None


def _entries(sheet: Sheet) -> Iterator[Entry]:
    """Yield each label of columns A or B with the value right of it, one column further where cells are merged."""
    known = [column for (_, column), cell in sheet.cells.items() if isinstance(cell, str) and _is_known(cell)]
    usual = 1 if known.count(1) > known.count(0) else 0
    for row in sorted({row for row, column in sheet.cells if column < 2}):
        column = usual if (row, usual) in sheet.cells else 1 - usual
        label = sheet.cells[row, column]
        at = column + 1 if (row, column + 1) in sheet.cells or (row, column + 2) not in sheet.cells else column + 2
        cell = sheet.cells.get((row, at))
        measure, day = about(written(label))
        hidden = None if isinstance(cell, str | bool) else number(cell, sheet.epoch)
        value = written(cell if hidden is None or measure is None else hidden)
        zero = measure is not None and re.fullmatch(r"0*(\.0*)?", value.strip()) is not None
        yield Entry(
            written(label), value, sheet.address(row, at), measure, day, _unit(written(label)), not value or zero
        )


def _is_known(label: str) -> bool:
    return about(label)[0] is not None or "subject id" in _folded(label)


def about(label: str) -> tuple[str, int] | tuple[None, None]:
    """Return what a label of the Summary is about: (measure, study day of its phase), or (None, None).

    >>> about("Weight End Week 2")
    ('weight', 14)
    """
    folded = _folded(label)
    measure, phase = _MEASURE.search(folded), _PHASE.search(folded)
    if not measure or not phase:
        return None, None
    day = 1 if phase[1] else 7 * int(phase[3]) if phase[2] else HORIZON
    return measure[1], day

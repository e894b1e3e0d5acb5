"""One participant's workbook in the trial's layout: the daily series, the summary, and what is odd about either.

The sheet of daily values has labels in column C and a column a day from column E on. A gap or a text in a series ends
nothing: each cell stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from potato import spreadsheets, workbook_units
from potato.spreadsheets import Cell, Sheet, Unreadable, number, written
from potato.workbook_blocks import FIRST_COLUMN, LABEL_COLUMN, RATINGS, blocks, first_column, folded, values
from potato.workbook_days import When, aside, calendar

HORIZON = 60  # the trial's last day

WEIGHT_LABEL = "weight in the morning"
_NO_WEIGHT = re.compile(r"\b(target|goal|ideal|lost|loss|change|notes?|comments?)\b")
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
    n, 60 for the end; both None for any other label.
    `unit` is what the label or the workbook states. `missing`: no value, or a zero where a zero means none.
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
    date of day 1, where it can be told, and `first_day` the number from which the sheet counts, 0 or 1. `extra_sheets`
    have been read for nothing else than labels.
    """

    sheet: str = ""
    readings: list[Reading] = field(default_factory=list)
    late: list[Reading] = field(default_factory=list)
    summary: list[Entry] = field(default_factory=list)
    first: date | None = None
    first_day: int = 1
    gaps: int = 0
    extra_sheets: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def stated_id(self) -> str | None:
        """The Subject ID of the Summary, where it says one."""
        told = [entry.value for entry in self.summary if "subject id" in folded(entry.label)]
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
    units: dict[str, str] = {}
    for sheet, columns in ((daily, rows[0][1] + 1 if rows else 0), (summary, 2)):
        if sheet is not None:
            told, problems = workbook_units.lines(sheet, columns)
            units |= told
            book.problems += problems
    if daily is not None:
        book.sheet = daily.name
        _read_daily(daily, rows, units, book)
    if summary is not None:
        book.summary = [_with_unit(entry, units, book) for entry in _entries(summary)]
    return book


def _with_unit(entry: Entry, units: dict[str, str], book: Workbook) -> Entry:
    """Return a weight of the Summary with the unit that its label, else the workbook, states for it."""
    if entry.measure != "weight" or entry.missing:
        return entry
    said = ({entry.label: entry.unit} if entry.unit else {}) | units
    unit = workbook_units.agreed(said)
    if unit == workbook_units.EITHER:
        book.problems.append(workbook_units.differ(said))
    return replace(entry, unit=unit)


def _weight_rows(sheet: Sheet) -> list[tuple[int, int]]:
    """Return the cells of a sheet that label a row of weights: those of column C, else of the first that has one."""
    found = sorted(
        at
        for at, cell in sheet.cells.items()
        if isinstance(cell, str) and WEIGHT_LABEL in folded(cell) and not _NO_WEIGHT.search(folded(cell))
    )
    columns = {column for _, column in found}
    chosen = LABEL_COLUMN if LABEL_COLUMN in columns else min(columns, default=None)
    return [at for at in found if at[1] == chosen]


def _likely_weight_rows(sheet: Sheet) -> list[tuple[int, int]]:
    """Return the cells of column C that name a weight in other words, and have values from column E on."""
    return sorted(
        at
        for at, cell in sheet.cells.items()
        if at[1] == LABEL_COLUMN and isinstance(cell, str) and "weight" in (text := folded(cell))
        if not _NO_WEIGHT.search(text) and values(sheet, *at)
    )


def _daily_sheet(sheets: list[Sheet], book: Workbook) -> tuple[Sheet | None, list[tuple[int, int]]]:
    """Return the sheet of daily values with its weight rows: Sheet1 if it has values, else the one with the most."""
    possible = [sheet for sheet in sheets if folded(sheet.name) != "summary"]
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
        count = sum(len(values(sheet, *at)) for at in rows)
        return count > 0, folded(sheet.name).replace(" ", "") == "sheet1", count

    chosen = max(candidates, key=preference)
    for sheet, rows in candidates:
        count = sum(len(values(sheet, *at)) for at in rows)
        if sheet is not chosen[0] and count:
            book.problems.append(f"the sheet {sheet.name!r} has {count} weights, too; {chosen[0].name!r} is used")
    return chosen


def _read_daily(sheet: Sheet, weights: list[tuple[int, int]], units: dict[str, str], book: Workbook) -> None:
    label = weights[0][1]
    start = first_column(label)
    found = blocks(sheet, [row for row, _ in weights], label)
    cells = [{key: values(sheet, row, label) for key, row in block.rows.items()} for block in found]
    series = [{row: of for row in block.weights if (of := values(sheet, row, label))} for block in found]
    _remark_rows(sheet, label, series, book)
    heads: dict[str, dict[int, Cell]] = {"date": {}, "day": {}}
    places: list[list[int]] = []
    for block, rows, of_weights in zip(found, cells, series, strict=True):
        for key, head in heads.items():
            head |= {block.order[at]: cell for at, cell in rows.get(key, {}).items() if at in block.order}
        rated = {place for key in RATINGS for place in rows.get(key, {})}
        places.append(sorted(rated.union(*of_weights.values())))
    days = {block.order[at] for block, of in zip(found, places, strict=True) for at in of if at in block.order}
    told = calendar(heads["date"], heads["day"], days, sheet.epoch)
    book.first, book.first_day = told.first, told.first_day
    book.problems += told.problems
    for block, rows, of_weights, every in zip(found, cells, series, places, strict=True):
        whens = {at: told.columns[block.order[at]] if at in block.order else aside(block.aside[at]) for at in every}
        blank: dict[int, dict[int, Cell]] = {row: {} for row in block.weights[:1]}
        for position, (row, of) in enumerate((of_weights or blank).items()):
            # The ratings of a day stand beside its first weight only, so that no day is there twice for their sake.
            beside = {} if position else {key: rows.get(key, {}) for key in RATINGS}
            unit = _unit_of(sheet, row, label, units, book)
            for place in sorted(of) if position else every:
                weight = of.get(place)
                hidden = None if isinstance(weight, str | bool) else number(weight, sheet.epoch)
                ratings = {key: written(of_row.get(place)) for key, of_row in beside.items()}
                reading = Reading(
                    whens[place],
                    written(weight if hidden is None else hidden),
                    unit,
                    sheet.address(row, start + place - 1),
                    **dict.fromkeys(RATINGS, "") | ratings,
                )
                (book.readings if reading.when.day <= HORIZON else book.late).append(reading)
            filled = [place for place in of if place in block.order]
            book.gaps += max(filled) - min(filled) + 1 - len(filled) if filled else 0
            none = [sheet.address(row, start + at - 1) for at in sorted(of) if at in block.aside]
            if none:
                names = ", ".join(dict.fromkeys(repr(block.aside[at]) for at in sorted(of) if at in block.aside))
                book.problems.append(f"{', '.join(none[:5])} stand under {names}: no days, so that they don't count")


def _remark_rows(sheet: Sheet, label: int, series: list[dict[int, dict[int, Cell]]], book: Workbook) -> None:
    """Say what is odd about the rows of weights: none is filled, several are for the same days, or in blocks."""
    several = [row for rows in series if len(rows) > 1 for row in rows]
    if several:
        shown = ", ".join(sheet.address(row, label) for row in several)
        book.problems.append(
            f"{len(several)} rows are called 'Weight in the Morning' ({shown}); all their weights are kept"
        )
    if len(series) > 1:
        book.problems.append(f"{len(series)} blocks of days stand below each other; they are read as one series")
    if not any(series):
        book.problems.append(f"{sheet.name!r} has the label of the weights, but no values from column E on")


def _unit_of(sheet: Sheet, row: int, label: int, units: dict[str, str], book: Workbook) -> str:
    start = first_column(label)
    said = workbook_units.beside(sheet, row, label, start) | units
    unit = workbook_units.agreed(said)
    if unit == workbook_units.EITHER:
        book.problems.append(workbook_units.differ(said))
    for column in range(label + 1, FIRST_COLUMN):
        if (row, column) in sheet.cells and not workbook_units.alone(sheet.cells[row, column]):
            text = written(sheet.cells[row, column])
            book.problems.append(f"{sheet.address(row, column)} holds {text!r} before column E, where days begin")
    return unit


def _summary_sheet(sheets: list[Sheet]) -> Sheet | None:
    """Return the sheet called Summary, else the first with a label `Subject ID` in column A or B."""
    for sheet in sheets:
        if folded(sheet.name) == "summary" and sheet.cells:
            return sheet
    for sheet in sheets:
        if any(at[1] < 2 and isinstance(c, str) and "subject id" in folded(c) for at, c in sheet.cells.items()):
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
        unit = workbook_units.of_text(written(label))
        yield Entry(written(label), value, sheet.address(row, at), measure, day, unit, not value or zero)


def _is_known(label: str) -> bool:
    return about(label)[0] is not None or "subject id" in folded(label)


def about(label: str) -> tuple[str, int] | tuple[None, None]:
    """Return what a label of the Summary is about: (measure, study day of its phase), or (None, None).

    >>> about("Weight End Week 2")
    ('weight', 14)
    """
    text = folded(label)
    measure, phase = _MEASURE.search(text), _PHASE.search(text)
    if not measure or not phase:
        return None, None
    day = 1 if phase[1] else 7 * int(phase[3]) if phase[2] else HORIZON
    return measure[1], day

"""Which unit a workbook states for its weights: in a label, in a cell beside it, or in a line that is called Unit."""

from __future__ import annotations

import re

from potato.spreadsheets import Cell, Sheet, written
from potato.units import WEIGHT_UNITS

EITHER = "kg or lb"  # what stands in the column `unit` where a workbook states both: no unit, so that nobody guesses

_NAMES = {name: unit for unit, names in WEIGHT_UNITS.items() for name in names}
_UNIT_LINE = re.compile(r"(?:body ?|my )?(?:weight )?units?\b(?: (?:of|for) (?:the |my )?weights?)?(.*)")
_AROUND = {"in", "unit", "units", "weight", "weights"}


def of_text(text: str) -> str:
    """Return the unit that a text states, kg or lb, or nothing where it states none or both."""
    stated = {_NAMES[word] for word in _words(text) if word in _NAMES}
    return stated.pop() if len(stated) == 1 else ""


def alone(cell: Cell | None) -> str:
    """Return the unit that a cell states where it holds nothing else, such as `kg` or `(in lbs)`."""
    if not isinstance(cell, str) or any(character.isdigit() for character in cell):
        return ""
    return of_text(cell) if all(word in _NAMES or word in _AROUND for word in _words(cell)) else ""


def beside(sheet: Sheet, row: int, label: int, start: int) -> dict[str, str]:
    """Return {address: unit} of a label and of the cells beside it, up to the first column of values `start`."""
    said = {sheet.address(row, label): of_text(written(sheet.cells[row, label]))}
    said |= {sheet.address(row, at): alone(sheet.cells.get((row, at))) for at in range(start + 1) if at != label}
    return {address: unit for address, unit in said.items() if unit}


def lines(sheet: Sheet, columns: int) -> tuple[dict[str, str], list[str]]:
    """Return {address: unit} of the lines called `Unit` or `Weight unit`, and sentences on those that name another.

    The label stands in one of the first `columns` columns, and the unit in it or in the next filled cell right of it.
    """
    said: dict[str, str] = {}
    problems = []
    for (row, column), cell in sorted(sheet.cells.items(), key=lambda item: item[0]):
        found = _UNIT_LINE.fullmatch(" ".join(cell.casefold().split())) if isinstance(cell, str) else None
        # A sentence that begins with the word is no label.
        if column >= columns or not found or not all(w in _NAMES or w in ("in", "or", "and") for w in _words(found[1])):
            continue
        right = min((at for r, at in sheet.cells if r == row and at > column), default=column)
        text = written(sheet.cells[row, right]) if right > column else ""
        unit = of_text(text) or ("" if text else of_text(found[1]))
        if unit:
            said[sheet.address(row, right)] = unit
        elif text and not any(word in _NAMES for word in _words(text)):
            problems.append(f"{sheet.address(row, right)} says {text!r} for the unit, which is neither kg nor lb")
    return said, problems


def agreed(said: dict[str, str]) -> str:
    """Return the one unit that all places state, EITHER where they differ, or nothing without a place."""
    units = set(said.values())
    return units.pop() if len(units) == 1 else EITHER if units else ""


def differ(said: dict[str, str]) -> str:
    """Return the sentence for places that state different units."""
    shown = " and ".join(f"{unit} ({address})" for address, unit in said.items())
    return f"it states {shown} for the same weights, which are set aside: correct the workbook and import it again"


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.casefold())

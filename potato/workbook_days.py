"""When a workbook's columns are: the day number and the date of each, from what its Date and Day rows say.

A column is known by its place: 1 for the first column of daily values, 2 for the next. A date or a day that is missing
is filled in only where the columns beside it leave one possibility.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from potato.spreadsheets import Cell, number, written

_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ].*)?")
_NUMERIC = re.compile(r"(\d{1,2})[-/. ]+(\d{1,2})[-/. ]+(\d{4}|\d{2})(?:[T ].*)?")
_DAY_FIRST = re.compile(r"(\d{1,2})(?:[a-z]{2})?[-/. ]+([a-z]{3,9})[-/., ]+(\d{4}|\d{2})")
_MONTH_FIRST = re.compile(r"([a-z]{3,9})[-/. ]+(\d{1,2})(?:[a-z]{2})?[-/., ]+(\d{4}|\d{2})")
_WEEKDAY = re.compile(r"^(mon|tues?|wed(nes)?|thu(rs?)?|fri|sat(ur)?|sun)(day)?[., ]+")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SERIALS = (29_000, 60_000)  # 1979 to 2064, as a spreadsheet numbers days
_SERIAL_TEXT = re.compile(r"\d{5}(\.\d+)?")
_LONGEST = 120  # days between the middle of a series and a date of it: a trial has 60 days, and some went on
_LAST = date.max.toordinal()
_DAY = re.compile(r"(?:day\s*)?(\d{1,4})(?:\.0+)?", re.IGNORECASE)


@dataclass(frozen=True)
class When:
    """When a column is.

    `date` is yyyy-mm-dd, or the text of the Date row where that is no date that can be told, or empty. `date_from` says
    what it comes from: cell, day (number), position, text, no day (such as an average), or nothing. `day` counts from 1
    unless the Day row does not. `in_cell` is the Date row's date where another is used, since it can't be.
    """

    day: int
    date: str
    date_from: str
    in_cell: str = ""


@dataclass(frozen=True)
class Calendar:
    """When each column is, the date of day 1, and the number of the first day, 0 or 1, as the Day row counts.

    `problems` are sentences about what does not fit.
    """

    columns: dict[int, When]
    first: date | None
    first_day: int
    problems: list[str]


NO_DAY = "no day"


def aside(heading: str) -> When:
    """Return when a column is that is no day."""
    return When(0, heading, NO_DAY)


def calendar(dates: Mapping[int, Cell], days: Mapping[int, Cell], places: Iterable[int], epoch: date) -> Calendar:
    """Return when each of `places` is.

    Parameters
    ----------
    dates, days : the cells of the Date and Day rows, by place.
    places : the columns to place in time.
    epoch : day that the file's date serials count from.
    """
    problems: list[str] = []
    wanted = sorted(set(places))
    told = {place: told_day for place, cell in days.items() if (told_day := _day(cell)) is not None}
    ordered = [told[place] for place in sorted(told)]
    if any(later <= earlier for earlier, later in pairwise(ordered)):
        problems.append("the Day row does not count upwards, so that the days are counted by dates or columns")
        told = {}
    numbered = _filled(told, {place: place for place in {*wanted, *dates}})
    known, unread = _dates(dates, numbered or {place: place for place in dates}, epoch)
    if unread:
        shown = ", ".join(repr(written(dates[place])) for place in sorted(unread)[:3])
        problems.append(f"{len(unread)} cells of the Date row are no date that can be told, such as {shown}")
    ordinals = {place: day.toordinal() for place, day in known.items()}
    # By day number where there is one: people who skip days skip columns, too.
    keys = numbered or {place: place for place in {*wanted, *dates}}
    believed = _believed(ordinals, keys)
    filled = _filled(believed, keys)
    most = 2 * len(believed) > len(ordinals)
    first = _first(filled, numbered)
    columns = {}
    for place in wanted:
        ordinal = filled.get(place)
        day = numbered.get(place)
        if day is None:
            day = ordinal - first.toordinal() + 1 if ordinal is not None and first else place
        # What the cell says stays what it says, unless most others imply another date.
        typed = ordinals.get(place, ordinal)
        corrected = place in ordinals and place not in believed and ordinal is not None and most
        ordinal = ordinal if corrected else typed
        if ordinal is not None and 1 <= ordinal <= _LAST:
            source = "cell" if place in ordinals and not corrected else "day" if place in told else "position"
            in_cell = known[place].isoformat() if corrected else ""
            columns[place] = When(day, date.fromordinal(ordinal).isoformat(), source, in_cell)
        else:
            text = written(dates.get(place))
            columns[place] = When(day, text, "text" if text else "")
    odd = {place for place in ordinals if place not in believed}
    if numbered:
        usual = Counter(ordinals[place] - keys[place] for place in ordinals if place in keys).most_common(1)
        odd |= {place for place in ordinals if place in keys and ordinals[place] - keys[place] != usual[0][0]}
    if odd:
        shown = ", ".join(known[place].isoformat() for place in sorted(odd)[:3])
        problems.append(f"{len(odd)} of {len(known)} dates don't fit the others or their day numbers, such as {shown}")
    return Calendar(columns, first, 0 if 0 in told.values() else 1, problems)


def _first(filled: dict[int, int], numbered: dict[int, int]) -> date | None:
    """Return the date of day 1; without day numbers, that of the first dated column."""
    if not filled:
        return None
    counted = Counter(filled[place] - numbered[place] for place in filled if place in numbered)
    if counted:
        return date.fromordinal(max(1, counted.most_common(1)[0][0] + 1))
    return date.fromordinal(max(1, filled[min(filled)] - min(filled) + 1))


def _filled(known: Mapping[int, int], keys: Mapping[int, int]) -> dict[int, int]:
    """Return `known` and what it implies for other places: the value that grows by one with the key, if it is one.

    Beyond the first and last known place that holds only where all known places agree.
    """
    result = dict(known)
    places = sorted(place for place in known if place in keys)
    offsets = {known[place] - keys[place] for place in places}
    for place in keys:
        if place in known or not places:
            continue
        at = bisect_right(places, place)
        beside = {known[p] - keys[p] for p in places[max(0, at - 1) : at + 1]}
        implied = beside if 0 < at < len(places) else offsets
        if len(implied) == 1:
            result[place] = keys[place] + next(iter(implied))
    return result


def _believed(ordinals: dict[int, int], keys: Mapping[int, int]) -> dict[int, int]:
    """Return the dates that run forwards, at least a day a column, near the middle one: as many as do so together.

    A typing error in a year or a month would otherwise put a weight years after the others, beyond the horizon.
    """
    if not ordinals:
        return {}
    middle = sorted(ordinals.values())[len(ordinals) // 2]
    near = [place for place in sorted(ordinals) if abs(ordinals[place] - middle) <= _LONGEST]
    # The longest run of offsets that do not fall, by the last offset of the best run of each length.
    ends: list[int] = []
    last: list[int] = []
    before: dict[int, int | None] = {}
    for place in near:
        offset = ordinals[place] - keys.get(place, place)
        at = bisect_right(ends, offset)
        before[place] = last[at - 1] if at else None
        ends[at:], last[at:] = [offset, *ends[at + 1 :]], [place, *last[at + 1 :]]
    chosen: list[int] = []
    step: int | None = last[-1] if last else None
    while step is not None:
        chosen.append(step)
        step = before[step]
    return {place: ordinals[place] for place in chosen}


def _dates(cells: Mapping[int, Cell], keys: Mapping[int, int], epoch: date) -> tuple[dict[int, date], set[int]]:
    """Return the dates that can be told, and the places of cells that hold something else.

    Where day and month could be swapped, the workbook's other dates decide: its columns are days in a row.
    """
    certain: dict[int, date] = {}
    open_: dict[int, str] = {}
    for place, cell in cells.items():
        told = _certain(cell, epoch)
        if told:
            certain[place] = told
        elif isinstance(cell, str) and _NUMERIC.fullmatch(cell.strip()):
            open_[place] = cell.strip()
    scores = {}
    for order in ("dmy", "mdy"):
        read = {place: day for place, text in open_.items() if (day := _numeric(text, order))}
        offsets = Counter(day.toordinal() - keys.get(place, place) for place, day in (certain | read).items())
        scores[order] = (len(read), max(offsets.values(), default=0), read)
    by_order = sorted(scores.values(), key=lambda score: score[:2], reverse=True)
    equal = by_order[0][2] == by_order[1][2]
    if open_ and (equal or by_order[0][:2] != by_order[1][:2]):
        certain |= by_order[0][2]
    return certain, {place for place in cells if place not in certain}


def _certain(cell: Cell, epoch: date) -> date | None:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    if not isinstance(cell, str):
        serial = number(cell, epoch)
        return _of_serial(serial, epoch) if serial is not None else None
    if _SERIAL_TEXT.fullmatch(cell.strip()):
        return _of_serial(float(cell), epoch)
    text = _WEEKDAY.sub("", " ".join(cell.casefold().split()))
    if found := _ISO.fullmatch(text):
        return _date(found[1], found[2], found[3])
    if found := _DAY_FIRST.fullmatch(text):
        return _date(found[3], _month(found[2]), found[1])
    if found := _MONTH_FIRST.fullmatch(text):
        return _date(found[3], _month(found[1]), found[2])
    return None


def _of_serial(serial: float, epoch: date) -> date | None:
    return epoch + timedelta(days=int(serial)) if _SERIALS[0] <= serial < _SERIALS[1] else None


def _numeric(text: str, order: str) -> date | None:
    found = _NUMERIC.fullmatch(text)
    if not found:
        return None
    first, second, year = found.groups()
    return _date(year, *((second, first) if order == "dmy" else (first, second)))


def _month(name: str) -> str:
    return str(_MONTHS.index(name[:3]) + 1) if name[:3] in _MONTHS else "0"


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day))
    except ValueError:
        return None


def _day(cell: Cell) -> int | None:
    if isinstance(cell, str):
        found = _DAY.fullmatch(cell.strip())
        return int(found[1]) if found else None
    if isinstance(cell, int | float) and not isinstance(cell, bool) and float(cell).is_integer() and 0 <= cell < 10_000:
        return int(cell)
    return None

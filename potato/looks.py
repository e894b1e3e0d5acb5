"""What a raw file looks like from outside: its header, and for each column whether it holds dates, numbers or text."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

from potato import decoding, rawfiles, rawrows
from potato.errors import PotatoError
from potato.quantities import MISSING
from potato.synonyms import UNITS, key, named

HEADER_WITHIN = 50  # records in which a header is looked for, below a tracker's own lines
ROWS, BYTES = 20_000, 8 << 20  # how much of a file is looked at
_JUDGED = 1_000  # values from which a column's kind is told
MOST = 0.8  # share of a column's values that have to look alike

_CLOCK = re.compile(r"^\d{1,2}:\d{2}(:\d{2})?(\.\d+)?\s*([ap]\.?m\.?)?$", re.IGNORECASE)
_WEEKDAY = r"^((mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_DATES = (
    re.compile(_WEEKDAY + r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?$", re.IGNORECASE),
    re.compile(_WEEKDAY + r"\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})(,?[T ].*)?$", re.IGNORECASE),
    re.compile(_WEEKDAY + r"\d{1,2}\.?[-/ ][a-z]{3,9}\.?,?[-/ ](\d{4}|\d{2})(,?[T ].*)?$", re.IGNORECASE),
    re.compile(_WEEKDAY + r"[a-z]{3,9}\.? \d{1,2},? \d{4}(,?[T ].*)?$", re.IGNORECASE),
    re.compile(r"^(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$"),
)
_TIME_OF_DAY = re.compile(r"(?:T|,?\s+)\d{1,2}:\d{2}.*$", re.IGNORECASE)
_SERIAL = re.compile(r"^[2-5]\d{4}(\.\d+)?$")
_NUMBER = re.compile(
    r"^(?:~|≈|ca\.?|about)?\s*([-+]?(?:\d[\d.,' \u00a0]*|\.\d+)(?:e[-+]?\d+)?)\s*([a-z]{1,9}\.?)?$", re.IGNORECASE
)
_THOUSANDS = re.compile(r"^[-+]?\d{1,3}([,'. ]\d{3})+$")


def number(text: str) -> tuple[float | None, str | None]:
    """Return (number, unit written behind it) as far as a look needs it; (None, None) for what is no number.

    Silver reads numbers by each file's evidence; here a range to show is enough.
    """
    found = _NUMBER.match(text.strip())
    if not found:
        return None, None
    digits = re.sub(r"['\s\u00a0]", "", found[1])
    if "," in digits and "." in digits:
        point = max(digits.rfind(","), digits.rfind("."))
        digits = re.sub(r"[.,]", "", digits[:point]) + "." + digits[point + 1 :]
    elif "," in digits:
        digits = digits.replace(",", "") if _THOUSANDS.match(digits) else digits.replace(",", ".")
    try:
        return float(digits), UNITS.get((found[2] or "").casefold().rstrip(".")) if found[2] else None
    except ValueError:
        return None, None


def is_date(text: str) -> bool:
    """Tell whether a text is written like a calendar date, in whatever order."""
    return any(pattern.match(text) for pattern in _DATES)


def is_clock(text: str) -> bool:
    """Tell whether a text is a time of day without a date."""
    return bool(_CLOCK.match(text))


@dataclass
class Column:
    """One column of a raw file: its name, its place, and the texts of the rows that were looked at (None: no cell)."""

    name: str
    position: int
    texts: list[str | None]

    @cached_property
    def values(self) -> list[str]:
        """The texts that say something, in file order."""
        stripped = [(text or "").strip() for text in self.texts]
        return [text for text in stripped if text.casefold() not in MISSING]

    @cached_property
    def numbers(self) -> list[float | None]:
        """Each row's number; None where there is none."""
        return [number(text)[0] if text else None for text in self.texts]

    @cached_property
    def units(self) -> list[str]:
        """The units that stand behind numbers."""
        return [unit for unit in (number(text)[1] for text in self.values) if unit]

    @cached_property
    def kind(self) -> str:
        """Return date, clock, number, text or empty: what most of the values are."""
        if not self.values:
            return "empty"
        values = self.values[:_JUDGED]
        enough = MOST * len(values)
        if sum(is_date(text) for text in values) >= enough:
            return "date"
        if sum(is_clock(text) for text in values) >= enough:
            return "clock"
        readable = [text for text in values if number(text)[0] is not None]
        if len(readable) >= enough:
            # A spreadsheet writes a date as the number of days since 1900.
            serials = sum(bool(_SERIAL.match(text)) for text in readable)
            return "date" if serials >= enough and any(n.field == "date" for n in named(self.name)) else "number"
        return "text"

    @cached_property
    def distinct(self) -> list[str]:
        """The different values, in order of first appearance."""
        return list(dict.fromkeys(self.values))

    @cached_property
    def every_day(self) -> list[str]:
        """Each row's calendar day as it is written: a date without its time of day; nothing where there is none."""
        stripped = [_TIME_OF_DAY.sub("", (text or "").strip()) for text in self.texts]
        return [text.partition(".")[0] if _SERIAL.match(text) else text for text in stripped]

    @property
    def days(self) -> list[str]:
        """The calendar days of the rows that have one, in file order."""
        return [day for day in self.every_day if day.casefold() not in MISSING]

    @property
    def spread(self) -> tuple[float, float] | None:
        """Return (lowest, highest) number; None without one."""
        known = [n for n in self.numbers if n is not None]
        return (min(known), max(known)) if known else None

    def told(self) -> str:
        """Return what the column looks like, in words."""
        if self.kind == "number" and self.spread:
            low, high = self.spread
            return f"numbers from {low:g} to {high:g}" if low < high else f"numbers, all {low:g}"
        if self.kind == "date":
            return f"dates such as {self.values[0]}"
        if self.kind == "clock":
            return "times of day"
        if self.kind == "text":
            few = len(self.distinct) <= 6
            return ("one of " if few else "text such as ") + ", ".join(self.distinct[: 6 if few else 2])
        return "nothing"


@dataclass
class FileLook:
    """A raw file: its name below the study's folder, how it is read, its columns and the lines above the header."""

    name: str
    encoding: str
    separator: str
    header_row: int
    columns: list[Column]
    preamble: list[str] = field(default_factory=list)
    rows: int = 0

    def column(self, name: str) -> Column | None:
        """Return the column of that name, compared after folding; None when there is none."""
        exact = next((c for c in self.columns if c.name == name), None)
        return exact or next((c for c in self.columns if key(c.name) == key(name)), None)

    def only(self, name: str, texts: Collection[str]) -> FileLook:
        """Return the look of the rows alone that have one of `texts` in a column; a blank cell is an empty text."""
        chosen = [i for i, text in enumerate(self._texts(name)) if text in texts]
        columns = [replace(column, texts=[column.texts[i] for i in chosen]) for column in self.columns]
        return replace(self, columns=columns, rows=len(chosen))

    def texts(self, name: str) -> list[str]:
        """Return the different texts of a column, blank ones too, in order of first appearance."""
        return list(dict.fromkeys(self._texts(name)))

    def _texts(self, name: str) -> list[str]:
        column = self.column(name)
        return [(text or "").strip() for text in column.texts] if column else []


def find_header(records: list[list[str]]) -> int | None:
    """Return the index of the header among a file's first records: the first that names two columns that are known.

    Without one it is the first record of the file's usual width that holds neither a date nor a number; None when
    there is no such record, as in a file of data only.
    """
    head = records[:HEADER_WITHIN]
    known = [sum(bool(named(cell)) for cell in record if number(cell)[0] is None) for record in head]
    two = next((i for i, count in enumerate(known) if count >= 2), None)
    if two is not None:
        return two
    widths = [len(record) for record in records]
    usual = max(set(widths), key=widths.count) if widths else 0
    for i, record in enumerate(head):
        cells = [cell.strip() for cell in record if cell.strip()]
        if len(record) == usual and cells and not any(is_date(c) or number(c)[0] is not None for c in cells):
            return i
    return None


def read(path: Path, name: str) -> FileLook | None:
    """Return the look of a raw file from its first rows; None for one without a header, such as an empty file.

    Raises
    ------
    PotatoError
        when the file can't be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(BYTES)
    except OSError as error:
        raise PotatoError(
            f"The file {name} can't be read.",
            where=str(path),
            expected="a file that you may read",
            found=str(error.strerror),
            hint="check its permissions, or move it out of the folder",
        ) from None
    if len(content) == BYTES:
        content = content[: content.rfind(b"\n") // 4 * 4]
    text = decoding.decode(content)
    separator = rawfiles.opening(text.content).separator
    lines = rawrows.text_lines(text.content)
    numbered = enumerate(rawrows.records(lines, separator), start=1)
    records = [(n, cells) for n, (cells, _, _) in islice(numbered, ROWS) if any(cell.strip() for cell in cells)]
    return lay_out(name, text.encoding, separator, records)


def lay_out(name: str, encoding: str, separator: str, records: list[tuple[int, list[str]]]) -> FileLook | None:
    """Return the look of a file from its numbered records; None when it has no header.

    Parameters
    ----------
    records : (row number, cells), without blank lines; row 1 is the first line of the file.
    """
    at = find_header([cells for _, cells in records])
    if at is None:
        return None
    names = [cell.strip().lstrip("#").strip() for cell in records[at][1]]
    body = [cells for _, cells in records[at + 1 :]]
    columns = [
        Column(cell, i, [row[i] if i < len(row) else None for row in body]) for i, cell in enumerate(names) if cell
    ]
    above = [separator.join(cells) for _, cells in records[:at]]
    return FileLook(name, encoding, separator, records[at][0], columns, above, len(body))

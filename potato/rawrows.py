"""Reading rows one by one: whatever a file holds, each line ends up in a row, and a row that is broken says so."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

_ROWS_AT_ONCE = 65_536
_CHARACTERS_AT_ONCE = 32 << 20
_LONGEST_CELL = (1 << 31) - 1
_TEXT = pa.string()


@dataclass(frozen=True)
class Layout:
    """What the header says of the rows below it.

    `width` is how many cells it has, `needed` how many of them reach up to the last column that the study uses, and
    `time` the position of the date or day, by which a line is known as a row.
    """

    separator: str
    width: int
    needed: int
    time: int

    def fault(self, cells: list[str]) -> str | None:
        """Return what is wrong with the number of a row's cells; empty cells too many are not."""
        if len(cells) < self.needed:
            return "too_few_cells"
        return "too_many_cells" if any(cells[self.width :]) else None


class _OpenQuoteError(Exception):
    """A quote that is open at the end of a line does not close where it was meant to."""


@dataclass
class _Lines:
    """Hands lines to the csv module, which asks for a second one within a record when a quote is open.

    A line is handed out at most twice: where a quote was found not to close before some line, no other quote that is
    open before that line can close either.
    """

    lines: Iterator[str]
    is_row: Callable[[str, list[str]], bool]
    taken: list[str] = field(default_factory=list)
    again: deque[str] = field(default_factory=deque)
    position: int = 0
    lost_before: int = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if not self.taken:
            line = self.again.popleft() if self.again else next(self.lines)
        else:
            line = self._continuation()
        self.taken.append(line)
        self.position += 1
        return line

    def _continuation(self) -> str:
        if self.position < self.lost_before:
            raise _OpenQuoteError
        line = self.again.popleft() if self.again else next(self.lines, None)
        if line is None:
            raise _OpenQuoteError
        if self.is_row(line, self.taken):
            self.again.appendleft(line)
            raise _OpenQuoteError
        return line

    def give_back(self) -> str:
        """Return the first line of the record and let its others be read again."""
        first, *others = self.taken
        self.lost_before = max(self.lost_before, self.position)
        self.again.extendleft(reversed(others))
        self.position -= len(others)
        return first


def text_lines(content: bytes) -> Iterator[str]:
    """Yield the lines of UTF-8 text with their ends: LF, CRLF or a lone CR."""
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")


def records(
    lines: Iterable[str], separator: str, layout: Layout | None = None
) -> Iterator[tuple[list[str], bool, list[str]]]:
    """Yield (cells, broken, lines) for each record; a blank line is a record without cells.

    A quote that never closes, or whose closing would swallow whole rows, breaks its record: the first line is then
    taken as it stands, with its quotes, and reading goes on at the next. Without a `layout` only the end of `lines`
    tells that a quote is open. Linear in the size of the text.
    """
    previous = ""

    def is_row(line: str, taken: list[str]) -> bool:
        """Tell whether a line within an open quote is a row by itself: it has the cells, and a date like its peers."""
        if layout is None or line.count(separator) < layout.width - 1:
            return False
        time = layout.time
        looks, of_first = _looks(line, separator, time), _looks(taken[0], separator, time)
        if "9" not in looks or looks not in (of_first, _looks(previous, separator, time)):
            return False
        # Where the quote closes before the date, this may be the end of a cell; not if it holds the first line's date.
        return _cells_before_quote(line, separator) > time or (
            looks == of_first and _cells_before_quote(taken[0], separator) <= time
        )

    csv.field_size_limit(_LONGEST_CELL)
    source = _Lines(iter(lines), is_row)
    reader = csv.reader(source, delimiter=separator)
    while True:
        taken: list[str] = []
        source.taken = taken
        try:
            cells = next(reader)
            broken = len(taken) > 1 and layout is not None and layout.fault(cells) is not None
        except StopIteration:
            return
        except _OpenQuoteError:
            broken = True
        if broken:
            first = source.give_back()
            yield first.rstrip("\r\n").split(separator), True, [first]
        else:
            previous = taken[0] if cells else previous
            yield cells, False, taken


def _looks(line: str, separator: str, position: int) -> str:
    """Return the pattern of a cell: each number is a 9, each word an a."""
    cells = line.split(separator)
    cell = cells[position].strip(' "\r\n') if position < len(cells) else ""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", cell))


def _cells_before_quote(line: str, separator: str) -> int:
    return line.split('"', 1)[0].count(separator) + 1


def read(lines: Iterable[str], layout: Layout, first_row: int) -> pa.Table:
    """Return the rows of `lines` as text: source_row, fault, overflow, and a column for each position of the header.

    Rows are counted from `first_row`, blank lines too, which are no rows. `overflow` holds the cells that the header
    does not name, as the inside of a JSON object. Memory is bounded by the table and a chunk of rows.
    """
    chunks: list[pa.Table] = []
    chunk = _Chunk(layout)
    for number, (cells, broken, taken) in enumerate(records(lines, layout.separator, layout), start=first_row):
        if cells:
            chunk.add(number, cells, broken)
            chunk.characters += sum(map(len, taken))
            if len(chunk.numbers) >= _ROWS_AT_ONCE or chunk.characters >= _CHARACTERS_AT_ONCE:
                chunks.append(chunk.table())
                chunk = _Chunk(layout)
    return pa.concat_tables([*chunks, chunk.table()])


def above(lines: Iterable[str], layout: Layout, header_row: int) -> pa.Table:
    """Return what stands above the header in `lines` and is a row, all with the fault above_header.

    The first one has the cells that the study uses, and a number in that of the date or day; what stands before it is
    a title. All that follow are rows too, whatever they hold.
    """
    chunk = _Chunk(layout)
    for number, (cells, _, _) in enumerate(records(lines, layout.separator), start=1):
        if number == header_row:
            break
        is_row = len(cells) >= layout.needed and any(letter.isdigit() for letter in cells[layout.time])
        if is_row or (chunk.rows and any(cell.strip() for cell in cells)):
            chunk.add(number, cells, broken=False)
    chunk.faults = dict.fromkeys(range(len(chunk.rows)), "above_header")
    return chunk.table()


class _Chunk:
    """Some rows, until they are many enough to be laid out in columns."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.characters = 0
        self.numbers: list[int] = []
        self.rows: list[list[str | None]] = []
        self.faults: dict[int, str] = {}
        self.overflows: dict[int, str] = {}

    def add(self, number: int, cells: list[str], broken: bool) -> None:
        layout = self.layout
        row: list[str | None] = [*cells]
        if broken:
            self.faults[len(self.rows)] = "unclosed_quote"
        if len(cells) != layout.width:
            fault = layout.fault(cells)
            if fault and not broken:
                self.faults[len(self.rows)] = fault
            if fault == "too_many_cells":
                self.overflows[len(self.rows)] = _overflow(cells, layout.width)
            row = [*cells[: layout.width], *[None] * (layout.width - len(cells))]
        self.numbers.append(number)
        self.rows.append(row)

    def table(self) -> pa.Table:
        count = len(self.rows)
        columns = list(zip(*self.rows, strict=True)) if count else [()] * self.layout.width
        return pa.table(
            {
                "source_row": pa.array(self.numbers, pa.int32()),
                "fault": _sparse(self.faults, count),
                "overflow": _sparse(self.overflows, count),
                **{str(i): pa.array(column, _TEXT) for i, column in enumerate(columns)},
            }
        )


def _overflow(cells: list[str], width: int) -> str:
    named = {f"column {i + 1}": cell for i, cell in enumerate(cells[width:], start=width) if cell}
    return json.dumps(named, ensure_ascii=False)[1:-1]


def _sparse(found: dict[int, str], count: int) -> pa.Array:
    return pa.array([found.get(i) for i in range(count)], _TEXT) if found else pa.nulls(count, _TEXT)

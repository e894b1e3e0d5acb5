"""One raw file: how it is encoded and separated, where its header is, and its rows as columns of text.

A file that is well-formed is read by Arrow. Any other is read row by row (rawrows); the result is the same table.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from potato import decoding, headers, rawrows
from potato.errors import PotatoError
from potato.headers import normal, positions
from potato.study import FamilyMapping

SEPARATORS = (",", ";", "\t", "|")
_SAMPLE_LINES = 120
_SAMPLE_RECORDS = 50
_BLOCK = 1 << 20  # a block's cells stay in the processor's cache
_PIECE = 1 << 20
_LOOKED_AT = 4096
_MOST_CONTROL = 0.05
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufffd]")
_SEP_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_TEXT = pa.string()


@dataclass(frozen=True)
class Opening:
    """What the start of a file says of the rest.

    `header` is empty, and `header_row` None, where the file has no text. `header_row` counts records, `header_lines`
    the lines up to the header's last one.
    """

    separator: str
    header: list[str]
    header_row: int | None
    header_lines: int = 0


@dataclass(frozen=True)
class RawFile:
    """One raw file: where it is, how it was read, and its rows.

    `rows` has the columns source_row (the row as a spreadsheet counts it), fault (a key of reasons.FAULTS or null),
    overflow (cells that the header doesn't name, as the inside of a JSON object, or null) and, named "0", "1" and so
    on, the text of each column of the header; null where a row is too short.
    """

    name: str
    family: str
    sha256: str
    encoding: str
    separator: str
    header: list[str]
    header_row: int | None
    rows: pa.Table


def opening(content: bytes, columns: Sequence[str] = (), separator: str | None = None) -> Opening:
    """Tell the separator and the header of UTF-8 text from its first lines.

    The header is the first record that has two of `columns`, else the first that has one, else the first that is not
    blank: a later one with more of them would make titles of the rows between. The separator is the one that finds
    the most of them; then the one that cuts the most records into equally many cells; then the one that gives more
    cells. Excel's `sep=;` in the first line decides too.
    """
    lines = list(islice(rawrows.text_lines(content), _SAMPLE_LINES))
    told = _SEP_LINE.fullmatch(lines[0].strip("\r\n")) if lines else None
    candidates = [separator] if separator else [told[1]] if told else SEPARATORS
    found = [_opening(lines, candidate, columns, skip=bool(told)) for candidate in candidates]
    return max(found, key=lambda pair: pair[0])[1]


def _opening(
    lines: list[str], separator: str, columns: Sequence[str], *, skip: bool
) -> tuple[tuple[float, ...], Opening]:
    read, header = 0, Opening(separator, [], None)
    best, widths = -1, Counter[int]()
    # Two of the names: a title may hold one.
    wanted = {column: normal(column) for column in columns}
    enough = min(2, len(wanted))
    for number, (cells, _, taken) in enumerate(islice(rawrows.records(lines, separator), _SAMPLE_RECORDS), start=1):
        read += len(taken)
        if not any(cell.strip() for cell in cells) or (skip and number == 1):
            continue
        widths[len(cells)] += 1
        if best < enough:
            names = [cell.strip().lstrip("\ufeff#").strip() for cell in cells]
            there = {normal(name) for name in names}.union(names)
            known = sum(column in there or name in there - {""} for column, name in wanted.items())
            if known > best:
                best, header = known, Opening(separator, names, number, read)
    width, agree = max(widths.items(), key=lambda item: (item[0] > 1, item[1], item[0]), default=(0, 0))
    share = agree / widths.total() if width > 1 else 0.0
    return (best, share, width), header


def read_raw(path: Path, name: str, family: str, mapping: FamilyMapping) -> RawFile:
    """Read one CSV file without interpreting a single value.

    Raises
    ------
    PotatoError
        when `path` is no readable file or holds no text, or its header comes again with other columns.
    """
    content = _bytes(path, name)
    with ThreadPoolExecutor(1) as other:
        digest = other.submit(lambda: hashlib.sha256(content).hexdigest())
        text = decoding.decode(content)
        start = opening(text.content, list(mapping.columns.values()), mapping.separator)
        _refuse_what_is_no_text(text.content, start.header, mapping, name)
        rows = _rows(text, start, mapping, name)
        return RawFile(
            name, family, digest.result(), text.encoding, start.separator, start.header, start.header_row, rows
        )


def _bytes(path: Path, name: str) -> bytes:
    try:
        # A pipe or a device would be waited for.
        if path.is_file():
            return path.read_bytes()
        problem = "a folder" if path.is_dir() else "a link to nothing" if path.is_symlink() else "no regular file"
    except OSError as error:
        problem = str(error.strerror)
    raise PotatoError(
        f"The raw file {name} can't be read.",
        where=name,
        expected="a file",
        found=problem,
        hint="check that it is a file and that you may read it, or move it out of the study's folder",
    )


def _refuse_what_is_no_text(content: bytes, header: list[str], mapping: FamilyMapping, name: str) -> None:
    """Raise for an archive, a picture or zeros; a text with some damage has a header with a known name."""
    if any(positions(header, column) for column in mapping.columns.values()):
        return
    start = content[:_LOOKED_AT].decode("utf-8", "replace")
    strange = len(_CONTROL.findall(start))
    if strange > _MOST_CONTROL * len(start):
        raise PotatoError(
            f"{name} is no text file.",
            where=name,
            expected="lines of text with a header, such as a CSV file",
            found=f"{strange:,} of the first {len(start):,} characters are none that a text has",
            hint="unpack it or save it as CSV, or let the study's pattern of files leave it out",
        )


def _rows(text: decoding.Decoded, start: Opening, mapping: FamilyMapping, name: str) -> pa.Table:
    used = {field: at[0] for field, column in mapping.columns.items() if (at := positions(start.header, column))}
    time = used.get("date", used.get("day", 0))
    layout = rawrows.Layout(start.separator, len(start.header), max(used.values(), default=-1) + 1, time)
    if start.header_row is None:
        return rawrows.read([], layout, 1)
    rows = None if text.damaged or b"\0" in text.content else _well_formed(text.content, start, layout)
    if rows is None:
        lines = islice(rawrows.text_lines(text.content), start.header_lines, None)
        rows = rawrows.read(lines, layout, start.header_row + 1)
        rows = _with_fault(rows, _damaged(rows, text), "damaged_text")
    by_time = sorted(used.values(), key=lambda position: position != time)
    missing = {normal(column) for field, column in mapping.columns.items() if field not in used}
    rows = _with_fault(rows, headers.again(rows, start.header, by_time, missing, name), "header_again")
    if not used or start.header_row == 1:
        return rows
    lines = islice(rawrows.text_lines(text.content), start.header_lines)
    return pa.concat_tables([rawrows.above(lines, layout, start.header_row), rows])


def _well_formed(content: bytes, start: Opening, layout: rawrows.Layout) -> pa.Table | None:
    """Read with Arrow a file whose records are lines of equally many cells; None for any other."""
    if layout.width < 2 or (b"\r" in content and content.count(b"\r") != content.count(b"\r\n")):
        return None
    offset = _after_lines(content, start.header_lines)
    rest = np.frombuffer(content, np.uint8, offset=offset)
    with ThreadPoolExecutor(1) as other:
        reading = other.submit(_cells, content, offset, start.separator, layout.width)
        if content.startswith(b"\xef\xbb\xbf", offset) or not _quotes_pair_up(rest, start.separator):
            return None
        count = _count_lines(rest)
        try:
            cells = reading.result()
        except pa.ArrowInvalid:
            return None
    lines = _lines_with_text(rest, count, cells.num_rows)
    if len(lines) != cells.num_rows:
        return None
    source_row = pa.array(lines + (start.header_row or 0) + 1, pa.int32())
    blank = pa.nulls(cells.num_rows, _TEXT)
    names = ["source_row", "fault", "overflow", *cells.column_names]
    return pa.table([source_row, blank, blank, *cells.columns], names)


def _cells(content: bytes, offset: int, separator: str, width: int) -> pa.Table:
    """Read with Arrow what stands from `offset` on, as text; ArrowInvalid where a line has more or fewer cells."""
    names = [str(i) for i in range(width)]
    return pa.csv.read_csv(
        pa.BufferReader(pa.py_buffer(content).slice(offset)),
        pa.csv.ReadOptions(column_names=names, block_size=_BLOCK),
        pa.csv.ParseOptions(delimiter=separator),
        pa.csv.ConvertOptions(column_types=dict.fromkeys(names, _TEXT), strings_can_be_null=False),
    )


def _after_lines(content: bytes, lines: int) -> int:
    offset = 0
    for _ in range(lines):
        offset = content.find(b"\n", offset) + 1 or len(content)
    return offset


def _where(rest: npt.NDArray[np.uint8], character: str) -> npt.NDArray[np.intp]:
    """Return the positions of a character; in pieces, which stay in the processor's cache."""
    pieces = [np.flatnonzero(rest[i : i + _PIECE] == ord(character)) + i for i in range(0, len(rest), _PIECE)]
    return np.concatenate(pieces) if pieces else np.empty(0, np.intp)


def _quotes_pair_up(rest: npt.NDArray[np.uint8], separator: str) -> bool:
    """Tell whether each quote opens at the start of a cell and closes at its end."""
    quotes = _where(rest, '"')
    if not len(quotes):
        return True
    if len(quotes) % 2:
        return False
    opening_, closing = quotes[::2], quotes[1::2]
    before = rest[opening_[1:] - 1] if opening_[0] == 0 else rest[opening_ - 1]
    after = rest[closing[:-1] + 1] if closing[-1] == len(rest) - 1 else rest[closing + 1]
    edges = np.zeros(256, bool)
    edges[[ord(separator), ord("\n"), ord('"')]] = True
    if not edges[before].all():
        return False
    edges[ord("\r")] = True
    return bool(edges[after].all())


def _count_lines(rest: npt.NDArray[np.uint8]) -> int:
    ends = sum(int(np.count_nonzero(rest[i : i + _PIECE] == ord("\n"))) for i in range(0, len(rest), _PIECE))
    return ends + (not len(rest) or rest[-1] != ord("\n"))


def _lines_with_text(rest: npt.NDArray[np.uint8], count: int, rows: int) -> npt.NDArray[np.signedinteger]:
    """Return the numbers, from 0, of the lines that are not blank; more than `rows` where a row has several."""
    if count == rows:
        return np.arange(rows)
    starts = np.concatenate([[0], _where(rest, "\n") + 1])[:count]
    first = rest[starts]
    return np.flatnonzero((first != ord("\n")) & (first != ord("\r")))


def _damaged(rows: pa.Table, text: decoding.Decoded) -> pa.Array | None:
    marks = [mark for mark, there in (("\0", b"\0" in text.content), (decoding.REPLACEMENT, text.damaged)) if there]
    found = None
    for column in rows.column_names[2:]:
        for mark in marks:
            # The overflow is JSON, where a NUL is escaped.
            pattern = "\\u0000" if column == "overflow" and mark == "\0" else mark
            hit = pc.fill_null(pc.match_substring(rows[column], pattern), False)
            found = hit if found is None else pc.or_(found, hit)
    return found


def _with_fault(rows: pa.Table, where: pa.Array | None, fault: str) -> pa.Table:
    """Give rows a fault; a quote that does not close explains the others, and stays."""
    if where is None:
        return rows
    kept = pc.fill_null(pc.equal(rows["fault"], "unclosed_quote"), False)
    faults = pc.if_else(pc.and_not(where, kept), fault, rows["fault"])
    return rows.set_column(rows.column_names.index("fault"), "fault", faults)

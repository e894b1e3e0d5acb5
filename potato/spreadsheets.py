"""Spreadsheet files as sparse sheets of cells: .xlsx and .xls, read without running or guessing anything."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

import python_calamine as calamine

Cell = int | float | str | bool | date | datetime | time | timedelta

# A participant's workbook has some kilobytes and some thousand cells; these leave room for pictures and for formats
# that were dragged down a whole sheet, and keep a damaged or hostile file from filling the memory.
LARGEST_FILE = 100 * 1024 * 1024
LARGEST_UNPACKED = 400 * 1024 * 1024
LARGEST_AREA = 5_000_000

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ADDRESS = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    ElementTree.ParseError,
    expat.ExpatError,
    EOFError,
    KeyError,
    OSError,
    ValueError,
)
_EPOCH = date(1899, 12, 30)
_EPOCH_1904 = date(1904, 1, 1)


class Unreadable(Exception):
    """A file that is no readable workbook; the message is the reason, for the list of problems."""


@dataclass(frozen=True)
class Sheet:
    """One sheet: its name and its cells that hold something, by (row, column), both counted from 0.

    An error such as #N/A is its text, and a formula whose result the file does not hold is the formula's text, so
    that neither passes for a blank; in .xls files both are blanks, since their reader tells no more. `epoch` is the
    day that the file's date serials count from.
    """

    name: str
    cells: dict[tuple[int, int], Cell]
    epoch: date = _EPOCH

    def address(self, row: int, column: int) -> str:
        """Return a cell's address as a spreadsheet writes it, such as Sheet1!F7 or 'My diet'!F7."""
        name = self.name if re.fullmatch(r"\w+", self.name) else "'" + self.name.replace("'", "''") + "'"
        return f"{name}!{letters(column)}{row + 1}"


def letters(column: int) -> str:
    """Return a column's letters: 0 is A, 26 is AA."""
    text = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(ord("A") + rest) + text
    return text


def written(cell: Cell | None) -> str:
    """Return a cell's value as text: a whole number without a point, a date as yyyy-mm-dd, no cell as nothing."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ") if cell.time() != time() else cell.date().isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)


def number(cell: Cell | None, epoch: date) -> float | None:
    """Return the number that a cell holds, also where a date or time format hides it; None for any other cell.

    A weight in a cell with a date format looks like a day of 1900: 180.5 is 1900-06-28 12:00. What a format shows as
    a later day is a date.
    """
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float):
        return float(cell)
    if isinstance(cell, timedelta):
        return cell / timedelta(days=1)
    if isinstance(cell, date) and cell.year - epoch.year < 10:
        at = cell.time() if isinstance(cell, datetime) else time()
        since = datetime.combine(cell, at) - datetime.combine(epoch, time())
        # To the precision of a second, in which the format keeps it.
        return round(since / timedelta(days=1), 4)
    return None


def read(path: Path) -> list[Sheet]:
    """Return the worksheets of one file, in its order.

    Raises
    ------
    Unreadable
        with the reason, where it can't be read: empty, damaged, with a password, not a workbook, too large.
    """
    try:
        if not path.is_file():  # a pipe or a device would be waited for
            raise Unreadable("it is not a regular file")
        if path.stat().st_size > LARGEST_FILE:
            raise Unreadable(f"it has more than {LARGEST_FILE // 1024**2} MB, which no participant's workbook needs")
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"it can't be opened: {error.strerror}") from None
    unstored: dict[str, dict[tuple[int, int], str]] = {}
    epoch = _EPOCH
    if content.startswith(_ZIP):
        unstored, epoch = _looked_into(content)
    elif not content.startswith(_OLE):
        raise Unreadable("it is empty" if not content else "it is not a workbook, whatever its name says")
    elif "EncryptedPackage".encode("utf-16-le") in content:
        raise Unreadable("it is protected by a password")
    try:
        return [_with(sheet, unstored.get(sheet.name, {}), epoch) for sheet in _sheets(path, content)]
    except calamine.PasswordError:
        raise Unreadable("it is protected by a password") from None
    except (calamine.CalamineError, OSError, ValueError, OverflowError) as error:
        raise Unreadable(f"it is damaged: {' '.join(str(error).split())[:120]}") from None
    except BaseException as error:
        # A panic of the library's compiled part is no Exception, and its class has no name to import.
        if type(error).__name__ != "PanicException":
            raise
        raise Unreadable("it is damaged in a way that its reader does not expect") from None


def _sheets(path: Path, content: bytes) -> Iterator[calamine.CalamineSheet]:
    old = content.startswith(_OLE)
    # By the path, the library says what is wrong; by the content, it reads a file whose ending is of the other kind,
    # or whose name is no text.
    fits = path.suffix.lower() in ((".xls",) if old else (".xlsx", ".xlsm")) and str(path).isprintable()
    source = str(path) if fits else io.BytesIO(content)
    with calamine.CalamineWorkbook.from_object(source) as workbook:
        for sheet in workbook.sheets_metadata:
            if sheet.typ == calamine.SheetTypeEnum.WorkSheet:
                yield workbook.get_sheet_by_name(sheet.name)


def _with(sheet: calamine.CalamineSheet, unstored: dict[tuple[int, int], str], epoch: date) -> Sheet:
    cells: dict[tuple[int, int], Cell] = {}
    if sheet.start is not None:
        first_row, first_column = sheet.start
        for number_, row in enumerate(sheet.to_python(skip_empty_area=True)):
            for offset, value in enumerate(row):
                if value != "" and not (isinstance(value, str) and not value.strip()):
                    cells[first_row + number_, first_column + offset] = value
    return Sheet(sheet.name, unstored | cells, epoch)


def _looked_into(content: bytes) -> tuple[dict[str, dict[tuple[int, int], str]], date]:
    """Return, by sheet, the texts of cells that hold an error or a formula without a result, and the epoch.

    The library reads both as blank, and lays a sheet out from its first to its last cell whatever lies between.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > LARGEST_UNPACKED:
                raise Unreadable(f"it unpacks to more than {LARGEST_UNPACKED // 1024**2} MB")
            workbook = ElementTree.fromstring(archive.read("xl/workbook.xml"))
            relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
            targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
            parts = {
                sheet.get("name", ""): posixpath.normpath(posixpath.join("/xl", targets.get(sheet.get(_RELATION), "")))
                for sheet in workbook.iter()
                if sheet.tag.endswith("}sheet")
            }
            present = set(archive.namelist())
            told = {
                name: _unstored(archive.read(part.lstrip("/")), name)
                for name, part in parts.items()
                if part.lstrip("/") in present
            }
            old = any(e.get("date1904") in ("1", "true") for e in workbook.iter() if e.tag.endswith("}workbookPr"))
            return told, _EPOCH_1904 if old else _EPOCH
    except _DAMAGED as error:
        raise Unreadable(f"it is damaged: {' '.join(str(error).split())[:120]}") from None
    except (RuntimeError, NotImplementedError):  # how a zip archive says that it wants a password, or another unpacker
        raise Unreadable("it is protected by a password, or packed in an unknown way") from None


def _unstored(part: bytes, name: str) -> dict[tuple[int, int], str]:
    reader = _CellReader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.characters
    parser.Parse(part, True)
    if reader.filled:
        rows, columns = zip(*reader.filled, strict=True)
        if (max(rows) - min(rows) + 1) * (max(columns) - min(columns) + 1) > LARGEST_AREA:
            far = f"{letters(max(columns))}{max(rows) + 1}"
            raise Unreadable(f"the sheet {name!r} has a cell far from all others, in the last column or row: {far}")
    return reader.texts


class _CellReader:
    """Collects, from a worksheet's XML, where its filled cells are and what stands where no result is stored."""

    def __init__(self) -> None:
        self.texts: dict[tuple[int, int], str] = {}
        self.filled: set[tuple[int, int]] = set()
        self._at: tuple[int, int] | None = None
        self._kind = ""
        self._of: dict[str, str] = {}
        self._part = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        if name == "c":
            found = _ADDRESS.fullmatch(attributes.get("r", ""))
            self._at = (int(found[2]) - 1, _index(found[1])) if found else None
            self._kind, self._of = attributes.get("t", "n"), {}
        elif name in ("f", "v", "t"):
            self._part = name
            self._of.setdefault(name, "")

    def characters(self, text: str) -> None:
        if self._part:
            self._of[self._part] += text

    def end(self, tag: str) -> None:
        name = tag.rpartition(" ")[2]
        if name in ("f", "v", "t"):
            self._part = ""
        elif name == "c" and self._at and self._of:
            self.filled.add(self._at)
            value = self._of.get("v", "").strip()
            if self._kind == "e" and value:
                self.texts[self._at] = value
            elif "f" in self._of and not value and self._kind != "str":
                self.texts[self._at] = "=" + self._of["f"].strip()


def _index(column: str) -> int:
    number_ = 0
    for letter in column:
        number_ = number_ * 26 + ord(letter) - ord("A") + 1
    return number_ - 1

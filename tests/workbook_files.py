"""Writes participants' workbooks in the trial's layout, as .xlsx or .xls, with whatever quirks a test wants."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import xlwt
from openpyxl.utils import column_index_from_string, get_column_letter
from openpyxl.utils.cell import coordinate_from_string
from xlwt.CompoundDoc import XlsDoc

START = date(2022, 5, 1)
Cells = dict[str, Any]  # address: value, such as {"C3": "Date"}


def daily(
    weights: Sequence[Any],
    *,
    label: str = "Weight in the Morning",
    column: str = "C",
    dates: bool | Sequence[Any] = True,
    days: bool | Sequence[Any] = True,
    first: str = "E",
    **ratings: Sequence[Any],
) -> Cells:
    """Return a sheet of daily values, a column for each weight; None leaves a cell out."""
    count = len(weights)
    rows = {
        "Date": [START + timedelta(days=n) for n in range(count)] if dates is True else dates or None,
        "Day": list(range(1, count + 1)) if days is True else days or None,
        label: weights,
        "Broke diet": ratings.get("broke_diet", []),
        "Energy": ratings.get("energy", []),
        "Mood": ratings.get("mood", []),
    }
    cells: Cells = {}
    for row, (name, values) in enumerate(rows.items(), start=2):
        if values is None:
            continue
        cells[f"{column}{row}"] = name
        start = column_index_from_string(first)
        cells |= {f"{get_column_letter(start + n)}{row}": value for n, value in enumerate(values) if value is not None}
    return cells


def summary(values: Mapping[str, Any], columns: str = "AB") -> Cells:
    """Return a Summary sheet of labels and values."""
    cells: Cells = {}
    for row, (name, value) in enumerate(values.items(), start=1):
        cells |= {f"{columns[0]}{row}": name} | ({} if value is None else {f"{columns[1]}{row}": value})
    return cells


def write(path: Path, sheets: Mapping[str, Cells], merged: Sequence[str] = (), styles: Mapping[str, str] = {}) -> Path:
    """Write the sheets to `path`; `merged` ranges and number formats, by address, are of the first sheet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (_write_xls if path.suffix.lower() == ".xls" else _write_xlsx)(path, sheets, merged, styles)
    return path


def _write_xlsx(path: Path, sheets: Mapping[str, Cells], merged: Sequence[str], styles: Mapping[str, str]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    for name, cells in sheets.items():
        sheet = book.create_sheet(name)
        for address, value in cells.items():
            sheet[address] = value
            if isinstance(value, str) and value.startswith("#"):
                sheet[address].data_type = "e"
    for area in merged:
        book.worksheets[0].merge_cells(area)
    for address, style in styles.items():
        book.worksheets[0][address].number_format = style
    content = io.BytesIO()
    book.save(content)
    path.write_bytes(content.getvalue())


def _write_xls(path: Path, sheets: Mapping[str, Cells], merged: Sequence[str], styles: Mapping[str, str]) -> None:
    book = xlwt.Workbook()
    as_date = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for name, cells in sheets.items():
        sheet = book.add_sheet(name)
        for address, value in cells.items():
            column, row = coordinate_from_string(address)
            style = (as_date,) if isinstance(value, date) else ()
            sheet.write(row - 1, column_index_from_string(column) - 1, value, *style)
    content = io.BytesIO()
    book.save(content)
    path.write_bytes(content.getvalue())


def with_sheet(path: Path, xml: str) -> None:
    """Put `xml` in the place of the first sheet of an .xlsx file."""
    parts = {}
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = xml.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


def worksheet(rows: str) -> str:
    """Return the XML of a worksheet that holds `rows`."""
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'


def with_password(path: Path) -> None:
    """Write what a spreadsheet program writes for a password: its marks, around nothing."""
    book = xlwt.Workbook()
    book.add_sheet("Sheet1").write(0, 0, 1)
    stream = book.get_biff_data()
    content = io.BytesIO()
    if path.suffix == ".xls":
        start = 4 + int.from_bytes(stream[2:4], "little")
        XlsDoc().save(content, stream[:start] + bytes.fromhex("2f0036000100") + bytes(52) + stream[start:])
        path.write_bytes(content.getvalue())
        return
    XlsDoc().save(content, stream)
    document = bytearray(content.getvalue())
    entry = document.find("Workbook".encode("utf-16-le"))
    document[entry : entry + 64] = "EncryptedPackage".encode("utf-16-le").ljust(64, b"\0")
    document[entry + 64 : entry + 66] = (34).to_bytes(2, "little")
    path.write_bytes(bytes(document))


def trial(folder: Path, people: int, seed: int = 1) -> None:
    """Write a trial of `people` workbooks in its three folders, with the quirks of the real one."""
    chance = random.Random(seed)
    lengths = {"4 Weeks": (28, 60), "Closed Early": (28, 50), "Dropped": (28, 40)}
    for number in range(people):
        group = list(lengths)[number % 3]
        in_kg = number % 7 == 3
        weight = chance.uniform(62, 82) if in_kg else chance.uniform(175, 260)
        weights: list[Any] = [round(weight, 1)]
        for _ in range(chance.randint(*lengths[group]) - 1):
            weight -= chance.uniform(0, 0.15) if in_kg else chance.uniform(0, 0.4)
            weights.append(chance.choices([round(weight, 1), None, 0, "travelling"], [90, 6, 3, 1])[0])
        label = "Weight in the Morning" + (" (kg)" if number % 7 == 3 else "")
        ratings = {key: [chance.randint(1, 7) for _ in weights] for key in ("energy", "mood")}
        who = f"{10_000_000 + number * 7919}"
        said = {"Subject ID": int(who), "Starting Weight": weights[0], "Starting Energy": 4, "Starting Mood": 5}
        said |= {f"Weight End Week {week}": 0 for week in range(1, 5)} | {"Weight End 60 Days": 0}
        ending = "xls" if number % 10 == 9 else "xlsx"
        sheets = {
            "Sheet1" if number % 11 else "Diary": daily(weights, label=label, dates=number % 13 != 5, **ratings),
            "Summary": summary(said, "BC" if number % 2 else "AB"),
        }
        write(folder / group / f"{who} potato diet.{ending}", sheets | ({"Sheet2": {}} if number % 4 == 0 else {}))

"""Names of columns: how they are compared, and the header that comes once more in the middle of a file."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence, Set

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potato.errors import PotatoError

_STRANGERS = 50
_IN_BRACKETS = re.compile(r"[(\[][^)\]]*[)\]]")


def normal(name: str) -> str:
    """Return a column's name as it is compared: lower case, with _ for all that is no letter and no digit."""
    return re.sub(r"[\W_]+", "_", unicodedata.normalize("NFKC", name).casefold()).strip("_")


def positions(header: Sequence[str], name: str) -> list[int]:
    """Return where `header` has the column `name`: as it is written, else after normalising."""
    exact = [i for i, cell in enumerate(header) if cell == name]
    return exact or [i for i, cell in enumerate(header) if normal(cell) == normal(name) != ""]


def again(rows: pa.Table, header: list[str], used: Sequence[int], missing: Set[str], name: str) -> pa.Array | None:
    """Return for each row whether it is the header once more: it has the names of the columns in use, in place.

    Parameters
    ----------
    rows : source_row, fault, overflow, and a column of text for each position of the header.
    used : the positions of the columns that the study uses, that of the date or day first.
    missing : normal names of columns that the study uses and the header lacks.
    name : the file's name.

    Raises
    ------
    PotatoError
        when a row has the names elsewhere, another name or unit for one of them, or a name that the header lacks,
        since all rows after it would be read wrongly.
    """
    names = [normal(cell) for cell in header]
    if not rows.num_rows or not used:
        return None
    found = []
    for i in _candidates(rows, names, used[0]):
        row = _row(rows, i, len(names))
        there = [normal(cell) for cell in row]
        if {names[k] for k in used} <= set(there):
            if any(there[k] != names[k] for k in used):
                raise _changed(name, "the order of its columns", rows["source_row"][i].as_py(), header, row)
            if missing & set(there):
                raise _changed(name, "its columns", rows["source_row"][i].as_py(), header, row)
            found.append(i)
        elif _is_another(row, header, used):
            raise _changed(name, "its columns", rows["source_row"][i].as_py(), header, row)
    where = np.zeros(rows.num_rows, bool)
    where[found] = True
    return pa.array(where) if found else None


def _candidates(rows: pa.Table, names: list[str], time: int) -> list[int]:
    """Return rows that may be a header: among the few distinct texts of a date's column, a column's name stands out."""
    column = rows[str(time)]
    numbered = any(cell[:1].isdigit() for cell in names)
    texts = [text for text in pc.unique(column).to_pylist() if text and (numbered or not text[0].isdigit())]
    known = {text: normal(text) in names for text in texts}
    others = [text for text in texts if not known[text]][:_STRANGERS]
    named = pa.array([text for text in texts if known[text]], pa.string())
    candidates = pc.indices_nonzero(pc.is_in(column, named)).to_pylist() if len(named) else []
    return sorted([*candidates, *(pc.index(column, text).as_py() for text in others)])


def _is_another(row: list[str], header: list[str], used: Sequence[int]) -> bool:
    """Tell whether a row is a header with another name for one of the columns in use, or another unit in brackets."""
    pairs = [(row[k], header[k]) for k in used]
    others = [cell for cell, name in pairs if normal(cell) != normal(name)]
    if all(normal(_IN_BRACKETS.sub("", cell)) == normal(_IN_BRACKETS.sub("", name)) != "" for cell, name in pairs):
        return True
    # A row of data may repeat a name, and then holds a number, or nothing, where the other one stands.
    return len(others) == 1 < len(used) and others[0].strip() != "" and not any(c.isdigit() for c in others[0])


def _row(rows: pa.Table, i: int, width: int) -> list[str]:
    beyond = json.loads(f"{{{rows['overflow'][i].as_py() or ''}}}").values()
    return [*(rows[str(k)][i].as_py() or "" for k in range(width)), *beyond]


def _changed(name: str, what: str, number: int, header: list[str], found: list[str]) -> PotatoError:
    return PotatoError(
        f"{name} changes {what} in row {number}.",
        where=f"{name}, row {number}",
        expected=", ".join(header),
        found=", ".join(found),
        hint=f"cut the file before row {number}, and save the rest as a file of its own",
    )

"""How many rows of each raw file stand in a table; a file that holds two families is counted for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Place = tuple[str, str]
"""A family and the name of a raw file."""
Counts = Counter[Place]


def place(file: Mapping[str, Any]) -> Place:
    """Return the place of a file of a ledger."""
    return file["family"], file["file"]


def counted(table: pa.Table) -> Counts:
    """Return how many rows a table with the columns family and source_file has of each place."""
    found = table.group_by(["family", "source_file"]).aggregate([([], "count_all")]).to_pylist()
    return Counter({(row["family"], row["source_file"]): row["count_all"] for row in found})


def of_bronze(tables: Mapping[str, pa.Table]) -> tuple[Counts, Counts, Counts]:
    """Return of each place in bronze's tables the rows, those that repeat an earlier row, and those that are broken.

    A row repeats another one when it has its file and its number. One of another measure is not broken as a row.
    """
    there, again, broken = Counts(), Counts(), Counts()
    for family, table in tables.items():
        files = pc.fill_null(table["source_file"], "").combine_chunks().dictionary_encode()
        file = files.indices.to_numpy().astype("int64")
        number = pc.fill_null(table["source_row"], 0).to_numpy()
        fault = pc.fill_null(pc.not_equal(table["fault"], "not_chosen"), False).to_numpy()
        names = [(family, name) for name in files.dictionary.to_pylist()]
        of_row = (file << 32) + number
        # A table is in the order of its files and rows: only where it is not there is something to look for.
        ordered = (np.diff(of_row) > 0).all()
        repeated = file[:0] if ordered else np.delete(file, np.unique(of_row, return_index=True)[1])
        for counts, of_files in ((there, file), (again, repeated), (broken, file[fault])):
            counts.update(dict(zip(names, np.bincount(of_files, minlength=len(names)).tolist(), strict=True)))
    return there, again, broken

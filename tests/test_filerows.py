"""Rows of a file are counted as one would count them by hand."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from potato import filerows, schema

from .layer_frames import filled

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a.csv", "b.csv", "ä b.csv", None]),
        st.one_of(st.integers(1, 5), st.sampled_from([2**31 - 1, None])),
        st.sampled_from([None, None, "not_chosen", "too_few_cells"]),
    )
)


def in_pieces(table: pa.Table, size: int) -> pa.Table:
    return pa.concat_tables([table.schema.empty_table(), *(table[i : i + size] for i in range(0, len(table), size))])


@given(weights=ROWS, entries=ROWS)
def test_rows_repeated_rows_and_broken_rows_are_counted_for_each_file(
    weights: list[tuple[str | None, int | None, str | None]], entries: list[tuple[str | None, int | None, str | None]]
) -> None:
    tables = {}
    there, seen, broken = Counter[tuple[str, str]](), set(), Counter[tuple[str, str]]()
    for family, rows in (("weight", weights), ("nutrition", entries)):
        nullable = pa.schema([pa.field(field.name, field.type) for field in schema.BRONZE[family].arrow()])
        columns = ("source_file", "source_row", "fault")
        made = [dict(zip(columns, row, strict=True)) for row in rows]
        tables[family] = in_pieces(pa.Table.from_pylist(made, schema=nullable), 3)
        there.update((family, file or "") for file, _, _ in rows)
        seen |= {(family, file or "", row or 0) for file, row, _ in rows}
        broken.update((family, file or "") for file, _, fault in rows if fault == "too_few_cells")
    different = Counter((family, file) for family, file, _ in seen)
    found = filerows.of_bronze(tables)
    for counts, expected in zip(found, (there, there - different, broken), strict=True):
        assert {place: n for place, n in counts.items() if n} == expected


def test_a_file_of_two_families_is_counted_for_each() -> None:
    rows = [{"family": family, "source_file": "a.csv"} for family in ("weight", "weight", "nutrition")]
    found = filerows.counted(filled(schema.QUARANTINE, rows))
    assert found == {("weight", "a.csv"): 2, ("nutrition", "a.csv"): 1}
    assert filerows.place({"family": "weight", "file": "a.csv"}) in found

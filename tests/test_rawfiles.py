"""One raw file, however it was written: each line ends up in a row, and a row that is broken says so."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from potato import headers, rawfiles, rawrows
from potato.decoding import decode
from potato.errors import PotatoError
from potato.rawfiles import RawFile, opening, read_raw
from potato.reasons import FAULTS
from potato.study import FamilyMapping

COLUMNS = {"subject_id": "who", "date": "date", "weight": "weight"}
HEADER = "who,date,weight\n"
Read = Callable[..., RawFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a raw file and read it with a mapping of who, date and weight."""

    def reads(content: str | bytes, **mapping: Any) -> RawFile:
        path = tmp_path / "w.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_raw(path, "w.csv", "weight", FamilyMapping(files="*", **{"columns": COLUMNS} | mapping))

    return reads


def cells(file: RawFile) -> list[list[str | None]]:
    table = file.rows
    return [list(row) for row in zip(*(table[str(i)].to_pylist() for i in range(len(file.header))), strict=True)]


def faults(file: RawFile) -> list[tuple[int, str | None]]:
    return list(zip(file.rows["source_row"].to_pylist(), file.rows["fault"].to_pylist(), strict=True))


# Encodings

SPELT = "who,date,weight,note\nJürgen,2022-05-01,80,Käse – 5 €\n"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (SPELT.encode(), "utf-8"),
        (SPELT.encode("utf-8-sig"), "utf-8-sig"),
        (SPELT.encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + SPELT.encode("utf-16-be"), "utf-16"),
        (SPELT.encode("utf-16-le"), "utf-16"),
        (SPELT.encode("utf-16-be"), "utf-16"),
        (SPELT.encode("utf-32"), "utf-32"),
        (SPELT.encode("cp1252"), "windows-1252"),
    ],
)
def test_the_same_text_comes_out_of_every_encoding(read: Read, content: bytes, encoding: str) -> None:
    file = read(content)
    assert file.encoding == encoding
    assert cells(file) == [["Jürgen", "2022-05-01", "80", "Käse – 5 €"]]
    assert faults(file) == [(2, None)]


def test_latin_1_reads_as_windows_1252(read: Read) -> None:
    file = read((HEADER + "Zoë,2022-05-01,80\n").encode("latin-1"))
    assert (file.encoding, cells(file)[0][0]) == ("windows-1252", "Zoë")


def test_a_file_of_two_encodings_counts_the_bytes_of_the_second(read: Read) -> None:
    file = read(HEADER.encode() + "Zoë,1,80\n".encode() + "Zoë,2,81\nÄ,3,82\n".encode("cp1252"))
    assert file.encoding == "utf-8 with 2 bytes of windows-1252"
    assert [row[0] for row in cells(file)] == ["Zoë", "Zoë", "Ä"]


def test_a_byte_that_no_encoding_explains_damages_its_row_only(read: Read) -> None:
    file = read(HEADER.encode() + b"a,1,80\nb\x81,2,81\nc,3,82\n")
    assert faults(file) == [(2, None), (3, "damaged_text"), (4, None)]


def test_half_a_character_at_the_end_of_utf_16_damages_the_last_row(read: Read) -> None:
    file = read((HEADER + "a,1,80\nb,2,81").encode("utf-16") + b"\x00")
    assert faults(file) == [(2, None), (3, "damaged_text")]


def test_a_replacement_character_that_was_typed_is_text(read: Read) -> None:
    assert faults(read(HEADER + "Caf\ufffd,1,80\n")) == [(2, None)]


@given(st.binary(max_size=200))
def test_any_bytes_decode_to_utf_8(content: bytes) -> None:
    assert decode(content).content.decode("utf-8") is not None


# NUL bytes and line ends


def test_a_nul_byte_damages_its_row_and_is_kept(read: Read) -> None:
    file = read(HEADER + "a,1,80\nb,2,8\x001\nc,3,82,\x00\n")
    assert faults(file) == [(2, None), (3, "damaged_text"), (4, "damaged_text")]
    assert cells(file)[1] == ["b", "2", "8\x001"]


def test_zeros_that_a_crash_left_at_the_end_are_one_damaged_row(read: Read) -> None:
    file = read(HEADER.encode() + b"a,1,80\n" + bytes(5000))
    assert faults(file) == [(2, None), (3, "damaged_text")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_ends_a_row(read: Read, end: str) -> None:
    file = read(f"{HEADER}a,1,80\nb,2,81\n".replace("\n", end))
    assert cells(file) == [["a", "1", "80"], ["b", "2", "81"]]
    assert faults(file) == [(2, None), (3, None)]


def test_a_file_may_mix_line_ends_and_end_without_one(read: Read) -> None:
    assert cells(read("who,date,weight\r\na,1,80\rb,2,81\nc,3,82")) == [
        ["a", "1", "80"],
        ["b", "2", "81"],
        ["c", "3", "82"],
    ]


@pytest.mark.parametrize("quoted", ["b", '"b"', '"two\nlines"'])
def test_blank_lines_count_and_are_no_rows(read: Read, quoted: str) -> None:
    file = read(f"\n{HEADER}\na,1,80\n\n\n{quoted},2,81\n\n")
    assert file.header_row == 2
    assert faults(file) == [(4, None), (7, None)]


# Quotes


def test_a_quoted_cell_may_hold_separators_quotes_and_lines(read: Read) -> None:
    file = read('who,date,weight,note\na,2022-05-01,80,"two, ""or"" \nthree\n\nlines"\nb,2022-05-02,81,x\n')
    assert cells(file)[0][3] == 'two, "or" \nthree\n\nlines'
    assert faults(file) == [(2, None), (3, None)]


def test_a_note_with_many_separators_and_lines_stays_one_row(read: Read) -> None:
    file = read('who,date,weight,note\na,2022-05-01,80,"ate:\nbread, cheese, ham, eggs\nand 2, 3, 4, 5 potatoes"\n')
    assert faults(file) == [(2, None)]


def test_a_quote_that_never_closes_breaks_its_own_row_only(read: Read) -> None:
    file = read(HEADER + 'a,2022-05-01,80\n"a,2022-05-02,81\na,2022-05-03,82\na,2022-05-04,83\n')
    assert faults(file) == [(2, None), (3, "unclosed_quote"), (4, None), (5, None)]
    assert cells(file)[1] == ['"a', "2022-05-02", "81"]


def test_a_quote_that_closes_rows_later_swallows_none_of_them(read: Read) -> None:
    file = read(HEADER + 'a,2022-05-01,"80\na,2022-05-02,81"\na,2022-05-03,82\n')
    assert [fault for _, fault in faults(file)] == ["unclosed_quote", None, None]
    assert [row[1] for row in cells(file)] == ["2022-05-01", "2022-05-02", "2022-05-03"]


def test_a_quote_around_a_row_and_half_of_the_next_swallows_none(read: Read) -> None:
    file = read(HEADER + '"a,2022-05-01,80\nb",2022-05-02,81\n')
    assert [fault for _, fault in faults(file)] == ["unclosed_quote", None]


def test_a_person_on_two_lines_stays_one_row(read: Read) -> None:
    file = read(HEADER + 'a,2022-05-01,80\n"two\nlines",2022-05-02,81\n')
    assert cells(file)[1] == ["two\nlines", "2022-05-02", "81"]
    assert faults(file) == [(2, None), (3, None)]


def test_a_quote_in_the_last_row_breaks_that_row(read: Read) -> None:
    assert faults(read(HEADER + 'a,1,80\nb,2,"81')) == [(2, None), (3, "unclosed_quote")]


def test_a_quote_within_a_cell_is_text(read: Read) -> None:
    file = read('who,date,weight,note\na,1,80,a 5" pipe\nb,2,81,"x"\n')
    assert [row[3] for row in cells(file)] == ['a 5" pipe', "x"]


@pytest.mark.parametrize("line", ['a,2022-05-01,"80\n', 'a"b,"c\n', '"\n', 'x,"""\n'])
def test_each_line_is_read_at_most_twice_however_many_quotes_stay_open(line: str) -> None:
    layout = rawrows.Layout(",", 3, 3, 1)
    handed_out = 0

    class Counting(rawrows._Lines):
        def __next__(self) -> str:
            nonlocal handed_out
            line = super().__next__()
            handed_out += 1
            return line

    original, rawrows._Lines = rawrows._Lines, Counting
    try:
        found = list(rawrows.records([line] * 3000, ",", layout))
    finally:
        rawrows._Lines = original
    assert sum(len(lines) for _, _, lines in found) == 3000
    assert handed_out <= 6001


# Ragged rows


def test_a_row_without_a_cell_that_the_study_uses_says_so(read: Read) -> None:
    file = read("who,date,weight,note\na,1,80\na,1\na,2,81,x\n")
    assert cells(file)[:2] == [["a", "1", "80", None], ["a", "1", None, None]]
    assert faults(file) == [(2, None), (3, "too_few_cells"), (4, None)]


def test_cells_that_the_header_does_not_name_are_kept(read: Read) -> None:
    file = read(HEADER + 'a,1,80,oops,,"x"\na,2,81,,\n')
    assert file.rows["overflow"].to_pylist() == ['"column 4": "oops", "column 6": "x"', None]
    assert faults(file) == [(2, "too_many_cells"), (3, None)]


# Headers


def test_a_header_in_the_middle_is_no_data(read: Read) -> None:
    file = read(HEADER + "a,1,80\n Who ,DATE,weight\nb,2,81\n\ufeffwho,date,weight\nc,3,82\n")
    assert faults(file) == [(2, None), (3, "header_again"), (4, None), (5, "header_again"), (6, None)]


def test_a_header_in_another_order_stops_before_rows_are_read_wrongly(read: Read) -> None:
    with pytest.raises(PotatoError, match=r"w\.csv changes the order of its columns in row 3") as caught:
        read(HEADER + "a,1,80\nwho,weight,date\nb,81,2\n")
    assert caught.value.found == "who, weight, date"


@pytest.mark.parametrize("header", ["who,note,date,weight", "note,who,date,weight", "date,weight,who"])
def test_a_second_header_that_moves_the_columns_in_use_stops_too(read: Read, header: str) -> None:
    with pytest.raises(PotatoError, match="changes the order of its columns in row 4"):
        read(HEADER + f"a,1,80\nb,NA,81\n{header}\nb,2,81,x\n")


def test_a_second_header_that_moves_only_other_columns_is_a_header(read: Read) -> None:
    file = read("who,date,weight,note\na,1,80,x\nwho,date,weight,mood\nb,2,81,5\n")
    assert faults(file) == [(2, None), (3, "header_again"), (4, None)]


def test_reordered_upper_case_and_blank_headers_match(read: Read) -> None:
    file = read(" WEIGHT ,Who,  date\n80,a,1\n")
    assert [headers.positions(file.header, name) for name in COLUMNS.values()] == [[1], [2], [0]]


@pytest.mark.parametrize("written", ["Body weight (kg)", "body_weight_kg", "BODY-WEIGHT [KG]"])
def test_names_match_whatever_stands_between_their_words(written: str) -> None:
    assert headers.positions(["x", written], "body weight kg") == [1]


def test_an_exact_name_wins_over_one_that_looks_like_it() -> None:
    assert headers.positions(["Weight +", "Weight -"], "Weight -") == [1]
    assert headers.positions(["Weight +", "Weight -"], "weight") == [0, 1]


def test_rows_above_the_header_are_counted_and_set_aside(read: Read) -> None:
    above = [f"ann,2022-05-{n:02},80\n" for n in range(1, 31)]
    file = read("".join([*above, "\n", HEADER, "zoe,2022-05-01,81\n"]))
    assert file.header_row == 32
    assert faults(file) == [*((n, "above_header") for n in range(1, 31)), (33, None)]
    assert cells(file)[0] == ["ann", "2022-05-01", "80"]


def test_rows_above_the_header_are_kept_whatever_they_hold(read: Read) -> None:
    above = "Weights\nann,2022-05-01,80,x,5\nann,2022-05-02\nann,yesterday,80\n\n"
    file = read(above + HEADER + "zoe,2022-05-01,81\n")
    assert faults(file) == [*((n, "above_header") for n in (2, 3, 4)), (7, None)]
    assert file.rows["overflow"].to_pylist() == ['"column 4": "x", "column 5": "5"', None, None, None]


@pytest.mark.parametrize("title", ["Weights 2022", "Weights,,", ",,", "sep=,", "Name,Ann,", "# made 2022-05-01 by x,y"])
def test_a_title_above_the_header_is_no_row(read: Read, title: str) -> None:
    assert faults(read(f"{title}\n{HEADER}a,1,80\n")) == [(3, None)]


def test_a_second_header_with_more_of_the_columns_in_use_stops(read: Read) -> None:
    block = "".join(f"a,{n},80\n" for n in range(20))
    columns = COLUMNS | {"unit": "unit"}
    with pytest.raises(PotatoError, match=r"w\.csv changes its columns in row 22"):
        read(HEADER + block + "who,date,weight,unit\n" + block.replace("\n", ",kg\n"), columns=columns)


@pytest.mark.parametrize("second", ["who,date,Weight (lb)", "who,date,pounds", "Who,Datum,Weight (kg)"])
def test_a_second_header_with_another_name_or_unit_stops(read: Read, second: str) -> None:
    with pytest.raises(PotatoError, match="changes its columns in row 3") as caught:
        read(f"who,date,Weight (kg)\na,1,80\n{second}\na,2,180\n", columns=COLUMNS | {"weight": "Weight (kg)"})
    assert caught.value.found == ", ".join(second.split(","))


def test_a_row_that_repeats_a_name_is_data(read: Read) -> None:
    file = read(HEADER + "who,date,81\nwho,x,80\na,date,\n")
    assert faults(file) == [(2, None), (3, None), (4, None)]


@pytest.mark.parametrize(
    "content", [bytes(5000), gzip.compress(HEADER.encode() * 9, mtime=0), random.Random(1).randbytes(5000)]
)
def test_what_is_no_text_is_called_so(read: Read, content: bytes) -> None:
    with pytest.raises(PotatoError, match=r"w\.csv is no text file"):
        read(content)


def test_lines_before_the_header_are_no_rows(read: Read) -> None:
    file = read("#Version: 6\n#Units:kg\n\n#who;date;weight\na;1;80\n")
    assert (file.header_row, file.header, file.separator) == (4, ["who", "date", "weight"], ";")
    assert faults(file) == [(5, None)]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", "who,date,weight\n", "who,date,weight"])
def test_a_file_without_rows_has_no_rows(read: Read, content: str) -> None:
    file = read(content)
    assert file.rows.num_rows == 0
    assert file.header == (["who", "date", "weight"] if "who" in content else [])


# Separators


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_told_from_the_rows(read: Read, separator: str) -> None:
    file = read(f"{HEADER}a,1,80\nb,2,81\n".replace(",", separator))
    assert file.separator == separator
    assert cells(file) == [["a", "1", "80"], ["b", "2", "81"]]


def test_decimal_commas_do_not_make_the_comma_a_separator(read: Read) -> None:
    assert read("who;date;weight\na;1;80,5\nb;2;81,25\n").separator == ";"
    assert opening(b"x;y\n1,5;2,5\n3,5;4,5\n").separator == ";"


def test_a_comma_in_a_quoted_header_separates_nothing(read: Read) -> None:
    assert read('who;date;weight;"note, if any, of the day"\na;1;80;x\n').separator == ";"


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
def test_what_excel_says_of_the_separator_counts(read: Read, line: str) -> None:
    file = read(f"{line}\r\nwho;date;weight\r\na;1;80\r\n")
    assert (file.separator, file.header_row, faults(file)) == (";", 2, [(3, None)])


def test_a_study_may_name_the_separator(read: Read) -> None:
    assert read("who|date|weight\na|1|80\n", separator="|").separator == "|"


# Size


def test_a_cell_of_ten_megabytes_is_a_cell(read: Read) -> None:
    huge = "x" * (10 << 20)
    file = read(f'who,date,weight,note\na,1,80,{huge}\nb,2,81,"{huge}\n{huge}"\n')
    assert [len(row[3] or "") for row in cells(file)] == [len(huge), 2 * len(huge) + 1]
    assert faults(file) == [(2, None), (3, None)]


def test_two_hundred_megabytes_of_mess_lose_no_line(tmp_path: Path) -> None:
    block = b'a,2022-05-01,80,"fine, quoted"\nb\xe4,2022-05-02,81,ok\nc,2022-05-03,"82,x\nd\x00,2022-05-04,83,y\ne\n'
    filler = b"f,2022-05-05,84," + b"n" * 3000 + b"\n"
    blocks = (200 << 20) // len(block + filler)
    path = tmp_path / "big.csv"
    with path.open("wb") as stream:
        stream.write(b"who,date,weight,note\n")
        for _ in range(blocks):
            stream.write(block + filler)
    file = read_raw(path, "big.csv", "weight", FamilyMapping(files="*", columns=COLUMNS))
    counts = {row["values"]: row["counts"] for row in file.rows["fault"].value_counts().to_pylist()}
    assert counts == {None: 3 * blocks, "unclosed_quote": blocks, "damaged_text": blocks, "too_few_cells": blocks}


# The two ways to read


def both_ways(content: bytes) -> tuple[pa.Table | None, pa.Table]:
    start = opening(content, list(COLUMNS.values()))
    layout = rawrows.Layout(start.separator, len(start.header), 3, 1)
    lines = list(rawrows.text_lines(content))[start.header_lines :]
    assert start.header_row is not None
    return rawfiles._well_formed(content, start, layout), rawrows.read(lines, layout, start.header_row + 1)


CELL = st.text(st.sampled_from("ab ,;\"'äß€\t-0"), max_size=6)


@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL, CELL), min_size=1, max_size=12),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    blank=st.booleans(),
)
def test_both_ways_to_read_give_the_table_that_was_written(
    rows: list[tuple[str, ...]], quoting: Any, end: str, blank: bool
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    writer.writerow(["who", "date", "weight", "note"])
    for row in rows:
        writer.writerow(row)
        text.write(end if blank else "")
    fast, slow = both_ways(text.getvalue().encode())
    assert fast is not None
    assert fast.equals(slow)
    assert list(zip(*(slow[str(i)].to_pylist() for i in range(4)), strict=True)) == rows


TEXT = st.text(st.sampled_from('ab ,;"\n'), max_size=6)


@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=12), blank=st.booleans())
def test_cells_of_several_lines_come_out_as_they_were_written(rows: list[tuple[str, ...]], blank: bool) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["who", "date", "weight"])
    for row in rows:
        writer.writerow(row)
        text.write("\n" if blank else "")
    fast, slow = both_ways(text.getvalue().encode())
    assert (fast is None) == any("\n" in cell for row in rows for cell in row)
    assert list(zip(*(slow[str(i)].to_pylist() for i in range(3)), strict=True)) == rows


LINE = st.text(st.sampled_from('ab,"\r0-\x00ä'), max_size=14)


@given(lines=st.lists(LINE, max_size=12))
def test_where_arrow_reads_a_mess_at_all_it_reads_what_the_other_way_does(lines: list[str]) -> None:
    content = "\n".join(["who,date,weight,note", *lines]).encode()
    fast, slow = both_ways(content)
    if fast is not None and b"\0" not in content:
        assert fast.equals(slow)


@given(lines=st.lists(LINE, max_size=12), width=st.integers(1, 5), time=st.integers(0, 4))
def test_each_line_of_any_mess_belongs_to_exactly_one_record(lines: list[str], width: int, time: int) -> None:
    text = list(rawrows.text_lines("\n".join(lines).encode()))
    found = rawrows.records(text, ",", rawrows.Layout(",", width, min(width, 2), time))
    assert [line for _, _, taken in found for line in taken] == text


def test_a_large_well_formed_file_reads_the_same_in_both_ways() -> None:
    dice = random.Random(3)
    lines = [f'p{dice.randrange(9)},2022-05-{i % 28 + 1:02d},{dice.random():.3f},"a, b"' for i in range(300_000)]
    fast, slow = both_ways("\n".join(["who,date,weight,note", *lines]).encode())
    assert fast is not None
    assert fast.equals(slow)


BYTES = st.lists(
    st.sampled_from(
        [
            b"a",
            b"2022-05-01",
            b",",
            b";",
            b'"',
            b"\n",
            b"\r\n",
            b"\r",
            b"\0",
            b"\xe4",
            b"\xc3\xa4",
            b"who,date,weight\n",
            b"80",
        ]
    ),
    max_size=60,
).map(b"".join)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"who,date,weight\n", b"who;date;weight\r\n"]), rest=BYTES
)
def test_any_bytes_are_rows_of_text_or_one_clear_error(read: Read, start: bytes, rest: bytes) -> None:
    try:
        file = read(start + rest)
    except PotatoError:
        return
    numbers = file.rows["source_row"].to_pylist()
    assert numbers == sorted(set(numbers))
    assert set(file.rows["fault"].to_pylist()) <= {None, *FAULTS}

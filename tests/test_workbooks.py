"""A workbook of the trial gives each of its weights, with its cell; what cannot be told is said and never guessed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from potato import spreadsheets, workbooks
from potato.spreadsheets import Sheet, Unreadable
from potato.workbook_days import calendar
from potato.workbooks import Workbook
from tests.workbook_files import START, daily, summary, with_password, with_sheet, worksheet, write

BOTH = pytest.mark.parametrize("ending", ["xlsx", "xls"])


def read(folder: Path, sheets: dict[str, Any], ending: str = "xlsx", **options: Any) -> Workbook:
    return workbooks.read(write(folder / f"1 diet.{ending}", sheets, **options))


def weights(book: Workbook) -> list[str]:
    return [reading.weight for reading in book.readings if reading.weight]


def dates(book: Workbook) -> list[str]:
    return [reading.when.date for reading in book.readings]


def run_of_days(count: int) -> list[str]:
    return [(START + timedelta(days=n)).isoformat() for n in range(count)]


def problems(book: Workbook) -> str:
    return "; ".join(book.problems)


@BOTH
def test_each_weight_has_its_date_its_day_and_its_cell(tmp_path: Path, ending: str) -> None:
    first, second = read(tmp_path, {"Sheet1": daily([180.2, 179])}, ending).readings
    assert (first.weight, first.when.date, first.when.day, first.cell) == ("180.2", "2022-05-01", 1, "Sheet1!E4")
    assert (second.weight, second.when.date, second.when.day, second.cell) == ("179", "2022-05-02", 2, "Sheet1!F4")


@BOTH
def test_a_gap_does_not_end_the_series(tmp_path: Path, ending: str) -> None:
    book = read(tmp_path, {"Sheet1": daily([180, None, None, 178, 177])}, ending)
    assert weights(book) == ["180", "178", "177"]
    assert (book.readings[1].when.day, book.gaps) == (4, 2)


@BOTH
def test_a_text_does_not_end_the_series_and_stays_as_it_stands(tmp_path: Path, ending: str) -> None:
    assert weights(read(tmp_path, {"Sheet1": daily([180, "at my sister's", 178])}, ending)) == [
        "180",
        "at my sister's",
        "178",
    ]


def test_a_zero_is_written_as_zero(tmp_path: Path) -> None:
    assert weights(read(tmp_path, {"Sheet1": daily([180, 0, 178])})) == ["180", "0", "178"]


@given(st.lists(st.sampled_from([None, 0, 181.5, "ill", "~180", 178]), min_size=1, max_size=60))
def test_every_filled_weight_cell_is_in_the_series(tmp_path_factory: pytest.TempPathFactory, series: list[Any]) -> None:
    book = read(tmp_path_factory.mktemp("book"), {"Sheet1": daily(series)})
    assert weights(book) == [str(cell) for cell in series if cell is not None]


def test_a_value_after_the_horizon_is_kept_apart(tmp_path: Path) -> None:
    book = read(tmp_path, {"Sheet1": daily([180 - n / 10 for n in range(63)])})
    assert len(book.readings) == 60
    assert [(late.when.day, late.cell) for late in book.late] == [
        (61, "Sheet1!BM4"),
        (62, "Sheet1!BN4"),
        (63, "Sheet1!BO4"),
    ]


@pytest.mark.parametrize("name", ["Diet log", "sheet 1", "It's mine"])
def test_a_renamed_sheet_is_found_by_its_labels(tmp_path: Path, name: str) -> None:
    book = read(tmp_path, {"Notes": {"A1": "hello"}, name: daily([180]), "Sheet3": {}})
    assert (book.sheet, book.extra_sheets) == (name, ["Notes", "Sheet3"])


def test_a_second_sheet_with_weights_is_told_and_left(tmp_path: Path) -> None:
    book = read(tmp_path, {"Copy": daily([1, 2, 3]), "Sheet1": daily([180])})
    assert weights(book) == ["180"]
    assert "the sheet 'Copy' has 3 weights, too" in problems(book)


def test_an_empty_sheet1_does_not_hide_the_filled_one(tmp_path: Path) -> None:
    assert weights(read(tmp_path, {"Sheet1": daily([]), "Mine": daily([180, 179])})) == ["180", "179"]


@pytest.mark.parametrize("column", ["A", "B", "D"])
def test_labels_in_another_column_are_found(tmp_path: Path, column: str) -> None:
    book = read(tmp_path, {"Sheet1": daily([180, 179], column=column)})
    assert weights(book) == ["180", "179"]
    assert dates(book) == run_of_days(2)


def test_labels_match_as_parts_whatever_their_case(tmp_path: Path) -> None:
    cells = daily([180, 179], energy=[5, 6], label="YOUR WEIGHT  in the\nmorning, please")
    cells |= {"C2": "Date of the day:", "C3": "day no.", "C6": "ENERGY (of the day)"}
    book = read(tmp_path, {"Sheet1": cells})
    assert weights(book) == ["180", "179"]
    assert dates(book) == run_of_days(2)
    assert [reading.energy_rating for reading in book.readings] == ["5", "6"]


def test_another_word_for_the_weight_is_taken_and_said(tmp_path: Path) -> None:
    book = read(tmp_path, {"Sheet1": daily([180], label="Morning weight")})
    assert weights(book) == ["180"]
    assert "Sheet1!C4, 'Morning weight', is taken for" in problems(book)


def test_ratings_stand_beside_the_weight_also_where_it_is_blank(tmp_path: Path) -> None:
    book = read(tmp_path, {"Sheet1": daily([180, None, 178], broke_diet=[None, "yes"], mood=[3, 4, 5])})
    assert [(r.weight, r.broke_diet, r.mood_rating) for r in book.readings] == [
        ("180", "", "3"),
        ("", "yes", "4"),
        ("178", "", "5"),
    ]


def test_two_rows_of_weights_are_both_kept_and_said(tmp_path: Path) -> None:
    cells = daily([180, 179], mood=[3, 4]) | {"C9": "Weight in the morning (second scale)", "E9": 181, "G9": 180.5}
    book = read(tmp_path, {"Sheet1": cells})
    assert [(r.weight, r.cell) for r in book.readings if r.cell.endswith("9")] == [
        ("181", "Sheet1!E9"),
        ("180.5", "Sheet1!G9"),
    ]
    assert len(weights(book)) == 4
    assert "2 rows are called 'Weight in the Morning'" in problems(book)


def test_a_value_before_column_e_is_said(tmp_path: Path) -> None:
    assert "Sheet1!D4 holds '182' before column E" in problems(read(tmp_path, {"Sheet1": daily([180]) | {"D4": 182}}))


@pytest.mark.parametrize(
    ("label", "unit"),
    [
        ("Weight in the Morning (lb)", "lb"),
        ("Weight in the Morning, lbs.", "lb"),
        ("Weight in the Morning [KG]", "kg"),
        ("Weight in the Morning (kg or lb)", ""),
        ("Weight in the Morning", ""),
        ("Weight in the Morning (blbs)", ""),
    ],
)
def test_the_label_states_the_unit(tmp_path: Path, label: str, unit: str) -> None:
    assert read(tmp_path, {"Sheet1": daily([180], label=label)}).readings[0].unit == unit


@pytest.mark.parametrize(
    ("cells", "said", "unit"),
    [
        ({"D4": "kg"}, {}, "kg"),
        ({"D4": "(in lbs)"}, {}, "lb"),
        ({"B4": "Pounds"}, {}, "lb"),
        ({"C9": "Unit", "D9": "kg"}, {}, "kg"),
        ({}, {"Unit": "lbs"}, "lb"),
        ({}, {"Weight unit": "kg"}, "kg"),
        ({}, {"Unit (kg or lb)": "lb"}, "lb"),
        ({}, {"Weight unit: kg": None}, "kg"),
        ({}, {"Unit (kg or lb)": None}, ""),
        ({}, {"Unit of the hospital": "kg"}, ""),
        ({"D4": "kg or lb"}, {}, ""),
        ({"D4": "lb"}, {"Unit": "lbs"}, "lb"),
        ({"D4": "kg"}, {"Unit": "lb"}, "kg or lb"),
    ],
)
def test_a_unit_may_stand_beside_the_label_or_in_a_line_called_unit(
    tmp_path: Path, cells: dict[str, Any], said: dict[str, Any], unit: str
) -> None:
    told = {"Subject ID": 1, "Weight End Week 8": 120} | said
    book = read(tmp_path, {"Sheet1": daily([120, 119]) | cells, "Summary": summary(told)})
    assert {reading.unit for reading in book.readings} == {unit}
    assert ("for the same weights, which are set aside" in problems(book)) == (unit == "kg or lb")


def test_a_summary_that_names_an_unknown_unit_is_said(tmp_path: Path) -> None:
    book = read(tmp_path, {"Sheet1": daily([12.5]), "Summary": summary({"Unit": "stone"})})
    assert "Summary!B1 says 'stone' for the unit, which is neither kg nor lb" in problems(book)


@pytest.mark.parametrize(("dates_", "first"), [(True, 8), (True, 1), (False, 1)])
def test_blocks_below_each_other_are_one_series(tmp_path: Path, dates_: bool, first: int) -> None:
    second: list[Any] = [START + timedelta(days=7 + n) for n in range(7)]
    cells = daily([180 - n for n in range(7)], dates=dates_, mood=[3] * 7)
    below = daily([173 - n for n in range(7)], dates=second if dates_ else False, days=list(range(first, first + 7)))
    cells |= {f"{address[0]}{int(address[1:]) + 8}": cell for address, cell in below.items()}
    book = read(tmp_path, {"Sheet1": cells})
    assert [reading.when.day for reading in book.readings] == list(range(1, 15))
    assert weights(book) == [str(180 - n) for n in range(14)]
    assert dates(book) == (run_of_days(14) if dates_ else [""] * 14)
    assert "2 blocks of days stand below each other" in problems(book)


@pytest.mark.parametrize("heading", ["Average", "Week avg", "Start"])
@pytest.mark.parametrize("row", [2, 3])
def test_a_column_under_a_word_is_no_day(tmp_path: Path, heading: str, row: int) -> None:
    days: list[Any] = [START, START + timedelta(days=1), None, START + timedelta(days=2)]
    cells = daily([180, 179, 179.5, 178], dates=days, days=[1, 2, None, 3]) | {f"G{row}": heading}
    book = read(tmp_path, {"Sheet1": cells})
    assert [(r.when.date, r.when.date_from) for r in book.readings] == [
        ("2022-05-01", "cell"),
        ("2022-05-02", "cell"),
        (heading, "no day"),
        ("2022-05-03", "cell"),
    ]
    assert f"Sheet1!G4 stand under {heading!r}" in problems(book)


@pytest.mark.parametrize("said", ["travelling", "Sunday"])
def test_a_word_in_place_of_a_date_leaves_a_day_that_is_numbered(tmp_path: Path, said: str) -> None:
    book = read(tmp_path, {"Sheet1": daily([180, 179, 178]) | {"F2": said}})
    assert [reading.when.day for reading in book.readings] == [1, 2, 3]
    assert [reading.when.date_from for reading in book.readings] == ["cell", "day", "cell"]


def test_a_workbook_that_runs_downwards_is_said(tmp_path: Path) -> None:
    cells = {"A1": "Date", "B1": "Day", "C1": "Weight in the Morning", "A2": START, "B2": 1, "C2": 180}
    assert "no values from column E on" in problems(read(tmp_path, {"Sheet1": cells}))


@pytest.mark.parametrize("label", ["Target Weight in the Morning", "Weight in the morning - notes"])
def test_a_target_is_no_weigh_in(tmp_path: Path, label: str) -> None:
    assert weights(read(tmp_path, {"Sheet1": daily([180, 179]) | {"C9": label, "E9": 160}})) == ["180", "179"]


def test_a_sheet_that_counts_from_zero_begins_with_day_zero(tmp_path: Path) -> None:
    book = read(tmp_path, {"Sheet1": daily([180, 179], days=[0, 1])})
    assert (book.first_day, book.first) == (0, START + timedelta(days=1))


def test_a_column_without_a_date_gets_the_one_that_its_neighbours_leave(tmp_path: Path) -> None:
    days = [START, None, START + timedelta(days=2), None]
    book = read(tmp_path, {"Sheet1": daily([180, 179, 178, 177], dates=days, days=False)})
    assert dates(book) == run_of_days(4)
    assert [reading.when.date_from for reading in book.readings] == ["cell", "position", "cell", "position"]


def test_the_day_row_dates_a_column_without_a_date(tmp_path: Path) -> None:
    book = read(tmp_path, {"Sheet1": daily([180, 179, 178], dates=[START], days=[1, 5, 9])})
    assert dates(book) == ["2022-05-01", "2022-05-05", "2022-05-09"]
    assert [reading.when.date_from for reading in book.readings] == ["cell", "day", "day"]


def test_a_gap_in_dates_that_skip_days_is_left_open(tmp_path: Path) -> None:
    days = [START, None, START + timedelta(days=7)]
    book = read(tmp_path, {"Sheet1": daily([180, 179, 178], dates=days, days=False)})
    assert dates(book) == ["2022-05-01", "", "2022-05-08"]


def test_without_dates_the_day_row_counts_and_without_both_the_column(tmp_path: Path) -> None:
    with_days = read(tmp_path, {"Sheet1": daily([180, 179], dates=False, days=[3, 8])})
    without = read(tmp_path, {"Sheet1": daily([180, None, 179], dates=False, days=False)})
    assert [reading.when.day for reading in with_days.readings] == [3, 8]
    assert [reading.when.day for reading in without.readings] == [1, 3]
    assert dates(with_days) == dates(without) == ["", ""]


def test_a_day_row_that_starts_again_is_not_believed(tmp_path: Path) -> None:
    book = read(tmp_path, {"Sheet1": daily([180, 179, 178], days=[1, 2, 1])})
    assert [reading.when.day for reading in book.readings] == [1, 2, 3]
    assert "the Day row does not count upwards" in problems(book)


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (["5/1/2022", "5/2/2022", "5/3/2022"], run_of_days(3)),
        (["1/5/2022", "2/5/2022", "3/5/2022"], run_of_days(3)),
        (["1.5.22", "2.5.22"], run_of_days(2)),
        (["2022-05-01", "2022/5/2"], run_of_days(2)),
        (["May 1, 2022", "2 May 2022", "Tue, 3-May-22"], run_of_days(3)),
        ([44682, "44683", 44684.3], run_of_days(3)),
        ([datetime(2022, 5, 1, 7, 30), date(2022, 5, 2)], run_of_days(2)),
        (["5/1/2022"], ["5/1/2022"]),
        (["soon", "later"], ["soon", "later"]),
    ],
)
def test_dates_are_read_however_they_are_written_and_left_where_they_don_t_tell(
    tmp_path: Path, written: list[Any], read_as: list[str]
) -> None:
    book = read(tmp_path, {"Sheet1": daily([180 - n for n in range(len(written))], dates=written, days=False)})
    assert dates(book) == read_as


def test_a_date_that_does_not_fit_its_day_is_said(tmp_path: Path) -> None:
    typed = [START, START + timedelta(days=1), date(2202, 5, 3), START + timedelta(days=3)]
    book = read(tmp_path, {"Sheet1": daily([180, 179, 178, 177], dates=typed)})
    assert dates(book) == run_of_days(4)
    when = book.readings[2].when
    assert (when.day, when.date_from, when.in_cell) == (3, "day", "2202-05-03")
    assert "1 of 4 dates don't fit the others or their day numbers, such as 2202-05-03" in problems(book)


@pytest.mark.parametrize(
    ("at", "typed"),
    [
        *((at, date(year, 5, 3)) for at in (0, 2, 4) for year in (2021, 2202)),
        (2, date(2022, 4, 3)),
        (4, date(2022, 4, 5)),
        (0, date(2022, 6, 1)),
    ],
)
def test_a_mistyped_date_moves_no_weight_out_of_the_series(tmp_path: Path, at: int, typed: date) -> None:
    days: list[Any] = [START + timedelta(days=n) for n in range(5)]
    days[at] = typed
    book = read(tmp_path, {"Sheet1": daily([180, 179, 178, 177, 176], dates=days, days=False)})
    assert [reading.when.day for reading in book.readings] == [1, 2, 3, 4, 5]
    assert dates(book) == run_of_days(5)
    assert book.readings[at].when.in_cell == typed.isoformat()
    assert "1 of 5 dates don't fit" in problems(book)


def test_days_without_a_column_are_days_all_the_same(tmp_path: Path) -> None:
    days = [START, START + timedelta(days=1), START + timedelta(days=8), START + timedelta(days=9)]
    book = read(tmp_path, {"Sheet1": daily([180, 179, 178, 177], dates=days, days=False)})
    assert [reading.when.day for reading in book.readings] == [1, 2, 9, 10]
    assert book.problems == []


@given(st.dictionaries(st.integers(1, 70), st.text(max_size=12) | st.dates() | st.floats() | st.integers(), max_size=9))
def test_no_date_row_is_too_odd_to_be_read(cells: dict[int, Any]) -> None:
    told = calendar(cells, cells, range(1, 71), date(1899, 12, 30))
    assert sorted(told.columns) == list(range(1, 71))


def test_a_weight_that_a_date_format_hides_is_the_number(tmp_path: Path) -> None:
    book = read(tmp_path, {"Sheet1": daily([178.4, 80, 177])}, styles={"E4": "d-mmm", "F4": "yyyy-mm-dd"})
    assert weights(book) == ["178.4", "80", "177"]


def test_errors_and_formulas_without_a_result_are_no_blanks(tmp_path: Path) -> None:
    assert weights(read(tmp_path, {"Sheet1": daily([180, "#N/A", "=E4-1", 178])})) == ["180", "#N/A", "=E4-1", "178"]


def test_merged_cells_count_once(tmp_path: Path) -> None:
    book = read(tmp_path, {"Sheet1": daily([180, None, 178], column="A")}, merged=["A4:C4", "E4:F4"])
    assert [(reading.weight, reading.cell) for reading in book.readings] == [("180", "Sheet1!E4"), ("178", "Sheet1!G4")]


@BOTH
@pytest.mark.parametrize("columns", ["AB", "BC", "AC"])
def test_the_summary_is_read_from_either_pair_of_columns(tmp_path: Path, columns: str, ending: str) -> None:
    said = {
        "Subject ID": 123,
        "Starting Weight": 181.5,
        "Energy End Week 2": 6,
        "Weight End 60 Days": 0,
        "Notes": "fine",
    }
    book = read(tmp_path, {"Sheet1": daily([180]), " summary": summary(said, columns)}, ending)
    assert book.stated_id == "123"
    assert [(e.label, e.value, e.measure, e.day, e.missing) for e in book.summary] == [
        ("Subject ID", "123", None, None, False),
        ("Starting Weight", "181.5", "weight", 1, False),
        ("Energy End Week 2", "6", "energy", 14, False),
        ("Weight End 60 Days", "0", "weight", 60, True),
        ("Notes", "fine", None, None, False),
    ]


def test_what_stands_left_of_the_summarys_labels_is_not_taken_for_them(tmp_path: Path) -> None:
    said = summary({"Subject ID": 123, "Starting Weight": 181}, "BC") | {"A1": 1, "A2": "start"}
    book = read(tmp_path, {"Sheet1": daily([180]), "Summary": said})
    assert [(entry.label, entry.value) for entry in book.summary] == [("Subject ID", "123"), ("Starting Weight", "181")]


def test_a_summary_alone_is_read_and_said(tmp_path: Path) -> None:
    book = read(tmp_path, {"Overview": summary({"Subject ID": "a", "Starting Weight": 181})})
    assert [entry.value for entry in book.summary] == ["a", "181"]
    assert "only its Summary is read" in problems(book)


LABELS = (
    "Date",
    "Day",
    "Weight in the Morning",
    "weight",
    "Broke diet",
    "Energy today",
    "Mood",
    "Subject ID",
    "End Week 1",
)
CELLS = st.sampled_from(LABELS) | st.text(max_size=8) | st.floats() | st.integers() | st.booleans() | st.dates()
PLACES = st.tuples(st.integers(0, 9), st.integers(0, 8))


@given(
    st.dictionaries(
        st.sampled_from(["Sheet1", "Summary", "Other"]),
        st.dictionaries(PLACES, CELLS | st.times() | st.datetimes() | st.timedeltas(), max_size=30),
    )
)
def test_no_content_of_a_sheet_is_too_odd(contents: dict[str, dict[tuple[int, int], Any]]) -> None:
    sheets = [Sheet(name, cells) for name, cells in contents.items()]
    try:
        book = workbooks.understood(sheets)
    except Unreadable:
        return
    cells = {reading.cell for reading in (*book.readings, *book.late)}
    assert len(cells) == len(book.readings) + len(book.late)


@BOTH
def test_a_password_is_the_reason(tmp_path: Path, ending: str) -> None:
    with_password(tmp_path / f"1.{ending}")
    with pytest.raises(Unreadable, match="protected by a password"):
        workbooks.read(tmp_path / f"1.{ending}")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"who,weight\na,80\n", "not a workbook"),
        (b"PK\x03\x04" + b"\0" * 50, "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000, "damaged"),
    ],
)
def test_what_is_no_workbook_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "1.xlsx").write_bytes(content)
    with pytest.raises(Unreadable, match=reason):
        workbooks.read(tmp_path / "1.xlsx")


@BOTH
def test_a_workbook_cut_or_changed_anywhere_is_read_or_refused(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"1.{ending}", {"Sheet1": daily([180, 179])})
    content = path.read_bytes()
    for at in range(0, len(content), max(1, len(content) // 60)):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]):
            path.write_bytes(damaged)
            try:
                book = workbooks.read(path)
            except Unreadable:
                continue
            assert isinstance(book, Workbook)


def test_the_content_decides_and_not_the_ending(tmp_path: Path) -> None:
    old = write(tmp_path / "1.xls", {"Sheet1": daily([180])})
    assert weights(workbooks.read(old.rename(tmp_path / "1.xlsx"))) == ["180"]


def test_a_million_formatted_cells_without_a_value_are_no_cells(tmp_path: Path) -> None:
    path = write(tmp_path / "1.xlsx", {"Sheet1": {"A1": 1}, "Mine": daily([180])})
    cells = "".join(f'<c r="{letter}{{0}}" s="1"/>' for letter in "ABCDEFGHIJ")
    with_sheet(path, worksheet("".join(f'<row r="{n}">{cells.format(n)}</row>' for n in range(1, 100_001))))
    assert weights(workbooks.read(path)) == ["180"]


def test_a_cell_at_the_end_of_the_sheet_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "1.xlsx", {"Sheet1": daily([180])})
    with_sheet(path, worksheet('<row><c r="A1"><v>1</v></c></row><row><c r="XFD1048576"><v>2</v></c></row>'))
    with pytest.raises(Unreadable, match=r"far from all others.*XFD1048576"):
        workbooks.read(path)


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "LARGEST_UNPACKED", 1024 * 1024)
    path = write(tmp_path / "1.xlsx", {"Sheet1": daily([180])})
    with_sheet(path, worksheet(" " * 2 * 1024 * 1024))
    with pytest.raises(Unreadable, match="unpacks to more than 1 MB"):
        workbooks.read(path)


def test_a_workbook_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no sheet has the label"):
        read(tmp_path, {"Sheet1": {"C4": "Height", "E4": 170}})

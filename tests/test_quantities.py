"""Numbers: each shape is one number, or the reason why it is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potato.quantities import MISSING

from .bronze_rows import NUTRITION, Cleaned, clean, clean_each, entries, study


def each(cases: Iterable[Sequence[str | None]], column: str = "energy_kcal") -> list[Cleaned]:
    """Clean cases, each of them the texts of one column in a file of their own."""
    rows = [[{"food": "rice", column: text} for text in texts] for texts in cases]
    return clean_each(study(nutrition=NUTRITION), "nutrition", rows)


NUMBERS = [
    ("8.5", 8.5),
    ("+8.5", 8.5),
    (".5", 0.5),
    ("5.", 5),
    ("1e3", 1000),
    ("1.5E2", 150),
    (" 85\t", 85),
    ("\u00a085\u00a0", 85),
    ("1'100", 1100),
    ("1’100", 1100),
    ("1 100", 1100),
    ("1\u202f100.5", 1100.5),
    ("1,234.5", 1234.5),
    ("1,234,567", 1_234_567),
    ("1.100", 1.1),
]


@pytest.fixture(scope="module")
def numbers() -> dict[str, Cleaned]:
    texts = [text for text, _ in NUMBERS]
    return dict(zip(texts, each(["0.25", text] for text in texts), strict=True))


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_a_number_is_read_in_each_way_of_writing_it(text: str, value: float, numbers: dict[str, Cleaned]) -> None:
    assert numbers[text].column("energy_kcal") == [0.25, value]


NOTHING = [*MISSING, *(word.upper() for word in MISSING), " n/a ", "\u00a0", None]


@pytest.fixture(scope="module")
def nothing() -> dict[str | None, Cleaned]:
    return dict(zip(NOTHING, each([text] for text in NOTHING), strict=True))


@pytest.mark.parametrize("text", NOTHING)
def test_a_missing_value_is_missing_however_it_is_written(text: str | None, nothing: dict[str | None, Cleaned]) -> None:
    assert nothing[text].column("reason") == ["missing_value"]


NO_NUMBERS = [
    ("3-4", "number_range"),
    ("3–4", "number_range"),
    ("3 to 4", "number_range"),
    ("100 g - 120 g", "number_range"),
    ("inf", "unreadable_number"),
    ("-Infinity", "unreadable_number"),
    ("1_000", "unreadable_number"),
    ("0x10", "unreadable_number"),
    ("eighty", "unreadable_number"),
    ("12 ml", "unreadable_number"),
    ("12 5", "unreadable_number"),
    ("1,10,000", "unreadable_number"),
    ("1.2.3", "unreadable_number"),
    ("<5", "unreadable_number"),
    ("5 eggs", "unreadable_number"),
    ("-5", "out_of_bounds"),
    ("1e400", "out_of_bounds"),
]


@pytest.fixture(scope="module")
def no_numbers() -> dict[str, Cleaned]:
    texts = [text for text, _ in NO_NUMBERS]
    return dict(zip(texts, each([text] for text in texts), strict=True))


@pytest.mark.parametrize(("text", "reason"), NO_NUMBERS)
def test_what_is_no_single_number_is_set_aside_with_its_text(
    text: str, reason: str, no_numbers: dict[str, Cleaned]
) -> None:
    row = no_numbers[text].rows[0]
    assert (row["column"], row["value"], row["reason"]) == ("energy_kcal", text, reason)


def test_decimal_commas_tell_that_points_are_thousands() -> None:
    found = entries("80,5", "1.100", "1.100,25", "1,100", "7")
    assert found.column("energy_kcal") == [80.5, 1100, 1100.25, 1.1, 7]
    assert found.evidence.files[0].decimal == ","
    assert "80,5" in found.evidence.files[0].decimal_evidence or "1.100,25" in found.evidence.files[0].decimal_evidence


def test_decimal_points_tell_that_commas_are_thousands() -> None:
    found = entries("80.5", "1,100")
    assert (found.column("energy_kcal"), found.evidence.files[0].decimal) == ([80.5, 1100], ".")


def test_all_numeric_columns_of_a_file_tell_together() -> None:
    rows = [{"amount_g": "80.5", "energy_kcal": "1,100"}, {"source_file": "g.csv", "energy_kcal": "1,100"}]
    found = clean(study(nutrition=NUTRITION), "nutrition", rows)
    assert found.column("energy_kcal") == [1100, None]
    assert found.column("reason") == [None, "ambiguous_number"]


def test_a_number_that_reads_in_two_ways_is_set_aside_where_nothing_tells() -> None:
    found = entries("1,100", "850")
    assert found.column("reason") == ["ambiguous_number", None]
    assert found.evidence.files[0].decimal is None


def test_where_a_file_contradicts_itself_only_clear_numbers_are_read() -> None:
    found = entries("80,5", "80.5", "1,100", "1.100", "1 100", "0,125")
    assert found.column("energy_kcal") == [80.5, 80.5, None, None, 1100, 0.125]
    assert found.column("reason")[2:4] == ["ambiguous_number", "ambiguous_number"]


def test_the_study_file_decides_the_decimal_mark() -> None:
    assert entries("1,100", decimal=",").column("energy_kcal") == [1.1]
    assert entries("1,100", decimal=".").column("energy_kcal") == [1100]
    assert entries("1.100", decimal=",").column("energy_kcal") == [1100]


WITH_WORDS = [
    ("energy_kcal", "~8.5", 8.5, ["approximate_number"]),
    ("energy_kcal", "≈8.5", 8.5, ["approximate_number"]),
    ("energy_kcal", "ca. 8.5", 8.5, ["approximate_number"]),
    ("energy_kcal", "About 8.5", 8.5, ["approximate_number"]),
    ("energy_kcal", "250kcal", 250, ["unit_in_text"]),
    ("energy_kcal", "1046 kJ", 250, ["unit_in_text"]),
    ("amount_g", "12 g", 12, ["unit_in_text"]),
    ("amount_g", "12 Grams", 12, ["unit_in_text"]),
    ("amount_g", "~1 kg", 1000, ["approximate_number", "unit_in_text"]),
    ("amount_g", "500 mg", 0.5, ["unit_in_text"]),
    ("amount_g", "2 oz", 56.69904625, ["unit_in_text"]),
    ("amount_g", "1,250.5 g", 1250.5, ["unit_in_text"]),
    ("amount_g", "12", 12, []),
    ("amount_g", "1'200", 1200, []),
]


@pytest.fixture(scope="module")
def with_words() -> dict[tuple[str, str], Cleaned]:
    pairs = [(column, text) for column, text, _, _ in WITH_WORDS]
    cases = [[{"food": "rice", column: text}] for column, text in pairs]
    return dict(zip(pairs, clean_each(study(nutrition=NUTRITION), "nutrition", cases), strict=True))


@pytest.mark.parametrize(("column", "text", "value", "flags"), WITH_WORDS)
def test_a_number_with_words_around_it_is_read_and_remarked(
    column: str, text: str, value: float, flags: list[str], with_words: dict[tuple[str, str], Cleaned]
) -> None:
    found = with_words[column, text]
    assert found.rows[0][column] == pytest.approx(value, rel=1e-12)
    assert [(r["flag"], r["column"], r["value"]) for r in found.remarks] == [(flag, column, text) for flag in flags]


def test_a_row_of_several_remarked_columns_is_listed_once_for_each() -> None:
    found = entries("~12 g", column="amount_g")
    assert found.rows[0]["reason"] is None
    assert {(r["family"], r["source_file"], r["source_row"], r["subject_id"]) for r in found.remarks} == {
        ("nutrition", "f.csv", 2, "a")
    }


FLOATS = st.integers(min_value=0, max_value=9_999_999).map(lambda n: n / 1000)
STYLES = {
    "point": lambda x: f"{x:.3f}",
    "thousands, point": lambda x: f"{x:,.3f}",
    "comma": lambda x: f"{x:.3f}".replace(".", ","),
    "thousands, comma": lambda x: f"{x:,.3f}".translate(str.maketrans(",.", ".,")),
    "blank, comma": lambda x: f"{x:,.3f}".replace(",", " ").replace(".", ","),
}


# Several files an example: a query costs as much for one number as for a hundred.


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=3)
@given(files=st.lists(st.lists(FLOATS, min_size=1, max_size=30), min_size=4, max_size=8))
def test_what_is_written_in_one_style_is_read_back(style: str, files: list[list[float]]) -> None:
    write = STYLES[style]
    # 0.25 tells the file's mark in each style: it has no thousands.
    mark = "0.25" if "point" in style else "0,25"
    for numbers, found in zip(files, each([mark, *map(write, numbers)] for numbers in files), strict=True):
        assert found.column("energy_kcal") == [0.25, *numbers]


@settings(max_examples=3)
@given(files=st.lists(st.lists(st.integers(1_000, 999_999), min_size=1, max_size=30), min_size=4, max_size=8))
def test_nothing_that_two_readings_accept_is_read_where_the_file_is_silent(files: list[list[int]]) -> None:
    for numbers, found in zip(files, each([f"{n:,}" for n in numbers] for numbers in files), strict=True):
        assert found.column("energy_kcal") == [None] * len(numbers)
        assert set(found.column("reason")) == {"ambiguous_number"}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["950", "1.850", "2.100"], [950, None, None]),
        (["950", "1.850", "12.5"], [950, 1.85, 12.5]),
        (["95", "1.850", "2.100"], [95, 1.85, 2.1]),
        (["950", "0.850", "n.a."], [950, 0.85, None]),
        (["950", "1.850", "n.a."], [950, None, None]),
    ],
)
def test_three_digits_after_every_point_may_be_thousands_beside_whole_numbers(
    texts: list[str], expected: list[float | None]
) -> None:
    found = entries(*texts)
    assert found.column("energy_kcal") == expected
    ambiguous = [text.count(".") == 1 and value is None for text, value in zip(texts, expected, strict=True)]
    assert [reason == "ambiguous_number" for reason in found.column("reason")] == ambiguous


def test_a_number_far_down_a_file_tells_that_its_points_set_no_thousands_apart() -> None:
    texts = ["950", "1.850"] * 600
    assert entries(*texts).column("energy_kcal")[1] is None
    assert entries(*texts, "12.5").column("energy_kcal")[1] == 1.85


def test_what_a_number_tells_of_its_file_tells_nothing_of_another() -> None:
    rows = [{"food": "rice", "energy_kcal": text} for text in ("950", "1.850")]
    rows.append({"food": "rice", "energy_kcal": "12.5", "source_file": "g.csv"})
    assert clean(study(nutrition=NUTRITION), "nutrition", rows).column("energy_kcal") == [950, None, 12.5]


def test_the_study_file_tells_that_points_are_thousands() -> None:
    assert entries("950", "1.850", decimal=",").column("energy_kcal") == [950, 1850]

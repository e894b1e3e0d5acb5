"""Plain columns: where a bare cast reads every text, careful reading would have read the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potato import cleaning, evidence, families, plain
from potato.study import Study

from .bronze_rows import NUTRITION, TODAY, bronze, study

NUMBERS = st.one_of(
    st.from_regex(r"\A-?[0-9]{1,6}(\.[0-9]{1,4})?\Z"),
    st.sampled_from(["", "NA", "-", "nan", "inf", "n.a.", "1e3", "1_000", " 5", "~8.5", "12 g", "3-4", "1,5", "0x1F"]),
    st.text("0123456789.,-+e_ ", max_size=6),
)
DATES = st.one_of(
    st.dates().map(str),
    st.sampled_from(["", "NA", "2022-02-30", "0000-01-01", "2022-5-1", " 2022-05-01", "1/5/2022", "infinity", "epoch"]),
)
WORDS = st.one_of(st.sampled_from(["", "lunch", "NA", " rice", "null", "a b"]), st.text(max_size=4))
MAPPED = NUTRITION | {"columns": NUTRITION["columns"] | {"meal": "m", "fat_g": "f"}}


@dataclass(frozen=True)
class Entries:
    """Diary entries in bronze, and what the evidence says of them."""

    tables: dict[str, ibis.Table]
    description: Study
    told: evidence.Evidence

    @property
    def plain(self) -> frozenset[str]:
        return self.told.simple("nutrition")


def entries(rows: list[dict[str, Any]]) -> Entries:
    description = study(nutrition=MAPPED)
    tables = bronze(ibis.duckdb.connect(threads=1), nutrition=rows)
    return Entries(tables, description, evidence.gather(tables, description))


def judged(given: Entries, known: evidence.Evidence, name: str) -> list[dict[str, Any]]:
    """Return the entries, judged by evidence that knows plain columns or knows of none, and the remarks on them."""
    mapping, simple, family = given.description.mapping("nutrition"), known.simple("nutrition"), families.NUTRITION
    typed = cleaning.typed(given.tables["nutrition"], family, mapping, given.description, known)
    typed = typed.get_backend().create_table(name, typed)
    tables = [
        cleaning.judged(typed, family, mapping, given.description, TODAY, simple),
        cleaning.remarks(typed, family, mapping, given.description, simple),
    ]
    return [row for table in tables for row in table.order_by(["source_file", "source_row"]).to_pyarrow().to_pylist()]


@settings(max_examples=10)
@given(
    number=NUMBERS,
    date=DATES,
    word=WORDS,
    other=st.one_of(st.just("1.5"), NUMBERS),
)
def test_columns_read_by_a_cast_are_read_as_with_care(number: str, date: str, word: str, other: str) -> None:
    rows = [
        {"energy_kcal": number, "date": date, "food": word, "meal": word, "fat_g": other},
        {"energy_kcal": "100", "food": "rice", "fat_g": "2"},
    ]
    given = entries(rows)
    by_cast = judged(given, given.told, "by_cast")
    with_care = judged(given, replace(given.told, plain={}), "with_care")
    assert repr(by_cast) == repr(with_care)


@pytest.mark.parametrize("text", ["nan", "inf", "1e3", " 5", "12 g", "1,5", "+5", "n.a.", "9" * 400])
def test_a_column_with_a_number_of_another_shape_is_not_plain(text: str) -> None:
    simple = entries([{"energy_kcal": text}, {"energy_kcal": "5"}]).plain
    assert "energy_kcal" not in simple


@pytest.mark.parametrize("text", ["", None, "-3", "0.25", "NA", "-"])
def test_digits_and_words_for_a_missing_value_are_plain(text: str | None) -> None:
    simple = entries([{"energy_kcal": text}, {"energy_kcal": "5"}]).plain
    assert "energy_kcal" in simple


def test_no_number_is_plain_beside_decimal_commas() -> None:
    simple = entries([{"energy_kcal": "5.100", "fat_g": "1,5"}, {"fat_g": "2,25"}]).plain
    assert not {"energy_kcal", "fat_g"} & simple


@pytest.mark.parametrize("date", ["2022-02-30", "2022-5-1", "1/5/2022", "epoch"])
def test_a_column_with_a_date_that_needs_care_is_not_plain(date: str) -> None:
    simple = entries([{"date": date}, {}]).plain
    assert "date" not in simple


def test_a_study_without_a_mapped_number_has_plain_words() -> None:
    tables = bronze(ibis.duckdb.connect(threads=1), weight=[{}])
    simple, files = plain.columns(tables, study())
    assert simple["weight"] >= {"subject_id", "weight", "date"}
    assert files["weight"] == ["f.csv"]

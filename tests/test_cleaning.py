"""Cleaning: a row that can't be used has the first reason that holds; every other row has none."""

from __future__ import annotations

from typing import Any

import ibis
import pytest

from potato import cleaning, columns, evidence, families, reasons, schema

from .bronze_rows import NUTRITION, TODAY, WEIGHT, bronze, clean, study, weights

FOODS: dict[str, Any] = {"files": "*", "columns": {"subject_id": "s", "date": "d", "food": "f"}}


@pytest.mark.parametrize("fault", reasons.FAULTS)
def test_a_fault_of_the_row_comes_before_all_rules(fault: str) -> None:
    row = clean(study(), "weight", [{"fault": fault, "subject_id": None, "weight": "x"}]).rows[0]
    assert (row["column"], row["value"], row["reason"]) == ("row", None, fault)
    assert row["rule"] == reasons.FAULTS[fault]
    assert row["day_number"] is None


def test_a_faulty_row_is_no_evidence() -> None:
    rows = [{"date": "13/05/2022", "fault": "too_few_cells"}, {"date": "01/05/2022"}]
    assert clean(study(), "weight", rows).column("reason") == ["too_few_cells", "ambiguous_date"]


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ({"subject_id": " "}, "subject_id", "no_subject"),
        ({"subject_id": None, "date": ""}, "subject_id", "no_subject"),
        ({"date": "n/a", "weight": "x"}, "date", "no_day"),
        ({"date": "soon", "weight": "x"}, "date", "unreadable_date"),
        ({"weight": None}, "weight", "missing_value"),
        ({"weight": "0"}, "weight", "zero_means_missing"),
        ({"weight": "-80"}, "weight", "out_of_bounds"),
        ({"weight": "8"}, "weight", "out_of_bounds"),
    ],
)
def test_the_first_rule_that_a_row_breaks_is_its_reason(row: dict[str, Any], column: str, reason: str) -> None:
    found = clean(study(), "weight", [row]).rows[0]
    assert (found["column"], found["reason"], found["value"]) == (column, reason, row.get(column))
    assert found["rule"]


def test_a_diary_of_foods_alone_needs_a_food() -> None:
    rows: list[dict[str, Any]] = [{"food": "rice"}, {"food": "?"}, {"food": None}]
    assert clean(study(nutrition=FOODS), "nutrition", rows).column("reason") == [None, "missing_value", "missing_value"]


def test_a_diary_without_energy_needs_a_food_or_an_amount() -> None:
    mapping = FOODS | {"columns": FOODS["columns"] | {"amount_g": "g"}}
    rows = [{"food": "rice"}, {"amount_g": "80"}, {"amount_g": "-"}]
    found = clean(study(nutrition=mapping), "nutrition", rows)
    assert found.column("reason") == [None, None, "missing_value"]


def test_a_diary_with_energy_needs_it() -> None:
    rows = [{"food": "rice", "energy_kcal": ""}]
    assert clean(study(nutrition=NUTRITION), "nutrition", rows).column("reason") == ["missing_value"]


def test_one_person_may_be_named_by_the_study() -> None:
    columns_without = {"date": "d", "weight": "w"}
    mapping = WEIGHT | {"columns": columns_without, "subject": "me"}
    assert clean(study(weight=mapping), "weight", [{"subject_id": "me"}]).column("subject_id") == ["me"]


def test_codes_become_what_they_mean() -> None:
    mapping = WEIGHT | {"columns": WEIGHT["columns"] | {"condition": "c"}}
    found = clean(
        study(weight=mapping, codes={"condition": {"1": "diet"}}), "weight", [{"condition": " 1"}, {"condition": "2"}]
    )
    assert found.column("condition") == ["diet", "2"]


def test_an_optional_number_that_is_no_number_sets_the_row_aside() -> None:
    found = clean(study(nutrition=NUTRITION), "nutrition", [{"amount_g": "a lot"}, {"amount_g": ""}])
    assert found.column("reason") == ["unreadable_number", None]


def test_rules_say_nothing_of_the_day_on_which_they_run() -> None:
    texts = ["80", "8", "0", "x", "3-4"]
    rules = [
        [row["rule"] for row in clean(study(), "weight", [{"weight": t} for t in texts], today).rows]
        for today in (TODAY, TODAY + 100)
    ]
    assert rules[0] == rules[1]


def test_a_study_without_a_family_has_an_empty_table_of_it() -> None:
    found = clean(study(), "nutrition", [])
    assert (found.rows, found.remarks) == ([], [])


def test_values_read_with_care_have_the_columns_of_flags() -> None:
    found = weights("~80 kg")
    assert [list(row) for row in found.remarks] == [schema.FLAGS.names] * 2


def test_each_typed_column_names_the_bronze_columns_that_it_is_read_from() -> None:
    description = study(nutrition=NUTRITION, weight=WEIGHT | {"unit": "detect"})
    tables = bronze(ibis.duckdb.connect(), weight=[{"weight": "70"}, {"subject_id": "b", "weight": "200"}])
    told = evidence.gather(tables, description)
    for family in (families.WEIGHT, families.NUTRITION):
        mapping = description.mapping(family.name)
        typed = cleaning.typed(tables[family.name], family, mapping, description, told)
        found = columns.trace(typed, {name: f"bronze/{name}" for name in tables})
        for field in family.fields:
            name = "weight_kg" if field.kind == "weight" else "day_number" if field.kind == "date" else field.name
            if field.kind != "day":
                assert (f"bronze/{family.name}", field.name) in {pair[:2] for pair in found.columns[name]}

"""Each rule of the contracts holds on good data and fails on the datum that breaks it."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from potato import contracts, rules, schema
from potato.manifest import Verdict

from .layer_frames import ROWS, Layer, aside, bronze, changed, filled, flagged, silver


def against(verdicts: list[Verdict]) -> list[tuple[str, str]]:
    return [(v.expectation, v.severity) for v in verdicts if not v.success]


def only(verdicts: list[Verdict]) -> Verdict:
    (found,) = [verdict for verdict in verdicts if not verdict.success]
    return found


def test_nothing_is_against_good_data() -> None:
    assert against(rules.bronze(*bronze())) == []
    assert against(rules.silver(*silver())) == []


def test_every_dataset_of_a_layer_has_a_contract() -> None:
    held = {verdict.dataset for verdict in rules.silver(*silver())}
    assert {dataset.name for dataset in schema.SILVER.values()} | {"quarantine", "silver/ledger"} == held


def lose_a_row(layer: Layer) -> None:
    tables, _ = layer
    tables["weight"] = tables["weight"].slice(1)


def empty_a_file(layer: Layer) -> None:
    tables, files = layer
    tables["fiber"] = tables["fiber"].slice(0, 0)
    files["fiber/a.csv"]["rows_read"] = 0


def break_rows(layer: Layer) -> None:
    tables, _ = layer
    for row in (3, 4):
        tables["nutrition"] = changed(tables["nutrition"], row, fault="too_few_cells")


def repeat_a_place(layer: Layer) -> None:
    tables, _ = layer
    tables["weight"] = changed(tables["weight"], 1, source_row=2)


@pytest.mark.parametrize(
    ("breaks", "rule", "severity"),
    [
        (lose_a_row, "rows_of_the_ledger", "error"),
        (empty_a_file, "a_file_has_rows", "warning"),
        (break_rows, "share_of_faulty_rows", "warning"),
        (repeat_a_place, "a_raw_row_stands_once", "error"),
    ],
)
def test_a_broken_bronze_fails_the_one_rule_that_is_broken(
    breaks: Callable[[Layer], None], rule: str, severity: str
) -> None:
    layer = bronze()
    breaks(layer)
    assert against(rules.bronze(*layer)) == [(rule, severity)]


def test_rows_of_a_file_that_the_ledger_does_not_have_are_named() -> None:
    tables, files = bronze()
    tables["weight"] = changed(tables["weight"], ROWS - 1, source_file="weight/b.csv")
    found = [v for v in rules.bronze(tables, files) if not v.success]
    assert [v.expectation for v in found] == ["rows_of_the_ledger"]
    assert "weight/b.csv (weight) (1)" in found[0].observed


def test_bronze_without_a_weight_is_an_error() -> None:
    tables, files = bronze()
    tables["weight"], files["weight/a.csv"]["rows_read"] = tables["weight"].slice(0, 0), 0
    assert ("expect_table_row_count_to_be_between", "error") in against(rules.bronze(tables, files))


def replaced(name: str, row: int, **values: object) -> Callable[[Layer], None]:
    def breaks(layer: Layer) -> None:
        layer[0][name] = changed(layer[0][name], row, **values)

    return breaks


def remark(family: str, flag: str, *rows: int) -> Callable[[Layer], None]:
    """Flag these rows, and count them in the ledger."""

    def breaks(layer: Layer) -> None:
        layer[0]["flags"] = flagged(family, flag, *rows)
        layer[1][f"{family}/a.csv"]["rows_flagged"] = {flag: len(rows)}

    return breaks


def keep_one_too_many(layer: Layer) -> None:
    layer[1]["weight/a.csv"]["rows_kept"] += 1


def forget_a_quarantined_row(layer: Layer) -> None:
    layer[0]["quarantine"] = layer[0]["quarantine"].slice(1)


def set_values_aside(layer: Layer) -> None:
    tables, files = layer
    rows = [*tables["quarantine"].to_pylist(), *(aside("weight", n, "out_of_bounds") for n in (3, 4))]
    tables["quarantine"] = filled(schema.QUARANTINE, rows)
    files["weight/a.csv"] |= {"rows_kept": 18, "rows_quarantined": {"missing_value": 1, "out_of_bounds": 2}}


def tell_no_unit(layer: Layer) -> None:
    tables, files = layer
    rows = [*tables["quarantine"].to_pylist(), aside("weight", 3, "unit_not_told", "bob")]
    tables["quarantine"] = filled(schema.QUARANTINE, rows)
    files["weight/a.csv"] |= {"rows_kept": 19, "rows_quarantined": {"missing_value": 1, "unit_not_told": 1}}


def weigh(kg: float) -> Callable[[Layer], None]:
    def breaks(layer: Layer) -> None:
        table = layer[0]["subject_trajectories"]
        for row in range(len(table)):
            table = changed(table, row, weight_kg=kg)
        layer[0]["subject_trajectories"] = table

    return breaks


def eat_kilojoules(layer: Layer) -> None:
    table = layer[0]["weekly_features"]
    for row in range(len(table)):
        table = changed(table, row, energy_kcal_per_day=8_400.0)
    layer[0]["weekly_features"] = table


def lose_a_week(layer: Layer) -> None:
    tables, _ = layer
    tables["weekly_features"] = changed(tables["weekly_features"], 2, study_week=4)


@pytest.mark.parametrize(
    ("breaks", "rule", "severity"),
    [
        (keep_one_too_many, "rows_read_are_kept_or_set_aside", "error"),
        (forget_a_quarantined_row, "quarantine_holds_what_the_ledger_counts", "error"),
        (remark("weight", "unit_in_text", 2), "a_flagged_row_is_kept", "error"),
        (lose_a_week, "weeks_follow_each_other", "error"),
        (replaced("weekly_features", 0, study_week=0), "expect_column_values_to_be_between", "error"),
        (
            replaced("trajectories_without_jumps", 0, weight_kg=81.5),
            "mean_within_range_of_trajectories_without_jumps",
            "error",
        ),
        (
            replaced("subject_trajectories", 1, closing_weight_kg=78.0),
            "mean_within_range_of_subject_trajectories",
            "error",
        ),
        (replaced("modeling_dataset", 1, study_week=9), "weeks_of_modeling_dataset_are_known", "error"),
        (replaced("modeling_without_jumps", 1, study_week=9), "weeks_of_modeling_without_jumps_are_known", "error"),
        (set_values_aside, "few_rows_set_aside", "warning"),
        (
            remark("nutrition", "energy_off_macronutrients", 3, 4),
            "energy_fits_macronutrients",
            "warning",
        ),
        (remark("fiber", "fiber_conflict", 3, 4), "fiber_agrees", "warning"),
        (remark("weight", "approximate_number", 3, 4), "few_approximate_values", "warning"),
        (remark("weight", "jump", 3, 4), "few_jumps", "warning"),
        (replaced("subjects", 1, nutrition_rows=0), "people_known_in_every_family", "warning"),
        (tell_no_unit, "unit_told", "warning"),
        (replaced("subjects", 1, subject_id="Ann"), "names_differ_in_more_than_case", "warning"),
        (replaced("subjects", 1, subject_id="an n"), "names_differ_in_more_than_case", "warning"),
        (weigh(36.0), "weights_are_those_of_people", "warning"),
        (weigh(177.0), "weights_are_those_of_people", "warning"),
        (eat_kilojoules, "energy_is_that_of_people", "warning"),
        (replaced("subjects", 1, subject_id="ann"), "expect_column_values_to_be_unique", "error"),
        (replaced("quarantine", 0, reason=None), "expect_column_values_to_not_be_null", "error"),
    ],
)
def test_a_broken_silver_fails_the_rule_that_is_broken(
    breaks: Callable[[Layer], None], rule: str, severity: str
) -> None:
    layer = silver()
    breaks(layer)
    assert (rule, severity) in against(rules.silver(*layer))


def test_a_week_that_is_missing_is_told_with_its_person() -> None:
    layer = silver()
    lose_a_week(layer)
    found = next(v for v in rules.silver(*layer) if v.expectation == "weeks_follow_each_other")
    assert (found.dataset, found.observed, found.unexpected_count) == ("silver/weekly_features", "ann (1)", 1)


def test_one_flagged_row_of_twenty_passes() -> None:
    layer = silver()
    remark("nutrition", "energy_off_macronutrients", 3)(layer)
    assert against(rules.silver(*layer)) == []


def test_a_row_of_a_file_with_two_families_may_be_set_aside_in_both() -> None:
    tables, files = silver()
    rows = [
        aside("weight", 2, "missing_value"),
        aside("nutrition", 2, "missing_value") | {"source_file": "weight/a.csv"},
    ]
    tables["quarantine"] = filled(schema.QUARANTINE, rows)
    found = against(rules.silver(tables, files))
    assert ("expect_compound_columns_to_be_unique", "error") not in found


def test_a_check_that_the_study_does_not_allow_is_not_among_those_that_passed() -> None:
    tables, files = silver()
    weekly = tables["weekly_features"]
    place = weekly.column_names.index("protein_g_per_day")
    field = weekly.schema.field(place)
    tables["weekly_features"] = weekly.set_column(place, field, pa.nulls(len(weekly), field.type))
    asked = {verdict.expectation for verdict in rules.silver(tables, files)}
    assert "energy_fits_macronutrients" not in asked
    assert "fiber_agrees" in asked


def test_a_study_without_a_diary_misses_nobody_in_it() -> None:
    tables, files = silver()
    tables["subjects"] = filled(schema.SUBJECTS, [{"subject_id": who, "weight_rows": 4} for who in ("ann", "bob")])
    assert against(rules.silver(tables, files)) == []


def test_people_who_are_not_in_every_family_are_named_with_what_they_lack() -> None:
    tables, files = silver()
    tables["subjects"] = changed(tables["subjects"], 1, nutrition_rows=0, fiber_rows=0)
    assert only(rules.silver(tables, files)).observed == "bob: no nutrition and no fiber"


def test_many_names_are_cut_and_counted() -> None:
    rule = contracts.Rule(
        "many", "silver/ledger", "warning", "None is over one.", {f"f{n}": n for n in range(14)}, high=1, shown=",.0f"
    )
    (found,) = contracts.hold([rule])
    assert found.unexpected_count == 12
    assert found.observed.endswith("f9 (9) and 4 more")


def test_a_rule_with_nothing_to_measure_holds() -> None:
    empty = contracts.Rule("none", "silver/ledger", "error", "None is over one.", {}, high=1)
    some = contracts.Rule("some", "silver/ledger", "error", "None is over one.", {"a": 1.0, "b": 1.5}, high=1)
    assert [verdict.success for verdict in contracts.hold([empty, some])] == [True, False]
    assert contracts.hold([]) == []

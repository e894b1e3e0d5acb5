"""Contracts find a broken value wherever it stands, say which it is, and phone nobody."""

from __future__ import annotations

import os
import socket

import pyarrow as pa
import pytest

from potato import contracts, schema

from .layer_frames import changed, filled

WEEKS = [{"subject_id": "ann", "study_week": week} for week in range(1, 31)]


@pytest.fixture(scope="module")
def good() -> pa.Table:
    return filled(schema.WEEKLY_FEATURES, WEEKS)


def missed(table: pa.Table, dataset: schema.Dataset) -> list[tuple[str, str, str, int]]:
    found = contracts.check(table, dataset)
    return [(v.column, v.severity, v.observed, v.unexpected_count) for v in found if not v.success]


def test_good_data_pass_every_expectation(good: pa.Table) -> None:
    found = contracts.check(good, schema.WEEKLY_FEATURES)
    assert all(verdict.success for verdict in found)
    bounded = [c.name for c in schema.WEEKLY_FEATURES.columns if c.minimum is not None or c.maximum is not None]
    assert set(bounded) <= {verdict.column for verdict in found}


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("days_logged", 8, ("days_logged", "error", "8", 1)),  # int32 without a null
        ("entries_potato", -1, ("entries_potato", "error", "-1.0", 1)),  # int32 with nulls
        ("energy_kcal_per_day", 20_001.0, ("energy_kcal_per_day", "warning", "20001.0", 1)),
        ("potato_energy_share", 1.5, ("potato_energy_share", "error", "1.5", 1)),
    ],
)
def test_a_value_out_of_bounds_is_named_and_counted(
    good: pa.Table, column: str, value: float, expected: tuple[str, str, str, int]
) -> None:
    assert missed(changed(good, 29, **{column: value}), schema.WEEKLY_FEATURES) == [expected]


def test_a_missing_required_text_is_found(good: pa.Table) -> None:
    (found,) = missed(changed(good, 3, subject_id=None), schema.WEEKLY_FEATURES)
    assert (found[0], found[3]) == ("subject_id", 1)


def test_a_compound_key_and_a_key_of_one_column_are_unique(good: pa.Table) -> None:
    (found,) = missed(changed(good, 1, study_week=1), schema.WEEKLY_FEATURES)
    assert found[3] == 2
    people = filled(schema.SUBJECTS, [{"subject_id": "ann"}, {"subject_id": "ann"}])
    (found,) = missed(people, schema.SUBJECTS)
    assert (found[0], found[3]) == ("subject_id", 2)


def test_columns_in_another_order_are_found(good: pa.Table) -> None:
    moved = good.select([*good.column_names[1:], good.column_names[0]])
    found = [v for v in contracts.check(moved, schema.WEEKLY_FEATURES) if not v.success]
    assert [verdict.expectation for verdict in found] == ["expect_table_columns_to_match_ordered_list"]


def test_an_empty_table_passes_unless_rows_are_asked_for() -> None:
    empty = schema.WEEKLY_FEATURES.arrow().empty_table()
    assert all(verdict.success for verdict in contracts.check(empty, schema.WEEKLY_FEATURES))
    found = [v for v in contracts.check(empty, schema.WEEKLY_FEATURES, at_least=1) if not v.success]
    assert [verdict.expectation for verdict in found] == ["expect_table_row_count_to_be_between"]


def test_an_empty_table_is_held_against_every_expectation_in_the_same_order(good: pa.Table) -> None:
    empty = schema.WEEKLY_FEATURES.arrow().empty_table()
    asked, held = (
        [(v.expectation, v.column, v.severity, v.sentence) for v in contracts.check(table, schema.WEEKLY_FEATURES)]
        for table in (good, empty)
    )
    assert asked == held
    lacking = [v for v in contracts.check(empty.drop_columns(["days_logged"]), schema.WEEKLY_FEATURES) if not v.success]
    assert [verdict.expectation for verdict in lacking] == ["expect_table_columns_to_match_ordered_list"]


def test_two_tables_in_a_row_are_not_taken_for_each_other(good: pa.Table) -> None:
    assert missed(changed(good, 0, days_logged=9), schema.WEEKLY_FEATURES)
    assert not missed(good, schema.WEEKLY_FEATURES)


def test_a_check_opens_no_connection(good: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: opened.append(address))
    assert contracts.check(good, schema.WEEKLY_FEATURES)
    assert opened == []
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"

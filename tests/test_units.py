"""Units: what a file may state, and what a person's weights tell where it states nothing."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from potato import units

from .bronze_rows import NUTRITION, WEIGHT, Cleaned, clean, entries, study, weights

DETECT = WEIGHT | {"unit": "detect", "columns": WEIGHT["columns"] | {"unit": "u"}}


def detected(*pairs: tuple[object, object], **changes: object) -> Cleaned:
    """Clean one person's weights, each with what the unit column says."""
    rows = [{"date": f"2022-05-{n:02}", "weight": w, "unit": u} for n, (w, u) in enumerate(pairs, start=1)]
    return clean(study(weight=DETECT | changes), "weight", rows)


def kg(found: Cleaned) -> list[float | None]:
    return [None if w is None else round(w, 2) for w in found.column("weight_kg")]


@pytest.mark.parametrize(
    ("field", "unit", "text", "value"),
    [
        ("energy_kcal", "kJ", "1046", 250),
        ("energy_kcal", "kj", "1046.0", 250),
        ("energy_kcal", "kJ", "250 kcal", 250),
        ("amount_g", "mg", "500", 0.5),
        ("amount_g", "kg", "0,5", 500),
        ("amount_g", "oz", "2", 56.69904625),
    ],
)
def test_a_files_unit_converts_its_numbers(field: str, unit: str, text: str, value: float) -> None:
    found = entries(text, column=field, units={field: unit})
    assert found.rows[0][field] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"energy_kcal": "mg"}, "it may be one of kcal, kJ, MJ"),
        ({"amount_g": "ml"}, "it may be one of g, kg, mg, µg, oz, lb"),
        ({"food": "g"}, "only day, amount_g, energy_kcal"),
        ({"fibre": "g"}, "no unit is stated here for this field"),
    ],
)
def test_a_unit_that_does_not_fit_is_refused_with_those_that_do(changes: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        study(nutrition=NUTRITION | {"units": changes})


def test_the_unit_of_a_weight_is_said_elsewhere() -> None:
    with pytest.raises(ValidationError, match="say it as `unit: kg`"):
        study(weight=WEIGHT | {"units": {"weight": "lb"}})


def test_a_pound_is_its_definition() -> None:
    assert units.factor("g", "lb") == pytest.approx(453.59237, abs=0)
    assert units.factor("g", None) == 1


def test_kg_and_lb_may_stand_in_one_column() -> None:
    found = detected(("80 kg", None), ("176 lb", None), ("176lbs", None), ("12 st 8 lb", None), ("12st", None))
    assert kg(found) == [80.0, 79.83, 79.83, 79.83, 76.2]
    assert {r["flag"] for r in found.remarks} == {"unit_in_text"}
    assert len(found.remarks) == 5


def test_two_units_in_one_row_contradict_each_other() -> None:
    found = detected(("80 kg", "lb"), ("176", "lb"), ("12 st 8 lb", "kg"), ("80 kg", "KG"), ("12 st 8 lb", "?"))
    assert found.column("reason") == ["unit_contradiction", None, "unit_contradiction", None, None]


def test_stones_are_carried_at_fourteen_pounds() -> None:
    assert detected(("12 st 13.5 lb", None), ("12 st 14 lb", None)).column("reason") == [None, "unreadable_number"]


@pytest.mark.parametrize(
    "texts",
    [
        ["65.2"] * 7 + ["142.1"] * 4,
        ["190", "189", "188", "187", "86", "85.2"],
        ["70 kg", "153.7", "153.5"],
        ["130 lb", "58.5", "58.4"],
    ],
)
def test_the_unit_of_a_person_who_changes_it_is_not_told(texts: list[str]) -> None:
    found = detected(*((text, None) for text in texts))
    assert {r for r, text in zip(found.column("reason"), texts, strict=True) if " " not in text} == {"unit_not_told"}


def test_a_mistyped_weight_does_not_hide_a_persons_unit() -> None:
    assert detected(("70.5", None), ("7.05", None), ("70.4", None)).column("reason") == [None, "out_of_bounds", None]


def test_a_row_without_a_unit_has_that_of_the_persons_other_rows() -> None:
    found = detected(("130", "lb"), ("131", None))
    assert kg(found) == [58.97, 59.42]
    assert [(u.unit, u.evidence) for u in found.evidence.units] == [("lb", "row")]


def test_rows_that_state_one_unit_do_not_tell_of_values_that_speak_of_the_other() -> None:
    found = detected(("80", "kg"), ("178", None), ("177", None))
    assert found.column("reason") == [None, "unit_not_told", "unit_not_told"]


@pytest.mark.parametrize(
    ("values", "unit"), [((70, 71), "kg"), ((200, 199), "lb"), ((130, 131), None), ((80, 80, 176), None)]
)
def test_a_persons_values_tell_the_unit_or_nothing_does(values: tuple[int, ...], unit: str | None) -> None:
    found = detected(*((str(value), None) for value in values))
    told = found.evidence.units[0]
    assert (told.unit, told.evidence) == (unit, "values" if unit else None)
    assert (told.lightest, told.heaviest) == (min(values), max(values))
    assert found.column("reason") == [None if unit else "unit_not_told"] * len(values)
    assert [row["weight_kg"] is None for row in found.rows] == [unit is None] * len(values)


def test_a_person_who_is_not_told_is_set_aside_with_what_to_write() -> None:
    row = detected(("130", None)).rows[0]
    assert (row["column"], row["value"], row["reason"]) == ("weight", "130", "unit_not_told")
    assert "`unit: kg`" in row["rule"]
    assert "`unit_by_subject`" in row["rule"]


def test_the_study_file_decides_for_a_person_and_for_all() -> None:
    person = detected(("130", None), unit_by_subject={"a": "lb"})
    everyone = weights("130", unit="lb")
    assert (kg(person), kg(everyone)) == ([58.97], [58.97])
    assert [person.evidence.units[0].evidence, everyone.evidence.units[0].evidence] == ["subject", "study"]


def test_people_with_different_units_stand_in_one_file() -> None:
    rows = [
        {"subject_id": who, "weight": w} for who, w in (("ann", "70"), ("bob", "200"), ("cat", "130"), (" bob ", "199"))
    ]
    found = clean(study(weight=DETECT), "weight", rows)
    assert kg(found) == [70.0, 90.72, None, 90.26]
    assert [(u.subject_id, u.unit) for u in found.evidence.units] == [("ann", "kg"), ("bob", "lb"), ("cat", None)]


def test_an_unknown_unit_is_set_aside_by_its_name() -> None:
    row = detected(("80", "stone")).rows[0]
    assert (row["column"], row["value"], row["reason"]) == ("unit", "stone", "unknown_unit")


def test_a_weight_in_a_unit_of_something_else_is_no_number() -> None:
    assert weights("80 ml", "80 m").column("reason") == ["unreadable_number"] * 2


def test_a_weight_of_zero_is_missing_in_any_unit() -> None:
    assert detected(("0", None), ("0 lb", None), ("0", "kg"), ("NA", None)).column("reason") == [
        "zero_means_missing",
        "zero_means_missing",
        "zero_means_missing",
        "missing_value",
    ]

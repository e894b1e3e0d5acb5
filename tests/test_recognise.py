"""Names and values tell what a column is; a pattern means exactly the files that belong together."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from potato import timepoints
from potato.errors import PotatoError
from potato.layouts import matched, smallest_pattern
from potato.looks import Column, find_header, lay_out, number
from potato.study import FamilyMapping
from potato.studyfile import scalar
from potato.synonyms import NAMES, UNITS, is_other, key, named, split_unit


@pytest.mark.parametrize(
    ("name", "field", "unit"),
    [
        ("Weight (kg)", "weight", "kg"),
        ("WeightKg", "weight", "kg"),
        ("weight_lb", "weight", "lb"),
        ("Weight in the Morning", "weight", None),
        ("Körpergewicht [kg]", "weight", "kg"),
        ("Poids", "weight", None),
        ("Energy (kJ)", "energy_kcal", "kJ"),
        ("Calories", "energy_kcal", None),
        ("Food cals", "energy_kcal", None),
        ("Fiber (g)", "fiber_g", "g"),
        ("Ballaststoffe in g", "fiber_g", "g"),
        ("Eiweiß", "protein_g", None),
        ("Net Carbs (g)", "carbohydrate_g", "g"),
        ("Total Fat (g)", "fat_g", "g"),
        ("Date/Time", "date", None),
        ("Teilnehmer-ID", "subject_id", None),
        ("Daily calories", "energy_kcal", None),
        ("Energy intake (kcal/d)", "energy_kcal", "kcal"),
        ("Protein, g per day", "protein_g", "g"),
        ("Fasting weight at visit (kg)", "weight", "kg"),
        ("Participant number", "subject_id", None),
        ("Time (weeks)", "week", None),
    ],
)
def test_a_column_is_known_by_its_name_whatever_its_writing(name: str, field: str, unit: str | None) -> None:
    assert {said.field: said.unit for said in named(name)}[field] == unit


@pytest.mark.parametrize(
    "name",
    [
        "Fat mass (kg)",
        "Body Fat %",
        "weight trend",
        "Goal weight",
        "Saturated Fat",
        "Calories Burned",
        "Exercise cals",
        "BMI",
    ],
)
def test_names_that_only_resemble_a_field_are_not_taken_for_it(name: str) -> None:
    assert named(name) == []


def test_every_known_name_is_written_as_names_are_compared() -> None:
    assert [name for names in NAMES.values() for name in names if key(name) != name] == []


def test_a_unit_at_the_end_of_a_name_is_its_unit() -> None:
    assert (split_unit("Energie (kJ)"), split_unit("kcal")) == (("energie", "kJ"), ("kcal", None))
    assert {"kg", "lb", "g", "mg", "oz", "kcal", "kJ"} <= set(UNITS.values())


def test_a_trend_and_a_height_are_no_weights() -> None:
    assert is_other("weight trend")
    assert is_other("Height (cm)")
    assert not is_other("result")


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["2022-05-01", "2022-05-02", "NA"], "date"),
        (["1 May 2022", "2 May 2022"], "date"),
        (["May 1, 2022", "May 2, 2022"], "date"),
        (["Mon, 2 May 2022"], "date"),
        (["01.05.22", "02.05.22"], "date"),
        (["20220501", "20220502"], "date"),
        (["5/1/2022 11:59:59 PM"], "date"),
        (["7:30", "8:15 AM"], "clock"),
        (["80,5", "~81", "82 kg", "1,100"], "number"),
        (["oats", "rice", "12"], "text"),
        (["", "n/a", None], "empty"),
    ],
)
def test_a_columns_values_tell_what_it_holds(texts: list[str | None], kind: str) -> None:
    assert Column("x", 0, texts).kind == kind


def test_a_spreadsheets_day_numbers_are_dates_only_in_a_column_of_dates() -> None:
    assert Column("Date", 0, ["44682", "44683"]).kind == "date"
    assert Column("steps", 0, ["44682", "44683"]).kind == "number"


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("80,5", 80.5, None),
        ("1.234,5", 1234.5, None),
        ("1,100", 1100.0, None),
        ("176 lb", 176.0, "lb"),
        ("x", None, None),
    ],
)
def test_a_look_reads_numbers_as_people_write_them(text: str, value: float | None, unit: str | None) -> None:
    assert number(text) == (value, unit)


def test_the_header_is_found_below_a_trackers_own_lines() -> None:
    assert find_header([["Body"], ["Date", "Weight"], ["2022-05-01", "80"]]) == 1
    assert find_header([["2022-05-01", "80"], ["2022-05-02", "81"]]) is None


@pytest.mark.parametrize(
    ("header", "row", "wide"),
    [
        (["Person", "pre.weight", "weight6weeks"], ["1", "70", "68"], ["pre.weight", "weight6weeks"]),
        (["id", "t1", "t2", "t3"], ["1", "70", "69", "68"], ["t1", "t2", "t3"]),
        (["id", "weight_week0", "weight_week4"], ["1", "70", "69"], ["weight_week0", "weight_week4"]),
        (["id", "date", "weight"], ["1", "2022-05-01", "70"], []),
    ],
)
def test_one_column_a_time_is_recognised_as_wide(header: list[str], row: list[str], wide: list[str]) -> None:
    look = lay_out("d.csv", "utf-8", ",", [(1, header), (2, row), (3, row)])
    assert look is not None
    assert [point.column for point in timepoints.find(look).points] == wide


@pytest.mark.parametrize(
    ("others", "files", "pattern"),
    [
        ([], ["a.csv", "b.csv"], "*.csv"),
        (["a-food.csv", "b-food.csv"], ["a-weight.csv", "b-weight.csv"], "*-weight.csv"),
        (["ann_food.csv"], ["ann_weight.csv", "dan_weight.csv"], "*_weight.csv"),
        (["food/a.csv"], ["weight/a.csv", "weight/b.csv"], "weight/*.csv"),
        (["a/food.csv", "b/food.csv"], ["a/weight.csv", "b/weight.csv"], "*/weight.csv"),
        ([], ["x/a/1.csv", "x/b/2.csv"], "x/*/*.csv"),
        ([], ["1.csv", "x/2.csv"], "**/*.csv"),
        (["weight.csv"], ["what [1].csv"], "what [[]1].csv"),
    ],
)
def test_a_pattern_means_exactly_the_files_that_belong_together(
    tmp_path: Path, others: list[str], files: list[str], pattern: str
) -> None:
    for name in [*others, *files]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert smallest_pattern(tmp_path, files) == pattern
    assert matched(tmp_path, pattern) == sorted(files)


def test_files_between_others_without_a_common_name_are_an_error(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).touch()
    with pytest.raises(PotatoError, match="No pattern means exactly"):
        smallest_pattern(tmp_path, ["a.csv", "c.csv"])


@pytest.mark.parametrize(
    ("files", "path", "who"),
    [
        ("*.csv", "P01.csv", "P01"),
        ("*-weight.csv", "ann-weight.csv", "ann"),
        ("weights/weight_*.csv", "weights/weight_bo b.csv", "bo b"),
        ("P*.csv", "P01.csv", "P01"),
        ("*/food.csv", "ann/food.csv", "food"),
    ],
)
def test_a_file_is_named_after_its_person(files: str, path: str, who: str) -> None:
    assert FamilyMapping(files=files, columns={}, subject_from="file").who(Path(path)) == who


@pytest.mark.parametrize("text", ["yes", "12", "a: b", "x # y", "", "null", "Weight (kg)", "naïve", '"', "[a]", "*x"])
def test_any_text_survives_yaml(text: str) -> None:
    assert yaml.safe_load(f"key: {scalar(text)} # why")["key"] == text

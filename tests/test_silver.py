"""Silver types rows, sets the unusable ones aside with a reason, and sums up study weeks without filling a gap."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from potato import lake, marks
from potato.bronze import CSVLoader
from potato.columns import source
from potato.errors import PotatoError
from potato.silver import FeatureEngineer

from .conftest import SHARED, WEIGHT

Study = Callable[..., str]

DIARY = {
    "files": "nutrition.csv",
    "columns": {"subject_id": "who", "date": "date", "food": "food", "energy_kcal": "kcal", "fiber_g": "fiber"},
}
DETECT = {
    "files": "weight.csv",
    "unit": "detect",
    "columns": {"subject_id": "who", "date": "date", "weight": "weight", "unit": "unit"},
}


def days(*weights: object, who: str = "a", start: str = "2022-05-01") -> str:
    first = dt.date.fromisoformat(start)
    return "".join(f"{who},{first + dt.timedelta(n)},{w}\n" for n, w in enumerate(weights) if w is not None)


def bronze(name: str, project: Path) -> None:
    loader = CSVLoader(name)
    loader.read_nutrition_files()
    loader.basic_validation()
    for family, table in loader.tables.items():
        lake.write(table, project / "data" / "bronze" / family)
    lake.write_json(project / "data" / "bronze" / "ledger.json", {"files": loader.ledger()})


def silver(name: str, project: Path) -> FeatureEngineer:
    bronze(name, project)
    engineer = FeatureEngineer(name)
    engineer.load_from_bronze()
    engineer.clean_data()
    engineer.engineer_features()
    return engineer


def rows(engineer: FeatureEngineer, dataset: str) -> list[dict[str, Any]]:
    return engineer.tables[dataset].to_pylist()


def reasons(engineer: FeatureEngineer) -> list[tuple[int, str, str, str]]:
    return [(r["source_row"], r["column"], r["value"], r["reason"]) for r in rows(engineer, "quarantine")]


def test_an_unusable_row_is_quarantined_with_its_text_and_reason(study: Study, project: Path) -> None:
    content = (
        "who,date,weight\na,2022-05-01,80\n,2022-05-02,80\na,,80\na,1.5.,80\na,2022-05-03,eighty\n"
        "a,2022-05-04,0\na,2022-05-05,\na,2022-05-06,8\na,1830-05-06,80\na,2022-02-30,80\n"
    )
    assert reasons(silver(study({"weight.csv": content}), project)) == [
        (3, "subject_id", "", "no_subject"),
        (4, "date", "", "no_day"),
        (5, "date", "1.5.", "unreadable_date"),
        (6, "weight", "eighty", "unreadable_number"),
        (7, "weight", "0", "zero_means_missing"),
        (8, "weight", "", "missing_value"),
        (9, "weight", "8", "out_of_bounds"),
        (10, "date", "1830-05-06", "impossible_date"),
        (11, "date", "2022-02-30", "unreadable_date"),
    ]


def test_the_second_weight_of_a_day_is_set_aside_and_the_same_weight_again_is_a_duplicate(
    study: Study, project: Path
) -> None:
    content = "who,date,weight\n" + "".join(f"a,2022-05-01,{weight}\n" for weight in (80, 90, 80.0, 90))
    engineer = silver(study({"weight.csv": content}), project)
    assert reasons(engineer) == [
        (3, "date", "2022-05-01", "second_of_day"),
        (4, "date", "2022-05-01", "duplicate_row"),
        (5, "date", "2022-05-01", "duplicate_row"),
    ]
    assert rows(engineer, "subject_trajectories")[0]["weight_kg"] == 80


EVENINGS_AND_MORNINGS = {
    "seconds": ("2022-05-01 21:35:10", "2022-05-01 07:24:29"),
    "letter": ("2022-05-01T21:35", "2022-05-01T07:24"),
    "zones": ("2022-05-01T21:35:10.5+02:00", "2022-05-01T09:24:29Z"),
    "noon": ("5/1/2022 1:05 PM", "5/1/2022 11:59 a.m."),
    "midnight": ("1 May 2022, 12:10 pm", "1 May 2022, 12:10 am"),
    "serial": ("44682.75", "44682.25"),
    "unsaid": ("2022-05-01", "2022-05-01 23:00"),
    "unmeant": ("2022-05-01 00:00:00", "2022-05-01 07:24"),
}


def test_the_weight_with_the_earliest_time_of_a_day_counts(study: Study, project: Path) -> None:
    files = {
        f"{who}.csv": f'who,date,weight\n{who},2022-05-02,79\n{who},"{evening}",81\n' + f'{who},"{morning}",80\n' * 2
        for who, (evening, morning) in EVENINGS_AND_MORNINGS.items()
    }
    engineer = silver(study(files, date_order="mdy", weight=WEIGHT | {"files": "*.csv"}), project)
    aside = {(r["source_file"], r["source_row"], r["value"], r["reason"]) for r in rows(engineer, "quarantine")}
    assert aside == {
        row
        for who, (evening, morning) in EVENINGS_AND_MORNINGS.items()
        for row in ((f"{who}.csv", 3, evening, "second_of_day"), (f"{who}.csv", 5, morning, "duplicate_row"))
    }
    first = {r["subject_id"]: r["baseline_weight_kg"] for r in rows(engineer, "subject_trajectories")}
    assert first == dict.fromkeys(EVENINGS_AND_MORNINGS, 80)


def test_the_earliest_time_of_a_day_counts_across_files(study: Study, project: Path) -> None:
    files = {"1.csv": "who,date,weight\na,2022-05-01 08:00,80\n", "2.csv": "who,date,weight\na,2022-05-01 07:00,81\n"}
    engineer = silver(study(files, weight=WEIGHT | {"files": "*.csv"}), project)
    assert [(row["source_file"], row["value"]) for row in rows(engineer, "quarantine")] == [
        ("1.csv", "2022-05-01 08:00")
    ]


def test_rows_read_are_rows_kept_and_rows_quarantined(study: Study, project: Path) -> None:
    engineer = silver(study({"weight.csv": "who,date,weight\na,2022-05-01,80\na,2022-05-02,x\nb,,x\n"}), project)
    assert engineer.ledger()["weight.csv"] == {
        "file": "weight.csv",
        "family": "weight",
        "rows_read": 3,
        "rows_kept": 1,
        "rows_quarantined": {"no_day": 1, "unreadable_number": 1},
        "rows_flagged": {},
        "days_left_out": 0,
        "date_order": None,
        "date_evidence": engineer.evidence.files[0].date_evidence,
        "decimal": ".",
        "decimal_evidence": engineer.evidence.files[0].decimal_evidence,
    }


def test_a_lost_row_stops_the_stage(study: Study, project: Path) -> None:
    engineer = silver(study({"weight.csv": "who,date,weight\na,2022-05-01,80\n"}), project)
    ledger = lake.read_json(project / "data/bronze/ledger.json")
    ledger["files"]["weight.csv"]["rows_read"] = 2
    lake.write_json(project / "data/bronze/ledger.json", ledger)
    with pytest.raises(PotatoError, match=r"Rows of weight\.csv were lost"):
        engineer.ledger()


def test_a_row_that_stands_in_the_place_of_another_stops_the_stage(study: Study, project: Path) -> None:
    name = study({"weight.csv": "who,date,weight\n" + days(*[80] * 70)})
    silver(name, project)
    folder = project / "data/bronze/weight"
    table = lake.read(folder)
    numbers = [3 if number == 40 else number for number in table["source_row"].to_pylist()]
    twice = table.set_column(1, table.schema.field("source_row"), pa.array(numbers, pa.int32()))
    lake.write(twice, folder)
    engineer = FeatureEngineer(name)
    engineer.load_from_bronze()
    engineer.clean_data()
    with pytest.raises(PotatoError, match=r"Rows of weight\.csv were lost") as error:
        engineer.ledger()
    assert "of 69 different rows" in str(error.value.found)


def test_weeks_are_counted_from_each_persons_own_first_day(study: Study, project: Path) -> None:
    content = "who,date,weight\n" + days(*[80] * 8) + days(*[90] * 7, who="b", start="2022-06-15")
    found = [
        (r["subject_id"], r["study_week"], r["n_weights"])
        for r in rows(silver(study({"weight.csv": content}), project), "subject_trajectories")
    ]
    assert found == [("a", 1, 7), ("a", 2, 1), ("b", 1, 7)]


def test_a_day_whose_weight_is_missing_is_still_the_first_day(study: Study, project: Path) -> None:
    content = "who,date,weight\n" + days("NA", *[80] * 7)
    found = rows(silver(study({"weight.csv": content}), project), "subject_trajectories")
    assert [(r["study_week"], r["n_weights"]) for r in found] == [(1, 6), (2, 1)]


def test_changes_are_null_across_a_week_without_a_weight(study: Study, project: Path) -> None:
    content = "who,date,weight\n" + days(*[80] * 7, *[79] * 7, *[None] * 7, *[77] * 7)
    engineer = silver(study({"weight.csv": content}), project)
    found = [(r["study_week"], r["weight_change_kg"]) for r in rows(engineer, "subject_trajectories")]
    assert found == [(1, None), (2, -1), (4, None)]
    assert [(r["study_week"], r["next_week_change_kg"]) for r in rows(engineer, "modeling_dataset")] == [(1, -1)]


def test_the_trajectory_knows_baseline_close_and_slope(study: Study, project: Path) -> None:
    content = "who,date,weight\n" + days(80, 79.9, 79.8, 79.7, 79.6, 79.5, 79.4, 79.3)
    second = rows(silver(study({"weight.csv": content}), project), "subject_trajectories")[1]
    assert second["baseline_weight_kg"] == 80
    assert second["closing_weight_kg"] == 79.3
    assert second["change_from_baseline_kg"] == pytest.approx(-0.7)
    assert second["slope_kg_per_week"] == pytest.approx(-0.7)


def test_intake_is_averaged_over_logged_days_and_gaps_stay_gaps(study: Study, project: Path) -> None:
    diary = (
        "who,date,food,kcal,fiber\na,2022-05-01,Boiled Potatoes,600,6\na,2022-05-01,Cheddar cheese,400,0\n"
        "a,2022-05-03,potato,1000,10\na,2022-05-15,Egg,80,0\n"
    )
    content = {"weight.csv": "who,date,weight\n" + days(*[80] * 21), "nutrition.csv": diary}
    weeks = rows(silver(study(content, nutrition=DIARY), project), "weekly_features")
    first, gap, third = weeks
    assert (first["days_logged"], first["entries"], first["energy_kcal_per_day"]) == (2, 3, 1000)
    assert first["fiber_g_per_1000_kcal"] == 8
    assert first["potato_energy_share"] == 0.8
    assert (first["entries_potato"], first["entries_dairy"], first["entries_egg"]) == (2, 1, 0)
    assert (gap["days_logged"], gap["energy_kcal_per_day"], gap["entries_potato"]) == (0, None, None)
    assert (third["entries_egg"], third["potato_energy_share"]) == (1, 0)


def categories(study: Study, project: Path, *foods: str) -> dict[str, list[str]]:
    """Return for each food the categories that silver counts it in: each is one person's only entry."""
    people = [f"p{n:02}" for n, _ in enumerate(foods)]
    content = {
        "weight.csv": "who,date,weight\n" + "".join(f"{who},2022-05-01,80\n" for who in people),
        "nutrition.csv": "who,date,food,kcal,fiber\n"
        + "".join(f'{who},2022-05-01,"{food}",100,1\n' for who, food in zip(people, foods, strict=True)),
    }
    weeks = rows(silver(study(content, nutrition=DIARY), project), "weekly_features")
    of = {week["subject_id"]: [name for name in week if name.startswith("entries_") and week[name]] for week in weeks}
    return {food: of[who] for who, food in zip(people, foods, strict=True)}


def test_each_category_knows_its_foods(study: Study, project: Path) -> None:
    known = {
        "Sweet potato, baked": "potato",
        "Baked beans": "beans",
        "brown rice": "rice",
        "Oatmeal": "oats",
        "Toast": "bread",
        "2 apples": "fruit",
        "Broccoli": "vegetables",
        "Skimmed milk": "dairy",
        "Chicken breast": "meat",
        "Eggs": "egg",
        "Walnuts": "nuts",
    }
    assert categories(study, project, *known) == {food: [f"entries_{name}"] for food, name in known.items()}


def test_a_diary_without_a_known_word_tells_no_food_and_no_share_of_potatoes(study: Study, project: Path) -> None:
    def first(*foods: str) -> tuple[dict[str, Any], dict[str, Any]]:
        diary = "who,date,food,kcal,fiber\n" + "".join(f"a,2022-05-01,{food},300,1\n" for food in foods)
        content = {"weight.csv": "who,date,weight\na,2022-05-01,80\n", "nutrition.csv": diary}
        engineer = silver(study(content, nutrition=DIARY), project)
        return rows(engineer, "weekly_features")[0], rows(engineer, "study_days")[0]

    week, day = first("Kartoffeln", "Haferflocken")
    assert (week["entries_potato"], week["potato_energy_share"], week["energy_kcal_per_day"]) == (None, None, 600)
    assert (day["potato_energy_share"], day["energy_kcal"]) == (None, 600)
    week, day = first("Kartoffeln", "Toast")
    assert (week["entries_potato"], week["potato_energy_share"], week["entries_bread"]) == (0, 0, 1)
    assert day["potato_energy_share"] == 0


def test_a_word_inside_another_word_is_no_match(study: Study, project: Path) -> None:
    found = categories(study, project, "eggplant", "butternut", "boathouse", "grapefruit sauce")
    assert not any(found.values()), found


def test_kg_and_lb_are_told_from_the_row_then_from_the_persons_values(study: Study, project: Path) -> None:
    content = (
        "who,date,weight,unit\nstated,2022-05-01,200,lbs\nstated,2022-05-02,199,\n"
        "heavy,2022-05-01,210,\nlight,2022-05-01,70,\n"
    )
    engineer = silver(study({"weight.csv": content}, weight=DETECT), project)
    found = {
        r["subject_id"]: (round(r["baseline_weight_kg"], 2), r["n_weights"])
        for r in rows(engineer, "subject_trajectories")
    }
    assert found == {"stated": (90.72, 2), "heavy": (95.25, 1), "light": (70.0, 1)}


def test_a_person_whose_unit_is_not_told_is_set_aside_and_listed(study: Study, project: Path) -> None:
    content = "who,date,weight,unit\nann,2022-05-01,130,\nbob,2022-05-01,70,\n"
    engineer = silver(study({"weight.csv": content}, weight=DETECT), project)
    assert reasons(engineer) == [(2, "weight", "130", "unit_not_told")]
    people = {
        r["subject_id"]: (r["weight_unit"], r["unit_evidence"], r["weight_rows"]) for r in rows(engineer, "subjects")
    }
    assert people == {"ann": (None, None, 0), "bob": ("kg", "values", 1)}


def test_the_study_file_decides_the_unit_of_a_person_whom_nothing_tells(study: Study, project: Path) -> None:
    content = "who,date,weight,unit\nann,2022-05-01,130,\n"
    name = study({"weight.csv": content}, weight=DETECT | {"unit_by_subject": {"ann": "lb"}})
    assert rows(silver(name, project), "subject_trajectories")[0]["weight_kg"] == pytest.approx(58.967, abs=1e-3)


def test_where_nobodys_unit_is_told_the_line_to_write_is_named(study: Study, project: Path) -> None:
    content = "who,date,weight,unit\n" + "".join(f"ann,2022-05-{d:02},{80 if d < 20 else 176},\n" for d in range(1, 25))
    with pytest.raises(PotatoError, match="No weight of the study can be used") as caught:
        silver(study({"weight.csv": content}, weight=DETECT), project)
    assert caught.value.found == "24 unit_not_told"
    assert "`unit: kg` or `unit: lb`" in str(caught.value.hint)


def test_a_person_whom_the_study_file_misspells_is_named(study: Study, project: Path) -> None:
    content = {"weight.csv": "who,date,weight,unit\nann,2022-05-01,70,\n"}
    name = study(content, weight=DETECT | {"unit_by_subject": {"anm": "lb"}})
    with pytest.raises(PotatoError, match="Nobody in the weight files is called 'anm'") as caught:
        silver(name, project)
    assert caught.value.nearest == "ann"


def test_an_impossible_date_does_not_stretch_the_persons_study(study: Study, project: Path) -> None:
    content = "who,date,weight\na,1923-05-01,80\na,2022-05-01,80\na,9999-12-31,80\n"
    engineer = silver(study({"weight.csv": content}), project)
    assert [r["study_week"] for r in rows(engineer, "weekly_features")] == [1]
    assert [reason for *_, reason in reasons(engineer)] == ["impossible_date", "impossible_date"]


def test_a_day_that_is_no_whole_number_is_quarantined(study: Study, project: Path) -> None:
    by_day = {"files": "weight.csv", "unit": "kg", "columns": {"subject_id": "who", "day": "day", "weight": "weight"}}
    content = "who,day,weight\na,0,80\na,1.0,80\na,2.5,80\na,1e300,80\na,10000000000000000000,80\n"
    engineer = silver(study({"weight.csv": content}, weight=by_day), project)
    assert [(row, reason) for row, _, _, reason in reasons(engineer)] == [
        (4, "unreadable_day"),
        (5, "unreadable_day"),
        (6, "unreadable_day"),
    ]


def test_a_study_without_a_usable_weight_says_what_became_of_its_rows(study: Study, project: Path) -> None:
    with pytest.raises(PotatoError, match="No weight of the study can be used") as caught:
        silver(study({"weight.csv": "who,date,weight\na,2022-05-01,0\na,2022-05-02,NA\n"}), project)
    assert caught.value.found == "1 missing_value, 1 zero_means_missing"


def test_a_diary_of_strangers_stops_the_study(study: Study, project: Path) -> None:
    content = {
        "weight.csv": "who,date,weight\np1,2022-05-01,80\n",
        "nutrition.csv": "who,date,food,kcal,fiber\nP1,2022-05-01,rice,100,1\n",
    }
    with pytest.raises(PotatoError, match="Nobody in the nutrition files is in the weight files") as caught:
        silver(study(content, nutrition=DIARY), project)
    assert caught.value.nearest == "p1"


def test_a_person_who_changes_the_group_stops_the_study(study: Study, project: Path) -> None:
    grouped = {"files": "weight.csv", "unit": "kg", "columns": WEIGHT["columns"] | {"group": "group"}}
    content = "who,date,weight,group\na,2022-05-01,80,A\na,2022-05-02,80,B\n"
    with pytest.raises(PotatoError, match="change their group") as caught:
        silver(study({"weight.csv": content}, weight=grouped), project)
    assert caught.value.found == "a (A, B)"


def test_a_broken_row_tells_nobodys_group_and_names_nobody(study: Study, project: Path) -> None:
    grouped = {"files": "weight.csv", "unit": "kg", "columns": WEIGHT["columns"] | {"group": "group"}}
    content = (
        "who,date,weight,group\na,2022-05-01,80,A\na,2022-05-02,80,5,A\nwho,date,weight,group\na,2022-05-03,79,A\n"
    )
    engineer = silver(study({"weight.csv": content}, weight=grouped), project)
    assert [r["subject_id"] for r in rows(engineer, "subjects")] == ["a"]
    assert rows(engineer, "subjects")[0]["quarantined_rows"] == 1
    assert {r["group"] for r in rows(engineer, "subject_trajectories")} == {"A"}


def test_the_group_of_a_row_without_a_day_is_the_persons_as_in_an_enrolment(study: Study, project: Path) -> None:
    grouped = {"files": "weight.csv", "unit": "kg", "columns": WEIGHT["columns"] | {"group": "group"}}
    content = "who,date,weight,group\na,,,A\na,2022-05-01,80,\nb,,,B\nb,2022-05-01,90,\n"
    engineer = silver(study({"weight.csv": content}, weight=grouped), project)
    assert {r["subject_id"]: r["group"] for r in rows(engineer, "subject_trajectories")} == {"a": "A", "b": "B"}


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("who,date,weight\na,2022-05-01,80,5\na,2022-05-02,80,4\n", "decimal comma"),
        ("who,date,weight\na,1651363200,80\n", "2022-05-31"),
        ("who,date,weight\n", "no rows below a header"),
    ],
)
def test_where_no_weight_can_be_used_the_commonest_reason_says_what_to_do(
    study: Study, project: Path, content: str, hint: str
) -> None:
    with pytest.raises(PotatoError, match="No weight of the study can be used") as caught:
        silver(study({"weight.csv": content}), project)
    assert hint in str(caught.value.hint)


def test_one_file_may_hold_two_families(study: Study, project: Path) -> None:
    fiber = {"files": "weight.csv", "columns": {"subject_id": "who", "date": "date", "fiber_g": "fiber"}}
    engineer = silver(study({"weight.csv": "who,date,weight,fiber\na,2022-05-01,80,20\n"}, fiber=fiber), project)
    assert {name: file["rows_kept"] for name, file in engineer.ledger().items()} == {
        "weight.csv (weight)": 1,
        "weight.csv (fiber)": 1,
    }


def test_a_unit_that_is_neither_kg_nor_lb_is_set_aside(study: Study, project: Path) -> None:
    content = "who,date,weight,unit\nann,2022-05-01,12,stone\nbob,2022-05-01,80,kg\n"
    assert reasons(silver(study({"weight.csv": content}, weight=DETECT), project)) == [
        (2, "unit", "stone", "unknown_unit")
    ]


@pytest.mark.parametrize(("order", "text"), [("dmy", "02/05/2022"), ("mdy", "5-2-2022"), ("ymd", "2022/5/2 07:30")])
def test_dates_are_read_in_the_studys_order(study: Study, project: Path, order: str, text: str) -> None:
    content = f"who,date,weight\na,{text},80\n"
    engineer = silver(study({"weight.csv": content}, date_order=order), project)
    day = engineer.cleaned.weight.day_number.to_pyarrow()[0].as_py()
    assert dt.date(1970, 1, 1) + dt.timedelta(day) == dt.date(2022, 5, 2)


def test_a_wrong_date_order_stops_with_the_right_one(study: Study, project: Path) -> None:
    content = "who,date,weight\na,5/1/2022,80\na,5/2/2022,80\na,5/13/2022,80\n"
    with pytest.raises(PotatoError, match="not written in the order dmy") as caught:
        silver(study({"weight.csv": content}, date_order="dmy"), project)
    assert caught.value.nearest == "mdy"
    assert caught.value.found == "'5/13/2022', for one: of 3 dates dmy reads 2, mdy 3"


def test_dates_that_tell_no_order_name_the_line_to_write(study: Study, project: Path) -> None:
    with pytest.raises(PotatoError, match="No weight of the study can be used") as caught:
        silver(study({"weight.csv": "who,date,weight\na,5/1/2022,80\na,5/2/2022,80\n"}), project)
    assert caught.value.found == "2 ambiguous_date"
    assert "`date_order: dmy` or `date_order: mdy`" in str(caught.value.hint)


def test_thousands_may_be_separated_by_a_comma(study: Study, project: Path) -> None:
    content = {
        "weight.csv": "who,date,weight\na,2022-05-01,80\n",
        "nutrition.csv": 'who,date,food,kcal,fiber\na,2022-05-01,rice,"1,100",1.5\n',
    }
    assert rows(silver(study(content, nutrition=DIARY), project), "weekly_features")[0]["energy_kcal_per_day"] == 1100


def test_a_file_that_loses_many_rows_is_warned_of(study: Study, project: Path) -> None:
    content = "who,date,weight\n" + days(80, 80, 80, "x", "NA", "NA", "NA")
    engineer = silver(study({"weight.csv": content}), project)
    warning = next(v for v in engineer.validate_schema() if v.expectation == "few_rows_set_aside")
    assert (warning.success, warning.severity, warning.observed) == (False, "warning", "weight.csv (14.3%)")


def test_what_two_overlapping_exports_both_hold_counts_once(study: Study, project: Path) -> None:
    coffee, rice = "a,2022-05-01,coffee,5,0\n", "a,2022-05-01,rice,100,1\n"
    head = "who,date,food,kcal,fiber\n"
    content = {
        "weight.csv": "who,date,weight\na,2022-05-01,80\n",
        "diary/april.csv": head + coffee + coffee + rice,
        "diary/may.csv": head + rice + coffee + coffee + coffee,
    }
    engineer = silver(study(content, nutrition=DIARY | {"files": "diary/*.csv"}), project)
    found = [(r["source_file"], r["source_row"], r["reason"]) for r in rows(engineer, "quarantine")]
    assert found == [("diary/may.csv", row, "duplicate_of_other_file") for row in (2, 3, 4)]
    assert rows(engineer, "weekly_features")[0]["energy_kcal_per_day"] == 115
    flagged = [(r["source_file"], r["source_row"], r["value"], r["flag"]) for r in rows(engineer, "flags")]
    assert flagged == [("diary/april.csv", 3, "coffee", "repeated_entry")]


def test_a_date_far_from_all_others_does_not_stretch_the_study(study: Study, project: Path) -> None:
    mistyped = "a,2012-05-08,79\n"
    many = days(*[80] * 5) + mistyped + "a,2022-05-06,80\n"
    few = days(*[70] * 3, who="b") + mistyped.replace("a", "b") + "b,2022-05-04,70\n"
    engineer = silver(study({"weight.csv": "who,date,weight\n" + many + few}), project)
    # Four other days are too few to say which of b's are right.
    assert reasons(engineer) == [(7, "date", "2012-05-08", "isolated_date")]
    assert [r["study_week"] for r in rows(engineer, "weekly_features") if r["subject_id"] == "a"] == [1]


def test_a_follow_up_a_year_later_is_no_mistyped_year(study: Study, project: Path) -> None:
    content = "who,date,weight\n" + days(*[80] * 6) + "a,2023-05-08,75\n" + days(*[70] * 6, who="b")
    assert reasons(silver(study({"weight.csv": content}), project)) == []


def test_a_day_that_lost_an_entry_stays_out_of_the_averages(study: Study, project: Path) -> None:
    diary = (
        "who,date,food,kcal,fiber\na,2022-05-01,rice,600,6\na,2022-05-01,bread,lots,6\n"
        "a,2022-05-02,rice,1000,6\na,2022-05-02,water,,\na,2022-05-03,bread,lots,6\n"
    )
    content = {"weight.csv": "who,date,weight\na,2022-05-01,80\n", "nutrition.csv": diary}
    engineer = silver(study(content, nutrition=DIARY), project)
    week = rows(engineer, "weekly_features")[0]
    assert (week["days_logged"], week["entries"], week["energy_kcal_per_day"]) == (1, 1, 1000)
    assert engineer.ledger()["nutrition.csv"]["days_left_out"] == 1


def test_a_fibre_total_that_its_entries_contradict_is_flagged(study: Study, project: Path) -> None:
    fiber = {"files": "fiber.csv", "columns": {"subject_id": "who", "date": "date", "fiber_g": "fiber"}}
    content = {
        "weight.csv": "who,date,weight\na,2022-05-01,80\n",
        "nutrition.csv": "who,date,food,kcal,fiber\n"
        + "".join(f"a,2022-05-0{day},rice,600,10\na,2022-05-0{day},beans,600,10\n" for day in (1, 2)),
        "fiber.csv": "who,date,fiber\na,2022-05-01,23\na,2022-05-02,24\na,2022-05-03,50\n",
    }
    engineer = silver(study(content, nutrition=DIARY, fiber=fiber), project)
    found = [(r["source_row"], r["value"]) for r in rows(engineer, "flags") if r["flag"] == "fiber_conflict"]
    assert found == [(3, "24.0 g; entries: 20.0 g")]
    assert engineer.ledger()["fiber.csv"]["rows_flagged"] == {"fiber_conflict": 1}


def test_energy_that_the_nutrients_do_not_give_is_flagged(study: Study, project: Path) -> None:
    names = {name: name for name in ("energy_kcal", "protein_g", "carbohydrate_g", "fat_g", "fiber_g")}
    diary = {"files": "nutrition.csv", "columns": {"subject_id": "who", "date": "date"} | names}
    content = {
        "weight.csv": "who,date,weight\na,2022-05-01,80\n",
        "nutrition.csv": f"who,date,{','.join(names)}\n"
        "a,2022-05-01,400,10,20,25,5\na,2022-05-01,520,10,20,25,5\na,2022-05-01,20,0,0,0,0\na,2022-05-01,520,,20,25,5\n",
    }
    engineer = silver(study(content, nutrition=diary), project)
    assert [(r["source_row"], r["value"], r["flag"]) for r in rows(engineer, "flags")] == [
        (3, "520.0 kcal; macronutrients: 355.0 kcal", "energy_off_macronutrients")
    ]


def test_a_jump_is_flagged_and_new_scales_or_a_first_steep_week_are_not(study: Study, project: Path) -> None:
    jumpy = days(80, 80.2, 79.9, 80.1, 86.1, 80, 79.8, 80, 80.1, 79.9, who="jump")
    shifted = days(*[80, 80.2, 79.9, 80.1, 80.3, 80, 79.8] * 2, *[86, 86.2, 85.9, 86.1, 86.3] * 2, who="shift")
    steep = days(*[90 - 0.8 * day for day in range(8)], *[84 - 0.1 * day for day in range(10)], who="steep")
    few = days(80, 90, 80, 80, who="few")
    engineer = silver(study({"weight.csv": "who,date,weight\n" + jumpy + shifted + steep + few}), project)
    flagged = [(r["subject_id"], r["source_row"], r["value"], r["flag"]) for r in rows(engineer, "flags")]
    assert flagged == [("jump", 6, "86.1", "jump")]
    assert {r["subject_id"]: r["jumps"] for r in rows(engineer, "subjects")} == {
        "few": 0,
        "jump": 1,
        "shift": 0,
        "steep": 0,
    }
    highest = [
        max(r["max_weight_kg"] for r in rows(engineer, name) if r["subject_id"] == "jump")
        for name in ("subject_trajectories", "trajectories_without_jumps")
    ]
    assert highest == [86.1, 80.2]


def test_without_a_jump_both_trajectories_are_the_same(study: Study, project: Path) -> None:
    engineer = silver(study({"weight.csv": "who,date,weight\n" + days(*[80] * 9)}), project)
    assert rows(engineer, "trajectories_without_jumps") == rows(engineer, "subject_trajectories")
    assert rows(engineer, "modeling_without_jumps") == rows(engineer, "modeling_dataset")


def test_a_person_who_is_only_in_the_diary_is_listed_and_kept(study: Study, project: Path) -> None:
    content = {
        "weight.csv": "who,date,weight\na,2022-05-01,80\n",
        "nutrition.csv": "who,date,food,kcal,fiber\na,2022-05-01,rice,100,1\nb,2022-05-01,rice,100,1\n",
    }
    engineer = silver(study(content, nutrition=DIARY), project)
    listed = {r["subject_id"]: (r["nutrition_rows"], r["weight_rows"]) for r in rows(engineer, "subjects")}
    assert listed == {"a": (1, 1), "b": (1, 0)}
    assert [r["subject_id"] for r in rows(engineer, "weekly_features")] == ["a", "b"]


def test_groups_that_differ_in_case_and_blanks_are_one_group(study: Study, project: Path) -> None:
    grouped = {"files": "weight.csv", "unit": "kg", "columns": WEIGHT["columns"] | {"group": "group"}}
    content = "who,date,weight,group\na,2022-05-01,80,4 weeks\na,2022-05-02,80,4  Weeks\nb,2022-05-02,80,4 Weeks\n"
    engineer = silver(study({"weight.csv": content}, weight=grouped), project)
    assert {r["group"] for r in rows(engineer, "subject_trajectories")} == {"4  Weeks"}


def test_more_rows_of_a_flag_than_are_listed_are_counted(
    study: Study, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "LISTED", 2)
    content = {
        "weight.csv": "who,date,weight\na,2022-05-01,80\n",
        "nutrition.csv": "who,date,food,kcal,fiber\n" + "a,2022-05-01,rice,100,1\n" * 5,
    }
    engineer = silver(study(content, nutrition=DIARY), project)
    assert [r["source_row"] for r in rows(engineer, "flags")] == [3, 4]
    assert engineer.ledger()["nutrition.csv"]["rows_flagged"] == {"repeated_entry": 4}


def test_a_listed_row_is_listed_with_each_of_its_columns(
    study: Study, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "LISTED", 3)
    content = {
        "weight.csv": "who,date,weight\na,2022-05-01,80\n",
        "nutrition.csv": "who,date,food,kcal,fiber\n"
        + "".join(f"a,2022-05-01,rice,~{n},~1\n" for n in (100, 200, 300)),
    }
    engineer = silver(study(content, nutrition=DIARY), project)
    assert [(row["source_row"], row["column"]) for row in rows(engineer, "flags")] == [
        (number, column) for number in (2, 3, 4) for column in ("energy_kcal", "fiber_g")
    ]


def test_the_number_of_threads_changes_no_byte(study: Study, project: Path) -> None:
    fiber = {"files": "fiber.csv", "columns": {"subject_id": "who", "date": "date", "fiber_g": "fiber"}}
    people = [f"p{n:03d}" for n in range(300)]
    entries = [(who, day) for who in people for day in range(1, 28) for _ in range(5)]
    content = {
        "weight.csv": "who,date,weight\n"
        + "".join(
            f"{who},2022-05-{day:02d},{80 + day * n % 7 / 10 + n / 7:.3f}\n"
            for n, who in enumerate(people)
            for day in range(1, 28)
        ),
        "nutrition.csv": "who,date,food,kcal,fiber\n"
        + "".join(
            f"{who},2022-05-{day:02d},rice,{n % 997 / 7:.6f},{n % 91 / 13:.6f}\n"
            for n, (who, day) in enumerate(entries)
        ),
        "fiber.csv": "who,date,fiber\n"
        + "".join(f"{who},2022-05-{day:02d},{day / 3:.3f}\n" for who in people for day in (1, 2)),
    }
    name = study(content, nutrition=DIARY, fiber=fiber)
    bronze(name, project)
    written = []
    for threads in (1, 2, 4):
        engineer = FeatureEngineer(name)
        engineer.connection.raw_sql(f"SET threads = {threads}")
        engineer.load_from_bronze()
        engineer.clean_data()
        engineer.engineer_features()
        written.append({table: [*map(str, of.to_pylist())] for table, of in engineer.tables.items()})
    assert written[0] == written[1] == written[2]


def test_every_silver_column_names_its_bronze_columns(study: Study, project: Path) -> None:
    engineer = silver(study({"weight.csv": "who,date,weight\na,2022-05-01,80\n"}), project)
    found = {name: traced.by_column() for name, traced in engineer.lineage().items()}
    assert (
        source("bronze/nutrition", "fiber_g", "AGGREGATION") in found["silver/weekly_features"]["fiber_g_per_1000_kcal"]
    )
    change = found["silver/modeling_dataset"]["next_week_change_kg"]
    assert source("bronze/weight", "weight", "AGGREGATION") in change
    assert [f"{d}.{c}" for d, cs in found.items() for c, sources in cs.items() if not sources] == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data of ../shared/data is not on this machine")
def test_the_krone_study_gives_its_published_counts(project: Path) -> None:
    (project / "data" / "raw").mkdir(parents=True)
    (project / "data" / "raw" / "krone2020").symlink_to(SHARED / "krone2020")
    engineer = silver("krone2020", project)
    weeks = rows(engineer, "subject_trajectories")
    weighed = sum(r["n_weights"] for r in weeks)
    mean = sum(r["n_weights"] * r["weight_kg"] for r in weeks) / weighed
    assert len({r["subject_id"] for r in weeks}) == 12
    assert weighed == 695
    assert (min(r["min_weight_kg"] for r in weeks), max(r["max_weight_kg"] for r in weeks)) == (60.75, 95.6)
    assert mean == pytest.approx(74.38, abs=0.005)
    assert max(r["study_week"] for r in weeks) == 9
    assert {r["condition"] for r in weeks} == {"control", "diet", "activity"}
    assert all(r["days_logged"] == 0 for r in rows(engineer, "weekly_features"))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data of ../shared/data is not on this machine")
def test_the_krone_studys_jump_of_six_kilograms_is_flagged_and_few_others(project: Path) -> None:
    (project / "data" / "raw").mkdir(parents=True)
    (project / "data" / "raw" / "krone2020").symlink_to(SHARED / "krone2020")
    engineer = silver("krone2020", project)
    # Days 5, 18 and 31 to 34 of one person, who is otherwise between 72 and 77 kg.
    flagged = [(r["subject_id"], r["source_row"], r["value"]) for r in rows(engineer, "flags")]
    assert [(row, value) for _, row, value in flagged] == [
        (700, "79"),
        (713, "79"),
        (726, "79"),
        (727, "79"),
        (728, "79"),
        (729, "76.38"),
    ]
    assert {who for who, _, _ in flagged} == {"16"}

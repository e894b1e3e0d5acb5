"""Silver types rows, sets the unusable ones aside with a reason, and sums up study weeks without filling a gap."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from potato import lake
from potato.bronze import CSVLoader
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


def silver(name: str, project: Path) -> FeatureEngineer:
    loader = CSVLoader(name)
    loader.read_nutrition_files()
    loader.basic_validation()
    for family, table in loader.tables.items():
        lake.write(table, project / "data" / "bronze" / family)
    lake.write_json(project / "data" / "bronze" / "ledger.json", {"files": loader.ledger()})
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
        "who,date,weight\na,2022-05-01,80\n,2022-05-02,80\na,,80\na,1.5.22,80\na,2022-05-03,eighty\n"
        "a,2022-05-04,0\na,2022-05-05,\na,2022-05-06,8\na,1830-05-06,80\na,2022-02-30,80\n"
    )
    assert reasons(silver(study({"weight.csv": content}), project)) == [
        (3, "subject_id", "", "no_subject"),
        (4, "date", "", "no_day"),
        (5, "date", "1.5.22", "unreadable_date"),
        (6, "weight", "eighty", "unreadable_number"),
        (7, "weight", "0", "zero_means_missing"),
        (8, "weight", "", "missing_value"),
        (9, "weight", "8", "out_of_bounds"),
        (10, "date", "1830-05-06", "impossible_date"),
        (11, "date", "2022-02-30", "unreadable_date"),
    ]


def test_the_second_weight_of_a_day_is_set_aside(study: Study, project: Path) -> None:
    engineer = silver(study({"weight.csv": "who,date,weight\na,2022-05-01,80\na,2022-05-01,90\n"}), project)
    assert reasons(engineer) == [(3, "date", "2022-05-01", "second_of_day")]
    assert rows(engineer, "subject_trajectories")[0]["weight_kg"] == 80


def test_rows_read_are_rows_kept_and_rows_quarantined(study: Study, project: Path) -> None:
    engineer = silver(study({"weight.csv": "who,date,weight\na,2022-05-01,80\na,2022-05-02,x\nb,,x\n"}), project)
    assert engineer.ledger()["weight.csv"] == {
        "file": "weight.csv",
        "family": "weight",
        "rows_read": 3,
        "rows_kept": 1,
        "rows_quarantined": {"no_day": 1, "unreadable_number": 1},
    }


def test_a_lost_row_stops_the_stage(study: Study, project: Path) -> None:
    engineer = silver(study({"weight.csv": "who,date,weight\na,2022-05-01,80\n"}), project)
    ledger = lake.read_json(project / "data/bronze/ledger.json")
    ledger["files"]["weight.csv"]["rows_read"] = 2
    lake.write_json(project / "data/bronze/ledger.json", ledger)
    with pytest.raises(PotatoError, match=r"Rows of weight\.csv were lost"):
        engineer.ledger()


CELL = st.sampled_from(
    ["a", "b", "", "NA", "2022-05-01", "2022-05-02", "80", "80,5", "0", "-3", "1e9", "nan", "é", '"q"']
)


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mess=st.lists(st.tuples(CELL, CELL, CELL), max_size=12))
def test_no_row_is_lost_whatever_the_cells_say(study: Study, project: Path, mess: list[tuple[str, str, str]]) -> None:
    good = ("good", "2022-05-01", "80")  # without a usable weight the stage stops
    content = "who;date;weight\n" + "".join(";".join(row) + "\n" for row in [good, *mess])
    ledger = silver(study({"weight.csv": content}), project).ledger()["weight.csv"]
    assert ledger["rows_read"] == len(mess) + 1


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


@pytest.mark.parametrize(
    ("food", "category"),
    [
        ("Sweet potato, baked", "potato"),
        ("Baked beans", "beans"),
        ("brown rice", "rice"),
        ("Oatmeal", "oats"),
        ("Toast", "bread"),
        ("2 apples", "fruit"),
        ("Broccoli", "vegetables"),
        ("Skimmed milk", "dairy"),
        ("Chicken breast", "meat"),
        ("Eggs", "egg"),
        ("Walnuts", "nuts"),
    ],
)
def test_each_category_knows_its_foods(study: Study, project: Path, food: str, category: str) -> None:
    content = {
        "weight.csv": "who,date,weight\na,2022-05-01,80\n",
        "nutrition.csv": f'who,date,food,kcal,fiber\na,2022-05-01,"{food}",100,1\n',
    }
    week = rows(silver(study(content, nutrition=DIARY), project), "weekly_features")[0]
    assert [name for name in week if name.startswith("entries_") and week[name]] == [f"entries_{category}"]


@pytest.mark.parametrize("food", ["eggplant", "butternut", "boathouse", "grapefruit sauce"])
def test_a_word_inside_another_word_is_no_match(study: Study, project: Path, food: str) -> None:
    content = {
        "weight.csv": "who,date,weight\na,2022-05-01,80\n",
        "nutrition.csv": f"who,date,food,kcal,fiber\na,2022-05-01,{food},100,1\n",
    }
    week = rows(silver(study(content, nutrition=DIARY), project), "weekly_features")[0]
    assert week["entries_egg"] == week["entries_nuts"] == week["entries_oats"] == week["entries_fruit"] == 0


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


def test_a_unit_that_cannot_be_told_stops_with_the_person_and_the_line_to_write(study: Study, project: Path) -> None:
    content = "who,date,weight,unit\nann,2022-05-01,130,\nbob,2022-05-01,70,\n"
    with pytest.raises(PotatoError, match="can't be told") as caught:
        silver(study({"weight.csv": content}, weight=DETECT), project)
    assert caught.value.found == "ann (130 to 130, median 130)"
    assert "unit_by_subject: { ann: lb }" in str(caught.value.hint)


def test_the_study_file_decides_the_unit_of_a_person_whom_nothing_tells(study: Study, project: Path) -> None:
    content = "who,date,weight,unit\nann,2022-05-01,130,\n"
    name = study({"weight.csv": content}, weight=DETECT | {"unit_by_subject": {"ann": "lb"}})
    assert rows(silver(name, project), "subject_trajectories")[0]["weight_kg"] == pytest.approx(58.967, abs=1e-3)


def test_a_person_who_changes_the_unit_on_the_way_is_not_guessed(study: Study, project: Path) -> None:
    content = "who,date,weight,unit\n" + "".join(f"ann,2022-05-{d:02},{80 if d < 20 else 176},\n" for d in range(1, 25))
    with pytest.raises(PotatoError, match="can't be told") as caught:
        silver(study({"weight.csv": content}, weight=DETECT), project)
    assert caught.value.found == "ann (80 to 176, median 80)"


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


def test_one_file_may_hold_two_families(study: Study, project: Path) -> None:
    fiber = {"files": "weight.csv", "columns": {"subject_id": "who", "date": "date", "fiber_g": "fiber"}}
    engineer = silver(study({"weight.csv": "who,date,weight,fiber\na,2022-05-01,80,20\n"}, fiber=fiber), project)
    assert {name: file["rows_kept"] for name, file in engineer.ledger().items()} == {
        "weight.csv (weight)": 1,
        "weight.csv (fiber)": 1,
    }


def test_a_unit_that_is_neither_kg_nor_lb_is_named(study: Study, project: Path) -> None:
    with pytest.raises(PotatoError, match="neither kg nor lb") as caught:
        silver(study({"weight.csv": "who,date,weight,unit\nann,2022-05-01,12,stone\n"}, weight=DETECT), project)
    assert caught.value.found == "'stone'"


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


def test_dates_that_tell_no_order_name_both(study: Study, project: Path) -> None:
    with pytest.raises(PotatoError, match="not written in the order ymd") as caught:
        silver(study({"weight.csv": "who,date,weight\na,5/1/2022,80\na,5/2/2022,80\n"}), project)
    assert caught.value.nearest is None
    assert "`date_order: dmy` or `date_order: mdy`" in str(caught.value.hint)


def test_thousands_may_be_separated_by_a_comma(study: Study, project: Path) -> None:
    content = {
        "weight.csv": "who,date,weight\na,2022-05-01,80\n",
        "nutrition.csv": 'who,date,food,kcal,fiber\na,2022-05-01,rice,"1,100",1\n',
    }
    assert rows(silver(study(content, nutrition=DIARY), project), "weekly_features")[0]["energy_kcal_per_day"] == 1100


def test_a_file_that_loses_many_rows_is_warned_of(study: Study, project: Path) -> None:
    content = "who,date,weight\n" + days(80, 80, 80, "x", "NA", "NA", "NA")
    engineer = silver(study({"weight.csv": content}), project)
    warning = next(v for v in engineer.validate_schema() if v.expectation == "share_of_rows_set_aside")
    assert (warning.success, warning.severity, warning.observed) == (False, "warning", "14.3%, 1 unreadable number")


def test_every_silver_column_names_its_bronze_columns(study: Study, project: Path) -> None:
    engineer = silver(study({"weight.csv": "who,date,weight\na,2022-05-01,80\n"}), project)
    lineage = engineer.column_lineage()
    assert {"dataset": "bronze/nutrition", "column": "fiber_g"} in lineage["silver/weekly_features"][
        "fiber_g_per_1000_kcal"
    ]
    assert {"dataset": "bronze/weight", "column": "weight"} in lineage["silver/modeling_dataset"]["next_week_change_kg"]
    assert [f"{d}.{c}" for d, cs in lineage.items() for c, sources in cs.items() if not sources] == []


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

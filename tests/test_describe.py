"""A folder of files becomes a study file that loads, in the layouts of trackers and people; what is open is asked."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from potato import describe, flags, rawlink, settings
from potato.bronze import CSVLoader
from potato.cli import app
from potato.errors import PotatoError
from potato.plans import Answers, Question
from potato.silver import FeatureEngineer

from .conftest import SHARED

DAYS = [datetime.date(2022, 5, 1) + datetime.timedelta(day) for day in range(28)]


def steady(start: float) -> Iterator[float]:
    """Yield a morning weight a day: it falls slowly and wobbles."""
    for day in range(len(DAYS)):
        yield start - 0.05 * day + (0.4, -0.3, 0.1, -0.2)[day % 4]


def weights(start: float, header: str = "date,weight", row: str = "{day},{weight:.1f}") -> str:
    lines = [row.format(day=day, weight=weight) for day, weight in zip(DAYS, steady(start), strict=True)]
    return "\n".join([header, *lines]) + "\n"


def meals(header: str, row: str, days: int = len(DAYS)) -> str:
    return "\n".join([header, *(row.format(day=day) for day in DAYS[:days])]) + "\n"


class Described:
    """What a description said and wrote."""

    def __init__(self, project: Path, said: str) -> None:
        self.project = project
        self.said = said
        self.text = (project / "studies/mine.yaml").read_text(encoding="utf-8")
        self.content: dict[str, Any] = yaml.safe_load(self.text)
        self.study = settings.load_study(project, "mine")


Describe = Callable[..., Described]


@pytest.fixture
def describing(project: Path) -> Describe:
    """Write files into a folder beside the project and describe them as the study `mine`."""

    def run(files: dict[str, str | bytes], answers: Answers | None = None, **options: Any) -> Described:
        folder = project / "files"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        said = io.StringIO()
        console = Console(file=said, width=200)
        describe.describe(project, folder, "mine", answers or Answers(), console, force=True, **options)
        return Described(project, said.getvalue())

    return run


def in_silver(project: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run bronze and silver on the study `mine` and return silver's tables."""
    rawlink.link(settings.load(project, "mine"))
    loader = CSVLoader("mine")
    loader.read_nutrition_files()
    loader.basic_validation()
    monkeypatch.setenv("POTATO_STAGING", str(project))
    loader.save()
    engineer = FeatureEngineer("mine")
    engineer.load_from_bronze()
    engineer.clean_data()
    engineer.engineer_features()
    return {name: table.to_pylist() for name, table in engineer.tables.items()}


MFP_NUTRITION = (
    "Date,Meal,Calories,Fat (g),Saturated Fat,Cholesterol,Sodium (mg),Carbohydrates (g),Fiber,Sugar,Protein (g),Note"
)
MFP = {
    "Nutrition-Summary-2022-05-01-to-2022-05-28.csv": meals(
        MFP_NUTRITION, '{day},Lunch,"1,050",20,4,30,400,90,8,9,40,'
    ),
    "Measurement-Summary-2022-05-01-to-2022-05-28.csv": weights(181, "Date,Weight"),
    "Exercise-Summary-2022-05-01.csv": "Date,Exercise,Exercise Calories,Exercise Minutes\n2022-05-01,Run,300,30\n",
}
SERVINGS = (
    "Day,Time,Group,Food Name,Amount,Energy (kcal),Net Carbs (g),Carbs (g),Fiber (g),Fat (g),Protein (g),Category"
)
CRONOMETER = {
    "servings.csv": meals(SERVINGS, '{day},07:30,"Breakfast","Oatmeal","1.00 cup",350.5,40,44,4,9,12,Cereal'),
    "dailysummary.csv": meals(
        "Date,Energy (kcal),Net Carbs (g),Carbs (g),Fiber (g),Fat (g),Protein (g),Completed",
        "{day},350.5,40,44,4,9,12,true",
    ),
    "biometrics.csv": weights(
        181, "Day,Time,Group,Metric,Unit,Amount", "{day},07:00,Uncategorized,Weight,lbs,{weight:.1f}"
    ),
}
WITHINGS = {
    "weight.csv": weights(
        85, 'Date,"Weight (kg)","Fat mass (kg)","Bone mass (kg)",Comments', '"{day} 06:54:22",{weight:.2f},15.2,3.1,'
    )
}
LIBRA = {
    "Libra_2022-05-28.csv": "#Version: 6\n#Units: kg\n\n"
    + weights(120, "#date;weight;weight trend;body fat;log", "{day}T06:00:00.000Z;{weight:.1f};85.1;;")
}


def test_myfitnesspal_gives_meals_and_weights_of_one_person_and_leaves_exercise_out(describing: Describe) -> None:
    found = describing(MFP)
    nutrition = found.content["nutrition"]
    assert nutrition["columns"] == {
        "date": "Date",
        "meal": "Meal",
        "energy_kcal": "Calories",
        "protein_g": "Protein (g)",
        "carbohydrate_g": "Carbohydrates (g)",
        "fat_g": "Fat (g)",
        "fiber_g": "Fiber",
    }
    assert (nutrition["subject"], found.content["weight"]["unit"]) == ("me", "lb")
    assert "Exercise-Summary-2022-05-01.csv" in found.said


def test_cronometer_takes_servings_net_carbohydrates_and_weight_rows(describing: Describe) -> None:
    found = describing(CRONOMETER)
    nutrition, weight = found.content["nutrition"], found.content["weight"]
    assert nutrition["files"] == "servings.csv"
    assert nutrition["columns"]["carbohydrate_g"] == "Net Carbs (g)"
    assert "amount_g" not in nutrition["columns"]
    assert weight["columns"] == {"date": "Day", "weight": "Amount", "unit": "Unit"}
    assert weight["unit"] == "detect"
    assert "would count twice" in found.said


def test_of_cronometers_biometrics_the_weights_are_used_and_the_others_set_aside(
    describing: Describe, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = str(CRONOMETER["biometrics.csv"]) + "2022-05-01,07:01,Uncategorized,Heart Rate,bpm,60\n"
    found = describing(CRONOMETER | {"biometrics.csv": mixed})
    assert found.content["weight"]["rows"] == {"Metric": ["Weight"]}
    assert "1 of the rows that were looked at are of another measure by 'Metric'" in found.said
    tables = in_silver(found.project, monkeypatch)
    assert [(r["value"], r["reason"]) for r in tables["quarantine"]] == [(None, "not_chosen")]
    assert len({r["subject_id"] for r in tables["subject_trajectories"]}) == 1


def test_what_a_tracker_marks_as_deleted_is_set_aside_and_a_blank_mark_is_none(
    describing: Describe, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = weights(201, "Date,Weight,Last Updated,Deleted", "{day},{weight:.1f},{day},0")
    found = describing({"l.csv": logged + "2022-07-01,199,2022-07-01,1\n2022-07-02,199,2022-07-01,\n"})
    assert found.content["weight"]["rows"] == {"Deleted": ["0", ""]}
    assert [r["reason"] for r in in_silver(found.project, monkeypatch)["quarantine"]] == ["not_chosen"]


def test_named_exercises_with_calories_are_no_food(describing: Describe) -> None:
    header = "Date,Name,Icon,{},Quantity,Units,Calories,Deleted"
    files = {
        "food-logs.csv": meals(header.format("Meal") + ",Fat (g)", "{day},Rice,Default,Lunch,1,Cups,200,0,3"),
        "exercise-logs.csv": meals(header.format("Type"), "{day},Walking,Walk,Exercise,30,Minutes,120,0"),
        "weights.csv": weights(201, "Date,Weight,Last Updated,Deleted", "{day},{weight:.1f},{day},0"),
    }
    found = describing(files)
    assert (found.content["nutrition"]["files"], found.content["nutrition"]["subject"]) == ("food-logs.csv", "me")
    assert "'Calories' was burnt, not eaten" in found.said


def test_samsung_health_has_a_line_of_its_own_above_the_header(describing: Describe) -> None:
    header = "com.samsung.health.weight,6170000,4\ncustom,start_time,height,update_time,weight,muscle_mass,comment"
    logged = weights(85, header, ",{day} 05:10:00.000,180.0,{day} 05:11:00.000,{weight:.1f},,,")
    weight = describing({"com.samsung.health.weight.csv": logged}, Answers(weight_unit="kg")).content["weight"]
    assert weight["columns"] == {"date": "start_time", "weight": "weight"}


def test_garmins_date_in_a_row_of_its_own_is_named_and_muscle_is_no_body_weight(describing: Describe) -> None:
    header = "Time,Weight,Change,Skeletal Muscle Mass,"
    logged = weights(85, header, '" Apr 20, 2022",\n7:01 AM,{weight:.1f} kg,0.1 kg,32.0 kg,')
    with pytest.raises(PotatoError, match="No file with weights") as caught:
        describing({"Weight.csv": logged})
    assert "put the date into each row" in str(caught.value)


def test_withings_states_its_unit_in_the_header(describing: Describe) -> None:
    weight = describing(WITHINGS).content["weight"]
    assert (weight["columns"]["weight"], weight["unit"]) == ("Weight (kg)", "kg")


def test_libra_states_its_unit_above_the_header(describing: Describe) -> None:
    weight = describing(LIBRA).content["weight"]
    assert (weight["columns"], weight["unit"]) == ({"date": "date", "weight": "weight"}, "kg")


@pytest.mark.parametrize(
    ("files", "column", "unit"),
    [
        ({"f.csv": "Body\n" + weights(70, "Date,Weight,BMI,Fat", '"{day}","{weight:.1f}","24","0"')}, "Weight", "kg"),
        ({"h.csv": weights(179, '"Date","Pound(s)"', '"{day}","{weight:.1f}"')}, "Pound(s)", "lb"),
        (
            {"w.csv": weights(60, "Id,Date,WeightKg,WeightPounds,LogId", "7,{day},{weight:.1f},130,99")},
            "WeightKg",
            "kg",
        ),
        ({"l.csv": weights(201, "Date,Weight,Last Updated,Deleted", "{day},{weight:.1f},{day},0")}, "Weight", "lb"),
        ({"g.csv": weights(70, "Fecha;Peso (kg)", "{day};{weight:.1f}")}, "Peso (kg)", "kg"),
        ({"n.csv": weights(70, "datum;lichaamsgewicht", "{day};{weight:.1f}")}, "lichaamsgewicht", "kg"),
        ({"p.csv": weights(70, "Date\tPoids du matin", "{day}\t{weight:.1f}")}, "Poids du matin", "kg"),
    ],
)
def test_other_trackers_and_languages_give_a_weight_and_its_unit(
    describing: Describe, files: dict[str, str | bytes], column: str, unit: str
) -> None:
    weight = describing(files).content["weight"]
    assert (weight["columns"]["weight"], weight["unit"]) == (column, unit)


def test_an_export_of_apple_health_gives_eaten_energy_in_kilojoules_and_no_burnt_one(describing: Describe) -> None:
    header = "Date/Time,Active Energy (kJ),Dietary Energy (kJ),Protein (g),Total Fat (g),Weight & Body Mass (kg) "
    content = describing({"export.csv": weights(79, header, "{day} 00:00:00,2000,8000,80,60,{weight:.1f}")}).content
    assert content["nutrition"]["columns"]["energy_kcal"] == "Dietary Energy (kJ)"
    assert content["nutrition"]["units"] == {"energy_kcal": "kJ"}
    assert content["weight"]["files"] == content["nutrition"]["files"] == "export.csv"


def test_calories_beside_steps_are_not_taken_for_food(describing: Describe) -> None:
    steps = meals("Id,ActivityDate,TotalSteps,Calories", "7,{day},9000,2100")
    found = describing({"activity.csv": steps, "w.csv": weights(60, "Id,Date,WeightKg", "7,{day},{weight:.1f}")})
    assert "nutrition" not in found.content
    assert "taken for calories burnt" in found.said


def german(who: str, start: float) -> dict[str, str | bytes]:
    food = "Datum;Mahlzeit;Lebensmittel;Menge (g);Energie (kJ);Eiweiß (g);Ballaststoffe (g)"
    rows = [f"{day:%d.%m.%Y};Mittag;Käsebrot;120;1200,5;20,5;4,5" for day in DAYS]
    scale = [
        f"{day:%d.%m.%Y};{weight:.1f}".replace(".", ",", 0) for day, weight in zip(DAYS, steady(start), strict=True)
    ]
    scale = [line[:-2] + "," + line[-1] for line in scale]
    return {
        f"essen/{who}.csv": "\n".join([food, *rows]).encode("cp1252"),
        f"gewicht/{who}.csv": "\n".join(["Datum;Gewicht", *scale]).encode("cp1252"),
    }


def test_german_files_one_a_person_are_read_with_their_commas(
    describing: Describe, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = describing(german("anna", 61) | german("bernd", 80))
    assert found.content["date_order"] == "dmy"
    assert found.content["nutrition"]["files"] == "essen/*.csv"
    assert found.content["nutrition"]["subject_from"] == "file"
    assert found.content["nutrition"]["units"] == {"energy_kcal": "kJ"}
    weeks = in_silver(project, monkeypatch)["weekly_features"]
    assert {week["subject_id"] for week in weeks} == {"anna", "bernd"}
    assert weeks[0]["energy_kcal_per_day"] == pytest.approx(1200.5 / 4.184, abs=0.01)


@pytest.mark.parametrize(
    ("names", "way", "pattern"),
    [
        (("ann-weight.csv", "bob-weight.csv"), "file", "*.csv"),
        (("scale/ann.csv", "scale/bob.csv"), "file", "scale/*.csv"),
        (("ann/scale.csv", "bob/scale.csv"), "folder", "*/scale.csv"),
    ],
)
def test_files_and_folders_of_people_name_them(
    describing: Describe, names: tuple[str, str], way: str, pattern: str
) -> None:
    weight = describing({names[0]: weights(60), names[1]: weights(75)}).content["weight"]
    assert (weight["subject_from"], weight["files"]) == (way, pattern)


def test_the_same_person_in_two_kinds_of_files_has_one_name(
    describing: Describe, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    food = meals("date,food,kcal", "{day},potatoes,500")
    files = {f"{who}-{kind}.csv": text for who in ("ann", "bob") for kind, text in (("w", weights(60)), ("f", food))}
    found = describing(files)
    assert found.content["weight"]["files"] == "*-w.csv"
    weeks = in_silver(project, monkeypatch)["weekly_features"]
    assert {(week["subject_id"], week["energy_kcal_per_day"]) for week in weeks} == {("ann", 500.0), ("bob", 500.0)}


def test_the_months_of_an_export_are_one_persons(describing: Describe) -> None:
    weight = describing({"log-2022-05.csv": weights(60), "log-2022-06.csv": weights(60)}).content["weight"]
    assert (weight["subject"], weight.get("subject_from")) == ("me", None)


def test_a_combined_log_gives_two_families_of_one_file(
    describing: Describe, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        f"{who},{day:%m/%d/%Y},{weight:.1f},2000,30,well"
        for who, start in (("P1", 150), ("P2", 190))
        for day, weight in zip(DAYS, steady(start), strict=True)
    ]
    found = describing(
        {"diary.csv": "\n".join(["Participant,Log Date,Scale Weight (lb),Calories,Fibre (g),Mood", *rows])}
    )
    assert found.content["date_order"] == "mdy"
    assert found.content["nutrition"]["files"] == found.content["weight"]["files"] == "diary.csv"
    assert found.content["weight"]["unit"] == "lb"
    assert len(in_silver(project, monkeypatch)["weekly_features"]) == 2 * 4


def test_week_numbers_are_days_with_a_unit(
    describing: Describe, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"s{i},{week},{80 - week / 3:.1f},{'a' if i < 3 else 'b'}" for i in range(6) for week in range(1, 9)]
    found = describing({"data.csv": "\n".join(["subject,week,weight_kg,arm", *rows])})
    assert found.content["weight"]["units"] == {"day": "week"}
    assert found.content["weight"]["columns"]["group"] == "arm"
    assert len(in_silver(project, monkeypatch)["weekly_features"]) == 6 * 8


def test_foods_without_nutrients_are_a_study_that_says_what_it_cannot_answer(
    describing: Describe, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = describing(
        {
            "food.csv": meals("who,date,food", "a,{day},potatoes"),
            "w.csv": weights(70, "who,date,kg", "a,{day},{weight:.1f}"),
        }
    )
    assert found.content["nutrition"]["columns"] == {"subject_id": "who", "date": "date", "food": "food"}
    assert "what energy did to weight: no column of energy" in found.said
    assert len(in_silver(project, monkeypatch)["weekly_features"]) == 4


def test_only_weights_of_one_person_say_so(describing: Describe) -> None:
    said = describing(WITHINGS).said
    assert "what food did to weight: there is no food diary" in said
    assert "what food does to others than the one person" in said
    assert "dvc exp run -S study=mine" in said


def test_folders_of_several_people_s_files_are_groups(describing: Describe) -> None:
    files = {
        f"low {what}/{who}.csv": WITHINGS["weight.csv"]
        for what, people in (("fat", "P1 P2"), ("carb", "P3 P4"))
        for who in people.split()
    }
    weight = describing(files).content["weight"]
    assert (weight["subject_from"], weight["group_from"]) == ("file", "folder")


def test_several_rows_a_day_without_a_column_that_says_who_are_not_one_person_s(describing: Describe) -> None:
    rows = [f"{day},{weight:.1f}" for start in (70, 52, 61) for day, weight in zip(DAYS, steady(start), strict=True)]
    with pytest.raises(PotatoError, match="who") as caught:
        describing({"x.csv": "\n".join(["date,weight kg", *rows])})
    assert "--map weight.subject_id=COLUMN" in str(caught.value.hint)


def test_people_are_recognised_by_their_values_alone_and_weights_are_asked_for(describing: Describe) -> None:
    rows = [
        f"{who},{day},{weight:.1f}"
        for who, start in (("q1", 70), ("q2", 52), ("q3", 61))
        for day, weight in zip(DAYS, steady(start), strict=True)
    ]
    files = {"x.csv": "\n".join(["code,when it was,result", *rows])}
    with pytest.raises(PotatoError, match="could be a body weight") as caught:
        describing(files)
    assert caught.value.hint == "add `--map weight.weight=result`"
    weight = describing(files, Answers(maps={"weight": {"weight": "result"}})).content["weight"]
    assert weight["columns"] == {"subject_id": "code", "date": "when it was", "weight": "result"}


def test_a_comma_among_large_numbers_sets_thousands_apart(
    describing: Describe, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = "Date,Calories,Weight (kg)"
    rows = [f"{day},{'900' if i % 2 else chr(34) + '1,100' + chr(34)},{70 + i % 3}" for i, day in enumerate(DAYS)]
    found = describing({"log.csv": "\n".join([header, *rows])})
    assert found.content["nutrition"]["decimal"] == "."
    assert in_silver(project, monkeypatch)["weekly_features"][1]["energy_kcal_per_day"] == pytest.approx(1000, abs=20)


def test_the_real_krone_file_gives_days_kilograms_conditions_and_sex(describing: Describe) -> None:
    path = SHARED / "krone2020" / "pone.0232680.s001.csv"
    if not path.is_file():
        pytest.skip("../shared/data is not here")
    found = describing({path.name: path.read_bytes()})
    assert found.content["weight"]["columns"] == {
        "subject_id": "subject",
        "day": "day",
        "weight": "body_weight",
        "condition": "condition",
        "sex": "sex",
    }
    assert found.content["weight"]["unit"] == "kg"
    assert "weight: 695 of 756 rows can be used; set aside: missing_value 61" in found.said


def test_an_untold_unit_names_the_flag_and_its_choices(describing: Describe) -> None:
    files = {"w.csv": weights(120)}
    with pytest.raises(PotatoError, match="kg or in lb") as caught:
        describing(files)
    assert caught.value.hint == "add `--weight-unit kg` or `--weight-unit lb`"
    assert describing(files, Answers(weight_unit="lb")).content["weight"]["unit"] == "lb"


def test_an_untold_date_order_names_the_flag_and_its_choices(describing: Describe) -> None:
    files = {"w.csv": "date,weight (kg)\n01/02/2022,70\n02/03/2022,71\n01/04/2022,70\n"}
    with pytest.raises(PotatoError, match="the day") as caught:
        describing(files)
    assert caught.value.hint == "add `--date-order dmy` or `--date-order mdy`"
    assert describing(files, Answers(date_order="dmy")).content["date_order"] == "dmy"


def test_a_terminal_is_asked_what_is_open(describing: Describe) -> None:
    asked: list[Question] = []

    def ask(question: Question) -> str:
        asked.append(question)
        return question.choices[1]

    found = describing({"w.csv": weights(120)}, ask=ask, confirm=lambda: True)
    assert [question.key for question in asked] == ["weight_unit"]
    assert found.content["weight"]["unit"] == "lb"
    assert "as you stated" in found.text


def test_a_no_at_the_end_writes_nothing(describing: Describe, project: Path) -> None:
    with pytest.raises(FileNotFoundError):
        describing(WITHINGS, confirm=lambda: False)
    assert not (project / "studies/mine.yaml").exists()


def test_a_second_kind_of_weight_files_is_a_question(describing: Describe) -> None:
    files = {"a.csv": weights(70, "date,weight (kg)"), "b.csv": weights(71, "datum,gewicht (kg)")}
    with pytest.raises(PotatoError, match="weight files") as caught:
        describing(files)
    assert caught.value.hint == "add `--files weight=a.csv` or `--files weight=b.csv`"
    assert (
        describing(files, Answers(files={"weight": "b.csv"})).content["weight"]["columns"]["weight"] == "gewicht (kg)"
    )


def test_a_layout_that_was_not_chosen_says_so(describing: Describe) -> None:
    files = {"a.csv": weights(70, "date,weight (kg)"), "b.csv": weights(71, "datum,gewicht (kg)")}
    told = describing(files, Answers(files={"weight": "b.csv"}))
    assert "not used: a.csv: another layout of weights; b.csv was chosen" in told.said
    assert "weight: b.csv (b.csv)" not in told.said


def test_a_choice_may_be_given_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["3", "2"])
    console = Console(file=io.StringIO())
    monkeypatch.setattr(console, "input", lambda *_, **__: next(answers))
    assert describe.prompted(Question("files.weight", "Which?", "--files", ("a.csv", "b/*.csv")), console) == "b/*.csv"


def test_values_that_contradict_the_header_say_which_unit_they_state(describing: Describe) -> None:
    told = describing({"w.csv": weights(180, "date,Weight (kg)", "{day},{weight:.1f} lbs")})
    assert "values of 'Weight (kg)' state lb, which contradicts the header's kg" in " ".join(told.said.split())


def test_workbooks_beside_files_without_weights_are_to_be_imported_first(describing: Describe, tmp_path: Path) -> None:
    with pytest.raises(PotatoError, match="No file with weights") as caught:
        describing({"moods.csv": "date,mood\n2022-05-01,5\n", "1 a.xlsx": b"PK"})
    assert "potato import-workbooks" in (caught.value.hint or "")


def test_food_without_a_name_beside_weights_of_several_people_asks_whose_it_is(describing: Describe) -> None:
    both = weights(70, "who,date,kg", "a,{day},{weight:.1f}") + weights(60, "", "b,{day},{weight:.1f}").lstrip()
    files = {"w.csv": both, "food.csv": meals("date,food,kcal", "{day},potatoes,500")}
    with pytest.raises(PotatoError, match="Whose") as caught:
        describing(files)
    assert caught.value.hint == "add `--subject NAME`"
    assert describing(files, Answers(subject="b")).content["nutrition"]["subject"] == "b"


def test_a_mapping_of_ones_own_comes_before_recognition(describing: Describe) -> None:
    files = {"w.csv": weights(70, "date,weight,other", "{day},99,{weight:.1f}")}
    weight = describing(files, Answers(maps={"weight": {"weight": "other"}})).content["weight"]
    assert weight["columns"]["weight"] == "other"


def test_a_misspelt_mapping_names_the_nearest_column_and_field(describing: Describe) -> None:
    with pytest.raises(PotatoError, match="No file has a column 'weigth'") as caught:
        describing({"w.csv": weights(70)}, Answers(maps={"weight": {"weight": "weigth"}}))
    assert caught.value.nearest == "weight"
    with pytest.raises(PotatoError, match=r"no field weight\.wheight") as caught:
        describing({"w.csv": weights(70)}, Answers(maps={"weight": {"wheight": "weight"}}))
    assert caught.value.nearest == "weight.weight"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"d.csv": "name,weight (kg)\nx,70\ny,80\n"}, "no column says when"),
        ({"d.csv": "2022-05-01,70\n2022-05-02,71\n"}, "write a header such as `date,weight`"),
        ({"d.csv": "year,month,day,weight\n2022,5,1,70\n2022,5,2,71\n"}, "its date stands in several columns"),
        ({"d.csv": meals("date,food,kcal", "{day},potatoes,500")}, "No file with weights"),
        ({"book.xlsx": "x"}, "potato import-workbooks"),
        ({"notes.md": "x"}, "has no CSV file"),
        (
            {"G.csv": 'Time,Weight,BMI\n" May 1, 2022",\n8:28 AM,80.0 kg,25\n" May 2, 2022",\n8:20 AM,80.1 kg,25\n'},
            "dates in rows of their own: put the date into each row",
        ),
        (
            {"w.csv": weights(70), "f.csv": "day,food,kcal\n1,potatoes,500\n2,potatoes,500\n"},
            "can't be put on one calendar",
        ),
    ],
)
def test_a_folder_that_is_no_study_says_what_it_needs(
    describing: Describe, files: dict[str, str | bytes], told: str
) -> None:
    with pytest.raises(PotatoError) as caught:
        describing(files)
    assert told in str(caught.value)


def test_a_folder_that_is_not_there_and_a_name_that_cannot_be_are_refused(project: Path) -> None:
    with pytest.raises(PotatoError, match="There is no folder"):
        describe.describe(project, project / "nowhere", "mine", Answers(), Console(file=io.StringIO()))
    with pytest.raises(PotatoError, match="name is made of") as caught:
        describe.describe(project, project, "my study", Answers(), Console(file=io.StringIO()))
    assert caught.value.hint == "try `--study my-study`"


def test_a_study_that_exists_is_kept_without_force(project: Path) -> None:
    before = (project / "studies/demo.yaml").read_bytes()
    with pytest.raises(PotatoError, match=r"studies/demo\.yaml exists already"):
        describe.describe(project, project / "data", "demo", Answers(), Console(file=io.StringIO()))
    assert (project / "studies/demo.yaml").read_bytes() == before


def test_files_at_their_own_place_need_no_raw_setting(project: Path) -> None:
    folder = project / "data/raw/mine"
    folder.mkdir(parents=True)
    (folder / "w.csv").write_text(weights(70))
    describe.describe(project, folder, "mine", Answers(), Console(file=io.StringIO()))
    assert settings.load_study(project, "mine").raw is None


def test_flags_that_cannot_be_are_refused_with_what_they_may_be() -> None:
    with pytest.raises(PotatoError, match="--weight-unit can't be 'stone'"):
        flags.stated(None, "stone", None, None, [], [], [])
    with pytest.raises(PotatoError, match="--map does not understand 'weight'"):
        flags.stated(None, None, None, None, ["weight"], [], [])


def test_column_names_that_yaml_would_misread_are_quoted(describing: Describe) -> None:
    header = "date: of day,yes,weight (kg) # true"
    columns = describing({"w.csv": weights(70, header, "{day},1,{weight:.1f}")}).content["weight"]["columns"]
    assert columns == {"date": "date: of day", "weight": "weight (kg) # true"}


def test_a_unit_in_brackets_is_shown_as_it_stands(describing: Describe) -> None:
    found = describing({"w.csv": weights(70, "date,Weight [kg]")})
    assert "Weight [kg]" in found.said
    assert found.content["weight"]["unit"] == "kg"


def test_the_command_takes_its_flags(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = project / "files"
    folder.mkdir()
    (folder / "w.csv").write_text(weights(120))
    app(["describe-study", str(folder), "--study", "mine", "--weight-unit", "lb", "--yes"], standalone_mode=False)
    assert settings.load_study(project, "mine").weight.unit == "lb"
    assert "28 of 28 rows can be used" in capsys.readouterr().out


def diaries(header: str, row: str, *starts: float) -> str:
    """Return the rows of several people day by day, each at a minute of their own."""
    people = [list(steady(start)) for start in starts]
    lines = [
        row.format(day=day, n=n, who=f"p{n}", weight=own[i])
        for i, day in enumerate(DAYS)
        for n, own in enumerate(people)
    ]
    return "\n".join([header, *lines]) + "\n"


@pytest.mark.parametrize(
    ("when", "who"), [("Timestamp", "Email Address"), ("Datetime", "Nickname"), ("Date", "Initials"), ("Date", "Name")]
)
def test_people_who_fill_in_one_form_at_different_minutes_stay_apart(describing: Describe, when: str, who: str) -> None:
    text = diaries(f"{when},{who},Weight (lb)", "{day} 07:1{n}:22,{who}@x.org,{weight:.1f}", 150, 180, 210)
    assert describing({"form.csv": text}).content["weight"]["columns"]["subject_id"] == who


def test_rows_at_different_minutes_of_a_day_are_not_taken_for_different_days(describing: Describe) -> None:
    text = diaries("Timestamp,Weight (lb)", "{day} 07:1{n}:22,{weight:.1f}", 150, 180, 210)
    with pytest.raises(PotatoError, match="84 rows for 28 days"):
        describing({"form.csv": text})


def test_the_name_of_a_food_is_no_person(describing: Describe) -> None:
    food = meals("Date,Name,Quantity,Calories", "{day},Oatmeal,2,300")
    found = describing({"food.csv": food, "w.csv": weights(70, "Date,Weight (kg)")})
    assert found.content["nutrition"]["columns"]["food"] == "Name"
    assert found.content["nutrition"]["subject"] == "me"


@pytest.mark.parametrize(
    "name", ["Duration (in seconds)", "glucose_mgdl", "rmssd", "weight_percentile", "heart rate (bpm)", "hrv"]
)
def test_a_number_of_another_meaning_is_no_weight(describing: Describe, name: str) -> None:
    with pytest.raises(PotatoError, match="No file with weights"):
        describing({"x.csv": weights(90, f"date,{name}")})


def test_a_number_that_is_steady_within_each_person_is_asked_about(describing: Describe) -> None:
    with pytest.raises(PotatoError, match="could be a body weight") as caught:
        describing({"x.csv": diaries("date,participant,beats", "{day},{who},{weight:.0f}", 60, 75, 90)})
    assert caught.value.hint == "add `--map weight.weight=beats`"


def test_a_terminal_is_asked_which_number_is_the_weight(describing: Describe) -> None:
    found = describing({"x.csv": weights(70, "date,result")}, ask=lambda question: question.choices[0])
    assert found.content["weight"]["columns"]["weight"] == "result"


def test_weights_that_were_lifted_are_no_body_weights(describing: Describe) -> None:
    text = weights(100, "Date,Exercise,Weight,Reps", "{day},Bench press,{weight:.0f},8")
    with pytest.raises(PotatoError, match="was lifted"):
        describing({"gym.csv": text})


@pytest.mark.parametrize(
    "names",
    [
        ("Week 1", "Week 2", "Week 3"),
        ("export_part1", "export_part2"),
        ("weight", "weight (1)"),
        ("anna_week1", "anna_week2", "ben_week1"),
        ("baseline", "follow-up"),
        ("week 1/scale", "week 2/scale"),
    ],
)
def test_the_parts_of_an_export_are_not_taken_for_people(describing: Describe, names: tuple[str, ...]) -> None:
    files = {f"{name}.csv": weights(70) for name in names}
    with pytest.raises(PotatoError, match="or a person each") as caught:
        describing(files)
    assert caught.value.hint == "add `--subject NAME`"
    assert describing(files, Answers(subject="anna")).content["weight"]["subject"] == "anna"


@pytest.mark.parametrize(
    "names",
    [
        ("P01", "P02"),
        ("LC00", "LF00"),
        ("S1_week1", "S2_week1"),
        ("sub-01", "sub-02"),
        ("participant 3", "participant 4"),
        ("101", "102"),
        ("anna 2022", "ben 2022"),
    ],
)
def test_codes_and_names_of_people_are_people(describing: Describe, names: tuple[str, ...]) -> None:
    assert describing({f"{name}.csv": weights(70) for name in names}).content["weight"]["subject_from"] == "file"


def test_a_stated_column_makes_a_family_or_says_why_not(describing: Describe) -> None:
    text = meals("Date,Kcal,Steps,Weight (kg)", "{day},1900,9000,80.5")
    stated = Answers(maps={"nutrition": {"energy_kcal": "Kcal"}})
    assert describing({"log.csv": text}, stated).content["nutrition"]["columns"]["energy_kcal"] == "Kcal"
    with pytest.raises(PotatoError, match="make no nutrition data"):
        describing({"log.csv": text}, Answers(maps={"nutrition": {"protein_g": "Kcal"}}))


def test_the_day_of_enrolment_is_not_the_day_of_weighing(describing: Describe) -> None:
    text = diaries("id,start_date,weighed,weight (kg)", "{who},2022-01-0{n},{day},{weight:.1f}", 60, 70, 80)
    assert describing({"x.csv": text.replace("01-00", "01-09")}).content["weight"]["columns"]["date"] == "weighed"
    rows = [f"{who},2022-01-01,{i},{70 + i / 10}" for who in "ab" for i in range(9)]
    found = describing({"x.csv": "\n".join(["id,date,day,weight (kg)", *rows])}).content["weight"]
    assert found["columns"]["day"] == "day"


def test_two_dates_that_differ_are_asked_about(describing: Describe) -> None:
    rows = [f"{day},{day + datetime.timedelta(3)},{weight:.1f}" for day, weight in zip(DAYS, steady(70), strict=True)]
    files = {"x.csv": "\n".join(["visit_date,entry_date,weight (kg)", *rows])}
    with pytest.raises(PotatoError, match="These dates differ") as caught:
        describing(files)
    assert caught.value.hint == "add `--map weight.date=visit_date` or `--map weight.date=entry_date`"
    stated = Answers(maps={"weight": {"date": "entry_date"}})
    assert describing(files, stated).content["weight"]["columns"]["date"] == "entry_date"


def test_months_and_visits_are_no_days(describing: Describe) -> None:
    files = {"x.csv": "id,month,weight (kg)\n" + "".join(f"{i},{m},{70 - m}\n" for i in "ab" for m in range(6))}
    with pytest.raises(PotatoError, match=r"--map weight\.day=COLUMN"):
        describing(files)
    with pytest.raises(PotatoError, match="does not count days or weeks"):
        describing(files, Answers(maps={"weight": {"day": "month"}}))


def test_pounds_that_could_be_the_kilograms_of_very_heavy_people_are_remarked_on(describing: Describe) -> None:
    found = describing({"w.csv": weights(180)})
    assert found.content["weight"]["unit"] == "lb"
    assert "if these weights were kg, the people would weigh 179 to 179 kg" in found.said


def test_monthly_dates_that_could_be_daily_ask_for_their_order(describing: Describe) -> None:
    rows = [f"01/{month:02}/2023,{80 - month / 10}" for month in range(1, 13)]
    with pytest.raises(PotatoError, match="Which comes first"):
        describing({"x.csv": "\n".join(["date,weight (kg)", *rows])})

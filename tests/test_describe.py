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

from potato import describe, flags, settings
from potato.bronze import CSVLoader
from potato.cli import app
from potato.errors import PotatoError
from potato.plans import Answers, Question
from potato.silver import FeatureEngineer
from potato.stage import _link_raw

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
    _link_raw(settings.load(project, "mine"))
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


def test_cronometers_biometrics_with_other_metrics_say_to_filter_them(describing: Describe) -> None:
    mixed = str(CRONOMETER["biometrics.csv"]) + "2022-05-01,07:01,Uncategorized,Heart Rate,bpm,60\n"
    with pytest.raises(PotatoError, match="No file with weights") as caught:
        describing(CRONOMETER | {"biometrics.csv": mixed})
    assert "'Metric' mixes Weight with Heart Rate" in str(caught.value)


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
    assert "the models compare people, and there is one" in said
    assert "dvc exp run -S study=mine" in said


def test_folders_of_several_people_s_files_are_groups(describing: Describe) -> None:
    files = {
        f"low {what}/{who}.csv": WITHINGS["weight.csv"] for what in ("fat", "carb") for who in (f"{what}1", f"{what}2")
    }
    weight = describing(files).content["weight"]
    assert (weight["subject_from"], weight["group_from"]) == ("file", "folder")


def test_several_rows_a_day_without_a_column_that_says_who_are_not_one_person_s(describing: Describe) -> None:
    rows = [f"{day},{weight:.1f}" for start in (70, 52, 61) for day, weight in zip(DAYS, steady(start), strict=True)]
    with pytest.raises(PotatoError, match="who") as caught:
        describing({"x.csv": "\n".join(["date,weight kg", *rows])})
    assert "--map weight.subject_id=COLUMN" in str(caught.value.hint)


def test_people_and_weights_are_recognised_by_their_values_alone(describing: Describe) -> None:
    rows = [
        f"{who},{day},{weight:.1f}"
        for who, start in (("q1", 70), ("q2", 52), ("q3", 61))
        for day, weight in zip(DAYS, steady(start), strict=True)
    ]
    weight = describing({"x.csv": "\n".join(["code,when it was,result", *rows])}).content["weight"]
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


def test_a_tracker_that_marks_rows_as_deleted_is_remarked_on(describing: Describe) -> None:
    scale = weights(201, "Date,Weight,Deleted", "{day},{weight:.1f},0")
    food = "Date,Name,Calories,Deleted\n2022-05-01,Potatoes,300,1\n"
    assert "1 rows are marked as deleted" in describing({"l.csv": scale, "x.csv": food}).said


def test_the_command_takes_its_flags(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = project / "files"
    folder.mkdir()
    (folder / "w.csv").write_text(weights(120))
    app(["describe-study", str(folder), "--study", "mine", "--weight-unit", "lb", "--yes"], standalone_mode=False)
    assert settings.load_study(project, "mine").weight.unit == "lb"
    assert "28 of 28 rows can be used" in capsys.readouterr().out

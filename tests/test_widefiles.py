"""A file with one row a person and a weight column for each time becomes a study of single weighings."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from potato import describe, flags, settings, timepoints
from potato.cli import app
from potato.errors import PotatoError
from potato.plans import Answers, Question

from .test_describe import in_silver

DIET_R = (
    "\ufeffPerson,gender,Age,Height,pre.weight,Diet,weight6weeks\n"
    "25, ,41,171,60,2,60\n"
    "26, ,32,174,103,2,103\n"
    "1,0,22,159,58,1,54.2\n"
    "2,0,46,192,60,1,\n"
    "3,1,55,170,64,3,63.3\n"
)
ANOREXIA = "Treat,Prewt,Postwt\nCont,80.7,80.2\nCBT,80.5,82.2\nFT,83.8,95.2\nFT,83.3,94.3\n"
T1_T3 = "id,diet,exercises,t1,t2,t3\n1,no,no,80.1,79.2,78.4\n2,no,yes,70.3,69.9,68.1\n3,yes,no,91,90.2,88.8\n"


class Made:
    """What a description said, and the files that it wrote."""

    def __init__(self, project: Path, said: str) -> None:
        self.said = said
        self.text = (project / "studies/mine.yaml").read_text(encoding="utf-8")
        self.content: dict[str, Any] = yaml.safe_load(self.text)
        self.long = (project / "data/raw/mine/weight/long.csv").read_text(encoding="utf-8")
        self.rows = list(csv.DictReader(io.StringIO(self.long)))

    def column(self, name: str) -> list[str]:
        return [row[name] for row in self.rows]


def made(project: Path, content: str | dict[str, str], answers: Answers | None = None, **options: Any) -> Made:
    files = {"wide.csv": content} if isinstance(content, str) else content
    for name, text in files.items():
        (project / "files").mkdir(exist_ok=True)
        (project / "files" / name).write_text(text, encoding="utf-8")
    said = io.StringIO()
    console = Console(file=said, width=200)
    describe.describe(project, project / "files", "mine", answers or Answers(), console, **options)
    return Made(project, said.getvalue())


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("pre.weight", 0),
        ("Prewt", 0),
        ("baseline", 0),
        ("startgewicht", 0),
        ("poids_avant", 0),
        ("weight6weeks", 42),
        ("week4", 28),
        ("wk 8", 56),
        ("w12", 84),
        ("Weight_Day14", 14),
        ("weight_kg_d7", 7),
        ("weight after 6 weeks (kg)", 42),
        ("Gewicht Woche 2", 14),
        ("month3", 90),
        ("Postwt", None),
        ("t2", None),
        ("weight", None),
        ("visit2_weight", None),
        ("weight_1year", None),
    ],
)
def test_the_name_of_a_weight_column_tells_its_day_or_nothing(name: str, day: int | None) -> None:
    point = timepoints.point(name)
    assert point is not None
    assert point.day == day


@pytest.mark.parametrize(
    "name", ["Age", "Height", "Diet", "bmi_week4", "goal weight", "id", "day", "waist_week4", "score1"]
)
def test_other_columns_are_no_times(name: str) -> None:
    assert timepoints.point(name) is None


def test_each_cell_is_a_row_that_says_where_it_stood(project: Path) -> None:
    found = made(project, DIET_R)
    assert found.rows[4] == {
        "participant": "1",
        "day": "0",
        "weight": "58",
        "gender": "0",
        "Age": "22",
        "Height": "159",
        "Diet": "1",
        "source_file": "wide.csv",
        "source_row": "4",
        "source_column": "pre.weight",
    }
    assert found.column("day") == ["0", "42"] * 5
    assert found.column("weight") == ["60", "60", "103", "103", "58", "54.2", "60", "", "64", "63.3"]


def test_the_study_file_maps_the_long_rows_and_says_why(project: Path) -> None:
    found = made(project, DIET_R)
    weight = found.content["weight"]
    assert (weight["files"], weight["unit"]) == ("weight/long.csv", "kg")
    assert weight["columns"] == {
        "subject_id": "participant",
        "day": "day",
        "weight": "weight",
        "group": "Diet",
        "sex": "gender",
    }
    assert "raw" not in found.content
    assert "pre.weight is day 0, by its name; weight6weeks is day 42, 6 weeks, by its name" in found.text
    assert settings.load(project, "mine").raw == project / "data/raw/mine"


def test_bronze_and_silver_keep_each_weight_and_set_the_blank_cell_aside(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = made(project, DIET_R)
    assert "weight: 9 of 10 rows can be used; set aside: missing_value 1" in found.said
    tables = in_silver(project, monkeypatch)
    weighed = [(row["subject_id"], row["weight_kg"]) for row in tables["subject_trajectories"]]
    assert ("1", 54.2) in weighed
    assert len(weighed) == 9
    aside = [(row["source_file"], row["source_row"], row["reason"]) for row in tables["quarantine"]]
    assert aside == [("weight/long.csv", 9, "missing_value")]


def test_rows_without_a_name_are_named_by_their_number(project: Path) -> None:
    found = made(project, ANOREXIA, Answers(weight_unit="lb", days={"Postwt": 56}))
    assert found.column("participant") == ["row 2", "row 2", "row 3", "row 3", "row 4", "row 4", "row 5", "row 5"]
    assert found.column("day")[:2] == ["0", "56"]
    assert found.content["weight"]["columns"]["group"] == "Treat"
    assert found.content["weight"]["unit"] == "lb"
    assert "no column names the person" in found.text
    assert "Postwt: day 56, as you stated" in found.said


def test_kilograms_that_could_be_the_pounds_of_very_light_people_are_remarked_on(project: Path) -> None:
    found = made(project, ANOREXIA, Answers(days={"Postwt": 56}))
    assert found.content["weight"]["unit"] == "kg"
    assert "if these weights were lb, the people would weigh 36 to 41 kg" in found.said
    assert "if these weights were lb" not in made(project, DIET_R, force=True).said


def test_days_that_no_name_tells_are_flags_to_type(project: Path) -> None:
    with pytest.raises(PotatoError, match="which day t1, t2 and t3 were weighed") as caught:
        made(project, T1_T3)
    assert "add `--days t1=DAY --days t2=DAY --days t3=DAY`" in (caught.value.hint or "")
    with pytest.raises(PotatoError, match="which day t3 was weighed"):
        made(project, T1_T3, Answers(days={"t1": 0, "t2": 21}))
    found = made(
        project, T1_T3, Answers(days=flags.stated(None, None, None, None, [], [], ["t1=0", "t2=21", "t3=42"]).days)
    )
    assert found.column("day") == ["0", "21", "42"] * 3


def test_a_terminal_is_asked_for_the_days(project: Path) -> None:
    asked: list[Question] = []
    answers = iter(["0", "soon", "21", "-"])

    def ask(question: Question) -> str:
        asked.append(question)
        return next(answers)

    found = made(project, T1_T3, ask=ask)
    assert [question.key for question in asked] == ["days.t1", "days.t2", "days.t2", "days.t3"]
    assert [question.default for question in asked] == ["0", None, None, None]
    assert found.column("source_column") == ["t1", "t2"] * 3
    assert found.column("t3") == ["78.4", "78.4", "68.1", "68.1", "88.8", "88.8"]


@pytest.mark.parametrize(
    ("content", "days", "told"),
    [
        ("group,wl1,wl2,wl3,se1,se2,se3\nControl,4,3,3,14,13,15\nDiet,6,5,4,12,11,14\n", {}, "can only be changes"),
        ("id,t1,t2,t3\n1,10.4,13.2,11.6\n2,11.5,12.2,13.9\n", {}, "has no weights: t1, t2, t3"),
        ("id,sex,weight loss\n1,f,70\n2,m,80\n", {}, "has no weights: weight loss"),
        ("id,week0,week4\n1,80,79\n1,81,80\n2,70,69\n2,71,70\n", {}, "several rows for one person"),
        ("id,week0,week4\n1,80,79\n2,81,80,3\n", {}, "Row 3 of wide.csv has more cells"),
        ("id,week0,baseline\n1,80,79\n2,81,80\n", {}, "both of day 0"),
        ("id,week0,week4\n1,80,79\n2,81,80\n", {"week5": 35}, "no column of weights 'week5'"),
        ("id,week0,week4\n1,80,79\n2,81,80\n", {"week4": None}, "Fewer than two"),
        ("id,date,weight (kg)\n1,2022-05-01,79\n1,2022-05-02,80\n", {"t1": 0}, "No file has one row a person"),
    ],
)
def test_what_is_no_table_of_weights_is_refused(
    project: Path, content: str, days: dict[str, int | None], told: str
) -> None:
    with pytest.raises(PotatoError, match=told):
        made(project, content, Answers(days=days))
    assert not (project / "data/raw/mine").exists()
    assert not (project / "studies/mine.yaml").exists()


def test_units_of_the_header_go_with_each_weight(project: Path) -> None:
    header = "Code;Gewicht vorher (kg);Gewicht nach 4 Wochen (lb);day\n"
    found = made(project, header + "a;120,5;255,4;x\nb;110,2;240;y\n")
    assert found.column("unit") == ["kg", "lb", "kg", "lb"]
    assert found.column("weight") == ["120,5", "255,4", "110,2", "240"]
    assert found.column("day of wide.csv") == ["x", "x", "y", "y"]
    assert found.content["weight"]["unit"] == "detect"
    assert "4 of 4 rows can be used" in found.said


def test_the_same_weights_in_two_units_count_once(project: Path) -> None:
    found = made(project, "id,pre_kg,pre_lb,week4_kg,week4_lb\n1,120,264.6,118,260.1\n2,110,242.5,109,240.3\n")
    assert found.column("source_column") == ["pre_kg", "week4_kg"] * 2


def test_a_study_that_is_there_is_replaced_by_force_alone(project: Path) -> None:
    first = made(project, DIET_R).long
    assert made(project, DIET_R, force=True).long == first
    (project / "studies/mine.yaml").unlink()
    with pytest.raises(PotatoError, match="There is a study called 'mine'"):
        made(project, DIET_R)
    own = project / "data/raw/mine/notes.csv"
    own.write_text("x\n")
    with pytest.raises(PotatoError, match="holds what no command wrote"):
        made(project, DIET_R, force=True)
    assert own.read_text() == "x\n"


def test_a_no_at_the_end_writes_no_rows(project: Path) -> None:
    with pytest.raises(FileNotFoundError):
        made(project, DIET_R, confirm=lambda: False)
    assert not (project / "data/raw/mine").exists()


def test_several_wide_files_are_a_choice(project: Path) -> None:
    files = {"a.csv": DIET_R, "b.csv": ANOREXIA}
    with pytest.raises(PotatoError, match="Several files") as caught:
        made(project, files)
    assert "`--files weight=a.csv`" in (caught.value.hint or "")
    found = made(project, files, Answers(files={"weight": "a.csv"}))
    assert set(found.column("source_file")) == {"a.csv"}
    assert "b.csv: a.csv is described alone" in found.text


def test_food_beside_a_wide_file_joins_it_in_a_second_step(project: Path) -> None:
    food = "Person,day,food,kcal\n" + "".join(f"1,{day},potatoes,1500\n" for day in range(14))
    with pytest.raises(PotatoError, match=r"wide\.csv in a folder of its own"):
        made(project, {"wide.csv": DIET_R, "food.csv": food})
    (project / "files/food.csv").unlink()
    made(project, DIET_R)
    raw = project / "data/raw/mine"
    (raw / "food.csv").write_text(food)
    describe.describe(project, raw, "mine", Answers(), Console(file=io.StringIO()), force=True)
    study = settings.load_study(project, "mine")
    assert study.nutrition is not None
    assert study.weight.files == "weight/long.csv"


def test_the_command_takes_days(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "files").mkdir()
    (project / "files/wide.csv").write_text(T1_T3)
    days = [part for day in ("t1=0", "t2=21", "t3=42") for part in ("--days", day)]
    app(["describe-study", "files", "--study", "mine", *days, "--weight-unit", "kg", "--yes"], standalone_mode=False)
    assert "9 of 9 rows can be used" in capsys.readouterr().out
    with pytest.raises(PotatoError, match="--days does not understand 't1=soon'"):
        flags.stated(None, None, None, None, [], [], ["t1=soon"])


def test_numbers_that_stand_for_groups_are_left_to_be_explained(project: Path) -> None:
    found = made(project, DIET_R)
    assert '# codes:\n#   group: { "1": ..., "2": ..., "3": ... }\n#   sex: { "0": ..., "1": ... }\n' in found.text
    explained = found.text.replace("\n#", "\n").replace('"0": ..., "1": ...', '"0": female, "1": male')
    assert yaml.safe_load(explained[explained.index(" codes:") :])["codes"]["sex"]["0"] == "female"


def test_the_day_on_which_people_came_makes_no_diary_of_their_rows(project: Path) -> None:
    people = ((60, 58), (103, 99), (71, 70), (84, 80), (66, 66))
    rows = [f"{i},2022-05-0{i},{pre},{post}" for i, (pre, post) in enumerate(people, start=1)]
    found = made(project, "\n".join(["id,enrolled,pre.weight,weight6weeks", *rows]))
    assert found.column("day") == ["0", "42"] * 5
    assert found.column("enrolled")[:3] == ["2022-05-01", "2022-05-01", "2022-05-02"]


def test_a_diary_with_two_weighings_a_day_is_no_table_of_people(project: Path) -> None:
    rows = [f"{i},2022-05-{i:02},{70 + i % 3 / 10},{69.8 + i % 2 / 10}" for i in range(1, 15)]
    with pytest.raises(FileNotFoundError):
        made(project, "\n".join(["id,date,weight before,weight after", *rows]))
    assert settings.load_study(project, "mine").weight.columns["date"] == "date"

"""Workbooks become a study in which each weight has its place, and an import never takes anything away."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from potato import lake, settings, spreadsheets, workbook_study, workbook_summary
from potato.bronze import CSVLoader
from potato.errors import PotatoError
from potato.workbook_folders import Found, Trial
from tests.workbook_files import START, Cells, daily, summary, trial, write

LB = "Weight in the Morning (lb)"


def everything(found: Sequence[Found]) -> Iterable[Found]:
    return found


def imported(project: Path, folder: Path, *, force: bool = False) -> Trial:
    return workbook_study.import_workbooks(folder, "trial", project, force=force, track=everything)


def rows(project: Path, name: str) -> list[dict[str, str]]:
    path = project / "data" / "raw" / "trial" / name
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def person(
    folder: Path, weights: Sequence[Any] = (180, 179), said: dict[str, Any] | None = None, **options: Any
) -> Path:
    sheets: dict[str, Cells] = {"Sheet1": daily(weights, **options)}
    return write(folder, sheets | ({"Summary": summary(said)} if said else {}))


def groups(project: Path) -> dict[str, str]:
    return {row["participant"]: row["group"] for row in rows(project, "weight/daily.csv")}


def test_the_group_is_the_folder_whatever_its_case_and_blanks(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "books"
    person(folder / "4 weeks" / "1 a.xlsx")
    person(folder / "ClosedEarly " / "2 b.xls")
    person(folder / "DROPPED" / "late ones" / "3 c.XLSX")
    person(folder / "Half Tato" / "4 d.xlsx")
    person(folder / "5 e.xlsx")
    told = imported(project, folder)
    assert groups(project) == {"1": "4 Weeks", "2": "Closed Early", "3": "Dropped", "4": "Half Tato", "5": "books"}
    assert [line.split(":")[0] for line in told.problems()] == ["Half Tato", "books"]


@pytest.mark.parametrize("below", ["", "Trial/2022"])
def test_the_folder_may_be_one_of_the_trials_or_above_them(project: Path, tmp_path: Path, below: str) -> None:
    person(tmp_path / "up" / below / "Dropped" / "1 a.xlsx")
    imported(project, tmp_path / "up")
    assert groups(project) == {"1": "Dropped"}
    imported(project, tmp_path / "up" / below / "Dropped", force=True)
    assert groups(project) == {"1": "Dropped"}


def test_each_weight_cell_of_a_trial_is_a_row_that_names_it(project: Path, tmp_path: Path) -> None:
    trial(tmp_path / "books", 30)
    imported(project, tmp_path / "books")
    told = rows(project, "weight/daily.csv") + rows(project, "beyond_horizon.csv")
    at = {(row["workbook"], row["cell"]): row["weight"] for row in told if row["weight"]}
    expected = {}
    for path in sorted((tmp_path / "books").rglob("*.xls*")):
        name = path.relative_to(tmp_path / "books").as_posix()
        sheet = next(sheet for sheet in spreadsheets.read(path) if sheet.name in ("Sheet1", "Diary"))
        expected |= {
            (name, sheet.address(*cell)): spreadsheets.written(value)
            for cell, value in sheet.cells.items()
            if cell[0] == 3 and cell[1] >= 4
        }
    assert at == expected


def test_what_an_import_wrote_is_a_study_that_bronze_reads_whole(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "books"
    person(folder / "4 Weeks" / 'Ünal,"Zoë"\n rest.xlsx', ["80,5", 'ill, "very"\nreally', 79])
    person(folder / "a: {b} #c [d]" / "1,5 - x.xlsx", said={"Subject ID": "1,5", "Weight End Week 4": 170})
    imported(project, folder)
    loader = CSVLoader("trial")
    loader.read_nutrition_files()
    table = loader.basic_validation()["weight"]
    assert table["subject_id"].to_pylist() == ["1,5", "1,5", 'Ünal,"Zoë"', 'Ünal,"Zoë"', 'Ünal,"Zoë"', "1,5"]
    assert table["weight"].to_pylist() == ["180", "179", "80,5", 'ill, "very"\nreally', "79", "170"]
    assert set(table["fault"].to_pylist()) == {None}


def test_a_trial_without_a_date_for_each_weight_counts_days(project: Path, tmp_path: Path) -> None:
    person(tmp_path / "Dropped" / "1 a.xlsx")
    imported(project, tmp_path / "Dropped")
    assert settings.load_study(project, "trial").weight.columns["date"] == "date"
    person(tmp_path / "Dropped" / "2 b.xlsx", dates=False)
    imported(project, tmp_path / "Dropped", force=True)
    assert settings.load_study(project, "trial").weight.columns["day"] == "day"
    assert [row["day"] for row in rows(project, "weight/daily.csv")] == ["1", "2", "1", "2"]


@pytest.mark.parametrize("cell", ["weekend, no weights", 0])
def test_a_column_without_a_date_counts_days_only_where_it_holds_a_weight(
    project: Path, tmp_path: Path, cell: Any
) -> None:
    days = [START, None, START + timedelta(days=7)]
    person(tmp_path / "Dropped" / "1 a.xlsx", [180, cell, 178], dates=days, days=False)
    imported(project, tmp_path / "Dropped")
    assert settings.load_study(project, "trial").weight.columns["date"] == "date"
    assert [row["date"] for row in rows(project, "weight/daily.csv")] == ["2022-05-01", "", "2022-05-08"]


def test_two_units_of_one_workbook_are_set_aside_and_not_told(project: Path, tmp_path: Path) -> None:
    person(tmp_path / "Dropped" / "1 a.xlsx", [180, 179], {"Unit": "kg"}, label=LB)
    told = imported(project, tmp_path / "Dropped")
    assert {row["unit"] for row in rows(project, "weight/daily.csv")} == {"kg or lb"}
    assert told.participants[0].unit == (None, None)
    assert "unit_by_subject" not in (project / "studies" / "trial.yaml").read_text(encoding="utf-8")


def test_an_average_is_no_weigh_in_of_the_study(project: Path, tmp_path: Path) -> None:
    write(tmp_path / "Dropped" / "1 a.xlsx", {"Sheet1": daily([180, 179, 179.5]) | {"G2": "Average", "G3": None}})
    told = imported(project, tmp_path / "Dropped")
    assert [(row["date"], row["day"]) for row in rows(project, "weight/daily.csv")][2] == ("Average", "")
    assert settings.load_study(project, "trial").weight.columns["date"] == "date"
    assert told.participants[0].count()["weigh_ins"] == 2


def test_the_description_says_only_what_is_true_of_the_workbooks(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "books"
    person(folder / "Dropped" / "1 a.xlsx")
    imported(project, folder)
    text = (project / "studies" / "trial.yaml").read_text(encoding="utf-8")
    assert not [said for said in ("rating", "phases.csv", "date_from", "Of the workbooks") if said in text]
    person(folder / "Dropped" / "1 b.xlsx", mood=[3, 4])
    person(folder / "4 Weeks" / "2 a.xlsx", [], {"Starting Weight": 190, "Weight End Week 4": 180})
    (folder / "Dropped" / "3 a.xlsx").write_bytes(b"")
    told = imported(project, folder, force=True)
    said = settings.load_study(project, "trial").description
    assert "3 people, from their workbooks (1 in 4 Weeks, 2 in Dropped)" in said
    assert "; mood is a rating." in said
    assert "1 workbook could not be read; the ID 1 occurs in 2 workbooks;" in said
    summed = "2 weights come from Summary sheets (for 1 person without daily weights)"
    assert f"{summed}; see import.json" in said
    assert f"{summed}: data/raw/trial/weight/phases.csv" in list(workbook_summary.closing(told, "trial"))


@pytest.mark.parametrize("first", [0, 1])
def test_a_starting_weight_is_of_the_sheets_first_day(project: Path, tmp_path: Path, first: int) -> None:
    sheet = daily([None] * 9, dates=[START], days=list(range(first, first + 9)), mood=[3])
    write(tmp_path / "Dropped" / "1 a.xlsx", {"Sheet1": sheet, "Summary": summary({"Starting Weight": 181})})
    imported(project, tmp_path / "Dropped")
    assert [(row["date"], row["day"]) for row in rows(project, "weight/phases.csv")] == [("2022-05-01", str(first))]


def test_a_summary_in_the_other_unit_is_said_and_no_weigh_in(project: Path, tmp_path: Path) -> None:
    person(tmp_path / "Dropped" / "1 a.xlsx", [200, 199], {"Weight End 60 Days": 86.1})
    person(tmp_path / "Dropped" / "2 a.xlsx", [90.5, 90.1, 198.1])
    told = "; ".join(imported(project, tmp_path / "Dropped").problems())
    assert rows(project, "weight/phases.csv") == []
    assert "'Weight End 60 Days', says 86.1, about 2.2 times off" in told
    assert "on day 3 its weights go from 90.1 to 198.1: kg and lb may be mixed" in told


def test_ids_that_differ_in_zeros_or_case_are_said(project: Path, tmp_path: Path) -> None:
    for name in ("007", "7", "AB7", "ab7"):
        person(tmp_path / "Dropped" / f"{name} x.xlsx")
    told = "; ".join(imported(project, tmp_path / "Dropped").problems())
    assert "its ID 7 may be the 007 of another workbook" in told
    assert "its ID ab7 may be the AB7 of another workbook" in told


def test_a_weight_of_the_summary_counts_where_no_daily_one_is_near(project: Path, tmp_path: Path) -> None:
    said = {"Starting Weight": 181, "Weight End Week 1": 179, "Weight End Week 4": 172, "Weight End 60 Days": 0}
    person(tmp_path / "Dropped" / "1 a.xlsx", [180, None, None, 178.5], said, label=LB)
    imported(project, tmp_path / "Dropped")
    assert [(r["phase"], r["day"], r["date"], r["weight"], r["unit"]) for r in rows(project, "weight/phases.csv")] == [
        ("Weight End Week 4", "28", "2022-05-28", "172", "lb"),
        ("Weight End 60 Days", "60", "2022-06-29", "0", "lb"),
    ]
    assert [(row["label"], row["missing"]) for row in rows(project, "summary.csv")] == [
        ("Starting Weight", "no"),
        ("Weight End Week 1", "no"),
        ("Weight End Week 4", "no"),
        ("Weight End 60 Days", "yes"),
    ]


def test_a_zero_in_the_series_is_no_weigh_in_near_a_phase(project: Path, tmp_path: Path) -> None:
    person(tmp_path / "Dropped" / "1 a.xlsx", [180, *[0] * 6], {"Weight End Week 1": 178})
    imported(project, tmp_path / "Dropped")
    assert [row["weight"] for row in rows(project, "weight/phases.csv")] == ["178"]


def test_values_beyond_the_horizon_are_in_a_file_of_their_own(project: Path, tmp_path: Path) -> None:
    person(tmp_path / "4 Weeks" / "1 a.xlsx", [180] * 62)
    told = imported(project, tmp_path / "4 Weeks")
    assert [row["day"] for row in rows(project, "beyond_horizon.csv")] == ["61", "62"]
    assert next(workbook_summary.closing(told, "trial")).startswith("2 weights after day 60")
    assert len(rows(project, "weight/daily.csv")) == 60


@pytest.mark.parametrize(
    ("name", "stated", "said"),
    [
        ("123 a.xlsx", 124, "its Summary says Subject ID '124'; the file name's '123' is used"),
        ("007 a.xlsx", 7, ""),
        ("Ab1 a.xlsx", "aB1 ", ""),
    ],
)
def test_the_file_names_id_is_used_and_another_in_the_summary_is_said(
    project: Path, tmp_path: Path, name: str, stated: Any, said: str
) -> None:
    person(tmp_path / "Dropped" / name, said={"Subject ID": stated})
    told = imported(project, tmp_path / "Dropped")
    assert set(groups(project)) == {name.split()[0]}
    assert said in "; ".join(told.problems())
    assert bool(said) == bool(list(told.problems()))


def test_the_same_id_twice_is_two_until_someone_knows_better(project: Path, tmp_path: Path) -> None:
    for path in ("4 Weeks/9 a.xlsx", "4 Weeks/9 b.xlsx", "Dropped/9 a.xlsx", "4 Weeks/9 c.xlsx"):
        person(tmp_path / "books" / path)
    told = imported(project, tmp_path / "books")
    assert groups(project) == {
        "9": "4 Weeks",
        "9 (4 Weeks)": "4 Weeks",
        "9 (4 Weeks/9 c.xlsx)": "4 Weeks",
        "9 (Dropped)": "Dropped",
    }
    assert sum("the ID 9 is that of 4 Weeks/9 a.xlsx, too" in line for line in told.problems()) == 3


def test_a_person_whose_unit_nothing_tells_is_named(project: Path, tmp_path: Path) -> None:
    person(tmp_path / "Dropped" / "1: # x.xlsx", [120, 119])
    told = imported(project, tmp_path / "Dropped")
    assert "kg or lb is not told (119 to 120, median 119.5)" in "; ".join(told.problems())
    text = (project / "studies" / "trial.yaml").read_text(encoding="utf-8")
    assert "# unit_by_subject: {'1:': ...}" in text
    filled = text.replace("# unit_by_subject", "unit_by_subject").replace("...}", "lb}")
    (project / "studies" / "trial.yaml").write_text(filled)
    assert settings.load_study(project, "trial").weight.unit_by_subject == {"1:": "lb"}


def test_what_is_no_participants_workbook_is_left_alone_and_said(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "books"
    real = person(folder / "Dropped" / "1 a.xlsx")
    outside = person(tmp_path / "elsewhere" / "2 b.xlsx")
    (folder / "Dropped" / "3 c.xlsx").symlink_to(outside)
    (folder / "Dropped" / "4 d.xlsx").symlink_to(real)
    (folder / "5").symlink_to(outside.parent)
    for name in ("~$1 a.xlsx", "._1 a.xlsx", "notes.docx"):
        (folder / "Dropped" / name).write_bytes(b"x")
    (folder / "Dropped" / "6 e.xlsx").mkdir()
    told = imported(project, folder)
    assert set(groups(project)) == {"1"}
    assert told.unreadable == {}
    assert {name: reason.split(";")[0] for name, reason in told.passed.items()} == {
        "5": "a link out of the folder",
        "Dropped/3 c.xlsx": "a link out of the folder",
        "Dropped/4 d.xlsx": "a link within the folder",
        "Dropped/notes.docx": "no workbook (.xlsx, .xls, .xlsm)",
        "Dropped/~$1 a.xlsx": "the mark of a workbook that is open in a spreadsheet program",
    }


def test_an_unreadable_workbook_is_said_and_the_others_are_imported(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "books" / "Dropped"
    person(folder / "1 a.xlsx")
    (folder / "2 b.xlsx").write_bytes(b"")
    os.mkfifo(folder / "3 c.xlsx")
    told = imported(project, folder)
    assert told.unreadable == {"2 b.xlsx": "it is empty", "3 c.xlsx": "it is not a regular file"}
    assert json.loads((project / "data/raw/trial/import.json").read_text())["unreadable"] == told.unreadable


def test_a_name_that_is_no_text_is_still_read(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Dropped"
    made = person(folder / "1 a.xlsx")
    made.rename(Path(os.fsdecode(os.fsencode(folder) + b"/\xe4\xf6 x.xlsx")))
    imported(project, folder)
    assert set(groups(project)) == {"\ufffd\ufffd"}


@pytest.mark.parametrize("content", [{}, {"1 a.xlsx": b""}, {"notes.txt": b"x"}])
def test_nothing_to_read_is_an_error_that_writes_nothing(
    project: Path, tmp_path: Path, content: dict[str, bytes]
) -> None:
    (tmp_path / "books").mkdir()
    for name, bytes_ in content.items():
        (tmp_path / "books" / name).write_bytes(bytes_)
    with pytest.raises(PotatoError, match=r"There are no workbooks|No workbook could be read"):
        imported(project, tmp_path / "books")
    assert not (project / "studies" / "trial.yaml").exists()
    assert not (project / "data" / "raw" / "trial").exists()


def test_workbooks_without_any_weight_are_an_error(project: Path, tmp_path: Path) -> None:
    person(tmp_path / "Dropped" / "1 a.xlsx", [], {"Starting Energy": 5})
    with pytest.raises(PotatoError, match="No workbook holds a weight"):
        imported(project, tmp_path / "Dropped")


def test_a_missing_folder_names_its_neighbour(project: Path, tmp_path: Path) -> None:
    (tmp_path / "workbooks").mkdir()
    with pytest.raises(PotatoError) as told:
        imported(project, tmp_path / "workbook")
    assert told.value.nearest == "workbooks"


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-x", "a b", "demo"])
def test_a_name_that_can_t_be_a_study_is_refused(project: Path, tmp_path: Path, name: str) -> None:
    person(tmp_path / "Dropped" / "1 a.xlsx")
    with pytest.raises(PotatoError, match=r"can't be the name|is the simulated one"):
        workbook_study.import_workbooks(tmp_path / "Dropped", name, project, force=True, track=everything)


def test_a_study_is_replaced_as_a_whole_and_only_by_force(project: Path, tmp_path: Path) -> None:
    person(tmp_path / "Dropped" / "1 a.xlsx", [180] * 62, {"Weight End Week 12": 170})
    imported(project, tmp_path / "Dropped")
    before = lake.fingerprint(project / "data/raw/trial")
    (tmp_path / "Dropped" / "1 a.xlsx").unlink()
    person(tmp_path / "Dropped" / "2 a.xlsx")
    with pytest.raises(PotatoError, match="There is a study called 'trial'"):
        imported(project, tmp_path / "Dropped")
    assert lake.fingerprint(project / "data/raw/trial") == before
    imported(project, tmp_path / "Dropped", force=True)
    files = sorted(path.name for path in (project / "data/raw/trial").rglob("*") if path.is_file())
    assert files == ["daily.csv", "import.json"]
    assert [path.name for path in (project / "data" / "raw").iterdir()] == ["trial"]


def test_files_that_no_import_wrote_are_never_replaced(project: Path, tmp_path: Path) -> None:
    person(tmp_path / "Dropped" / "1 a.xlsx")
    own = project / "data" / "raw" / "trial" / "nutrition" / "own.csv"
    own.parent.mkdir(parents=True)
    own.write_text("x\n")
    with pytest.raises(PotatoError, match="holds what no command wrote"):
        imported(project, tmp_path / "Dropped", force=True)
    assert own.read_text() == "x\n"


def test_workbooks_inside_the_study_s_own_folder_are_not_overwritten(project: Path) -> None:
    book = person(project / "data/raw/trial/Dropped/1 a.xlsx")
    with pytest.raises(PotatoError, match="where the study's raw files are to be written"):
        imported(project, project / "data/raw/trial", force=True)
    assert book.is_file()


def test_a_failed_import_leaves_the_earlier_one(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    person(tmp_path / "Dropped" / "1 a.xlsx")
    imported(project, tmp_path / "Dropped")
    before = lake.fingerprint(project / "data"), lake.fingerprint(project / "studies")
    monkeypatch.setattr(lake, "write_json", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        imported(project, tmp_path / "Dropped", force=True)
    assert (lake.fingerprint(project / "data"), lake.fingerprint(project / "studies")) == before
    assert [path.name for path in (project / "data" / "raw").iterdir()] == ["trial"]


def test_the_same_workbooks_give_the_same_bytes(project: Path, tmp_path: Path) -> None:
    trial(tmp_path / "one" / "books", 12)
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    prints = []
    for folder in ("one", "other"):
        imported(project, tmp_path / folder / "books", force=True)
        prints.append((lake.fingerprint(project / "data"), lake.fingerprint(project / "studies")))
    assert prints[0] == prints[1]


def test_the_summary_counts_each_folder(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "books"
    person(folder / "4 Weeks" / "1 a.xlsx", [200, 0, "ill", None, 190], label=LB)
    person(folder / "4 Weeks" / "2 b.xlsx", [80, 79])
    person(folder / "Dropped" / "3 c.xlsx", [120, 119])
    (folder / "Dropped" / "4 d.xlsx").write_bytes(b"")
    first, second = workbook_summary.summaries(imported(project, folder))
    assert (first.workbooks, first.participants, first.weigh_ins, first.days) == (2, 2, 4, 3.5)
    assert (first.zeros, first.texts, first.blanks, first.problems) == (1, 1, 1, 0)
    assert first.change == {"kg": (-1.0, 1), "lb": (-10.0, 1)}
    assert (second.workbooks, second.participants, second.change, second.problems) == (2, 1, {}, 2)


def command(project: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"POTATO_ROOT": str(project), "FORCE_COLOR": "1", "COLUMNS": "80"}
    told = [sys.executable, "-m", "potato.cli", "import-workbooks", *arguments]
    return subprocess.run(told, env=environment, capture_output=True, text=True, check=False)


def test_a_hundred_workbooks_are_imported_under_a_bar(project: Path, tmp_path: Path) -> None:
    trial(tmp_path / "books", 100)
    told = command(project, tmp_path / "books", "--study", "trial")
    assert told.returncode == 0, told.stderr
    assert "reading workbooks" in told.stderr
    assert "100%" in told.stderr
    assert "Closed Early" in told.stdout
    assert "dvc exp run -S study=trial" in told.stdout
    assert len({row["participant"] for row in rows(project, "weight/daily.csv")}) == 100


def test_the_command_fails_only_where_nothing_could_be_read(project: Path, tmp_path: Path) -> None:
    (tmp_path / "Dropped").mkdir()
    (tmp_path / "Dropped" / "1 [red]\x1b[2J.xlsx").write_bytes(b"")
    assert command(project, tmp_path / "Dropped", "--study", "trial").returncode == 1
    person(tmp_path / "Dropped" / "2 a.xlsx")
    told = command(project, tmp_path / "Dropped", "--study", "trial")
    assert told.returncode == 0
    assert "1 [red]\ufffd[2J.xlsx: not read: it is empty" in told.stdout

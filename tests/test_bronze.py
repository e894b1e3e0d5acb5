"""Bronze keeps every raw row as text, and says in one screen what it cannot read."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from potato import contracts, lake
from potato.bronze import CSVLoader
from potato.errors import PotatoError

from .conftest import WEIGHT

Study = Callable[..., str]
ROWS = "who,date,weight\na,2022-05-01,80.5\na,2022-05-02,NA\n"


def loaded(name: str) -> CSVLoader:
    loader = CSVLoader(name)
    loader.read_nutrition_files()
    loader.basic_validation()
    return loader


def test_every_cell_stays_the_text_that_was_typed(study: Study) -> None:
    rows = loaded(study({"weight.csv": 'who,date,weight\n" a ",1.5.22,~80 kg\n'})).tables["weight"].to_pylist()
    assert (rows[0]["subject_id"], rows[0]["date"], rows[0]["weight"]) == (" a ", "1.5.22", "~80 kg")


def test_a_row_remembers_its_file_and_its_line(study: Study) -> None:
    rows = loaded(study({"weight.csv": ROWS})).tables["weight"].to_pylist()
    assert [(row["source_file"], row["source_row"]) for row in rows] == [("weight.csv", 2), ("weight.csv", 3)]


def test_columns_that_nobody_mapped_are_kept_in_extra(study: Study) -> None:
    table = loaded(study({"weight.csv": "who,mood,date,weight\na,5,2022-05-01,80\n"})).tables["weight"]
    assert json.loads(table["extra"][0].as_py()) == {"mood": "5"}


def test_a_ragged_row_keeps_what_it_has(study: Study) -> None:
    table = loaded(study({"weight.csv": "who,date,weight\na,2022-05-01\nb,2022-05-01,80,oops\n"})).tables["weight"]
    assert table["weight"].to_pylist() == [None, "80"]
    assert table["fault"].to_pylist() == ["too_few_cells", "too_many_cells"]
    assert json.loads(table["extra"][1].as_py()) == {"column 4": "oops"}


def test_headers_match_whatever_their_case(study: Study) -> None:
    table = loaded(study({"weight.csv": "WHO, Date ,Weight\na,2022-05-01,80\n"})).tables["weight"]
    assert table["weight"].to_pylist() == ["80"]


def test_the_ledger_says_how_each_file_was_read(study: Study) -> None:
    content = ROWS.replace(",", ";").encode("utf-16")
    ledger = loaded(study({"weight.csv": content})).ledger()
    assert ledger == {
        "weight.csv": {
            "file": "weight.csv",
            "family": "weight",
            "rows_read": 2,
            "sha256": hashlib.sha256(content).hexdigest(),
            "encoding": "utf-16",
            "separator": ";",
            "header_row": 1,
            "columns_not_used": [],
        }
    }


def test_a_missing_column_names_the_nearest_one(study: Study) -> None:
    with pytest.raises(PotatoError, match="no column 'weight'") as caught:
        loaded(study({"weight.csv": "who,date,weigth\na,2022-05-01,80\n"}))
    assert caught.value.nearest == "weigth"
    assert caught.value.found == "who, date, weigth"
    assert caught.value.where == "studies/small.yaml, weight.columns.weight"


def test_a_missing_file_names_what_there_is(study: Study) -> None:
    with pytest.raises(PotatoError, match="no weight file") as caught:
        loaded(study({"wieght.csv": ROWS}))
    assert caught.value.expected == "data/raw/small/weight.csv"
    assert caught.value.nearest == "wieght.csv"


def test_a_missing_folder_says_where_to_put_the_files(study: Study) -> None:
    with pytest.raises(PotatoError, match="raw files of small are not there") as caught:
        loaded(study({}))
    assert caught.value.hint is not None
    assert "data/raw/small" in caught.value.hint


@pytest.mark.parametrize("content", ["", "\n\n", "who,date,weight\n"])
def test_an_empty_file_beside_a_full_one_has_no_rows(study: Study, content: str) -> None:
    weight = WEIGHT | {"files": "*.csv"}
    loader = loaded(study({"a.csv": content, "b.csv": ROWS}, weight=weight))
    assert {name: file["rows_read"] for name, file in loader.ledger().items()} == {"a.csv": 0, "b.csv": 2}
    assert contracts.failures(loader.validate_schema()) == []


def test_a_quote_that_does_not_close_leaves_the_rows_after_it_alone(study: Study) -> None:
    content = 'who,date,weight\na,2022-05-01,80\na,2022-05-02,"81\na,2022-05-03,82\n'
    rows = loaded(study({"weight.csv": content})).tables["weight"].to_pylist()
    assert [(row["weight"], row["fault"]) for row in rows] == [("80", None), ('"81', "unclosed_quote"), ("82", None)]


def test_a_line_break_inside_a_quoted_cell_is_kept(study: Study) -> None:
    table = loaded(study({"weight.csv": 'who,note,date,weight\na,"two\nlines, really",2022-05-01,80\n'})).tables[
        "weight"
    ]
    assert json.loads(table["extra"][0].as_py()) == {"note": "two\nlines, really"}


@pytest.mark.parametrize("header", ["who,date,weight,weight", "who,date,Weight,WEIGHT"])
def test_a_column_that_stands_twice_is_not_guessed(study: Study, header: str) -> None:
    with pytest.raises(PotatoError, match="'weight' more than once"):
        loaded(study({"weight.csv": f"{header}\na,2022-05-01,80,81\n"}))


def test_columns_of_one_name_that_nobody_mapped_are_both_kept(study: Study) -> None:
    loader = loaded(study({"weight.csv": "who,note,date,note,weight,\na,x,2022-05-01,y,80,z\n"}))
    extra = json.loads(loader.tables["weight"]["extra"][0].as_py())
    assert extra == {"note (column 2)": "x", "note (column 4)": "y", "column 6": "z"}
    assert loader.ledger()["weight.csv"]["columns_not_used"] == list(extra)


def test_extra_is_the_json_that_python_writes(study: Study) -> None:
    notes = ["plain", 'a "quoted" one', "back\\slash", "tab\tand ä", ""]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(
        [["who", "date", "weight", "note"], *(["a", "2022-05-01", "80", note] for note in notes)]
    )
    table = loaded(study({"weight.csv": text.getvalue()})).tables["weight"]
    assert table["extra"].to_pylist() == [json.dumps({"note": note}, ensure_ascii=False) for note in notes]


def test_one_person_may_be_named_for_all_rows(study: Study) -> None:
    mapping = {"files": "weight.csv", "unit": "kg", "columns": {"date": "date", "weight": "weight"}, "subject": "me"}
    table = loaded(study({"weight.csv": "date,weight\n2022-05-01,80\n"}, weight=mapping)).tables["weight"]
    assert table["subject_id"].to_pylist() == ["me"]


@pytest.mark.parametrize(("by", "people"), [("file", ["w1", "w2"]), ("folder", ["ann", "bob"])])
def test_files_or_folders_may_name_the_person(study: Study, by: str, people: list[str]) -> None:
    columns = {"date": "date", "weight": "weight"}
    mapping = {"files": "*/*.csv", "unit": "kg", "columns": columns, "subject_from": by}
    content = "date,weight\n2022-05-01,80\n"
    table = loaded(study({"ann/w1.csv": content, "bob/w2.csv": content}, weight=mapping)).tables["weight"]
    assert table["subject_id"].to_pylist() == people
    assert table["source_file"].to_pylist() == ["ann/w1.csv", "bob/w2.csv"]


@pytest.mark.parametrize(("by", "first", "second"), [("file", "s1/001", "s2/001"), ("folder", "a/x/1", "b/x/1")])
def test_two_files_or_folders_of_one_name_are_not_taken_for_one_person(
    study: Study, by: str, first: str, second: str
) -> None:
    columns = {"date": "date", "weight": "weight"}
    mapping = {"files": "**/*.csv", "unit": "kg", "columns": columns, "subject_from": by}
    content = "date,weight\n2022-05-01,80\n"
    files = {f"{first}.csv": content, f"{second}.csv": content}
    with pytest.raises(PotatoError, match=f"{first}.csv and {second}.csv both name the person"):
        loaded(study(files, weight=mapping))


def test_several_files_in_the_folder_of_a_person_are_theirs(study: Study) -> None:
    columns = {"date": "date", "weight": "weight"}
    mapping = {"files": "**/*.csv", "unit": "kg", "columns": columns, "subject_from": "folder"}
    content = "date,weight\n2022-05-01,80\n"
    table = loaded(study({"a/may.csv": content, "a/june.csv": content}, weight=mapping)).tables["weight"]
    assert table["subject_id"].to_pylist() == ["a", "a"]


def test_files_that_no_family_reads_are_listed(study: Study, project: Path) -> None:
    files = {"weight.csv": ROWS, "notes.txt": "x", "sub/old.csv": ROWS, "._weight.csv": "x", ".~lock.weight.csv#": "x"}
    name = study(files | {"~$weight.csv": "x"}, weight=WEIGHT | {"files": "*.csv"})
    loader = loaded(name)
    loader.save()
    ledger = json.loads((project / "data/.interactive/data/bronze/ledger.json").read_text())
    assert list(ledger["files"]) == ["weight.csv"]
    assert ledger["files_not_used"] == [
        "._weight.csv",
        ".~lock.weight.csv#",
        "notes.txt",
        "sub/old.csv",
        "~$weight.csv",
    ]


def test_a_file_of_zeros_is_no_text_and_does_not_fill_the_screen(study: Study) -> None:
    with pytest.raises(PotatoError, match="no text file") as caught:
        loaded(study({"weight.csv": bytes(100_000)}))
    assert len(caught.value.found or "") < 100


def test_a_pipe_where_a_file_should_be_is_named(study: Study, project: Path) -> None:
    name = study({})
    raw = project / "data/raw/small"
    raw.mkdir(parents=True)
    os.mkfifo(raw / "weight.csv")
    with pytest.raises(PotatoError, match=r"weight\.csv can't be read"):
        loaded(name)


def test_a_folder_where_a_file_should_be_is_named(study: Study, project: Path) -> None:
    name = study({"other.csv": ROWS})
    (project / "data/raw/small/weight.csv").mkdir()
    with pytest.raises(PotatoError, match=r"weight\.csv can't be read") as caught:
        loaded(name)
    assert caught.value.found == "a folder"


def test_a_link_to_nothing_is_named(study: Study, project: Path) -> None:
    name = study({"other.csv": ROWS})
    raw = project / "data/raw/small"
    (raw / "weight.csv").symlink_to(raw / "gone.csv")
    with pytest.raises(PotatoError, match=r"weight\.csv can't be read") as caught:
        loaded(name)
    assert caught.value.found == "a link to nothing"


@pytest.mark.parametrize("linked", ["weight.csv", "more"])
def test_a_link_that_leads_out_of_the_study_is_refused(study: Study, project: Path, linked: str) -> None:
    name = study({"other.csv": ROWS})
    (project / "elsewhere").mkdir()
    (project / "elsewhere/weight.csv").write_text(ROWS)
    target = project / "elsewhere" if linked == "more" else project / "elsewhere/weight.csv"
    (project / "data/raw/small" / linked).symlink_to(target)
    with pytest.raises(PotatoError, match=f"{linked} is a link that leads out"):
        loaded(name)


def test_a_raw_folder_that_is_a_link_may_hold_links_within(study: Study, project: Path) -> None:
    name = study({"kept/weight.csv": ROWS})
    raw = project / "data/raw/small"
    raw.rename(project / "there")
    raw.symlink_to(project / "there")
    (project / "there/weight.csv").symlink_to("kept/weight.csv")
    assert loaded(name).tables["weight"].num_rows == 2


def test_a_file_that_dvc_keeps_in_its_cache_is_of_the_study(study: Study, project: Path) -> None:
    name = study({"other.csv": ROWS})
    cached = project / ".dvc/cache/files/md5/ab/cdef"
    cached.parent.mkdir(parents=True)
    cached.write_text(ROWS)
    (project / "data/raw/small/weight.csv").symlink_to(cached)
    assert loaded(name).tables["weight"].num_rows == 2


def test_folders_name_groups_where_the_study_says_so(study: Study, project: Path) -> None:
    mapping = {k: v for k, v in WEIGHT.items() if k != "files"} | {"files": "*/*.csv", "group_from": "folder"}
    name = study({"low fat/a.csv": ROWS, "low carb/b.csv": ROWS}, weight=mapping)
    assert set(loaded(name).tables["weight"]["group"].to_pylist()) == {"low fat", "low carb"}


def test_a_file_name_that_is_no_text_is_spelt_out(study: Study, project: Path) -> None:
    name = study({"other.csv": ROWS}, weight=WEIGHT | {"files": "w*.csv"})
    Path(os.fsdecode(os.fsencode(project / "data/raw/small") + b"/w\xe4.csv")).write_text(ROWS)
    loader = loaded(name)
    loader.save()
    assert list(loader.ledger()) == ["w\\xe4.csv"]


def test_a_study_without_weights_fails_its_contract(study: Study) -> None:
    loader = loaded(study({"weight.csv": "who,date,weight\n"}))
    failed = contracts.failures(loader.validate_schema())
    assert [(v.dataset, v.sentence, v.observed) for v in failed] == [
        ("bronze/weight", "bronze/weight has at least 1 row.", "0")
    ]


def test_what_is_saved_is_what_the_loader_holds(study: Study, project: Path) -> None:
    loader = loaded(study({"weight.csv": ROWS}))
    loader.tables["weight"] = loader.tables["weight"].slice(1)
    loader.save()
    assert lake.read(lake.output("data/bronze/weight")).equals(loader.tables["weight"])


def test_a_large_table_is_saved_in_parts_and_read_in_order(tmp_path: Path) -> None:
    table = pa.table({"source_row": pa.array(range(5_500_001), pa.int32())})
    lake.write(table, tmp_path / "large")
    assert len(list((tmp_path / "large").iterdir())) == 12
    assert lake.read(tmp_path / "large").equals(table)
    lake.write(table.slice(0, 3), tmp_path / "large")
    assert lake.read(tmp_path / "large").num_rows == 3


def test_saving_writes_the_same_bytes_twice(study: Study, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = study({"weight.csv": ROWS})
    written = []
    for folder in ("one", "two"):
        monkeypatch.setenv("POTATO_STAGING", str(project / folder))
        loaded(name).save()
        files = sorted(p for p in (project / folder).rglob("*") if p.is_file())
        written.append({p.relative_to(project / folder): p.read_bytes() for p in files})
    assert written[0] == written[1]
    assert len(written[0]) == 5

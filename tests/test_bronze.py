"""Bronze keeps every raw row as text, and says in one screen what it cannot read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from potato import contracts
from potato.bronze import CSVLoader, decode
from potato.errors import PotatoError

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
        }
    }


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("Käse".encode(), "utf-8"),
        ("Käse".encode("utf-8-sig"), "utf-8-sig"),
        ("Käse".encode("utf-16"), "utf-16"),
        ("Käse".encode("cp1252"), "windows-1252"),
    ],
)
def test_the_encoding_is_told_from_the_bytes(content: bytes, encoding: str) -> None:
    assert decode(content) == ("Käse", encoding)


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


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_a_file_without_a_header_is_named(study: Study, content: str) -> None:
    with pytest.raises(PotatoError, match=r"weight\.csv has no header line"):
        loaded(study({"weight.csv": content}))


def test_a_quote_that_swallows_rows_is_named_with_its_row(study: Study) -> None:
    content = 'who,date,weight\na,2022-05-01,80\na,2022-05-02,"81\na,2022-05-03,82\n'
    with pytest.raises(PotatoError, match=r"quote in weight\.csv swallows") as caught:
        loaded(study({"weight.csv": content}))
    assert caught.value.where == "weight.csv, row 3"


def test_a_line_break_inside_a_quoted_cell_is_kept(study: Study) -> None:
    table = loaded(study({"weight.csv": 'who,note,date,weight\na,"two\nlines, really",2022-05-01,80\n'})).tables[
        "weight"
    ]
    assert json.loads(table["extra"][0].as_py()) == {"note": "two\nlines, really"}


def test_a_header_that_stands_twice_is_not_guessed(study: Study) -> None:
    with pytest.raises(PotatoError, match="'weight' more than once"):
        loaded(study({"weight.csv": "who,date,Weight,weight\na,2022-05-01,80,81\n"}))


def test_a_pipe_where_a_file_should_be_is_named(study: Study, project: Path) -> None:
    name = study({})
    raw = project / "data/raw/small"
    raw.mkdir(parents=True)
    os.mkfifo(raw / "weight.csv")
    with pytest.raises(PotatoError, match=r"weight\.csv can't be read"):
        loaded(name)


def test_a_study_without_weights_fails_its_contract(study: Study) -> None:
    loader = loaded(study({"weight.csv": "who,date,weight\n"}))
    failed = contracts.failures(loader.validate_schema())
    assert [(v.dataset, v.sentence, v.observed) for v in failed] == [
        ("bronze/weight", "bronze/weight has at least 1 rows.", "0")
    ]


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

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from potato import cli, columns, lake, manifest, run, spool
from potato.errors import PotatoError
from potato.provenance import Provenance, lines

from .receivers import clean_environment, receiver

RAW = ("raw/small/weight/2022.05.csv", "raw/small/weight/b.csv", "raw/small/weight/c.csv", "raw/small/weight/d.csv")


def _manifest(
    outputs: dict[str, list[str]],
    lineage: dict[str, Any],
    inputs: tuple[str, ...] = (),
    rows: dict[str, list[columns.Source]] | None = None,
) -> dict[str, Any]:
    described = {
        name: {"rows": 1, "fingerprint": "f", "schema": [{"name": c, "type": "double"} for c in columns]}
        for name, columns in outputs.items()
    }
    read = dict.fromkeys(inputs, "sha")
    return {"inputs": read, "outputs": described, "column_lineage": lineage, "row_lineage": rows or {}}


def _from(*names: str, how: str = "IDENTITY") -> list[columns.Source]:
    return [columns.source(*name.rsplit(":", 1), how) for name in names]


MANIFESTS = {
    "bronze": _manifest(
        {"bronze/weight": ["source_row", "subject_id", "weight"]},
        {
            "bronze/weight": {
                "subject_id": _from(*(f"{raw}:who" for raw in RAW)),
                "weight": _from(f"{RAW[0]}:kg. today", f"{RAW[1]}:kg"),
            }
        },
        RAW,
    ),
    "silver": _manifest(
        {"silver/weeks": ["subject_id", "change", "rows"]},
        {
            "silver/weeks": {
                "subject_id": _from("bronze/weight:subject_id"),
                "change": [
                    *_from("bronze/weight:weight", how="AGGREGATION"),
                    *_from("bronze/weight:subject_id", how="WINDOW"),
                ],
                "rows": _from("bronze/weight:source_row", how="FILTER"),
            }
        },
        rows={"silver/weeks": _from("bronze/weight:source_row", how="FILTER")},
    ),
    "gold": _manifest(
        {"gold/models/weeks": ["estimate"]},
        {
            "gold/models/weeks": {"estimate": _from("silver/weeks:change", how="AGGREGATION")},
            "gold/models/mixed": {
                "share": [
                    *_from("silver/weeks:subject_id", how="GROUP_BY"),
                    *_from("silver/weeks:change", how="AGGREGATION"),
                ],
                "shape": _from("silver/weeks:change", "silver/weeks:rows", "bronze/weight:weight"),
            },
        },
    ),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    clean_environment(monkeypatch)
    for stage, path in manifest.PATHS.items():
        lake.write_json(tmp_path / path, MANIFESTS[stage])
    monkeypatch.setenv("POTATO_ROOT", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _told(project: Path, name: str) -> list[str]:
    return [f"{'  ' * depth}{text}" for depth, text, _ in lines(Provenance.read(project).back(name))]


def test_a_silver_column_leads_to_what_it_is_computed_from_and_names_what_decides(project: Path) -> None:
    assert _told(project, "silver/weeks.change") == [
        "silver/weeks.change",
        "  computed from bronze/weight.weight",
        "    computed from raw/small/weight/2022.05.csv, column “kg. today”",
        "    computed from raw/small/weight/b.csv, column “kg”",
        "  decided by bronze/weight: subject_id",
        "  rows of silver/weeks decided by bronze/weight: source_row",
    ]


def test_many_raw_files_are_told_by_the_first_few(project: Path) -> None:
    assert _told(project, "bronze/weight.subject_id") == [
        "bronze/weight.subject_id",
        f"  computed from {', '.join(RAW[:3])} and 1 more file, column “who”",
    ]


def test_the_raw_files_behind_an_estimate_are_those_that_it_is_computed_from(project: Path) -> None:
    step = Provenance.read(project).back("mixed.share")
    assert [source.name for source in step.sources] == ["silver/weeks.change"]
    assert step.decided == [("silver/weeks", "subject_id")]
    assert Provenance.read(project).raw(step) == [(RAW[0], "kg. today"), (RAW[1], "kg")]


def test_what_was_told_is_not_told_again(project: Path) -> None:
    told = _told(project, "mixed.shape")
    assert told[-1] == "  computed from bronze/weight.weight  (told above)"
    assert sum("rows of silver/weeks" in line for line in told) == 1


def test_a_count_says_what_decides_on_it_and_a_column_without_a_source_that_it_has_none(project: Path) -> None:
    assert _told(project, "silver/weeks.rows")[1] == "  counted, decided by bronze/weight: source_row"
    assert _told(project, "bronze/weight.source_row") == ["bronze/weight.source_row  (made by the pipeline itself)"]


def test_a_short_name_is_understood_where_it_means_one_dataset(project: Path) -> None:
    names = Provenance.read(project).names()
    assert names["weight.weight"] == ("bronze/weight", "weight")
    assert names["mixed.share"] == ("gold/models/mixed", "share")
    assert "weeks.change" not in names, "two datasets are called weeks"
    assert names["gold/models/weeks.estimate"] == ("gold/models/weeks", "estimate")


@pytest.mark.parametrize(
    ("name", "close"),
    [("mixed.shares", "mixed.share"), ("bronze/wieght.weight", "bronze/weight.weight"), ("WEIGHT.KG", None)],
)
def test_a_misspelt_column_is_answered_with_the_nearest(project: Path, name: str, close: str | None) -> None:
    with pytest.raises(PotatoError) as caught:
        Provenance.read(project).back(name)
    if close:
        assert caught.value.nearest == close
        assert close in str(caught.value.hint)
    assert "silver/weeks" in str(caught.value.expected)


def test_a_dataset_alone_is_answered_with_its_columns(project: Path) -> None:
    with pytest.raises(PotatoError) as caught:
        Provenance.read(project).back("bronze/weight")
    assert "source_row, subject_id, weight" in str(caught.value.expected)


def _typed(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["potato", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_the_command_prints_the_way_back(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _typed(monkeypatch, "lineage", "show", "mixed.share") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "gold/models/mixed.share"
    assert "         computed from raw/small/weight/b.csv, column “kg”" in printed
    assert "   decided by silver/weeks: subject_id" in printed


def test_the_command_before_any_run_says_what_to_type(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / manifest.PATHS["silver"]).unlink()
    assert _typed(monkeypatch, "lineage", "show", "mixed.share") == 1
    printed = capsys.readouterr().err
    assert "dvc repro" in printed
    assert "Traceback" not in printed


@pytest.fixture
def waiting(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the times of two runs' events that wait, in the order in which they were told."""
    told = []
    for _ in range(2):
        monkeypatch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
        for _ in range(2):
            told.append(run.now() + str(len(told)))
            spool.add(run.current(project).folder, {"eventTime": told[-1]})
    return told


def test_a_replay_delivers_what_waits_once(
    project: Path, waiting: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        assert _typed(monkeypatch, "lineage", "replay") == 0
        assert "4 events delivered" in capsys.readouterr().err
        assert _typed(monkeypatch, "lineage", "replay") == 0
        assert "nothing waits" in capsys.readouterr().err
    sent = [body.decode() for body in server.bodies("/api/v1/lineage")]
    assert len(sent) == 4
    assert all(time in body for time, body in zip(waiting, sent, strict=True))


@pytest.mark.parametrize("content", [[], {}, {"outputs": []}, {"outputs": {"a": 1}, "column_lineage": {}}, None])
def test_json_that_is_no_manifest_is_explained(tmp_path: Path, content: Any) -> None:
    for stage, path in manifest.PATHS.items():
        lake.write_json(tmp_path / path, content if stage == "silver" else MANIFESTS[stage])
    with pytest.raises(PotatoError, match="does not say what a manifest says"):
        Provenance.read(tmp_path)

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from potato import run
from potato.errors import PotatoError
from potato.lineage import Lineage

from .receivers import DEAD, clean_environment, dead_backend, receiver

VERDICT = {
    "dataset": "silver/weekly_features",
    "expectation": "expect_column_values_to_be_between",
    "column": "energy_kcal_per_day",
    "severity": "warning",
    "success": False,
    "observed": "9800.0",
    "unexpected_count": 1,
    "sentence": "energy_kcal_per_day lies within 0 to 8000 kcal.",
}
MANIFEST = {
    "stage": "silver",
    "study": "demo",
    "inputs": {"bronze/nutrition": "aaa", "bronze/weight": "bbb"},
    "outputs": {
        "silver/weekly_features": {
            "rows": 7,
            "fingerprint": "ccc",
            "schema": [
                {"name": "subject_id", "type": "string", "description": "who"},
                {"name": "energy_kcal_per_day", "type": "double", "description": "energy"},
            ],
        },
        "quarantine": {"rows": 0, "fingerprint": "ddd", "schema": []},
    },
    "column_lineage": {
        "silver/weekly_features": {
            "energy_kcal_per_day": [{"dataset": "bronze/nutrition", "column": "energy_kcal"}],
        }
    },
    "contracts": [VERDICT],
    "metrics": {},
}


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean_environment(monkeypatch)
    # The client looks for a configuration file in both places.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def this_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> run.Run:
    monkeypatch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
    return run.current(tmp_path)


def _events(found: run.Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (found.folder / "lineage.jsonl").read_text().splitlines()]


def _tell(found: run.Run, root: Path) -> Lineage:
    lineage = Lineage(found, "silver", root)
    lineage.start(["bronze/nutrition", "bronze/weight"])
    lineage.complete(MANIFEST)
    return lineage


def test_a_stage_starts_and_completes_as_a_child_of_the_pipeline_s_run(this_run: run.Run, tmp_path: Path) -> None:
    lineage = _tell(this_run, tmp_path)
    start, complete = _events(this_run)
    assert [start["eventType"], complete["eventType"]] == ["START", "COMPLETE"]
    assert start["eventTime"] <= complete["eventTime"]
    assert start["run"]["runId"] == complete["run"]["runId"] == lineage.run_id != this_run.id
    assert start["job"]["namespace"] == "potato"
    assert start["job"]["name"] == "potato.silver"
    for event in (start, complete):
        parent = event["run"]["facets"]["parent"]
        assert parent["run"]["runId"] == parent["root"]["run"]["runId"] == this_run.id
        assert parent["job"]["name"] == parent["root"]["job"]["name"] == "potato.pipeline"
        assert event["run"]["facets"]["processing_engine"]["name"] == "duckdb"
    assert [dataset["name"] for dataset in start["inputs"]] == [
        str(tmp_path / "data/bronze/nutrition"),
        str(tmp_path / "data/bronze/weight"),
    ]


def test_every_event_and_every_facet_names_its_official_schema(this_run: run.Run, tmp_path: Path) -> None:
    _tell(this_run, tmp_path)
    Lineage(this_run, "gold", tmp_path).fail(ValueError("broken"), MANIFEST)
    seen = 0

    def walk(value: Any) -> None:
        nonlocal seen
        if isinstance(value, list):
            for item in value:
                walk(item)
        if isinstance(value, dict):
            for name, facet in [*value.get("facets", {}).items(), *value.get("outputFacets", {}).items()]:
                assert facet["_schemaURL"].startswith("https://openlineage.io/spec/facets/"), name
                assert facet["_producer"].startswith("https://"), name
                seen += 1
            for item in value.values():
                walk(item)

    for event in _events(this_run):
        assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
        assert event["producer"].startswith("https://")
        walk(event)
    assert seen >= 12


def test_outputs_carry_schema_columns_verdicts_rows_and_version(this_run: run.Run, tmp_path: Path) -> None:
    _tell(this_run, tmp_path)
    complete = _events(this_run)[-1]
    weekly, quarantine = complete["outputs"]
    assert (weekly["namespace"], weekly["name"]) == ("file", str(tmp_path / "data/silver/weekly_features"))
    facets = weekly["facets"]
    assert [(f["name"], f["type"], f["ordinal_position"]) for f in facets["schema"]["fields"]] == [
        ("subject_id", "string", 1),
        ("energy_kcal_per_day", "double", 2),
    ]
    (source,) = facets["columnLineage"]["fields"]["energy_kcal_per_day"]["inputFields"]
    assert (source["name"], source["field"]) == (str(tmp_path / "data/bronze/nutrition"), "energy_kcal")
    (assertion,) = facets["dataQualityAssertions"]["assertions"]
    assert (assertion["success"], assertion["severity"]) == (False, "warn")
    assert assertion["column"] == "energy_kcal_per_day"
    assert facets["version"]["datasetVersion"] == "ccc"
    assert weekly["outputFacets"]["outputStatistics"]["rowCount"] == 7
    assert quarantine["facets"].keys() == {"version"}
    assert [dataset["facets"]["version"]["datasetVersion"] for dataset in complete["inputs"]] == [
        "aaa",
        "bbb",
    ]


def test_each_attempt_has_a_run_id_of_its_own(this_run: run.Run, tmp_path: Path) -> None:
    assert _tell(this_run, tmp_path).run_id != _tell(this_run, tmp_path).run_id


def test_inputs_that_the_manifest_leaves_out_are_those_of_the_start(this_run: run.Run, tmp_path: Path) -> None:
    lineage = Lineage(this_run, "report", tmp_path)
    lineage.start(["gold"])
    site = {"rows": 9, "fingerprint": "eee", "schema": []}
    lineage.complete(MANIFEST | {"inputs": {}, "outputs": {"site": site}, "contracts": []})
    complete = _events(this_run)[-1]
    assert [dataset["name"] for dataset in complete["inputs"]] == [str(tmp_path / "data/gold")]
    assert [dataset["name"] for dataset in complete["outputs"]] == [str(tmp_path / "_site")]


def test_a_failed_gate_tells_its_verdicts_and_publishes_no_version(this_run: run.Run, tmp_path: Path) -> None:
    lineage = Lineage(this_run, "silver", tmp_path)
    lineage.start(["bronze/weight"])
    lineage.fail(PotatoError("The silver contract is broken.", hint="mend the rows"), MANIFEST)
    failed = _events(this_run)[-1]
    assert failed["eventType"] == "FAIL"
    message = failed["run"]["facets"]["errorMessage"]
    assert message["programmingLanguage"] == "PYTHON"
    assert "The silver contract is broken." in message["message"]
    assert "mend the rows" in message["message"]
    assert "PotatoError" in message["stackTrace"]
    assert [test["status"] for test in failed["run"]["facets"]["test"]["tests"]] == ["fail"]
    weekly = failed["outputs"][0]
    assert weekly["facets"].keys() == {"dataQualityAssertions"}
    assert not weekly["outputFacets"]


@pytest.mark.parametrize(
    ("error", "state"), [(ValueError(), "FAIL"), (KeyboardInterrupt(), "ABORT"), (SystemExit(1), "ABORT")]
)
def test_what_a_person_ended_is_an_abort(this_run: run.Run, tmp_path: Path, error: BaseException, state: str) -> None:
    Lineage(this_run, "gold", tmp_path).fail(error)
    (event,) = _events(this_run)
    assert event["eventType"] == state
    assert event["run"]["facets"]["errorMessage"]["message"]


def test_a_backend_gets_both_events_in_their_order(
    this_run: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "key")
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "diet-lab")
    with receiver() as backend:
        monkeypatch.setenv("OPENLINEAGE_URL", backend.url)
        before = dict(os.environ)
        _tell(this_run, tmp_path)
    assert dict(os.environ) == before, "the client's copies of its variables are taken back"
    sent = [json.loads(body) for body in backend.bodies("/api/v1/lineage")]
    assert [event["eventType"] for event in sent] == ["START", "COMPLETE"]
    assert {event["job"]["namespace"] for event in sent} == {"diet-lab"}
    assert backend.requests[0][1]["Authorization"] == "Bearer key"
    for written, event in zip(_events(this_run), sent, strict=True):
        event["run"]["facets"].pop("tags")  # added by the client
        assert event == written


def test_the_client_s_own_settings_name_a_backend_too(
    this_run: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as backend:
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", backend.url)
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__ENDPOINT", "events")
        _tell(this_run, tmp_path)
    assert [path for path, _, _ in backend.requests] == ["/events", "/events"]


def test_a_configuration_file_without_a_transport_prints_nothing(
    this_run: run.Run, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "openlineage.yml").write_text("facets:\n  environment_variables: []\n")
    caplog.set_level("INFO", logger="potato")
    _tell(this_run, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert len(_events(this_run)) == 2


def test_disabled_means_the_file_alone(this_run: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as backend:
        monkeypatch.setenv("OPENLINEAGE_URL", backend.url)
        monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
        _tell(this_run, tmp_path)
    assert backend.requests == []
    assert len(_events(this_run)) == 2


@pytest.mark.parametrize("kind", DEAD)
def test_a_dead_backend_is_one_warning_and_no_loss(
    this_run: run.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    with dead_backend(kind) as url:
        monkeypatch.setenv("OPENLINEAGE_URL", url)
        _tell(this_run, tmp_path)
    assert [r.name for r in caplog.records] == ["potato.lineage"]
    assert "did not reach the OpenLineage backend" in caplog.text
    assert [event["eventType"] for event in _events(this_run)] == ["START", "COMPLETE"]


@pytest.mark.parametrize("address", ["not an address", "http://"])
def test_a_backend_that_is_misspelt_stops_nothing(
    this_run: run.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    address: str,
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", address)
    _tell(this_run, tmp_path)
    assert len(caplog.records) == 1
    assert len(_events(this_run)) == 2


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize(
    "origin",
    ["https://someone:secret@example.org/team/study.git", "git@example.org:team/study.git"],
)
def test_the_job_points_at_its_source_without_a_password(this_run: run.Run, tmp_path: Path, origin: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for command in (
        ["init", "-b", "main"],
        ["remote", "add", "origin", origin],
        ["-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--allow-empty", "-m", "one"],
    ):
        subprocess.run(["git", "-C", str(project), *command], check=True, capture_output=True)
    Lineage(this_run, "silver", project).start()
    (event,) = _events(this_run)
    commit = run.environment(project)["git_commit"]
    location = event["job"]["facets"]["sourceCodeLocation"]
    assert location["url"] == f"https://example.org/team/study/blob/{commit}/notebooks/silver.ipynb"
    assert (location["version"], location["branch"]) == (commit, "main")
    assert event["producer"] == f"https://example.org/team/study/tree/{commit}"
    assert "secret" not in json.dumps(event)

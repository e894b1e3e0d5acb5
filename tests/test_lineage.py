from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from potato import backend, ending, facets, run
from potato.columns import source
from potato.errors import PotatoError
from potato.lineage import Lineage, close_left_open, left_behind, run_ended

from . import openlineage_checks
from .receivers import clean_environment, receiver

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
            "energy_kcal_per_day": [
                source("bronze/nutrition", "energy_kcal", "AGGREGATION", "CONDITIONAL"),
                source("bronze/nutrition", "date", "WINDOW"),
            ],
        }
    },
    "row_lineage": {"silver/weekly_features": [source("bronze/nutrition", "fault", "FILTER")]},
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


def _all_events(found: run.Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (found.folder / "lineage.jsonl").read_text().splitlines()]


def _events(found: run.Run) -> list[dict[str, Any]]:
    """Return the events of stages, without those of the pipeline's run as a whole."""
    return [event for event in _all_events(found) if event["job"]["name"] != facets.PIPELINE_JOB]


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
    said = weekly["facets"]
    assert [(f["name"], f["type"], f["ordinal_position"]) for f in said["schema"]["fields"]] == [
        ("subject_id", "string", 1),
        ("energy_kcal_per_day", "double", 2),
    ]
    energy, date = said["columnLineage"]["fields"]["energy_kcal_per_day"]["inputFields"]
    assert (energy["name"], energy["field"]) == (str(tmp_path / "data/bronze/nutrition"), "energy_kcal")
    assert [(one["type"], one["subtype"]) for one in energy["transformations"]] == [
        ("DIRECT", "AGGREGATION"),
        ("INDIRECT", "CONDITIONAL"),
    ]
    assert [(one["type"], one["subtype"]) for one in date["transformations"]] == [("INDIRECT", "WINDOW")]
    (fault,) = said["columnLineage"]["dataset"]
    assert (fault["name"], fault["field"]) == (str(tmp_path / "data/bronze/nutrition"), "fault")
    assert [(one["type"], one["subtype"]) for one in fault["transformations"]] == [("INDIRECT", "FILTER")]
    assert said["columnLineage"]["_schemaURL"].split("/")[5] == "1-2-0"
    (assertion,) = said["dataQualityAssertions"]["assertions"]
    assert (assertion["success"], assertion["severity"]) == (False, "warn")
    assert assertion["column"] == "energy_kcal_per_day"
    assert said["version"]["datasetVersion"] == "ccc"
    assert weekly["outputFacets"]["outputStatistics"]["rowCount"] == 7
    assert quarantine["facets"].keys() == {"version", "dataSource"}
    assert [dataset["facets"]["version"]["datasetVersion"] for dataset in complete["inputs"]] == [
        "aaa",
        "bbb",
    ]


def test_the_first_stage_starts_the_pipeline_s_run_and_its_end_is_told_once(this_run: run.Run, tmp_path: Path) -> None:
    _tell(this_run, tmp_path)
    _tell(this_run, tmp_path)
    run_ended(this_run, "succeeded")
    told = [event for event in _all_events(this_run) if event["job"]["name"] == facets.PIPELINE_JOB]
    assert [event["eventType"] for event in told] == ["START", "COMPLETE"]
    assert {event["run"]["runId"] for event in told} == {this_run.id}
    assert told[0]["eventTime"] == this_run.started
    assert _all_events(this_run)[0] == told[0]
    assert _all_events(this_run)[-1] == told[1]


@pytest.mark.parametrize(("outcome", "state"), [("failed", "FAIL"), ("aborted", "ABORT")])
def test_a_run_that_did_not_end_well_says_why(
    this_run: run.Run, outcome: Literal["failed", "aborted"], state: str
) -> None:
    run_ended(this_run, outcome, "The silver contract is broken.")
    (event,) = _all_events(this_run)
    assert event["eventType"] == state
    assert event["run"]["facets"]["errorMessage"]["message"] == "The silver contract is broken."


KILLED = """
import os, signal
from pathlib import Path
from potato import ending, run
from potato.lineage import Lineage
from potato.work import OUTPUTS

root = Path.cwd()
found = run.current(root)
for stage in ("bronze", "silver"):
    ending.begun(found, ending.opening(found, stage, "demo", OUTPUTS), "1" * 16)
    lineage = Lineage(found, stage, root)
    lineage.start(["bronze/weight"])
    if stage == "bronze":
        lineage.complete({"inputs": {}, "outputs": {}, "column_lineage": {}, "row_lineage": {}, "contracts": []})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> run.Run:
    """Return a run whose process was killed within silver."""
    monkeypatch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
    ended = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False)
    assert ended.returncode == -signal.SIGKILL
    found = run.latest(tmp_path)
    assert found is not None
    return found


def test_the_next_run_tells_the_end_of_a_killed_stage_and_of_its_run_once_and_first(
    killed: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = ending.last_sign(killed)
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        left_behind(killed, "aborted", left)
        left_behind(killed, "aborted", left)
        assert server.requests == []
        monkeypatch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
        following = run.current(tmp_path)
        _tell(following, tmp_path)
        run_ended(following, "succeeded")
    told = _all_events(killed)
    jobs = [(event["eventType"], event["job"]["name"]) for event in told]
    assert jobs == [
        ("START", "potato.pipeline"),
        ("START", "potato.bronze"),
        ("COMPLETE", "potato.bronze"),
        ("START", "potato.silver"),
        ("ABORT", "potato.silver"),
        ("ABORT", "potato.pipeline"),
    ]
    assert told[4]["run"]["runId"] == told[3]["run"]["runId"]
    assert told[4]["run"]["facets"]["parent"]["run"]["runId"] == killed.id
    assert told[4]["job"]["facets"] == told[3]["job"]["facets"]
    assert "killed" in told[4]["run"]["facets"]["errorMessage"]["message"]
    assert [wrong for event in told for wrong in openlineage_checks.by_classes(event)] == []
    sent = [json.loads(body) for body in server.bodies("/api/v1/lineage")]
    assert [(event["eventType"], event["job"]["name"]) for event in sent[:2]] == jobs[-2:]
    assert [event["eventType"] for event in sent[2:]] == ["START", "START", "COMPLETE", "COMPLETE"]
    times = [event["eventTime"] for event in told]
    assert times == sorted(times)
    assert times[-1] == max(run.at(left), times[3]) <= sent[-1]["eventTime"]


def test_a_replay_tells_the_end_of_what_was_killed_and_the_next_run_does_not_tell_it_again(
    killed: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        for _ in range(2):
            close_left_open(tmp_path)
            backend.replay(tmp_path)
        left_behind(killed, "aborted", ending.last_sign(killed))
        backend.replay(tmp_path)
    sent = [json.loads(body) for body in server.bodies("/api/v1/lineage")]
    ends = [(event["eventType"], event["job"]["name"]) for event in sent]
    assert ends == [("ABORT", "potato.silver"), ("ABORT", "potato.pipeline")]


def test_a_verdict_on_a_model_is_named_by_it_and_claims_no_column(this_run: run.Run, tmp_path: Path) -> None:
    lineage = Lineage(this_run, "silver", tmp_path)
    lineage.complete(MANIFEST | {"contracts": [VERDICT | {"column": "ols_cluster", "expectation": "residuals"}]})
    weekly = _events(this_run)[-1]["outputs"][0]
    (assertion,) = weekly["facets"]["dataQualityAssertions"]["assertions"]
    assert "column" not in assertion
    assert assertion["name"] == "ols_cluster residuals"


def test_the_layer_s_account_of_its_rows_is_a_dataset_with_its_verdicts(this_run: run.Run, tmp_path: Path) -> None:
    lineage = Lineage(this_run, "silver", tmp_path)
    lineage.start()
    lineage.complete(MANIFEST | {"ledger": "fff", "contracts": [VERDICT | {"dataset": "silver/ledger", "column": ""}]})
    ledger = _events(this_run)[-1]["outputs"][-1]
    assert ledger["name"] == str(tmp_path / "data/silver/ledger.json")
    assert ledger["facets"]["version"]["datasetVersion"] == "fff"
    assert len(ledger["facets"]["dataQualityAssertions"]["assertions"]) == 1


def test_every_event_leads_to_the_run_s_trace(this_run: run.Run, tmp_path: Path) -> None:
    _tell(this_run, tmp_path)
    run_ended(this_run, "succeeded")
    for event in _all_events(this_run):
        tags = {tag["key"]: tag["value"] for tag in event["run"]["facets"]["tags"]["tags"]}
        assert tags["trace_id"] == this_run.trace_id == this_run.id.replace("-", "")


def test_a_stage_tells_what_it_was_told(this_run: run.Run, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(
        "study: demo\nengine: duckdb\nsilver:\n  min_weights: 2\n  deep: {half: 0.5, names: [a, b], none: null}\n"
        "gold:\n  seed: 1\n"
    )
    _tell(this_run, tmp_path)
    for event in _events(this_run):
        told = {p["key"]: p["value"] for p in event["run"]["facets"]["executionParameters"]["parameters"]}
        assert told == {
            "study": "demo",
            "engine": "duckdb",
            "silver.min_weights": "2",
            "silver.deep.half": "0.5",
            "silver.deep.names": "a, b",
            "silver.deep.none": "null",
        }


def test_every_dataset_is_on_a_named_source(this_run: run.Run, tmp_path: Path) -> None:
    _tell(this_run, tmp_path)
    found = [dataset for event in _events(this_run) for dataset in event["inputs"] + event["outputs"]]
    assert len(found) == 6
    for dataset in found:
        source = dataset["facets"]["dataSource"]
        assert (source["name"], source["uri"]) == ("file", tmp_path.as_uri())


def test_raw_files_are_told_with_the_columns_that_were_read(this_run: run.Run, tmp_path: Path) -> None:
    raw, entry = "raw/demo/weight.csv", {"rows": 1, "fingerprint": "f", "schema": []}
    lineage = Lineage(this_run, "bronze", tmp_path)
    lineage.start([raw])
    traced = {"bronze/weight": {"weight": [source(raw, "kilos", "IDENTITY")], "source_row": []}}
    lineage.complete(MANIFEST | {"inputs": {raw: "aaa"}, "outputs": {"bronze/weight": entry}, "column_lineage": traced})
    (read,) = _events(this_run)[-1]["inputs"]
    assert [(field["name"], field["type"]) for field in read["facets"]["schema"]["fields"]] == [("kilos", "string")]


def test_a_fitted_model_is_a_dataset_whose_columns_are_its_terms(this_run: run.Run, tmp_path: Path) -> None:
    sources = [
        source("silver/modeling_dataset", "energy_kcal_per_day", "AGGREGATION"),
        source("silver/modeling_dataset", "group", "GROUP_BY"),
    ]
    lineage = Lineage(this_run, "gold", tmp_path)
    lineage.start(["silver/modeling_dataset"])
    lineage.complete(MANIFEST | {"column_lineage": {"gold/models/fixed_effects": {"energy_kcal_per_day": sources}}})
    model = _events(this_run)[-1]["outputs"][-1]
    assert model["name"] == str(tmp_path / "data/gold/models/fixed_effects")
    assert [field["name"] for field in model["facets"]["schema"]["fields"]] == ["energy_kcal_per_day"]
    found = model["facets"]["columnLineage"]["fields"]["energy_kcal_per_day"]["inputFields"]
    assert [(f["field"], f["transformations"][0]["type"]) for f in found] == [
        ("energy_kcal_per_day", "DIRECT"),
        ("group", "INDIRECT"),
    ]


def test_each_attempt_has_a_run_id_of_its_own(this_run: run.Run, tmp_path: Path) -> None:
    assert _tell(this_run, tmp_path).run_id != _tell(this_run, tmp_path).run_id


def test_inputs_that_the_manifest_leaves_out_are_those_of_the_start(this_run: run.Run, tmp_path: Path) -> None:
    lineage = Lineage(this_run, "report", tmp_path)
    lineage.start(["gold"])
    site = {"rows": 9, "fingerprint": "eee", "schema": []}
    lineage.complete(MANIFEST | {"inputs": {}, "outputs": {"site": site}, "column_lineage": {}, "contracts": []})
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
    assert weekly["facets"].keys() == {"dataQualityAssertions", "dataSource"}
    assert not weekly["outputFacets"]


@pytest.mark.parametrize(
    ("error", "state"), [(ValueError(), "FAIL"), (KeyboardInterrupt(), "ABORT"), (SystemExit(1), "ABORT")]
)
def test_what_a_person_ended_is_an_abort(this_run: run.Run, tmp_path: Path, error: BaseException, state: str) -> None:
    Lineage(this_run, "gold", tmp_path).fail(error)
    (event,) = _events(this_run)
    assert event["eventType"] == state
    assert event["run"]["facets"]["errorMessage"]["message"]


def _all_kinds(found: run.Run, root: Path) -> list[dict[str, Any]]:
    """Return one event of every kind that a run tells, with every facet."""
    (root / "params.yaml").write_text("study: demo\nengine: duckdb\nsilver: {min_weights_per_week: 1}\n")
    _tell(found, root)
    Lineage(found, "gold", root).fail(ValueError("broken"), MANIFEST)
    bronze = Lineage(found, "bronze", root)
    bronze.start(["raw/demo/weight.csv"])
    traced = {"bronze/weight": {"weight": [source("raw/demo/weight.csv", "kilos", "IDENTITY")]}}
    bronze.complete(MANIFEST | {"inputs": {"raw/demo/weight.csv": "aaa"}, "column_lineage": traced})
    report = Lineage(found, "report", root)
    report.start(["gold/models/coefficients"])
    report.fail(KeyboardInterrupt())
    run_ended(found, "failed", "The gold contract is broken.")
    return _all_events(found)


def _repository(folder: Path, origin: str) -> None:
    for command in (
        ["init", "-b", "main"],
        ["remote", "add", "origin", origin],
        ["-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--allow-empty", "-m", "one"],
    ):
        subprocess.run(["git", "-C", str(folder), *command], check=True, capture_output=True)


_ORIGINS = ("https://example.org/a/b.git", "alice@example.org:b.git", "example.org:b", "/srv/b.git", "../b", "b:c/d")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("origin", _ORIGINS)
@pytest.mark.parametrize("check", [openlineage_checks.by_classes, openlineage_checks.by_schemas])
def test_every_event_is_what_the_schemas_ask_for(
    this_run: run.Run, tmp_path: Path, origin: str, check: Callable[[dict[str, Any]], list[str]]
) -> None:
    if check is openlineage_checks.by_schemas and not openlineage_checks.SPEC:
        pytest.skip("OPENLINEAGE_SPEC names no folder with the official schemas")
    _repository(tmp_path, origin)
    told = _all_kinds(this_run, tmp_path)
    assert {event["eventType"] for event in told} == {"START", "COMPLETE", "FAIL", "ABORT"}
    assert {name for event in told for name, _ in openlineage_checks.facets(event)} == {
        "columnLineage", "dataQualityAssertions", "dataSource", "errorMessage", "executionParameters", "jobType",
        "outputStatistics", "parent", "processing_engine", "schema", "sourceCodeLocation", "tags", "test", "version",
    }  # fmt: skip
    assert [wrong for event in told for wrong in check(event)] == []


def test_the_check_by_classes_sees_what_is_wrong(this_run: run.Run, tmp_path: Path) -> None:
    _tell(this_run, tmp_path)
    event = _events(this_run)[-1]
    output = event["outputs"][0]
    output["outputFacets"]["outputStatistics"]["rowCount"] = "seven"
    output["facets"]["schema"]["fields"][0]["title"] = "who"
    del event["run"]["runId"]
    event["eventType"] = "DONE"
    assert len(openlineage_checks.by_classes(event)) == 4


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize(
    "origin",
    ["https://someone:secret@example.org/team/study.git", "git@example.org:team/study.git"],
)
def test_the_job_points_at_its_source_without_a_password(this_run: run.Run, tmp_path: Path, origin: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    _repository(project, origin)
    Lineage(this_run, "silver", project).start()
    (event,) = _events(this_run)
    commit = run.environment(project)["git_commit"]
    location = event["job"]["facets"]["sourceCodeLocation"]
    assert location["url"] == f"https://example.org/team/study/blob/{commit}/notebooks/silver.ipynb"
    assert (location["version"], location["branch"]) == (commit, "main")
    assert event["producer"] == f"https://example.org/team/study/tree/{commit}"
    assert "secret" not in json.dumps(event)

"""A run has one root span and one outcome, told by the process with which it ends, or by the next run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from potato import ending, run, spans
from potato.telemetry import Telemetry, kernel_file
from potato.work import OUTPUTS

from .receivers import clean_environment

DVC = """
import subprocess, sys
for stage in sys.argv[-1].split("+"):
    if subprocess.run([sys.executable, sys.argv[1], stage]).returncode:
        break
"""
STAGE = """
import sys
from pathlib import Path
from potato import ending, run
from potato.work import OUTPUTS
from potato.telemetry import Telemetry

found = run.current(Path.cwd())
state = ending.opening(found, sys.argv[1], "demo", OUTPUTS)
telemetry = Telemetry(found, sys.argv[1], "demo")
telemetry.below(state.root_span_id)
with telemetry:
    state = ending.begun(found, state, telemetry.span_id)
    outcome = ending.outcome_of(state, None)
    if outcome and ending.take(found):
        telemetry.ends_run(found, state, outcome)
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    clean_environment(monkeypatch)


def lines(found: run.Run, name: str) -> list[dict[str, Any]]:
    path = found.folder / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def new_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> run.Run:
    monkeypatch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
    return run.current(root)


def repro(folder: Path, stages: str, *arguments: str) -> run.Run:
    """Run stages as children of a process that looks like `dvc repro`."""
    (folder / "dvc").write_text(DVC)
    (folder / "stage.py").write_text(STAGE)
    command = [sys.executable, str(folder / "dvc"), str(folder / "stage.py"), "repro", *arguments, stages]
    subprocess.run(command, cwd=folder, check=True)
    found = run.latest(folder)
    assert found is not None
    return found


def test_the_stages_of_one_repro_have_one_root_that_holds_them(tmp_path: Path) -> None:
    found = repro(tmp_path, "bronze+silver+gold+report", "--force")
    spans_ = {span["name"]: span for span in lines(found, "traces.jsonl")}
    root = spans_.pop("dvc repro")
    assert spans_.keys() == {"stage bronze", "stage silver", "stage gold", "stage report"}
    assert {span["parent_span_id"] for span in spans_.values()} == {root["span_id"]}
    assert root["parent_span_id"] is None
    assert root["trace_id"] == found.trace_id
    assert all(root["start"] <= span["start"] <= span["end"] <= root["end"] for span in spans_.values())
    outcomes = [line for line in lines(found, "metrics.jsonl") if line["metric"] == "potato.run.outcomes"]
    assert [line["attributes"]["outcome"] for line in outcomes] == ["succeeded"]


def test_an_outer_span_is_the_parent_of_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01")
    found = repro(tmp_path, "gold+report", "-f")
    (root,) = [span for span in lines(found, "traces.jsonl") if span["name"] == "dvc repro"]
    assert root["parent_span_id"] == "b7ad6b7169203331"
    assert root["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        ((), "report"),
        (("--force", "--quiet"), "report"),
        (("bronze",), "bronze"),
        (("silver", "bronze"), "silver"),
        (("dvc.yaml:gold",), "gold"),
        (("data/silver",), "silver"),
        (("./data/quarantine/",), "silver"),
        (("--downstream", "bronze"), "report"),
        (("-P", "bronze"), "report"),
        (("-n", "gold"), "report"),
        (("-S", "study=demo", "silver"), "silver"),
        (("something/else",), "report"),
    ],
)
def test_a_run_ends_with_the_furthest_stage_that_was_asked_for(arguments: tuple[str, ...], last: str) -> None:
    assert ending._last(arguments, OUTPUTS) == last


def test_a_stage_typed_by_hand_is_a_run_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = new_run(tmp_path, monkeypatch)
    state = ending.opening(found, "silver", "demo", OUTPUTS)
    assert (state.name, state.last) == ("potato run silver", "silver")
    assert ending.outcome_of(state, None) == "succeeded"


def test_a_failure_ends_the_run_and_an_interruption_aborts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "bronze")
    state = ending.opening(new_run(tmp_path, monkeypatch), "bronze", "demo", OUTPUTS)
    assert ending.outcome_of(state, None) is None, "silver is still to come"
    assert ending.outcome_of(state, ValueError("x")) == "failed"
    assert ending.outcome_of(state, KeyboardInterrupt()) == "aborted"


def test_one_process_tells_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = new_run(tmp_path, monkeypatch)
    ending.begun(found, ending.opening(found, "gold", "demo", OUTPUTS), "1" * 16)
    assert [ending.take(found), ending.take(found)] == [True, False]


KILLED = """
import os, signal, sys
from pathlib import Path
from potato import ending, run, spans
from potato.work import OUTPUTS
from potato.telemetry import Telemetry, kernel_file

found = run.current(Path.cwd())
state = ending.opening(found, "silver", "demo", OUTPUTS)
telemetry = Telemetry(found, "silver", "demo")
telemetry.below(state.root_span_id)
telemetry.__enter__()
ending.begun(found, state, telemetry.span_id)
telemetry.log("info", "stage started")
with telemetry.span("part"):
    pass
os.environ[spans.FILE_VARIABLE] = str(kernel_file(found, "silver"))
with spans.span("SELECT weight"):
    pass
if sys.argv[1] == "ran":
    run.record(found, "silver", status="ran", fingerprint="f", seconds=1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("index", "outcome"), [("nothing", "aborted"), ("ran", "succeeded")])
def test_a_run_that_told_no_end_is_closed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str, outcome: str
) -> None:
    identity = str(uuid.uuid4())
    monkeypatch.setenv("POTATO_RUN_ID", identity)
    subprocess.run([sys.executable, "-c", KILLED, index], cwd=tmp_path, check=False)
    killed = run.latest(tmp_path)
    assert killed is not None
    assert killed.id == identity
    found = new_run(tmp_path, monkeypatch)
    ((other, state),) = ending.left_open(tmp_path, found)
    told = ending.outcome_left(tmp_path, other, state)
    assert (other.id, told) == (identity, outcome)
    with Telemetry(found, "bronze", "demo") as telemetry:
        assert ending.take(other)
        telemetry.ends_run(other, state, told, ending.last_sign(other))
    assert ending.left_open(tmp_path, found) == []
    closed = lines(other, "traces.jsonl")
    known = {span["span_id"] for span in closed}
    (root,) = [span for span in closed if span["name"] == "potato run silver"]
    assert root["attributes"]["potato.outcome"] == outcome
    assert {span["trace_id"] for span in closed} == {other.trace_id}
    if outcome == "aborted":
        assert [span["name"] for span in closed if span["parent_span_id"] not in known] == ["potato run silver"]
        assert {span["name"] for span in closed} >= {"part", "stage silver", "SELECT weight"}
        assert root["status"] == "error"
    outcomes = [line for line in lines(found, "metrics.jsonl") if line["metric"] == "potato.run.outcomes"]
    assert [line["attributes"]["outcome"] for line in outcomes] == [outcome]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("open.json", {"process": "x"}),
        ("open.json", {"process": 5}),
        ("open.json", {"stage_started": "noon"}),
        ("open.json", {"root_span_id": "no id"}),
        ("run.json", {"started": "hello"}),
        ("run.json", {"trace_id": "no id"}),
    ],
)
def test_what_is_damaged_of_an_earlier_run_fails_no_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, changes: dict[str, Any]
) -> None:
    earlier = new_run(tmp_path, monkeypatch)
    ending.begun(earlier, ending.opening(earlier, "silver", "demo", OUTPUTS), "1" * 16)
    path = earlier.folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert ending.left_open(tmp_path, new_run(tmp_path, monkeypatch)) == []


def test_a_run_whose_start_is_no_time_gets_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = new_run(tmp_path, monkeypatch)
    card = found.folder / "run.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"started": "hello"}))
    assert run.is_moment(run.current(tmp_path).started)


def test_an_index_line_without_a_time_says_nothing_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = new_run(tmp_path, monkeypatch)
    state = ending.begun(found, ending.opening(found, "silver", "demo", OUTPUTS), "1" * 16)
    run.append(tmp_path / "runs/index.jsonl", {"run_id": found.id, "stage": "silver", "status": "ran"})
    assert ending.outcome_left(tmp_path, found, state) == "aborted"


def test_two_repros_within_one_trace_have_a_root_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01")
    repro(tmp_path, "gold+report", "-f")
    found = repro(tmp_path, "report", "-f")
    told = lines(found, "traces.jsonl")
    first, second = [span for span in told if span["name"] == "dvc repro"]
    assert first["span_id"] != second["span_id"]
    below = {span["name"]: span["parent_span_id"] for span in told if span["name"].startswith("stage ")}
    assert below == {"stage gold": first["span_id"], "stage report": second["span_id"]}
    assert first["end"] <= second["start"] <= second["end"]


def test_a_run_that_is_still_at_it_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = new_run(tmp_path, monkeypatch)
    ending.begun(busy, ending.opening(busy, "gold", "demo", OUTPUTS), "1" * 16)
    assert ending.left_open(tmp_path, new_run(tmp_path, monkeypatch)) == [], "its process, this one, is alive"


def test_spans_of_a_kernel_lie_below_the_cell_of_their_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = new_run(tmp_path, monkeypatch)
    kernel = kernel_file(found, "gold")
    monkeypatch.setenv(spans.FILE_VARIABLE, str(kernel))

    def cell(place: int) -> dict[str, Any]:
        started = run.now()
        with spans.span(f"outer {place}"), spans.span(f"inner {place}", rows=place):
            pass
        timing = {"start_time": started, "end_time": run.now()[:-1] + "999Z", "status": "completed"}
        return {"cell_type": "code", "source": "", "outputs": [], "metadata": {"papermill": timing}}

    heading = {"cell_type": "markdown", "source": "## Fit"}
    made = []
    for place in (1, 2):
        made.append(cell(place))
        time.sleep(0.005)
    with Telemetry(found, "gold", "demo") as telemetry:
        telemetry.notebook_spans({"cells": [heading, *made]}, kernel)
    told = {span["name"]: span for span in lines(found, "traces.jsonl")}
    cells = [span for span in lines(found, "traces.jsonl") if span["name"] == "Fit"]
    assert [told[f"outer {n}"]["parent_span_id"] for n in (1, 2)] == [span["span_id"] for span in cells]
    assert told["inner 2"]["parent_span_id"] == told["outer 2"]["span_id"]
    assert told["inner 2"]["attributes"]["rows"] == 2
    assert not kernel.exists()

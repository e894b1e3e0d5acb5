"""A stage publishes all of its output or nothing, and one process at a time runs it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from potato import lake, spool
from potato.backend import REQUEST_SECONDS
from potato.bronze import CSVLoader
from potato.errors import PotatoError
from potato.stage import Stage

from .receivers import DEAD, Receiver, clean_environment, dead_backend, receiver

Study = Callable[..., str]
ROWS = "who,date,weight\na,2022-05-01,80.5\na,2022-05-02,80.1\n"


@pytest.fixture
def small(study: Study, project: Path) -> Path:
    """A project whose study is `small`."""
    study({"weight.csv": ROWS})
    choose(project, "small")
    return project


def choose(project: Path, name: str) -> None:
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("study: demo", f"study: {name}"))


def run(project: Path, name: str) -> list[str]:
    told: list[str] = []
    Stage(name, project, told.append).execute()
    return told


def bronze(name: str) -> None:
    """Write bronze as its notebook does, without the notebook."""
    loader = CSVLoader(name)
    loader.read_nutrition_files()
    loader.basic_validation()
    loader.validate_schema()
    loader.save()


def events(project: Path) -> list[str]:
    """Return the states that the stages told, without those of the run as a whole."""
    told = map(json.loads, (project / "runs/latest/lineage.jsonl").read_text().splitlines())
    return [event["eventType"] for event in told if event["job"]["name"] != "potato.pipeline"]


def roots(project: Path) -> list[tuple[str, str]]:
    """Return the name and outcome of each root span of the newest run."""
    told = map(json.loads, (project / "runs/latest/traces.jsonl").read_text().splitlines())
    return [(span["name"], span["attributes"]["potato.outcome"]) for span in told if span["parent_span_id"] is None]


def test_a_stage_publishes_data_manifest_and_executed_notebook(small: Path) -> None:
    told = run(small, "bronze")
    assert lake.read(small / "data/bronze/weight").num_rows == 2
    assert lake.read_json(small / "data/bronze/manifest.json")["study"] == "small"
    assert (small / "runs/latest/notebooks/bronze.ipynb").is_file()
    assert events(small) == ["START", "COMPLETE"]
    assert roots(small) == [("potato run bronze", "succeeded")]
    assert not list((small / "data/.staging").iterdir())
    assert "Read the raw files" in "".join(told)


def test_a_failed_stage_leaves_the_last_good_output_and_says_why(small: Path, study: Study) -> None:
    run(small, "bronze")
    before = lake.fingerprint(small / "data/bronze")
    study({"weight.csv": "who,date,weigth\na,2022-05-01,80\n"})
    with pytest.raises(PotatoError, match="no column 'weight'"):
        run(small, "bronze")
    assert lake.fingerprint(small / "data/bronze") == before
    assert events(small)[-2:] == ["START", "FAIL"]
    assert roots(small)[-1] == ("potato run bronze", "failed")
    log = [json.loads(line) for line in (small / "runs/latest/logs.jsonl").read_text().splitlines()]
    assert any("Traceback" in line.get("traceback", "") for line in log)


def test_a_broken_contract_stops_the_stage_with_dataset_and_sentence(small: Path, study: Study) -> None:
    study({"weight.csv": "who,date,weight\n"})
    with pytest.raises(PotatoError, match="bronze contract is broken in 1 place") as caught:
        run(small, "bronze")
    assert caught.value.where == "bronze/weight"
    assert caught.value.expected == "bronze/weight has at least 1 row."
    assert not (small / "data/bronze").exists()
    assert (small / "runs/latest/failed/bronze/data/bronze/manifest.json").is_file()
    verdicts = lake.read_json(small / "runs/latest/contracts/bronze.json")
    assert [v["severity"] for v in verdicts if not v["success"]] == ["error", "warning"]


def test_what_went_wrong_stands_in_the_line_of_the_terminal_the_file_and_the_collector(
    small: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    study({"weight.csv": "who,date,weight\n"})
    told: list[str] = []
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with pytest.raises(PotatoError):
            Stage("bronze", small, told.append).execute()
    missed = "bronze/weight: bronze/weight has at least 1 row. Found: 0"
    assert f"bronze   error: {missed}" in told
    log = [json.loads(line) for line in (small / "runs/latest/logs.jsonl").read_text().splitlines()]
    errors = [line["event"] for line in log if line["level"] == "error"]
    assert errors[0] == f"expectation missed: {missed}"
    assert errors[1] == "stage failed: The bronze contract is broken in 1 place."
    assert errors[2].startswith("exception: GateFailed: The bronze contract is broken in 1 place. where: bronze/weight")
    (line,) = [line for line in log if line["event"] == errors[0]]
    assert (line["dataset"], line["sentence"]) == ("bronze/weight", "bronze/weight has at least 1 row.")
    bodies = map(ExportLogsServiceRequest.FromString, collector.bodies("/v1/logs"))
    sent = [one for b in bodies for r in b.resource_logs for s in r.scope_logs for one in s.log_records]
    assert [one.body.string_value for one in sent if one.severity_text == "ERROR"] == errors


def test_a_notebook_that_leaves_early_is_no_success(small: Path) -> None:
    path = small / "notebooks" / "bronze.ipynb"
    content = json.loads(path.read_text())
    content["cells"][3]["source"] = "import sys\nsys.exit(0)"
    path.write_text(json.dumps(content))
    with pytest.raises(PotatoError):
        run(small, "bronze")
    assert not (small / "data/bronze").exists()


def test_a_second_process_is_told_who_runs_the_stage(small: Path) -> None:
    code = (
        "import sys, fcntl, os\nf = open(sys.argv[1], 'a+')\nfcntl.flock(f, fcntl.LOCK_EX)\n"
        "f.write(str(os.getpid()))\nf.flush()\nprint('held', flush=True)\nsys.stdin.read()"
    )
    (small / "runs").mkdir()
    (small / "runs/latest").symlink_to("the one that is at it")
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(small / "runs/.bronze.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PotatoError, match="already running") as caught:
            run(small, "bronze")
        assert caught.value.found == f"process {holder.pid}"
        assert (small / "runs/latest").readlink() == Path("the one that is at it")
    finally:
        holder.communicate("")
    run(small, "bronze")


def test_a_stage_ends_when_the_process_that_started_it_is_killed(small: Path) -> None:
    notebook = small / "notebooks" / "bronze.ipynb"
    content = json.loads(notebook.read_text())
    content["cells"][3]["source"] = "import time\ntime.sleep(600)"
    notebook.write_text(json.dumps(content))
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'potato.cli', 'run', 'bronze'])"
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    lock = small / "runs/.bronze.lock"
    child = waited(lambda: lock.is_file() and lock.read_text().strip())
    waited(lambda: "Read the raw files" if (small / "runs/latest/lineage.jsonl").is_file() else "")
    parent.kill()
    parent.wait()
    waited(lambda: "" if alive(int(child)) else "gone")
    assert events(small)[-1] == "ABORT"
    assert roots(small) == [("potato run bronze", "aborted")]
    assert not (small / "data/bronze").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_stage_keeps_what_had_run(small: Path, number: signal.Signals) -> None:
    reached = small / "reached"
    with_cell(small, f"from pathlib import Path\nimport time\nPath({str(reached)!r}).touch()\ntime.sleep(600)")
    child = subprocess.Popen([sys.executable, "-m", "potato.cli", "run", "bronze"], stderr=subprocess.DEVNULL)
    waited(reached.is_file)
    child.send_signal(number)
    assert child.wait() == 130
    told = list(map(json.loads, (small / "runs/latest/traces.jsonl").read_text().splitlines()))
    (stage,) = [span for span in told if span["name"] == "stage bronze"]
    assert (stage["status"], stage["message"]) == ("error", "KeyboardInterrupt")
    cells = [span for span in told if "cell.index" in span["attributes"]]
    assert [span["status"] for span in cells][-1] == "error"
    assert len(cells) > 1
    assert (small / "runs/latest/notebooks/bronze.ipynb").is_file()
    assert not list((small / "runs/latest/").glob(".spans-*"))
    assert events(small) == ["START", "ABORT"]


def test_a_kernel_that_dies_leaves_the_cells_that_it_had_run(small: Path) -> None:
    with_cell(small, "import os\nos._exit(1)")
    with pytest.raises(PotatoError, match="died"):
        run(small, "bronze")
    told = list(map(json.loads, (small / "runs/latest/traces.jsonl").read_text().splitlines()))
    cells = [span for span in told if "cell.index" in span["attributes"]]
    assert [span["status"] for span in cells][-1] == "error"
    assert (small / "runs/latest/notebooks/bronze.ipynb").is_file()


def test_a_span_or_a_raw_file_with_a_name_that_is_no_text_stops_no_stage(small: Path) -> None:
    with_cell(small, "from potato import spans\nwith spans.span('q \\udce9'): pass", instead=False)
    run(small, "bronze")
    told = map(json.loads, (small / "runs/latest/traces.jsonl").read_text().splitlines())
    assert r"q \udce9" in [span["name"] for span in told]


def with_cell(project: Path, source: str, *, instead: bool = True) -> None:
    """Put a cell's source in the place of the notebook's second code cell, or before it."""
    notebook = project / "notebooks" / "bronze.ipynb"
    content = json.loads(notebook.read_text())
    before = "" if instead else "\n" + "".join(content["cells"][3]["source"])
    content["cells"][3]["source"] = source + before
    notebook.write_text(json.dumps(content))


def waited(found: Callable[[], str | bool]) -> str:
    """Return what `found` gives as soon as it gives something; fail after a minute."""
    for _ in range(600):
        if result := found():
            return str(result)
        time.sleep(0.1)
    pytest.fail("nothing happened within a minute")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIG_DFL)
    except ProcessLookupError:
        return False
    return "zombie" not in Path(f"/proc/{pid}/status").read_text() if Path(f"/proc/{pid}/status").exists() else True


def test_an_unknown_stage_names_the_nearest(small: Path) -> None:
    with pytest.raises(PotatoError, match="no stage called 'sliver'") as caught:
        Stage("sliver", small, print)
    assert caught.value.nearest == "silver"


def test_silver_is_compared_with_the_last_accepted_data_of_the_same_study(
    small: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for more in ("", "a,2022-05-03,79.8\n"):
        with monkeypatch.context() as patch:
            patch.setenv("POTATO_STAGING", str(small))
            bronze(study({"weight.csv": ROWS + more}))
        run(small, "silver")
        found.append(lake.read_json(small / "runs/latest/contracts/drift.json"))
    assert [drift["status"] for drift in found] == ["first", "compared"]
    assert found[-1]["rows"]["kept"] == [2, 3]


@pytest.mark.parametrize("kind", ["hang", "slow", "http://"])
def test_a_lineage_backend_that_fails_stops_no_stage_and_loses_no_event(
    small: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    clean_environment(monkeypatch)
    monkeypatch.setenv("POTATO_ROOT", str(small))
    with contextlib.ExitStack() as stack:
        if kind == "slow":
            server = stack.enter_context(receiver(delay=REQUEST_SECONDS * 0.7))
        else:
            server = Receiver(stack.enter_context(dead_backend(kind)) if kind in DEAD else kind)
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        run(small, "bronze")
        taken = [json.loads(body) for body in server.bodies("/api/v1/lineage")]
    assert (small / "data/bronze/manifest.json").is_file()
    folder = (small / "runs/latest").resolve()
    written = [event["eventType"] for event in map(json.loads, (folder / "lineage.jsonl").read_text().splitlines())]
    assert written == ["START", "START", "COMPLETE", "COMPLETE"]
    waiting = spool.waiting(folder)
    assert [event["eventType"] for event in [*taken, *waiting]] == written
    waits = folder / ".waited-lineage"
    assert not waits.is_file() or sum(map(float, waits.read_text().split())) <= 2

"""The whole pipeline under DVC: what reruns, what is byte-identical, and what a person sees when it stops."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from bs4 import BeautifulSoup
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from potato import lake, measures, results, totals

from . import browser, openlineage_checks, openlineage_graph, prometheus, walk
from .conftest import SHARED, copy_project
from .receivers import Receiver, receiver

STAGES = ["simulate", "bronze", "silver", "gold", "report"]


def dvc(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return typed(project, "dvc", *arguments, **environment)


def typed(project: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment that runs the tests."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("POTATO_", "OTEL_", "OPENLINEAGE_", "MLFLOW_"))}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    clean.pop("TRACEPARENT", None)
    return subprocess.run(words, cwd=project, env=clean | environment, capture_output=True, text=True, check=False)


def repro(project: Path, *arguments: str, **environment: str) -> list[str]:
    """Run `dvc repro` and return the stages that ran."""
    done = dvc(project, "repro", *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return [name for name in STAGES if f"Running stage '{name}'" in done.stdout]


def fingerprints(project: Path) -> dict[str, str]:
    layers = ("data/bronze", "data/silver", "data/quarantine", "data/gold")
    return {
        path.relative_to(project).as_posix(): lake.file_sha256(path)
        for layer in layers
        for path in sorted((project / layer).rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Receiver]:
    """A project in which the demo study has run, and what a collector and a lineage backend got of it."""
    project = copy_project(tmp_path_factory.mktemp("demo"))
    with receiver() as server:
        more = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OPENLINEAGE_URL": server.url}
        more |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        assert repro(project, **more) == STAGES
        # On a busy machine a run may have ended before the backend had everything.
        replayed = typed(project, "potato", "lineage", "replay", **more)
        assert replayed.returncode == 0, replayed.stderr
    return project, server


@pytest.fixture(scope="module")
def demo(told: tuple[Path, Receiver]) -> Path:
    """A project in which the demo study has run."""
    return told[0]


@pytest.fixture(scope="module")
def sent(told: tuple[Path, Receiver]) -> list[dict[str, Any]]:
    """The lineage events that a backend got of that run."""
    return [json.loads(body) for body in told[1].bodies("/api/v1/lineage")]


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_demo_study_becomes_a_site_with_eleven_pages(demo: Path) -> None:
    pages = {path.stem for path in (demo / "_site").glob("*.html")}
    assert pages == {
        "index", "cohort", "attrition", "trajectories", "intake", "models", "data-quality", "lineage", "run", "methods",
        "dictionary",
    }  # fmt: skip
    first = BeautifulSoup((demo / "_site/index.html").read_text(), "html.parser").get_text(" ")
    assert "This study is simulated" in first


def test_after_a_run_nothing_is_left_to_do(demo: Path) -> None:
    assert "up to date" in dvc(demo, "status").stdout
    assert repro(demo) == []


def test_one_run_has_one_id_from_its_stages_to_the_foot_of_each_page(demo: Path) -> None:
    history = lines(demo / "runs/index.jsonl")
    run_id = history[0]["run_id"]
    folder = demo / "runs" / run_id
    assert [entry["stage"] for entry in history if entry["run_id"] == run_id] == STAGES
    assert {line["run_id"] for line in lines(folder / "logs.jsonl")} == {run_id}
    assert {span["trace_id"] for span in lines(folder / "traces.jsonl")} == {run_id.replace("-", "")}
    whole, *of_stages = lines(folder / "lineage.jsonl")
    assert whole["run"]["runId"] == run_id
    parents = [event["run"]["facets"].get("parent", event)["run"]["runId"] for event in of_stages]
    assert set(parents) == {run_id}
    wrote_the_site = next(entry["run_id"] for entry in reversed(history) if entry["stage"] == "report")
    for page in (demo / "_site").glob("*.html"):
        assert wrote_the_site in page.read_text(), page.name


def test_a_backend_gets_each_lineage_event_of_a_run_once_and_in_order(demo: Path, sent: list[dict[str, Any]]) -> None:
    run_id = lines(demo / "runs/index.jsonl")[0]["run_id"]
    written = lines(demo / "runs" / run_id / "lineage.jsonl")
    assert [(event["eventType"], event["run"]["runId"]) for event in sent] == [
        (event["eventType"], event["run"]["runId"]) for event in written
    ]
    of_stages = [event["job"]["name"] for event in sent if event["job"]["name"] != "potato.pipeline"]
    assert of_stages == [f"potato.{stage}" for stage in STAGES for _ in ("START", "COMPLETE")]
    assert not list(demo.glob("runs/*/spool"))


def test_lineage_carries_the_ids_of_traces_and_logs(demo: Path, sent: list[dict[str, Any]]) -> None:
    run_id = lines(demo / "runs/index.jsonl")[0]["run_id"]
    (trace_id,) = {span["trace_id"] for span in lines(demo / "runs" / run_id / "traces.jsonl")}
    for event in sent:
        facets = event["run"]["facets"]
        whole = facets["parent"]["root"] if "parent" in facets else event
        assert whole["run"]["runId"] == run_id
        assert {"key": "trace_id", "value": trace_id, "source": "POTATO"} in facets["tags"]["tags"]


def test_every_dataset_and_column_that_lineage_names_is_told_of(sent: list[dict[str, Any]]) -> None:
    assert list(openlineage_graph.unresolved(sent)) == []
    keys = {
        f"{dataset.name}.{column.name}"
        for dataset in results.GOLD.values()
        for column in dataset.columns
        if column.name in (*dataset.key, "unit", "assumption")
    }
    places = {"source_file", "source_row", "extra", "fault"}
    for name, column in openlineage_graph.untraced(sent):
        short = name.partition("/data/")[2]
        # What says which row it is, or what a row of results is about, has no source of its own.
        silent = column in places or f"{short}.{column}" in keys
        unmapped = short.startswith("bronze/") and column in ("day", "condition", "sex")
        assert silent or unmapped, f"{short}.{column}"


@pytest.mark.parametrize("check", [openlineage_checks.by_classes, openlineage_checks.by_schemas])
def test_the_schemas_accept_every_lineage_event_of_a_run(
    sent: list[dict[str, Any]], check: Callable[[dict[str, Any]], list[str]]
) -> None:
    if check is openlineage_checks.by_schemas and not openlineage_checks.SPEC:
        pytest.skip("OPENLINEAGE_SPEC names no folder with the official schemas")
    assert [wrong for event in sent for wrong in check(event)] == []


def test_a_collector_gets_one_trace_in_which_every_parent_is_known(told: tuple[Path, Receiver]) -> None:
    demo, collector = told
    bodies = map(ExportTraceServiceRequest.FromString, collector.bodies("/v1/traces"))
    sent = [span for body in bodies for r in body.resource_spans for s in r.scope_spans for span in s.spans]
    assert {span.trace_id.hex() for span in sent} == {lines(demo / "runs/index.jsonl")[0]["run_id"].replace("-", "")}
    known = {span.span_id: span for span in sent}
    assert len(known) == len(sent)
    (root,) = [span for span in sent if span.parent_span_id not in known]
    assert (root.name, root.parent_span_id) == ("dvc repro", b"")
    above = {span.name: known[span.parent_span_id].name for span in sent if span is not root}
    assert {above[f"stage {stage}"] for stage in STAGES} == {"dvc repro"}
    assert above["Compute the features"] == "stage silver"
    assert above["CREATE TABLE weekly_features"] == "Compute the features"
    assert above["contract silver/weekly_features"] == above["contract bronze/weight"] == "Check the contract"
    assert above["fit mixed_effects"] == "compute gold/models/coefficients"
    assert above["compute gold/models/coefficients"] == "Train the models"
    for span in sent:
        around = known.get(span.parent_span_id, span)
        assert around.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= around.end_time_unix_nano, span.name
    written = {span["span_id"] for path in (demo / "runs").glob("*/traces.jsonl") for span in lines(path)}
    assert {span.span_id.hex() for span in sent} <= written, "the files hold at least what was sent"


def test_a_collector_gets_every_metric_of_the_table(told: tuple[Path, Receiver]) -> None:
    bodies = map(ExportMetricsServiceRequest.FromString, told[1].bodies("/v1/metrics"))
    sent = [metric for b in bodies for r in b.resource_metrics for s in r.scope_metrics for metric in s.metrics]
    # A first run has nothing to compare its data with.
    expected = {metric.name: metric for metric in measures.METRICS if not metric.name.startswith("potato.drift")}
    assert {metric.name for metric in sent} == expected.keys()
    for metric in sent:
        kind = {"sum": "counter"}.get(str(metric.WhichOneof("data")), metric.WhichOneof("data"))
        about = expected[metric.name]
        assert (metric.unit, kind) == (about.unit, about.kind)
        for point in getattr(metric, str(metric.WhichOneof("data"))).data_points:
            assert {attribute.key for attribute in point.attributes} == set(about.attributes)


def test_a_collector_gets_every_log_line_with_its_span(told: tuple[Path, Receiver]) -> None:
    demo, collector = told
    bodies = map(ExportLogsServiceRequest.FromString, collector.bodies("/v1/logs"))
    sent = [record for b in bodies for r in b.resource_logs for s in r.scope_logs for record in s.log_records]
    run_id = lines(demo / "runs/index.jsonl")[0]["run_id"]
    written = lines(demo / "runs" / run_id / "logs.jsonl")
    assert [record.body.string_value for record in sent] == [line["event"] for line in written]
    spans = {span["span_id"] for span in lines(demo / "runs" / run_id / "traces.jsonl")}
    assert {record.span_id.hex() for record in sent} <= spans


@pytest.mark.skipif(browser.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium")
def test_two_clicks_lead_from_each_number_to_cell_query_contract_log_and_source_column(
    demo: Path, tmp_path: Path
) -> None:
    with browser.browser(tmp_path) as shown:
        visited = walk.walked(shown, demo / "_site", demo / "data/gold")
    assert visited >= {
        "made-gold-models-coefficients",
        "made-gold-models-food-categories",
        "made-silver-subject-trajectories",
        "made-silver-weekly-features",
        "made-quarantine",
        "made-bronze-ledger",
    }


def test_the_cell_of_the_estimates_shows_the_fits_and_leads_to_the_query_of_their_data(demo: Path) -> None:
    page = BeautifulSoup((demo / "_site/run.html").read_text(), "html.parser")
    place = page.find(id="made-gold-models-coefficients")
    assert place is not None
    cell = place.find_parent("details", class_="cell")
    assert cell is not None
    assert "pipeline.train_models()" in cell.get_text()
    for model in ("ols_cluster", "fixed_effects", "mixed_effects"):
        (fit,) = [name for name in cell.select(".name") if name.text == f"fit {model}"]
        around = fit.find_parent("details", class_="inner")
        assert around is not None
        outer = around.find_parent("details", class_="inner")
        assert outer is None or "open" in outer.attrs, "the fits are in view"
    query = page.find(id="query-silver-modeling-dataset")
    assert cell.select_one("a[href='#query-silver-modeling-dataset']")
    assert query is not None
    assert "next_week_change_kg" in query.find_parent("details").select_one("pre").text


def test_every_query_stands_whole_in_the_trace_and_on_the_page_of_the_run(
    told: tuple[Path, Receiver],
) -> None:
    demo, collector = told
    run_id = lines(demo / "runs/index.jsonl")[0]["run_id"]
    spans = lines(demo / "runs" / run_id / "traces.jsonl")
    queries = [text for span in spans if (text := span["attributes"].get("db.query.text"))]
    shown = BeautifulSoup((demo / "_site/run.html").read_text(), "html.parser").select(".inner > pre > code")
    on_page = {" ".join(code.text.split()) for code in shown}
    assert max(map(len, queries)) > 4000
    assert all(" ".join(text.split()) in on_page for text in queries)
    bodies = map(ExportTraceServiceRequest.FromString, collector.bodies("/v1/traces"))
    sent = [span for b in bodies for r in b.resource_spans for s in r.scope_spans for span in s.spans]
    texts = [a.value.string_value for span in sent for a in span.attributes if a.key == "db.query.text"]
    assert len(texts) == len(queries)
    assert max(map(len, texts)) < 4200
    cut = [text for text in texts if "[cut here:" in text]
    assert len(cut) == sum(len(text) > 4000 for text in queries) > 0
    assert all(f"the rest is in runs/{run_id}/traces.jsonl]" in text for text in cut)


def test_files_read_datasets_written_and_each_fit_have_their_spans(demo: Path) -> None:
    run_id = lines(demo / "runs/index.jsonl")[0]["run_id"]
    spans = {(s["stage"], s["name"]): s["attributes"] for s in lines(demo / "runs" / run_id / "traces.jsonl")}
    ledger = lake.read_json(demo / "data/bronze/ledger.json")["files"]
    for name, file in ledger.items():
        read = spans["bronze", f"read {name}"]
        assert read["potato.rows"] == file["rows_read"]
        assert read["potato.bytes"] == (demo / "data/raw/demo" / name).stat().st_size
    for stage, path in (("silver", "data/silver"), ("gold", "data/gold/reports")):
        manifest = lake.read_json(demo / path / "manifest.json")
        for name, output in manifest["outputs"].items():
            assert spans[stage, f"save {name}"]["potato.rows"] == output["rows"]
            assert spans[stage, f"save {name}"]["potato.bytes"] > 0
    assert ("silver", "open bronze/weight") in spans
    assert spans["gold", "read silver/modeling_dataset"]["potato.rows"] > 0
    assert spans["gold", "fit food_categories"]["potato.model.n_obs"] > 0


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_table_of_the_report_can_be_followed_to_a_raw_row(demo: Path) -> None:
    trajectory = pq.read_table(demo / "data/silver/subject_trajectories").to_pylist()[0]
    sources = lake.read_json(demo / "data/silver/manifest.json")["column_lineage"]["silver/subject_trajectories"]
    assert ("bronze/weight", "weight") in {(one["dataset"], one["column"]) for one in sources["weight_kg"]}
    row = next(
        r for r in pq.read_table(demo / "data/bronze/weight").to_pylist() if r["subject_id"] == trajectory["subject_id"]
    )
    line = (demo / "data/raw/demo" / row["source_file"]).read_text().splitlines()[row["source_row"] - 1]
    assert line.split(",")[:3] == [row["subject_id"], row["date"], row["weight"]]


def test_the_ledger_balances_for_every_raw_file(demo: Path) -> None:
    files = lake.read_json(demo / "data/silver/ledger.json")["files"]
    raw = {
        path.relative_to(demo / "data/raw/demo").as_posix(): path for path in (demo / "data/raw/demo").rglob("*.csv")
    }
    assert files.keys() == raw.keys()
    for name, file in files.items():
        assert file["rows_read"] == len(raw[name].read_text().splitlines()) - 1
        assert file["rows_read"] == file["rows_kept"] + sum(file["rows_quarantined"].values())


def test_metrics_plots_and_the_graph_say_something(demo: Path) -> None:
    assert "mean_change_kg" in dvc(demo, "metrics", "show").stdout
    assert "gold" in dvc(demo, "dag").stdout
    done = dvc(demo, "plots", "show")
    assert done.returncode == 0, done.stderr
    assert (demo / "dvc_plots/index.html").is_file()


# The tests below change the project: each has a copy of its own.


@pytest.fixture
def own(demo: Path, tmp_path: Path) -> Path:
    """A copy of the demo study's project as it stood after its run."""
    return Path(shutil.copytree(demo, tmp_path / "own", symlinks=True))


def test_a_line_of_silver_reruns_what_follows_and_stages_that_run_again_give_the_same_bytes(own: Path) -> None:
    before, manifest = fingerprints(own), "data/silver/manifest.json"
    told = lake.read_json(own / manifest)
    first = executed(own, lines(own / "runs/index.jsonl")[0]["run_id"])
    module = own / "potato/silver.py"
    module.write_text(module.read_text() + "\n# a line\n")
    assert repro(own) == ["silver", "gold", "report"]
    again = executed(own, "latest")
    assert lake.read_json(own / "runs/latest/contracts/drift.json")["status"] == "unchanged"
    assert repro(own, "--force", "bronze") == ["simulate", "bronze"]
    again |= executed(own, "latest")
    after = fingerprints(own)
    assert after.keys() == before.keys()
    assert [name for name in before if after[name] != before[name]] == [manifest]
    assert lake.read_json(own / manifest) | {"code": told["code"]} == told, "it names the code, and nothing else is new"
    assert again.keys() == {"bronze", "silver", "gold"}
    assert again == first


def executed(project: Path, run: str) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (project / "runs" / run / "notebooks").glob("*.ipynb")}


@pytest.mark.skipif(prometheus.PROGRAM is None, reason=prometheus.WITHOUT)
def test_each_expression_of_the_dashboard_and_the_rules_returns_data_of_real_runs(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A second run on other people's data: drift is measured only against data that were there before.
    change(own / "params.yaml", "seed: 20220215", "seed: 1")
    assert repro(own, "silver") == ["simulate", "bronze", "silver"]
    runs = list(dict.fromkeys(entry["run_id"] for entry in lines(own / "runs/index.jsonl")))
    measured = [line for run in runs for line in lines(own / "runs" / run / "metrics.jsonl")]
    # No file holds it: when counting began.
    began = datetime.fromisoformat(measured[0]["ts"]).timestamp()
    measured.append({"metric": totals.STARTED, "value": began, "attributes": {"study": "demo"}})
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with prometheus.running(tmp_path, prometheus.exposition(measured)) as server:
        for asked in (prometheus.panel_expressions(), prometheus.rule_expressions()):
            answers = {(name, text): server.ask(text) for name, texts in asked.items() for text in texts}
            assert len(answers) >= len(asked) > 5
            assert [question for question, answer in answers.items() if not answer] == []
            values = [float(series["value"][1]) for answer in answers.values() for series in answer]
            assert all(map(math.isfinite, values))
        (succeeded,) = server.ask('potato:counters:added1d{outcome="succeeded"}')
        assert float(succeeded["value"][1]) == len(runs) == 2
        assert server.firing() == set()


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed: apt-get install jq")
def test_the_runbook_s_commands_can_be_typed_after_a_run(demo: Path) -> None:
    typed = [line for lines in prometheus.runbook("sh").values() for line in lines]
    commands = [line for line in typed if line.startswith(("jq ", "python ", "tail ", "find "))]
    assert len(commands) > 5
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", command], cwd=demo, env=os.environ | {"PATH": path}, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{command}\n{done.stderr}"
        if "sort" in command:
            seconds = [float(line.split()[0]) for line in done.stdout.splitlines()]
            longest = max(span["seconds"] for span in lines(demo / "runs/latest/traces.jsonl"))
            assert seconds == sorted(seconds, reverse=True)
            assert seconds[0] == longest


def test_a_gold_parameter_reruns_gold_and_report_only(own: Path) -> None:
    change(own / "params.yaml", "confidence: 0.95", "confidence: 0.9")
    assert repro(own) == ["gold", "report"]
    page = (own / "_site/run.html").read_text()
    assert "cached" in page


def test_a_failing_stage_shows_one_screen_without_a_traceback(own: Path) -> None:
    before = fingerprints(own)
    change(own / "studies/demo.yaml", "weight: weight", "weight: wieght")
    done = dvc(own, "repro")
    screen = done.stdout + done.stderr
    assert done.returncode != 0
    assert "no column 'wieght'" in screen
    assert "nearest" in screen
    assert "Traceback" not in screen
    assert fingerprints(own) == before
    change(own / "studies/demo.yaml", "weight: wieght", "weight: weight")
    assert repro(own) == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data of ../shared/data is not on this machine")
def test_the_krone_study_has_a_report_without_an_intake_page(tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    change(project / "studies/krone2020.yaml", "../shared/data/krone2020", str(SHARED / "krone2020"))
    change(project / "params.yaml", "study: demo", "study: krone2020")
    assert repro(project) == STAGES
    pages = {path.stem for path in (project / "_site").glob("*.html")}
    assert "trajectories" in pages
    assert not {"intake", "models"} & pages
    overview = BeautifulSoup((project / "_site/index.html").read_text(), "html.parser").get_text(" ")
    assert "simulated" not in overview
    metrics = lake.read_json(project / "data/gold/reports/metrics.json")
    assert (metrics["n_subjects"], metrics["n_weights"]) == (12, 695)
    assert pq.read_table(project / "data/gold/models/coefficients.parquet").num_rows == 0
    slopes = pq.read_table(project / "data/gold/reports/tables/condition-slopes.parquet").to_pylist()
    found = {row["condition"]: row["mean"] for row in slopes}
    assert found == {
        "control": pytest.approx(-0.22, abs=0.005),
        "diet": pytest.approx(-0.40, abs=0.005),
        "activity": pytest.approx(-0.01, abs=0.005),
    }

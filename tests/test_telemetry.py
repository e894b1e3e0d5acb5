from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.sdk.resources import Resource

from potato import manifest, run
from potato.otlp import Sender
from potato.telemetry import Telemetry

from .receivers import DEAD, clean_environment, dead_backend, receiver

FIELDS = {"ts", "level", "event", "run_id", "trace_id", "span_id", "stage", "study"}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    clean_environment(monkeypatch)


@pytest.fixture
def this_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> run.Run:
    monkeypatch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
    return run.current(tmp_path)


def _lines(found: run.Run, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (found.folder / name).read_text().splitlines()]


def _span(found: run.Run, name: str) -> dict[str, Any]:
    (span,) = [span for span in _lines(found, "traces.jsonl") if span["name"] == name]
    return span


def _use(found: run.Run) -> None:
    """Record one thing of each kind."""
    with Telemetry(found, "gold", "demo") as telemetry, telemetry.span("fit", models=3):
        telemetry.record("potato.dataset.rows", 12, dataset="gold/models/coefficients", outcome="written")
        telemetry.record("potato.run.outcomes", 1, outcome="succeeded")
        telemetry.record("potato.stage.duration", 400.0, status="ran")
        telemetry.log("info", "models fitted", models=3)


def test_spans_nest_below_the_stage_in_the_run_s_trace(this_run: run.Run) -> None:
    with (
        Telemetry(this_run, "gold", "demo") as telemetry,
        telemetry.span("outer"),
        telemetry.span("inner", rows=3, note=None) as span,
    ):
        span.set_attribute("more", True)
    root, outer, inner = (_span(this_run, name) for name in ("stage gold", "outer", "inner"))
    assert root["parent_span_id"] is None
    assert outer["parent_span_id"] == root["span_id"]
    assert inner["parent_span_id"] == outer["span_id"]
    assert {span["trace_id"] for span in (root, outer, inner)} == {this_run.trace_id}
    assert inner["attributes"]["rows"] == 3
    assert inner["attributes"]["more"] is True
    assert "note" not in inner["attributes"]
    assert root["start"] <= outer["start"] <= inner["start"] <= inner["end"] <= outer["end"] <= root["end"]


def test_an_outer_span_is_the_stage_s_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01")
    found = run.current(tmp_path)
    with Telemetry(found, "gold", "demo"):
        pass
    assert _span(found, "stage gold")["parent_span_id"] == "b7ad6b7169203331"
    assert _span(found, "stage gold")["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_child_process_continues_at_the_open_span(
    tmp_path: Path, this_run: run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Telemetry(this_run, "gold", "demo") as telemetry, telemetry.span("notebook"):
        monkeypatch.setenv("TRACEPARENT", telemetry.traceparent)
    child = run.current(tmp_path)
    assert child.id == this_run.id
    assert child.parent_span_id == _span(this_run, "notebook")["span_id"]


def test_a_span_of_another_thread_belongs_to_the_stage(this_run: run.Run) -> None:
    with Telemetry(this_run, "report", "demo") as telemetry:

        def work() -> None:
            with telemetry.span("page"):
                pass

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert _span(this_run, "page")["parent_span_id"] == _span(this_run, "stage report")["span_id"]


def test_a_log_line_says_where_in_the_run_it_was_written(this_run: run.Run) -> None:
    with Telemetry(this_run, "silver", "krone2020") as telemetry, telemetry.span("clean"):
        telemetry.log("warning", "rows set aside", rows=3, stage="a field of that name", share=float("nan"))
    (line,) = _lines(this_run, "logs.jsonl")
    assert line.keys() >= FIELDS
    assert (line["level"], line["event"], line["rows"]) == ("warning", "rows set aside", 3)
    assert (line["run_id"], line["trace_id"]) == (this_run.id, this_run.trace_id)
    assert (line["stage"], line["study"]) == ("silver", "krone2020")
    assert line["stage_"] == "a field of that name"
    assert line["share"] is None, "NaN is not JSON"
    assert line["span_id"] == _span(this_run, "clean")["span_id"]


def test_what_the_package_logs_is_in_the_run_s_log(this_run: run.Run) -> None:
    with Telemetry(this_run, "silver", "demo"):
        logging.getLogger("potato.silver").warning("a week has %d days", 8)
    logging.getLogger("potato.silver").warning("said after the stage")
    (line,) = _lines(this_run, "logs.jsonl")
    assert (line["level"], line["event"], line["logger"]) == ("warning", "a week has 8 days", "potato.silver")


def test_an_error_is_in_the_trace_and_in_the_log_and_goes_on(this_run: run.Run) -> None:
    with pytest.raises(KeyError), Telemetry(this_run, "gold", "demo") as telemetry, telemetry.span("fit"):
        raise KeyError("covariate")
    assert [_span(this_run, name)["status"] for name in ("fit", "stage gold")] == ["error", "error"]
    line = _lines(this_run, "logs.jsonl")[-1]
    assert (line["level"], line["error"]) == ("error", "KeyError")
    assert 'raise KeyError("covariate")' in line["traceback"]


def test_an_unknown_metric_is_refused_with_the_nearest_name(this_run: run.Run) -> None:
    with (
        pytest.raises(ValueError, match=r"potato\.dataset\.rows"),
        Telemetry(this_run, "gold", "demo") as telemetry,
    ):
        telemetry.record("potato.dataset.row", 1)


def test_a_measurement_has_its_unit_and_its_labels(this_run: run.Run) -> None:
    _use(this_run)
    line = _lines(this_run, "metrics.jsonl")[0]
    assert (line["metric"], line["value"], line["unit"]) == ("potato.dataset.rows", 12, "{row}")
    assert line["attributes"] == {
        "study": "demo",
        "stage": "gold",
        "dataset": "gold/models/coefficients",
        "outcome": "written",
    }


def test_a_measurement_without_one_of_its_attributes_is_refused(this_run: run.Run) -> None:
    with (
        pytest.raises(ValueError, match="study, stage, dataset, outcome"),
        Telemetry(this_run, "gold", "d") as telemetry,
    ):
        telemetry.record("potato.dataset.rows", 1, dataset="gold/models/coefficients")


def test_each_executed_cell_has_a_span_named_by_its_heading(this_run: run.Run, tmp_path: Path) -> None:
    new = nbformat.v4
    notebook = new.new_notebook(
        cells=[
            new.new_code_cell("start = 1"),
            new.new_markdown_cell("# Weights\n\ntext\n\n## Clean\n\nmore"),
            new.new_code_cell("start += 1", metadata={"tags": ["clean"]}),
            new.new_markdown_cell("no heading here"),
            new.new_code_cell("1 / 0"),
            new.new_code_cell("start"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    source, target = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    nbformat.write(notebook, source)
    with Telemetry(this_run, "silver", "demo") as telemetry:
        with pytest.raises(papermill.PapermillExecutionError):
            papermill.execute_notebook(source, target, progress_bar=False)
        executed = json.loads(target.read_text())
        # papermill puts a cell with the error above the notebook and a mark above the cell that failed.
        executed["cells"] = [cell for cell in executed["cells"] if "papermill-error" not in str(cell["metadata"])]
        telemetry.notebook_spans(executed)
    root = _span(this_run, "stage silver")
    spans = [span for span in _lines(this_run, "traces.jsonl") if span is not root and span != root]
    assert [span["name"] for span in spans] == ["untitled", "Clean", "Clean"]
    assert [span["status"] for span in spans] == ["unset", "unset", "error"]
    assert spans[2]["message"].startswith("ZeroDivisionError")
    assert spans[1]["attributes"]["cell.tags"] == "clean"
    assert {span["parent_span_id"] for span in spans} == {root["span_id"]}
    assert all(root["start"] <= span["start"] <= span["end"] <= root["end"] for span in spans)


def test_a_missed_expectation_is_logged_with_the_span_and_the_time_of_its_contract(
    this_run: run.Run, tmp_path: Path
) -> None:
    kernel = tmp_path / "kernel.jsonl"
    line = manifest.told("silver/x", "It is\nso.", "3")
    entry = {
        "name": "contract silver/x",
        "span_id": "ab" * 8,
        "parent_span_id": None,
        "start": 1_700_000_000_000_000_000,
    }
    entry |= {"end": 1_700_000_001_000_000_000, "error": None, "attributes": {manifest.MISSED: f"another\n{line}"}}
    kernel.write_text(json.dumps(entry) + "\n")
    with Telemetry(this_run, "silver", "demo") as telemetry:
        telemetry.notebook_spans({"cells": []}, kernel)
        telemetry.log_missed("warning", "silver/x", "It is\nso.", "3", expectation="e")
        telemetry.log_missed("warning", "silver/x", "Nobody said this.", "4")
    first, second = _lines(this_run, "logs.jsonl")
    assert (first["span_id"], first["ts"]) == ("ab" * 8, "2023-11-14T22:13:21.000Z")
    assert second["span_id"] == _span(this_run, "stage silver")["span_id"]
    assert second["ts"] > "2024"


def test_a_long_text_is_whole_in_the_file_and_cut_with_a_sign_for_a_collector(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "x" * 4_000 + "y" * 8_345
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
        with Telemetry(this_run, "silver", "demo") as telemetry, telemetry.span("SELECT", **{"db.query.text": text}):
            pass
    assert _span(this_run, "SELECT")["attributes"]["db.query.text"] == text
    (spans,) = map(ExportTraceServiceRequest.FromString, collector.bodies("/v1/traces"))
    (sent,) = [s for s in spans.resource_spans[0].scope_spans[0].spans if s.name == "SELECT"]
    (got,) = [a.value.string_value for a in sent.attributes if a.key == "db.query.text"]
    where = f"runs/{this_run.id}/traces.jsonl"
    assert got == "x" * 4_000 + f" [cut here: 4,000 of 12,345 characters; the rest is in {where}]"


def test_a_collector_gets_all_three_signals_of_the_run(this_run: run.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        _use(this_run)
    (spans,) = map(ExportTraceServiceRequest.FromString, collector.bodies("/v1/traces"))
    (metrics,) = map(ExportMetricsServiceRequest.FromString, collector.bodies("/v1/metrics"))
    (logs,) = map(ExportLogsServiceRequest.FromString, collector.bodies("/v1/logs"))

    resource = {a.key: a.value.string_value for a in spans.resource_spans[0].resource.attributes}
    assert resource["service.name"] == "potato"
    assert resource["potato.run_id"] == this_run.id
    sent = {span.name: span for span in spans.resource_spans[0].scope_spans[0].spans}
    assert sent.keys() == {"fit", "stage gold"}
    assert {span.trace_id.hex() for span in sent.values()} == {this_run.trace_id}

    measured = {m.name: m for m in metrics.resource_metrics[0].scope_metrics[0].metrics}
    assert measured["potato.dataset.rows"].gauge.data_points[0].as_int == 12
    assert measured["potato.run.outcomes"].sum.data_points[0].as_int == 1
    (duration,) = measured["potato.stage.duration"].histogram.data_points
    below = sum(n for n, bound in zip(duration.bucket_counts, duration.explicit_bounds, strict=False) if bound <= 360)
    assert (duration.count, below) == (1, 0), "400 s lie above the class that ends at 360"
    assert duration.exemplars[0].trace_id.hex() == this_run.trace_id

    (record,) = logs.resource_logs[0].scope_logs[0].log_records
    assert record.body.string_value == "models fitted"
    assert record.trace_id.hex() == this_run.trace_id
    assert record.span_id == sent["fit"].span_id


def test_the_user_s_service_name_stays(this_run: run.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/custom")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "diet-lab")
        _use(this_run)
    assert [path for path, _, _ in collector.requests] == ["/custom"], "only the signal that has an endpoint"
    spans = ExportTraceServiceRequest.FromString(collector.bodies("/custom")[0])
    names = [a.value.string_value for a in spans.resource_spans[0].resource.attributes if a.key == "service.name"]
    assert names == ["diet-lab"]


@pytest.mark.parametrize(("variable", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")])
def test_what_is_switched_off_is_not_sent_and_still_written(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
        monkeypatch.setenv(variable, value)
        _use(this_run)
    assert collector.requests == []
    assert len(_lines(this_run, "traces.jsonl")) == 2


@pytest.mark.parametrize("kind", DEAD)
def test_a_dead_collector_is_one_warning_and_no_loss(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with dead_backend(kind) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        _use(this_run)
    assert [r.getMessage() for r in caplog.records if "did not reach" not in r.getMessage()] == []
    assert len(caplog.records) == 1
    assert url.removeprefix("http://") in caplog.text
    assert len(_lines(this_run, "traces.jsonl")) == 2
    assert _lines(this_run, "logs.jsonl")[-1]["level"] == "warning"


def test_a_warning_is_shown_to_a_person_without_a_log_of_their_own(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with dead_backend("refused") as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        _use(this_run)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("protocol", ["grpc", ""])
def test_grpc_settings_are_answered_with_one_line(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, protocol: str
) -> None:
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", f"{collector.url}/v1/logs")
        if protocol:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        _use(this_run)
    assert [("gRPC" in text or "grpc" in text) for text in caplog.messages] == [True] * bool(protocol)
    assert len(collector.requests) == 1, "HTTP is used all the same"


def test_all_stages_of_a_run_together_wait_for_a_dead_collector_once(
    tmp_path: Path, this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with receiver(hang=True) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        for _ in range(5):
            _use(this_run)
    assert sum("did not reach" in text for text in caplog.messages) == 1, "it is said once a run"
    assert 0 < len(collector.requests) <= 2 * 3, "after a stage of 0.8 seconds hardly anything is left of 0.9"
    waits = [float(line) for line in (this_run.folder / ".waited-otlp").read_text().split()]
    assert len(waits) < 5
    assert Sender(Resource({}), Resource({}), this_run.folder)._allowance.left() < 0.1


@pytest.mark.parametrize("signal", ["TRACES", "METRICS", "LOGS"])
@pytest.mark.parametrize("kind", DEAD)
def test_one_dead_signal_keeps_no_other_from_arriving(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, signal: str, kind: str
) -> None:
    with receiver() as collector, dead_backend(kind) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", f"{url}/v1/{signal.lower()}")
        _use(this_run)
    arrived = {path for path, _, _ in collector.requests}
    assert arrived == {"/v1/traces", "/v1/metrics", "/v1/logs"} - {f"/v1/{signal.lower()}"}
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:port"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://127.0.0.1/"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "bzip"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no equals sign"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "many"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "all_of_them"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "x"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=,=,nonsense"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "nobody"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "abc"),
        ("OTEL_PYTHON_METER_PROVIDER", "nosuch"),
    ],
)
def test_a_mistake_in_the_settings_loses_no_run(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str, value: str
) -> None:
    with dead_backend("refused") as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv(variable, value)
        _use(this_run)
    ours = [record for record in caplog.records if record.name.startswith("potato")]
    assert [record.levelname for record in ours] == ["WARNING"]
    assert len(_lines(this_run, "traces.jsonl")) == 2
    assert len(_lines(this_run, "metrics.jsonl")) == 3


def test_a_slow_collector_gets_everything(this_run: run.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(delay=0.3) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        _use(this_run)
    assert {path for path, _, _ in collector.requests} == {"/v1/traces", "/v1/metrics", "/v1/logs"}
    assert "did not reach" not in (this_run.folder / "logs.jsonl").read_text()


def _points(body: bytes) -> dict[str, Any]:
    sent = ExportMetricsServiceRequest.FromString(body)
    return {metric.name: metric for metric in sent.resource_metrics[0].scope_metrics[0].metrics}


def _outcomes(body: bytes) -> dict[str, int]:
    points = _points(body)["potato.run.outcomes"].sum.data_points
    return {p.attributes[1].value.string_value: p.as_int for p in points}


def test_counters_and_histograms_go_on_from_stage_to_stage(this_run: run.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        for _ in range(3):
            _use(this_run)
    first, second, third = collector.bodies("/v1/metrics")
    assert [_outcomes(body)["succeeded"] for body in (first, second, third)] == [1, 2, 3]
    assert _outcomes(third)["failed"] == 0, "a series begins at zero"
    durations = [_points(body)["potato.stage.duration"].histogram.data_points[0] for body in (first, third)]
    assert [(point.count, point.sum) for point in durations] == [(1, 400.0), (3, 1200.0)]
    assert sum(durations[1].bucket_counts) == 3
    assert durations[0].start_time_unix_nano == durations[1].start_time_unix_nano < durations[1].time_unix_nano
    assert [_points(body)["potato.dataset.rows"].gauge.data_points[0].as_int for body in (first, third)] == [12, 12]


def test_a_push_holds_what_the_study_s_other_stages_counted_with_their_traces_and_since_when(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = time.time()
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        _use(this_run)
        for stage, study in (("report", "demo"), ("bronze", "other")):
            with Telemetry(this_run, stage, study) as telemetry:
                telemetry.record("potato.stage.duration", 2.5, status="failed")
    first, second, other = (_points(body) for body in collector.bodies("/v1/metrics"))
    durations = {
        tuple(attribute.value.string_value for attribute in sorted(point.attributes, key=lambda a: a.key)): point
        for point in second["potato.stage.duration"].histogram.data_points
    }
    assert durations.keys() == {("gold", "ran", "demo"), ("report", "failed", "demo")}
    remembered = durations["gold", "ran", "demo"]
    (told,) = first["potato.stage.duration"].histogram.data_points
    assert (remembered.count, remembered.sum, remembered.min) == (1, 400.0, 400.0)
    assert remembered.bucket_counts == told.bucket_counts
    assert [one.trace_id.hex() for one in remembered.exemplars] == [this_run.trace_id]
    assert remembered.exemplars == told.exemplars
    (of_other,) = other["potato.stage.duration"].histogram.data_points
    assert of_other.count == 1
    started = [p["potato.counters.started.timestamp"].gauge.data_points[0] for p in (first, second, other)]
    assert [point.attributes[0].value.string_value for point in started] == ["demo", "demo", "other"]
    assert before <= started[0].as_double == started[1].as_double <= started[2].as_double <= time.time()


def test_a_push_that_was_lost_is_made_good_by_the_next(this_run: run.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with dead_backend("refused") as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        _use(this_run)
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        _use(this_run)
    assert _outcomes(collector.bodies("/v1/metrics")[0])["succeeded"] == 2


def test_with_delta_a_push_holds_only_what_is_new(this_run: run.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        _use(this_run)
        _use(this_run)
    assert [_outcomes(body)["succeeded"] for body in collector.bodies("/v1/metrics")] == [1, 1]
    assert "potato.counters.started.timestamp" not in _points(collector.bodies("/v1/metrics")[1])
    counted = _points(collector.bodies("/v1/metrics")[1])["potato.run.outcomes"].sum
    assert counted.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA


_KEY = json.dumps(["potato.run.outcomes", [["outcome", "succeeded"], ["study", "demo"]]])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        json.dumps({_KEY: 1}),
        json.dumps({_KEY: {"value": "x"}}),
        json.dumps({_KEY: {"value": 7, "start": "x"}}),
    ],
)
def test_a_broken_file_of_totals_costs_the_totals_only(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (this_run.folder.parent / "totals.json").write_text(content)
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        _use(this_run)
    assert _outcomes(collector.bodies("/v1/metrics")[0])["succeeded"] == 1


def test_records_that_cannot_be_written_stop_nothing(this_run: run.Run, caplog: pytest.LogCaptureFixture) -> None:
    with Telemetry(this_run, "gold", "demo") as telemetry:
        shutil.rmtree(this_run.folder)
        telemetry.log("info", "first")
        telemetry.log("info", "second")
    assert [r.getMessage().split(":")[0] for r in caplog.records] == ["The run's records cannot be written"]


def test_the_global_providers_stay_as_they_are(this_run: run.Run) -> None:
    before = trace.get_tracer_provider()
    _use(this_run)
    assert trace.get_tracer_provider() is before


def test_a_histogram_with_too_few_classes_costs_neither_the_histogram_nor_another_signal(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        _use(this_run)
        path = this_run.folder.parent / "totals.json"
        totals = json.loads(path.read_text())
        for kept in totals.values():
            if "buckets" in kept:
                kept["buckets"] = kept["buckets"][:2]
        path.write_text(json.dumps(totals))
        _use(this_run)
    assert sorted(path for path, _, _ in collector.requests) == sorted(["/v1/traces", "/v1/metrics", "/v1/logs"] * 2)
    last = _points(collector.bodies("/v1/metrics")[-1])["potato.stage.duration"].histogram.data_points[0]
    assert last.count == 1, "counting begins anew"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "abc"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-"),
        ("OTEL_PYTHON_METER_PROVIDER", "nosuch"),
        ("OTEL_PYTHON_TRACER_PROVIDER", "nosuch"),
        ("OTEL_PYTHON_CONTEXT", "nosuch"),
        ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "nosuch"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
    ],
)
def test_a_mistake_in_the_sdk_s_settings_fails_no_run_from_the_first_import_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    program = (
        "import pathlib; from potato import run; from potato.telemetry import Telemetry\n"
        "with Telemetry(run.current(pathlib.Path.cwd()), 'gold', 'demo') as told, told.span('fit'): pass\n"
        f"import os; assert os.environ[{variable!r}] == {value!r}, 'it stays for others'"
    )
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(run.__file__).parents[1]))
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = run.latest(tmp_path)
    assert found is not None
    assert [span["name"] for span in _lines(found, "traces.jsonl")] == ["fit", "stage gold"]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_collector_that_points_elsewhere_got_nothing(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    with receiver(status=status, headers={"Location": "/welcome"}) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        _use(this_run)
    assert "/welcome" not in {path for path, _, _ in collector.requests}
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "potato.telemetry"]
    assert f"it answers {status} and points to /welcome" in warning


def test_an_interruption_is_an_error_of_the_stage_and_of_what_it_was_at(this_run: run.Run) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        Telemetry(this_run, "gold", "demo") as telemetry,
        telemetry.span("track"),
    ):
        raise KeyboardInterrupt
    for name in ("track", "stage gold"):
        span = _span(this_run, name)
        assert (span["status"], span["message"]) == ("error", "KeyboardInterrupt")
        assert [event["name"] for event in span["events"]] == ["exception"]


def test_a_name_that_is_no_text_loses_no_span_and_no_signal(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with Telemetry(this_run, "gold", "demo") as telemetry:
            telemetry.log("info", "read \udce9", file="caf\udce9.csv")
            with telemetry.span("q \udce9", file="caf\udce9.csv"):
                telemetry.record("potato.dataset.rows", 1, dataset="raw/caf\udce9.csv", outcome="written")
    assert _span(this_run, r"q \udce9")["attributes"]["file"] == r"caf\udce9.csv"
    assert {path for path, _, _ in collector.requests} == {"/v1/traces", "/v1/metrics", "/v1/logs"}
    assert caplog.records == []


def test_a_clock_that_is_put_back_makes_no_span_end_before_it_starts(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, back = time.time_ns, 0
    monkeypatch.setattr(time, "time_ns", lambda: real() - back)
    with Telemetry(this_run, "gold", "demo") as telemetry, telemetry.span("fit"):
        back = 3600 * 10**9
    for name in ("fit", "stage gold"):
        assert 0 <= _span(this_run, name)["seconds"] < 60

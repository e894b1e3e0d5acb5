"""Alert rules, who is told, the dashboard and the runbook: with Prometheus' own tools, and with each other."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from potato import measures, run, totals
from potato.telemetry import Telemetry

from . import prometheus
from .conftest import HERE
from .prometheus import ALERTMANAGER
from .receivers import clean_environment, receiver

OPS = HERE / "ops"
RULES = OPS / "prometheus/rules.yaml"
RUNBOOK = "http://localhost:9090/user/runbook.txt"
RULE_TESTS = sorted(OPS.glob("prometheus/*.test.yaml"))
promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason=prometheus.WITHOUT)
amtool = pytest.mark.skipif(
    shutil.which("amtool") is None,
    reason="Debian's package prometheus-alertmanager is not installed: apt-get install prometheus-alertmanager",
)


def _alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def _succeeds(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=OPS / "prometheus", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@promtool
def test_prometheus_accepts_its_configuration_and_the_rules() -> None:
    assert "rules found" in _succeeds("promtool", "check", "config", "prometheus.yaml")


@promtool
def test_each_alert_fires_and_stays_silent_when_it_should() -> None:
    _succeeds("promtool", "test", "rules", *RULE_TESTS)


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    tests = [test for path in RULE_TESTS for test in yaml.safe_load(path.read_text())["tests"]]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    fires = {case["alertname"] for case in cases if case.get("exp_alerts")}
    silent = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    assert fires == silent == set(_alerts())


def test_what_was_asked_for_is_watched() -> None:
    limits = {name: " ".join(rule["expr"].split()[-6:]) for name, rule in _alerts().items()}
    assert limits["SilverStale"].endswith("> 2 * 60 * 60")
    assert limits["SuccessLow"].endswith("< 0.95")
    assert limits["StageSlow"].endswith("> 5 * 60")
    assert limits["CollectorDown"] == 'up{job="collector"} < 1'
    assert {"ContractFailing", "QuarantineJumped"} < limits.keys()


def test_what_a_week_added_is_reckoned_as_what_a_day_added() -> None:
    rules = {name: expressions[0] for name, expressions in prometheus.rule_expressions().items()}
    day = rules["potato:counters:added1d"].replace("86400", "7 * 86400").replace("1d", "7d")
    assert rules["potato:counters:added7d"] == day.replace("counters:total[", 'counters:total{outcome!=""}[')


def test_prometheus_shows_the_runbook_where_an_alert_says() -> None:
    service = yaml.safe_load((OPS / "compose.yaml").read_text())["services"]["prometheus"]
    options = dict(option.lstrip("-").split("=", 1) for option in service["command"])
    assert f"{options['web.external-url']}/user/runbook.txt" == RUNBOOK
    assert f"./runbook.md:{options['web.user-assets']}/runbook.txt:ro" in service["volumes"]
    links = json.loads((OPS / "grafana/dashboards/potato.json").read_text())["links"]
    assert RUNBOOK in [link["url"] for link in links]


FROM_COLLECTOR = {"job": "potato", "instance": "collector:8889"}
OUTCOMES, SECONDS = "potato.run.outcomes", "potato.stage.duration"


def _measured(metric: str, value: float, study: str = "demo", **attributes: str) -> dict[str, Any]:
    """Return a line of metrics.jsonl, as the collector shows it."""
    labels = measures.labels(measures.find(metric), {"study": study, "stage": "silver"}, attributes)
    return {"metric": metric, "value": value, "attributes": labels | FROM_COLLECTOR}


def _history(hours: range, series: list[tuple[str, dict[str, str], float]]) -> str:
    """Return series of one value, every five minutes of some hours before now, as OpenMetrics' lines."""
    lines: list[str] = []
    for name, labels, value in series:
        shown = ",".join(f'{key}="{text}"' for key, text in labels.items())
        times = [time.time() - 3600 * hour + 300 * step for hour in hours for step in range(12)]
        lines += [] if f"# TYPE {name} gauge" in lines else [f"# TYPE {name} gauge"]
        lines += [f"{name}{{{shown}}} {value} {moment:.0f}" for moment in times]
    return "\n".join([*lines, ""])


def _answers(server: prometheus.Prometheus, alert: str) -> list[list[dict[str, Any]]]:
    """Ask what the runbook wants to be asked when an alert fires."""
    questions = prometheus.runbook("promql")[alert]
    answers = [server.ask(question) for question in questions]
    assert questions
    assert [question for question, answer in zip(questions, answers, strict=True) if not answer] == []
    assert all(math.isfinite(float(one["value"][1])) for answer in answers for one in answer), questions
    return answers


def _values(answer: list[dict[str, Any]], label: str, study: str = "demo") -> dict[str, float]:
    return {one["metric"][label]: float(one["value"][1]) for one in answer if one["metric"]["study"] == study}


@pytest.mark.skipif(prometheus.PROGRAM is None, reason=prometheus.WITHOUT)
def test_when_an_alert_fires_each_query_of_its_section_says_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean_environment(monkeypatch)
    now = time.time()
    lines = [
        # demo has run twice in its life, and failed once.
        _measured(OUTCOMES, 1, outcome="succeeded"),
        _measured(OUTCOMES, 1, outcome="failed"),
        _measured(SECONDS, 400, stage="gold", status="ran"),
        _measured(SECONDS, 12, stage="bronze", status="failed"),
        _measured(totals.STARTED, now - 3600),
        _measured("potato.dataset.written.timestamp", now - 3 * 3600, dataset="silver/subjects"),
        _measured("potato.dataset.rows", 900, dataset="silver/subjects", outcome="written"),
        _measured("potato.stage.memory.peak", 3e8, process="child"),
        _measured("potato.contract.verdicts", 2, dataset="silver/subjects", severity="error", verdict="failed"),
        _measured("potato.quarantine.share", 0.5, family="weight"),
        _measured("potato.quarantine.rows", 40, family="weight", reason="no number"),
    ]
    known = []
    # The machine was off from the 30th hour before to now.
    for study, good, bad in (("calm", (90, 91), (10, 10)), ("back", (1000, 1000), (20, 21))):
        for outcome, (before, after) in {"succeeded": good, "failed": bad}.items():
            lines.append(_measured(OUTCOMES, after, study, outcome=outcome))
            labels = {"counter": "potato_run_outcomes_total", "job": "potato", "study": study, "outcome": outcome}
            known.append(("potato:counters:total", labels, before))
        lines.append(_measured(totals.STARTED, now - 1e6, study))
        known.append(("potato:counters:started", {"job": "potato", "study": study}, now - 1e6))
    usual = {"study": "demo", "stage": "silver", "family": "weight"} | FROM_COLLECTOR
    history = _history(range(60, 30, -1), sorted(known, key=lambda one: one[0]))
    history += _history(range(26, 4, -1), [("potato_quarantine_share_ratio", usual, 0.02)]) + "# EOF\n"
    with prometheus.running(tmp_path, prometheus.exposition(lines), history=history, at_once=True) as server:
        of_demo = {"SilverStale", "SuccessLow", "ContractFailing", "QuarantineJumped", "StageSlow"}
        assert server.firing() == {("SuccessLow", "back"), *((alert, "demo") for alert in of_demo)}
        answers = {alert: _answers(server, alert) for alert in of_demo}
        kind, text = server.page("/user/runbook.txt")
    outcomes, failed = answers["SuccessLow"]
    assert _values(outcomes, "outcome") == {"succeeded": 1, "failed": 1}
    assert _values(outcomes, "outcome", "calm") == {"succeeded": 1, "failed": 0}
    assert _values(outcomes, "outcome", "back") == {"succeeded": 0, "failed": 1}
    assert _values(failed, "stage") == {"bronze": 1}
    slow, executions, *_ = answers["StageSlow"]
    assert _values(slow, "stage")["gold"] > 300
    assert _values(executions, "stage") == {"gold": 1, "bronze": 1}
    assert _values(answers["ContractFailing"][0], "dataset") == {"silver/subjects": 2}
    assert kind.startswith("text/plain")
    assert "## SuccessLow" in text


@pytest.mark.skipif(prometheus.PROGRAM is None, reason=prometheus.WITHOUT)
def test_a_collector_that_is_gone_and_silver_of_which_nothing_is_known_are_told_and_a_duration_names_its_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean_environment(monkeypatch)
    trace_id, name = uuid.uuid4().hex, "potato_stage_duration_seconds"
    labels = 'job="potato",study="demo",stage="gold",status="ran"'
    page = [
        f"# TYPE {name} histogram",
        f'{name}_bucket{{{labels},le="10"}} 1 # {{trace_id="{trace_id}"}} 7.5',
        f'{name}_bucket{{{labels},le="+Inf"}} 1',
        f"{name}_sum{{{labels}}} 7.5",
        f"{name}_count{{{labels}}} 1",
        "# EOF\n",
    ]
    (slow,) = prometheus.panel_expressions()["Duration: 95th percentile of a day"]
    with prometheus.running(tmp_path, "\n".join(page), collector=False, at_once=True) as server:
        assert server.firing() == {("CollectorDown", ""), ("SilverUnknown", "")}
        (up,) = _answers(server, "CollectorDown")
        assert [float(one["value"][1]) for one in up] == [0]
        _answers(server, "SilverUnknown")
        assert len(server.ask(slow)) == 1
        around = {"start": f"{time.time() - 3600:.0f}", "end": f"{time.time() + 3600:.0f}"}
        (found,) = server.get("/api/v1/query_exemplars", query=slow, **around)
    assert [exemplar["labels"] for exemplar in found["exemplars"]] == [{"trace_id": trace_id}]


@amtool
def test_alertmanager_accepts_its_configuration() -> None:
    _succeeds("amtool", "check-config", OPS / "alertmanager/alertmanager.yaml")


@pytest.mark.skipif(ALERTMANAGER is None, reason="Debian's package prometheus-alertmanager is not installed")
def test_a_critical_alert_is_paged_and_mailed_with_what_to_do_and_its_secrets_come_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean_environment(monkeypatch)
    rule = _alerts()["ContractFailing"]
    alert = {"labels": {"alertname": "ContractFailing", "study": "demo", **rule["labels"]}}
    alert["annotations"] = {"summary": "S.", "description": "D.", "runbook_url": RUNBOOK}
    (tmp_path / "key").write_text("key-of-the-file")
    (tmp_path / "password").write_text("password-of-the-file")
    config = yaml.safe_load((OPS / "alertmanager/alertmanager.yaml").read_text())
    config["templates"] = [str(OPS / "alertmanager/templates/*.tmpl")]
    config["route"]["group_wait"] = "0s"
    with receiver(status=202) as pager, prometheus.mailbox() as mail:
        # Only where it leads to and where the files lie is another; on loopback there is no TLS.
        config["global"] |= {"smtp_smarthost": mail.address, "smtp_require_tls": False}
        config["global"]["smtp_auth_password_file"] = str(tmp_path / "password")
        for one in config["receivers"]:
            for page in one.get("pagerduty_configs", []):
                page |= {"url": pager.url, "routing_key_file": str(tmp_path / "key")}
        (tmp_path / "alertmanager.yaml").write_text(yaml.safe_dump(config))
        with prometheus.alertmanager(tmp_path) as url:
            prometheus.post(f"{url}/api/v2/alerts", [alert])
            prometheus.wait_for(lambda: bool(pager.requests and mail.letters))
    (body,) = [json.loads(body) for _, _, body in pager.requests]
    assert body["routing_key"] == "key-of-the-file"
    assert body["payload"]["summary"] == "ContractFailing in study demo"
    assert RUNBOOK in body["payload"]["custom_details"]["text"]
    (letter,) = mail.letters
    assert mail.credentials[0].endswith("\0password-of-the-file")
    assert "Subject: ContractFailing in study demo" in letter
    assert "To: on-call@example.org" in letter
    assert f"What to do: {RUNBOOK}, section ContractFailing" in letter


@amtool
@pytest.mark.skipif(ALERTMANAGER is None, reason="Debian's package prometheus-alertmanager is not installed")
def test_a_study_that_is_over_is_silenced_by_what_the_runbook_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean_environment(monkeypatch)
    (line,) = [line for line in prometheus.runbook("sh")[""] if "amtool" in line]
    command = line[line.index("amtool") :].replace("NAME", "old")
    (tmp_path / "alertmanager.yaml").write_text("{route: {receiver: pages}, receivers: [{name: pages}]}")
    with prometheus.alertmanager(tmp_path) as url:
        done = subprocess.run(
            ["sh", "-euc", command.replace("http://localhost:9093", url)], env=os.environ | {"USER": "me"}
        )
        assert done.returncode == 0
        for study, state in (("old", "suppressed"), ("demo", "active")):
            alert = {"labels": {"alertname": "SilverStale", "study": study}}
            prometheus.post(f"{url}/api/v2/alerts", [alert])
            prometheus.wait_for(lambda study=study, state=state: prometheus.states(url)[study] == state)


@amtool
@pytest.mark.parametrize(
    ("severity", "receiver"), [("critical", "on-call"), ("warning", "e-mail"), ("info", "pages"), (None, "pages")]
)
def test_an_alert_goes_where_its_severity_says(severity: str | None, receiver: str) -> None:
    labels = ["alertname=Any", *([f"severity={severity}"] if severity else [])]
    config = OPS / "alertmanager/alertmanager.yaml"
    assert _succeeds("amtool", "config", "routes", "test", f"--config.file={config}", *labels).split() == [receiver]


def test_on_call_is_paged_and_mailed_and_a_warning_is_mailed_with_secrets_from_files() -> None:
    config = yaml.safe_load((OPS / "alertmanager/alertmanager.yaml").read_text())
    receivers = {receiver["name"]: receiver for receiver in config["receivers"]}
    assert receivers["on-call"].keys() == {"name", "pagerduty_configs", "email_configs"}
    assert receivers["e-mail"].keys() == {"name", "email_configs"}
    assert receivers["pages"].keys() == {"name"}
    files = [entry["routing_key_file"] for entry in receivers["on-call"]["pagerduty_configs"]]
    files.append(config["global"]["smtp_auth_password_file"])
    secrets = yaml.safe_load((OPS / "compose.yaml").read_text())["services"]["alertmanager"]["secrets"]
    assert sorted(files) == sorted(f"/run/secrets/{name}" for name in secrets)


def test_each_alert_has_a_severity_that_somebody_is_told_of_and_a_section_of_the_runbook() -> None:
    headings = re.findall(r"^## (\w+)$", (OPS / "runbook.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(_alerts())
    for name, rule in _alerts().items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert rule["labels"]["component"] in ("pipeline", "collector"), name
        assert rule["annotations"]["runbook_url"] == "{{ $externalURL }}/user/runbook.txt"
        assert {"summary", "description"} < rule["annotations"].keys()


def test_each_section_of_the_runbook_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    sections = re.split(r"^## ", (OPS / "runbook.md").read_text(), flags=re.MULTILINE)[1:]
    for section in sections:
        name = section.split()[0]
        assert re.findall(r"^\*\*(.+?)\*\*", section, re.MULTILINE) == ["Means.", "Look.", "Do."], name
        assert "```" in section, f"{name}: the exact query or command"


def test_dashboard_rules_and_runbook_name_only_metrics_that_a_stage_records() -> None:
    known = {name for metric in measures.METRICS for name in measures.series(metric)}
    recorded = {name for name in prometheus.rule_expressions() if ":" in name}
    groups = [*prometheus.panel_expressions().values(), *prometheus.rule_expressions().values()]
    asked = " ".join(expression for group in groups for expression in group)
    texts = {"dashboard and rules": asked, "runbook": (OPS / "runbook.md").read_text()}
    texts["data sources"] = (OPS / "grafana/provisioning/datasources/datasources.yaml").read_text()
    for where, text in texts.items():
        used = set(re.findall(r"\bpotato_[a-z0-9_]+", text))
        used -= {"potato_study", "potato_stage"}  # attributes of log lines
        assert used <= known, where
        assert set(re.findall(r"\bpotato:[a-z0-9_:]+", text)) <= recorded, where


def test_the_committed_dashboard_is_what_the_code_makes() -> None:
    _succeeds(sys.executable, OPS / "dashboard.py", "--check")


def test_the_dashboard_leads_from_metric_to_trace_to_log() -> None:
    board = json.loads((OPS / "grafana/dashboards/potato.json").read_text())
    panels = {panel["title"]: panel for panel in board["panels"]}
    assert len({panel["id"] for panel in board["panels"]}) == len(panels) == len(board["panels"])
    slow = panels["Duration: 95th percentile of a day"]
    assert slow["targets"][0]["exemplar"] is True
    links = {link["title"].split(" ")[0]: link["url"] for link in slow["fieldConfig"]["defaults"]["links"]}
    assert links.keys() == {"Traces", "Log"}
    assert all("${__field.labels.stage}" in url for url in links.values())
    assert {panel["type"] for panel in panels.values()} >= {"logs", "table", "timeseries", "stat", "bargauge"}
    sources = yaml.safe_load((OPS / "grafana/provisioning/datasources/datasources.yaml").read_text())["datasources"]
    used = {panel["datasource"]["uid"] for panel in panels.values() if "datasource" in panel}
    assert used == {source["uid"] for source in sources}


def test_what_a_stage_sends_is_what_its_file_says_and_prometheus_would_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof in test_pipeline.py fills Prometheus from files; the collector fills it from what was sent."""
    clean_environment(monkeypatch)
    monkeypatch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{collector.url}/v1/metrics")
        current = run.current(tmp_path)
        with Telemetry(current, "silver", "demo") as telemetry:
            for metric in (metric for metric in measures.METRICS if metric.name != totals.STARTED):
                around = set(metric.attributes) - {"study", "stage"}
                telemetry.record(metric.name, 7.25, **dict.fromkeys(around, "some"))
    lines = [json.loads(line) for line in (current.folder / "metrics.jsonl").read_text().splitlines()]
    text = prometheus.exposition(lines)
    sent = [
        metric
        for body in collector.bodies("/v1/metrics")
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    assert {metric.name for metric in sent} == {metric.name for metric in measures.METRICS}
    for metric in sent:
        known = measures.find(metric.name)
        name = measures.prometheus_name(known)
        assert metric.unit == known.unit
        assert metric.WhichOneof("data") == {"counter": "sum"}.get(known.kind, known.kind)
        if metric.name == totals.STARTED:
            continue  # only sent
        for point in getattr(metric, metric.WhichOneof("data")).data_points:
            pairs = sorted((attribute.key, attribute.value.string_value) for attribute in point.attributes)
            labels = ",".join(f'{key}="{value}"' for key, value in pairs)
            if known.kind != "histogram":
                # A counter that was never counted up is sent as zero, and is in no line of the file.
                value = point.as_double or float(point.as_int)
                assert not value or f"{name}{{{labels}}} {value}\n" in text
                continue
            assert f"{name}_sum{{{labels}}} {point.sum}\n" in text
            below = 0
            for bound, count in zip((*point.explicit_bounds, "+Inf"), point.bucket_counts, strict=True):
                below += count
                le = bound if bound == "+Inf" else f"{bound:g}"
                assert f'{name}_bucket{{{labels},le="{le}"}} {float(below)}\n' in text
            assert [exemplar.trace_id.hex() for exemplar in point.exemplars] == [current.trace_id]

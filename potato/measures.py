"""The pipeline's metrics: every name that may be recorded, with its unit, its attributes and its meaning.

docs/metrics.md is written from this table, and rules and dashboards are checked against it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from potato.errors import nearest

PAGE = "docs/metrics.md"
SECONDS = (1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 360, 480, 600, 900, 1800, 3600)
"""Upper bounds of the duration's classes: close where a stage of the demo study lies, and beyond five minutes."""


@dataclass(frozen=True)
class Metric:
    """A measure of the pipeline.

    Attributes
    ----------
    name : dotted and lower case, in the way of OpenTelemetry's conventions.
    unit : in UCUM; braces name what is counted.
    kind : a counter adds its values up, a gauge keeps the last one, a histogram counts them by class.
    attributes : what tells its series apart, all of them required; `study` is one of each.
    description : what it means.
    bounds : upper bounds of a histogram's classes, in the metric's unit.
    """

    name: str
    unit: str
    kind: Literal["counter", "gauge", "histogram"]
    attributes: tuple[str, ...]
    description: str
    bounds: tuple[float, ...] = ()


METRICS = (
    Metric(
        "potato.run.outcomes",
        "{run}",
        "counter",
        ("study", "outcome"),
        "Runs that ended, by outcome: succeeded, failed, or aborted by a person, a signal or a crash",
    ),
    Metric(
        "potato.counters.started.timestamp",
        "s",
        "gauge",
        ("study",),
        "When the sums of the study's counters and histograms began, in seconds since 1970; in no file, only sent",
    ),
    Metric(
        "potato.stage.duration",
        "s",
        "histogram",
        ("study", "stage", "status"),
        "Wall-clock time of an execution of a stage, by status: ran or failed",
        SECONDS,
    ),
    Metric(
        "potato.stage.memory.peak",
        "By",
        "gauge",
        ("study", "stage", "process"),
        "Largest resident memory in the latest execution, by process: stage, or child (the kernel, or a tool)",
    ),
    Metric(
        "potato.dataset.rows",
        "{row}",
        "gauge",
        ("study", "stage", "dataset", "outcome"),
        "Rows of a dataset by outcome: written by the stage; or what became of those it read: kept or quarantined",
    ),
    Metric(
        "potato.dataset.written.timestamp",
        "s",
        "gauge",
        ("study", "stage", "dataset"),
        "When the dataset was last published, in seconds since 1970; now less this is its age",
    ),
    Metric(
        "potato.contract.verdicts",
        "{verdict}",
        "gauge",
        ("study", "stage", "dataset", "severity", "verdict"),
        "Expectations in the latest execution, by severity (error or warning) and verdict (passed or failed)",
    ),
    Metric(
        "potato.quarantine.rows",
        "{row}",
        "gauge",
        ("study", "stage", "family", "reason"),
        "Rows set aside in the latest execution, by family of raw files and reason",
    ),
    Metric(
        "potato.quarantine.share",
        "1",
        "gauge",
        ("study", "stage", "family"),
        "Rows set aside among the rows read in the latest execution, from 0 to 1",
    ),
    Metric(
        "potato.drift.columns",
        "{column}",
        "gauge",
        ("study", "stage", "dataset", "verdict"),
        "Numeric columns against the last accepted data, by verdict: stable, moved, shifted or too_few",
    ),
    Metric(
        "potato.drift.psi",
        "{nat}",
        "gauge",
        ("study", "stage", "dataset", "column"),
        "Population stability index of a column against the last accepted data; more than 0.25 is called a shift",
    ),
    Metric(
        "potato.gate.findings",
        "{finding}",
        "gauge",
        ("study", "stage", "verdict"),
        "Findings of the statistical gate in the latest execution, by verdict: pass, caution or fail",
    ),
    Metric(
        "potato.model.estimate",
        "kg/wk",
        "gauge",
        ("study", "stage", "model", "term"),
        "Estimate: change of weight for one unit of the term",
    ),
    Metric(
        "potato.model.std_error",
        "kg/wk",
        "gauge",
        ("study", "stage", "model", "term"),
        "Standard error of the estimate",
    ),
    Metric(
        "potato.model.observations",
        "{observation}",
        "gauge",
        ("study", "stage", "model"),
        "Person-weeks that the model was fitted to; 0 where it was left out",
    ),
    Metric(
        "potato.model.converged",
        "{fit}",
        "gauge",
        ("study", "stage", "model"),
        "1 where the model was fitted and its estimation came to rest, 0 where it was left out",
    ),
)
"""A stage is a batch job: a gauge is what its latest execution left, counters and histograms go on from run to run."""

# OpenTelemetry, Prometheus compatibility: what it writes for UCUM units; the rest stay as they are.
_UNITS = {"s": "seconds", "By": "bytes", "kg": "kg", "wk": "wk", "1": ""}


def find(name: str) -> Metric:
    """Return the metric of this name.

    Raises
    ------
    ValueError : no metric has this name.
    """
    by_name = {metric.name: metric for metric in METRICS}
    if name not in by_name:
        raise ValueError(f"no metric is named {name!r}; the nearest is {nearest(name, by_name)!r}")
    return by_name[name]


def labels(metric: Metric, around: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return a measurement's attributes in the table's order: those `given`, and of those `around` what is needed.

    Raises
    ------
    ValueError : an attribute is missing, or is none of the metric's.
    """
    found = {name: value for name, value in around.items() if name in metric.attributes} | dict(given)
    if found.keys() != set(metric.attributes):
        raise ValueError(f"{metric.name} has the attributes {', '.join(metric.attributes)}, not {', '.join(found)}")
    return {name: found[name] for name in metric.attributes}


def prometheus_name(metric: Metric) -> str:
    """Return what Prometheus calls the metric, by OpenTelemetry's rules for names and units.

    Source: OpenTelemetry specification, "Prometheus and OpenMetrics compatibility". A histogram's series add
    `_bucket`, `_sum` and `_count` to it.
    """
    words = re.sub(r"[^a-zA-Z0-9]+", "_", metric.name).strip("_").split("_")
    main, _, per = metric.unit.partition("/")
    for unit, before in ((main, ()), (per, ("per",))):
        if unit and "{" not in unit and "}" not in unit and (word := _UNITS[unit]) and word not in words:
            words += [*before, word]
    if metric.kind == "counter":
        words = [word for word in words if word != "total"] + ["total"]
    if metric.kind == "gauge" and metric.unit == "1":
        words = [word for word in words if word != "ratio"] + ["ratio"]
    return "_".join(words)


def series(metric: Metric) -> tuple[str, ...]:
    """Return the names of the metric's series in Prometheus: one, or a histogram's three."""
    name = prometheus_name(metric)
    return tuple(f"{name}_{part}" for part in ("bucket", "sum", "count")) if metric.kind == "histogram" else (name,)


def markdown() -> str:
    """Return the page of metrics."""
    lines = [
        "# Metrics",
        "",
        "Written from `potato/measures.py` by `python -m potato.measures`.",
        "",
        "Every run writes them to `runs/RUN_ID/metrics.jsonl`. Where `OTEL_EXPORTER_OTLP_ENDPOINT` or",
        "`OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` is set, a stage also pushes them over OTLP when it ends.",
        "A gauge is what the latest execution left. A counter and a histogram go on from run to run: what",
        "earlier runs of this checkout counted is kept in `runs/totals.json`, so that a push that was lost is",
        "made good by the next one. A push holds all sums of its study, not only those of its stage. With",
        "`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta` it holds only what is new.",
        "",
        "Prometheus' label `job` is `potato`, or what `OTEL_SERVICE_NAME` says.",
        "",
        "| Metric | In Prometheus | Unit | Kind | Attributes | Meaning |",
        "|---|---|---|---|---|---|",
    ]
    for metric in METRICS:
        attributes = ", ".join(metric.attributes)
        cells = (f"`{metric.name}`", f"`{prometheus_name(metric)}`", f"`{metric.unit}`", metric.kind, attributes)
        lines.append(f"| {' | '.join([*cells, metric.description])} |")
    lines += ["", f"Classes of the duration end at {', '.join(f'{bound:g}' for bound in SECONDS)} seconds."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    from potato import lake

    lake.write_text(lake.root() / PAGE, markdown())

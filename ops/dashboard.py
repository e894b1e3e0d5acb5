"""Grafana's dashboard as code: `python ops/dashboard.py` writes ops/grafana/dashboards/potato.json.

Names of metrics come from potato/measures.py, so that none is asked for that no stage records.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from grafana_foundation_sdk.builders import bargauge, common, dashboard, logs, loki, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

from potato import measures

FILE = Path(__file__).parent / "grafana" / "dashboards" / "potato.json"
STUDY = 'study=~"$study"'
PROMETHEUS = models.DataSourceRef(type_val="prometheus", uid="prometheus")
LOKI = models.DataSourceRef(type_val="loki", uid="loki")
JAEGER = models.DataSourceRef(type_val="jaeger", uid="jaeger")

Panel = TypeVar("Panel", timeseries.Panel, stat.Panel, bargauge.Panel, table.Panel)


class TraceSearch:
    """A search of Grafana's Jaeger data source, for which the SDK has no builder."""

    def build(self) -> TraceSearch:
        return self

    def to_json(self) -> dict[str, Any]:
        source = {"type": "jaeger", "uid": "jaeger"}
        return {"refId": "A", "datasource": source, "queryType": "search", "service": "potato", "limit": 20}


def series(name: str, *, part: str = "", **labels: str) -> str:
    """Return the selector of a metric's series in Prometheus, for the studies that are looked at.

    `part` is bucket, sum or count of a histogram; `labels` have to be equal.
    """
    full = measures.prometheus_name(measures.find(name)) + (f"_{part}" if part else "")
    selectors = [STUDY, *(f'{label}="{value}"' for label, value in labels.items())]
    return f"{full}{{{', '.join(selectors)}}}"


def left(name: str, **labels: str) -> str:
    """Return what the last runs left in a gauge, also when the collector was restarted since."""
    return f"last_over_time({series(name, **labels)}[30d])"


def added(name: str, window: str, *, part: str = "", **labels: str) -> str:
    """Return what a counter gained within 1d or 7d, as the rules record it."""
    counter = measures.prometheus_name(measures.find(name)) + (f"_{part}" if part else "")
    selectors = [STUDY, *(f'{label}="{value}"' for label, value in ({"counter": counter} | labels).items())]
    return f"potato:counters:added{window}{{{', '.join(selectors)}}}"


def success(window: str) -> str:
    """Return the share of runs that succeeded."""
    good = added("potato.run.outcomes", window, outcome="succeeded")
    return f"(sum({good}) or vector(0)) / (sum({added('potato.run.outcomes', window)}) > 0)"


def explore(source: str, query: dict[str, Any]) -> str:
    """Return the address of Grafana's Explore with a query; `${...}` stays for Grafana to fill in."""
    pane = {
        "datasource": source,
        "queries": [{"refId": "A", "datasource": {"type": source, "uid": source}} | query],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    panes = quote(json.dumps({"one": pane}, separators=(",", ":")), safe="${}:,._")
    return f"/explore?schemaVersion=1&orgId=1&panes={panes}"


def to_trace_and_log(panel: Panel) -> Panel:
    """Let a click on a stage's value open the traces and the log lines of that stage."""
    traces = {"queryType": "search", "service": "potato", "tags": 'potato.stage="${__field.labels.stage}"'}
    lines = {"expr": '{service_name="potato"} | potato_stage="${__field.labels.stage}"', "queryType": "range"}
    return panel.data_links(
        [
            dashboard.DashboardLink(title).url(explore(source, query)).target_blank(True)
            for title, source, query in (
                ("Traces of ${__field.labels.stage}", "jaeger", traces),
                ("Log lines of ${__field.labels.stage}", "loki", lines),
            )
        ]
    )


def put(panel: Panel, title: str, description: str, *, width: int, height: int = 8) -> Panel:
    return panel.title(title).description(description).span(width).height(height).datasource(PROMETHEUS)


def ask(expression: str, legend: str = "", *, now: bool = False, exemplar: bool = False) -> prometheus.Dataquery:
    query = prometheus.Dataquery().expr(expression).legend_format(legend).exemplar(exemplar)
    return query.instant() if now else query.range()


def number(title: str, description: str, unit: str, expression: str, *steps: tuple[float | None, str]) -> stat.Panel:
    """Return one number with the colours of `steps` (from, colour)."""
    thresholds = dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE)
    thresholds = thresholds.steps([models.Threshold(value, color) for value, color in steps])
    panel = put(stat.Panel(), title, description, width=4, height=5)
    return panel.unit(unit).thresholds(thresholds).with_target(ask(expression, now=True))


def lines(title: str, description: str, unit: str, *queries: prometheus.Dataquery, width: int = 12) -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(True).placement(shapes.LegendPlacement.BOTTOM)
    legend = legend.display_mode(shapes.LegendDisplayMode.LIST)
    panel = put(timeseries.Panel(), title, description, width=width).unit(unit).legend(legend).min(0)
    for query, ref in zip(queries, "ABCD", strict=False):
        panel = panel.with_target(query.ref_id(ref))
    return panel


def bars(title: str, description: str, unit: str, expression: str, legend: str, *, width: int = 12) -> bargauge.Panel:
    panel = put(bargauge.Panel(), title, description, width=width).unit(unit)
    return panel.orientation(shapes.VizOrientation.HORIZONTAL).with_target(ask(expression, legend, now=True))


def log_lines(title: str, description: str, expression: str) -> logs.Panel:
    panel = logs.Panel().title(title).description(description).span(24).height(9).datasource(LOKI)
    panel = panel.show_time(True).enable_log_details(True).wrap_log_message(True)
    return panel.with_target(loki.Dataquery().expr(expression).query_type("range").ref_id("A"))


def now(board: dashboard.Dashboard) -> None:
    age = f"max(potato:silver_age_seconds{{{STUDY}}})"
    budget = f"1 - (1 - {success('7d')}) / 0.05"
    failing = f"sum({left('potato.contract.verdicts', severity='error', verdict='failed')})"
    share = f"max({left('potato.quarantine.share')})"
    firing = 'count(ALERTS{alertstate="firing"}) or vector(0)'
    board.with_row(dashboard.Row("Now: is what was promised kept?"))
    for panel in (
        number(
            "Runs that succeeded",
            "Among those of the last 7 days. Promised: 95 %.",
            units.PercentUnit,
            success("7d"),
            (None, "red"),
            (0.95, "green"),
        ),
        number(
            "Error budget left",
            "1: no run of the last 7 days failed. 0: one in twenty did.",
            units.PercentUnit,
            budget,
            (None, "red"),
            (0, "yellow"),
            (0.5, "green"),
        ),
        number(
            "Age of silver",
            "Since it was last published, of the study with the oldest. Promised: 2 hours.",
            units.Seconds,
            age,
            (None, "green"),
            (7200, "red"),
        ),
        number(
            "Broken expectations",
            "Of severity error, in the latest execution of each stage.",
            units.Short,
            failing,
            (None, "green"),
            (1, "red"),
        ),
        number(
            "Rows in quarantine",
            "Among the rows read, of the family of files with the most.",
            units.PercentUnit,
            share,
            (None, "green"),
            (0.05, "yellow"),
        ),
        number(
            "Alerts firing",
            "Prometheus' page Alerts names them, and the runbook says what to do.",
            units.Short,
            firing,
            (None, "green"),
            (1, "red"),
        ),
    ):
        board.with_panel(panel)
    firing_by_name = 'count by (alertname) (ALERTS{alertstate="firing"}) or vector(0)'
    share_of_day = f"min by (study) (potato:run_success:ratio1d{{{STUDY}}})"
    for line in (
        lines(
            "Success: share of a day",
            "What the alert SuccessLow looks at. Promised: 95 %.",
            units.PercentUnit,
            ask(share_of_day, "{{study}}"),
        ),
        lines(
            "Alerts",
            "Which fired when; the runbook, linked above, says what to do.",
            units.Short,
            ask(firing_by_name, "{{alertname}}"),
        ),
    ):
        board.with_panel(line)


def pipeline(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("Pipeline"))
    buckets, total, count = (added("potato.stage.duration", "1d", part=part) for part in ("bucket", "sum", "count"))
    slow = f"histogram_quantile(0.95, sum by (stage, le) ({buckets})) >= 0"
    # Grafana asks for exemplars of the series that the query names. A recorded one has none: the last part is empty.
    slow = f"{slow} or sum by (stage) ({series('potato.stage.duration', part='bucket')} < 0)"
    mean = f"sum by (stage) ({total}) / (sum by (stage) ({count}) > 0)"
    outcomes = f"sum by (outcome) ({added('potato.run.outcomes', '1d')})"
    memory = f"max by (stage, process) ({series('potato.stage.memory.peak')})"
    click = "A point opens its trace; a click on a line opens the traces and log lines of its stage."
    for panel in (
        to_trace_and_log(
            lines(
                "Duration: 95th percentile of a day",
                f"Promised: 5 minutes. {click}",
                units.Seconds,
                ask(slow, "{{stage}}", exemplar=True),
            )
        ),
        to_trace_and_log(
            lines("Duration: mean of a day", f"Of all executions. {click}", units.Seconds, ask(mean, "{{stage}}"))
        ),
        lines("Runs of a day", "By outcome.", units.Short, ask(outcomes, "{{outcome}}"), width=8),
        to_trace_and_log(
            lines(
                "Peak memory",
                "Largest resident memory of the stage's process and of its kernel.",
                units.BytesIEC,
                ask(memory, "{{stage}}, {{process}}"),
                width=8,
            )
        ),
        bars(
            "Rows written",
            "By the latest execution of each stage.",
            units.Short,
            f"sum by (dataset) ({left('potato.dataset.rows', outcome='written')})",
            "{{dataset}}",
            width=8,
        ),
    ):
        board.with_panel(panel)


def quality(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("Data quality"))
    verdicts = f"sum by (stage, dataset, severity) ({series('potato.contract.verdicts', verdict='failed')})"
    findings = f"sum by (stage, verdict) ({series('potato.gate.findings')})"
    for panel in (
        to_trace_and_log(
            lines(
                "Expectations that failed",
                "By dataset and severity: error stops the stage, warning passes and shows.",
                units.Short,
                ask(verdicts, "{{dataset}}, {{severity}}"),
            )
        ),
        lines(
            "Share in quarantine",
            "Rows set aside among the rows read, by family of raw files.",
            units.PercentUnit,
            ask(f"max by (study, family) ({series('potato.quarantine.share')})", "{{study}}, {{family}}"),
        ),
        bars(
            "Quarantine by reason",
            "Rows set aside by the latest execution; data/quarantine/ has them with file and row.",
            units.Short,
            f"sum by (family, reason) ({left('potato.quarantine.rows')})",
            "{{family}}: {{reason}}",
        ),
        lines("The statistical gate", "Findings by verdict.", units.Short, ask(findings, "{{verdict}}")),
    ):
        board.with_panel(panel)


def drift_and_models(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("Drift and models"))
    psi = f"topk(10, max by (dataset, column) ({series('potato.drift.psi')}))"
    for panel in (
        bars(
            "Columns that moved most",
            "Population stability index against the last accepted data; more than 0.25 is a shift.",
            units.Short,
            psi,
            "{{dataset}}.{{column}}",
        ),
        bars(
            "Person-weeks that each model uses",
            "0: the model was left out; the page Models of the report says why.",
            units.Short,
            f"sum by (study, model) ({left('potato.model.observations')})",
            "{{study}}: {{model}}",
        ),
    ):
        board.with_panel(panel)


def freshness(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("Freshness"))
    age = f"time() - max by (study, dataset) ({left('potato.dataset.written.timestamp')})"
    board.with_panel(
        bars(
            "Age of each dataset",
            "Since it was last published. DVC leaves a stage alone whose inputs are the same.",
            units.Seconds,
            age,
            "{{study}}: {{dataset}}",
            width=24,
        )
    )


def logs_and_traces(board: dashboard.Dashboard) -> None:
    board.with_row(dashboard.Row("Logs and traces"))
    of_study = '{service_name="potato"} | potato_study=~"$study"'
    to_trace = "Open a line: its trace_id opens the trace."
    board.with_panel(log_lines("Errors", to_trace, f'{of_study} | severity_text=~"ERROR|FATAL"'))
    search = table.Panel().title("Traces").span(24).height(9).datasource(JAEGER)
    search = search.description("Of the newest runs. A trace id opens the trace, and a span its run's log lines.")
    board.with_panel(search.with_target(TraceSearch()))  # type: ignore[arg-type]
    board.with_panel(log_lines("All log lines", to_trace, of_study))


def build() -> str:
    """Return the dashboard as Grafana's JSON."""
    board = dashboard.Dashboard("Potato: the pipeline").uid("potato").tags(["potato"]).readonly()
    board = board.description("What runs of the pipeline did, from metric to trace to log. Made by ops/dashboard.py.")
    board = board.time("now-24h", "now").refresh("1m").timezone("browser").tooltip(models.DashboardCursorSync.CROSSHAIR)
    known = f"label_values({measures.prometheus_name(measures.find('potato.run.outcomes'))}, study)"
    study = dashboard.QueryVariable("study").label("Study").query(known).datasource(PROMETHEUS)
    study = study.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).multi(True).include_all(True).all_value(".*")
    board = board.with_variable(study.current(models.VariableOption(text="All", value="$__all")))
    for title, url in (
        ("Alerts", "http://localhost:9090/alerts"),
        ("Runbook", "http://localhost:9090/user/runbook.txt"),
        ("Traces", "http://localhost:16686"),
        ("Lineage", "http://localhost:3001"),
    ):
        board = board.link(dashboard.DashboardLink(title).url(url).target_blank(True))
    for part in (now, pipeline, quality, drift_and_models, freshness, logs_and_traces):
        part(board)
    built = board.build()
    for identity, panel in enumerate(built.panels or [], start=1):
        panel.id_val = identity
    return json.dumps(built, cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def main() -> None:
    text = build()
    if "--check" not in sys.argv:
        FILE.write_text(text, encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != text:
        sys.exit("ops/grafana/dashboards/potato.json is not what ops/dashboard.py makes; type: python ops/dashboard.py")


if __name__ == "__main__":
    main()

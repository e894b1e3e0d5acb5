"""The table of metrics is what the page says, what stages record, and what Prometheus will call them."""

from __future__ import annotations

from pathlib import Path

import pytest

from potato import measures
from potato.measures import Metric

HERE = Path(__file__).parent.parent


def test_the_page_of_metrics_says_what_the_table_says() -> None:
    page = (HERE / measures.PAGE).read_text(encoding="utf-8")
    assert page == measures.markdown(), "type `python -m potato.measures`"


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("potato.run.outcomes", "{run}", "counter", "potato_run_outcomes_total"),
        ("potato.stage.duration", "s", "histogram", "potato_stage_duration_seconds"),
        ("potato.memory", "By", "gauge", "potato_memory_bytes"),
        ("potato.memory.bytes", "By", "gauge", "potato_memory_bytes"),
        ("potato.share", "1", "gauge", "potato_share_ratio"),
        ("potato.share", "1", "counter", "potato_share_total"),
        ("potato.model.estimate", "kg/wk", "gauge", "potato_model_estimate_kg_per_wk"),
        ("potato.rows-read", "{row}", "gauge", "potato_rows_read"),
    ],
)
def test_prometheus_names_follow_opentelemetry_s_rules(name: str, unit: str, kind: str, expected: str) -> None:
    assert measures.prometheus_name(Metric(name, unit, kind, (), "")) == expected  # type: ignore[arg-type]


def test_no_two_metrics_share_a_name_in_prometheus() -> None:
    names = [name for metric in measures.METRICS for name in measures.series(metric)]
    assert len(names) == len(set(names))


def test_a_p95_beyond_five_minutes_can_be_told_from_one_below() -> None:
    assert 300 in measures.SECONDS
    assert sum(bound > 300 for bound in measures.SECONDS) >= 4

"""Metrics of MLflow as items of DynamoDB: every point beside its run, the newest of each metric in the run itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mlflow.entities import Metric

from potato import dynamodb_keys
from potato.dynamodb_table import HASH, RANGE, Item, number

_SOURCE = ("model_id", "dataset_name", "dataset_digest")


def entry(metric: Metric) -> dict[str, Any]:
    """Return what is kept of a point in whatever it belongs to, without its name."""
    return {"value": number(float(metric.value)), "timestamp": int(metric.timestamp), "step": int(metric.step)}


def point(experiment_id: str, run_id: str, metric: Metric) -> Item:
    """Return the item of one point, in the partition of the run's experiment."""
    kept = entry(metric)
    key = dynamodb_keys.point(run_id, metric.key, kept["timestamp"], kept["step"], float(metric.value))
    source = {name: value for name in _SOURCE if (value := getattr(metric, name)) is not None}
    return {HASH: experiment_id, RANGE: key, "metric": metric.key} | kept | source


def entity(name: str, kept: Mapping[str, Any], **more: Any) -> Metric:
    """Return the metric that was kept as an entry or as a point."""
    source = {each: kept.get(each) for each in _SOURCE}
    return Metric(name, float(kept["value"]), kept["timestamp"], kept["step"], **source | more)


def newest(known: Mapping[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """Return which of two entries is the metric's value: the later step, then the later time, then the larger value."""
    return new if known is None or _rank(new) > _rank(known) else dict(known)


def _rank(kept: Mapping[str, Any]) -> tuple[int, int, float]:
    value = float(kept["value"])
    return kept["step"], kept["timestamp"], -math.inf if math.isnan(value) else value

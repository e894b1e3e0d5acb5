"""What counters and histograms have counted so far, over the stages and runs of this checkout.

A stage is a process of its own whose counters begin at zero. A collector that was told "1" by each of them would not
see an increase; so each tells the sum up to now, which OpenTelemetry calls cumulative, and a push that was lost is made
good by the next one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from opentelemetry.sdk.metrics.export import (
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    Sum,
)

from potato import run as runs

State = dict[str, dict[str, Any]]


def carried(data: MetricsData, path: Path) -> MetricsData:
    """Return the measurements with what was counted before added to them, and keep the sums in `path`.

    Gauges stay as they are. A file that cannot be read or written costs the sums and not the stage: counting begins
    anew, as after a restart.
    """
    with suppress(OSError), runs.exclusive(path.with_name(".totals.lock")):
        state = _read(path)
        found = _each_metric(data, lambda metric: _added(metric, state))
        draft = path.with_name(f".{path.name}")
        draft.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        draft.replace(path)
        return found
    return data


def _read(path: Path) -> State:
    with suppress(OSError, ValueError):
        state = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(state, dict):
            return state
    return {}


def _each_metric(data: MetricsData, change: Callable[[Metric], Metric]) -> MetricsData:
    of_resources = []
    for resource in data.resource_metrics:
        scopes = [
            dataclasses.replace(scope, metrics=[change(metric) for metric in scope.metrics])
            for scope in resource.scope_metrics
        ]
        of_resources.append(dataclasses.replace(resource, scope_metrics=scopes))
    return dataclasses.replace(data, resource_metrics=of_resources)


def _added(metric: Metric, state: State) -> Metric:
    points: list[Any] = []
    if not isinstance(metric.data, Sum | Histogram):
        return metric
    for point in metric.data.data_points:
        key = json.dumps([metric.name, sorted((point.attributes or {}).items())])
        before = state.get(key)
        # What somebody else wrote into the file is no reason to count nothing.
        with suppress(KeyError, TypeError, ValueError):
            point = _histogram(point, before) if isinstance(point, HistogramDataPoint) else _number(point, before)
        points.append(point)
        state[key] = _kept(point)
    data: Any = metric.data
    return dataclasses.replace(metric, data=dataclasses.replace(data, data_points=points))


def _number(point: NumberDataPoint, before: dict[str, Any] | None) -> NumberDataPoint:
    if before is None:
        return point
    return dataclasses.replace(point, value=point.value + before["value"], start_time_unix_nano=_start(before))


def _histogram(point: HistogramDataPoint, before: dict[str, Any] | None) -> HistogramDataPoint:
    # With other classes the old counts belong nowhere.
    if before is None or before["bounds"] != list(point.explicit_bounds):
        return point
    return dataclasses.replace(
        point,
        count=point.count + before["count"],
        sum=point.sum + before["sum"],
        min=min(point.min, before["min"]),
        max=max(point.max, before["max"]),
        bucket_counts=[now + then for now, then in zip(point.bucket_counts, before["buckets"], strict=True)],
        start_time_unix_nano=_start(before),
    )


def _start(before: dict[str, Any]) -> int:
    if not isinstance(before["start"], int):
        raise TypeError(before["start"])
    return before["start"]


def _kept(point: NumberDataPoint | HistogramDataPoint) -> dict[str, Any]:
    if isinstance(point, NumberDataPoint):
        return {"start": point.start_time_unix_nano, "value": point.value}
    return {
        "start": point.start_time_unix_nano,
        "count": point.count,
        "sum": point.sum,
        "min": point.min,
        "max": point.max,
        "buckets": list(point.bucket_counts),
        "bounds": list(point.explicit_bounds),
    }

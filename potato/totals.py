"""What counters and histograms have counted so far, over the stages and runs of this checkout.

A stage is a process of its own whose counters begin at zero. A collector that was told "1" by each of them would not
see an increase; so each tells the sum up to now, which OpenTelemetry calls cumulative, and a push that was lost is made
good by the next one. Each also tells the sums of the study's other stages, as a process that lives on would: a
collector that was restarted has all of them again after one stage.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    Sum,
)

from potato import measures
from potato import run as runs

State = dict[str, dict[str, Any]]

STARTED = "potato.counters.started.timestamp"
"""Prometheus can't know whether a counter that it sees for the first time is new: this metric says so."""


def carried(data: MetricsData, path: Path) -> MetricsData:
    """Return the measurements with what was counted before added to them, and keep the sums in `path`.

    Gauges stay as they are. A file that cannot be read or written costs the sums and not the stage: counting begins
    anew, as after a restart.
    """
    with suppress(OSError), runs.exclusive(path.with_name(".totals.lock")):
        state = _read(path)
        found = _each_scope(data, lambda metrics: _told(metrics, state))
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


def _each_scope(data: MetricsData, change: Callable[[list[Metric]], list[Metric]]) -> MetricsData:
    of_resources = []
    for resource in data.resource_metrics:
        scopes = [dataclasses.replace(scope, metrics=change(list(scope.metrics))) for scope in resource.scope_metrics]
        of_resources.append(dataclasses.replace(resource, scope_metrics=scopes))
    return dataclasses.replace(data, resource_metrics=of_resources)


def _told(metrics: list[Metric], state: State) -> list[Metric]:
    """Return the metrics with all that was counted for their studies, and since when."""
    found = [_with_the_others(_added(metric, state), state) for metric in metrics]
    points = [
        point for metric in found if isinstance(metric.data, Sum | Histogram) for point in metric.data.data_points
    ]
    started = []
    for study in sorted({str((point.attributes or {}).get("study")) for point in points}):
        starts = [kept["start"] for _, labels, kept in _each_sum(state) if labels.get("study") == study]
        if starts:
            started.append(NumberDataPoint({"study": study}, 0, points[0].time_unix_nano, min(starts) / 1e9))
    if not started:
        return found
    about = measures.find(STARTED)
    return [*found, Metric(STARTED, about.description, about.unit, Gauge(started))]


def _each_sum(state: State) -> Iterator[tuple[str, dict[str, str], dict[str, Any]]]:
    """Yield the name, the attributes and the sum of what was counted; what somebody else wrote there is left out."""
    for key, kept in state.items():
        with suppress(ValueError, TypeError):
            name, pairs = json.loads(key)
            labels = dict(pairs)
            if isinstance(kept, dict) and isinstance(kept.get("start"), int):
                yield name, labels, kept


def _with_the_others(metric: Metric, state: State) -> Metric:
    """Add the series of the same studies that other stages counted."""
    if not isinstance(metric.data, Sum | Histogram):
        return metric
    points: list[Any] = list(metric.data.data_points)
    known = [dict(point.attributes or {}) for point in points]
    studies = {labels.get("study") for labels in known}
    for name, labels, kept in _each_sum(state):
        if name == metric.name and labels.get("study") in studies and labels not in known:
            with suppress(KeyError, TypeError, ValueError):
                points.append(_remembered(points[0], labels, kept))
    data: Any = metric.data
    return dataclasses.replace(metric, data=dataclasses.replace(data, data_points=points))


def _remembered(
    like: NumberDataPoint | HistogramDataPoint, labels: dict[str, str], kept: dict[str, Any]
) -> NumberDataPoint | HistogramDataPoint:
    """Return a sum as a point at the time of `like`."""
    if isinstance(like, NumberDataPoint):
        changed = dataclasses.replace(like, value=0, attributes=labels, exemplars=[])
        return _number(changed, kept)
    if kept["bounds"] != list(like.explicit_bounds):
        raise ValueError("classes of another version")
    empty = dataclasses.replace(
        like,
        attributes=labels,
        exemplars=[Exemplar(**exemplar) for exemplar in kept["exemplars"]],
        count=0,
        sum=0,
        min=kept["min"],
        max=kept["max"],
        bucket_counts=[0] * len(like.bucket_counts),
    )
    return _histogram(empty, kept)


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
        # The trace that it was measured in; ids are integers.
        "exemplars": [dataclasses.asdict(exemplar) | {"filtered_attributes": {}} for exemplar in point.exemplars],
    }

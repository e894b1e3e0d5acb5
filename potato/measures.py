"""The pipeline's metrics: every name that may be recorded, with its unit and its meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from potato.errors import nearest


@dataclass(frozen=True)
class Metric:
    """A measure of the pipeline.

    Attributes
    ----------
    name : dotted and lower case, in the way of OpenTelemetry's conventions.
    unit : in UCUM; braces name what is counted.
    kind : a counter adds its values up, a gauge keeps the last one.
    description : what it means, and which attributes tell its series apart.
    """

    name: str
    unit: str
    kind: Literal["counter", "gauge"]
    description: str


METRICS = (
    Metric("potato.stage.duration", "s", "gauge", "Wall-clock time of the stage, by status"),
    Metric("potato.stage.runs", "{run}", "counter", "Executions of the stage, by status (ran, failed)"),
    Metric("potato.dataset.rows", "{row}", "gauge", "Rows of a dataset, by dataset"),
    Metric("potato.contract.verdicts", "{verdict}", "counter", "Verdicts, by dataset, severity and success"),
    Metric("potato.quarantine.rows", "{row}", "gauge", "Rows set aside, by family of files and reason"),
)
"""Stage and study are attributes of each. A stage is a batch job: a gauge is what its latest run left."""


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

"""What weights did: each person's change, group and week means with intervals, and slopes by condition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

EVERYONE = "Everyone"
MIN_PEOPLE = 5
MIN_WEIGHTS_FOR_SLOPE = 10


@dataclass(frozen=True)
class Mean:
    """A mean over people with its t interval; `low` and `high` are NaN when n < 2."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


def mean(values: pd.Series[float], confidence: float) -> Mean:
    """Return mean, standard deviation and t interval of the values that are there."""
    from scipy import stats

    data = values.dropna().to_numpy(float)
    n = len(data)
    if n < 2:
        return Mean(n, float(data.mean()) if n else math.nan, math.nan, math.nan, math.nan)
    sd = float(data.std(ddof=1))
    width = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * sd / math.sqrt(n)
    return Mean(n, float(data.mean()), sd, float(data.mean()) - width, float(data.mean()) + width)


def with_groups(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the frame with a text group on every row, and the groups in alphabetical order.

    A study without groups has one, `Everyone`; a person without a group in a study that has them is `Not
    stated`.
    """
    if frame["group"].isna().all():
        return frame.assign(group=EVERYONE), [EVERYONE]
    filled = frame.assign(group=frame["group"].astype(object).where(frame["group"].notna(), "Not stated"))
    return filled, sorted(filled["group"].unique())


def people(trajectories: pd.DataFrame) -> pd.DataFrame:
    """Return one row a person, sorted: group, n_weights, n_weeks, last_week, baseline_weight_kg, change_kg.

    `change_kg` is the last weigh-in minus the first, and null for a person with a single weigh-in.
    """
    ordered = trajectories.sort_values(["subject_id", "study_week"])
    table = ordered.groupby("subject_id", as_index=False).agg(
        group=("group", "first"),
        n_weights=("n_weights", "sum"),
        n_weeks=("study_week", "nunique"),
        last_week=("study_week", "max"),
        baseline_weight_kg=("baseline_weight_kg", "first"),
        change_kg=("change_from_baseline_kg", "last"),
    )
    table["change_kg"] = table["change_kg"].where(table["n_weights"] > 1)
    return table


def summarise(frame: pd.DataFrame, value: str, by: Sequence[str], confidence: float) -> pd.DataFrame:
    """Return n, mean, sd, low and high of `value` for each combination of `by` that has a value.

    `low` and `high` are NaN over fewer than MIN_PEOPLE values.
    """
    rows = []
    for key, part in frame.dropna(subset=[value]).groupby(list(by), sort=True):
        found = mean(part[value], confidence)
        rows.append((*key, found.n, found.mean, found.sd, found.low, found.high))
    return supported(pd.DataFrame(rows, columns=[*by, "n", "mean", "sd", "low", "high"]))


def supported(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of means with the ends of an interval only over MIN_PEOPLE people or more.

    An interval over fewer is so wide that it says nothing about people, and hides those that do.
    """
    few = table["n"] < MIN_PEOPLE
    return table.assign(low=table["low"].mask(few), high=table["high"].mask(few))


def enough(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows over MIN_PEOPLE or more; those with the most people when no row reaches that."""
    return table[table["n"] >= least(table)] if len(table) else table


def least(table: pd.DataFrame) -> int:
    """Return how many people stand at least behind each row that `enough` keeps."""
    return int(min(MIN_PEOPLE, table["n"].max())) if len(table) else MIN_PEOPLE


def person_slopes(trajectories: pd.DataFrame) -> pd.DataFrame:
    """Return each person's slope in each condition: subject_id, condition, n_weights, slope_kg_per_week.

    Conditions come in the order in which people met them.
    """
    data = trajectories.dropna(subset=["condition", "condition_slope_kg_per_week"])
    met = list(data.groupby("condition")["study_week"].mean().sort_values(kind="stable").index)
    slopes = data.groupby(["condition", "subject_id"], as_index=False).agg(
        n_weights=("n_weights", "sum"), slope_kg_per_week=("condition_slope_kg_per_week", "first")
    )
    slopes = slopes[slopes["n_weights"] >= MIN_WEIGHTS_FOR_SLOPE]
    slopes = slopes.sort_values("condition", key=lambda c: c.map(met.index), kind="stable").reset_index(drop=True)
    return slopes[["subject_id", "condition", "n_weights", "slope_kg_per_week"]]


def condition_estimator(alone: bool) -> str:
    """Return how the slope of a condition is estimated, over people or for one person alone."""
    line = "A straight line is fitted to each person's daily weights within a condition; the slope shown is the mean"
    left_out = f"with fewer than {MIN_WEIGHTS_FOR_SLOPE} weigh-ins"
    if alone:
        line = "A straight line is fitted to the person's daily weights within each condition"
        return f"{line}. A condition {left_out} is left out."
    return f"{line} over people, with a t interval over people. A person {left_out} in a condition is left out there."


def condition_slopes(slopes: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Return each condition's mean slope over people: condition, n, mean, sd, low, high (kg per week)."""
    order = list(dict.fromkeys(slopes["condition"]))
    table = summarise(slopes, "slope_kg_per_week", ["condition"], confidence)
    return table.sort_values("condition", key=lambda c: c.map(order.index)).reset_index(drop=True)

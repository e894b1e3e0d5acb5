"""Tables of weight and of the raw rows: groups, weeks, conditions, what was read and set aside."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from potato import trajectories, words
from potato.tables import MEAN, Column, Table, build, filled, thinned


def cohort_groups(people: pd.DataFrame, groups: Sequence[str], confidence: float) -> Table:
    """Describe each group, and everybody when there are several: people, weigh-ins and change."""
    rows = []
    for name in [*groups, *(["All"] if len(groups) > 1 else [])]:
        part = people if name == "All" else people[people["group"] == name]
        change = trajectories.mean(part["change_kg"], confidence)
        rows.append(
            {
                "group": name,
                "n": len(part),
                "baseline": part["baseline_weight_kg"].mean(),
                "weights": part["n_weights"].mean(),
                "weeks": part["last_week"].mean(),
                "mean": change.mean,
                "low": change.low,
                "high": change.high,
                "mean_lb": change.mean * words.LB_PER_KG,
                "lost": int((part["change_kg"] < 0).sum()),
            }
        )
    columns = (
        Column("group", "Group"),
        Column("n", "People", ",d"),
        Column("baseline", "First weight", ".1f", "kg"),
        Column("weights", "Weigh-ins each", ".1f"),
        Column("weeks", "Last week", ".1f"),
        Column("mean", "Change", "+.1f", "kg"),
        Column("low", "From", "+.1f", "kg"),
        Column("high", "To", "+.1f", "kg"),
        Column("mean_lb", "Change", "+.1f", "lb"),
        Column("lost", "Lost weight", ",d"),
    )
    table = pd.DataFrame(rows)
    caption = "Change is the last weigh-in minus the first."
    if len(people) > 1:
        over = "the people of each group" if len(groups) > 1 else "people"
        caption = f"Means over {over}. Change is the last weigh-in minus the first, for people with two."
    if table["low"].notna().any():
        caption += f" “From” and “to” are the ends of its {confidence:.0%} interval."
    title = "The groups" if len(groups) > 1 else "Weigh-ins and change"
    return build(
        "cohort-groups", "cohort", title, caption, "silver/subject_trajectories", filled(columns, table), table
    )


def weekly_change(table: pd.DataFrame, confidence: float) -> Table:
    """Show the mean change into each week, by group."""
    columns = (
        Column("group", "Group"),
        Column("study_week", "Study week", "d"),
        Column("n", "People", ",d"),
        *MEAN,
    )
    shown, which = thinned(table)
    caption = f"Mean weight of the week minus that of the week before{_intervals(table, confidence)}.{which}"
    title, dataset = "Change from week to week", "silver/subject_trajectories"
    return build("weekly-change", "trajectories", title, caption, dataset, filled(columns, table), shown)


def group_weeks(frame: pd.DataFrame, confidence: float) -> Table:
    """Show the mean change from the first weigh-in at the end of each week, by group."""
    table = trajectories.summarise(frame, "change_from_baseline_kg", ["group", "study_week"], confidence)
    table["mean_lb"] = table["mean"] * words.LB_PER_KG
    columns = (
        Column("group", "Group"),
        Column("study_week", "Study week", "d"),
        Column("n", "People", ",d"),
        *MEAN,
        Column("mean_lb", "Mean", "+.1f", "lb"),
    )
    shown, which = thinned(table)
    over = " who still weighed in" if table["low"].notna().any() else ""
    caption = f"Last weigh-in of the week minus the person's first{_intervals(table, confidence)}{over}.{which}"
    title, dataset = "Change from the first weigh-in", "silver/subject_trajectories"
    return build("group-weeks", "trajectories", title, caption, dataset, filled(columns, table), shown)


def _intervals(table: pd.DataFrame, confidence: float) -> str:
    return f", with {confidence:.0%} intervals over the people" if table["low"].notna().any() else ""


def condition_slopes(table: pd.DataFrame, confidence: float) -> Table:
    """Show the mean slope of weight in each condition."""
    per_week = tuple(Column(c.name, c.label, c.format, "kg per week") for c in MEAN)
    columns = (Column("condition", "Condition"), Column("n", "People", ",d"), *per_week)
    caption = trajectories.CONDITION_ESTIMATOR
    if table["low"].notna().any():
        caption += f" Intervals are {confidence:.0%} intervals."
    title, dataset = "Slope of weight by condition", "silver/subject_trajectories"
    return build("condition-slopes", "trajectories", title, caption, dataset, filled(columns, table), table)

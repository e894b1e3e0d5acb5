"""Tables of weight and of the raw rows: groups, weeks, conditions, what was read and set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
    alone = len(people) == 1
    columns = (
        Column("group", "Group"),
        Column("n", "People", ",d"),
        Column("baseline", "First weight", ".1f", "kg"),
        Column("weights", "Weigh-ins" if alone else "Weigh-ins each", ",.0f" if alone else ".1f"),
        Column("weeks", "Last week", ",.0f" if alone else ".1f"),
        Column("mean", "Change", "+.1f", "kg"),
        Column("low", "From", "+.1f", "kg"),
        Column("high", "To", "+.1f", "kg"),
        Column("mean_lb", "Change", "+.1f", "lb"),
        Column("lost", "Lost weight", ",d"),
    )
    table = trajectories.supported(pd.DataFrame(rows))
    caption = "Change is the last weigh-in minus the first."
    if len(people) > 1:
        over = "the people of each group" if len(groups) > 1 else "people"
        caption = f"Means over {over}. Change is the last weigh-in minus the first, for people with two."
    if table["low"].notna().any():
        caption += f" “From” and “to” are the ends of its {confidence:.0%} interval."
    caption += _too_few(table)
    title = "The groups" if len(groups) > 1 else "Weigh-ins and change"
    # That one person is one person, and lost weight or not, needs no column.
    shown = tuple(c for c in columns if not (alone and c.name in ("n", "lost")))
    return build("cohort-groups", "cohort", title, caption, "silver/subject_trajectories", filled(shown, table), table)


def weekly_change(table: pd.DataFrame, confidence: float, alone: bool = False) -> Table:
    """Show the mean change into each week, by group; `alone` where the study has one person."""
    columns = (
        Column("group", "Group"),
        Column("study_week", "Study week", "d"),
        Column("n", "People", ",d"),
        *MEAN,
    )
    named = _of_one(columns, "Change") if alone else columns
    shown, which = thinned(table)
    caption = (
        f"Mean weight of the week minus that of the week before{_intervals(table, confidence)}.{_too_few(table)}{which}"
    )
    title, dataset = "Change from week to week", "silver/subject_trajectories"
    return build("weekly-change", "trajectories", title, caption, dataset, filled(named, table), shown)


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
    named = _of_one(columns, "Change") if frame["subject_id"].nunique() == 1 else columns
    shown, which = thinned(table)
    over = " who still weighed in" if table["low"].notna().any() else ""
    what = f"Last weigh-in of the week minus the person's first{_intervals(table, confidence)}{over}."
    caption = f"{what}{_too_few(table)}{which}"
    title, dataset = "Change from the first weigh-in", "silver/subject_trajectories"
    return build("group-weeks", "trajectories", title, caption, dataset, filled(named, table), shown)


def _intervals(table: pd.DataFrame, confidence: float) -> str:
    return f", with {confidence:.0%} intervals over the people" if table["low"].notna().any() else ""


def _too_few(table: pd.DataFrame) -> str:
    """Return which means of several people have no interval; empty where each has one."""
    if not (table["low"].isna() & (table["n"] > 1)).any():
        return ""
    return f" A mean over fewer than {trajectories.MIN_PEOPLE} people is shown without an interval."


def _of_one(columns: tuple[Column, ...], label: str) -> tuple[Column, ...]:
    """Return the columns of a mean as those of one person's values: not counted, and called what they are."""
    return tuple(replace(c, label=label) if c.label == "Mean" else c for c in columns if c.name != "n")


def condition_slopes(table: pd.DataFrame, confidence: float, alone: bool = False) -> Table:
    """Show the mean slope of weight in each condition; `alone` where the study has one person."""
    per_week = tuple(Column(c.name, c.label, c.format, "kg per week") for c in MEAN)
    columns = (Column("condition", "Condition"), Column("n", "People", ",d"), *per_week)
    named = _of_one(columns, "Slope") if alone else columns
    caption = trajectories.condition_estimator(alone)
    if table["low"].notna().any():
        caption += f" Intervals are {confidence:.0%} intervals."
    caption += _too_few(table)
    title, dataset = "Slope of weight by condition", "silver/subject_trajectories"
    return build("condition-slopes", "trajectories", title, caption, dataset, filled(named, table), table)

"""Tables of weight and of the raw rows: groups, weeks, conditions, what was read and set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from potato import trajectories, words
from potato.tables import MEAN, Column, Table, build


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
    caption = (
        "Means over the people of each group. Change is the last weigh-in minus the first, for people with"
        f" two; “from” and “to” are the ends of its {confidence:.0%} interval."
    )
    return build("cohort-groups", "cohort", "The groups", caption, "silver/subject_trajectories", columns, rows)


def weekly_change(table: pd.DataFrame, confidence: float) -> Table:
    """Show the mean change into each week, by group."""
    columns = (
        Column("group", "Group"),
        Column("study_week", "Study week", "d"),
        Column("n", "People", ",d"),
        *MEAN,
    )
    caption = f"Mean weight of the week minus that of the week before, with {confidence:.0%} intervals over people."
    title, dataset = "Change from week to week", "silver/subject_trajectories"
    return build("weekly-change", "trajectories", title, caption, dataset, columns, table)


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
    caption = (
        f"Last weigh-in of the week minus the person's first, with {confidence:.0%} intervals over the people"
        " who still weighed in."
    )
    title, dataset = "Change from the first weigh-in", "silver/subject_trajectories"
    return build("group-weeks", "trajectories", title, caption, dataset, columns, table)


def condition_slopes(table: pd.DataFrame, confidence: float) -> Table:
    """Show the mean slope of weight in each condition."""
    per_week = tuple(Column(c.name, c.label, c.format, "kg per week") for c in MEAN)
    columns = (Column("condition", "Condition"), Column("n", "People", ",d"), *per_week)
    caption = f"{trajectories.CONDITION_ESTIMATOR} Intervals are {confidence:.0%} intervals."
    title, dataset = "Slope of weight by condition", "silver/subject_trajectories"
    return build("condition-slopes", "trajectories", title, caption, dataset, columns, table)


def ledger(files: Mapping[str, Mapping[str, Any]]) -> Table:
    """Show for each raw file the rows read, kept and set aside."""
    rows = [
        {
            "file": name,
            "family": entry["family"],
            "read": entry["rows_read"],
            "kept": entry["rows_kept"],
            "aside": sum(entry["rows_quarantined"].values()),
        }
        for name, entry in sorted(files.items())
    ]
    columns = (
        Column("file", "File"),
        Column("family", "Holds"),
        Column("read", "Rows read", ",d"),
        Column("kept", "Kept", ",d"),
        Column("aside", "Set aside", ",d"),
    )
    caption = "Rows read are rows kept plus rows set aside, in every file."
    return build("ledger", "data-quality", "Rows by file", caption, "silver/ledger", columns, rows)


def quarantine_reasons(files: Mapping[str, Mapping[str, Any]]) -> Table:
    """Show how many rows were set aside for each reason."""
    rows = [
        {"file": name, "reason": reason.replace("_", " "), "rows": rows}
        for name, entry in sorted(files.items())
        for reason, rows in sorted(entry["rows_quarantined"].items())
    ]
    columns = (Column("file", "File"), Column("reason", "Reason"), Column("rows", "Rows", ",d"))
    caption = "Rows that were set aside, by file and reason."
    return build("quarantine-reasons", "data-quality", "Reasons", caption, "silver/ledger", columns, rows)

"""Figures of weight: change by group, courses, weekly change, slopes by condition."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotnine as p9

from potato import trajectories, words
from potato.figures import (
    INK,
    SOFT,
    Figure,
    folded,
    lines,
    look,
    panel_rows,
    panels,
    scales,
    signed,
    swarm,
    weeks,
    zero_line,
)

_DATASET = "silver/subject_trajectories"
_POINTS = 60  # weeks; beyond it, points touch one another
_CHANGE = "Change from first to last weigh-in, kg"


def change_by_group(people: pd.DataFrame, groups: Sequence[str], confidence: float) -> Figure:
    """Draw every person's change from first to last weigh-in as a dot, with the group's mean."""
    data = people.dropna(subset=["change_kg"])
    shown = [g for g in groups if (data["group"] == g).any()]
    place = {group: len(shown) - i for i, group in enumerate(shown)}
    parts = [
        part.assign(y=place[str(g)] + pd.Series(swarm(part["change_kg"]), part.index))
        for g, part in data.groupby("group")
    ]
    dots = pd.concat(parts)
    means = trajectories.summarise(data, "change_kg", ["group"], confidence)
    means["y"] = means["group"].map(place) + 0.42
    means["text"] = [words.kg(m) for m in means["mean"]]
    labels = [f"{folded(g, 16)}\n{words.people(int((data['group'] == g).sum()))}" for g in shown]
    plot = (
        p9.ggplot(dots, p9.aes("change_kg", "y", color="group", shape="group"))
        + zero_line(horizontal=False)
        + p9.geom_point(size=1.9, alpha=0.6, stroke=0.2)
        + p9.geom_errorbarh(
            p9.aes(y="y", xmin="low", xmax="high"),
            means.dropna(subset=["low"]),
            inherit_aes=False,
            height=0.1,
            color=INK,
        )
        + p9.geom_point(p9.aes("mean", "y"), means, inherit_aes=False, color=INK, size=2.6, shape="D")
        + p9.geom_text(
            p9.aes("mean", "y", label="text"),
            means,
            inherit_aes=False,
            size=10,
            va="bottom",
            nudge_y=0.07,
            color=INK,
        )
        + p9.scale_x_continuous(labels=signed)
        + p9.scale_y_continuous(
            breaks=[place[g] for g in shown], labels=labels, limits=(0.6, len(shown) + 0.72), minor_breaks=[]
        )
        + scales(groups, "color", "shape")
        + p9.labs(x=f"{_CHANGE} (1 kg is 2.2 lb)", y="")
        + look(legend_position="none", panel_grid_major_y=p9.element_blank())
    )
    told = "; ".join(
        f"{r.group}: {words.kg(r.mean)} on average ({words.people(r.n)})" for r in words.rows(means.sort_values("y"))
    )
    return Figure(
        "change-by-group",
        "overview",
        "Change in weight by group",
        "Each dot is one person's last weigh-in minus their first. Diamonds are means"
        f"{_with_intervals(means, confidence)}. To the left of zero is weight lost.",
        f"Dots for each person's weight change in kilograms, in {words.count(len(shown), 'row')}. {told}.",
        _DATASET,
        plot,
        height=1.3 + 1.05 * len(shown),
    )


def courses(frame: pd.DataFrame, groups: Sequence[str], jumps: pd.DataFrame | None = None) -> Figure:
    """Draw every person's change from the first weigh-in, a panel a group, with the mean of those left.

    `jumps` are the rows of `frame` whose week holds a weigh-in that is flagged as a one-day jump.
    """
    start = frame[["subject_id", "group"]].drop_duplicates().assign(study_week=0, change_from_baseline_kg=0.0)
    data = pd.concat([start, frame[[*start.columns]]], ignore_index=True)
    by = data.groupby(["group", "study_week"], as_index=False)
    means = by.agg(mean=("change_from_baseline_kg", "mean"), n=("subject_id", "nunique"))
    least = trajectories.least(means)
    means = trajectories.enough(means)
    n = frame["subject_id"].nunique()
    shown = [group for group in groups if (frame["group"] == group).any()]
    crowded = data["study_week"].max() > _POINTS
    plot = (
        p9.ggplot(data, p9.aes("study_week", "change_from_baseline_kg"))
        + lines(
            data,
            ["subject_id"],
            p9.aes("study_week", "change_from_baseline_kg", group="subject_id"),
            color=SOFT,
            size=0.4,
            # Where lines cover one another, the lighter they are the more of them are seen.
            alpha=max(0.15, min(0.6, 25 * len(shown) / n)),
        )
        + zero_line()
        + lines(means, ["group"], p9.aes("study_week", "mean", color="group"), size=0.9 if crowded else 1.3)
        + ([] if crowded else [p9.geom_point(p9.aes(y="mean", color="group", shape="group"), means, size=2.4)])
        + _stars(jumps)
        + panels("group", shown)
        + weeks(data["study_week"], min(len(shown), 3))
        + p9.scale_y_continuous(labels=signed, minor_breaks=[])
        + scales(groups, "color", "shape")
        + p9.labs(x="End of study week (0 is the first weigh-in)", y="Change from the first weigh-in, kg")
        + look(legend_position="none", panel_spacing_x=0.025)
    )
    ends = means.sort_values("study_week").groupby("group").last()
    told = "; ".join(f"{g}: {words.kg(r['mean'])} by week {int(r['study_week'])}" for g, r in ends.iterrows())
    caption = (
        "Thin lines are people: last weigh-in of each week minus the first weigh-in. The bold line is the"
        f" mean of those who still weighed in, as long as they are {least} or more."
    )
    alt = f"Lines of weight change over study weeks, one for each of {words.people(n)}. Means: {told}."
    if n == 1:
        caption = "The person's last weigh-in of each week minus the first weigh-in."
        alt = f"Line of one person's weight change over study weeks: {words.kg(ends['mean'].iloc[0])} by the last."
    if jumps is not None and len(jumps):
        weeks_, which = words.count(len(jumps), "week"), "holds" if len(jumps) == 1 else "hold"
        caption += " A star marks a week with a weigh-in that is flagged as a one-day jump."
        alt += f" {'A star marks' if len(jumps) == 1 else 'Stars mark'} {weeks_} that {which} a flagged one-day jump."
    title = "The person's course" if n == 1 else "Every person's course"
    height = 1.0 + 2.8 * panel_rows(shown)
    return Figure("trajectories", "trajectories", title, caption, alt, _DATASET, plot, height=height)


def _stars(jumps: pd.DataFrame | None) -> list[p9.geom_point]:
    """Return a white star with a dark edge for each week that holds a flagged weigh-in."""
    if jumps is None or not len(jumps):
        return []
    at = p9.aes("study_week", "change_from_baseline_kg")
    return [p9.geom_point(at, jumps, inherit_aes=False, shape="*", size=5, color=INK, fill="white", stroke=0.7)]


def weekly_change(table: pd.DataFrame, groups: Sequence[str], confidence: float) -> Figure:
    """Draw the mean change into each week. `table`: group, study_week, n, mean, low, high."""
    least = trajectories.least(table)
    data = trajectories.enough(table)
    shown = [group for group in groups if (data["group"] == group).any()]
    side_by_side = len(shown) <= 3
    apart = p9.position_dodge(width=0.45 if side_by_side else 0)
    plot = (
        p9.ggplot(data, p9.aes("study_week", "mean", color="group", shape="group"))
        + zero_line()
        + p9.geom_linerange(p9.aes(ymin="low", ymax="high"), data.dropna(subset=["low"]), position=apart, size=0.9)
        + p9.geom_point(position=apart, size=1.2 if data["study_week"].nunique() > _POINTS else 2.8)
        + ([] if side_by_side else panels("group", shown))
        + weeks(data["study_week"], 1 if side_by_side else 3)
        + p9.scale_y_continuous(labels=signed, minor_breaks=[])
        + scales(groups, "color", "shape")
        + p9.labs(x="Study week", y="Change from the week before, kg")
        + look(legend_position="top" if side_by_side else "none")
    )
    first = data.sort_values("study_week").groupby("group").first()
    caption = (
        f"Mean weight of the week minus that of the week before{_with_intervals(data, confidence)}."
        f" Only means over at least {least} people are drawn; the table has the others."
    )
    if least == 1:
        caption = "Mean weight of the week minus that of the week before; one person's change has no interval."
    told = "; ".join(f"{g}: {words.kg(r['mean'], '+.2f')} in week {int(r['study_week'])}" for g, r in first.iterrows())
    return Figure(
        "weekly-change",
        "trajectories",
        "Change from week to week",
        caption,
        f"Points{' with intervals' if data['low'].notna().any() else ''} for the mean weekly weight change in"
        f" kilograms. First of each: {told}.",
        _DATASET,
        plot,
        height=3.4 if side_by_side else 1.0 + 1.9 * panel_rows(shown),
    )


def conditions(slopes: pd.DataFrame, table: pd.DataFrame, confidence: float) -> Figure:
    """Draw each person's slope in each condition and the mean over people with its interval.

    `slopes` and `table` are what `trajectories.person_slopes` and `trajectories.condition_slopes` return.
    """
    order = list(table["condition"])
    place = {name: i + 1 for i, name in enumerate(order)}
    dots = slopes.assign(x=slopes["condition"].map(place))
    means = table.assign(x=table["condition"].map(place) + 0.18, text=[words.number(m, "+.2f") for m in table["mean"]])
    plot = (
        p9.ggplot(dots, p9.aes("x", "slope_kg_per_week"))
        + zero_line()
        + lines(
            dots,
            ["subject_id"],
            p9.aes("x", "slope_kg_per_week", group="subject_id"),
            color=SOFT,
            size=0.35,
            alpha=0.6,
        )
        + p9.geom_point(p9.aes(color="condition", shape="condition"), size=2.2, alpha=0.8)
        + p9.geom_errorbar(
            p9.aes(x="x", ymin="low", ymax="high"),
            means.dropna(subset=["low"]),
            inherit_aes=False,
            width=0.06,
            color=INK,
        )
        + p9.geom_point(p9.aes("x", "mean"), means, inherit_aes=False, color=INK, size=3, shape="D")
        + p9.geom_text(
            p9.aes("x", "mean", label="text"),
            means,
            inherit_aes=False,
            ha="left",
            nudge_x=0.06,
            size=10,
            color=INK,
        )
        + p9.scale_x_continuous(
            breaks=list(place.values()),
            labels=[folded(name, 44 // len(order)) for name in order],
            limits=(0.7, len(order) + 0.7),
            minor_breaks=[],
        )
        + p9.scale_y_continuous(labels=signed, minor_breaks=[])
        + scales(order, "color", "shape")
        + p9.labs(x="", y="Slope, kg per week")
        + look(legend_position="none", panel_grid_major_x=p9.element_blank())
    )
    alone = slopes["subject_id"].nunique() == 1
    dots_are = (
        "Each dot is a person's slope of weight in that condition, a thin line joins a person's slopes."
        f" Diamonds are means over people{_with_intervals(table, confidence)}."
    )
    if alone:
        dots_are = "Each point is the person's slope of weight in that condition."
    told = "; ".join(f"{r.condition}: {words.number(r.mean, '+.2f')} kg per week" for r in words.rows(table))
    return Figure(
        "conditions",
        "trajectories",
        "Slope of weight by condition",
        f"{dots_are} {trajectories.condition_estimator(alone)}",
        f"Dots for each person's slope in {words.count(len(order), 'condition')}."
        f" {'Slopes' if alone else 'Means'}: {told}.",
        _DATASET,
        plot,
    )


def _with_intervals(means: pd.DataFrame, confidence: float) -> str:
    """Return which of the means have an interval, as the end of `means`; empty where none has."""
    if means["low"].isna().all():
        return ""
    some = f" where there are {trajectories.MIN_PEOPLE} people or more" if means["low"].isna().any() else ""
    return f" with {confidence:.0%} intervals over people{some}"

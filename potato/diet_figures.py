"""Figures of intake: what was eaten week by week, and what weight did after it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotnine as p9

from potato import trajectories, words
from potato.figures import INK, MANY, PALETTE, Figure, look, scales, signed, weeks, zero_line

_BINS = 6
_POINTS = 60  # weeks; beyond it, points touch one another


def intake_weekly(weekly: pd.DataFrame, groups: Sequence[str], variables: Sequence[str]) -> Figure:
    """Draw the median and the middle half of each intake variable over people, by week and group.

    `weekly` holds the weekly features with a group on each row.
    """
    long = weekly.melt(["group", "study_week"], list(variables), "variable", "value").dropna(subset=["value"])
    data: pd.DataFrame = long.groupby(["variable", "group", "study_week"], as_index=False).agg(
        n=("value", "size"),
        low=("value", lambda v: v.quantile(0.25)),
        middle=("value", "median"),
        high=("value", lambda v: v.quantile(0.75)),
    )
    least = trajectories.least(data)
    data = trajectories.enough(data)
    panel = {name: words.term(name).axis for name in variables}
    data["panel"] = pd.Categorical(data["variable"].map(panel), [panel[v] for v in variables])
    apart = p9.position_dodge(width=0.6)
    plot = (
        p9.ggplot(data, p9.aes("study_week", "middle", color="group", shape="group"))
        + p9.geom_linerange(p9.aes(ymin="low", ymax="high"), position=apart, size=0.8, alpha=0.7)
        + p9.geom_point(position=apart, size=1.2 if data["study_week"].nunique() > _POINTS else 2.4)
        + p9.facet_wrap("panel", scales="free_y", ncol=1)
        + weeks(data["study_week"])
        + scales(groups, "color", "shape")
        + p9.labs(x="Study week", y="")
        + look()
    )
    alone = weekly.dropna(subset=list(variables), how="all")["subject_id"].nunique() == 1
    caption = "Points are medians over people, lines the middle half of them"
    caption += f"; weeks with fewer than {least} diaries are not drawn." if least > 1 else "."
    if alone:
        caption = "Points are the weeks of the one person who kept a diary."
    caption += " All values are per logged day."
    if "potato_energy_share" in variables:
        caption += " Potato share 1 means that all energy came from potatoes."
    told = "; ".join(
        f"{panel[str(variable)]}{'' if group == trajectories.EVERYONE else f', {group}'}:"
        f" {_amount(part['middle'].iloc[0])} in week {part['study_week'].iloc[0]}"
        + (f", {_amount(part['middle'].iloc[-1])} in week {part['study_week'].iloc[-1]}" if len(part) > 1 else "")
        for (variable, group), part in data.groupby(["variable", "group"], sort=False)
    )
    return Figure(
        "intake-weekly",
        "intake",
        "What was eaten, week by week",
        caption,
        f"{'Points' if alone else 'Medians with quartiles'} by study week in {words.count(len(variables), 'panel')}."
        f" {told}.",
        "silver/weekly_features",
        plot,
        height=1.0 + 1.6 * len(variables),
    )


def dose_response(frame: pd.DataFrame, variable: str, outcome: str, confidence: float) -> Figure:
    """Draw each subject-week's outcome against this week's `variable`, with means of equal bins."""
    data = frame[["subject_id", variable, outcome]].dropna()
    cut = data.assign(bin=pd.qcut(data[variable].rank(method="first"), min(_BINS, len(data)), labels=False))
    means = trajectories.summarise(cut, outcome, ["bin"], confidence)
    means["x"] = cut.groupby("bin")[variable].mean().to_numpy()
    term = words.term(variable)
    plot = (
        p9.ggplot(data, p9.aes(variable, outcome))
        + zero_line()
        + p9.geom_point(color=PALETTE[0], alpha=0.35, size=1.5, stroke=0, raster=len(data) > MANY)
        + p9.geom_line(p9.aes("x", "mean"), means, inherit_aes=False, color=INK, size=0.6, linetype="dashed")
        + p9.geom_linerange(
            p9.aes(x="x", ymin="low", ymax="high"), means.dropna(subset=["low"]), inherit_aes=False, size=1, color=INK
        )
        + p9.geom_point(p9.aes("x", "mean"), means, inherit_aes=False, size=3, shape="D", color=INK)
        + p9.scale_y_continuous(labels=signed, minor_breaks=[])
        + p9.labs(x=f"{term.axis}, this week", y="Weight change into the next week, kg")
        + look()
    )
    low, high = means.iloc[0], means.iloc[-1]
    within = f" with {confidence:.0%} intervals" if means["low"].notna().any() else ""
    return Figure(
        "dose-response",
        "intake",
        f"{term.label} and the change that follows",
        f"Each dot is a person-week. Diamonds are means of {len(means)} equally large sets of person-weeks"
        f"{within}, before anything else is taken into account.",
        f"Scatter of {words.count(len(data), 'person-week')}. Mean change {words.kg(low['mean'], '+.2f')}"
        f" where {term.axis.lower()} is about {low['x']:.2f}, {words.kg(high['mean'], '+.2f')} where it is"
        f" about {high['x']:.2f}.",
        "silver/modeling_dataset",
        plot,
        height=3.6,
    )


def _amount(value: float) -> str:
    return format(value, ",.0f" if value > 50 else ".1f" if value > 2 else ".2f")

"""Figures of intake and of the models: what was eaten, dose and response, estimates side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

import pandas as pd
import plotnine as p9

from potato import trajectories, words
from potato.figures import INK, SOFT, Figure, look, scales, signed, weeks, zero_line

_BINS = 6
_TRUTH = "#D55E00"


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
    apart = p9.position_dodge(width=0.5)
    plot = (
        p9.ggplot(data, p9.aes("study_week", "middle", color="group", shape="group"))
        + p9.geom_linerange(p9.aes(ymin="low", ymax="high"), position=apart, size=0.8, alpha=0.7)
        + p9.geom_point(position=apart, size=2.4)
        + p9.facet_wrap("panel", scales="free_y", nrow=1)
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
    middles = [f"{words.term(v).axis}: {_spread(weekly[v])}" for v in variables]
    return Figure(
        "intake-weekly",
        "intake",
        "What was eaten, week by week",
        caption,
        f"{'Points' if alone else 'Medians with quartiles'} by study week in {words.count(len(variables), 'panel')}."
        f" Over all person-weeks: {'; '.join(middles)}.",
        "silver/weekly_features",
        plot,
        height=3.5,
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
        + p9.geom_point(color="#0072B2", alpha=0.35, size=1.5, stroke=0)
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
    )


def forest(coefficients: pd.DataFrame, confidence: float, truth: Mapping[str, float]) -> Figure:
    """Draw the models' estimates with their intervals, a panel a covariate, and the truth if known."""
    terms = [words.term(name) for name in dict.fromkeys(coefficients["term"])]
    room = 56 // max(len(terms), 1)
    panel = {t.name: "\n".join([*wrap(t.label, room), *wrap(t.step_short, room)]) for t in terms}
    order = [words.MODELS.get(m, m) for m in dict.fromkeys(coefficients["model"])]
    step = coefficients["term"].map({t.name: t.step for t in terms})
    data = coefficients.assign(
        panel=pd.Categorical(coefficients["term"].map(panel), list(panel.values())),
        shown=pd.Categorical(coefficients["model"].map(lambda m: words.MODELS.get(m, m)), order[::-1]),
        **{name: coefficients[name] * step for name in ("estimate", "conf_low", "conf_high")},
    )
    known = pd.DataFrame(
        [(panel[t.name], truth[t.name] * t.step) for t in terms if t.name in truth],
        columns=["panel", "truth"],
    )
    known["panel"] = pd.Categorical(known["panel"], list(panel.values()))
    marks = (
        [p9.geom_vline(p9.aes(xintercept="truth"), known, color=_TRUTH, linetype="dashed", size=0.9)]
        if len(known)
        else []
    )
    plot = (
        p9.ggplot(data, p9.aes("estimate", "shown"))
        + p9.geom_vline(xintercept=0, color=SOFT, size=0.5)
        + marks
        + p9.geom_errorbarh(p9.aes(xmin="conf_low", xmax="conf_high"), height=0.12, color=INK, size=0.8)
        + p9.geom_point(p9.aes(shape="shown"), size=3, color="#0072B2")
        + p9.facet_wrap("panel", scales="free_x", nrow=1)
        + p9.scale_shape_manual(values=dict(zip(order, ("o", "s", "D"), strict=False)))
        + p9.scale_x_continuous(labels=signed, breaks=_few_breaks)
        + p9.labs(x="Effect on next week's weight change, kg", y="")
        + look(
            legend_position="none",
            panel_spacing_x=0.03,
            strip_text=p9.element_text(size=10, weight="bold", ha="center"),
        )
    )
    told = "; ".join(
        f"{words.term(r.term).label}, {r.shown}: {words.number(r.estimate, '+.3f')}"
        f" ({words.interval(r.conf_low, r.conf_high, '+.3f')})"
        for r in words.rows(data)
    )
    beside = " The dashed line is the effect that the simulation was made with." if len(known) else ""
    return Figure(
        "forest",
        "models",
        "What each model estimates",
        f"Estimates with {confidence:.0%} intervals, for a step of each covariate that somebody could take."
        f" Left of zero goes with losing more.{beside}",
        f"Points with intervals for {words.count(len(order), 'model')} in {words.count(len(terms), 'panel')},"
        f" kg per week. {told}.",
        "gold/models/coefficients",
        plot,
        height=3.5,
    )


def _few_breaks(limits: tuple[float, float]) -> list[float]:
    """Return zero and one round number on each side that the panel has room for."""
    low, high = limits
    reach = max(abs(low), abs(high))
    unit = 10.0 ** len(str(int(1 / reach))) if reach < 1 else 1.0
    round_step = next((s / unit for s in (5, 2, 1, 0.5, 0.2, 0.1) if s / unit <= 0.8 * reach), reach)
    return [b for b in (-round_step, 0.0, round_step) if low <= b <= high]


def _spread(values: pd.Series[float]) -> str:
    low, middle, high = (float(values.quantile(q)) for q in (0.25, 0.5, 0.75))
    spec = ",.0f" if middle > 50 else ".2f"
    return f"{format(middle, spec)} (middle half {format(low, spec)} to {format(high, spec)})"

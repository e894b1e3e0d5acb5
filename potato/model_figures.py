"""Figures of the models: estimates side by side, each covariate's own part, and predictions against what happened."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotnine as p9

from potato import predictions, words
from potato.figures import INK, MANY, PALETTE, SOFT, Figure, folded, look, signed, zero_line
from potato.models import Fit, Training

_DOTS, _TRUTH = PALETTE[:2]
_MARKS = ("o", "s", "D", "^")
_BINS = 6
_STEPS = [digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)]


def forest(coefficients: pd.DataFrame, confidence: float, truth: Mapping[str, float]) -> Figure:
    """Draw the models' estimates with their intervals, a panel a covariate, and the truth if known."""
    terms = [words.term(name) for name in dict.fromkeys(coefficients["term"])]
    panel = {t.name: folded(f"{t.label}, {t.step_short}", 54) for t in terms}
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
    # One model needs no name on its line, and a long one would push titles over the edge.
    names = {} if len(order) > 1 else {"axis_text_y": p9.element_blank()}
    plot = (
        p9.ggplot(data, p9.aes("estimate", "shown"))
        + p9.geom_vline(xintercept=0, color=SOFT, size=0.5)
        + marks
        + p9.geom_errorbarh(p9.aes(xmin="conf_low", xmax="conf_high"), height=0.15, color=INK, size=0.8)
        + p9.geom_point(p9.aes(shape="shown"), size=3, color=_DOTS)
        + p9.facet_wrap("panel", scales="free_x", ncol=1)
        + p9.scale_shape_manual(values=dict(zip(order, _MARKS, strict=False)))
        + p9.scale_x_continuous(labels=signed, breaks=_few_breaks, minor_breaks=[], expand=(0.08, 0))
        + p9.labs(x="← more loss      next week's weight change, kg      less loss →", y="")
        + look(legend_position="none", panel_spacing_y=0.03, panel_grid_major_y=p9.element_blank(), **names)
    )
    told = "; ".join(
        f"{words.term(r.term).label}, {r.shown}: {words.number(r.estimate, '+.3f')}"
        f" ({words.interval(r.conf_low, r.conf_high, '+.3f')})"
        for r in words.rows(data)
    )
    made_with = "; ".join(
        f"{t.label}: {words.number(truth[t.name] * t.step, '+.3f')}" for t in terms if t.name in truth
    )
    beside = " The dashed line is the effect that the simulation was made with." if len(known) else ""
    return Figure(
        "forest",
        "models",
        "What each model estimates",
        "What each model says that a step more of a covariate goes along with: a mark is the estimate, the line through"
        f" it the {confidence:.0%} interval. A line that crosses zero leaves the direction open.{beside}",
        f"Marks with intervals for {words.count(len(order), 'model')} in {words.count(len(terms), 'panel')}, in kg a"
        f" week. {told}." + (f" The effects that the simulation was made with are {made_with}." if made_with else ""),
        "gold/models/coefficients",
        plot,
        height=0.65 + len(terms) * (0.55 + 0.24 * len(order)),
    )


def partial_residuals(training: Training, model: str, confidence: float) -> Figure:
    """Draw each covariate's own part in a model: its line, and what single person-weeks add to it.

    A dot is the residual plus the covariate's part (component plus residual; Wood 1973), so that the other
    covariates are held at their means. Of `fixed_effects` the covariate is what it is off the person's own mean.
    """
    fit, outcome = training.fits[model], training.sample.outcome
    sample = training.sample.within() if model == "fixed_effects" else training.sample
    level = float(sample.frame[outcome].mean())
    terms = [words.term(name) for name in fit.reported]
    columns = min(len(terms), 3)
    off = ", off the person's mean" if model == "fixed_effects" else ""
    deviations = {"labels": signed} if off else {}
    panel = {t.name: folded(f"{t.axis}{off}", 48 // columns) for t in terms}
    dots, bins, lines_ = [], [], []
    for term in terms:
        x = sample.frame[term.name].to_numpy(float)
        if model == "fixed_effects":
            x = x - sample.frame.groupby("subject_id")[term.name].transform("mean").to_numpy(float)
        at = fit.terms.index(term.name)
        part = level + fit.params[at] * (x - x.mean())
        frame = pd.DataFrame({"panel": panel[term.name], "x": x, "y": part + fit.residuals})
        dots.append(frame)
        cut = pd.qcut(frame["x"].rank(method="first"), min(_BINS, len(frame)), labels=False)
        bins.append(frame.groupby(cut)[["x", "y"]].mean().assign(panel=panel[term.name]))
        lines_.append(_line(fit, at, x, level, confidence).assign(panel=panel[term.name]))
    order = list(panel.values())
    data, means, line = (
        pd.concat(parts, ignore_index=True).assign(panel=lambda f: pd.Categorical(f["panel"], order))
        for parts in (dots, bins, lines_)
    )
    plot = (
        p9.ggplot(data, p9.aes("x", "y"))
        + zero_line()
        + p9.geom_point(color=_DOTS, alpha=0.35, size=1.3, stroke=0, raster=len(data) > MANY)
        + p9.geom_ribbon(p9.aes("x", ymin="low", ymax="high"), line, inherit_aes=False, fill=SOFT, alpha=0.35)
        + p9.geom_line(p9.aes("x", "y"), line, inherit_aes=False, color=INK, size=0.9)
        + p9.geom_point(p9.aes("x", "y"), means, inherit_aes=False, shape="D", size=2.6, color=INK)
        + p9.facet_wrap("panel", scales="free_x", ncol=columns)
        + p9.scale_x_continuous(breaks=_ends, minor_breaks=[], **deviations)
        + p9.scale_y_continuous(labels=signed, minor_breaks=[])
        + p9.labs(x="", y="Weight change into the next week, kg")
        + look(panel_spacing_x=0.03)
    )
    around = ", each person's weeks around their own mean" if model == "fixed_effects" else ""
    told = "; ".join(
        f"{t.axis}{off}: from {words.kg(ends['y'].iloc[0], '+.2f')} at {_amount(ends['x'].iloc[0])}"
        f" to {words.kg(ends['y'].iloc[-1], '+.2f')} at {_amount(ends['x'].iloc[-1])}"
        for t, ends in zip(terms, lines_, strict=True)
    )
    return Figure(
        "partial-residuals",
        "models",
        "Each covariate's own part",
        f"Each dot is a person-week with everything else in the model held equal{around}. The line is what “"
        f"{words.MODELS[model]}” estimates, with the {confidence:.0%} interval of its slope; diamonds are means of "
        f"{words.spelled(_BINS)} equally large sets of dots. Where diamonds follow the line, a straight line will do.",
        f"Scatter of {words.count(len(dots[0]), 'person-week')} in {words.count(len(terms), 'panel')}, each with a"
        f" straight line through it. {told}.",
        "silver/modeling_dataset",
        plot,
        height=0.6 + 3.0 * -(-len(terms) // columns),
    )


def _amount(value: float) -> str:
    return format(value, ",.0f" if abs(value) > 50 else ".1f" if abs(value) > 2 else ".2f").replace("-", words.MINUS)


def _line(fit: Fit, at: int, x: np.ndarray, level: float, confidence: float) -> pd.DataFrame:
    """Return the fitted line over the range of x, with the interval of its slope: x, y, low, high."""
    grid = np.linspace(x.min(), x.max(), 41)
    away = grid - x.mean()
    wide = fit.width(confidence) * np.sqrt(max(fit.covariance[at, at], 0.0)) * np.abs(away)
    y = level + fit.params[at] * away
    return pd.DataFrame({"x": grid, "y": y, "low": y - wide, "high": y + wide})


def calibration(held_out: pd.DataFrame) -> Figure:
    """Draw what models predict for people left out of the fit against what happened; `held_out` is of `predictions`."""
    order = [words.MODELS[name] for name in dict.fromkeys(held_out["model"])]
    by_model = {words.MODELS[str(name)]: rows for name, rows in held_out.groupby("model", sort=False)}
    data = pd.concat([predictions.tenths(rows).assign(model=name) for name, rows in by_model.items()])
    data = data.assign(
        model=pd.Categorical(data["model"], order),
        low=data["observed"] - 2 * data["error"],
        high=data["observed"] + 2 * data["error"],
    )
    slopes = {name: predictions.slope(rows) for name, rows in by_model.items()}
    plot = (
        p9.ggplot(data, p9.aes("predicted", "observed"))
        + p9.geom_abline(intercept=0, slope=1, color=SOFT, linetype="dashed", size=0.7)
        + p9.geom_linerange(p9.aes(ymin="low", ymax="high"), color=INK, size=0.6)
        + p9.geom_point(p9.aes(shape="model"), color=_DOTS, size=2.6)
        + p9.facet_wrap("model", scales="free", ncol=3)
        + p9.scale_shape_manual(values=dict(zip(order, _MARKS, strict=False)))
        + p9.scale_x_continuous(labels=signed, breaks=_ends, minor_breaks=[])
        + p9.scale_y_continuous(labels=signed, minor_breaks=[])
        + p9.labs(x="Predicted weight change, kg", y="What happened, kg")
        + look(legend_position="none", panel_spacing_x=0.025)
    )
    told = "; ".join(
        f"{name}: {words.kg(part['observed'].iloc[0], '+.2f')} where {words.kg(part['predicted'].iloc[0], '+.2f')} was"
        f" predicted, {words.kg(part['observed'].iloc[-1], '+.2f')} where"
        f" {words.kg(part['predicted'].iloc[-1], '+.2f')} was"
        for name, part in data.groupby("model", sort=False, observed=True)
    )
    steep = words.listed([f"{words.number(slopes[name], '.2f')} ({name})" for name in order])
    return Figure(
        "calibration",
        "models",
        "Predictions for people whom the model has not seen",
        f"A fifth of the people at a time is left out, and predicted from the others. Each point is a tenth of the"
        f" person-weeks, in the order of the prediction, with two standard errors around its mean. On the dashed line a"
        f" prediction is right on average. “{words.MODELS['fixed_effects']}” predicts what is off a person's own mean."
        f" For 1 kg more of predicted change, what happened moved by {steep} kg; 1 would be right.",
        f"Points around the diagonal in {words.count(len(order), 'panel')}. {told}.",
        "silver/modeling_dataset",
        plot,
        height=3.4,
    )


def _ends(limits: tuple[float, float]) -> list[float]:
    """Return two or three round numbers that span the limits."""
    low, high = limits
    spanned = [(step, np.arange(np.ceil(low / step), np.floor(high / step) + 1)) for step in _STEPS if high > low]
    found = [multiples * step for step, multiples in spanned if len(multiples) >= 2]
    breaks = found[-1] if found else np.array([low, high])
    return [float(b) for b in (breaks if len(breaks) < 4 else breaks[[0, -1]])]


def _few_breaks(limits: tuple[float, float]) -> list[float]:
    """Return zero and one round number on each side that the panel has room for."""
    low, high = limits
    reach = max(abs(low), abs(high))
    unit = 10.0 ** len(str(int(1 / reach))) if reach < 1 else 1.0
    round_step = next((s / unit for s in (5, 2, 1, 0.5, 0.2, 0.1) if s / unit <= 0.8 * reach), reach)
    return [b for b in (-round_step, 0.0, round_step) if low <= b <= high]

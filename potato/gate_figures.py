"""Figures of the gate: what each person does to the estimates, and what those who left do to the mean change."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotnine as p9

from potato import words
from potato.attrition import CHANGE, METHODS
from potato.figures import INK, LETTERS, MANY, PALETTE, RULE, SHAPES, SOFT, Figure, look, signed, swarm, zero_line
from potato.influence import MOST_MOVED


def influence(table: pd.DataFrame) -> Figure:
    """Draw for each model and covariate how far leaving out each person moves the estimate, in standard errors."""
    data = table.dropna(subset=["dfbeta"]).reset_index(drop=True)
    terms = list(dict.fromkeys(data["term"]))
    models = [name for name in words.MODELS if (data["model"] == name).any()]
    place = {term: len(terms) - i for i, term in enumerate(terms)}
    parts = [
        part.assign(y=place[str(term)] + np.array(swarm(part["dfbeta"], 0.34)))
        for (_, term), part in data.groupby(["model", "term"], sort=False)
    ]
    dots = pd.concat(parts)
    names = [words.MODELS[name] for name in models]
    dots["panel"] = pd.Categorical(dots["model"].map(words.MODELS), names)
    top = dots.loc[dots.groupby(["model", "term"], sort=False)["dfbeta"].apply(lambda v: v.abs().idxmax())]
    # A name stands outside of its square, where the panel has no dots.
    top = top.assign(ha=["right" if value < 0 else "left" for value in top["dfbeta"]])
    most = float(data["dfbeta"].abs().max())
    reach = max(1.15 * MOST_MOVED, 1.6 * most)
    top["beside"] = top["dfbeta"] + np.sign(top["dfbeta"]) * 0.08 * reach
    plot = (
        p9.ggplot(dots, p9.aes("dfbeta", "y"))
        + zero_line(horizontal=False)
        + p9.geom_vline(xintercept=[-MOST_MOVED, MOST_MOVED], color=SOFT, linetype="dashed", size=0.5)
        + p9.geom_point(color=PALETTE[0], size=1.4, alpha=0.55, stroke=0.2, raster=len(dots) > MANY)
        + p9.geom_point(data=top, color=PALETTE[1], shape="s", size=2.4)
        + [
            p9.geom_text(p9.aes("beside", label="subject_id"), part, size=LETTERS, ha=side, color=INK)
            for side, part in top.groupby("ha")
        ]
        + p9.facet_wrap("panel", nrow=1)
        + p9.scale_x_continuous(labels=signed, limits=(-reach, reach), breaks=_breaks(reach), minor_breaks=[])
        + p9.scale_y_continuous(
            breaks=[place[t] for t in terms],
            labels=[words.term(t).label.replace(" ", "\n", 1) for t in terms],
            limits=(0.4, len(terms) + 0.7),
            minor_breaks=[],
        )
        + p9.labs(x="What the person adds to the estimate, in standard errors", y="")
        + look(panel_grid_major_y=p9.element_blank(), panel_spacing_x=0.03)
    )
    told = "; ".join(
        f"{words.MODELS[r.model]}, {words.term(r.term).label.lower()}: {r.subject_id} {words.number(r.dfbeta, '+.2f')}"
        for r in words.rows(top)
    )
    return Figure(
        "influence",
        "models",
        "What each person does to the estimates",
        "Each dot is one person: how far the estimate lies from what it would be without that person. A square with a"
        " name is who moves the estimate most. Beyond a dashed line one person moves it by more than a standard error.",
        f"Dots for each person in {words.count(len(models), 'panel')}, one a model. Largest of each: {told}.",
        "gold/models/influence",
        plot,
        height=1.4 + 0.85 * len(terms),
    )


def _breaks(reach: float) -> list[float]:
    whole = int(reach)
    every = max(1, whole // 2)
    return [float(v) for v in range(-whole, whole + 1) if v % every == 0]


def attrition(table: pd.DataFrame, confidence: float) -> Figure:
    """Draw the mean change with its interval by each method of dealing with those who left."""
    data = table[table["quantity"] == CHANGE].copy()
    order = list(data["method"])
    place = {method: len(order) - i for i, method in enumerate(order)}
    names = [METHODS[method] for method in order]
    data["y"] = data["method"].map(place)
    data["way"] = pd.Categorical(data["method"].map(METHODS), names)
    data["text"] = [words.kg(value) for value in data["estimate"]]
    counts = [words.people(int(n)) for n in data["n"]]
    plot = (
        p9.ggplot(data, p9.aes("estimate", "y", color="way", shape="way"))
        + zero_line(horizontal=False)
        + p9.geom_errorbarh(p9.aes(xmin="conf_low", xmax="conf_high"), height=0.14, size=0.9)
        + p9.geom_point(size=3)
        + p9.geom_text(p9.aes(label="text"), size=LETTERS, va="bottom", nudge_y=0.14, color=INK)
        + p9.scale_x_continuous(labels=signed, minor_breaks=[])
        + p9.scale_y_continuous(
            breaks=[place[m] for m in order],
            labels=[f"{name}\n{n}" for name, n in zip(names, counts, strict=True)],
            limits=(0.6, len(order) + 0.6),
            minor_breaks=[],
        )
        + p9.scale_color_manual(values=dict(zip(names, PALETTE, strict=False)))
        + p9.scale_shape_manual(values=dict(zip(names, SHAPES, strict=False)))
        + p9.labs(x="Mean change by the end, kg (1 kg is 2.2 lb)", y="")
        + look(legend_position="none", panel_grid_major_y=p9.element_line(color=RULE, size=0.5))
    )
    told = "; ".join(
        f"{r.way}: {words.kg(r.estimate)} ({words.interval(r.conf_low, r.conf_high)})" for r in words.rows(data)
    )
    return Figure(
        "attrition",
        "attrition",
        "The mean change, depending on what is assumed of those who left",
        f"Mean weight change by the end with {confidence:.0%} intervals. The table says what each assumes.",
        f"Points with intervals for {words.count(len(order), 'result')}, in kilograms. {told}.",
        "gold/models/attrition",
        plot,
        height=1.1 + 0.65 * len(order),
    )

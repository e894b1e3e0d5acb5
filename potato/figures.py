"""The report's figures: plotnine, one visual language, the same bytes on every run.

Colours are Okabe and Ito's; a second sign (shape, line or panel) carries each distinction, so that a
figure reads in grey. A figure is as narrow as a phone allows its letters to be. Every figure brings its
caption and its alternative text, made from the same data.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
import plotnine as p9

from potato import words
from potato.trajectories import EVERYONE

INK, SOFT, RULE = "#1b1b1b", "#8a8a8a", "#e3e3e3"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
SHAPES = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("solid", "dashed", "dashdot", "dotted", "solid", "dashed", "dashdot")
LETTERS = 9.5  # points; the smallest letters, 9 px on a phone
MANY = 600  # points, each of them an element of the page; more are drawn as one picture
_WIDTH = 5.6
_SIGNS = len(PALETTE)
_SALT = "potato-weight-nutrition"


@dataclass(frozen=True)
class Figure:
    """One figure: `plot` and what a page and a screen reader say about it. Sizes are inches."""

    id: str
    page: str
    title: str
    caption: str
    alt: str
    dataset: str
    plot: p9.ggplot = field(repr=False)
    height: float = 4.0
    width: float = _WIDTH

    def drawn(self) -> Any:
        """Return the figure as matplotlib draws it."""
        return (self.plot + p9.theme(figure_size=(self.width, self.height), dpi=144)).draw()

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Return the figure as {"svg": ..., "png": ...}: the same bytes for the same data."""
        import matplotlib as mpl

        # Glyphs as paths: the picture does not depend on the reader's fonts. The salt fixes the ids.
        settings: Any = {
            "svg.hashsalt": _SALT,
            "svg.fonttype": "path",
            "font.family": "DejaVu Sans",
        }
        with mpl.rc_context(settings):
            drawn = self.drawn()
            made: dict[str, bytes] = {}
            for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
                stream = io.BytesIO()
                drawn.savefig(stream, format=kind, metadata=metadata)
                made[kind] = stream.getvalue()
        return made

    def _repr_png_(self) -> bytes:
        return self.files["png"]

    def entry(self, fingerprint: str) -> dict[str, Any]:
        """Return the figure's line in figures.json; width and height are CSS pixels."""
        return {
            "id": self.id,
            "page": self.page,
            "title": self.title,
            "caption": self.caption,
            "alt": self.alt,
            "source": {"dataset": self.dataset, "fingerprint": fingerprint},
            "width": round(self.width * 96),
            "height": round(self.height * 96),
        }


def look(**changes: Any) -> p9.theme:
    """Return the theme that all figures share."""
    shared = p9.theme(
        text=p9.element_text(color=INK),
        axis_title=p9.element_text(size=10.5),
        axis_text=p9.element_text(size=10, color="#444444"),
        strip_text=p9.element_text(size=10, weight="bold", ha="left"),
        legend_text=p9.element_text(size=10),
        panel_grid_major=p9.element_line(color=RULE, size=0.5),
        panel_grid_minor=p9.element_blank(),
        legend_position="top",
        legend_title=p9.element_blank(),
        legend_key=p9.element_blank(),
        plot_margin=0.015,
        plot_background=p9.element_rect(fill="white", color="white"),
    )
    return p9.theme_minimal(base_size=11, base_family="DejaVu Sans") + shared + p9.theme(**changes)


def sign(kind: str, place: int) -> str:
    """Return the colour, fill, shape or linetype of the group at `place`: no two groups have all of them in common."""
    if kind in ("color", "fill"):
        return PALETTE[place % _SIGNS]
    # A second round through the colours pairs each with another shape and line.
    return (SHAPES if kind == "shape" else LINES)[(place + place // _SIGNS) % _SIGNS]


def scales(groups: Sequence[str], *kinds: str, keys: bool = True) -> list[Any]:
    """Return the colour, fill, shape and line scales that give each group the same sign in every figure.

    Without `keys`, or with a single group, there is no legend.
    """
    build = {
        "color": p9.scale_color_manual,
        "fill": p9.scale_fill_manual,
        "shape": p9.scale_shape_manual,
        "linetype": p9.scale_linetype_manual,
    }
    width = max((len(group) for group in groups), default=0)
    columns = max(1, min(len(groups), 3, 60 // (width + 5)))
    return [
        build[kind](
            values={group: sign(kind, place) for place, group in enumerate(groups)},
            limits=list(groups),
            labels=[folded(group, 50) for group in groups],
            guide=p9.guide_legend(ncol=columns) if keys and list(groups) != [EVERYONE] else None,
        )
        for kind in kinds
    ]


def folded(text: str, width: int) -> str:
    """Return a label in lines of about `width` letters."""
    return "\n".join(wrap(text, width)) or text


def panels(column: str, groups: Sequence[str], most: int = 3) -> list[Any]:
    """Return a panel for each group, at most `most` in a row; nothing where there is one group."""
    if len(groups) < 2:
        return []
    ncol = min(len(groups), most)
    return [p9.facet_wrap(column, ncol=ncol, labeller=lambda text: folded(str(text), 48 // ncol))]


def panel_rows(groups: Sequence[str], most: int = 3) -> int:
    """Return how many rows of panels `panels` gives."""
    return -(-len(groups) // most)


def swarm(values: pd.Series[float], width: float = 0.3) -> list[float]:
    """Return an offset for each value that keeps neighbours apart, without chance."""
    order = np.argsort(values.to_numpy(float), kind="stable")
    bins = pd.cut(values, min(24, max(len(values), 1)), labels=False) if values.nunique() > 1 else values * 0
    sizes = bins.value_counts()
    offsets, seen = np.zeros(len(values)), dict.fromkeys(sizes.index, 0)
    for i in order:
        at = bins.iloc[i]
        seen[at] += 1
        # From the middle outwards, a step up and a step down in turn; an even set is shifted to stay centred.
        place = (seen[at] // 2) * (1 if seen[at] % 2 else -1) + (0.5 if sizes[at] % 2 == 0 else 0.0)
        offsets[i] = width * place / max(sizes.max() / 2, 4)
    return [float(o) for o in offsets]


def weeks(values: pd.Series[int], columns: int = 1) -> Any:
    """Return an axis of whole weeks with as many labels as fit where `columns` panels stand side by side."""
    low, high = int(values.min()), int(values.max())
    every = max(1, -(-(high - low) // (10 if columns == 1 else 5)))
    return p9.scale_x_continuous(breaks=list(range(low, high + 1, every)), minor_breaks=[])


def signed(values: Sequence[float]) -> list[str]:
    """Return axis labels with a real minus sign and no needless zeros."""
    return [words.number(v, "+g") if v else "0" for v in np.round(np.asarray(values, float), 6)]


def lines(data: pd.DataFrame, by: Sequence[str], mapping: p9.aes, **style: Any) -> list[Any]:
    """Return a line for each combination of `by` that has two points or more; none where there is none."""
    several = data[data.groupby(list(by))[by[0]].transform("size") > 1]
    return [p9.geom_line(mapping, several, inherit_aes=False, **style)] if len(several) else []


def zero_line(horizontal: bool = True) -> Any:
    """Return the line of no change."""
    return (
        p9.geom_hline(yintercept=0, color=INK, size=0.4)
        if horizontal
        else p9.geom_vline(xintercept=0, color=INK, size=0.4)
    )

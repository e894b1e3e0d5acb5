"""The adherence calendar: who weighed in and who kept the diary on which day, and how much of it was potato."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import plotnine as p9

from potato import words
from potato.figures import PALETTE, Figure, folded, look, weeks
from potato.trajectories import EVERYONE

MOST_DAYS = 98  # beyond it a cell is a week
_WEIGHED, _LOGGED = "weigh-in alone", "diary, share not known"
_BOUNDS = (0.25, 0.5, 0.75)
_SHARES = ("under 25%", "25 to 50%", "50 to 75%", "75% or more")
# Each is darker than the one before, so that the order is seen in grey and with any colour vision.
INKS = {
    _WEIGHED: "#D2D2D2",
    _LOGGED: PALETTE[4],
    **dict(zip(_SHARES, ("#B87333", "#9E4A45", "#682B5E", "#1F1046"), strict=True)),
}
_TALL, _ROW, _LABEL = 5.2, 0.3, 0.42  # inches: of all rows at most, of a row at most, of a group's label


class _Cells(p9.geom_raster):
    """plotnine's raster, with what drawing the keys of its legend asks for."""

    DEFAULT_AES: ClassVar[dict[str, Any]] = {
        **p9.geom_raster.DEFAULT_AES,
        "size": 0,
        "color": None,
        "linetype": "solid",
    }


def adherence(days: pd.DataFrame, people: pd.DataFrame, groups: Sequence[str]) -> Figure:
    """Draw a row for each person and a cell for each study day, or week in a long study.

    Parameters
    ----------
    days : silver's study_days.
    people : one row a person with subject_id and group.
    groups : the groups from the top.

    Within a group, those who stayed longest stand on top, and of these those who ate most of their energy as potatoes.
    One person's days are drawn as weeks of seven days.
    """
    alone = days["subject_id"].nunique() == 1
    by_week = not alone and days["study_day"].max() > MOST_DAYS
    cells = _cells(days, "study_week" if by_week else "study_day").merge(
        people[["subject_id", "group"]], on="subject_id"
    )
    known = set(_SHARES) & set(cells["level"])
    levels = [lv for lv in (_WEIGHED, _LOGGED, *_SHARES) if (cells["level"] == lv).any() or (known and lv in _SHARES)]
    placed, labels = _one_persons_weeks(cells) if alone else _ranked(cells, groups)
    width, depth = int(placed["x"].max()), int(placed["y"].max())
    whole = pd.MultiIndex.from_product([range(1, width + 1), range(1, depth + 1)], names=["x", "y"])
    # A cell without a record has no level and stays white.
    grid = placed.set_index(["x", "y"])[["level", "subject_id"]].reindex(whole).reset_index()
    grid = grid.assign(level=pd.Categorical(grid["level"], levels), y=-grid["y"])
    unit = "week" if alone or by_week else "day"
    every = 7 if width <= 56 else 14
    axis = p9.scale_x_continuous(breaks=list(range(1, width + 1, every)), minor_breaks=[], expand=(0.01, 0))
    plot = (
        p9.ggplot(grid, p9.aes("x", "y"))
        + _Cells(p9.aes(fill="level"), interpolation="none")
        + p9.scale_fill_manual(
            values={level: INKS[level] for level in levels},
            limits=levels,
            na_value="#FFFFFF",
            name="Energy from potatoes" if known else "Recorded",
            guide=p9.guide_legend(ncol=3),
        )
        + (weeks(pd.Series([1, width])) if unit == "week" else axis)
        + p9.scale_y_continuous(
            breaks=[-place for place in labels], labels=list(labels.values()), expand=(0, 0), minor_breaks=[]
        )
        + p9.labs(x=f"Study {unit} (1 is a person's own first)", y="Day of the study week" if alone else "")
        + look(
            panel_grid_major=p9.element_blank(),
            legend_title=p9.element_text(size=10),
            legend_title_position="top",
        )
    )
    cell = "week" if by_week else "day"
    return Figure(
        "adherence",
        "intake",
        f"Who kept the diary on which {cell}",
        _caption(alone, cell, levels),
        _alt(cells, cell, levels),
        "silver/study_days",
        plot,
        height=1.75 + depth * _row(depth),
    )


def _cells(days: pd.DataFrame, at: str) -> pd.DataFrame:
    """Return subject_id, at, share and level of a day or week with a record; a week's share is weighted by energy."""
    told = days.assign(at=days[at], potato=days["potato_energy_share"] * days["energy_kcal"])
    told["known"] = days["energy_kcal"].where(days["potato_energy_share"].notna())
    cells = told.groupby(["subject_id", "at"], as_index=False)[["entries", "potato", "known"]].sum()
    share = cells["potato"] / cells["known"].where(cells["known"] > 0)
    level = np.array(_SHARES)[np.digitize(share.fillna(0), _BOUNDS)]
    level = np.where(share.notna(), level, np.where(cells["entries"] > 0, _LOGGED, _WEIGHED))
    return cells[["subject_id", "at"]].assign(share=share, level=level)


def _ranked(cells: pd.DataFrame, groups: Sequence[str]) -> tuple[pd.DataFrame, dict[int, str]]:
    """Return the cells with x and y, where y is a person's place from the top, and the groups' labels by place."""
    people = cells.groupby("subject_id", as_index=False).agg(
        group=("group", "first"), last=("at", "max"), share=("share", "mean")
    )
    shown = [group for group in groups if (people["group"] == group).any()]
    order = people.sort_values(["last", "share", "subject_id"], ascending=[False, False, True])
    places: dict[str, int] = {}
    labels: dict[int, str] = {}
    top, gap, least = 1, max(1, len(people) // 60), math.ceil(_LABEL / _row(len(people)))
    for group in shown:
        members = list(order.loc[order["group"] == group, "subject_id"])
        places |= {who: top + i for i, who in enumerate(members)}
        name = "" if group == EVERYONE else f"{folded(group, 16)}\n"
        labels[top + (len(members) - 1) // 2] = f"{name}{words.people(len(members))}"
        top += (max(len(members), least) if len(shown) > 1 else len(members)) + gap
    return cells.assign(x=cells["at"], y=cells["subject_id"].map(places)), labels


def _one_persons_weeks(cells: pd.DataFrame) -> tuple[pd.DataFrame, dict[int, str]]:
    """Return the cells with x, the week, and y, the day of the week, and the labels of the days."""
    return cells.assign(x=(cells["at"] - 1) // 7 + 1, y=(cells["at"] - 1) % 7 + 1), {day: f"{day}" for day in (1, 4, 7)}


def _row(depth: int) -> float:
    """Return the height of a row in inches."""
    return min(_ROW, _TALL / depth)


def _caption(alone: bool, cell: str, levels: Sequence[str]) -> str:
    text = (
        f"A column is a week of the one person, a square a {cell}."
        if alone
        else f"A row is a person, a square a {cell}. Those who stayed longest stand on top of each group."
    )
    if _SHARES[0] in levels:
        text += f" The darker a square, the more of the {cell}'s energy came from potatoes."
    if _LOGGED in levels:
        text += f" A blue {cell} has a diary that does not say how much of it was potato."
    if _WEIGHED in levels:
        text += f" On a grey {cell} there was a weigh-in and no diary."
    return f"{text} White is a {cell} without either."


def _alt(cells: pd.DataFrame, cell: str, levels: Sequence[str]) -> str:
    counts = cells["level"].value_counts()
    told = "; ".join(f"{words.count(int(counts.get(level, 0)), cell)}: {level}" for level in levels)
    share = "; squares with a percentage are by the energy from potatoes" if _SHARES[0] in levels else ""
    return (
        f"Calendar of squares for {words.people(cells['subject_id'].nunique())} and {words.count(len(cells), cell)}"
        f" with a record{share}. {told}."
    )

"""The adherence calendar: who kept the diary on which day, and how much of that day's energy came from potatoes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotnine as p9

from potato import trajectories, words
from potato.figures import Figure, look

MOST_DAYS = 120  # beyond it a column is a week
_WEIGHED, _LOGGED = "#d9d9d9", "#9ecae1"
_FEW, _MUCH = "#deebf7", "#08306b"


def adherence(days: pd.DataFrame, people: pd.DataFrame, groups: Sequence[str]) -> Figure:
    """Draw a row for each person and a column for each study day, or week in a long study.

    Parameters
    ----------
    days : silver's study_days.
    people : one row a person with subject_id and group.
    groups : the groups in the order of their panels.

    Grey is a day with a weigh-in and no diary; the darker the blue, the larger the potato share of a logged day's
    energy. Lightness alone tells the shares apart, so that the picture reads in grey.
    """
    long = int(days["study_day"].max()) > MOST_DAYS
    at, unit = ("study_week", "week") if long else ("study_day", "day")
    cells = _cells(days, at).merge(people[["subject_id", "group"]], on="subject_id")
    cells = cells.merge(_places(cells), on="subject_id")
    cells["panel"] = pd.Categorical(cells["group"], [g for g in groups if (cells["group"] == g).any()])
    logged, told = cells[cells["entries"] > 0], cells["share"].notna()
    shares = cells[told]
    mapping = p9.aes(at, "place")
    plot = (
        p9.ggplot(cells, mapping)
        + p9.geom_tile(mapping, cells[cells["entries"] == 0], fill=_WEIGHED, width=1, height=1, raster=True)
        + p9.geom_tile(mapping, logged[logged["share"].isna()], fill=_LOGGED, width=1, height=1, raster=True)
        + ([p9.geom_tile(p9.aes(fill="share"), shares, width=1, height=1, raster=True)] if len(shares) else [])
        + p9.scale_fill_gradient(
            _FEW,
            _MUCH,
            limits=(0, 1),
            breaks=[0, 0.5, 1],
            labels=lambda values: [f"{v:.0%}" for v in values],
            # A gradient would be thousands of triangles in the SVG.
            guide=p9.guide_colorbar(display="rectangles", nbin=25),
        )
        + p9.facet_grid(rows="panel", scales="free_y", space="free_y")
        + p9.scale_x_continuous(expand=(0, 0.5), minor_breaks=[])
        + p9.scale_y_continuous(breaks=[], expand=(0, 0.5))
        + p9.labs(x=f"Study {unit}", y="", fill="Energy from potatoes")
        + look(
            legend_position="top",
            legend_title=p9.element_text(size=10),
            panel_grid_major=p9.element_blank(),
            strip_text_y=p9.element_text(size=9, rotation=0, ha="left"),
            panel_spacing_y=0.015,
        )
    )
    if list(groups) == [trajectories.EVERYONE]:
        plot += p9.theme(strip_text_y=p9.element_blank())
    n = cells["subject_id"].nunique()
    blue = (
        f"the darker the blue, the more of a logged {unit}'s energy came from potatoes"
        if len(shares)
        else f"blue is a {unit} with a diary"
    )
    whose = "The row is the person's" if n == 1 else "Each row is a person, longest record on top"
    share = f" Their middle potato share is {shares['share'].median():.0%}." if len(shares) else ""
    return Figure(
        "adherence",
        "intake",
        f"Who kept the diary on which {unit}",
        f"{whose}; {blue}. Grey is a {unit} with a weigh-in and no diary, white one without either.",
        f"Calendar of {words.people(n)} by study {unit}: {words.count(len(logged), unit)} with a diary and"
        f" {words.count(int((cells['entries'] == 0).sum()), unit)} with a weigh-in alone.{share}",
        "silver/study_days",
        plot,
        height=min(1.6 + 0.034 * max(n, 20), 8.0),
    )


def _cells(days: pd.DataFrame, at: str) -> pd.DataFrame:
    """Return subject_id, `at`, entries and share of each cell; a week's share is weighted by energy."""
    weighed = days.assign(potato=days["potato_energy_share"] * days["energy_kcal"])
    known = weighed["potato"].notna()
    weighed["energy"] = weighed["energy_kcal"].where(known)
    cells = weighed.groupby(["subject_id", at], as_index=False).agg(
        entries=("entries", "sum"), potato=("potato", "sum"), energy=("energy", "sum")
    )
    cells["share"] = (cells["potato"] / cells["energy"].where(cells["energy"] > 0)).clip(0, 1)
    return cells.drop(columns=["potato", "energy"])


def _places(cells: pd.DataFrame) -> pd.DataFrame:
    """Return subject_id and place: from below, the shortest record first, then the one with fewest logged cells."""
    by = cells.groupby(["group", "subject_id"], as_index=False).agg(
        length=(cells.columns[1], "max"), logged=("entries", lambda entries: (entries > 0).sum())
    )
    by = by.sort_values(["group", "length", "logged", "subject_id"], ascending=[True, True, True, False])
    return by.assign(place=by.groupby("group").cumcount() + 1)[["subject_id", "place"]]

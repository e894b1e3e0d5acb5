"""Figures of the cohort: who was still there, and when people stopped."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotnine as p9

from potato import words
from potato.figures import INK, LETTERS, Figure, look, panel_rows, panels, scales, weeks

_DATASET = "silver/subject_trajectories"
_AGAIN, _LAST = "weighed in again in a later week", "last weigh-in was in this week"


def cohort_flow(people: pd.DataFrame, groups: Sequence[str]) -> Figure:
    """Draw, a panel a group, who was still there in each study week and for whom it was the last.

    `people` is what `trajectories.people` returns.
    """
    data = _still_there(people)
    shown = [group for group in groups if (data["group"] == group).any()]
    data["what"] = pd.Categorical(data["what"], [_LAST, _AGAIN])
    totals = data.groupby(["group", "study_week"], as_index=False).agg(n=("n", "sum"))
    totals = totals[totals["n"] > 0]
    last = int(data["study_week"].max())
    most, columns = int(totals["n"].max()), min(len(shown), 3)
    plot = (
        p9.ggplot(data[data["n"] > 0], p9.aes("study_week", "n"))
        + p9.geom_col(p9.aes(fill="group", alpha="what"), width=0.8)
        + p9.scale_alpha_manual(values={_AGAIN: 1.0, _LAST: 0.35}, limits=[_AGAIN, _LAST])
        + ([p9.geom_text(p9.aes(label="n"), totals, size=LETTERS, va="bottom")] if last * columns <= 18 else [])
        + panels("group", shown)
        + weeks(pd.Series([1, last]), columns)
        + p9.scale_y_continuous(limits=(0, 1.12 * most), breaks=_whole(most), minor_breaks=[])
        + scales(groups, "fill", keys=False)
        + p9.guides(alpha=p9.guide_legend(ncol=1, override_aes={"fill": INK}))
        + p9.labs(x="Study week (week 1 starts on a person's own first day)", y="People")
        + look(panel_grid_major_x=p9.element_blank())
    )
    told = "; ".join(
        f"{group}: {words.people(int(part['n'].iloc[0]))} in week 1, {int(part['n'].iloc[-1])} in week"
        f" {int(part['study_week'].iloc[-1])}"
        for group, part in totals.groupby("group", sort=False)
    )
    return Figure(
        "cohort-flow",
        "cohort",
        "Who still weighed in, and when they stopped",
        "The height of a bar is the people who weighed in during the week or later. The pale part is those whose last"
        " weigh-in fell into the week: they are missing from the next bar. The last week of a study is often cut short"
        " and then holds few of its people.",
        f"Bars of the people who were still there in each study week. {told}.",
        _DATASET,
        plot,
        height=1.35 + 1.9 * panel_rows(shown),
    )


def _still_there(people: pd.DataFrame) -> pd.DataFrame:
    """Return for each group and study week how many weighed in for the last time, and how many did so again later."""
    rows = []
    for group, part in people.groupby("group"):
        ends = part["last_week"].value_counts()
        left = len(part)
        for week in range(1, int(people["last_week"].max()) + 1):
            gone = int(ends.get(week, 0))
            left -= gone
            rows += [(group, week, _LAST, gone), (group, week, _AGAIN, left)]
    return pd.DataFrame(rows, columns=["group", "study_week", "what", "n"])


def _whole(most: int) -> list[int]:
    """Return about four whole numbers from 0 up to `most`."""
    step = next(s for e in range(9) for s in (10**e, 2 * 10**e, 5 * 10**e) if most / s <= 4)
    return list(range(0, most + 1, step))

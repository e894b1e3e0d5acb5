"""Rank tests beside the models: one number a person, so that the tests' independence assumption holds.

Spearman asks whether people who ate more of something changed more; Mann-Whitney whether one group lost
more than another. Both are descriptions: people chose what they ate and how long they stayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from potato import words

COLUMNS = (
    "test",
    "variable",
    "group_a",
    "group_b",
    "estimate",
    "statistic",
    "p_value",
    "p_holm",
    "n",
    "unit",
    "sentence",
)
CLEAR = 0.05
_MIN_PEOPLE = 5


def spearman(frame: pd.DataFrame, outcome: str, variables: Sequence[str]) -> pd.DataFrame:
    """Correlate each variable's mean over a person's weeks with the person's mean outcome, by ranks.

    Parameters
    ----------
    frame : the modelling dataset. A column entries_* is taken per logged day first.
    outcome : column name, kg per week.
    variables : column names; one with fewer than five people, or without variation, is left out.

    Returns
    -------
    One row a variable in COLUMNS; p_holm is adjusted for all rows of the table (Holm 1979).
    """
    from scipy import stats

    data = frame.copy()
    for name in variables:
        if name.startswith("entries_") and name in data:
            data[name] = data[name] / data["days_logged"].where(data["days_logged"] > 0)
    rows = []
    for name in variables:
        if name not in data:
            continue
        people = data.dropna(subset=[name, outcome]).groupby("subject_id")[[name, outcome]].mean()
        if len(people) < _MIN_PEOPLE or people.nunique().min() < 2:
            continue
        result = stats.spearmanr(people[name], people[outcome])
        rho, p = float(result.statistic), float(result.pvalue)
        rows.append(("spearman", name, None, None, rho, rho, p, len(people), "rank correlation"))
    table = _with_holm(rows)
    table["sentence"] = [_correlated(row) for row in words.rows(table)]
    return table[list(COLUMNS)]


def mann_whitney(people: pd.DataFrame, variable: str, groups: Sequence[str]) -> pd.DataFrame:
    """Compare `variable` between every two groups of people.

    The estimate is the Hodges-Lehmann shift: the median over all pairs of (a person of group_a) minus (a
    person of group_b), in the unit of the variable. The statistic is Mann and Whitney's U of group_a.
    """
    from scipy import stats

    rows = []
    for a, b in combinations(groups, 2):
        first = people.loc[people["group"] == a, variable].dropna().to_numpy(float)
        second = people.loc[people["group"] == b, variable].dropna().to_numpy(float)
        if min(len(first), len(second)) < _MIN_PEOPLE:
            continue
        result = stats.mannwhitneyu(first, second, alternative="two-sided")
        shift = float(np.median(np.subtract.outer(first, second)))
        n = len(first) + len(second)
        rows.append(("mann_whitney", variable, a, b, shift, float(result.statistic), float(result.pvalue), n, "kg"))
    table = _with_holm(rows)
    table["sentence"] = [_compared(row) for row in words.rows(table)]
    return table[list(COLUMNS)]


def _with_holm(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    names = ["test", "variable", "group_a", "group_b", "estimate", "statistic", "p_value", "n", "unit"]
    table = pd.DataFrame(rows, columns=names)
    p = table["p_value"].to_numpy(float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    table["p_holm"] = adjusted
    return table


def _correlated(row: Any) -> str:
    behind = f"rank correlation {words.number(row.estimate, '+.2f')}, {_behind(row)}"
    if row.p_holm >= CLEAR:
        return f"No clear relation of {_label(row.variable)} with weight change ({behind})."
    more = "more" if row.estimate < 0 else "less"
    return f"People with more {_label(row.variable)} tended to lose {more} weight ({behind})."


def _compared(row: Any) -> str:
    if row.p_holm >= CLEAR:
        return f"No clear difference between “{row.group_a}” and “{row.group_b}” ({_behind(row)})."
    more = "more" if row.estimate < 0 else "less"
    return (
        f"A person of “{row.group_a}” typically lost {abs(row.estimate):.1f} kg {more} than one of"
        f" “{row.group_b}” ({_behind(row)})."
    )


def _behind(row: Any) -> str:
    return f"{words.people(row.n)}, {words.p_text(row.p_holm)} after Holm's correction"


def _label(variable: str) -> str:
    if variable.startswith("entries_"):
        return f"diary entries a day that name {variable.removeprefix('entries_')}"
    return words.term(variable).label.lower()

"""Rank tests beside the models: one number a person, so that the tests' independence assumption holds.

Spearman asks whether people who ate more of something changed more; Mann-Whitney whether one group lost
more than another. Both are descriptions: people chose what they ate and how long they stayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

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
    table["sentence"] = [
        f"People with more {_label(r.variable)} {_direction(r.estimate)} (rank correlation"
        f" {words.number(r.estimate, '+.2f')}, {words.people(r.n)}, {words.p_text(r.p_holm)} after Holm's"
        " correction)."
        for r in words.rows(table)
    ]
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
        rows.append(
            ("mann_whitney", variable, a, b, shift, float(result.statistic), float(result.pvalue), n, "kg")
        )
    table = _with_holm(rows)
    table["sentence"] = [
        f"A person of “{r.group_a}” typically lost {abs(r.estimate):.1f} kg"
        f" {'more' if r.estimate < 0 else 'less'} than one of “{r.group_b}” ({words.people(r.n)},"
        f" {words.p_text(r.p_holm)} after Holm's correction)."
        for r in words.rows(table)
    ]
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


def _direction(rho: float) -> str:
    return "tended to lose more weight" if rho < 0 else "tended to lose less weight"


def _label(variable: str) -> str:
    if variable.startswith("entries_"):
        return f"{variable.removeprefix('entries_')} entries a day"
    return words.term(variable).label.lower()

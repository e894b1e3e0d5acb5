"""Who stayed to the end of a study, what was known of all early, and weights that let stayers stand for leavers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from potato import words
from potato.design import Array
from potato.trajectories import EVERYONE

PREDICTORS = {"baseline_weight_kg": "kg", "first_week_change_kg": "kg"}
TRUNCATED = (1.0, 99.0)  # percentiles of the weights
MIN_EACH = 10
_MIN_IN_GROUP = 5
_MIN_TOGETHER = 5
_SHARE_TOGETHER = 1 / 3
_MOST_ALONE = 0.25  # of those who left
_NEAR_ZERO = 0.05  # probability of staying


@dataclass(frozen=True)
class Plan:
    """How many weeks a study was to last, and a sentence that says from where that is known."""

    weeks: int
    source: str


def plan(people: pd.DataFrame, stated: int | None) -> Plan | None:
    """Return the planned length: as the study file states it, else from where people's records end, else None.

    Records that end together tell it: when a third of the people, and five at least, end in the two last weeks of the
    study, its end is the later of the two if most of them end there, and the earlier one otherwise, since the day after
    the last full week is the first day of the next one.

    Parameters
    ----------
    people : what `trajectories.people` returns.
    """
    if stated is not None:
        return Plan(stated, f"The study was planned for {words.count(stated, 'week')}, as its description says.")
    last = people.loc[people["change_kg"].notna(), "last_week"]
    if last.empty:
        return None
    end = int(last.max())
    together = int((last >= end - 1).sum())
    weeks = end if (last == end).sum() * 2 >= together else end - 1
    if weeks < 2 or together < max(_MIN_TOGETHER, _SHARE_TOGETHER * len(last)):
        return None
    when = " or ".join(f"{week}" for week in sorted(last[last >= end - 1].unique()))
    source = (
        "The study's description does not say how many weeks it was planned for. It is taken to be"
        f" {words.count(weeks, 'week')}: {together} of {words.people(len(last))} last weighed in during week {when}."
    )
    return Plan(weeks, source)


def roster(trajectories: pd.DataFrame, planned: Plan) -> pd.DataFrame:
    """Return one row for each person, sorted: group, PREDICTORS, change_kg and completed.

    A completer weighed in during the last planned week or the one after it, in which a final weigh-in a day after the
    last full week falls. `change_kg` is the last weigh-in up to then minus the first; it is null over one weigh-in.
    `first_week_change_kg` is the last weigh-in of the first week that has one minus the first.
    """
    inside = trajectories[trajectories["study_week"] <= planned.weeks + 1].sort_values(["subject_id", "study_week"])
    table = inside.groupby("subject_id", as_index=False).agg(
        group=("group", "first"),
        baseline_weight_kg=("baseline_weight_kg", "first"),
        first_week_change_kg=("change_from_baseline_kg", "first"),
        change_kg=("change_from_baseline_kg", "last"),
        n_weights=("n_weights", "sum"),
        last_week=("study_week", "max"),
    )
    table["change_kg"] = table["change_kg"].where(table["n_weights"] > 1)
    table["completed"] = (table["last_week"] >= planned.weeks) & table["change_kg"].notna()
    return table


@dataclass(frozen=True)
class Weights:
    """Inverse-probability-of-completion weights.

    Attributes
    ----------
    people : the roster, one row a person.
    columns : (n, k) of the logistic regression: an intercept, then predictors over their standard deviations.
    probability : (n,) estimated probability of completing.
    values : (n,) stabilised weight of each person, truncated; zero for those who left.
    free : (n,) true where the weight was not truncated.
    predictors : what the regression rests on.
    """

    people: pd.DataFrame
    columns: Array
    probability: Array
    values: Array
    free: NDArray[np.bool_]
    predictors: tuple[str, ...]

    @property
    def completed(self) -> NDArray[np.bool_]:
        return self.people["completed"].to_numpy(bool)

    @property
    def effective(self) -> float:
        """The number of equally weighted people that would tell as much (Kish 1965)."""
        return float(self.values.sum() ** 2 / (self.values**2).sum())

    @property
    def largest(self) -> float:
        return float(self.values.max())


def weights(people: pd.DataFrame) -> Weights | str:
    """Return the weights, or in words why there are none.

    There are none where those who stayed would tell no more than ten equal people, or where more than a quarter of
    those who left had hardly any chance to stay, less than anybody who did: nobody who stayed can stand for them.

    Completion is explained by a logistic regression on what is known early of everybody: first weight and first week's
    change, and the group where each group has five people who stayed and five who left (a group may be named after how
    people ended). Weights are the share of completers over the probability of completing (stabilised), truncated at
    their 1st and 99th percentile (Cole and Hernán 2008).
    """
    stayed = people["completed"].to_numpy(bool)
    least = int(min(stayed.sum(), (~stayed).sum()))
    if least < MIN_EACH:
        side = "stayed" if stayed.sum() == least else "left"
        return f"{words.people(least).capitalize()} {side}, too few to learn from whom staying depends on."
    columns, names = _columns(people)
    if not names:
        return "Nothing that could tell who stays is known early of everybody."
    probability = _logistic(columns, stayed)
    if probability is None:
        return "What was known early parts those who stayed from those who left without overlap."
    stabilised = stayed.mean() / probability
    low, high = np.percentile(stabilised[stayed], TRUNCATED)
    values = np.where(stayed, np.clip(stabilised, low, high), 0.0)
    free = (stabilised >= low) & (stabilised <= high)
    made = Weights(people, columns, probability, values, free, tuple(names))
    if made.effective < MIN_EACH:
        n, equal = words.people(int(stayed.sum())), f"{made.effective:.1f} equal ones"
        return f"The {n} who stayed, weighted, tell no more than {equal} would: too few for a mean."
    alone = int((probability[~stayed] < min(_NEAR_ZERO, probability[stayed].min())).sum())
    left = int((~stayed).sum())
    if alone > _MOST_ALONE * left:
        return f"{alone} of {words.people(left)} who left had nobody like them among those who stayed."
    return made


def _columns(people: pd.DataFrame) -> tuple[Array, list[str]]:
    names = [name for name in PREDICTORS if people[name].notna().all() and people[name].nunique() > 1]
    columns = [np.ones(len(people))]
    for name in names:
        value = people[name].to_numpy(float)
        columns.append((value - value.mean()) / value.std())
    groups = sorted(people["group"].unique())
    sizes = people.groupby(["group", "completed"]).size().unstack(fill_value=0)
    if (
        groups != [EVERYONE]
        and len(groups) > 1
        and sizes.shape[1] == 2
        and int(sizes.to_numpy().min()) >= _MIN_IN_GROUP
    ):
        columns += [(people["group"] == group).to_numpy(float) for group in groups[1:]]
        names.append("group")
    return np.column_stack(columns), names


def _logistic(columns: Array, stayed: NDArray[np.bool_]) -> Array | None:
    """Return the probabilities of a logistic regression; None where it has no finite answer."""
    from statsmodels.discrete.discrete_model import Logit
    from statsmodels.tools.sm_exceptions import PerfectSeparationError

    try:
        with warnings.catch_warnings():
            # That there is no finite answer becomes a sentence.
            warnings.simplefilter("ignore")
            result = Logit(stayed.astype(float), columns).fit(disp=0)
            probability = np.asarray(result.predict(), float)
    except (PerfectSeparationError, np.linalg.LinAlgError):
        return None
    if not result.mle_retvals["converged"] or probability[stayed].min() < 1e-6:
        return None
    return probability


def balance(people: pd.DataFrame, weighted: Weights | None) -> pd.DataFrame:
    """Return for each predictor the means over everybody, over those who stayed and left, and after weighting.

    Differences are in standard deviations over everybody; below 0.1 they count as small (Austin 2011).
    """
    stayed = people["completed"].to_numpy(bool)
    rows = []
    for name, unit, value in _described(people, weighted.predictors if weighted else tuple(PREDICTORS)):
        everybody, sd = float(np.nanmean(value)), float(np.nanstd(value))
        mean = float(np.nanmean(value[stayed]))
        after = float(np.average(value, weights=weighted.values)) if weighted else np.nan
        rows.append(
            {
                "variable": name,
                "everybody": everybody,
                "completers": mean,
                "leavers": float(np.nanmean(value[~stayed])),
                "weighted": after,
                "difference": (mean - everybody) / sd if sd else np.nan,
                "difference_weighted": (after - everybody) / sd if sd else np.nan,
                "unit": unit,
            }
        )
    return pd.DataFrame(rows)


def _described(people: pd.DataFrame, names: Sequence[str]) -> list[tuple[str, str, Array]]:
    found = [(name, PREDICTORS[name], people[name].to_numpy(float)) for name in names if name in PREDICTORS]
    # A mean needs somebody on each side of whom it is known.
    stayed = people["completed"].to_numpy(bool)
    found = [row for row in found if all(np.isfinite(row[2][side]).any() for side in (stayed, ~stayed))]
    if "group" in names:
        groups = sorted(people["group"].unique())
        found += [(f"group[{group}]", "share", (people["group"] == group).to_numpy(float)) for group in groups]
    return found

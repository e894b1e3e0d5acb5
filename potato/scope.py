"""What a study can and can't answer, as the two lists of the overview: from what it recorded, of how many."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from potato import diet_narrative, words
from potato.markdown import plain
from potato.models import Training
from potato.narrative import recorded
from potato.trajectories import EVERYONE, MIN_PEOPLE


def lists(
    people: pd.DataFrame,
    groups: Sequence[str],
    weekly: pd.DataFrame,
    training: Training,
    slopes: pd.DataFrame | None,
) -> dict[str, str]:
    """Return answer.can and answer.cannot as Markdown lists.

    Parameters
    ----------
    people : what `trajectories.people` returns.
    weekly : the weekly features with a group on each row.
    slopes : the mean slope of each condition, where the study has conditions.
    """
    can = [*_of_weight(people, groups, slopes), *_of_intake(weekly, training)]
    cannot = [*_not_of_weight(people, groups, weekly), *_not_of_intake(people, weekly, training)]
    return {"can": _list(can), "cannot": _list(cannot)}


def _of_weight(people: pd.DataFrame, groups: Sequence[str], slopes: pd.DataFrame | None) -> list[str]:
    n = int(people["change_kg"].notna().sum())
    weeks = words.count(int(people["last_week"].max()), "week")
    told = [
        f"How one person's weight moved over {weeks}."
        if n == 1
        else f"How the weight of {words.people(n)} moved over up to {weeks}."
    ]
    sizes = people.dropna(subset=["change_kg"])["group"].value_counts()
    if list(groups) != [EVERYONE] and (sizes >= 2).sum() >= 2:
        told.append("How the groups' changes of weight compare.")
    if slopes is not None and len(slopes) > 1:
        whose = "that person's" if len(people) == 1 else "people's"
        told.append(f"How fast {whose} weight moved under each of {words.spelled(len(slopes))} conditions.")
    return told


def _of_intake(weekly: pd.DataFrame, training: Training) -> list[str]:
    if not recorded(weekly):
        return []
    logged = weekly[weekly["days_logged"] > 0]
    eaters, days = logged["subject_id"].nunique(), int(logged["days_logged"].sum())
    over = words.count(days, "day" if eaters == 1 else "person-day")
    told = [f"What {'one person' if eaters == 1 else words.people(eaters)} wrote down about their food, over {over}."]
    if len(training.coefficients):
        told.append(
            "Whether weeks with a different diet were followed by a different change of weight, from"
            f" {words.count(training.sample.n_obs, 'person-week')}."
        )
    return told


def _not_of_weight(people: pd.DataFrame, groups: Sequence[str], weekly: pd.DataFrame) -> list[str]:
    n = int(people["change_kg"].notna().sum())
    told = []
    if n == 1:
        told.append("What would happen to anybody else: it is the record of one person.")
    elif n < MIN_PEOPLE:
        told.append(f"What happens to people on average: {words.spelled(n)} people are too few for a narrow interval.")
    sizes = people.dropna(subset=["change_kg"])["group"].value_counts()
    single = [f"“{plain(str(group))}”" for group in groups if sizes.get(group, 0) == 1 and len(groups) > 1]
    if single:
        told.append(f"What is typical of {words.listed(single)}: one person's change is all there is.")
    once = int(people["change_kg"].isna().sum())
    if once:
        told.append(f"How the weight of {words.people(once)} changed: they weighed in once.")
    lacking = without_weight(people, weekly)
    if lacking:
        told.append(f"How the weight of {_names(lacking)} changed: no usable weight is there.")
    return told


def _not_of_intake(people: pd.DataFrame, weekly: pd.DataFrame, training: Training) -> list[str]:
    if not recorded(weekly):
        return ["Whether food goes along with weight: no intake was recorded."]
    logged = weekly[weekly["days_logged"] > 0]
    told = diet_narrative.unknown(logged)
    silent = sorted(set(people["subject_id"]) - set(logged["subject_id"]))
    if silent:
        told.append(f"What {_names(silent)} ate: no diary is there.")
    if len(training.coefficients) and "fixed_effects" not in training.fits and logged["entries_potato"].notna().any():
        why = "there is one person" if training.sample.n_subjects == 1 else "that model could not be fitted"
        told.append(
            f"Which kinds of food go along with weight: they are compared in the model within people, and {why}."
        )
    if training.coefficients.empty:
        told.append("Whether food goes along with weight: no model could be fitted.")
    else:
        told.append("Whether food caused a change: what goes together need not be cause and effect.")
    return told


def without_weight(people: pd.DataFrame, weekly: pd.DataFrame) -> list[str]:
    """Return who has records and no usable weight, sorted."""
    return sorted(set(weekly["subject_id"]) - set(people["subject_id"]))


def _names(subjects: Sequence[str]) -> str:
    return words.some([f"“{plain(str(who))}”" for who in subjects])


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)

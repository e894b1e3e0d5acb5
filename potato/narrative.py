"""The report's sentences, made from the data: every number in them is formatted here and nowhere else.

Sentences state what was seen, with its uncertainty, and never that one thing caused another: people of
these studies chose what they ate and how long they stayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from potato import trajectories, words
from potato.markdown import plain
from potato.models import Training
from potato.settings import Settings
from potato.trajectories import EVERYONE, Mean

PAGES = (
    "overview",
    "cohort",
    "attrition",
    "trajectories",
    "intake",
    "models",
    "data-quality",
    "lineage",
    "run",
    "methods",
)


_SHOWN = 0.05  # kg; below it a change shows as 0.0
_NO_TWO_WEEKS = "Nobody weighed in during two weeks in a row"


def study(settings: Settings) -> dict[str, str]:
    """Return study.*: what the study is, and the notice of a simulated one."""
    notice = (
        "A program made these data: nobody ate or weighed anything. The effects of food were put in as"
        " assumptions, which the methods page lists. How well the models find them again says something about the"
        " analysis, and nothing about food."
    )
    return {
        "name": settings.study_name,
        "title": plain(settings.study.title),
        "description": plain(settings.study.description),
        "citation": plain(settings.study.citation or ""),
        "notice": notice if settings.study.simulated else "",
    }


def cohort(people: pd.DataFrame, groups: Sequence[str], elsewhere: Sequence[str] = ()) -> dict[str, str]:
    """Return cohort.*: who has a weight. `elsewhere` are people with records and without a usable weight.

    `alone` and `groups` are empty or not: pages ask them whether there is one person, and more than one group.
    """
    n, weights, weeks = len(people), int(people["n_weights"].sum()), int(people["last_week"].max())
    if n == 1:
        mornings = words.count(weights, "weigh-in")
        text = f"One person has usable weights: {mornings}, the last of them in study week {weeks}."
        held = f"The study holds {words.count(weights, 'weight')} of one person over {words.count(weeks, 'week')}."
    else:
        text = f"{words.people(n)} have at least one usable weight"
        if list(groups) != [EVERYONE]:
            counts = people["group"].value_counts()
            text += ": " + words.listed([f"{counts[g]} in “{plain(str(g))}”" for g in groups if g in counts])
        text += (
            f". They weighed in {weights / n:.1f} times each on average, and the last of them in study week {weeks}."
        )
        held = (
            f"The study holds {words.count(weights, 'weight')} of {words.people(n)} over at most"
            f" {words.count(weeks, 'week')}."
        )
    if elsewhere:
        told = words.some([f"“{plain(str(who))}”" for who in elsewhere])
        verb = "has" if len(elsewhere) == 1 else "have"
        more = words.count(len(elsewhere), "more person", "more people")
        text += f" {more} {verb} records and no usable weight: {told}."
    return {
        "n_subjects": f"{n:,}",
        "n_subjects_label": f"{'person' if n == 1 else 'people'} with a weight",
        "n_weights": f"{weights:,}",
        "n_weeks_max": f"{weeks:,}",
        "sentence": text,
        "held": held,
        "alone": "yes" if n == 1 else "",
        "groups": "yes" if len(groups) > 1 else "",
    }


def change(people: pd.DataFrame, confidence: float) -> dict[str, str]:
    """Return change.*: from first to last weigh-in, over people with two weigh-ins.

    What needs two people, like an interval, is empty where there is one.
    """
    values = people["change_kg"].dropna()
    found = trajectories.mean(values, confidence)
    several = found.n > 1
    lost = int((values < 0).sum())
    if several:
        text = (
            f"From the first to the last weigh-in the mean change was {words.kg(found.mean)}"
            f" ({words.lb(found.mean)}){_interval(found, confidence)}. {lost} of {words.people(found.n)} weighed"
            " less at the end."
        )
    else:
        text = f"From the first to the last weigh-in the change was {words.kg(found.mean)} ({words.lb(found.mean)})."
    if found.n > 2:
        text += f" The middle person's change was {words.kg(float(values.median()))}."
    return {
        "mean_kg": words.kg(found.mean),
        "mean_label": f"{'mean change' if several else 'change'} from first to last weigh-in",
        "mean_lb": words.lb(found.mean),
        "ci_kg": f"{words.interval(found.low, found.high)} kg" if several else "",
        "ci_label": f"is where the mean plausibly lies ({confidence:.0%} interval)" if several else "",
        "median_kg": words.kg(float(values.median())),
        "n_lost": f"{lost} of {found.n}" if several else "",
        "sentence": text,
    }


def headline(people: pd.DataFrame, settings: Settings) -> str:
    """Return the one sentence that the overview opens with."""
    found = trajectories.mean(people["change_kg"], settings.gold.confidence)
    verb = "lost" if found.mean < 0 else "gained"
    if found.n == 1:
        who = "The one person of this study" if len(people) == 1 else "The one person with two weigh-ins"
        if abs(found.mean) < _SHOWN:
            return f"{who} weighed the same at the last weigh-in as at the first."
        return f"{who} {verb} {_amount(found.mean)} between the first weigh-in and the last."
    lost = int((people["change_kg"] < 0).sum())
    who = "In this simulated study, people" if settings.study.simulated else "People in this study"
    if found.low <= 0 <= found.high:
        ends = f"{words.interval(found.low, found.high)} kg"
        return f"{who} did not clearly change weight: the mean change plausibly lies anywhere from {ends}."
    return (
        f"{who} {verb} {_amount(found.mean)} on average between their first and last weigh-in; {lost} of"
        f" {found.n} lost weight."
    )


def courses(everyone: pd.DataFrame, slopes: pd.DataFrame | None, people: pd.DataFrame, confidence: float) -> str:
    """Return trajectories.sentence. `everyone` is the mean change into each week."""
    counted = trajectories.enough(everyone)
    alone = len(people) == 1
    if counted.empty:
        nobody = "There are no two weeks in a row with a weigh-in" if alone else _NO_TWO_WEEKS
        return f"{nobody}, so no change from one week to the next can be told. {conditions(slopes)}".strip()
    order = counted["mean"].to_numpy(float)
    lowest, highest = counted.iloc[int(order.argmin())], counted.iloc[int(order.argmax())]

    def told(row: Any) -> str:
        n = words.people(int(row["n"]))
        within = f" ({words.interval(row['low'], row['high'])} kg, {n})" if pd.notna(row["low"]) else f" ({n})"
        return f"{words.kg(row['mean'])} in week {int(row['study_week'])}{'' if alone else within}"

    what = "change" if alone else "mean change"
    if lowest["study_week"] == highest["study_week"]:
        text = f"Against the week before, the {what} was {told(lowest)}."
    elif words.kg(lowest["mean"]) == words.kg(highest["mean"]):
        text = f"Against the week before, the {what} was {words.kg(lowest['mean'])} in each week."
        return f"{text} {conditions(slopes)}".strip()
    else:
        text = f"Against the week before, the {what} lay between {told(lowest)} and {told(highest)}."
    text += f" In brackets are {confidence:.0%} intervals." if pd.notna(lowest["low"]) else ""
    return f"{text} {conditions(slopes)}".strip()


def caveat(trajectories_: pd.DataFrame, settings: Settings) -> str:
    """Return answer.caveat: what a reader must know before using the answer."""
    text = (
        "People weighed themselves and were not compared with people like them who ate otherwise. Part of an"
        " early loss is water, and people who stop early may differ from those who stay: a mean over those"
        " who are left can flatter."
    )
    if trajectories_["subject_id"].nunique() == 1:
        text = (
            "One person weighed themselves, and nobody knows what they would have weighed otherwise. Part of an early"
            " loss is water. Another person may fare differently."
        )
    known = trajectories_.dropna(subset=["condition"])
    if known["condition"].nunique() > 1 and known.groupby("study_week")["condition"].nunique().max() == 1:
        text += (
            " The conditions followed one another at the same time for all, so a difference between them can't be"
            " told apart from the passing of time."
        )
    if settings.study.simulated:
        text += " And this study is simulated: its diaries and their effects are made up."
    return text


def quality(files: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return quality.*: rows read, kept and set aside over all raw files."""
    read = sum(f["rows_read"] for f in files.values())
    kept = sum(f["rows_kept"] for f in files.values())
    reasons: dict[str, int] = {}
    for entry in files.values():
        for reason, rows in entry["rows_quarantined"].items():
            reasons[reason] = reasons.get(reason, 0) + rows
    # A file that holds two families is read, and stands in the ledger, once for each.
    names = {f["file"] for f in files.values()}
    twice = ", some once for each kind of row in it," if len(names) < len(files) else ""
    text = f"{words.count(read, 'row')} of {words.count(len(names), 'raw file')}{twice} were read"
    if reasons:
        most = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:3]
        told = words.listed([f"{rows:,} for “{reason.replace('_', ' ')}”" for reason, rows in most])
        more = {True: ", among them ", False: ": "}[len(reasons) > 3]
        if len(reasons) == 1:
            more, told = ", all ", f"for “{next(iter(reasons)).replace('_', ' ')}”"
        text += f"; {kept:,} were kept ({kept / read:.1%}) and {read - kept:,} set aside{more}{told}."
    else:
        text += " and all were kept."
    return {
        "rows_read": f"{read:,}",
        "rows_kept": f"{kept:,}",
        "rows_quarantined": f"{read - kept:,}",
        "sentence": text,
    }


def pages(weekly: pd.DataFrame, training: Training, no_attrition: str = "") -> dict[str, dict[str, Any]]:
    """Return for each page whether the study has it, and why not.

    `no_attrition` says why nothing is told of who left; empty where something is.
    """
    shown: dict[str, dict[str, Any]] = {page: {"shown": True, "reason": None} for page in PAGES}
    if not recorded(weekly):
        reason = "This study recorded no intake, so there is nothing to show or to explain weight by."
        shown["intake"] = shown["models"] = {"shown": False, "reason": reason}
    elif training.coefficients.empty:
        shown["models"] = {"shown": False, "reason": f"There are no models. {' '.join(cautions(training))}".strip()}
    if no_attrition:
        shown["attrition"] = {"shown": False, "reason": no_attrition}
    return shown


def recorded(weekly: pd.DataFrame) -> bool:
    """Tell whether anybody kept a diary."""
    return bool((weekly["days_logged"] > 0).any())


def cautions(training: Training) -> list[str]:
    """Return why models were left out or must be read with care, each reason once.

    What models say of a single covariate is told only where there are models.
    """
    told: dict[str, str] = {}
    for finding in training.findings:
        if training.coefficients.empty and finding.check in ("covariate_recorded", "covariate_varies"):
            continue
        if finding.verdict == "caution":
            told.setdefault(finding.check if finding.check == "enough_people" else finding.sentence, finding.sentence)
    return list(told.values())


def _amount(value_kg: float) -> str:
    return f"{abs(value_kg):.1f} kg ({abs(value_kg) * words.LB_PER_KG:.1f} lb)"


def _interval(found: Mean, confidence: float) -> str:
    return f", with a {confidence:.0%} interval of {words.interval(found.low, found.high)} kg" if found.n > 1 else ""


def conditions(slopes: pd.DataFrame | None) -> str:
    if slopes is None or slopes.empty:
        return ""
    parts = [
        f"{words.number(r.mean, '+.2f')} kg per week under “{plain(str(r.condition))}”"
        + (f" ({words.interval(r.low, r.high, '+.2f')})" if pd.notna(r.low) else "")
        for r in words.rows(slopes)
    ]
    return f"By condition, weight changed by {words.listed(parts)}."

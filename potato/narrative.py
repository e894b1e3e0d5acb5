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
    "trajectories",
    "intake",
    "models",
    "data-quality",
    "lineage",
    "run",
    "methods",
)


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


def cohort(people: pd.DataFrame, groups: Sequence[str]) -> dict[str, str]:
    """Return cohort.*: who has a weight."""
    n, weights, weeks = len(people), int(people["n_weights"].sum()), int(people["last_week"].max())
    text = f"{_opening(n)} at least one usable weight"
    if list(groups) != [EVERYONE]:
        counts = people["group"].value_counts()
        text += ": " + words.listed([f"{counts[g]} in “{plain(str(g))}”" for g in groups if g in counts])
    text += f". They weighed in {weights / n:.1f} times each on average, and the last of them in study week {weeks}."
    return {
        "n_subjects": f"{n:,}",
        "n_weights": f"{weights:,}",
        "n_weeks_max": f"{weeks:,}",
        "sentence": text,
    }


def change(people: pd.DataFrame, confidence: float) -> dict[str, str]:
    """Return change.*: from first to last weigh-in, over people with two weigh-ins."""
    values = people["change_kg"].dropna()
    found = trajectories.mean(values, confidence)
    if not found.n:
        text = "Nobody weighed in twice, so there is no change to report."
        return dict.fromkeys(("mean_kg", "mean_lb", "ci_kg", "median_kg"), "–") | {
            "n_lost": "0 of 0",
            "sentence": text,
        }
    lost = int((values < 0).sum())
    text = (
        f"From the first to the last weigh-in the mean change was {words.kg(found.mean)}"
        f" ({words.lb(found.mean)}){_interval(found, confidence)}. {lost} of {words.people(found.n)} weighed"
        " less at the end."
    )
    return {
        "mean_kg": words.kg(found.mean),
        "mean_lb": words.lb(found.mean),
        "ci_kg": f"{words.interval(found.low, found.high)} kg" if found.n > 1 else "–",
        "median_kg": words.kg(float(values.median())),
        "n_lost": f"{lost} of {found.n}",
        "sentence": text,
    }


def headline(people: pd.DataFrame, settings: Settings) -> str:
    """Return the one sentence that the overview opens with."""
    found = trajectories.mean(people["change_kg"], settings.gold.confidence)
    if not found.n:
        return "Nobody weighed in twice, so this study can't tell whether weights changed."
    lost = int((people["change_kg"] < 0).sum())
    who = "In this simulated study, people" if settings.study.simulated else "People in this study"
    if found.n == 1:
        verb = "lost" if found.mean < 0 else "gained"
        return f"The one person with two weigh-ins {verb} {_amount(found.mean)} between the first and the last."
    if found.low <= 0 <= found.high:
        ends = f"{words.interval(found.low, found.high)} kg"
        return f"{who} did not clearly change weight: the mean change plausibly lies anywhere from {ends}."
    verb = "lost" if found.mean < 0 else "gained"
    return (
        f"{who} {verb} {_amount(found.mean)} on average between their first and last weigh-in; {lost} of"
        f" {found.n} lost weight."
    )


def courses(everyone: pd.DataFrame, slopes: pd.DataFrame | None, confidence: float) -> str:
    """Return trajectories.sentence. `everyone` is the mean change into each week."""
    counted = trajectories.enough(everyone)
    if counted.empty:
        return "Nobody weighed in during two weeks in a row, so there is no weekly course to show."
    order = counted["mean"].to_numpy(float)
    lowest, highest = counted.iloc[int(order.argmin())], counted.iloc[int(order.argmax())]

    def told(row: Any) -> str:
        n = words.people(int(row["n"]))
        within = f"{words.interval(row['low'], row['high'])} kg, {n}" if row["n"] > 1 else n
        return f"{words.kg(row['mean'])} in week {int(row['study_week'])} ({within})"

    if lowest["study_week"] == highest["study_week"]:
        text = f"Against the week before, the mean change was {told(lowest)}."
    else:
        text = f"Against the week before, the mean change lay between {told(lowest)} and {told(highest)}."
    text += f" In brackets are {confidence:.0%} intervals." if lowest["n"] > 1 else ""
    return f"{text} {conditions(slopes)}".strip()


def caveat(trajectories_: pd.DataFrame, settings: Settings) -> str:
    """Return answer.caveat: what a reader must know before using the answer."""
    text = (
        "People weighed themselves and were not compared with people like them who ate otherwise. Part of an"
        " early loss is water, and people who stop early may differ from those who stay: a mean over those"
        " who are left can flatter."
    )
    known = trajectories_.dropna(subset=["condition"])
    if known["condition"].nunique() > 1 and known.groupby("study_week")["condition"].nunique().max() == 1:
        text += (
            " In this study's file everybody had the same condition in the same week, so a difference between"
            " conditions can't be told apart from the passing of time."
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
    text = f"{words.count(read, 'row')} of {words.count(len(files), 'raw file')} were read"
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


def pages(weekly: pd.DataFrame, training: Training) -> dict[str, dict[str, Any]]:
    """Return for each page whether the study has it, and why not."""
    shown: dict[str, dict[str, Any]] = {page: {"shown": True, "reason": None} for page in PAGES}
    if not (weekly["days_logged"] > 0).any():
        reason = "This study recorded no intake, so there is nothing to show or to explain weight by."
        shown["intake"] = shown["models"] = {"shown": False, "reason": reason}
    elif training.coefficients.empty:
        reason = " ".join(dict.fromkeys(f.sentence for f in training.findings if f.verdict == "caution"))
        shown["models"] = {"shown": False, "reason": reason}
    return shown


def _opening(n: int) -> str:
    return f"{words.people(n)} {'has' if n == 1 else 'have'}"


def _amount(value_kg: float) -> str:
    return f"{abs(value_kg):.1f} kg ({abs(value_kg) * words.LB_PER_KG:.1f} lb)"


def _interval(found: Mean, confidence: float) -> str:
    return f", with a {confidence:.0%} interval of {words.interval(found.low, found.high)} kg" if found.n > 1 else ""


def conditions(slopes: pd.DataFrame | None) -> str:
    if slopes is None or slopes.empty:
        return ""
    parts = [
        f"{words.number(r.mean, '+.2f')} kg per week under “{r.condition}” ({words.interval(r.low, r.high, '+.2f')})"
        for r in words.rows(slopes)
    ]
    return f"By condition, weight changed by {words.listed(parts)}."

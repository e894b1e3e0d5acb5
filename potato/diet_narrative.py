"""The report's sentences about intake and models: associations with their uncertainty, never causes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pydantic import BaseModel

from potato import bootstrap, food, mixed, words
from potato import models as modelling
from potato.design import Sample
from potato.models import CORRECTION, CORRECTIONS, Training
from potato.narrative import cautions, conditions, recorded
from potato.settings import Settings

PRIMARY = ("fixed_effects", "mixed_effects", "ols_cluster", "n_of_1")


_COMPARISON = {
    "fixed_effects": "Comparing each person's weeks with their own other weeks",
    "mixed_effects": "Allowing for people's different usual changes",
    "ols_cluster": "Comparing all person-weeks",
    "n_of_1": "Comparing the weeks of one person, with a straight trend over time taken off",
}


NO_INTAKE = "This study recorded no intake, so nothing can be said about what people ate, and no model is fitted."


def diet(
    training: Training,
    weekly: pd.DataFrame,
    truth: Mapping[str, float],
    settings: Settings,
    slopes: pd.DataFrame | None,
) -> str:
    """Return answer.diet: what the primary model says for each covariate, or why nothing can be said."""
    table, confidence = training.coefficients, settings.gold.confidence
    if table.empty:
        # The page of the models is not there: what the gate has to say stands here.
        why = (
            ["Whether food and weight went together can't be said.", *cautions(training)]
            if recorded(weekly)
            else [NO_INTAKE]
        )
        return " ".join([*why, conditions(slopes)]).strip()
    model = primary(training)
    rows = table[table["model"] == model]
    parts = [_effect(row, confidence) for row in words.rows(rows)]
    text = f"{_COMPARISON[model]}, {'; '.join(parts)}. {_agreement(table)}".strip()
    known = rows[rows["term"].isin(list(truth))]
    if len(known):
        held = sum(r.conf_low <= truth[r.term] <= r.conf_high for r in words.rows(known))
        some = f"{words.spelled(held).capitalize()} of the {words.spelled(len(known))}"
        which = "All" if held == len(known) else some
        text += f" {which} effects that the simulation was made with lie inside these intervals."
    if model == "n_of_1":
        text += " They hold for this person and these weeks, and say nothing about anyone else."
    return f"{text} These are associations in self-tracked data; they do not show what caused what."


def primary(training: Training) -> str:
    """Return the name of the model that the report's answer rests on."""
    return next(name for name in PRIMARY if name in training.fits)


_TYPICAL = {
    "energy_kcal_per_day": "{:,.0f} kcal a day",
    "fiber_g_per_1000_kcal": "{:.0f} g of fibre per 1,000 kcal",
    "fiber_g_per_day": "{:.0f} g of fibre a day",
    "potato_energy_share": "{:.0%} of its energy from potatoes",
}


def intake(weekly: pd.DataFrame) -> dict[str, str]:
    """Return intake.*: how complete the diaries are, what a typical week holds, and what nobody recorded."""
    logged = weekly[weekly["days_logged"] > 0]
    if logged.empty:
        return {"sentence": NO_INTAKE, "unknown": ""}
    people, everybody = logged["subject_id"].nunique(), weekly["subject_id"].nunique()
    days = words.count(int(logged["days_logged"].sum()), "day")
    each = f"{logged['days_logged'].mean():.1f} days in a week with a diary"
    who = f"All {people}" if people == everybody else f"{people} of {everybody}"
    text = (
        f"One person kept a diary, for {days} ({each})."
        if everybody == 1
        else f"{who} people kept a diary, for {days} in all ({each})."
    )
    known = [name for name in _TYPICAL if logged[name].notna().any()]
    if "fiber_g_per_1000_kcal" in known:
        known.remove("fiber_g_per_day")
    if known:
        typical = [_TYPICAL[name].format(logged[name].median()) for name in known]
        text += f" The middle {'week' if everybody == 1 else 'person-week'} had {words.listed(typical)}."
    else:
        text += f" {_named_most(logged)}"
    return {"sentence": text.strip(), "unknown": _not_told(logged)}


def unknown(logged: pd.DataFrame) -> list[str]:
    """Return what no diary tells, each with the reason: how much energy and fibre, and which foods."""
    amounts = {"energy": "energy_kcal_per_day", "fibre": "fiber_g_per_day"}
    lacking = [label for label, name in amounts.items() if logged[name].isna().all()]
    told = [f"How much {' or '.join(lacking)} the food held: the diaries do not say."] if lacking else []
    if logged["entries_potato"].isna().all():
        of_foods = "no entry names a food by a known word, and these are English."
        told.append(f"Which foods were eaten, and the share of potatoes among them: {of_foods}")
    return told


def _not_told(logged: pd.DataFrame) -> str:
    parts = unknown(logged)
    return f"The diaries leave open: {' '.join(part[:1].lower() + part[1:] for part in parts)}" if parts else ""


def dose(sample: Sample) -> dict[str, str]:
    """Return intake.dose_*: heading and text of the figure of dose and response; empty without a covariate."""
    if not sample.covariates:
        return {"dose_title": "", "dose_sentence": ""}
    term = words.term(sample.covariates[0])
    share = term.name == "potato_energy_share"
    what = "the share of energy that came from potatoes" if share else f"the {term.label.lower()} of the diary"
    return {
        "dose_title": f"More {'potato' if share else term.label.lower()}, more loss?",
        "dose_sentence": f"{what} in one week against the weight change into the next",
    }


def models(
    training: Training, bootstrapped: pd.DataFrame, gate: str, confidence: float, random_slope: str | None = None
) -> dict[str, str]:
    """Return models.*; every text is empty in a study without models.

    `alone` and `several` are empty or not: pages ask them whether the model is that of one person, or which compare
    people. `slope` tells of the effect that differs between people in the mixed model, where one was asked for.
    """
    names = (
        "sentence",
        "formula",
        "n_obs",
        "n_subjects",
        "dropped_sentence",
        "correction",
        "bootstrap",
        "bootstrapping",
        "slope",
    )
    sample = training.sample
    if training.coefficients.empty:
        return dict.fromkeys((*names, "alone", "several"), "")
    alone = "n_of_1" in training.fits
    n = len(training.fits)
    unit = "week" if alone else "person-week"
    fitted = (
        f"{words.spelled(n).capitalize()} {'model' if n == 1 else 'models'} {'was' if n == 1 else 'were'}"
        f" fitted to {words.count(sample.n_obs, unit)} of"
    )
    dropped = (
        f"Of {words.count(sample.n_rows, unit)} with a weight change, {sample.n_dropped:,}"
        f" {'was' if sample.n_dropped == 1 else 'were'} left out because intake was missing."
        if sample.n_dropped
        else f"No {unit} with a weight change had to be left out."
    )
    if "fixed_effects" in training.fits:
        within = training.fits["fixed_effects"]
        dropped += (
            f" The comparison within people needs two weeks of a person: it uses {within.n_obs:,} person-weeks of"
            f" {within.n_subjects:,} people."
        )
    who = "one person" if alone else words.people(sample.n_subjects)
    told = f"{fitted} {who}. {_agreement(training.coefficients)}".strip()
    return {
        "sentence": f"{told} {gate}",
        "formula": sample.formula,
        "n_obs": f"{sample.n_obs:,}",
        "n_subjects": f"{sample.n_subjects:,}",
        "dropped_sentence": dropped,
        "correction": CORRECTIONS["n_of_1"] if alone else CORRECTION,
        "bootstrap": bootstrap.sentence(bootstrapped, training.coefficients, confidence),
        "bootstrapping": "" if alone else bootstrap.CORRECTION,
        "slope": _slope(training, random_slope),
        "alone": "yes" if alone else "",
        "several": "" if alone else "yes",
    }


def _slope(training: Training, random_slope: str | None) -> str:
    fitted = training.fits.get("mixed_effects")
    if fitted is None or not random_slope or random_slope not in training.sample.covariates:
        return ""
    label = words.term(random_slope).label.lower()
    told = f"Here each person also has an effect of {label} of their own:"
    told += f" `{modelling.formula('mixed_effects', training.sample, random_slope)}`."
    if random_slope not in fitted.reported:
        return told
    return f"{told} The effect differs between people {mixed.differs(fitted, random_slope)}."


def assumptions(settings: Settings) -> str:
    """Return methods.assumptions: a Markdown list of what the simulation assumes; empty for a real study."""
    if not settings.study.simulated:
        return ""
    made = settings.simulate
    effects = [
        f"- Effect of {words.term(name).step_text}: {words.kg(value * words.term(name).step, '+.3f')} on next"
        " week's change."
        for name, value in made.effects.model_dump().items()
    ]
    return "\n".join([*effects, *_described(made.intake)])


def _named_most(logged: pd.DataFrame) -> str:
    """Return the three kinds of food that entries name most; empty when they name none."""
    counts = {name: int(logged[f"entries_{name}"].fillna(0).sum()) for name in food.CATEGORIES}
    most = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])[:3]
    told = words.listed([f"{name} ({words.count(counts[name], 'entry', 'entries')})" for name in most])
    return f"Most often they name {told}." if most else ""


def _effect(row: Any, confidence: float) -> str:
    term = words.term(row.term)
    value, low, high = (v * term.step for v in (row.estimate, row.conf_low, row.conf_high))
    if low <= 0 <= high:
        # Neither end may be shown as the zero that lies between them.
        fine = "+.2f" if min(-low, high) >= 0.005 else "+.3f"
        ends = f"{confidence:.0%} interval {words.interval(low, high, fine)} kg"
        return f"weeks with {term.step_text} were followed by no clear difference in weight change ({ends})"
    more = "more" if value < 0 else "less"
    near, far = sorted((abs(low), abs(high)))
    spec = ".2f" if min(near, abs(value)) >= 0.005 else ".3f"
    lost = f"{abs(value):{spec}} kg ({abs(value) * words.LB_PER_KG:{spec}} lb) {more} loss"
    within = f"{confidence:.0%} interval {near:{spec}} to {far:{spec}} kg"
    return f"weeks with {term.step_text} were followed by {lost} ({within})"


def _agreement(table: pd.DataFrame) -> str:
    by_term = table.groupby("term", sort=False)["estimate"]
    if table["model"].eq("n_of_1").all():
        return ""
    compared = [t for t, v in by_term if len(v) > 1]
    if not compared:
        return "There is no second model to compare with."
    split = [words.term(str(t)).label.lower() for t, v in by_term if len(v) > 1 and v.gt(0).nunique() > 1]
    if split:
        return f"The models disagree on the direction of {words.listed(split)}."
    open_ = [words.term(str(t)).label.lower() for t in compared if not _tell_a_direction(table[table["term"] == t])]
    if len(open_) == len(compared):
        return "No effect has a direction that every model is sure of."
    told = f"The {words.spelled(table['model'].nunique())} models agree on the direction of"
    if open_:
        return f"{told} each effect; not each of them is sure of it for {words.listed(open_)}."
    return f"{told} {'every effect' if len(compared) > 1 else 'the effect'}."


def _tell_a_direction(rows: pd.DataFrame) -> bool:
    return bool(((rows["conf_low"] > 0) | (rows["conf_high"] < 0)).all())


def _described(values: BaseModel) -> list[str]:
    fields = type(values).model_fields
    told = {name: fields[name].description or name.replace("_", " ") for name in fields}
    return [f"- {told[name][:1].upper()}{told[name][1:]}: {value:,g}." for name, value in values.model_dump().items()]

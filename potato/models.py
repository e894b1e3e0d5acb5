"""The models of next week's weight change on this week's intake.

Each of the three answers the same question with a different assumption about what people bring with them:
ols_cluster compares everyone with everyone, fixed_effects each person with themselves, mixed_effects
something in between. A study of one person has n_of_1 instead. Estimates are kg per week for one unit of the
covariate, on the covariate's own scale.

`fit` takes any frame with several rows a subject.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from potato import design, leverage, mixed, nof1, regressions, results, spans, words
from potato.design import Design, Finding, Sample
from potato.errors import PotatoError, nearest
from potato.fits import Fit

__all__ = ["MODELS", "Fit", "Training", "fit", "fixed_effects", "formula", "ols_cluster", "train"]

_CLUSTERED = (
    "clustered by person, with the small-sample factor G/(G-1) × (N-1)/(N-K): G people, N person-weeks, K estimated"
    " columns with the intercept."
)
_NESTED = "People's own levels are nested in the clusters and do not count in K."
_T = "The intervals use the t distribution with G-1 degrees of freedom."
CORRECTION = (
    f"Standard errors of ols_cluster and fixed_effects are {_CLUSTERED} {_NESTED} A person with a single week is left"
    f" out of fixed_effects before anything is counted. {_T} {mixed.CORRECTION}"
)
CORRECTIONS = {
    "ols_cluster": f"Standard errors are {_CLUSTERED} {_T}",
    "fixed_effects": f"Standard errors are {_CLUSTERED} {_NESTED} {_T}",
    "mixed_effects": mixed.CORRECTION,
    "n_of_1": nof1.CORRECTION,
}
_COLUMNS = results.COEFFICIENTS.names
_FLAT = 1e-9  # kg per week; below it, differences are rounding
_PERFECT = 1e-20  # share of the outcome's variance; below it, what is left unexplained is rounding


@dataclass(frozen=True)
class Training:
    """What `train` made: the sample, the fits that stand, their coefficients, and every finding."""

    sample: Sample
    fits: dict[str, Fit]
    coefficients: pd.DataFrame
    findings: tuple[Finding, ...]


def ols_cluster(sample: Sample) -> tuple[Fit, list[Finding]]:
    """Fit ordinary least squares with errors clustered by person (CR1; Cameron and Miller 2015)."""
    return _clustered("ols_cluster", design.pooled(sample, "ols_cluster"))


def fixed_effects(sample: Sample) -> tuple[Fit, list[Finding]]:
    """Fit least squares within people: each person's mean is taken out first (the within estimator).

    People with a single row are left out before anything is counted. Errors are clustered by person.
    """
    within = sample.within()
    fitted, findings = _clustered("fixed_effects", design.demeaned(within, "fixed_effects"))
    alone = sample.n_obs - within.n_obs
    if alone:
        text = f"{alone} of {sample.n_obs} person-weeks are a person's only one and can't be compared with another."
        findings.append(Finding("single_weeks", "fixed_effects", "pass", text, float(alone)))
    return fitted, findings


Estimator = Callable[[Sample], tuple[Fit, list[Finding]]]
MODELS: dict[str, Estimator] = {
    "ols_cluster": ols_cluster,
    "fixed_effects": fixed_effects,
    "mixed_effects": mixed.mixed_effects,
}


def fit(
    model: str,
    frame: pd.DataFrame,
    *,
    outcome: str,
    covariates: Sequence[str],
    controls: Sequence[str] = (),
    numeric_controls: Sequence[str] = (),
    random_slope: str | None = None,
    subject: str = "subject_id",
    time: str | None = None,
) -> Fit:
    """Fit one model to any frame; parameters as in `design.sample`.

    Parameters
    ----------
    model : ols_cluster, fixed_effects, mixed_effects, or n_of_1 for a frame of one subject.
    random_slope : a covariate whose effect varies from subject to subject in mixed_effects.

    Raises
    ------
    PotatoError
        for an unknown model or column.
    ArithmeticError
        where the data carry no trustworthy estimate.
    """
    known = {**MODELS, "n_of_1": nof1.n_of_1}
    if model not in known:
        raise PotatoError(
            f"There is no model {model}.", expected=words.listed(list(known)), nearest=nearest(model, known)
        )
    for name in (outcome, *covariates, *controls, *numeric_controls, subject, *filter(None, [time])):
        if name not in frame:
            raise PotatoError(
                f"The data have no column {name}.",
                expected=f"one of {', '.join(map(str, frame.columns))}",
                nearest=nearest(name, map(str, frame.columns)),
            )
    sample = design.sample(frame, outcome, covariates, controls, numeric_controls, subject=subject, time=time)
    if model == "n_of_1":
        return nof1.n_of_1(nof1.sample(sample))[0]
    fitted = (
        mixed.mixed_effects(sample, random_slope)[0]
        if random_slope and model == "mixed_effects"
        else MODELS[model](sample)[0]
    )
    return leverage.judged(regressions.beside(fitted, sample, random_slope), min_subjects=0)[0]


def formula(model: str, sample: Sample, random_slope: str | None = None) -> str:
    """Return a model's regression as a formula: people's own levels as in fixest and lme4."""
    if model == "fixed_effects":
        return f"{sample.within().formula} | subject_id"
    if model == "mixed_effects":
        slope = f"1 + {random_slope}" if random_slope in sample.covariates else "1"
        return f"{sample.formula} + ({slope} | subject_id)"
    return sample.formula


def train(
    frame: pd.DataFrame,
    *,
    outcome: str,
    covariates: Sequence[str],
    controls: Sequence[str],
    numeric_controls: Sequence[str] = (),
    random_slope: str | None = None,
    confidence: float = 0.95,
    min_subjects: int = 5,
) -> Training:
    """Fit every model that the data can carry; what can't be fitted is a finding, never a wrong number.

    Parameters
    ----------
    frame : the modelling dataset, one row for each subject_id and study_week.
    outcome, covariates, controls, numeric_controls : column names, as in `design.sample`.
    random_slope : the covariate whose effect varies from person to person in the mixed model.
    confidence : coverage of the intervals, between 0 and 1.
    min_subjects : with fewer people a model is left out; one person alone has a model of their own.
    """
    sample = design.sample(frame, outcome, covariates, controls, numeric_controls)
    alone = sample.n_subjects == 1
    if alone and sample.covariates and not nof1.refusal(sample):
        sample = nof1.sample(sample)
    findings = list(sample.findings)
    fits: dict[str, Fit] = {}
    if not sample.covariates:
        text = f"{_nothing_to_explain_by(sample, covariates)}: no model is fitted."
        findings.append(Finding("intake_recorded", "all", "caution", text))
    flat = sample.n_obs > 0 and float(np.ptp(sample.frame[outcome])) < _FLAT
    if flat:
        text = "Weight changed by the same amount in every person-week: no model is fitted, as nothing is to explain."
        findings.append(Finding("outcome_varies", "all", "caution", text))
    for name, estimator in _estimators(sample, random_slope).items() if sample.covariates and not flat else ():
        rows = sample.within() if name == "fixed_effects" else sample
        refusal = nof1.refusal(sample) if name == "n_of_1" else _refusal(name, rows, min_subjects)
        if refusal:
            findings.append(refusal)
            continue
        try:
            with spans.span(f"fit {name}", **{"potato.model": name, "potato.model.converged": False}) as told:
                fitted, notes = estimator(sample)
                told |= fitted_to(name, fitted.n_obs, fitted.n_subjects)
        except (ArithmeticError, np.linalg.LinAlgError) as error:
            text = f"{words.MODELS[name]} gave no trustworthy estimate ({error}): it is left out."
            findings.append(Finding("converged", name, "caution", text))
            continue
        findings += notes
        if name == "mixed_effects":
            findings.append(Finding("converged", name, "pass", "The mixed model's estimation came to rest."))
        if name != "n_of_1":
            fitted, few = leverage.judged(regressions.beside(fitted, sample, random_slope), min_subjects)
            findings += few
        if fitted.reported:
            fits[name] = fitted
    tables = [fitted.coefficients(confidence) for fitted in fits.values()]
    coefficients = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_COLUMNS)
    return Training(sample, fits, coefficients, tuple(findings))


def fitted_to(model: str, n_obs: int, n_subjects: int) -> dict[str, str | int | bool]:
    """Return what the span of a fit that came to rest says of it."""
    counts = {"potato.model.n_obs": n_obs, "potato.model.n_subjects": n_subjects}
    return {"potato.model": model, **counts, "potato.model.converged": True}


def _estimators(sample: Sample, random_slope: str | None) -> dict[str, Estimator]:
    """Return the models for a sample: one person alone with enough weeks has only the model of one person."""
    if sample.n_subjects == 1:
        alone: dict[str, Estimator] = {"n_of_1": nof1.n_of_1}
        return {**MODELS, **alone} if nof1.refusal(sample) else alone
    return {**MODELS, "mixed_effects": partial(mixed.mixed_effects, random_slope=random_slope)}


def _nothing_to_explain_by(sample: Sample, covariates: Sequence[str]) -> str:
    """Return why a sample has no covariate."""
    labels = [words.term(name).label for name in covariates]
    if not sample.n_rows:
        return "Nobody was weighed in two weeks in a row, so there is no weight change to explain"
    if not (sample.frame["days_logged"] > 0).any() and sample.n_obs:
        return "This study recorded no intake, so there is nothing to explain weight by"
    if not sample.n_obs:
        return f"No week with a weight change has all of {words.listed(labels).lower()}"
    if sample.frame[[name for name in covariates if name in sample.frame]].isna().all().all():
        were = "was" if len(labels) == 1 else "were"
        return f"{words.listed(labels).capitalize()} {were} not recorded, so there is nothing to explain weight by"
    return "No recorded intake varies from week to week, so there is nothing to explain weight by"


def _refusal(name: str, sample: Sample, min_subjects: int) -> Finding | None:
    """Return why `name` can't be fitted to `sample`, or None when it can."""
    people = sample.n_subjects
    if people < min_subjects:
        text = f"{words.people(people)} with enough weeks: with fewer than {min_subjects} people no estimate is made."
        return Finding("enough_people", name, "caution", text, float(people), float(min_subjects))
    columns = len(sample.covariates) + len(sample.numeric_controls) + 1
    columns += sum(sample.frame[c].nunique(dropna=False) - 1 for c in sample.controls)
    if name == "fixed_effects":
        columns += people - 1
    if sample.n_obs <= columns + 1:
        text = (
            f"{words.MODELS[name]} would estimate {columns} numbers from {sample.n_obs} person-weeks: it is left out."
        )
        return Finding("enough_weeks", name, "caution", text, float(sample.n_obs), float(columns + 2))
    return None


def _clustered(model: str, made: Design) -> tuple[Fit, list[Finding]]:
    from statsmodels.regression.linear_model import OLS

    # Columns of one size: otherwise kcal beside shares cost the solution digits.
    size = np.linalg.norm(made.x, axis=0) / np.sqrt(len(made.y))
    keywords = {"groups": made.subjects, "use_correction": True, "df_correction": True}
    ordinary: Any = OLS(made.y, made.x / size).fit()
    if ordinary.ssr <= _PERFECT * float(made.y @ made.y):
        raise ArithmeticError("the covariates and controls explain the outcome to the last digit")
    result: Any = ordinary.get_robustcov_results("cluster", use_t=True, **keywords)
    fitted = Fit(
        model,
        made.names,
        made.estimable,
        np.asarray(result.params) / size,
        np.asarray(result.cov_params()) / np.outer(size, size),
        float(made.n_subjects - 1),
        len(made.y),
        made.n_subjects,
        np.asarray(result.resid),
        np.asarray(result.fittedvalues),
        {"r_squared": float(ordinary.rsquared)},
    )
    return fitted, list(made.findings)

"""The three models of next week's weight change on this week's intake, and the two rank tests beside them.

Each model answers the same question with a different assumption about what people bring with them:
ols_cluster compares everyone with everyone, fixed_effects each person with themselves, mixed_effects
something in between. Estimates are kg per week for one unit of the covariate, on the covariate's own
scale.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from potato import design, results, schema, words
from potato.design import INTERCEPT, Array, Design, Finding, Sample

CORRECTION = (
    "Standard errors of ols_cluster and fixed_effects are clustered by person, with the small-sample factor"
    " G/(G-1) × (N-1)/(N-K): G people, N person-weeks, K estimated columns with the intercept. People's own"
    " levels are nested in the clusters and do not count in K. The intervals use the t distribution with G-1"
    " degrees of freedom. Those of mixed_effects (restricted maximum likelihood) use the normal distribution."
)
_COLUMNS = results.COEFFICIENTS.names


@dataclass(frozen=True)
class Fit:
    """A fitted model: every coefficient on the original scale, with the covariance that goes with it.

    Attributes ---------- terms : names of `params`, in order; `reported` are those that the coefficients
    table shows. params : (k,) estimates, kg per week per unit. covariance : (k, k) of `params`. df :
    degrees of freedom of the t distribution; None means the normal distribution. residuals, fitted :
    (n_obs,) kg per week, in the order of the sample's rows; those of mixed_effects are about the
        person's own predicted level.
    details : what else the model estimated, such as the variance of the random intercept.
    """

    model: str
    terms: tuple[str, ...]
    reported: tuple[str, ...]
    params: Array
    covariance: Array
    df: float | None
    n_obs: int
    n_subjects: int
    residuals: Array
    fitted: Array
    details: dict[str, float] = field(default_factory=dict)

    def width(self, confidence: float) -> float:
        """Return how many standard errors the interval of this coverage reaches to each side."""
        from scipy import stats

        reference = stats.norm() if self.df is None else stats.t(self.df)
        return float(reference.ppf(0.5 + confidence / 2))

    def coefficients(self, confidence: float) -> pd.DataFrame:
        """Return the reported terms in the columns of data/gold/models/coefficients.parquet."""
        from scipy import stats

        reference = stats.norm() if self.df is None else stats.t(self.df)
        width = self.width(confidence)
        rows = []
        for term in self.reported:
            i = self.terms.index(term)
            estimate, error = float(self.params[i]), float(math.sqrt(max(self.covariance[i, i], 0.0)))
            statistic = estimate / error if error else math.nan
            p_value = 2 * float(reference.sf(abs(statistic)))
            ends = (estimate - width * error, estimate + width * error)
            n = (self.n_obs, self.n_subjects)
            rows.append((self.model, term, estimate, error, statistic, p_value, *ends, unit(term), *n))
        return pd.DataFrame(rows, columns=_COLUMNS)


@dataclass(frozen=True)
class Training:
    """What `train` made: the sample, the fits that stand, their coefficients, and every finding."""

    sample: Sample
    fits: dict[str, Fit]
    coefficients: pd.DataFrame
    findings: tuple[Finding, ...]


def unit(term: str) -> str:
    """Return the unit of a covariate's estimate, such as `kg per week per kcal/day`."""
    if term == INTERCEPT or term not in schema.MODELING_DATASET.names:
        return "kg per week"
    return f"kg per week per {schema.MODELING_DATASET.column(term).unit}"


def ols_cluster(sample: Sample) -> tuple[Fit, list[Finding]]:
    """Fit ordinary least squares with errors clustered by person (CR1; Cameron and Miller 2015)."""
    made = design.pooled(sample, "ols_cluster")
    return _clustered("ols_cluster", made), list(made.findings)


def fixed_effects(sample: Sample) -> tuple[Fit, list[Finding]]:
    """Fit least squares within people: each person's mean is taken out first (the within estimator).

    People with a single row are left out before anything is counted. Errors are clustered by person.
    """
    within = sample.within()
    made = design.demeaned(within, "fixed_effects")
    alone = sample.n_obs - within.n_obs
    findings = list(made.findings)
    if alone:
        text = f"{alone} of {sample.n_obs} person-weeks are a person's only one and can't be compared with another."
        findings.append(Finding("single_weeks", "fixed_effects", "pass", text, float(alone)))
    return _clustered("fixed_effects", made), findings


def mixed_effects(sample: Sample) -> tuple[Fit, list[Finding]]:
    """Fit a mixed model with a random intercept for each person by restricted maximum likelihood.

    Covariates are centred and scaled for the optimiser and the estimates are put back on the original
    scale; the likelihood is the same. A fit that does not converge raises ArithmeticError: its numbers
    mean nothing.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM

    made = design.pooled(sample, "mixed_effects")
    scaled, back = _standardise(made)
    with warnings.catch_warnings():
        # Convergence and boundary become findings; on a console they would only be noise.
        warnings.simplefilter("ignore")
        result = MixedLM(made.y, scaled, groups=made.subjects).fit(reml=True)
    k = len(made.names)
    variance, residual = float(np.asarray(result.cov_re)[0, 0]), float(result.scale)
    params, covariance = np.asarray(result.fe_params), np.asarray(result.cov_params())[:k, :k]
    if not result.converged or not np.isfinite(covariance).all() or not np.isfinite(params).all():
        raise ArithmeticError("the optimiser did not converge")
    findings = list(made.findings)
    share = variance / (variance + residual) if residual > 0 else 0.0
    if share < 1e-4:
        text = "People do not differ in their usual weekly change beyond noise: this model equals a pooled regression."
        findings.append(Finding("random_intercept", "mixed_effects", "caution", text, share, 1e-4))
    estimates = back @ params
    fitted = made.x @ estimates
    details = {"group_variance": variance, "residual_variance": residual, "intraclass_correlation": share}
    fit = Fit(
        "mixed_effects",
        made.names,
        made.estimable,
        estimates,
        back @ covariance @ back.T,
        None,
        len(made.y),
        made.n_subjects,
        made.y - fitted,
        fitted,
        details,
    )
    return fit, findings


MODELS: dict[str, Callable[[Sample], tuple[Fit, list[Finding]]]] = {
    "ols_cluster": ols_cluster,
    "fixed_effects": fixed_effects,
    "mixed_effects": mixed_effects,
}


_FLAT = 1e-9  # kg per week; below it, differences are rounding


def train(
    frame: pd.DataFrame,
    *,
    outcome: str,
    covariates: Sequence[str],
    controls: Sequence[str],
    confidence: float = 0.95,
    min_subjects: int = 5,
) -> Training:
    """Fit every model that the data can carry; what can't be fitted is a finding, never a wrong number.

    Parameters
    ----------
    frame : the modelling dataset, one row for each subject_id and study_week.
    outcome, covariates, controls : column names.
    confidence : coverage of the intervals, between 0 and 1.
    min_subjects : with fewer people a model is left out.
    """
    sample = design.sample(frame, outcome, covariates, controls)
    findings = list(sample.findings)
    fits: dict[str, Fit] = {}
    if not sample.covariates:
        text = f"{_nothing_to_explain_by(sample, covariates)}: no model is fitted."
        findings.append(Finding("intake_recorded", "all", "caution", text))
    flat = sample.n_obs > 0 and float(np.ptp(sample.frame[outcome])) < _FLAT
    if flat:
        text = "Weight changed by the same amount in every person-week: no model is fitted, as nothing is to explain."
        findings.append(Finding("outcome_varies", "all", "caution", text))
    for name, estimator in MODELS.items() if sample.covariates and not flat else ():
        rows = sample.within() if name == "fixed_effects" else sample
        refusal = _refusal(name, rows, min_subjects)
        if refusal:
            findings.append(refusal)
            continue
        try:
            fit, notes = estimator(sample)
        except (ArithmeticError, np.linalg.LinAlgError) as error:
            text = f"{words.MODELS[name]} gave no trustworthy estimate ({error}): it is left out."
            findings.append(Finding("converged", name, "caution", text))
            continue
        findings += notes
        if name == "mixed_effects":
            findings.append(Finding("converged", name, "pass", "The mixed model's estimation came to rest."))
        if fit.reported:
            fits[name] = fit
    tables = [fit.coefficients(confidence) for fit in fits.values()]
    coefficients = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_COLUMNS)
    return Training(sample, fits, coefficients, tuple(findings))


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
    columns = len(sample.covariates) + sum(sample.frame[c].nunique(dropna=False) - 1 for c in sample.controls) + 1
    if name == "fixed_effects":
        columns += people - 1
    if sample.n_obs <= columns + 1:
        text = (
            f"{words.MODELS[name]} would estimate {columns} numbers from {sample.n_obs} person-weeks: it is left out."
        )
        return Finding("enough_weeks", name, "caution", text, float(sample.n_obs), float(columns + 2))
    return None


def _clustered(model: str, made: Design) -> Fit:
    from statsmodels.regression.linear_model import OLS

    keywords = {"groups": made.subjects, "use_correction": True, "df_correction": True}
    result: Any = OLS(made.y, made.x).fit(cov_type="cluster", cov_kwds=keywords, use_t=True)
    return Fit(
        model,
        made.names,
        made.estimable,
        np.asarray(result.params),
        np.asarray(result.cov_params()),
        float(made.n_subjects - 1),
        len(made.y),
        made.n_subjects,
        np.asarray(result.resid),
        np.asarray(result.fittedvalues),
        {"r_squared": float(result.rsquared)},
    )


def _standardise(made: Design) -> tuple[Array, Array]:
    """Return the centred and scaled design, and the matrix that maps its coefficients back."""
    centre, spread = np.zeros(len(made.names)), np.ones(len(made.names))
    for i, name in enumerate(made.names):
        if name in schema.MODELING_DATASET.names and INTERCEPT in made.names:
            centre[i], spread[i] = made.x[:, i].mean(), made.x[:, i].std()
    back = np.diag(1 / spread)
    if INTERCEPT in made.names:
        back[made.names.index(INTERCEPT)] -= centre / spread
    return (made.x - centre) / spread, back

"""One person's long diary: weekly change on that week's intake, with errors that allow for weeks that are alike.

With one person nobody can be compared with anybody, and errors clustered by person do not exist. The weeks are then
the units, and their dependence is what the errors have to allow for (Newey and West 1987).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from potato import design, words
from potato.design import Finding, Sample
from potato.fits import Fit

MIN_WEEKS = 30
ENOUGH_WEEKS = 100  # in simulated diaries of 30 weeks 95% intervals held the truth in 87 to 94%, of 100 in 91 to 95%
TREND = "study_week"
CORRECTION = (
    "Standard errors of n_of_1 allow for weeks of unequal spread and for correlation between weeks near each other"
    " (Newey and West: Bartlett's weights up to a lag of 4 × (N/100)^(2/9) weeks, rounded down, and the small-sample"
    " factor N/(N-K) for N weeks and K estimated columns with the intercept). The intervals use the t distribution"
    " with N-K degrees of freedom."
)
_PERFECT = 1e-20
_MOST_GAPS = 0.25


def sample(everything: Sample) -> Sample:
    """Return the sample with a straight trend over the study weeks in place of controls with levels.

    With one person a level for each week would leave nothing to explain.
    """
    trend = (TREND, *(name for name in everything.numeric_controls if name != TREND))
    return replace(everything, controls=(), numeric_controls=trend)


def lags(n: int) -> int:
    """Return the largest lag, in rows, over which errors may be related: the usual rule of thumb for n rows."""
    return int(np.floor(4 * (n / 100) ** (2 / 9)))


def refusal(one: Sample) -> Finding | None:
    """Return why one person's weeks carry no estimate, or None when they do."""
    if one.n_subjects != 1 or one.n_obs >= MIN_WEEKS:
        return None
    text = f"One person's weeks are compared with one another from {MIN_WEEKS} weeks on; this diary has {one.n_obs}"
    text += " with intake and a weight change."
    return Finding("enough_weeks", "n_of_1", "caution", text, float(one.n_obs), float(MIN_WEEKS))


def n_of_1(one: Sample) -> tuple[Fit, list[Finding]]:
    """Fit least squares to the weeks of one person, with errors that allow for heteroscedasticity and
    autocorrelation.

    Weeks that lack a value are passed over: the lag counts rows.

    Raises
    ------
    ArithmeticError
        for a sample of several people, or a fit without anything left unexplained.
    """
    from statsmodels.regression.linear_model import OLS

    if one.n_subjects != 1:
        raise ArithmeticError(f"it is for one person, and there are {one.n_subjects}")
    made = design.pooled(one, "n_of_1")
    n, k = made.x.shape
    if n <= k + 1:
        raise ArithmeticError(f"{n} weeks can't carry {k} estimates")
    # Columns of one size: otherwise kcal beside shares cost the solution digits.
    size = np.linalg.norm(made.x, axis=0) / np.sqrt(n)
    keywords = {"maxlags": lags(n), "use_correction": True}
    result: Any = OLS(made.y, made.x / size).fit(cov_type="HAC", cov_kwds=keywords, use_t=True)
    if result.ssr <= _PERFECT * float(made.y @ made.y):
        raise ArithmeticError("the covariates explain the outcome to the last digit")
    findings = [*made.findings, _alone(), _length(one), _gaps(one)]
    fitted = Fit(
        "n_of_1",
        made.names,
        made.estimable,
        np.asarray(result.params) / size,
        np.asarray(result.cov_params()) / np.outer(size, size),
        float(n - k),
        n,
        1,
        np.asarray(result.resid),
        np.asarray(result.fittedvalues),
        {"r_squared": float(result.rsquared), "max_lag": float(lags(n))},
    )
    return fitted, findings


def _alone() -> Finding:
    text = "There is one person, whose weeks are compared with one another; no model that compares people is fitted."
    return Finding("one_person", "n_of_1", "pass", text, 1.0)


def _length(one: Sample) -> Finding:
    short = one.n_obs < ENOUGH_WEEKS
    text = (
        f"The diary has {one.n_obs} usable weeks; below {ENOUGH_WEEKS} the intervals of one person's weeks tend to be"
        " too narrow."
        if short
        else f"The diary has {one.n_obs} usable weeks, enough for errors that allow for related weeks."
    )
    return Finding("weeks", "n_of_1", "caution" if short else "pass", text, float(one.n_obs), float(ENOUGH_WEEKS))


def _gaps(one: Sample) -> Finding:
    weeks = one.frame[TREND].to_numpy(float)
    span = int(weeks[-1] - weeks[0]) + 1
    lacking = span - len(weeks)
    share = lacking / span
    text = (
        f"{words.count(lacking, 'week')} of {span} between the first and the last {'is' if lacking == 1 else 'are'}"
        " missing; the weeks around a gap count as neighbours."
        if lacking
        else "No week between the first and the last is missing."
    )
    return Finding("gaps", "n_of_1", "caution" if share > _MOST_GAPS else "pass", text, share, _MOST_GAPS)

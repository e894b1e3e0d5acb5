"""Do the residuals look as the models assume? Spread, relation from week to week, shape.

A verdict hangs on how far the residuals are from what is assumed, and on what that does to the estimate; a small
p-value alone, which any departure has in a large study, is no reason for caution. The errors of the pooled model and
of the one within people are clustered by person, so they hold under any spread and any relation of a person's weeks.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from potato import regressions, words
from potato.design import Array, Finding, Verdict
from potato.regressions import Regression

MANY = 30  # people, or weeks of one person
MAX_SPREAD = 2.0  # a third's standard deviation over another's
MAX_SERIAL = 0.3
MIN_STRAIGHTNESS = 0.9  # Shapiro and Wilk's W
MAX_ERROR_RATIO = 1.25
CLEAR = 0.05
_ERRORS = {
    "ols_cluster": "errors clustered by person",
    "fixed_effects": "errors clustered by person",
    "n_of_1": "its errors",
}
_MIN_PAIRS = 30
_MIN_VALUES = 20
_ROWS_A_COLUMN = 5


def residuals(found: Iterable[Regression]) -> list[Finding]:
    """Return what the residuals of each model say, and for each model what they are too few to say."""
    findings: list[Finding] = []
    for regression in found:
        lacking: list[str] = []
        for check, name in ((spread, "their spread"), (serial, "their relation from week to week")):
            finding = check(regression)
            if finding is None:
                lacking.append(name)
            else:
                findings.append(finding)
        findings += shape(regression)
        findings += errors(regression)
        if lacking:
            n = regression.fit.n_obs
            text = f"{n} person-weeks are too few to judge {words.listed(lacking)}."
            findings.append(Finding("residuals_judged", regression.model, "caution", text, float(n)))
    return findings


def spread(regression: Regression) -> Finding | None:
    """Ask whether some weeks scatter more widely than others; None where there are too few weeks.

    Koenker's (1981) version of Breusch and Pagan's test, on the model's columns. Its size is the residuals' standard
    deviation in the third of the weeks for which that regression predicts most, over that in the third with least.
    """
    from statsmodels.stats.diagnostic import het_breuschpagan

    left, x = _comparable(regression)
    if len(left) < _ROWS_A_COLUMN * x.shape[1] or left.std() == 0 or x.shape[1] < 2:
        return None
    _, p, _, _ = het_breuschpagan(left, x, robust=True)
    predicted = x @ np.linalg.lstsq(x, left**2, rcond=None)[0]
    order = np.argsort(predicted, kind="stable")
    third = len(order) // 3
    least, most = (float(np.sqrt(np.mean(left[part] ** 2))) for part in (order[:third], order[-third:]))
    ratio = most / least if least > 0 else float("inf")
    wide = ratio > MAX_SPREAD and p < CLEAR
    seen = f"Some weeks scatter {ratio:.1f} times as widely as others"
    if not wide:
        text = f"Weeks scatter about equally widely around the model ({ratio:.1f} times at most)."
        return Finding("even_spread", regression.model, "pass", text, ratio, MAX_SPREAD)
    if regression.model == "mixed_effects":
        text = f"{seen}. The estimate stays right on average; its interval assumes an even spread."
        return Finding("even_spread", regression.model, "caution", text, ratio, MAX_SPREAD)
    text = f"{seen}. The estimate stays right on average, and {_ERRORS[regression.model]} allow for it."
    return Finding("even_spread", regression.model, "pass", text, ratio, MAX_SPREAD)


def _comparable(regression: Regression) -> tuple[Array, Array]:
    """Return residuals of one variance where the model is right, and its columns with an intercept.

    Taking out a person's mean leaves a share 1 - 1/T of the variance of each of T weeks.
    """
    left = regression.residuals
    if regression.model == "fixed_effects":
        weeks = regression.weeks[regression.subjects]
        left = left * np.sqrt(weeks / (weeks - 1))
    x = regression.design.x
    if not (np.ptp(x, axis=0) == 0).any():
        x = np.column_stack([np.ones(len(x)), x])
    return left, x


def serial(regression: Regression) -> Finding | None:
    """Ask whether a person's neighbouring weeks are related beyond the person's level; None where too few tell it."""
    estimated = lag_one(regression)
    if estimated is None:
        return None
    r, p = estimated
    shown, strong = words.number(r, "+.2f"), abs(r) > MAX_SERIAL and p < CLEAR
    check, model = "unrelated_weeks", regression.model
    if not strong:
        text = f"What is left unexplained is hardly related from one week to the next (r = {shown})."
        return Finding(check, model, "pass", text, r, MAX_SERIAL)
    seen = f"What is left unexplained is related from one week to the next (r = {shown})"
    if r < 0:
        seen += f"; noise of the scales brings it down to {words.MINUS}0.5, as a weigh-in ends one change and begins"
        seen += " another"
    if model == "mixed_effects":
        text = f"{seen}. The estimate stays right on average; its interval assumes unrelated weeks."
        return Finding(check, model, "caution", text, r, MAX_SERIAL)
    text = f"{seen}. The estimate stays right on average, and {_ERRORS[regression.model]} allow for it."
    return Finding(check, model, "pass", text, r, MAX_SERIAL)


def lag_one(regression: Regression) -> tuple[float, float] | None:
    """Return the correlation of a person's neighbouring weeks around the person's own level, and its p-value.

    Taking out a person's mean over T weeks makes any two of them look related by -1/(T-1). Both moments, the sum of
    squares and that of products of neighbours, are therefore set equal to what they are expected to be after taking it
    out, and solved for variance and covariance; weeks further apart are taken as unrelated. That is exact for the
    moving average that noise of weigh-ins makes. The p-value is of the sum of each person's products, corrected for
    that person's own bias, over people (as Born and Breitung 2016 do for fixed effects, robust to uneven spread).
    None with fewer than 30 pairs of neighbours among people of three weeks or more.
    """
    from scipy import stats

    frame, who, weeks = regression.frame, regression.subjects, regression.weeks
    left = regression.residuals - regressions.means(regression.residuals[:, None], who)[who, 0]
    week = frame["study_week"].to_numpy()
    joined = np.flatnonzero((np.diff(who) == 0) & (np.diff(week) == 1))
    pairs = np.bincount(who[joined], minlength=len(weeks)).astype(float)
    neighbours = np.zeros(len(left))
    np.add.at(neighbours, joined, 1.0)
    np.add.at(neighbours, joined + 1, 1.0)
    squared_neighbours = np.bincount(who, neighbours**2)
    products = np.bincount(who[joined], left[joined] * left[joined + 1], minlength=len(weeks))
    squares = np.bincount(who, left**2)
    # Two weeks of a person mirror one another around their mean, whatever their relation.
    use = weeks > 2
    if pairs[use].sum() < _MIN_PAIRS or squares[use].sum() == 0:
        return None
    t, n_pairs, degree = weeks[use].astype(float), pairs[use], squared_neighbours[use]
    crossed = n_pairs - degree / t + 2 * n_pairs**2 / t**2
    expected = np.array([[(t - 1).sum(), (-2 * n_pairs / t).sum()], [(-n_pairs / t).sum(), crossed.sum()]])
    variance, covariance = np.linalg.solve(expected, [squares[use].sum(), products[use].sum()])
    if variance <= 0:
        return None
    scores = products[use] + n_pairs / (t * (t - 1)) * squares[use]
    scale = float(np.sqrt((scores**2).sum()))
    r = float(np.clip(covariance / variance, -1, 1))
    if len(t) == 1:
        # Of one person, weeks are what a test can count.
        return r, 2 * float(stats.norm.sf(abs(r) * np.sqrt(n_pairs.sum())))
    p = 2 * float(stats.norm.sf(abs(scores.sum()) / scale)) if scale > 0 else 1.0
    return r, p


def shape(regression: Regression) -> list[Finding]:
    """Ask for the normal shape where an estimate rests on it, and say where it does not."""
    fit, model = regression.fit, regression.model
    # What an estimate is an average over.
    n, units = (fit.n_obs, "weeks") if model == "n_of_1" else (fit.n_subjects, "people")
    if model != "mixed_effects" and n >= MANY:
        text = f"The shape of the deviations does not matter: the estimate is an average over {n:,} {units}."
        return [Finding("normal_residuals", model, "pass", text, float(n), float(MANY))]
    found = [_normal(regression.residuals, "normal_residuals", model, n)]
    levels = _levels(regression) if model == "mixed_effects" else None
    if levels is not None:
        found.append(_normal(levels, "normal_levels", model, n))
    return [finding for finding in found if finding is not None]


def _levels(regression: Regression) -> NDArray[np.float64] | None:
    """Return people's predicted levels, each over its own standard deviation.

    None where people don't differ, and where they differ in a slope, too, which has no level of its own.
    """
    fit = regression.fit
    differ = fit.details["group_variance"] > 1e-4 * fit.details["residual_variance"]
    if not differ or not regressions.has_levels_alone(fit):
        return None
    built, weeks = regression.design, regression.weeks
    left = np.bincount(built.subjects, built.y - built.x @ fit.params) / weeks
    variance = fit.details["group_variance"] + fit.details["residual_variance"] / weeks
    return np.asarray(left / np.sqrt(variance), float)


def _normal(values: Array, check: str, model: str, n: int) -> Finding | None:
    """Judge a shape by Shapiro and Wilk's W, the squared correlation of a normal probability plot; None below 20."""
    from scipy.stats import shapiro

    if len(values) < _MIN_VALUES or np.ptp(values) == 0:
        return None
    # The p-value is made for 5,000 values at most; an even choice of as many keeps the shape.
    ordered = np.sort(values)
    if len(ordered) > 5_000:
        ordered = ordered[np.linspace(0, len(ordered) - 1, 5_000).astype(int)]
    result = shapiro(ordered)
    w, p = float(result.statistic), float(result.pvalue)
    what = "the weeks' deviations from the model" if check == "normal_residuals" else "people's usual levels"
    verdict: Verdict = "caution" if w < MIN_STRAIGHTNESS and p < CLEAR else "pass"
    if verdict == "pass":
        text = f"The shape of {what} is near enough to normal (W = {w:.2f})."
    elif n >= MANY:
        text = f"{what[:1].upper()}{what[1:]} are far from normal (W = {w:.2f}): a few of them weigh heavily."
    else:
        text = (
            f"{what[:1].upper()}{what[1:]} are far from normal (W = {w:.2f}), and {words.people(n)} are too few"
            " to even that out: the interval may be wrong."
        )
    return Finding(check, model, verdict, text, w, MIN_STRAIGHTNESS)


def errors(regression: Regression) -> list[Finding]:
    """Hold the mixed model's own errors against errors that assume nothing of a person's weeks.

    The comparison puts a number on all that its residuals have against it (King and Roberts 2015). The variances of
    people's levels and of weeks are held at their estimates.
    """
    fit = regression.fit
    if regression.model != "mixed_effects" or fit.n_subjects < 3:
        return []
    x, y = regressions.least_squares(regression)
    robust = regressions.robust_covariance(x, y - x @ fit.params, regression.subjects)
    places = [fit.terms.index(term) for term in fit.reported]
    ratios = np.sqrt(np.diag(robust)[places] / np.diag(fit.covariance)[places])
    worst = int(ratios.argmax())
    ratio, term = float(ratios[worst]), words.term(fit.reported[worst]).label.lower()
    if ratio > MAX_ERROR_RATIO:
        text = (
            f"Errors that assume nothing about a person's weeks are {ratio:.1f} times the mixed model's own for {term}:"
            " its intervals are too narrow."
        )
        return [Finding("own_errors", "mixed_effects", "caution", text, ratio, MAX_ERROR_RATIO)]
    text = f"Errors that assume nothing about a person's weeks are at most {ratio:.2f} times the mixed model's own."
    return [Finding("own_errors", "mixed_effects", "pass", text, ratio, MAX_ERROR_RATIO)]

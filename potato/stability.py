"""Do the models tell the same story? Directions, estimates and their intervals, and weeks against people.

The model within people sees only how a person's weeks differ. The other two also see how people differ, which is right
where what people bring with them is unrelated to what they eat. Mundlak (1978) asks exactly that: a model is given
each person's mean of each covariate beside the covariate. The covariates' own coefficients are then those of the model
within people, and the means' coefficients are what comparing people adds. A joint test that these are zero, with errors
clustered by person, is a Hausman test that stays right under any spread (Wooldridge 2010, section 10.7.3).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from potato import regressions, words
from potato.design import Array, Finding, Verdict
from potato.regressions import Regression

CLEAR = 0.05
MOST_APART = 1.0
_MOVED = 1.0  # standard errors of the model within people


def findings(coefficients: pd.DataFrame, found: Mapping[str, Regression]) -> list[Finding]:
    """Return directions and distances for each covariate, then weeks against people for each model that uses both."""
    # Numbers that are none have failed elsewhere.
    told = coefficients[np.isfinite(coefficients[["estimate", "conf_low", "conf_high"]].to_numpy(float)).all(axis=1)]
    compared = [(str(term), rows) for term, rows in told.groupby("term", sort=False) if rows["model"].nunique() > 1]
    made = [_direction(term, rows) for term, rows in compared]
    made += [_distance(term, rows) for term, rows in compared]
    both = [found[name] for name in ("ols_cluster", "mixed_effects") if name in found]
    tested = [mundlak(regression, found.get("fixed_effects")) for regression in both]
    return [*made, *(finding for finding in tested if finding is not None)]


def _direction(term: str, rows: pd.DataFrame) -> Finding:
    label = words.term(term).label.lower()
    if rows["estimate"].gt(0).nunique() == 1:
        text = f"The {words.spelled(len(rows))} models agree on the direction of {label}."
        return Finding("direction", term, "pass", text)
    text = f"The models disagree on the direction of {label}: nothing should be concluded about it."
    return Finding("direction", term, "caution", text)


def _distance(term: str, rows: pd.DataFrame) -> Finding:
    """Hold the largest distance between two estimates against the wider half of their two intervals."""
    label = words.term(term).label.lower()
    estimate = rows["estimate"].to_numpy(float)
    half = ((rows["conf_high"] - rows["conf_low"]) / 2).to_numpy(float)
    apart = np.abs(np.subtract.outer(estimate, estimate)) / np.maximum.outer(half, half)
    worst = float(apart.max())
    if worst <= MOST_APART:
        text = f"The intervals for {label} agree: each pair of models holds the other's estimate in the wider one."
        return Finding("distance", term, "pass", text, worst, MOST_APART)
    one, other = np.unravel_index(int(apart.argmax()), apart.shape)
    names = sorted({f"“{words.MODELS[rows['model'].iloc[i]]}”" for i in (one, other)})
    text = f"{words.listed(names)} differ on {label} by more than half an interval: they see different things."
    return Finding("distance", term, "caution", text, worst, MOST_APART)


def mundlak(regression: Regression, within: Regression | None) -> Finding | None:
    """Ask whether comparing people tells the same as comparing weeks; None where no covariate tells them apart.

    A small p-value calls for caution only where the model's estimate is also an error or more of the model within
    people away from the latter's.
    """
    from scipy import stats

    fit = regression.fit
    tested = with_means(regression)
    if tested is None:
        return None
    params, covariance, places = tested
    effect, rows = params[places], covariance[np.ix_(places, places)]
    n, people = len(places), fit.n_subjects
    if people - n < 2:
        return None
    statistic = float(effect @ np.linalg.solve(rows, effect)) / n
    p = float(stats.f.sf(statistic, n, people - 1))
    apart = _moved(regression, within)
    moved, term = apart or (0.0, "")
    name = f"“{words.MODELS[fit.model]}”"
    shown = words.p_text(p)
    verdict: Verdict = "caution" if p < CLEAR and (apart is None or moved > _MOVED) else "pass"
    if p >= CLEAR:
        text = f"Comparing people tells the same as comparing a person's weeks ({shown}): {name} may use both."
    elif apart is None:
        text = (
            f"Comparing people tells something else than comparing a person's weeks ({shown}), and no estimate within"
            f" people stands beside {name}, which mixes the two."
        )
    elif verdict == "pass":
        text = (
            f"Comparing people tells something else than comparing a person's weeks ({shown}), but that moves {name}"
            f" by {moved:.1f} standard errors at most."
        )
    else:
        text = (
            f"Comparing people tells something else than comparing a person's weeks ({shown}), which moves {name} on"
            f" {term} by {moved:.1f} standard errors: trust the model within people."
        )
    return Finding("weeks_and_people", fit.model, verdict, text, p, CLEAR)


def _moved(regression: Regression, within: Regression | None) -> tuple[float, str] | None:
    """Return the largest distance from the model within people in its standard errors, and the covariate.

    None where there is no estimate within people to compare with.
    """
    if within is None:
        return None
    moved = {}
    for term in set(regression.fit.reported) & set(within.fit.reported):
        here, there = (r.fit.params[r.fit.terms.index(term)] for r in (regression, within))
        place = within.fit.terms.index(term)
        moved[term] = float(abs(here - there) / np.sqrt(within.fit.covariance[place, place]))
    if not moved:
        return None
    worst = max(sorted(moved), key=lambda term: moved[term])
    return moved[worst], words.term(worst).label.lower()


def with_means(regression: Regression) -> tuple[Array, Array, list[int]] | None:
    """Fit a model again with each person's mean of each column that varies within people.

    Means of the indicators of weeks take part, so that people with different weeks are compared fairly, and are not
    tested.

    Returns
    -------
    Coefficients (k + m,), their covariance clustered by person, and the places of the covariates' means; None where no
    mean can be told apart from the other columns. The mixed model's variances are held at their estimates.
    """
    fit, who = regression.fit, regression.subjects
    design = regression.design
    person = regressions.means(design.x, who)[who]
    varying = [i for i in range(design.x.shape[1]) if np.abs(design.x[:, i] - person[:, i]).max() > 1e-9]
    x, y = regressions.least_squares(regression)
    x = np.column_stack([x, regressions.decorrelated(regression, person[:, varying])])
    names = [*design.names, *(f"mean of {design.names[i]}" for i in varying)]
    keep = _independent(x)
    x, names = x[:, keep], [names[i] for i in keep]
    places = [names.index(name) for term in fit.reported if (name := f"mean of {term}") in names]
    if not places or len(x) <= x.shape[1]:
        return None
    scale = np.linalg.norm(x, axis=0)
    params = np.linalg.lstsq(x / scale, y, rcond=None)[0]
    covariance = regressions.robust_covariance(x / scale, y - x / scale @ params, who)
    return params / scale, covariance / np.outer(scale, scale), places


def _independent(x: Array) -> list[int]:
    """Return the columns, first ones first, that no columns before them make up."""
    norms = np.linalg.norm(x, axis=0)
    unit = x / np.where(norms > 0, norms, 1.0)
    r = np.abs(np.diag(np.linalg.qr(unit, mode="r")))
    return [int(i) for i in np.flatnonzero(r > 1e-8)]

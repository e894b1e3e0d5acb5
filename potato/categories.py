"""Which kinds of food go along with the next week's change: one after another, within people, with Holm's correction.

Asking about eleven kinds of food at once makes it likely that one looks related by chance. Holm (1979) raises the
p-values so that the chance of even one false finding among all of them stays below 5%.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from potato import design, food, leverage, models, regressions, spans, words
from potato.design import Array, Finding, Verdict
from potato.models import Training
from potato.results import FOOD_CATEGORIES

CLEAR = 0.05
_FLAT = 1e-9


def table(training: Training, confidence: float, min_subjects: int = 5) -> pd.DataFrame:
    """Return the effect of one more entry a logged day for each kind of food, in the columns of FOOD_CATEGORIES.

    Each kind takes the place of the covariates in the model within people, on that model's weeks, with its controls and
    its errors. What all kinds share, people's levels and controls, is taken out of outcome and foods at once: it gives
    the same estimates and residuals as one model a kind (Frisch, Waugh and Lovell). A kind that nobody ate, or
    everybody equally often, is left out, and so is one that fewer than `min_subjects` people tell, as of any covariate.
    Empty where that model was not fitted.
    """
    from scipy import stats
    from statsmodels.stats.multitest import multipletests

    apart = _apart(training)
    if apart is None:
        return pd.DataFrame(columns=FOOD_CATEGORIES.names)
    y, z, subjects, k = apart
    refused = _refusals(apart, min_subjects)
    free = [category for category in z if category not in refused]
    n, people = len(y), int(subjects[-1]) + 1
    if not free or n <= k:
        return pd.DataFrame(columns=FOOD_CATEGORIES.names)
    with spans.span("fit food_categories", **models.fitted_to("food_categories", n, people)):
        columns = np.column_stack([z[category].told for category in free])
        squares = (columns**2).sum(axis=0)
        estimate = columns.T @ y / squares
        scores = regressions.sums(columns * (y[:, None] - columns * estimate), subjects)
        correction = people / (people - 1) * (n - 1) / (n - k)
        error = np.sqrt(correction * (scores**2).sum(axis=0)) / squares
        reference = stats.t(people - 1)
        p, width = 2 * reference.sf(np.abs(estimate / error)), reference.ppf(0.5 + confidence / 2) * error
    return pd.DataFrame(
        {
            "category": free,
            "estimate": estimate,
            "std_error": error,
            "conf_low": estimate - width,
            "conf_high": estimate + width,
            "p_value": p,
            "p_holm": multipletests(p, method="holm")[1],
            "n_obs": n,
            "n_subjects": people,
        }
    )[FOOD_CATEGORIES.names]


def too_few(training: Training, min_subjects: int = 5) -> list[Finding]:
    """Return a finding for each kind of food that too few people tell anything of."""
    apart = _apart(training)
    return [] if apart is None else list(_refusals(apart, min_subjects).values())


@dataclass(frozen=True)
class _Eaten:
    """A kind of food within people, (n,) each: entries a day around the person's mean, and what it tells alone."""

    around: Array
    told: Array


_Apart = tuple[Array, dict[str, _Eaten], NDArray[np.int64], int]


def _apart(training: Training) -> _Apart | None:
    """Return outcome and kinds of food without what all kinds share, the rows' people, and the columns in use."""
    names = [f"entries_{category}" for category in food.CATEGORIES]
    rows = training.sample.frame
    known = rows[(rows["days_logged"] > 0) & rows[names].notna().all(axis=1)].reset_index(drop=True)
    sample = replace(training.sample, frame=known, covariates=()).within()
    shared = design.demeaned(sample, "fixed_effects") if "fixed_effects" in training.fits and len(known) else None
    if shared is None or shared.n_subjects < 2:
        return None
    eaten = sample.frame[names].to_numpy(float) / sample.frame["days_logged"].to_numpy(float)[:, None]
    eaten = eaten - regressions.means(eaten, shared.subjects)[shared.subjects]
    size = np.linalg.norm(eaten, axis=0)
    q = np.linalg.qr(shared.x)[0]
    y, z = _without(q, shared.y[:, None])[:, 0], _without(q, eaten)
    free = np.linalg.norm(z, axis=0) > _FLAT * np.where(size > 0, size, np.inf)
    kinds = [category for category, is_free in zip(food.CATEGORIES, free, strict=True) if is_free]
    columns = zip(eaten.T[free], z.T[free], strict=True)
    told = {category: _Eaten(*pair) for category, pair in zip(kinds, columns, strict=True)}
    return y, told, shared.subjects, shared.x.shape[1] + 1


def _refusals(apart: _Apart, min_subjects: int) -> dict[str, Finding]:
    _, kinds, subjects, _ = apart
    found = {}
    for category, eaten in kinds.items():
        share = regressions.sums(eaten.told[:, None] ** 2, subjects)[:, 0]
        varying = leverage.varies_in(eaten.around, subjects)
        name = f"entries_{category}"
        refused = leverage.refusal(name, "fixed_effects", share / share.sum(), varying, min_subjects)
        if refused:
            found[category] = refused
    return found


def _without(q: Array, columns: Array) -> Array:
    return np.asarray(columns - q @ (q.T @ columns), float)


def findings(found: pd.DataFrame) -> list[Finding]:
    """Return what is left of the kinds of food after Holm's correction."""
    if found.empty:
        return []
    n = len(found)
    alone, left = found[found["p_value"] < CLEAR], found[found["p_holm"] < CLEAR]
    least = float(found["p_holm"].min())
    kinds = f"{words.spelled(n)} kind{'s' if n > 1 else ''} of food"
    chance = alone[~alone["category"].isin(left["category"])]
    verdict: Verdict = "caution" if len(chance) else "pass"
    if len(left):
        text = f"Of {kinds}, {words.listed(list(left['category']))} stay related to weight when all are allowed for."
        if len(left) == 1:
            text = text.replace(" stay ", " stays ")
    else:
        text = f"None of {kinds} is clearly related to weight when all are allowed for."
    if len(chance):
        seems = "seems" if len(chance) == 1 else "seem"
        text += f" {words.listed(list(chance['category'])).capitalize()} only {seems} so when looked at alone."
    for same in _alike(found):
        text += f" {words.listed(same).capitalize()} stand in every diary together: they are one question."
    return [Finding("kinds_of_food", "fixed_effects", verdict, text, least, CLEAR)]


def _alike(found: pd.DataFrame) -> list[list[str]]:
    """Return the sets of kinds of food that have the same numbers."""
    if "std_error" not in found:
        return []
    rounded = [found[name].map("{:.9g}".format) for name in ("estimate", "std_error")]
    return [list(rows["category"]) for _, rows in found.groupby(rounded, sort=False) if len(rows) > 1]

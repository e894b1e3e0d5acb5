"""How many people a coefficient rests on: each person's share in what the data tell of it.

What the other columns leave of a column is what its coefficient is estimated from. Where a few people hold most of its
sum of squares, an error clustered over all of them is far too small, however many they are. The number of equal people
who would tell as much is the effective number of clusters of Carter, Schnepel and Steigerwald (2017), for errors that
are unrelated within a person.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from potato import regressions, words
from potato.design import Array, Finding
from potato.fits import Fit
from potato.regressions import Regression

MOST_OF_ONE = 0.8  # of what the data tell of a coefficient
ENOUGH = 30  # equal people, from which on errors clustered by person are left to themselves
_STILL = 1e-9  # of a column's largest value; below it a difference from a person's own mean is rounding
_HALF = 0.5


def shares(x: Array, subjects: NDArray[np.int64]) -> Array:
    """Return each person's share in the sum of squares of what the other columns leave of each column.

    Parameters
    ----------
    x : (n, k) columns of full rank, each person's rows following one another.
    subjects : (n,) person of each row, as codes 0..n_subjects-1.

    Returns
    -------
    (n_subjects, k), each column of which adds up to 1.
    """
    q, r = np.linalg.qr(x / np.linalg.norm(x, axis=0))
    # X (X'X)⁻¹ has in each column what the other columns leave of it, times a number.
    apart = np.linalg.solve(r, q.T).T
    own = regressions.sums(apart**2, subjects)
    return np.asarray(own / own.sum(axis=0), float)


def effective(share: Array) -> float:
    """Return the number of equal people who would tell as much as people with these shares (G,)."""
    return float(1 / (share**2).sum())


def refusal(term: str, model: str, share: Array, varying: int | None, min_subjects: int) -> Finding | None:
    """Return why so few people's shares (G,) carry no estimate of a term, or None when they do.

    `varying` is in how many people the term varies at all, where people are compared with themselves. In a study of few
    people shares that differ as chance makes them differ are no reason: half of the people are enough.
    """
    label = words.term(term).label
    largest, equal = float(share.max()), effective(share)
    if varying is not None and varying < min_subjects:
        text = f"{label} varies within {words.people(varying)} only: with fewer than {min_subjects} its estimate within"
        text += " people is left out."
        return Finding("varies_within_few", model, "caution", text, float(varying), float(min_subjects))
    if largest > MOST_OF_ONE:
        text = f"{largest:.0%} of what the data tell about {label.lower()} comes from one person: its interval would be"
        text += " far too narrow, and the estimate is left out."
        return Finding("rests_on_one", model, "caution", text, largest, MOST_OF_ONE)
    if equal < min(min_subjects, _HALF * len(share)):
        text = f"{words.people(len(share)).capitalize()} tell no more about {label.lower()} than {equal:.1f} equal ones"
        text += f" would: with fewer than {min_subjects} its interval would be far too narrow, and the estimate is left"
        text += " out."
        return Finding("rests_on_few", model, "caution", text, equal, float(min_subjects))
    return None


def judged(regression: Regression, min_subjects: int) -> tuple[Fit, list[Finding]]:
    """Return the fit with the terms that enough people tell, and a finding for each that too few do.

    The mixed model is judged by the columns that least squares would give its estimate from.
    """
    fit = regression.fit
    if fit.n_subjects < 2 or not fit.reported:
        return fit, []
    share = shares(regressions.least_squares(regression)[0], regression.subjects)
    told, findings = {}, []
    for term in fit.reported:
        place = fit.terms.index(term)
        within = fit.model == "fixed_effects"
        varying = varies_in(regression.design.x[:, place], regression.subjects) if within else None
        refused = refusal(term, fit.model, share[:, place], varying, min_subjects)
        if refused:
            findings.append(refused)
        else:
            told[term] = effective(share[:, place])
    return replace(fit, reported=tuple(told), effective=told), findings


def varies_in(deviations: Array, subjects: NDArray[np.int64]) -> int:
    """Return within how many people a column of deviations from people's own means (n,) is not zero."""
    moved = np.abs(deviations) > _STILL * np.abs(deviations).max()
    return len(np.unique(subjects[moved]))


def findings(fit: Fit) -> list[Finding]:
    """Return whether many people, of the many in a model, tell each of its estimates."""
    if fit.n_subjects < ENOUGH or not fit.effective:
        return []
    least = min(fit.effective, key=lambda term: fit.effective[term])
    equal, label = fit.effective[least], words.term(least).label.lower()
    name = f"“{words.MODELS[fit.model]}”"
    if equal >= ENOUGH:
        text = f"{name} rests on many people for each estimate: on {equal:.0f} equal ones or more, fewest for {label}."
        return [Finding("effective_people", fit.model, "pass", text, equal, float(ENOUGH))]
    text = (
        f"The {words.people(fit.n_subjects)} of {name} tell no more about {label} than {equal:.0f} equal ones would;"
        f" below {ENOUGH} intervals tend to be too narrow."
    )
    return [Finding("effective_people", fit.model, "caution", text, equal, float(ENOUGH))]

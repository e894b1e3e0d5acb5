"""What each person does to the estimates: every model again without that person, in closed form.

Least squares without a person's rows differ from those with them by R⁻¹Q'(I - H)⁻¹e, where Q, H and e are the
person's part of the orthogonal columns, of the hat matrix and of the residuals (Cook and Weisberg 1982, section 3.6;
Preisser and Qaqish 1996). For the pooled model and the one within people that is exactly what a refit gives. The mixed
model keeps its variances of levels and of weeks; a refit would estimate them again.

A person who stands apart also widens errors that are clustered by person, so that no shift is ever much larger than
such an error. A shift is therefore held against the error without the person's own part in it, as Belsley, Kuh and
Welsch (1980) do for single rows. The mixed model's errors have no such parts and are taken as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg

from potato import regressions, words
from potato.design import Array, Finding, Verdict
from potato.regressions import Regression
from potato.results import INFLUENCE

MOST_MOVED = 1.0
_LEAST_PEOPLE = 3
_ILL = 1e-6  # what of a person's rows the others leave open; below it the closed form loses its digits
_ZERO = 1e-9
_OPEN = 1e-6
_NOTHING = 1e-12  # of a column's size; what others have of it below that is rounding


def table(found: Mapping[str, Regression]) -> pd.DataFrame:
    """Return what each reported estimate would be without each person, in the columns of INFLUENCE."""
    parts = []
    for regression in found.values():
        if regression.fit.n_subjects < _LEAST_PEOPLE:
            continue
        fit, frame = regression.fit, regression.frame
        people = frame["subject_id"].drop_duplicates().to_numpy()
        moved = shifts(*regressions.least_squares(regression), fit.params, regression.subjects)
        parts_of_error = _parts_of_error(regression)
        for term in fit.reported:
            place = fit.terms.index(term)
            error = np.sqrt(fit.covariance[place, place] * (1 - parts_of_error[:, place]))
            parts.append(
                pd.DataFrame(
                    {
                        "model": fit.model,
                        "term": term,
                        "subject_id": people,
                        "estimate_without": fit.params[place] - moved[:, place],
                        "dfbeta": np.divide(moved[:, place], error, out=np.full(len(error), np.nan), where=error > 0),
                    }
                )
            )
    columns = INFLUENCE.names
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _parts_of_error(regression: Regression) -> Array:
    """Return each person's share in the variance of each coefficient: (n_subjects, k), zero in the mixed model."""
    x, who = regression.design.x, regression.subjects
    if regression.model == "mixed_effects":
        return np.zeros((regression.fit.n_subjects, x.shape[1]))
    scale = np.linalg.norm(x, axis=0)
    scores = regressions.sums(x / scale * regression.residuals[:, None], who)
    squares = (scores @ np.linalg.pinv((x / scale).T @ (x / scale))) ** 2
    total = squares.sum(axis=0)
    return np.asarray(squares / np.where(total > 0, total, 1.0), float)


def shifts(x: Array, y: Array, params: Array, subjects: NDArray[np.int64]) -> Array:
    """Return the estimate with everybody minus that without each person: (n_subjects, k).

    Parameters
    ----------
    x, y : (n, k) columns of full rank and (n,) outcome, each person's rows following one another.
    params : (k,) least squares of `y` on `x`.
    subjects : (n,) person of each row, as codes 0..n_subjects-1.

    A coefficient that the others' rows do not determine is NaN.
    """
    scale = np.linalg.norm(x, axis=0)
    q, r = np.linalg.qr(x / scale)
    back = linalg.solve_triangular(r, np.eye(len(r))) / scale[:, None]
    left = y - x @ params
    sizes = np.bincount(subjects)
    starts = np.cumsum(sizes) - sizes
    moved = np.empty((len(sizes), x.shape[1]))
    # People with equally many rows are solved at once, in their rows or in the columns, whichever are fewer.
    for size in np.unique(sizes):
        who = np.flatnonzero(sizes == size)
        rows = starts[who][:, None] + np.arange(size)
        own = q[rows]
        turned = own.transpose(0, 2, 1)
        in_rows = size <= x.shape[1]
        gram = own @ turned if in_rows else turned @ own
        known = left[rows][:, :, None] if in_rows else turned @ left[rows][:, :, None]
        values, vectors = np.linalg.eigh(np.eye(gram.shape[1]) - gram)
        ill = values < _ILL
        inverse = np.where(ill, 0.0, 1 / np.where(ill, 1.0, values))
        solved = vectors @ (inverse[:, :, None] * (vectors.transpose(0, 2, 1) @ known))
        moved[who] = (turned @ solved if in_rows else solved)[:, :, 0] @ back.T
        for place in who[ill.any(axis=1)]:
            others = subjects != place
            moved[place] = params - _refitted(x[others], y[others], scale)
    return moved


def _refitted(x: Array, y: Array, scale: Array) -> Array:
    """Return the least squares (k,) of some of the rows, NaN where they do not determine a coefficient.

    `scale` is the size of each column over all rows.
    """
    size = np.linalg.norm(x, axis=0)
    empty = size <= _NOTHING * scale
    unit = np.where(empty, 0.0, x) / np.where(empty, 1.0, size)
    left, values, right = np.linalg.svd(unit, full_matrices=False)
    told = values > _ZERO * values[0]
    params = right[told].T @ ((left[:, told].T @ y) / values[told]) / np.where(empty, 1.0, size)
    # A null vector is a direction of the coefficients that the rows leave open.
    open_ = 1 - (right[told] ** 2).sum(axis=0) > _OPEN**2
    return np.where(empty | open_, np.nan, params)


def findings(moved: pd.DataFrame, found: Iterable[Regression]) -> list[Finding]:
    """Return for each model whether one person alone changes a direction, or moves an estimate by an error or more."""
    made = []
    for regression in found:
        fit = regression.fit
        rows = moved[moved["model"] == fit.model]
        if len(rows):
            made.append(_worst(fit.model, rows, dict(zip(fit.terms, fit.params, strict=True))))
        elif fit.n_subjects > 1:
            text = f"Of {words.people(fit.n_subjects)} nobody can be left out: too few would remain."
            made.append(Finding("single_people", fit.model, "caution", text))
    return made


def _worst(model: str, rows: pd.DataFrame, estimates: Mapping[str, float]) -> Finding:
    size = rows["dfbeta"].abs().fillna(np.inf)
    top = rows.iloc[int(size.to_numpy().argmax())]
    value = float(size.max())
    who, term = f"“{top['subject_id']}”", words.term(str(top["term"])).label.lower()
    turned = rows[np.sign(rows["estimate_without"]) * np.sign(rows["term"].map(estimates)) < 0]
    held = " with its variances held" if model == "mixed_effects" else ""
    verdict: Verdict = "pass"
    if not np.isfinite(value):
        text, verdict = f"Without {who} nothing could be said about {term}: it rests on one person.", "caution"
    elif value > MOST_MOVED:
        text = f"Without {who} the estimate of {term} would move by {value:.1f} standard errors{held}."
        verdict = "caution"
    elif len(turned):
        labels = words.listed([words.term(t).label.lower() for t in dict.fromkeys(turned["term"])])
        n = turned["subject_id"].nunique()
        text = (
            f"The direction of {labels} hangs on single people: without {_one_of(n, turned)} it turns around"
            f"{held}. Nobody moves an estimate by more than {value:.1f} standard errors."
        )
        verdict = "caution"
    else:
        text = (
            f"Without any one person every direction stays, and no estimate moves by more than {value:.1f} standard"
            f" errors{held}."
        )
    return Finding("single_people", model, verdict, text, value, MOST_MOVED)


def _one_of(n: int, turned: pd.DataFrame) -> str:
    first = f"“{turned['subject_id'].iloc[0]}”"
    return first if n == 1 else f"any one of {n} people, such as {first},"

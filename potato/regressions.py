"""A fitted model beside its rows: what the checks of residuals, of influence and of stability all start from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from potato import design
from potato.design import Array, Design, Sample
from potato.fits import Fit

if TYPE_CHECKING:
    from potato.models import Training

MODELS = ("ols_cluster", "fixed_effects", "mixed_effects", "n_of_1")


@dataclass(frozen=True)
class Regression:
    """One fit and its rows.

    Attributes
    ----------
    fit : what was estimated.
    design : the numbers that it was estimated from: (n, k) columns in the order of the fit's terms.
    frame : (n rows) subject_id and study_week of each row, sorted by both.
    effects : (n, q) columns whose effects the mixed model draws for each person: ones, and the covariate with a random
        slope; None for the other models.
    residuals : (n,) kg per week; those of the mixed model are about what it predicts for the person.
    """

    fit: Fit
    design: Design
    frame: pd.DataFrame
    effects: Array | None
    residuals: Array

    @property
    def model(self) -> str:
        return self.fit.model

    @property
    def subjects(self) -> NDArray[np.int64]:
        """The person of each row, as codes 0..n_subjects-1."""
        return self.design.subjects

    @property
    def weeks(self) -> NDArray[np.int64]:
        """The rows of each person."""
        return np.bincount(self.subjects)


def of(training: Training, random_slope: str | None = None) -> dict[str, Regression]:
    """Return the fits by model, each with its rows; a model that was not fitted is not there.

    `random_slope` is the covariate whose effect differs from person to person in the mixed model.
    """
    found = {name: training.fits[name] for name in MODELS if name in training.fits}
    return {name: beside(fit, training.sample, random_slope) for name, fit in found.items()}


def beside(fit: Fit, everything: Sample, random_slope: str | None = None) -> Regression:
    """Return a fit to a sample with its rows."""
    within = fit.model == "fixed_effects"
    sample = everything.within() if within else everything
    built = (design.demeaned if within else design.pooled)(sample, fit.model)
    effects = None
    if fit.model == "mixed_effects":
        columns = [np.ones(sample.n_obs)]
        if not has_levels_alone(fit):
            columns.append(sample.frame[random_slope].to_numpy(float))
        effects = np.column_stack(columns)
    left = np.asarray(built.y - built.x @ fit.params, float)
    bare = Regression(fit, built, sample.frame[["subject_id", "study_week"]], effects, left)
    return replace(bare, residuals=_about_the_person(bare))


def has_levels_alone(fit: Fit) -> bool:
    """Tell whether a mixed model's people differ in their level and in nothing else."""
    return "slope_variance" not in fit.details


def _about_the_person(regression: Regression) -> Array:
    """Return the residuals less what the mixed model predicts for each person (Henderson's predictor).

    That is the residual variance times V⁻¹ times the residuals, with V a person's covariance.
    """
    left = regression.residuals
    if regression.effects is None:
        return left
    near = np.empty_like(left)
    for rows, lower in _factors(regression):
        half = np.linalg.solve(lower, left[rows][:, :, None])
        near[rows] = np.linalg.solve(lower.transpose(0, 2, 1), half)[:, :, 0]
    return np.asarray(near * regression.fit.details["residual_variance"], float)


def _factors(regression: Regression) -> Iterator[tuple[NDArray[np.int64], Array]]:
    """Yield, for people with equally many rows, their places (people, rows) and the Cholesky factors of V."""
    details, effects = regression.fit.details, regression.effects
    assert effects is not None
    spread = np.array([[details["group_variance"]]])
    if effects.shape[1] == 2:
        between = details["intercept_slope_covariance"]
        spread = np.array([[details["group_variance"], between], [between, details["slope_variance"]]])
    sizes = regression.weeks
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes):
        rows = starts[sizes == size][:, None] + np.arange(size)
        z = effects[rows]
        covariance = z @ spread @ z.transpose(0, 2, 1) + details["residual_variance"] * np.eye(size)
        yield rows, np.linalg.cholesky(covariance)


def decorrelated(regression: Regression, columns: Array) -> Array:
    """Return columns (n, m) such that least squares on them are the model's own estimate.

    For the mixed model a person's rows are multiplied by the inverse Cholesky factor of their covariance, which turns
    generalised into ordinary least squares (Aitken 1936). For the other models they are the columns themselves.
    """
    if regression.effects is None:
        return columns
    made = np.empty_like(columns)
    for rows, lower in _factors(regression):
        made[rows] = np.linalg.solve(lower, columns[rows])
    return made


def least_squares(regression: Regression) -> tuple[Array, Array]:
    """Return the columns (n, k) and the outcome (n,) whose least squares are the model's own estimate."""
    built = regression.design
    both = decorrelated(regression, np.column_stack([built.x, built.y]))
    return both[:, :-1], both[:, -1]


def sums(columns: Array, subjects: NDArray[np.int64]) -> Array:
    """Return the sum of each person's rows, which follow one another: (n, k) to (n_subjects, k)."""
    starts = np.flatnonzero(np.diff(subjects, prepend=-1))
    return np.asarray(np.add.reduceat(columns, starts, axis=0), float)


def means(columns: Array, subjects: NDArray[np.int64]) -> Array:
    """Return the mean of each person's rows, which follow one another: (n, k) to (n_subjects, k)."""
    return np.asarray(sums(columns, subjects) / np.bincount(subjects)[:, None], float)


def robust_covariance(x: Array, residuals: Array, subjects: NDArray[np.int64]) -> Array:
    """Return the covariance of least squares under any correlation within a person (Liang and Zeger 1986).

    With the factor G/(G-1) for G people, and none for the number of columns.
    """
    bread = np.linalg.pinv(x.T @ x)
    meat = sums(x * residuals[:, None], subjects)
    n = len(meat)
    return np.asarray(n / (n - 1) * bread @ meat.T @ meat @ bread, float)

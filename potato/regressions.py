"""A fitted model beside its rows: what the checks of residuals, of influence and of stability all start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from potato import design
from potato.design import Array, Design
from potato.models import Fit, Training

MODELS = ("ols_cluster", "fixed_effects", "mixed_effects")
_VARIANCES = ("group_variance", "residual_variance")


@dataclass(frozen=True)
class Regression:
    """One fit over people and its rows.

    Attributes
    ----------
    fit : what was estimated.
    design : the numbers that it was estimated from: (n, k) columns in the order of the fit's terms.
    frame : (n rows) subject_id and study_week of each row, sorted by both.
    residuals : (n,) kg per week; those of the mixed model are about the person's own predicted level.
    """

    fit: Fit
    design: Design
    frame: pd.DataFrame
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


def of(training: Training) -> dict[str, Regression]:
    """Return the fits over people by model, each with its rows; a model that was not fitted is not there."""
    made = {}
    for name in MODELS:
        fit = training.fits.get(name)
        if fit is None:
            continue
        sample = training.sample.within() if name == "fixed_effects" else training.sample
        built = (design.demeaned if name == "fixed_effects" else design.pooled)(sample, name)
        frame = sample.frame[["subject_id", "study_week"]]
        made[name] = Regression(fit, built, frame, _about_the_person(fit, built))
    return made


def _about_the_person(fit: Fit, built: Design) -> Array:
    """Return the residuals without the levels that the model gives to people (Henderson's predictor, for the mixed)."""
    left = np.asarray(built.y - built.x @ fit.params, float)
    if fit.model != "mixed_effects" or not has_intercepts_alone(fit):
        return left
    between, within = (fit.details[name] for name in _VARIANCES)
    size = np.bincount(built.subjects)
    mean = np.bincount(built.subjects, left) / size
    level = mean * size * between / (within + size * between)
    return np.asarray(left - level[built.subjects], float)


def has_intercepts_alone(fit: Fit) -> bool:
    """Tell whether a mixed model's people differ in their level and in nothing else."""
    return set(_VARIANCES) <= fit.details.keys() and not any("slope" in name for name in fit.details)


def decorrelated(regression: Regression, columns: Array) -> Array:
    """Return columns (n, m) such that least squares on them are the model's own estimate.

    For the mixed model with random intercepts a share of each person's mean is taken out and all is divided by the
    residual standard deviation, which turns generalised into ordinary least squares (Fuller and Battese 1973). For the
    other two models they are the columns themselves.
    """
    fit, who = regression.fit, regression.subjects
    if fit.model != "mixed_effects":
        return columns
    between, within = (fit.details[name] for name in _VARIANCES)
    share = 1 - np.sqrt(within / (within + regression.weeks * between))
    return np.asarray((columns - share[who, None] * means(columns, who)[who]) / np.sqrt(within), float)


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

"""How well a model predicts people that it has not seen: each fifth of the people in turn is left out and predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from potato import design, words
from potato.design import Array, Design, Finding, Verdict
from potato.models import Fit, Training

FOLDS = 5
LEAST_STEEP = 0.5
_COLUMNS = ("model", "subject_id", "predicted", "observed")


def held_out(training: Training) -> pd.DataFrame:
    """Return a row for each person-week and model: model, subject_id, predicted and observed, kg per week.

    The prediction comes from a fit to the people of the other folds alone (cross-validation by cluster; Hastie,
    Tibshirani and Friedman 2009, section 7.10). Both numbers of `fixed_effects` are deviations from the person's own
    mean, since a person's level can't be told from others. The variances of `mixed_effects` are those of all people. A
    model of one person, or of fewer people than folds, is left out.
    """
    parts = []
    for name, fit in training.fits.items():
        if fit.n_subjects < 2 * FOLDS:
            continue
        within = name == "fixed_effects"
        sample = training.sample.within() if within else training.sample
        made = design.demeaned(sample, name) if within else design.pooled(sample, name)
        predicted = _predicted(made, _shrinkage(made, fit))
        people = sample.frame["subject_id"].to_numpy()
        parts.append(pd.DataFrame(dict(zip(_COLUMNS, (name, people, predicted, made.y), strict=True))))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(_COLUMNS))


def slope(rows: pd.DataFrame) -> float:
    """Return the calibration slope of one model's rows: 1 where predictions are as far apart as what was observed.

    Below 1 the model exaggerates differences between weeks, above 1 it understates them (Cox 1958).
    """
    x, y = rows["predicted"].to_numpy(float), rows["observed"].to_numpy(float)
    centred = x - x.mean()
    spread = float(centred @ centred)
    return float(centred @ y) / spread if spread > 0 else float("nan")


def findings(held: pd.DataFrame) -> list[Finding]:
    """Return for each model whether its predictions of people left out are worth anything.

    With a calibration slope below one half the squared errors of the predictions are larger than those of the mean.
    """
    made = []
    for model, rows in held.groupby("model", sort=False):
        steep, name = slope(rows), f"“{words.MODELS[str(model)]}”"
        if not np.isfinite(steep):
            continue
        shown = words.kg(steep, ".2f")
        text = f"Where {name} predicts 1 kg more for people left out of the fit, what happened moved by {shown}"
        verdict: Verdict = "caution"
        if steep <= 0:
            text += ": it predicts nothing of people whom it has not seen, or the contrary."
        elif steep < LEAST_STEEP:
            text += ": their mean would have predicted them better."
        else:
            text, verdict = f"{text}: its predictions carry over to them.", "pass"
        made.append(Finding("left_out", str(model), verdict, text, steep, LEAST_STEEP))
    return made


def tenths(rows: pd.DataFrame, groups: int = 10) -> pd.DataFrame:
    """Return for equally many person-weeks each, in the order of the prediction: predicted and observed means, n."""
    n = min(groups, max(len(rows) // 5, 1))
    ranked = rows.assign(tenth=pd.qcut(rows["predicted"].rank(method="first"), n, labels=False))
    by: Any = ranked.groupby("tenth")
    return pd.DataFrame(
        {
            "predicted": by["predicted"].mean(),
            "observed": by["observed"].mean(),
            "error": by["observed"].sem(),
            "n": by.size(),
        }
    ).reset_index(drop=True)


def _predicted(made: Design, shrinkage: Array) -> Array:
    """Return each row's prediction from the other folds; `shrinkage` is the part of a person's mean that is taken out.

    Least squares on what is left of the columns is generalised least squares with a random intercept (Fuller and
    Battese 1973).
    """
    x, y = (values - shrinkage[:, None] * _means(values, made.subjects) for values in (made.x, made.y[:, None]))
    fold = made.subjects % FOLDS
    predicted = np.empty(len(made.y))
    for k in range(FOLDS):
        out = fold == k
        estimates = np.linalg.lstsq(x[~out], y[~out, 0], rcond=None)[0]
        predicted[out] = made.x[out] @ estimates
    return predicted


def _shrinkage(made: Design, fit: Fit) -> Array:
    residual, between = fit.details.get("residual_variance", 0.0), fit.details.get("group_variance", 0.0)
    if not between or not residual:
        return np.zeros(len(made.y))
    weeks = np.bincount(made.subjects)[made.subjects]
    return np.asarray(1 - np.sqrt(residual / (residual + weeks * between)), float)


def _means(values: Array, subjects: Any) -> Array:
    frame = pd.DataFrame(values)
    return np.asarray(frame.groupby(subjects).transform("mean"), float)

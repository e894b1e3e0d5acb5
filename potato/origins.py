"""Which silver columns each of gold's numbers comes from: every term of a model, and every column of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from potato.columns import Lineage, source
from potato.design import Sample
from potato.fits import Fit
from potato.results import (
    ASSOCIATIONS,
    ATTRITION,
    BOOTSTRAP,
    COEFFICIENTS,
    COMPLETION,
    DIAGNOSTICS,
    FOOD_CATEGORIES,
    INFLUENCE,
    WEEKS,
)
from potato.schema import MODELING_DATASET, SUBJECT_TRAJECTORIES, WEEKLY_FEATURES, Dataset

Columns = set[tuple[str, str]]

_PEOPLE = ("subject_id", "study_week", "group", "n_weights", "change_from_baseline_kg")
_APART = ("subject_id", "study_week", "group", "condition")
_LABELS = {"unit", "assumption"}
"""Columns that say what a row is, beside those of the key: no data stand behind them."""


def of_terms(fits: Mapping[str, Fit], sample: Sample) -> dict[str, Lineage]:
    """Return the lineage of each fitted model, as a dataset whose columns are its reported terms.

    A term's estimate is computed from its own column and the outcome. The columns that are held equal, and whose the
    rows are, change it without being part of it: they are its indirect sources.
    """
    found: dict[str, Lineage] = {}
    for model, fit in fits.items():
        used = _used(model, sample)
        found[f"gold/models/{model}"] = {
            term: [source(MODELING_DATASET.name, name, _how(name, name in (term, sample.outcome))) for name in used]
            for term in fit.reported
        }
    return found


def of_tables(fits: Mapping[str, Fit], sample: Sample, frames: Mapping[str, pd.DataFrame]) -> dict[str, Lineage]:
    """Return the lineage of the datasets of GOLD that have rows; `frames` holds them by the last part of their name.

    A test changes what this leaves out, and sees that the dataset stays as it is.
    """
    models = _of(MODELING_DATASET, (name for model in fits for name in _used(model, sample)))
    people = _of(SUBJECT_TRAJECTORIES, _PEOPLE)
    left = people | _of(SUBJECT_TRAJECTORIES, ["baseline_weight_kg"])
    foods = models | _of(MODELING_DATASET, ["days_logged", *_foods()])
    kept = _of(MODELING_DATASET, ["subject_id", "study_week", "days_logged", sample.outcome, *sample.covariates])
    weeks = models | kept | _keys(WEEKLY_FEATURES) | _keys(SUBJECT_TRAJECTORIES)
    associated = _associated(frames["associations"], sample)
    sources = {
        COEFFICIENTS: models,
        INFLUENCE: models,
        BOOTSTRAP: models,
        ASSOCIATIONS: associated,
        FOOD_CATEGORIES: foods,
        WEEKS: weeks,
        ATTRITION: left | models,
        COMPLETION: left,
        DIAGNOSTICS: foods | weeks | left,
    }
    return {
        dataset.name: _columns(dataset, used)
        for dataset, used in sources.items()
        if len(frames[dataset.name.removeprefix("gold/models/")])
    }


def _used(model: str, sample: Sample) -> list[str]:
    """Return the columns that a model is fitted to, in the order outcome, covariates, controls, people."""
    if model == "fixed_effects":
        sample = sample.within()
    elif model == "n_of_1":
        from potato import nof1

        sample = nof1.sample(sample)
    named = [sample.outcome, *sample.covariates, *sample.controls, *sample.numeric_controls, "subject_id"]
    return list(dict.fromkeys(named))


def _associated(found: pd.DataFrame, sample: Sample) -> Columns:
    ranked = found.loc[found["test"] == "spearman", "variable"]
    used: Columns = set()
    if len(ranked):
        used |= _of(MODELING_DATASET, [sample.outcome, "subject_id", "days_logged", *ranked])
    if (found["test"] == "mann_whitney").any():
        used |= _of(SUBJECT_TRAJECTORIES, _PEOPLE)
    return used


def _columns(dataset: Dataset, used: Columns) -> Lineage:
    found: Lineage = {}
    for column in dataset.columns:
        named = "group" if column.name.startswith("group_") else column.name
        if named in ("group", "subject_id"):
            found[column.name] = [source(at, name, "IDENTITY") for at, name in sorted(used) if name == named]
        else:
            own = set() if column.name in _LABELS or column.name in dataset.key else used
            found[column.name] = [source(at, name, _how(name, True)) for at, name in sorted(own)]
    return found


def _foods() -> list[str]:
    return [name for name in MODELING_DATASET.names if name.startswith("entries_")]


def _keys(dataset: Dataset) -> Columns:
    return _of(dataset, dataset.key)


def _of(dataset: Dataset, names: Iterable[str]) -> Columns:
    return {(dataset.name, name) for name in names}


def _how(column: str, direct: bool) -> str:
    """Return how a column of silver is a source: rows are told apart by it, it is held equal, or it is added up."""
    return "GROUP_BY" if column in _APART else "AGGREGATION" if direct else "CONDITIONAL"

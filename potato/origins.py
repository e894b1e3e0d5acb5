"""Which silver columns each of gold's numbers comes from: every term of a model, and every column of a table.

A model's columns are read off its design, and those of a table of its results off the models in it. What else pandas
computes can't be followed: it is written down here, and a test changes all that is not written down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from potato import bootstrap
from potato.columns import Lineage, Source, source
from potato.design import INTERCEPT, Sample
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
from potato.schema import MODELING_DATASET, SILVER, SUBJECT_TRAJECTORIES, WEEKLY_FEATURES, Dataset
from potato.tables import Table

Columns = set[tuple[str, str]]

_FIRST = ("subject_id", "study_week", "group", "n_weights", "change_from_baseline_kg")
_PEOPLE = (*_FIRST, "baseline_weight_kg")
_INTAKE = (
    "subject_id",
    "study_week",
    "days_logged",
    "energy_kcal_per_day",
    "protein_g_per_day",
    "fiber_g_per_day",
    "fiber_g_per_1000_kcal",
    "potato_energy_share",
)
_SLOPES = ("subject_id", "study_week", "condition", "condition_slope_kg_per_week", "n_weights")
_CHANGES = ("subject_id", "group", "study_week", "weight_change_kg")
REPORTS = "gold/reports/tables/"
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
        used = _used(fit, sample)
        found[f"gold/models/{model}"] = {
            term: [source(MODELING_DATASET.name, name, _how(name, name in (term, sample.outcome))) for name in used]
            for term in fit.reported
        }
    return found


def of_tables(fits: Mapping[str, Fit], sample: Sample, frames: Mapping[str, pd.DataFrame]) -> dict[str, Lineage]:
    """Return the lineage of the datasets of GOLD; `frames` holds them by the last part of their name.

    One that has no rows, such as the bootstrap of a study with people enough, is left out where nothing says what it
    would be computed from.
    """
    models = _of(MODELING_DATASET, (name for fit in fits.values() for name in _used(fit, sample)))
    resampled = _of(MODELING_DATASET, (name for m in bootstrap.MODELS if m in fits for name in _used(fits[m], sample)))
    people = _of(SUBJECT_TRAJECTORIES, _PEOPLE)
    foods = models | _of(MODELING_DATASET, ["days_logged", *_foods()])
    kept = _of(MODELING_DATASET, ["subject_id", "study_week", "days_logged", sample.outcome, *sample.covariates])
    weeks = models | kept | _keys(WEEKLY_FEATURES) | _keys(SUBJECT_TRAJECTORIES)
    sources = {
        COEFFICIENTS: models,
        INFLUENCE: models,
        BOOTSTRAP: resampled,
        ASSOCIATIONS: _associated(frames["associations"], sample),
        FOOD_CATEGORIES: foods,
        WEEKS: weeks,
        ATTRITION: people | models,
        COMPLETION: people,
        DIAGNOSTICS: foods | weeks | people,
    }
    return {dataset.name: _columns(dataset, used) for dataset, used in sources.items() if used}


def of_reports(tables: Mapping[str, Table], fits: Mapping[str, Fit], sample: Sample) -> dict[str, Lineage]:
    """Return the lineage of the report's tables, by id, that show silver; the others show a dataset of GOLD."""
    logged = ["days_logged", "entries_potato", *_foods()]
    models = {name for fit in fits.values() for name in _used(fit, sample)}
    compared = [*_PEOPLE, *_SLOPES, *_CHANGES, "slope_kg_per_week"]
    twice = (SUBJECT_TRAJECTORIES, SILVER["trajectories_without_jumps"])
    modelled = (MODELING_DATASET, SILVER["modeling_without_jumps"])
    known = {
        "cohort-groups": _of(SUBJECT_TRAJECTORIES, _PEOPLE),
        # A study whose conditions have slopes shows these instead.
        "group-weeks": _of(SUBJECT_TRAJECTORIES, [*_FIRST, *_SLOPES]),
        "weekly-change": _of(SUBJECT_TRAJECTORIES, _CHANGES),
        "condition-slopes": _of(SUBJECT_TRAJECTORIES, _SLOPES),
        "intake-weekly": _of(WEEKLY_FEATURES, _INTAKE),
        "food-categories": _of(WEEKLY_FEATURES, logged),
        "sensitivity": {pair for dataset in twice for pair in _of(dataset, compared)}
        | {pair for dataset in modelled for pair in _of(dataset, models)},
    }
    found: dict[str, Lineage] = {}
    for name, table in tables.items():
        if table.dataset.startswith("silver/"):
            found[f"{REPORTS}{name}"] = {
                column.name: _named(column.name, known[name])
                or [source(at, used, _how(used, True)) for at, used in sorted(known[name])]
                for column in table.columns
            }
    return found


def _used(fit: Fit, sample: Sample) -> list[str]:
    """Return the columns that a model is fitted to: the outcome, those of its design, and whose the rows are.

    A term such as group[low fat] is a level of the column before the bracket.
    """
    terms = [term.partition("[")[0] for term in fit.terms if term != INTERCEPT]
    return list(dict.fromkeys([sample.outcome, *terms, "subject_id"]))


def _associated(found: pd.DataFrame, sample: Sample) -> Columns:
    ranked = found.loc[found["test"] == "spearman", "variable"]
    used: Columns = set()
    if len(ranked):
        used |= _of(MODELING_DATASET, [sample.outcome, "subject_id", "days_logged", *ranked])
    if (found["test"] == "mann_whitney").any():
        used |= _of(SUBJECT_TRAJECTORIES, _FIRST)
    return used


def _columns(dataset: Dataset, used: Columns) -> Lineage:
    found: Lineage = {}
    for column in dataset.columns:
        taken = _named("group" if column.name.startswith("group_") else column.name, used)
        own = set() if column.name in _LABELS or column.name in dataset.key else used
        found[column.name] = taken or [source(at, name, _how(name, True)) for at, name in sorted(own)]
    return found


def _named(column: str, used: Columns) -> list[Source]:
    """Return the sources of a column that shows whose the rows are, or when, as silver has it."""
    return [source(at, name, "IDENTITY") for at, name in sorted(used) if name == column and name in _APART]


def _foods() -> list[str]:
    return [name for name in MODELING_DATASET.names if name.startswith("entries_")]


def _keys(dataset: Dataset) -> Columns:
    return _of(dataset, dataset.key)


def _of(dataset: Dataset, names: Iterable[str]) -> Columns:
    return {(dataset.name, name) for name in names}


def _how(column: str, direct: bool) -> str:
    """Return how a column of silver is a source: rows are told apart by it, it is held equal, or it is added up."""
    return "GROUP_BY" if column in _APART else "AGGREGATION" if direct else "CONDITIONAL"

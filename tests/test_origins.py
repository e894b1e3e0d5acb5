from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from potato import nof1, origins
from potato.columns import Lineage, is_direct
from potato.gold import ModelingPipeline
from potato.results import GOLD
from potato.schema import MODELING_DATASET, SILVER, SUBJECT_TRAJECTORIES, WEEKLY_FEATURES

from . import silver_frames

Frames = dict[str, pd.DataFrame]
Study = Callable[[], Frames]
Gold = Callable[[Study], ModelingPipeline]


def _many() -> Frames:
    """Return people of whom a third leaves after the second week."""
    weights = silver_frames.trajectories(people=45)
    left = weights["subject_id"].str[1:].astype(int) % 3 == 2
    return {
        MODELING_DATASET.name: silver_frames.modeling(people=45),
        SUBJECT_TRAJECTORIES.name: weights[~left | (weights["study_week"] <= 2)].reset_index(drop=True),
    }


def _few() -> Frames:
    """Return so few people that the bootstrap is asked."""
    return {
        MODELING_DATASET.name: silver_frames.modeling(people=8, weeks=8),
        SUBJECT_TRAJECTORIES.name: silver_frames.trajectories(people=8, weeks=9),
    }


def _one() -> Frames:
    return {
        MODELING_DATASET.name: silver_frames.modeling(people=1, weeks=40, null_share=0),
        SUBJECT_TRAJECTORIES.name: silver_frames.trajectories(people=1, weeks=41),
    }


def _jumped() -> Frames:
    """Return a study in which one person's numbers differ without their flagged weigh-ins."""
    frames = _many()
    weights, changes = frames[SUBJECT_TRAJECTORIES.name].copy(), frames[MODELING_DATASET.name].copy()
    for frame, column in ((weights, "change_from_baseline_kg"), (changes, "next_week_change_kg")):
        frame.loc[frame["subject_id"] == frame["subject_id"].iloc[0], column] += 0.75
    without = {SILVER["trajectories_without_jumps"].name: weights, SILVER["modeling_without_jumps"].name: changes}
    return frames | without


def _gold(folder: Path, frames: Frames) -> ModelingPipeline:
    """Return gold after the models, their gate and the tables of the report."""
    folder.mkdir()
    weekly = frames.get(WEEKLY_FEATURES.name)
    changes = frames[MODELING_DATASET.name]
    more = {name: frames[SILVER[name].name] for name in SILVER if "_without_" in name and SILVER[name].name in frames}
    silver_frames.project(folder, "demo", frames[SUBJECT_TRAJECTORIES.name], changes, weekly, **more)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POTATO_ROOT", str(folder))
        pipeline = ModelingPipeline("demo")
        pipeline.load_features()
        pipeline.train_models()
        pipeline.validate_models()
        pipeline._summarise()
        pipeline._tables()
    return pipeline


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Gold:
    """Gold of each study, made once; who asks only looks at it."""

    @cache
    def make(study: Study) -> ModelingPipeline:
        return _gold(tmp_path_factory.mktemp("gold") / study.__name__, study())

    return make


def _frames(pipeline: ModelingPipeline) -> Frames:
    found = {"coefficients": pipeline.training.coefficients, "bootstrap": pipeline.bootstrap}
    return found | {"associations": pipeline.associations, **pipeline.gate.frames}


def _tables(pipeline: ModelingPipeline) -> dict[str, Lineage]:
    return origins.of_tables(pipeline.training.fits, pipeline.training.sample, _frames(pipeline))


def _reports(pipeline: ModelingPipeline) -> dict[str, Lineage]:
    return origins.of_reports(pipeline.tables, pipeline.training.fits, pipeline.training.sample)


def _all(pipeline: ModelingPipeline) -> Frames:
    """Return everything that is traced by the name of its dataset."""
    shown = {f"{origins.REPORTS}{name}": table.frame for name, table in pipeline.tables.items()}
    return {f"gold/models/{name}": frame for name, frame in _frames(pipeline).items()} | shown


def _changed(frames: Frames, kept: set[tuple[str, str]]) -> Frames:
    """Return the frames with other values in every column of numbers or conditions that is not among `kept`."""
    random, changed = np.random.default_rng(3), {}
    weekly = {WEEKLY_FEATURES.name: frames[MODELING_DATASET.name][WEEKLY_FEATURES.names]}
    for dataset, frame in (weekly | frames).items():
        made = frame.copy()
        for name in frame.columns:
            if (dataset, name) in kept or name in ("subject_id", "study_week"):
                continue
            if name == "group":
                made[name] = "another"
            elif name == "condition":
                made[name] = np.where(random.random(len(frame)) < 0.5, "a", "b")
            else:
                shifted = frame[name] + random.integers(1, 5, len(frame))
                odd = frame["subject_id"].str[1:].astype(int) % 2 == 1
                made[name] = shifted.where(~odd, 0).astype(frame[name].dtype)
        changed[dataset] = made
    return changed


@pytest.mark.parametrize("study", [_jumped, _few, _one])
def test_what_the_lineage_of_a_gold_table_leaves_out_does_not_change_it(
    study: Study, gold: Gold, tmp_path: Path
) -> None:
    frames, before = study(), gold(study)
    tables, found = _tables(before) | _reports(before), _all(before)
    by_sources: dict[frozenset[tuple[str, str]], list[str]] = {}
    for dataset, columns in tables.items():
        used = frozenset((s["dataset"], s["column"]) for sources in columns.values() for s in sources)
        by_sources.setdefault(used, []).append(dataset)
    for number, (used, names) in enumerate(by_sources.items()):
        after = _all(_gold(tmp_path / str(number), _changed(frames, set(used))))
        for name in names:
            pd.testing.assert_frame_equal(after[name], found[name], obj=name)


def test_every_gold_table_with_rows_has_lineage_for_every_column(gold: Gold) -> None:
    seen = set()
    for study in (_many, _few, _one):
        pipeline = gold(study)
        tables = _tables(pipeline)
        for name, frame in _frames(pipeline).items():
            dataset = GOLD[name]
            assert dataset.name in tables or not len(frame), dataset.name
            if not len(frame):
                continue
            seen.add(name)
            assert list(tables[dataset.name]) == dataset.names
            silent = {column for column, sources in tables[dataset.name].items() if not sources}
            assert silent <= {*dataset.key, "unit", "assumption"}
    assert seen == set(GOLD)


def test_a_term_comes_from_its_column_and_the_outcome_and_is_changed_by_what_is_held_equal(gold: Gold) -> None:
    pipeline = gold(_many)
    found = origins.of_terms(pipeline.training.fits, pipeline.training.sample)
    assert set(found) == {"gold/models/ols_cluster", "gold/models/fixed_effects", "gold/models/mixed_effects"}
    for model, terms in found.items():
        assert list(terms) == list(pipeline.options.covariates)
        for term, sources in terms.items():
            assert {source["dataset"] for source in sources} == {"silver/modeling_dataset"}
            direct = {source["column"] for source in sources if is_direct(source)}
            assert direct == {term, "next_week_change_kg"}
            others = {source["column"] for source in sources} - direct
            absorbed = set() if model.endswith("fixed_effects") else {"group"}
            assert others == {*terms, "study_week", "subject_id", *absorbed} - {term}


def test_one_person_s_model_is_held_against_a_trend(gold: Gold) -> None:
    pipeline = gold(_one)
    ((model, terms),) = origins.of_terms(pipeline.training.fits, pipeline.training.sample).items()
    assert model == "gold/models/n_of_1"
    assert all(nof1.TREND in {source["column"] for source in sources} for sources in terms.values())


def test_every_table_of_the_report_shows_a_dataset_of_gold_or_names_its_silver_columns(tmp_path: Path) -> None:
    seen = set()
    for study in (_jumped, _few, _one):
        pipeline = _gold(tmp_path / study.__name__, study())
        traced = _reports(pipeline)
        for name, table in pipeline.tables.items():
            if table.dataset in {dataset.name for dataset in GOLD.values()}:
                continue
            seen.add(name)
            lineage = traced[f"{origins.REPORTS}{name}"]
            assert list(lineage) == [column.name for column in table.columns]
            for sources in lineage.values():
                assert sources
                assert all(one["column"] in SILVER[one["dataset"].removeprefix("silver/")].names for one in sources)
    assert {"cohort-groups", "group-weeks", "weekly-change", "intake-weekly", "food-categories", "sensitivity"} <= seen


def test_a_bootstrap_that_no_study_of_many_needs_is_traced_all_the_same(tmp_path: Path) -> None:
    pipeline = _gold(tmp_path / "gold", _many())
    assert not len(pipeline.bootstrap)
    used = {one["column"] for one in _tables(pipeline)["gold/models/bootstrap"]["conf_low"]}
    assert {"next_week_change_kg", "subject_id", *pipeline.options.covariates} <= used

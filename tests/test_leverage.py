"""How many people an estimate rests on, and what becomes of one that few people tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.linear_model import OLS

from potato import bootstrap, leverage, models, validation
from potato.models import Training
from tests import silver_frames
from tests.silver_frames import TRUTH

SHARE = "potato_energy_share"
CLUSTERED = ("ols_cluster", "fixed_effects")


def train(frame: pd.DataFrame) -> Training:
    return models.train(frame, outcome="next_week_change_kg", covariates=[*TRUTH], controls=["study_week", "group"])


def varies_in(people: int, seed: int = 1) -> pd.DataFrame:
    """Return 40 people of whom only some have a potato share that varies at all."""
    frame = silver_frames.modeling(people=40, weeks=6, seed=seed, null_share=0)
    few = frame["subject_id"] < f"s{people:03d}"
    return frame.assign(**{SHARE: frame[SHARE].where(few, 0.65)})


def reported(training: Training, model: str) -> set[str]:
    return set(training.coefficients.query("model == @model")["term"])


def checks(training: Training, model: str) -> dict[str, str]:
    return {found.check: found.sentence for found in training.findings if found.model == model}


def test_shares_are_those_of_the_residuals_of_a_regression_on_the_other_columns() -> None:
    random = np.random.default_rng(1)
    subjects = np.repeat(np.arange(9), 5)
    x = np.column_stack([np.ones(45), random.normal(100, 1, (45, 3)) @ random.normal(size=(3, 3))])
    found = leverage.shares(x, subjects)
    for place in range(4):
        left = OLS(x[:, place], np.delete(x, place, axis=1)).fit().resid
        by_hand = np.bincount(subjects, left**2) / (left**2).sum()
        np.testing.assert_allclose(found[:, place], by_hand, rtol=1e-6)


def test_people_of_equal_shares_count_in_full_and_one_alone_as_one() -> None:
    assert leverage.effective(np.full(8, 1 / 8)) == pytest.approx(8)
    assert leverage.effective(np.array([1.0, 0, 0])) == pytest.approx(1)


@pytest.mark.parametrize("people", [2, 3, 4])
def test_what_varies_in_few_of_many_people_has_no_estimate_in_any_model(people: int) -> None:
    trained = train(varies_in(people))
    for model in models.MODELS:
        assert SHARE not in reported(trained, model), model
        assert len(reported(trained, model)) == 2
    assert "varies_within_few" in checks(trained, "fixed_effects")
    told = checks(trained, "ols_cluster")["rests_on_few"]
    assert told.startswith("40 people tell no more about energy from potatoes than ")
    assert "with fewer than 5" in told


def test_what_rather_few_of_many_people_tell_has_a_caution_and_a_bootstrap_beside_it() -> None:
    trained = train(varies_in(16))
    made = bootstrap.table(trained, 0.95, 1)
    assert {*CLUSTERED} == set(made.loc[made["term"] == SHARE, "model"])
    assert (made["n_subjects"] == 40).all()
    cautions = [f for f in validation.gate(trained) if f.check == "effective_people" and f.verdict == "caution"]
    assert {*CLUSTERED} <= {found.model for found in cautions}
    assert "than 1" in cautions[0].sentence


def test_what_many_people_tell_passes_and_has_no_bootstrap() -> None:
    trained = train(silver_frames.modeling(people=80, weeks=6))
    assert bootstrap.table(trained, 0.95, 1).empty
    found = [f.verdict for f in validation.gate(trained) if f.check == "effective_people"]
    assert found == ["pass"] * 3


def test_a_small_study_of_people_like_one_another_keeps_its_estimates() -> None:
    trained = train(silver_frames.modeling(people=6, weeks=8, null_share=0, groups=(None,)))
    for model in models.MODELS:
        assert reported(trained, model) == {*TRUTH}


def test_what_one_value_of_one_person_tells_is_left_out_by_every_model() -> None:
    frame = silver_frames.modeling(null_share=0)
    frame.loc[0, "energy_kcal_per_day"] = 1e6
    trained = train(frame)
    for model in models.MODELS:
        assert reported(trained, model) == {*TRUTH} - {"energy_kcal_per_day"}
        assert "rests_on_one" in checks(trained, model)

"""Predictions for people left out of a fit: against scikit-learn's way of doing it by hand, and against known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from potato import models, predictions
from potato.models import Training
from tests import silver_frames
from tests.silver_frames import TRUTH

OUTCOME = "next_week_change_kg"


def trained(**options: object) -> Training:
    frame = silver_frames.modeling(**options)  # type: ignore[arg-type]
    return models.train(frame, outcome=OUTCOME, covariates=list(TRUTH), controls=["study_week", "group"])


@pytest.fixture(scope="module")
def training() -> Training:
    return trained(people=60, null_share=0.1)


@pytest.fixture(scope="module")
def held_out(training: Training) -> pd.DataFrame:
    return predictions.held_out(training)


def rows(held_out: pd.DataFrame, model: str) -> pd.DataFrame:
    return held_out[held_out["model"] == model].reset_index(drop=True)


def test_predictions_that_point_the_wrong_way_or_are_worth_less_than_the_mean_call_for_caution() -> None:
    x = np.linspace(-1, 1, 40)
    named = {"ols_cluster": -0.5, "fixed_effects": 0.3, "mixed_effects": 0.9}
    held = pd.concat(
        pd.DataFrame({"model": name, "subject_id": "s1", "predicted": x, "observed": steep * x})
        for name, steep in named.items()
    )
    told = {f.model: f for f in predictions.findings(held)}
    assert {name: f.verdict for name, f in told.items()} == {
        "ols_cluster": "caution",
        "fixed_effects": "caution",
        "mixed_effects": "pass",
    }
    assert "or the contrary" in told["ols_cluster"].sentence
    assert "their mean would have predicted them better" in told["fixed_effects"].sentence


def test_each_person_week_of_a_model_is_predicted_once(training: Training, held_out: pd.DataFrame) -> None:
    counts = held_out["model"].value_counts()
    assert counts.to_dict() == {name: fit.n_obs for name, fit in training.fits.items()}
    assert rows(held_out, "ols_cluster")["observed"].tolist() == training.sample.frame[OUTCOME].tolist()


def test_a_prediction_is_that_of_a_regression_without_the_persons_fold(
    training: Training, held_out: pd.DataFrame
) -> None:
    import statsmodels.formula.api as smf

    frame = training.sample.frame
    fold = pd.factorize(frame["subject_id"])[0] % predictions.FOLDS
    formula = f"{OUTCOME} ~ {' + '.join(TRUTH)} + C(study_week) + C(group)"
    fit = smf.ols(formula, frame[fold != 2]).fit()
    ours = rows(held_out, "ols_cluster")["predicted"].to_numpy()[fold == 2]
    np.testing.assert_allclose(ours, fit.predict(frame[fold == 2]), rtol=1e-8)


def test_what_a_model_says_of_a_person_does_not_depend_on_that_persons_own_weight(training: Training) -> None:
    frame = training.sample.frame
    someone = frame["subject_id"].iloc[0]
    moved = frame.assign(**{OUTCOME: frame[OUTCOME] + 5.0 * (frame["subject_id"] == someone)})
    other = models.train(moved, outcome=OUTCOME, covariates=list(TRUTH), controls=["study_week", "group"])
    before, after = (rows(predictions.held_out(t), "ols_cluster") for t in (training, other))
    theirs = before["subject_id"] == someone
    np.testing.assert_allclose(before["predicted"][theirs], after["predicted"][theirs])


def test_where_the_model_made_the_data_predictions_are_as_far_apart_as_what_happened() -> None:
    found = predictions.held_out(trained(people=600, weeks=6, noise=0.3))
    for model in ("ols_cluster", "fixed_effects", "mixed_effects"):
        assert predictions.slope(rows(found, model)) == pytest.approx(1, abs=0.1), model


def test_predictions_that_exaggerate_have_a_slope_below_one(held_out: pd.DataFrame) -> None:
    some = rows(held_out, "ols_cluster")
    doubled = some.assign(predicted=2 * some["predicted"])
    assert predictions.slope(doubled) == pytest.approx(predictions.slope(some) / 2)


def test_tenths_are_equally_large_and_in_the_order_of_the_prediction(held_out: pd.DataFrame) -> None:
    some = rows(held_out, "mixed_effects")
    tenths = predictions.tenths(some)
    assert tenths["predicted"].is_monotonic_increasing
    assert tenths["n"].max() - tenths["n"].min() <= 1
    assert tenths["n"].sum() == len(some)


def test_too_few_people_to_leave_some_out_are_not_predicted() -> None:
    assert predictions.held_out(trained(people=8)).empty

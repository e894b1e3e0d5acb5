"""Kinds of food, each alone in the model within people, with Holm's correction over all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from potato import categories, food, models, results
from potato.models import Training
from tests import silver_frames
from tests.silver_frames import TRUTH

OUTCOME = "next_week_change_kg"


def train(frame: pd.DataFrame) -> Training:
    return models.train(frame, outcome=OUTCOME, covariates=list(TRUTH), controls=["study_week", "group"])


def with_effect(frame: pd.DataFrame, category: str, size: float) -> pd.DataFrame:
    """Let one more entry a day of a kind of food add `size` kg to the next week's change."""
    a_day = (frame[f"entries_{category}"] / frame["days_logged"].where(frame["days_logged"] > 0)).fillna(0)
    return frame.assign(**{OUTCOME: frame[OUTCOME] + size * a_day})


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return silver_frames.modeling(people=60, weeks=6, null_share=0.1)


def test_each_estimate_is_that_of_the_model_within_people_with_this_food_alone(frame: pd.DataFrame) -> None:
    trained = train(frame)
    table = categories.table(trained, 0.9).set_index("category")
    assert list(table.index) == list(food.CATEGORIES)
    for category in food.CATEGORIES:
        name = f"entries_{category}"
        rows = trained.sample.frame
        alone = rows.assign(**{name: rows[name] / rows["days_logged"]})
        fit, _ = models.fixed_effects(replace(trained.sample, frame=alone, covariates=(name,)))
        (theirs,) = fit.coefficients(0.9).itertuples()
        for column in ("estimate", "std_error", "conf_low", "conf_high", "p_value"):
            assert table.loc[category, column] == pytest.approx(getattr(theirs, column), rel=1e-9), category
        assert (table.loc[category, "n_obs"], table.loc[category, "n_subjects"]) == (fit.n_obs, fit.n_subjects)


def test_the_correction_is_holms(frame: pd.DataFrame) -> None:
    table = categories.table(train(frame), 0.95).sort_values("p_value")
    p = table["p_value"].to_numpy()
    by_hand = np.minimum(1, np.maximum.accumulate(p * np.arange(len(p), 0, -1)))
    np.testing.assert_allclose(table["p_holm"], by_hand)


def test_a_food_with_an_effect_is_found_and_the_others_are_not(frame: pd.DataFrame) -> None:
    table = categories.table(train(with_effect(frame, "beans", -1.5)), 0.95).set_index("category")
    assert table.loc["beans", "p_holm"] < 0.01
    assert table.loc["beans", "conf_low"] < -1.5 < table.loc["beans", "conf_high"]
    (finding,) = categories.findings(table.reset_index())
    assert "beans stays related to weight" in finding.sentence


def test_a_food_that_only_chance_made_look_related_is_a_caution() -> None:
    table = pd.DataFrame({"category": ["rice", "oats"], "p_value": [0.03, 0.9], "p_holm": [0.06, 0.9]})
    (finding,) = categories.findings(table)
    assert finding.verdict == "caution"
    assert finding.sentence == (
        "None of two kinds of food is clearly related to weight when all are allowed for. Rice only seems so when"
        " looked at alone."
    )


def test_a_food_that_nobody_ate_is_left_out(frame: pd.DataFrame) -> None:
    table = categories.table(train(frame.assign(entries_nuts=0)), 0.95)
    assert "nuts" not in set(table["category"])
    assert len(table) == len(food.CATEGORIES) - 1


@pytest.mark.parametrize("eaters", [1, 4])
def test_a_food_that_few_people_vary_in_is_named_and_left_out(eaters: int) -> None:
    frame = silver_frames.modeling(people=40, weeks=6, seed=103)
    few = frame["subject_id"] < f"s{eaters:03d}"
    trained = train(frame.assign(entries_nuts=frame["entries_nuts"].where(few, 0)))
    assert "nuts" not in set(categories.table(trained, 0.95)["category"])
    (told,) = categories.too_few(trained)
    assert (told.check, told.verdict) == ("varies_within_few", "caution")
    assert told.sentence.startswith(f"Nuts varies within {'1 person' if eaters == 1 else '4 people'} only")


def test_a_food_of_which_one_person_eats_nearly_all_is_left_out(frame: pd.DataFrame) -> None:
    much = frame.assign(entries_nuts=frame["entries_nuts"] * np.where(frame["subject_id"] == "s003", 40, 1))
    assert "nuts" not in set(categories.table(train(much), 0.95)["category"])
    assert [told.check for told in categories.too_few(train(much))] == ["rests_on_one"]


def test_kinds_of_food_that_always_stand_together_are_said_to_be_one_question(frame: pd.DataFrame) -> None:
    table = categories.table(train(frame.assign(entries_rice=frame["entries_meat"])), 0.95)
    (finding,) = categories.findings(table)
    assert "Rice and meat stand in every diary together" in finding.sentence


def test_diaries_that_name_no_food_give_an_empty_table_and_no_finding(frame: pd.DataFrame) -> None:
    silent = frame.assign(**{f"entries_{name}": np.nan for name in food.CATEGORIES})
    table = categories.table(train(silent), 0.95)
    assert table.empty
    assert list(table.columns) == results.FOOD_CATEGORIES.names
    assert categories.findings(table) == []


def test_without_the_model_within_people_there_is_no_table(frame: pd.DataFrame) -> None:
    trained = train(frame)
    others = {name: fit for name, fit in trained.fits.items() if name != "fixed_effects"}
    assert categories.table(replace(trained, fits=others), 0.95).empty

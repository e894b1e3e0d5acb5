"""All weeks of a study are counted once for each model, and add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from potato import models, results, weeks
from potato.models import Training
from tests import silver_frames
from tests.silver_frames import TRUTH

KEY = ["subject_id", "study_week"]


def train(modeling: pd.DataFrame) -> Training:
    return models.train(
        modeling, outcome="next_week_change_kg", covariates=list(TRUTH), controls=["study_week", "group"]
    )


def study() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return weekly features, trajectories and modelling dataset of 30 people over six weeks, with known gaps."""
    every = silver_frames.modeling(people=30, weeks=6, null_share=0)
    trajectories = every[KEY]

    def at(who: str, week: int) -> pd.Series:
        return (every["subject_id"] == who) & (every["study_week"] == week)

    # s000 was not weighed in week 3; s001 wrote no diary in week 2; s002 recorded no energy in week 4; s003 was
    # weighed too rarely in week 5 for a change into or out of it; s004 has a diary in week 1 alone.
    trajectories = trajectories[~at("s000", 3)]
    changes = every[every["study_week"] < 6]
    gone = at("s000", 2) | at("s000", 3) | at("s003", 4) | at("s003", 5)
    changes = changes[~gone.reindex(changes.index)].copy()
    silent = ((changes["subject_id"] == "s001") & (changes["study_week"] == 2)) | (
        (changes["subject_id"] == "s004") & (changes["study_week"] > 1)
    )
    changes.loc[silent, list(TRUTH)] = np.nan
    changes.loc[silent, "days_logged"] = 0
    changes.loc[(changes["subject_id"] == "s002") & (changes["study_week"] == 4), "energy_kcal_per_day"] = np.nan
    return every[KEY], trajectories, changes.reset_index(drop=True)


@pytest.fixture(scope="module")
def counted() -> pd.DataFrame:
    weekly, trajectories, changes = study()
    return weeks.table(train(changes), weekly, trajectories, changes)


def counts(counted: pd.DataFrame, model: str) -> dict[str, int]:
    rows = counted[counted["model"] == model]
    return {outcome: n for outcome, n in zip(rows["outcome"], rows["weeks"], strict=True) if n}


def test_every_week_of_the_study_is_counted_once_for_each_model(counted: pd.DataFrame) -> None:
    assert list(counted.columns) == results.WEEKS.names
    assert set(counted.groupby("model")["weeks"].sum()) == {30 * 6}
    assert set(counted["model"]) == set(models.MODELS)


def test_a_week_falls_out_for_its_first_reason(counted: pd.DataFrame) -> None:
    expected = {
        "last": 30,
        "not_weighed": 1,
        "next_not_weighed": 1,
        "few_weights": 2,
        "no_diary": 5,
        "intake": 1,
        "used": 140,
    }
    assert counts(counted, "ols_cluster") == expected
    assert counts(counted, "mixed_effects") == expected


def test_a_persons_only_week_falls_out_of_the_model_within_people_alone(counted: pd.DataFrame) -> None:
    assert counts(counted, "fixed_effects")["only_week"] == 1
    assert counts(counted, "fixed_effects")["used"] == 139


def test_the_weeks_used_are_those_that_the_models_state(counted: pd.DataFrame) -> None:
    weekly, trajectories, changes = study()
    trained = train(changes)
    found = {f.model: f for f in weeks.findings(weeks.table(trained, weekly, trajectories, changes), trained)}
    assert {f.verdict for f in found.values()} == {"pass"}
    assert found["ols_cluster"].value == pytest.approx(140 / 150)
    assert "Most of the rest: no diary in the week (5)." in found["ols_cluster"].sentence
    wrong = replace(trained.fits["ols_cluster"], n_obs=141)
    trained = replace(trained, fits={**trained.fits, "ols_cluster": wrong})
    verdicts = {f.model: f.verdict for f in weeks.findings(counted, trained)}
    assert verdicts["ols_cluster"] == "fail"
    assert verdicts["mixed_effects"] == "pass"


def test_models_that_use_less_than_half_of_what_could_be_used_call_for_caution() -> None:
    changes = silver_frames.modeling(people=80, null_share=0.7)
    trained = train(changes)
    # Everybody was there a week longer, in which only the weight is known.
    weekly = pd.concat([changes[KEY], changes[KEY].assign(study_week=changes["study_week"] + 1)]).drop_duplicates()
    found = weeks.findings(weeks.table(trained, weekly, weekly, changes), trained)
    assert {f.verdict for f in found} == {"caution"}


def test_without_models_nothing_is_counted() -> None:
    changes = silver_frames.modeling().assign(**dict.fromkeys(TRUTH, np.nan))
    assert weeks.table(train(changes), changes[KEY], changes[KEY], changes).empty

"""The gate of gold: what stops a run, what is only said, and in which words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from potato import contracts, models, validation
from potato.design import Finding
from potato.models import Training
from tests import silver_frames
from tests.silver_frames import TRUTH


def train(**options: object) -> Training:
    frame = silver_frames.modeling(**options)  # type: ignore[arg-type]
    controls = ["study_week", "group"]
    return models.train(frame, outcome="next_week_change_kg", covariates=list(TRUTH), controls=controls)


@pytest.fixture(scope="module")
def training() -> Training:
    return train()


def verdicts(training: Training, table: pd.DataFrame | None = None) -> dict[tuple[str, str], str]:
    return {(f.check, f.model): f.verdict for f in validation.gate(training, table)}


def test_a_sound_training_fails_nothing(training: Training) -> None:
    assert "fail" not in verdicts(training).values()


@pytest.mark.parametrize("column", ["estimate", "std_error", "p_value", "conf_low"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_none_fails(training: Training, column: str, value: float) -> None:
    table = training.coefficients.copy()
    table.loc[0, column] = value
    assert verdicts(training, table)["finite", "ols_cluster"] == "fail"


def test_an_error_of_zero_fails(training: Training) -> None:
    assert verdicts(training, training.coefficients.assign(std_error=0.0))["finite", "fixed_effects"] == "fail"


def test_an_estimate_outside_its_interval_fails(training: Training) -> None:
    table = training.coefficients.copy()
    table.loc[4, "estimate"] = table.loc[4, "conf_high"] + 1
    assert verdicts(training, table)["intervals", "fixed_effects"] == "fail"


def test_a_wrong_count_of_rows_fails(training: Training) -> None:
    table = training.coefficients.assign(n_obs=lambda t: t["n_obs"] + 1)
    assert verdicts(training, table)["counts", "mixed_effects"] == "fail"


def test_a_wrong_count_of_people_fails(training: Training) -> None:
    table = training.coefficients.assign(n_subjects=3)
    assert verdicts(training, table)["counts", "ols_cluster"] == "fail"


def test_a_fail_stops_the_stage_and_a_caution_does_not() -> None:
    findings = [
        Finding("a", "m", "fail", "A."),
        Finding("b", "m", "caution", "B."),
        Finding("c", "m", "pass", "C."),
    ]
    made = validation.verdicts(findings)
    assert [v.expectation for v in contracts.failures(made)] == ["a"]
    assert [v.success for v in made] == [False, False, True]


def test_few_people_call_for_caution() -> None:
    assert verdicts(train(people=12))["people", "ols_cluster"] == "caution"


def test_few_people_call_for_caution_in_the_mixed_model_too() -> None:
    frame = silver_frames.modeling(people=12, weeks=8)
    trained = models.train(frame, outcome="next_week_change_kg", covariates=list(TRUTH), controls=["study_week"])
    (told,) = [f for f in validation.gate(trained) if (f.check, f.model) == ("people", "mixed_effects")]
    assert told.verdict == "caution"
    assert "rests on 12 people; its intervals assume many" in told.sentence


def test_models_that_disagree_on_a_direction_call_for_caution(training: Training) -> None:
    table = training.coefficients.copy()
    flipped = (table["model"] == "mixed_effects") & (table["term"] == "energy_kcal_per_day")
    table.loc[flipped, ["estimate", "conf_low", "conf_high"]] *= -1
    assert verdicts(training, table)["direction", "energy_kcal_per_day"] == "caution"
    assert verdicts(training, table)["direction", "potato_energy_share"] == "pass"


def test_covariates_that_move_together_call_for_caution() -> None:
    frame = silver_frames.modeling()
    noise = np.random.default_rng(0).normal(0, 1, len(frame))
    frame["fiber_g_per_1000_kcal"] = frame["energy_kcal_per_day"] / 100 + 0.1 * noise
    trained = models.train(
        frame, outcome="next_week_change_kg", covariates=list(TRUTH), controls=["study_week", "group"]
    )
    assert verdicts(trained)["variance_inflation", "all"] == "caution"


def test_covariates_that_are_one_but_for_rounding_are_said_to_have_no_effect_of_their_own() -> None:
    frame = silver_frames.modeling(people=60)
    noise = np.random.default_rng(2).normal(0, 1e-9, len(frame))
    frame["fiber_g_per_1000_kcal"] = frame["energy_kcal_per_day"] / 150 * (1 + noise)
    trained = models.train(frame, outcome="next_week_change_kg", covariates=list(TRUTH), controls=["study_week"])
    (told,) = [f for f in validation.gate(trained) if f.check == "variance_inflation"]
    assert told.verdict == "caution"
    assert "no effect of its own that can be told" in told.sentence


def test_a_missed_truth_is_said(training: Training) -> None:
    findings = validation.gate(training, truth={"potato_energy_share": 5.0})
    about = [f for f in findings if f.check == "truth"]
    assert [f.verdict for f in about] == ["caution"] * 3
    assert "misses" in about[0].sentence
    assert about[0].value == 0


def test_what_other_parts_found_takes_its_place_in_the_order(training: Training) -> None:
    others = [Finding("share_used", "ols_cluster", "fail", "A."), Finding("who_left", "all", "pass", "B.")]
    findings = validation.gate(training, others=others)
    assert findings[0] is others[0]
    assert findings[-1].verdict == "pass"
    assert others[1] in findings


def test_a_study_without_models_passes_with_its_reason() -> None:
    frame = silver_frames.modeling()
    frame[list(TRUTH)] = np.nan
    trained = models.train(frame, outcome="next_week_change_kg", covariates=list(TRUTH), controls=["group"])
    findings = validation.gate(trained)
    assert [f.check for f in findings if f.verdict == "caution"] == ["intake_recorded"]
    assert "fail" not in {f.verdict for f in findings}


def test_failures_come_first_and_every_finding_has_a_sentence(training: Training) -> None:
    findings = validation.gate(training, training.coefficients.assign(n_obs=1))
    assert findings[0].verdict == "fail"
    assert all(f.sentence.endswith(".") for f in findings)
    table = validation.frame(findings)
    assert list(table.columns) == list(validation.COLUMNS)


def test_the_summary_counts_cautions(training: Training) -> None:
    findings = [Finding("a", "m", "pass", "A."), Finding("b", "m", "caution", "B.")]
    assert validation.summary(findings) == "Of 2 checks of the models none failed; one calls for caution."
    failed = [replace(f, verdict="fail") for f in findings[:1]]
    assert "nothing is published" in validation.summary(failed)

"""Checks of residuals: each sees the fault it looks for, at its size, and is silent where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.linear_model import OLS

from potato import diagnostics, models, regressions
from potato.models import Training
from potato.regressions import Regression
from tests import silver_frames
from tests.silver_frames import TRUTH

OUTCOME = "next_week_change_kg"


def train(frame: pd.DataFrame) -> Training:
    return models.train(frame, outcome=OUTCOME, covariates=list(TRUTH), controls=["study_week", "group"])


def verdicts(frame: pd.DataFrame) -> dict[tuple[str, str], str]:
    found = regressions.of(train(frame))
    return {(f.check, f.model): f.verdict for f in diagnostics.residuals(found.values())}


def shocked(frame: pd.DataFrame, size: float) -> pd.DataFrame:
    """Add the noise of weigh-ins: one that is too high ends a week's change and begins the next one's.

    Every person has all weeks.
    """
    people, weeks = frame["subject_id"].nunique(), frame["study_week"].max()
    shock = np.random.default_rng(4).normal(0, size, (people, weeks + 1))
    return frame.assign(**{OUTCOME: frame[OUTCOME] + (shock[:, 1:] - shock[:, :-1]).ravel()})


def lag_one(frame: pd.DataFrame) -> dict[str, float]:
    found = {name: diagnostics.lag_one(r) for name, r in regressions.of(train(frame)).items()}
    return {name: estimated[0] for name, estimated in found.items() if estimated}


@pytest.mark.parametrize("weeks", [4, 8])
def test_unrelated_weeks_are_not_taken_for_related_ones_however_few_a_person_has(weeks: int) -> None:
    frame = silver_frames.modeling(people=400, weeks=weeks, person_sd=0.5, null_share=0)
    regression = regressions.of(train(frame))["fixed_effects"]
    left = pd.Series(regression.residuals).groupby(regression.subjects)
    pairs = pd.DataFrame({"now": regression.residuals, "before": left.shift()}).dropna()
    assert pairs.corr().iloc[0, 1] == pytest.approx(-1 / (weeks - 1), abs=0.06), "the bias that is taken out"
    assert all(abs(r) < 0.06 for r in lag_one(frame).values())


def test_noise_of_weigh_ins_is_seen_as_a_correlation_of_a_half() -> None:
    frame = shocked(silver_frames.modeling(people=1500, weeks=8, noise=0.02, null_share=0), 0.6)
    assert all(r == pytest.approx(-0.5, abs=0.04) for r in lag_one(frame).values())


def test_a_positive_relation_is_found_at_its_size() -> None:
    frame = silver_frames.modeling(people=500, weeks=8, noise=0.0, null_share=0)
    step = np.random.default_rng(0).normal(0, 0.3, (500, 9))
    frame[OUTCOME] += (step[:, 1:] + step[:, :-1]).ravel()
    assert all(r == pytest.approx(0.5, abs=0.06) for r in lag_one(frame).values())


def test_the_moments_of_neighbouring_weeks_are_those_of_the_matrices() -> None:
    # By matrices, a person at a time: expected squares and products after the mean is taken out, and their solution.
    frame = shocked(silver_frames.modeling(people=60, weeks=6, null_share=0.2), 0.4)
    regression = regressions.of(train(frame))["fixed_effects"]
    weeks = regression.frame["study_week"].to_numpy()
    expected, seen = np.zeros((2, 2)), np.zeros(2)
    for who in range(regression.fit.n_subjects):
        rows = regression.subjects == who
        t = int(rows.sum())
        if t < 3:
            continue
        near = (np.abs(np.subtract.outer(weeks[rows], weeks[rows])) == 1).astype(float)
        centre = np.eye(t) - 1 / t
        for place, form in enumerate((np.eye(t), near / 2)):
            seen[place] += regression.residuals[rows] @ form @ regression.residuals[rows]
            for column, structure in enumerate((np.eye(t), near)):
                expected[place, column] += np.trace(form @ centre @ structure @ centre)
    variance, covariance = np.linalg.solve(expected, seen)
    found = diagnostics.lag_one(regression)
    assert found is not None
    assert found[0] == pytest.approx(covariance / variance, rel=1e-9)


def test_related_weeks_call_for_caution_only_where_errors_assume_that_there_are_none() -> None:
    found = verdicts(shocked(silver_frames.modeling(people=150, weeks=6, person_sd=0, null_share=0), 0.6))
    assert found["unrelated_weeks", "mixed_effects"] == "caution"
    assert found["unrelated_weeks", "ols_cluster"] == found["unrelated_weeks", "fixed_effects"] == "pass"


def test_a_sentence_on_related_weeks_says_what_scales_alone_would_do() -> None:
    frame = shocked(silver_frames.modeling(people=150, weeks=6, person_sd=0, null_share=0), 0.6)
    found = diagnostics.residuals(regressions.of(train(frame)).values())
    (told,) = [f.sentence for f in found if (f.check, f.model) == ("unrelated_weeks", "mixed_effects")]
    assert "noise of the scales brings it down to −0.5" in told
    assert "the estimate stays right" in told.lower()


def test_a_persons_own_level_is_no_relation_of_weeks() -> None:
    frame = silver_frames.modeling(people=150, person_sd=0.5)
    assert verdicts(frame)["unrelated_weeks", "mixed_effects"] == "pass"
    assert abs(lag_one(frame)["ols_cluster"]) < 0.15


def uneven(frame: pd.DataFrame, power: float) -> pd.DataFrame:
    """Let weeks with more potato scatter more widely."""
    share = frame["potato_energy_share"].fillna(0.5)
    noise = np.random.default_rng(3).normal(0, 0.3, len(frame)) * np.exp(power * (share - 0.65))
    return frame.assign(**{OUTCOME: frame[OUTCOME] + noise})


def test_a_wide_and_a_narrow_third_call_for_caution_in_the_mixed_model_alone() -> None:
    frame = uneven(silver_frames.modeling(people=200, noise=0.02, person_sd=0.05), 4)
    found = verdicts(frame)
    assert found["even_spread", "mixed_effects"] == "caution"
    assert found["even_spread", "ols_cluster"] == found["even_spread", "fixed_effects"] == "pass"


def test_a_small_unevenness_is_no_caution_however_many_weeks_prove_it() -> None:
    from statsmodels.stats.diagnostic import het_breuschpagan

    frame = uneven(silver_frames.modeling(people=3000, noise=0.02, person_sd=0.05), 0.5)
    found = regressions.of(train(frame))
    _, p, _, _ = het_breuschpagan(found["ols_cluster"].residuals, found["ols_cluster"].design.x)
    assert p < 0.001
    finding = diagnostics.spread(found["mixed_effects"])
    assert finding is not None
    assert finding.verdict == "pass"


def test_a_shape_with_long_tails_calls_for_caution_in_the_mixed_model() -> None:
    frame = silver_frames.modeling(people=100, noise=0.02)
    frame[OUTCOME] += 0.1 * np.random.default_rng(2).standard_t(1, len(frame))
    assert verdicts(frame)["normal_residuals", "mixed_effects"] == "caution"


def test_shape_does_not_matter_to_an_average_over_many_people() -> None:
    frame = silver_frames.modeling(people=100, noise=0.02)
    frame[OUTCOME] += 0.1 * np.random.default_rng(2).standard_t(1, len(frame))
    found = diagnostics.residuals(regressions.of(train(frame)).values())
    (told,) = [f for f in found if (f.check, f.model) == ("normal_residuals", "ols_cluster")]
    assert told.verdict == "pass"
    assert "does not matter" in told.sentence
    assert verdicts(frame.head(80))["normal_residuals", "ols_cluster"] == "caution"


def test_levels_of_two_kinds_of_people_are_not_normal() -> None:
    frame = silver_frames.modeling(people=200, weeks=6, noise=0.1, person_sd=0.0)
    level = np.random.default_rng(5).pareto(1.5, 200).clip(0, 20)
    frame[OUTCOME] += level[pd.factorize(frame["subject_id"])[0]]
    assert verdicts(frame)["normal_levels", "mixed_effects"] == "caution"


def test_where_people_do_not_differ_nothing_is_said_of_the_shape_of_their_levels() -> None:
    frame = silver_frames.modeling(people=100, person_sd=0.0, noise=0.3, null_share=0)
    # Weeks whose noise adds up to nothing leave less between people than chance would.
    noise = np.random.default_rng(3).normal(0, 1, (100, 4))
    frame[OUTCOME] += (noise - noise.mean(axis=1, keepdims=True)).ravel()
    trained = train(frame)
    assert trained.fits["mixed_effects"].details["intraclass_correlation"] < 1e-4
    found = diagnostics.residuals(regressions.of(trained).values())
    assert "normal_levels" not in {f.check for f in found}


def test_errors_of_the_mixed_model_that_are_too_small_are_named_with_their_factor() -> None:
    # A person's weeks move together by a slope that the model does not know.
    frame = silver_frames.modeling(people=120, weeks=8, noise=0.1, person_sd=0.1, null_share=0)
    own = np.random.default_rng(6).normal(0, 3, 120)[pd.factorize(frame["subject_id"])[0]]
    frame[OUTCOME] += own * (frame["potato_energy_share"] - 0.65)
    found = diagnostics.residuals(regressions.of(train(frame)).values())
    (told,) = [f for f in found if f.check == "own_errors"]
    assert told.verdict == "caution"
    assert told.value is not None
    assert told.value > 1.25
    assert "too narrow" in told.sentence


def test_the_mixed_models_own_errors_hold_where_its_assumptions_do() -> None:
    assert verdicts(silver_frames.modeling(people=200))["own_errors", "mixed_effects"] == "pass"


@pytest.mark.parametrize("slope", [None, "potato_energy_share"])
def test_decorrelated_columns_give_the_mixed_models_own_estimates_and_errors(slope: str | None) -> None:
    frame = silver_frames.modeling(people=80, weeks=6, null_share=0.1)
    own = np.random.default_rng(6).normal(0, 1, 80)[pd.factorize(frame["subject_id"])[0]]
    frame[OUTCOME] += own * (frame["potato_energy_share"].fillna(0.65) - 0.65)
    trained = models.train(
        frame,
        outcome=OUTCOME,
        covariates=list(TRUTH),
        controls=["study_week", "group"],
        random_slope=slope,
    )
    regression = regressions.of(trained, slope)["mixed_effects"]
    x, y = regressions.least_squares(regression)
    fit = regression.fit
    assert ("slope_variance" in fit.details) == (slope is not None)
    np.testing.assert_allclose(np.linalg.lstsq(x, y, rcond=None)[0], fit.params, rtol=1e-5, atol=1e-8)
    errors = np.sqrt(np.diag(np.linalg.inv(x.T @ x)))
    np.testing.assert_allclose(errors, np.sqrt(np.diag(fit.covariance)), rtol=1e-4)


def test_residuals_of_the_mixed_model_are_about_the_levels_that_statsmodels_predicts() -> None:
    from statsmodels.regression.mixed_linear_model import MixedLM

    regression = regressions.of(train(silver_frames.modeling(people=60, null_share=0.1)))["mixed_effects"]
    made = regression.design
    scaled = made.x / np.abs(made.x).max(axis=0)
    theirs = MixedLM(made.y, scaled, groups=made.subjects).fit(reml=True)
    np.testing.assert_allclose(regression.residuals, theirs.resid, atol=1e-4)


def test_clustered_errors_agree_with_statsmodels_up_to_its_factor_for_columns() -> None:
    regression: Regression = regressions.of(train(silver_frames.modeling()))["ols_cluster"]
    x, y, who = regression.design.x, regression.design.y, regression.subjects
    theirs = OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": who})
    n, k = x.shape
    ours = regressions.robust_covariance(x, regression.residuals, who) * (n - 1) / (n - k)
    np.testing.assert_allclose(ours, theirs.cov_params(), rtol=1e-6, atol=1e-12)


def test_too_few_weeks_to_judge_are_said_to_be_so() -> None:
    frame = silver_frames.modeling(people=8, weeks=3, null_share=0, groups=(None,))
    found = diagnostics.residuals(regressions.of(train(frame)).values())
    lacking = [f for f in found if f.check == "residuals_judged"]
    assert {f.model for f in lacking} == set(models.MODELS) & set(train(frame).fits)
    assert all("too few to judge" in f.sentence and f.verdict == "caution" for f in lacking)


def one_diary(weeks: int) -> dict[str, Regression]:
    return regressions.of(train(silver_frames.modeling(people=1, weeks=weeks, groups=(None,), null_share=0)))


def test_one_persons_weeks_are_judged_and_their_errors_allow_for_what_is_found() -> None:
    found = one_diary(200)
    assert set(found) == {"n_of_1"}
    checks = {f.check: f for f in diagnostics.residuals(found.values())}
    assert set(checks) == {"even_spread", "unrelated_weeks", "normal_residuals"}
    assert checks["normal_residuals"].sentence.endswith("an average over 200 weeks.")


def test_one_persons_related_weeks_are_found_and_are_no_caution() -> None:
    frame = silver_frames.modeling(people=1, weeks=200, groups=(None,), null_share=0, noise=0.1)
    found = regressions.of(train(shocked(frame, 0.8)))
    (told,) = [f for f in diagnostics.residuals(found.values()) if f.check == "unrelated_weeks"]
    assert told.value == pytest.approx(-0.5, abs=0.15)
    assert told.verdict == "pass"
    assert "its errors allow for it" in told.sentence

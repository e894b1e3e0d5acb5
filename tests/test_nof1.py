"""One person's weeks: the estimates, their errors against other implementations, and when there are none."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from potato import models, nof1
from potato.design import Array
from tests import silver_frames
from tests.silver_frames import TRUTH


def diary(weeks: int, seed: int = 1, gaps: float = 0.0) -> pd.DataFrame:
    """Return the modelling dataset of one person whose changes share a weigh-in with the next."""
    frame = silver_frames.modeling(people=1, weeks=weeks, seed=seed, groups=(None,), null_share=0, person_sd=0)
    shock = np.random.default_rng(seed).normal(0, 0.3, weeks + 1)
    frame["next_week_change_kg"] += 0.1 * frame["study_week"] + shock[1:] - shock[:-1]
    return frame[np.random.default_rng(seed + 1).random(weeks) >= gaps].reset_index(drop=True)


def train(frame: pd.DataFrame) -> models.Training:
    return models.train(frame, outcome="next_week_change_kg", covariates=list(TRUTH), controls=["study_week", "group"])


def newey_west(x: Array, residuals: Array, lags: int) -> Array:
    """Return the covariance of Newey and West (1987), equation 5, times n/(n-k)."""
    n, k = x.shape
    inverse = np.linalg.inv(x.T @ x)
    middle = np.zeros((k, k))
    for t in range(n):
        middle += residuals[t] ** 2 * np.outer(x[t], x[t])
    for lag in range(1, lags + 1):
        for t in range(lag, n):
            cross = residuals[t] * residuals[t - lag] * np.outer(x[t], x[t - lag])
            middle += (1 - lag / (lags + 1)) * (cross + cross.T)
    return inverse @ middle @ inverse * n / (n - k)


@pytest.mark.parametrize("weeks", [40, 150])
def test_errors_are_those_of_newey_and_west(weeks: int) -> None:
    trained = train(diary(weeks))
    fitted = trained.fits["n_of_1"]
    frame = trained.sample.frame
    x = np.column_stack([np.ones(weeks), *(frame[name] for name in fitted.terms[1:])])
    params = np.linalg.lstsq(x, frame["next_week_change_kg"].to_numpy(float), rcond=None)[0]
    np.testing.assert_allclose(fitted.params, params, rtol=1e-8)
    expected = newey_west(x, fitted.residuals, nof1.lags(weeks))
    np.testing.assert_allclose(fitted.covariance, expected, rtol=1e-6)
    assert fitted.df == weeks - len(fitted.terms)


def test_estimates_and_errors_are_those_of_pyfixest_and_linearmodels() -> None:
    trained = train(diary(120))
    ours = trained.coefficients.set_index("term")
    frame = trained.sample.frame.assign(who=1)
    right = [*TRUTH, "study_week"]
    n, k = len(frame), len(right) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyfixest
        from linearmodels.iv import IV2SLS

        keywords = {"time_id": "study_week", "lag": nof1.lags(n)}
        ssc = pyfixest.ssc(k_adj=True, G_adj=False)
        formula = f"next_week_change_kg ~ {' + '.join(right)}"
        fixest = pyfixest.feols(formula, frame, vcov="NW", vcov_kwargs=keywords, ssc=ssc).tidy()
        exogenous = frame[right].assign(constant=1.0)
        linear = IV2SLS(frame["next_week_change_kg"], exogenous, None, None).fit(
            cov_type="kernel", kernel="bartlett", bandwidth=nof1.lags(n), debiased=True
        )
    np.testing.assert_allclose(ours["estimate"], fixest.loc[ours.index, "Estimate"], rtol=1e-6)
    np.testing.assert_allclose(ours["estimate"], linear.params[ours.index], rtol=1e-6)
    np.testing.assert_allclose(ours["std_error"], linear.std_errors[ours.index], rtol=1e-6)
    # pyfixest's factor is (n-1)/(n-k), ours n/(n-k) as CORRECTION says.
    errors = fixest.loc[ours.index, "Std. Error"] * np.sqrt(n / (n - 1))
    np.testing.assert_allclose(ours["std_error"], errors, rtol=1e-6)
    assert k == len(trained.fits["n_of_1"].terms)


def test_one_person_has_this_model_alone_with_a_trend_in_place_of_levels() -> None:
    trained = train(diary(60))
    assert set(trained.fits) == {"n_of_1"}
    assert (trained.coefficients["n_subjects"] == 1).all()
    assert trained.sample.formula == f"next_week_change_kg ~ {' + '.join(TRUTH)} + study_week"
    assert "one_person" in {f.check for f in trained.findings}


def test_the_effects_that_made_a_long_diary_are_found() -> None:
    trained = train(diary(1500))
    found = trained.coefficients.set_index("term")
    off = (found["estimate"] - pd.Series(TRUTH)[found.index]) / found["std_error"]
    assert off.abs().max() < 3.5


def test_a_short_diary_has_no_estimate_and_says_from_when_on() -> None:
    trained = train(diary(nof1.MIN_WEEKS - 1))
    assert trained.coefficients.empty
    finding = next(f for f in trained.findings if f.model == "n_of_1")
    assert (finding.check, finding.verdict) == ("enough_weeks", "caution")
    assert (finding.value, finding.threshold) == (29.0, 30.0)
    assert set(train(diary(nof1.MIN_WEEKS)).fits) == {"n_of_1"}


def test_two_people_have_no_model_of_one() -> None:
    trained = train(silver_frames.modeling(people=2, weeks=60, null_share=0))
    assert trained.coefficients.empty
    assert "n_of_1" not in {f.model for f in trained.findings}


def test_gaps_in_a_diary_are_counted_and_many_call_for_caution() -> None:
    few, many = (next(f for f in train(diary(100, gaps=gaps)).findings if f.check == "gaps") for gaps in (0.1, 0.5))
    assert (few.verdict, many.verdict) == ("pass", "caution")
    assert many.value == pytest.approx(0.5, abs=0.15)


def test_what_a_person_never_changed_and_what_can_not_be_told_apart_have_no_estimate() -> None:
    frame = diary(60).assign(potato_energy_share=1.0)
    frame["fiber_g_per_1000_kcal"] = frame["energy_kcal_per_day"] / 200
    trained = train(frame)
    assert trained.coefficients.empty
    checks = {f.check for f in trained.findings}
    assert {"covariate_varies", "collinearity"} <= checks


@pytest.mark.parametrize(("n", "lag"), [(30, 3), (50, 3), (100, 4), (300, 5), (520, 5)])
def test_the_lag_follows_the_rule_of_thumb(n: int, lag: int) -> None:
    assert nof1.lags(n) == lag

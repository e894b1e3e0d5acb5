"""The mixed model where it is on a bound or can't be told, and on scales that optimisers dislike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from potato import design, diet_narrative, mixed, models
from potato.design import Finding
from potato.fits import Fit
from tests import silver_frames
from tests.agreement_data import panel
from tests.silver_frames import TRUTH


def panel_of(level: float, slope: float, together: float, people: int = 60, weeks: int = 8) -> pd.DataFrame:
    """Return people with levels and slopes of x with these standard deviations and this correlation."""
    random = np.random.default_rng(12)
    normal = random.normal(size=(people, 2))
    own = np.column_stack(
        [level * normal[:, 0], slope * (together * normal[:, 0] + np.sqrt(1 - together**2) * normal[:, 1])]
    )
    who = np.repeat(np.arange(people), weeks)
    x = random.normal(size=people * weeks)
    y = 1 + 0.5 * x + own[who, 0] + own[who, 1] * x + random.normal(0, 1, people * weeks)
    return pd.DataFrame({"subject_id": who, "x": x, "y": y})


def fit(frame: pd.DataFrame, slope: str | None = "x") -> tuple[Fit, dict[str, Finding]]:
    fitted, findings = mixed.mixed_effects(design.sample(frame, "y", ["x"]), slope)
    return fitted, {finding.check: finding for finding in findings}


def test_the_variances_that_made_the_data_are_found() -> None:
    fitted, findings = fit(panel_of(0.8, 0.6, 0.5, people=800))
    assert {name: found.verdict for name, found in findings.items()} == {"random_slope": "pass"}
    assert fitted.details["group_variance"] == pytest.approx(0.64, rel=0.15)
    assert fitted.details["slope_variance"] == pytest.approx(0.36, rel=0.15)
    assert fitted.details["intercept_slope_correlation"] == pytest.approx(0.5, abs=0.1)
    assert fitted.details["residual_variance"] == pytest.approx(1, rel=0.1)


def test_people_who_do_not_differ_are_a_finding_and_the_estimates_are_those_of_least_squares() -> None:
    data = panel("no differences")
    sample = design.sample(data.frame, data.outcome, data.covariates, data.controls)
    fitted, findings = mixed.mixed_effects(sample)
    assert [(f.check, f.verdict) for f in findings] == [("random_intercept", "caution")]
    assert fitted.details["group_variance"] < 1e-9
    pooled = models.ols_cluster(sample)[0]
    np.testing.assert_allclose(fitted.params, pooled.params, rtol=1e-8)


def test_an_effect_that_does_not_differ_between_people_is_a_finding() -> None:
    frame = panel_of(0.8, 0.0, 0.0)
    # Slopes that differ less than chance would have it.
    means = frame.groupby("subject_id")[["x", "y"]].transform("mean")
    inside = frame[["x", "y"]] - means
    own = (inside["x"] * inside["y"]).groupby(frame["subject_id"]).transform("sum")
    own /= (inside["x"] ** 2).groupby(frame["subject_id"]).transform("sum")
    frame["y"] += 0.6 * (own.mean() - own) * inside["x"]
    fitted, findings = fit(frame)
    assert set(findings) <= {"random_slope", "random_correlation"}
    assert findings
    assert np.isfinite(fitted.covariance).all()


def test_a_level_and_a_slope_that_go_together_are_a_finding_with_estimates() -> None:
    fitted, findings = fit(panel_of(1.0, 0.4, 1.0, people=12, weeks=5))
    assert findings["random_correlation"].verdict == "caution"
    assert abs(fitted.details["intercept_slope_correlation"]) == pytest.approx(1, abs=1e-4)
    assert np.isfinite(fitted.covariance).all()


def test_a_random_slope_is_the_same_on_any_scale_of_its_covariate() -> None:
    frame = panel_of(0.8, 0.6, 0.3)
    plain, _ = fit(frame)
    far, _ = fit(frame.assign(x=1e5 + 1e3 * frame["x"]))
    at = plain.terms.index("x")
    assert far.params[at] * 1e3 == pytest.approx(plain.params[at], rel=1e-6)
    assert far.covariance[at, at] * 1e6 == pytest.approx(plain.covariance[at, at], rel=1e-6)
    assert far.details["slope_variance"] * 1e6 == pytest.approx(plain.details["slope_variance"], rel=1e-5)
    # The level is that at a covariate of zero, which is a hundred standard deviations away now.
    level, slope = plain.details["group_variance"], plain.details["slope_variance"]
    expected = level - 2 * 100 * plain.details["intercept_slope_covariance"] + 100**2 * slope
    assert far.details["group_variance"] == pytest.approx(expected, rel=1e-5)


def test_two_weeks_a_person_carry_no_slope_of_their_own() -> None:
    with pytest.raises(ArithmeticError, match="more than two weeks a person"):
        fit(panel_of(0.8, 0.6, 0.3, weeks=2))
    with pytest.raises(ArithmeticError, match="more than one week a person"):
        fit(panel_of(0.8, 0.6, 0.3, weeks=1), None)


def test_what_differs_between_people_is_said_with_its_formula_and_passes() -> None:
    frame = silver_frames.modeling(people=80, weeks=8, null_share=0)
    own = pd.Series(np.random.default_rng(5).normal(0, 1.5, 80), sorted(frame["subject_id"].unique()))
    share = "potato_energy_share"
    frame["next_week_change_kg"] += frame["subject_id"].map(own) * (frame[share] - 0.65)
    options = {"covariates": list(TRUTH), "controls": ["study_week"], "random_slope": share}
    trained = models.train(frame, outcome="next_week_change_kg", **options)  # type: ignore[arg-type]
    (told,) = [f for f in trained.findings if f.check == "random_slope"]
    assert told.verdict == "pass"
    assert told.value == pytest.approx(1.5, rel=0.2)
    text = diet_narrative.models(trained, pd.DataFrame(), "", 0.95, share)["slope"]
    assert "(1 + potato_energy_share | subject_id)`" in text
    assert f"standard deviation of {told.value / 10:.3f} kg per 10 percentage points" in text
    assert diet_narrative.models(trained, pd.DataFrame(), "", 0.95)["slope"] == ""


def test_a_random_slope_of_what_was_not_recorded_is_a_finding_and_people_keep_their_levels() -> None:
    data = panel("missing")
    frame = data.frame.assign(potato_energy_share=np.nan)
    options = {"covariates": list(TRUTH), "controls": ["study_week"], "random_slope": "potato_energy_share"}
    trained = models.train(frame, outcome=data.outcome, **options)  # type: ignore[arg-type]
    assert ("random_slope", "mixed_effects") in {(f.check, f.model) for f in trained.findings}
    assert "slope_variance" not in trained.fits["mixed_effects"].details
    assert models.formula("mixed_effects", trained.sample, "potato_energy_share").endswith("+ (1 | subject_id)")


def test_a_fit_that_does_not_come_to_rest_is_left_out_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed, "_STILL", -1.0)  # no point is low enough
    data = panel("missing")
    trained = models.train(data.frame, outcome=data.outcome, covariates=list(TRUTH), controls=["study_week"])
    assert set(trained.fits) == {"ols_cluster", "fixed_effects"}
    told = [f.sentence for f in trained.findings if (f.check, f.model) == ("converged", "mixed_effects")]
    assert told == ["Mixed model gave no trustworthy estimate (the optimisers did not converge): it is left out."]

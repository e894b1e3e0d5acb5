"""The models against known truth, and against data that they can't carry."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from potato import associations, models, results, trajectories
from potato.errors import PotatoError
from potato.models import Training
from tests import silver_frames
from tests.silver_frames import TRUTH

COVARIATES = list(TRUTH)
CONTROLS = ["study_week", "group"]


def train(frame: pd.DataFrame, **options: object) -> Training:
    settings: dict[str, object] = {"covariates": COVARIATES, "controls": CONTROLS}
    return models.train(frame, outcome="next_week_change_kg", **(settings | options))  # type: ignore[arg-type]


def estimates(training: Training, model: str) -> pd.DataFrame:
    rows = training.coefficients[training.coefficients["model"] == model]
    return rows.set_index("term").loc[COVARIATES]


def checks(training: Training) -> set[tuple[str, str]]:
    return {(finding.check, finding.model) for finding in training.findings}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    # Uneven: some weeks lack a diary, and one person has a single week.
    made = silver_frames.modeling(people=45, null_share=0.15)
    return made[(made["subject_id"] != "s007") | (made["study_week"] == 1)].reset_index(drop=True)


@pytest.fixture(scope="module")
def training(frame: pd.DataFrame) -> Training:
    return train(frame)


def test_the_intercept_within_people_is_zero_by_construction_and_no_estimate(training: Training) -> None:
    for model, has in (("ols_cluster", True), ("fixed_effects", False), ("mixed_effects", True)):
        table = training.fits[model].coefficients(0.95, all_terms=True)
        assert ("intercept" in set(table["term"])) is has


def test_every_model_finds_the_effects_that_made_the_data() -> None:
    trained = train(silver_frames.modeling(people=400, weeks=6, noise=0.2))
    for model in models.MODELS:
        found = estimates(trained, model)
        off = (found["estimate"] - pd.Series(TRUTH)) / found["std_error"]
        assert off.abs().max() < 3.5, model


def test_units_are_those_of_the_data_dictionary(training: Training) -> None:
    units = estimates(training, "mixed_effects")["unit"]
    assert units["energy_kcal_per_day"] == "kg per week per kcal/day"
    assert units["fiber_g_per_1000_kcal"] == "kg per week per g/1000 kcal"


def test_estimates_do_not_depend_on_the_order_of_rows(frame: pd.DataFrame, training: Training) -> None:
    shuffled = train(frame.sample(frac=1, random_state=3))
    pd.testing.assert_frame_equal(shuffled.coefficients, training.coefficients, check_exact=True)


def test_rows_without_intake_are_dropped_and_counted(frame: pd.DataFrame, training: Training) -> None:
    gone = int(frame[COVARIATES].isna().any(axis=1).sum())
    assert gone > 0
    assert training.sample.n_dropped == gone
    assert (estimates(training, "ols_cluster")["n_obs"] == len(frame) - gone).all()


def test_a_person_with_one_week_counts_in_no_comparison_within_people(training: Training) -> None:
    assert ("single_weeks", "fixed_effects") in checks(training)
    within, pooled = estimates(training, "fixed_effects"), estimates(training, "ols_cluster")
    assert (within["n_subjects"] < pooled["n_subjects"]).all()


def test_a_study_with_one_group_drops_the_group_and_says_so() -> None:
    trained = train(silver_frames.modeling(groups=("Everyone",)))
    assert ("control_varies", "all") in checks(trained)
    assert trained.sample.controls == ("study_week",)
    assert set(trained.fits) == set(models.MODELS)


def test_a_study_without_groups_is_modelled() -> None:
    trained = train(silver_frames.modeling(groups=(None,)))
    assert set(trained.fits) == set(models.MODELS)


def test_a_study_without_intake_has_no_estimates_and_one_reason() -> None:
    empty = silver_frames.modeling()
    empty[COVARIATES] = np.nan
    trained = train(empty)
    assert trained.coefficients.empty
    assert list(trained.coefficients.columns) == list(results.COEFFICIENTS.names)
    assert ("intake_recorded", "all") in checks(trained)


def test_an_empty_dataset_is_no_crash() -> None:
    assert train(silver_frames.modeling().iloc[:0]).coefficients.empty


def test_too_few_people_leave_every_model_out() -> None:
    trained = train(silver_frames.modeling(people=4, weeks=12, null_share=0))
    assert trained.coefficients.empty
    assert {("enough_people", model) for model in models.MODELS} <= checks(trained)


def test_too_few_weeks_leave_a_model_out() -> None:
    trained = train(silver_frames.modeling(people=6, weeks=1, null_share=0))
    assert ("enough_people", "fixed_effects") in checks(trained)
    assert ("enough_weeks", "ols_cluster") in checks(trained)


@pytest.mark.parametrize("model", list(models.MODELS))
def test_two_covariates_that_are_one_are_left_out_and_the_third_is_not(model: str) -> None:
    frame = silver_frames.modeling()
    frame["fiber_g_per_1000_kcal"] = 3 * frame["energy_kcal_per_day"] - 200
    trained = train(frame)
    rows = trained.coefficients[trained.coefficients["model"] == model]
    assert list(rows["term"]) == ["potato_energy_share"]
    assert ("collinearity", model) in checks(trained)
    alone = train(frame, covariates=["potato_energy_share", "energy_kcal_per_day"])
    expected = alone.coefficients.query("model == @model and term == 'potato_energy_share'")
    np.testing.assert_allclose(rows["estimate"], expected["estimate"], rtol=1e-5)


def test_covariates_that_are_one_but_for_rounding_are_left_out_by_every_model() -> None:
    frame = silver_frames.modeling(people=40, weeks=6)
    noise = np.random.default_rng(1).normal(0, 1e-6, len(frame))
    frame["fiber_g_per_1000_kcal"] = frame["energy_kcal_per_day"] / 150 * (1 + noise)
    trained = train(frame)
    for model in models.MODELS:
        rows = trained.coefficients[trained.coefficients["model"] == model]
        assert list(rows["term"]) == ["potato_energy_share"], model
        assert ("collinearity", model) in checks(trained)


def test_what_does_not_vary_within_people_has_no_within_estimate() -> None:
    frame = silver_frames.modeling(null_share=0)
    frame["fiber_g_per_1000_kcal"] = frame.groupby("subject_id")["fiber_g_per_1000_kcal"].transform("first")
    trained = train(frame)
    terms = trained.coefficients.groupby("model")["term"].agg(set)
    assert "fiber_g_per_1000_kcal" not in terms["fixed_effects"]
    assert "fiber_g_per_1000_kcal" in terms["ols_cluster"]
    assert ("varies_within_people", "fixed_effects") in checks(trained)


def test_what_varies_within_too_few_people_has_no_within_estimate() -> None:
    frame = silver_frames.modeling(null_share=0)
    varies = frame["subject_id"].isin(["s003", "s017"])
    frame["potato_energy_share"] = frame["potato_energy_share"].where(varies, 1.0)
    trained = train(frame)
    assert ("varies_within_few", "fixed_effects") in checks(trained)
    assert "potato_energy_share" not in set(trained.coefficients.query("model == 'fixed_effects'")["term"])
    sentence = next(f.sentence for f in trained.findings if f.check == "varies_within_few")
    assert sentence.startswith("Energy from potatoes varies within 2 people only")


def test_what_only_one_person_has_leaves_no_clustered_error_to_trust() -> None:
    frame = silver_frames.modeling(null_share=0)
    frame["fat_g_per_day"] = (frame["subject_id"] == "s000").astype(float)
    trained = train(frame, covariates=["fat_g_per_day"], controls=[])
    assert ("rests_on_one", "ols_cluster") in checks(trained)
    assert "ols_cluster" not in trained.fits


def test_an_outcome_that_is_explained_to_the_last_digit_has_no_estimate() -> None:
    frame = silver_frames.modeling(null_share=0)
    frame["next_week_change_kg"] = 0.001 * frame["energy_kcal_per_day"] - 2
    trained = train(frame)
    assert trained.coefficients.empty
    assert {("converged", model) for model in models.MODELS} <= checks(trained)


def test_a_numeric_control_is_held_equal_and_not_reported() -> None:
    frame = silver_frames.modeling(people=60)
    frame["next_week_change_kg"] += 0.05 * frame["protein_g_per_day"]
    random = np.random.default_rng(1).normal(0, 20, len(frame))
    frame["protein_g_per_day"] += random
    frame["next_week_change_kg"] += 0.05 * random
    trained = train(frame, numeric_controls=["protein_g_per_day"])
    assert set(trained.coefficients["term"]) == set(COVARIATES)
    for fitted in trained.fits.values():
        assert fitted.params[fitted.terms.index("protein_g_per_day")] == pytest.approx(0.05, rel=0.05)
    assert trained.sample.formula.endswith("C(study_week) + C(group) + protein_g_per_day")


def test_infinite_values_count_as_missing() -> None:
    frame = silver_frames.modeling(null_share=0)
    frame.loc[3, "potato_energy_share"] = np.inf
    trained = train(frame)
    assert trained.sample.missing == {"potato_energy_share": 1}
    assert np.isfinite(trained.coefficients["estimate"]).all()


def test_a_column_that_a_frame_lacks_is_told_with_its_nearest(frame: pd.DataFrame) -> None:
    with pytest.raises(PotatoError, match="no column potato_energy") as caught:
        models.fit("ols_cluster", frame, outcome="next_week_change_kg", covariates=["potato_energy"])
    assert caught.value.nearest == "potato_energy_share"
    with pytest.raises(PotatoError, match="no model ols") as caught:
        models.fit("ols", frame, outcome="next_week_change_kg", covariates=COVARIATES)
    assert "fixed_effects" in str(caught.value.expected)


def test_a_constant_covariate_is_a_finding() -> None:
    frame = silver_frames.modeling()
    frame["potato_energy_share"] = 1.0
    trained = train(frame)
    assert ("covariate_varies", "all") in checks(trained)
    assert "potato_energy_share" not in set(trained.coefficients["term"])


def test_a_wider_confidence_gives_wider_intervals(frame: pd.DataFrame, training: Training) -> None:
    wide = train(frame, confidence=0.99).coefficients
    assert (wide["conf_low"] < training.coefficients["conf_low"]).all()
    np.testing.assert_allclose(wide["estimate"], training.coefficients["estimate"])


def test_spearman_counts_people_and_not_weeks(frame: pd.DataFrame) -> None:
    from scipy import stats

    table = associations.spearman(frame, "next_week_change_kg", ["potato_energy_share"])
    people = frame.dropna(subset=["potato_energy_share"]).groupby("subject_id")
    means = people[["potato_energy_share", "next_week_change_kg"]].mean()
    expected = stats.spearmanr(means["potato_energy_share"], means["next_week_change_kg"])
    assert table.loc[0, "n"] == len(means)
    assert table.loc[0, "estimate"] == pytest.approx(expected.statistic)
    assert table.loc[0, "p_value"] == pytest.approx(expected.pvalue)


def test_mann_whitney_estimates_the_shift_between_groups() -> None:
    random = np.random.default_rng(5)
    people = pd.DataFrame({"group": ["a"] * 60 + ["b"] * 60, "change_kg": random.normal(0, 1, 120)})
    people.loc[people["group"] == "a", "change_kg"] -= 2.0
    table = associations.mann_whitney(people, "change_kg", ["a", "b"])
    assert table.loc[0, "estimate"] == pytest.approx(-2.0, abs=0.5)
    assert table.loc[0, "sentence"].startswith("A person of “a” typically lost")


def test_holm_adjusts_as_statsmodels_does(frame: pd.DataFrame) -> None:
    from statsmodels.stats.multitest import multipletests

    variables = [name for name in frame if name.startswith("entries_")]
    table = associations.spearman(frame, "next_week_change_kg", variables)
    np.testing.assert_allclose(table["p_holm"], multipletests(table["p_value"], method="holm")[1])


def test_condition_slopes_are_those_of_the_data() -> None:
    truth = {"control": -0.2, "diet": -0.5, "activity": 0.0}
    slopes = trajectories.person_slopes(silver_frames.trajectories(people=60, conditions=truth))
    table = trajectories.condition_slopes(slopes, 0.95).set_index("condition")
    assert list(table.index) == list(truth)
    np.testing.assert_allclose(table["mean"], list(truth.values()), atol=0.06)


def test_a_change_needs_two_weigh_ins() -> None:
    weights = silver_frames.trajectories(people=3, weeks=1)
    weights.loc[weights["subject_id"] == "s001", "n_weights"] = 1
    changes = trajectories.people(weights).set_index("subject_id")["change_kg"]
    assert np.isnan(changes["s001"])
    assert not np.isnan(changes["s000"])


def test_a_weight_that_never_changes_gives_a_finding_and_no_estimate() -> None:
    frame = silver_frames.modeling(people=12).assign(next_week_change_kg=0.0)
    training = train(frame)
    assert len(training.coefficients) == 0
    assert ("outcome_varies", "all") in checks(training)

"""The models against other implementations, against known truth, and against data that they can't carry."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from potato import associations, models, results, trajectories
from potato.models import Training
from tests import silver_frames
from tests.silver_frames import TRUTH

COVARIATES = list(TRUTH)
CONTROLS = ["study_week", "group"]
FORMULA = f"next_week_change_kg ~ {' + '.join(COVARIATES)} + C(study_week)"


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


def pyfixest_fit(formula: str, data: pd.DataFrame) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyfixest

        fit = pyfixest.feols(formula, data, vcov={"CRV1": "subject_id"})
        return fit.tidy().loc[COVARIATES]


def test_pooled_estimates_and_clustered_errors_agree_with_pyfixest(training: Training) -> None:
    theirs = pyfixest_fit(f"{FORMULA} + C(group)", training.sample.frame)
    ours = estimates(training, "ols_cluster")
    np.testing.assert_allclose(ours["estimate"], theirs["Estimate"], rtol=1e-6)
    np.testing.assert_allclose(ours["std_error"], theirs["Std. Error"], rtol=1e-6)
    np.testing.assert_allclose(ours["p_value"], theirs["Pr(>|t|)"], rtol=1e-6)
    np.testing.assert_allclose(ours["conf_low"], theirs["2.5%"], rtol=1e-6)


def test_within_estimates_and_clustered_errors_agree_with_pyfixest(training: Training) -> None:
    theirs = pyfixest_fit(f"{FORMULA} | subject_id", training.sample.within().frame)
    ours = estimates(training, "fixed_effects")
    np.testing.assert_allclose(ours["estimate"], theirs["Estimate"], rtol=1e-6)
    np.testing.assert_allclose(ours["std_error"], theirs["Std. Error"], rtol=1e-6)
    np.testing.assert_allclose(ours["p_value"], theirs["Pr(>|t|)"], rtol=1e-6)
    np.testing.assert_allclose(ours["conf_high"], theirs["97.5%"], rtol=1e-6)


def test_within_errors_agree_with_linearmodels_under_the_same_correction(training: Training) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from linearmodels import PanelOLS

        data = training.sample.within().frame
        weeks = {f"week {w}": (data["study_week"] == w).astype(float) for w in (2, 3, 4)}
        panel = data.assign(**weeks).set_index(["subject_id", "study_week"])
        regressors = panel[[*COVARIATES, *weeks]]
        theirs = PanelOLS(panel["next_week_change_kg"], regressors, entity_effects=True).fit(
            cov_type="clustered", cluster_entity=True, debiased=False, group_debias=True
        )
    ours = estimates(training, "fixed_effects")
    # Without its debiasing linearmodels uses G/(G-1) x (N-1)/N; ours, as CORRECTION says, uses
    # G/(G-1) x (N-1)/(N-K), where K also counts the intercept.
    n, k = len(data), len(regressors.columns) + 1
    np.testing.assert_allclose(ours["estimate"], theirs.params[COVARIATES], rtol=1e-6)
    expected = theirs.std_errors[COVARIATES] * np.sqrt(n / (n - k))
    np.testing.assert_allclose(ours["std_error"], expected, rtol=1e-6)


def test_the_mixed_model_agrees_with_statsmodels_own_formula_interface(training: Training) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import statsmodels.formula.api as smf

        data = training.sample.frame
        # The same model on another scale of the covariates, which the optimiser can also cope with.
        rescaled = data.assign(energy_kcal_per_day=data["energy_kcal_per_day"] / 1000)
        theirs = smf.mixedlm(f"{FORMULA} + C(group)", rescaled, groups="subject_id").fit(reml=True)
    ours = estimates(training, "mixed_effects")
    unit = np.array([1, 1, 1000])
    np.testing.assert_allclose(ours["estimate"] * unit, theirs.fe_params[COVARIATES], rtol=1e-4)


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


def test_what_does_not_vary_within_people_has_no_within_estimate() -> None:
    frame = silver_frames.modeling(null_share=0)
    frame["fiber_g_per_1000_kcal"] = frame.groupby("subject_id")["fiber_g_per_1000_kcal"].transform("first")
    trained = train(frame)
    terms = trained.coefficients.groupby("model")["term"].agg(set)
    assert "fiber_g_per_1000_kcal" not in terms["fixed_effects"]
    assert "fiber_g_per_1000_kcal" in terms["ols_cluster"]
    assert ("varies_within_people", "fixed_effects") in checks(trained)


def test_a_constant_covariate_is_a_finding() -> None:
    frame = silver_frames.modeling()
    frame["potato_energy_share"] = 1.0
    trained = train(frame)
    assert ("covariate_varies", "all") in checks(trained)
    assert "potato_energy_share" not in set(trained.coefficients["term"])


def test_people_without_usual_differences_are_a_caution_and_no_crash() -> None:
    frame = silver_frames.modeling(person_sd=0, null_share=0)
    centred = frame["next_week_change_kg"] - frame.groupby("subject_id")["next_week_change_kg"].transform("mean")
    trained = train(frame.assign(next_week_change_kg=centred))
    cautions = {(f.check, f.verdict) for f in trained.findings if f.model == "mixed_effects"}
    assert ("random_intercept", "caution") in cautions or ("converged", "caution") in cautions
    assert np.isfinite(trained.coefficients["std_error"]).all()


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

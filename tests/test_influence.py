"""What one person does to the estimates: the closed form against refits, and what is said of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from potato import influence, models, regressions, results
from potato.models import Training
from tests import silver_frames
from tests.silver_frames import TRUTH

OUTCOME = "next_week_change_kg"


def train(frame: pd.DataFrame) -> Training:
    return models.train(frame, outcome=OUTCOME, covariates=list(TRUTH), controls=["study_week", "group"])


def refitted(frame: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return the estimates of `model` without each person, by fitting it again to the others' rows."""
    rows = []
    for who in frame["subject_id"].unique():
        others = frame[frame["subject_id"] != who]
        fit = models.fit(model, others, outcome=OUTCOME, covariates=list(TRUTH), controls=["study_week", "group"])
        rows += [(term, who, fit.params[fit.terms.index(term)]) for term in fit.reported]
    return pd.DataFrame(rows, columns=["term", "subject_id", "estimate"]).set_index(["term", "subject_id"])["estimate"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    # People with different numbers of weeks, one of them the only one with a sixth.
    rows = silver_frames.modeling(people=25, weeks=6, null_share=0.15)
    return rows[(rows["study_week"] < 6) | (rows["subject_id"] == "s003")].reset_index(drop=True)


@pytest.fixture(scope="module")
def training(frame: pd.DataFrame) -> Training:
    return train(frame)


@pytest.fixture(scope="module")
def moved(training: Training) -> pd.DataFrame:
    return influence.table(regressions.of(training))


def without(moved: pd.DataFrame, model: str) -> pd.Series:
    return moved[moved["model"] == model].set_index(["term", "subject_id"])["estimate_without"]


@pytest.mark.parametrize("model", ["ols_cluster", "fixed_effects"])
def test_least_squares_without_a_person_are_exactly_those_of_a_refit(
    model: str, frame: pd.DataFrame, moved: pd.DataFrame
) -> None:
    theirs, ours = refitted(frame, model), without(moved, model)
    assert set(ours.index) == set(theirs.index)
    pd.testing.assert_series_equal(ours, theirs.reindex(ours.index), rtol=1e-9, check_names=False)


def test_the_mixed_model_without_a_person_is_nearly_that_of_a_refit(
    frame: pd.DataFrame, training: Training, moved: pd.DataFrame
) -> None:
    ours, theirs = without(moved, "mixed_effects"), refitted(frame, "mixed_effects")
    table = training.coefficients[training.coefficients["model"] == "mixed_effects"].set_index("term")
    error, whole = (ours.index.get_level_values("term").map(table[c]) for c in ("std_error", "estimate"))
    gap = (ours - theirs.reindex(ours.index)) / error.to_numpy()
    shift = (theirs.reindex(ours.index) - whole.to_numpy()) / error.to_numpy()
    # A refit estimates the variances again: that moves estimates far less than the person does.
    assert gap.abs().max() < 0.3
    assert gap.abs().mean() < 0.1 * shift.abs().mean()


def test_a_dfbeta_of_the_mixed_model_is_the_shift_in_its_standard_errors(
    training: Training, moved: pd.DataFrame
) -> None:
    rows = moved.merge(training.coefficients, on=["model", "term"])
    rows = rows[rows["model"] == "mixed_effects"]
    expected = (rows["estimate"] - rows["estimate_without"]) / rows["std_error"]
    pd.testing.assert_series_equal(rows["dfbeta"], expected, check_names=False)


@pytest.mark.parametrize("model", ["ols_cluster", "fixed_effects"])
def test_a_dfbeta_is_nearly_the_shift_in_the_errors_that_a_refit_has(model: str) -> None:
    frame = silver_frames.modeling(people=60, null_share=0)
    moved = influence.table(regressions.of(train(frame)))
    for who in ("s003", "s010", "s044"):
        refit = train(frame[frame["subject_id"] != who]).coefficients
        error = refit[refit["model"] == model].set_index("term")["std_error"]
        rows = moved[(moved["model"] == model) & (moved["subject_id"] == who)].set_index("term")
        estimate = train(frame).coefficients.query("model == @model").set_index("term")["estimate"]
        expected = (estimate - rows["estimate_without"]) / error
        np.testing.assert_allclose(rows["dfbeta"], expected[rows.index], rtol=0.1)


def test_the_table_has_every_person_of_every_model_once(training: Training, moved: pd.DataFrame) -> None:
    assert list(moved.columns) == results.INFLUENCE.names
    assert not moved.duplicated(["model", "term", "subject_id"]).any()
    for model, fit in training.fits.items():
        assert (moved["model"] == model).sum() == fit.n_subjects * len(fit.reported)


def test_a_person_with_more_weeks_than_the_model_has_columns_is_left_out_exactly() -> None:
    rows = silver_frames.modeling(people=8, weeks=30, groups=(None,), null_share=0)
    options = {"outcome": OUTCOME, "covariates": list(TRUTH), "controls": ["group"]}
    trained = models.train(rows, **options)  # type: ignore[arg-type]
    table = influence.table(regressions.of(trained))
    ours = without(table, "fixed_effects")
    for who in rows["subject_id"].unique():
        refit = models.train(rows[rows["subject_id"] != who], **options).fits["fixed_effects"]  # type: ignore[arg-type]
        theirs = dict(zip(refit.terms, refit.params, strict=True))
        for term in TRUTH:
            assert ours[term, who] == pytest.approx(theirs[term], rel=1e-9)


def only_one_varies(frame: pd.DataFrame) -> pd.DataFrame:
    """Let a single person eat potatoes in varying shares."""
    share = frame["potato_energy_share"].where(frame["subject_id"] == "s005", 0.5)
    return frame.assign(potato_energy_share=share)


def test_an_effect_that_one_person_alone_tells_is_said_to_rest_on_that_person() -> None:
    # Before it is judged how many people tell what: the estimates of such an effect are left out.
    sample = train(only_one_varies(silver_frames.modeling(people=20, null_share=0))).sample
    fits = {name: fit(sample)[0] for name, fit in models.MODELS.items()}
    found = {name: regressions.beside(fit, sample) for name, fit in fits.items()}
    table = influence.table(found)
    lost = table[table["estimate_without"].isna()]
    assert set(lost["subject_id"]) == {"s005"}
    assert set(lost["term"]) == {"potato_energy_share"}
    told = [f for f in influence.findings(table, found.values()) if f.model in set(lost["model"])]
    assert told
    for finding in told:
        assert finding.verdict == "caution"
        assert "it rests on one person" in finding.sentence
        assert "“s005”" in finding.sentence


def test_one_enormous_value_leaves_what_is_said_of_the_other_covariates_to_a_refit() -> None:
    frame = silver_frames.modeling(null_share=0)
    frame.loc[0, "energy_kcal_per_day"] = 1e6
    trained = train(frame)
    moved = influence.table(regressions.of(trained))
    for model in ("ols_cluster", "fixed_effects"):
        ours = without(moved, model)
        others = frame[frame["subject_id"] != "s000"]
        refit = models.fit(model, others, outcome=OUTCOME, covariates=list(TRUTH), controls=["study_week", "group"])
        for term in ("potato_energy_share", "fiber_g_per_1000_kcal"):
            assert ours[term, "s000"] == pytest.approx(refit.params[refit.terms.index(term)], rel=1e-6), (model, term)


def one_against_all(frame: pd.DataFrame, size: float) -> pd.DataFrame:
    """Let one person's weight answer to potatoes by `size` kg a week more than that of the others."""
    change = frame[OUTCOME] + size * (frame["potato_energy_share"] - 0.65) * (frame["subject_id"] == "s007")
    return frame.assign(**{OUTCOME: change})


def verdict(frame: pd.DataFrame) -> dict[str, tuple[str, str]]:
    found = regressions.of(train(frame))
    return {f.model: (f.verdict, f.sentence) for f in influence.findings(influence.table(found), found.values())}


def test_a_person_who_moves_an_estimate_by_an_error_is_named() -> None:
    told = verdict(one_against_all(silver_frames.modeling(people=30, null_share=0), 12))
    assert told["fixed_effects"][0] == "caution"
    assert "Without “s007” the estimate of" in told["fixed_effects"][1]


def test_nobody_is_named_where_people_are_alike() -> None:
    told = verdict(silver_frames.modeling(people=150))
    assert {v for v, _ in told.values()} == {"pass"}
    assert all("every direction stays" in text for _, text in told.values())


def test_a_direction_that_one_person_turns_is_a_caution_however_small_the_move() -> None:
    frame = silver_frames.modeling(people=150, null_share=0)
    trained = train(frame)
    fit = trained.fits["ols_cluster"]
    place = fit.terms.index("energy_kcal_per_day")
    # Without the effect that was found, the rest is nothing: each person's share decides the sign.
    flat = frame.assign(**{OUTCOME: frame[OUTCOME] - 0.999 * fit.params[place] * frame["energy_kcal_per_day"]})
    found = {"ols_cluster": regressions.of(train(flat))["ols_cluster"]}
    (finding,) = influence.findings(influence.table(found), found.values())
    assert finding.verdict == "caution"
    assert "The direction of energy hangs on single people" in finding.sentence
    assert finding.value is not None
    assert finding.value < 1


def test_the_mixed_model_says_that_its_variances_were_held() -> None:
    assert "variances held" in verdict(silver_frames.modeling(people=150))["mixed_effects"][1]


def test_an_estimate_moves_by_the_share_of_a_persons_rows_in_a_mean() -> None:
    # Of a mean, what leaving out one of n equal values does is known: (mean - value) / (n - 1).
    y = np.array([1.0, 2.0, 4.0, 9.0])
    moved = influence.shifts(np.ones((4, 1)), y, np.array([y.mean()]), np.arange(4))
    np.testing.assert_allclose(moved[:, 0], (y - y.mean()) / 3)


def test_what_is_said_does_not_depend_on_the_scale_of_a_covariate(frame: pd.DataFrame, moved: pd.DataFrame) -> None:
    scaled = frame.assign(energy_kcal_per_day=frame["energy_kcal_per_day"] * 1e6)
    again = influence.table(regressions.of(train(scaled)))
    np.testing.assert_allclose(again["dfbeta"], moved["dfbeta"], rtol=1e-5, atol=1e-7)


def test_a_mixed_model_with_a_random_slope_is_held_against_refits_too() -> None:
    frame = silver_frames.modeling(people=30, weeks=8, null_share=0)
    own = np.random.default_rng(6).normal(0, 1, 30)[pd.factorize(frame["subject_id"])[0]]
    frame[OUTCOME] += own * (frame["potato_energy_share"] - 0.65)
    options = {"outcome": OUTCOME, "covariates": list(TRUTH), "controls": ["group"]}
    slope = "potato_energy_share"
    whole = models.train(frame, random_slope=slope, **options)  # type: ignore[arg-type]
    ours = without(influence.table(regressions.of(whole, slope)), "mixed_effects")
    error = whole.coefficients.query("model == 'mixed_effects'").set_index("term")["std_error"]
    for who in ("s002", "s011", "s023"):
        others = models.train(frame[frame["subject_id"] != who], random_slope=slope, **options)  # type: ignore[arg-type]
        refit = others.coefficients.query("model == 'mixed_effects'").set_index("term")["estimate"]
        for term in TRUTH:
            assert ours[term, who] == pytest.approx(refit[term], abs=0.1 * error[term])


def test_of_one_person_nobody_is_left_out() -> None:
    found = regressions.of(train(silver_frames.modeling(people=1, weeks=60, groups=(None,), null_share=0)))
    assert set(found) == {"n_of_1"}
    table = influence.table(found)
    assert table.empty
    assert influence.findings(table, found.values()) == []

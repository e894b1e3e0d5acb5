"""Who left and what that does: the rule, the weights and the three results against known truth and other code."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.discrete.discrete_model import Logit
from statsmodels.regression.linear_model import WLS

from potato import attrition, attrition_narrative, completion, design, models, results, trajectories
from potato.attrition import CHANGE, Attrition
from potato.completion import Plan, Weights
from potato.models import Training
from potato.trajectories import EVERYONE
from tests import silver_frames
from tests.silver_frames import TRUTH

WEEKS = 4


def trial(
    people: int, seed: int, *, drive: float = 1.5, strength: float = 1.2, noise: float = 0.5
) -> tuple[pd.DataFrame, float]:
    """Return subject trajectories of a trial in which who loses little in the first week leaves after it.

    Later losses go along with the first week's by `strength`. The second value is the mean change at the end that
    everybody would have had.
    """
    random = np.random.default_rng(seed)
    start = random.normal(90, 12, people)
    first = random.normal(-1.5, 0.8, people)
    rest = strength * first - 0.01 * (start - 90) + random.normal(0, noise, people)
    stays = random.random(people) < 1 / (1 + np.exp(0.3 + drive * (first + 1.5) / 0.8))
    rows = []
    for i in range(people):
        for week in range(1, (WEEKS if stays[i] else int(random.integers(1, WEEKS))) + 1):
            change = first[i] + rest[i] * (week - 1) / (WEEKS - 1)
            rows.append((f"s{i:05d}", week, 6, start[i], change, start[i] + change))
    names = [
        "subject_id",
        "study_week",
        "n_weights",
        "baseline_weight_kg",
        "change_from_baseline_kg",
        "weight_kg",
    ]
    return pd.DataFrame(rows, columns=names).assign(group=EVERYONE), float((first + rest).mean())


def without_models() -> Training:
    frame = silver_frames.modeling().assign(**dict.fromkeys(TRUTH, np.nan))
    return models.train(frame, outcome="next_week_change_kg", covariates=list(TRUTH), controls=["group"])


def analysed(frame: pd.DataFrame, weeks: int | None = WEEKS) -> Attrition:
    return attrition.analyse(frame, without_models(), 0.95, weeks)


def weights_of(frame: pd.DataFrame) -> Weights:
    made = completion.weights(completion.roster(frame, Plan(WEEKS, "")))
    assert isinstance(made, Weights)
    return made


def estimates(found: Attrition) -> pd.DataFrame:
    return found.table[found.table["quantity"] == CHANGE].set_index("method")


# Known truth


def test_where_losing_little_makes_people_leave_completers_flatter_and_weighting_does_not() -> None:
    frame, truth = trial(2000, 1, drive=0.8)
    rows = estimates(analysed(frame))
    assert rows.loc["completers", "conf_high"] < truth - 0.3
    assert rows.loc["weighted", "conf_low"] < truth < rows.loc["weighted", "conf_high"]
    # Those who left had not lost all that they would have.
    assert rows.loc["all_with_data", "conf_low"] > truth


def test_intervals_of_the_weighted_mean_hold_the_truth_as_often_as_they_say() -> None:
    held, wide = [], []
    for seed in range(200):
        frame, _ = trial(200, 100 + seed, drive=0.8)
        mean, error = attrition.weighted_mean(weights_of(frame))
        # The mean over all people that there could be, of which the 200 are a sample.
        truth = -1.5 * 2.2
        held.append(abs(mean - truth) < 1.96 * error)
        wide.append((mean - truth) / error)
    # Of 200 intervals 190 are expected to hold it; 181 and fewer or 199 and more come about once in a hundred times.
    assert 181 <= sum(held) <= 199
    assert abs(np.mean(wide)) < 0.4


def test_where_leaving_is_chance_all_three_agree() -> None:
    frame, truth = trial(3000, 3, drive=0.0, strength=0.0, noise=0.3)
    rows = estimates(analysed(frame))
    assert rows.loc["completers", "estimate"] == pytest.approx(truth, abs=0.05)
    assert rows.loc["weighted", "estimate"] == pytest.approx(truth, abs=0.05)
    assert rows.loc["all_with_data", "estimate"] == pytest.approx(truth, abs=0.05)


# Other implementations


def test_the_weighted_mean_is_hajeks_with_probabilities_of_a_logistic_regression() -> None:
    frame, _ = trial(300, 5)
    weighted = weights_of(frame)
    people = weighted.people
    columns = np.column_stack([np.ones(len(people)), people["baseline_weight_kg"], people["first_week_change_kg"]])
    p = np.asarray(Logit(people["completed"].astype(float), columns).fit(disp=0).predict())
    np.testing.assert_allclose(weighted.probability, p, rtol=1e-5)
    stayed = people["completed"].to_numpy()
    w = stayed.mean() / p
    low, high = np.percentile(w[stayed], [1, 99])
    w = np.clip(w, low, high)[stayed]
    by_hand = (w * people["change_kg"][stayed]).sum() / w.sum()
    assert attrition.weighted_mean(weighted)[0] == pytest.approx(by_hand, rel=1e-7)


def test_estimate_and_error_agree_with_statsmodels_treatment_effects_where_nothing_is_truncated() -> None:
    from statsmodels.treatment.treatment_effects import TreatmentEffect

    frame, _ = trial(400, 6, drive=0.7)
    weighted = weights_of(frame)
    people, stayed = weighted.people, weighted.completed
    stabilised = stayed.mean() / weighted.probability
    whole = Weights(
        people,
        weighted.columns,
        weighted.probability,
        np.where(stayed, stabilised, 0.0),
        np.ones(len(people), bool),
        weighted.predictors,
    )
    # Our mean is that of the outcome under treatment, with staying as the treatment. What is put in for those who left
    # makes the other mean, which does not enter ours.
    outcome = np.where(stayed, people["change_kg"], np.random.default_rng(0).normal(0, 1, len(people)))
    selection = Logit(stayed.astype(float), weighted.columns).fit(disp=0)
    effect = TreatmentEffect(WLS(outcome, weighted.columns), stayed.astype(int), results_select=selection)
    theirs = effect.ipw(return_results=True, disp=False).results_gmm
    mean, error = attrition.weighted_mean(whole)
    # Their first two parameters are the difference of the two means and the mean without treatment.
    assert mean == pytest.approx(float(theirs.params[:2].sum()), rel=1e-4)
    n = len(people)
    assert error * np.sqrt((n - 1) / n) == pytest.approx(float(np.sqrt(theirs.cov_params()[:2, :2].sum())), rel=1e-3)


def test_the_error_is_that_of_a_bootstrap_that_estimates_the_weights_again() -> None:
    frame, _ = trial(250, 7, drive=0.8)
    weighted = weights_of(frame)
    error = attrition.weighted_mean(weighted)[1]
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(300):
        people = weighted.people.iloc[random.integers(0, len(weighted.people), len(weighted.people))]
        again = completion.weights(people.reset_index(drop=True))
        assert isinstance(again, Weights)
        drawn.append(attrition.weighted_mean(again)[0])
    assert error == pytest.approx(float(np.std(drawn, ddof=1)), rel=0.15)


def test_completers_and_all_with_data_are_plain_means_with_t_intervals() -> None:
    frame, _ = trial(100, 8)
    found = analysed(frame)
    last = frame.groupby("subject_id")["change_from_baseline_kg"].last()
    stayed = frame.groupby("subject_id")["study_week"].max() >= WEEKS
    for method, values in (("all_with_data", last), ("completers", last[stayed]), ("back_to_start", last * stayed)):
        expected = trajectories.mean(values, 0.95)
        row = estimates(found).loc[method]
        assert (row["n"], row["estimate"]) == (expected.n, pytest.approx(expected.mean))
        assert (row["conf_low"], row["conf_high"]) == (pytest.approx(expected.low), pytest.approx(expected.high))


# Balance and weights


def test_weighting_makes_those_who_stayed_begin_like_everybody() -> None:
    frame, _ = trial(500, 9, drive=0.7)
    found = analysed(frame)
    rows = found.balance.set_index("variable")
    assert rows.loc["first_week_change_kg", "difference"] < -0.2
    assert rows["difference_weighted"].abs().max() < 0.1
    people = found.people
    by_hand = people.loc[people["completed"], "first_week_change_kg"].mean()
    assert rows.loc["first_week_change_kg", "completers"] == pytest.approx(by_hand)


def test_weights_are_stabilised_and_cut_at_their_percentiles() -> None:
    weighted = weights_of(trial(800, 10)[0])
    stayed = weighted.completed
    assert weighted.values[~stayed].sum() == 0
    assert weighted.values[stayed].mean() == pytest.approx(1, abs=0.1)
    cut = ~weighted.free & stayed
    assert cut.sum() == pytest.approx(0.02 * stayed.sum(), abs=2)
    assert weighted.largest == pytest.approx(weighted.values[cut].max())


def test_equal_weights_are_as_many_people_as_there_are() -> None:
    weighted = weights_of(trial(200, 11)[0])
    equal = Weights(
        weighted.people,
        weighted.columns,
        weighted.probability,
        weighted.completed.astype(float),
        weighted.free,
        (),
    )
    assert equal.effective == pytest.approx(weighted.completed.sum())
    assert weighted.effective < weighted.completed.sum()


def test_few_who_left_are_too_few_to_weight_by() -> None:
    frame, _ = trial(100, 12)
    last = frame.groupby("subject_id")["study_week"].transform("max")
    leavers = frame.loc[last < WEEKS, "subject_id"].unique()[:9]
    kept = frame[(last == WEEKS) | frame["subject_id"].isin(leavers)]
    found = analysed(kept)
    assert found.weights == "9 people left, too few to learn from whom staying depends on."
    assert "weighted" not in estimates(found).index
    assert found.balance["weighted"].isna().all()
    told = {f.check: f for f in attrition.findings(found, alone=False)}
    assert told["completion_weights"].verdict == "caution"
    assert "No weighting was possible" in attrition_narrative.texts(found)["weights"]


def test_people_who_left_without_a_like_among_those_who_stayed_give_no_weights() -> None:
    frame, _ = trial(200, 13)
    first = frame.groupby("subject_id")["change_from_baseline_kg"].transform("first")
    last = frame.groupby("subject_id")["study_week"].transform("max")
    parted = frame[((last == WEEKS) & (first < -1.6)) | ((last < WEEKS) & (first > -1.4))]
    assert (
        analysed(parted).weights == "What was known early parts those who stayed from those who left without overlap."
    )


def stay_by(first_weight: np.ndarray, stays: np.ndarray) -> pd.DataFrame:
    changes = np.random.default_rng(3).normal(-2, 1, len(stays))
    named = pd.DataFrame({"subject_id": [f"s{i:03d}" for i in range(len(stays))], "group": EVERYONE})
    return named.assign(
        baseline_weight_kg=first_weight,
        first_week_change_kg=changes / 4,
        change_kg=changes,
        n_weights=9,
        last_week=np.where(stays, WEEKS, 2),
        completed=stays,
    )


def test_where_one_person_would_stand_for_nearly_all_who_left_there_are_no_weights() -> None:
    weight = np.random.default_rng(1).normal(90, 12, 80)
    stays = weight > 90
    stays[int(np.argmin(np.abs(weight - 78)))] = True
    made = completion.weights(stay_by(weight, stays))
    assert isinstance(made, str)
    assert "equal ones would" in made


def test_who_left_without_a_like_among_those_who_stayed_is_said() -> None:
    random = np.random.default_rng(2)
    weight = np.concatenate([random.normal(90, 5, 60), random.normal(90, 5, 20), random.normal(60, 5, 20)])
    made = completion.weights(stay_by(weight, np.arange(100) < 60))
    assert isinstance(made, str)
    assert "who left had nobody like them among those who stayed" in made


def test_what_is_not_known_of_everybody_takes_no_part_in_the_weights() -> None:
    random = np.random.default_rng(4)
    people = stay_by(random.normal(90, 12, 100), random.random(100) < 0.6)
    people.loc[3, "first_week_change_kg"] = np.nan
    made = completion.weights(people)
    assert isinstance(made, Weights)
    assert made.predictors == ("baseline_weight_kg",)
    assert np.isfinite(made.values).all()
    assert completion.balance(people, None)["everybody"].notna().all()


def test_groups_named_after_how_people_ended_do_not_explain_who_stayed() -> None:
    frame, _ = trial(400, 14)
    last = frame.groupby("subject_id")["study_week"].transform("max")
    named = frame.assign(group=np.where(last == WEEKS, "Completed", "Dropped"))
    assert "group" not in weights_of(named).predictors
    arms = frame.assign(group=np.where(frame["subject_id"].str[-1].isin(list("02468")), "A", "B"))
    assert "group" in weights_of(arms).predictors


# Who is a completer


def people_until(*last: int) -> pd.DataFrame:
    return pd.DataFrame({"last_week": last, "change_kg": -1.0, "subject_id": [f"p{i}" for i in range(len(last))]})


@pytest.mark.parametrize(
    ("last", "weeks"),
    [
        ((4, 4, 4, 4, 4, 4, 2, 1), 4),
        ((1, 2, 3, 4, 4, 4, 4, 5, 5, 5), 4),  # the last morning of some is the first day of another week
        ((9,) * 11 + (4,), 9),
        ((3, 8, 15, 22, 31, 44, 57, 60, 71, 90), None),
        ((4, 4, 4, 1, 1, 1, 1, 1, 1), None),
        ((1, 1, 1, 1, 1, 1), None),
    ],
)
def test_records_that_end_together_tell_how_long_a_study_was_planned_for(
    last: tuple[int, ...], weeks: int | None
) -> None:
    planned = completion.plan(people_until(*last), None)
    assert (planned.weeks if planned else None) == weeks
    if planned:
        assert "does not say how many weeks" in planned.source


def test_what_the_description_states_is_believed() -> None:
    planned = completion.plan(people_until(3, 8, 15), 12)
    assert planned == Plan(12, "The study was planned for 12 weeks, as its description says.")


def test_a_completer_weighed_in_during_the_last_week_or_the_one_after_and_later_weights_do_not_count() -> None:
    rows = [("a", 1, -1.0), ("a", 4, -4.0), ("b", 1, -1.0), ("b", 5, -5.0), ("c", 1, -1.0), ("c", 3, -3.0)]
    rows += [("d", 1, -1.0), ("d", 4, -4.0), ("d", 9, -9.0), ("e", 1, -1.0), ("e", 9, -9.0)]
    frame = pd.DataFrame(rows, columns=["subject_id", "study_week", "change_from_baseline_kg"])
    frame = frame.assign(n_weights=3, baseline_weight_kg=80.0, group=EVERYONE)
    people = completion.roster(frame, Plan(4, "")).set_index("subject_id")
    assert dict(people["completed"]) == {"a": True, "b": True, "c": False, "d": True, "e": False}
    assert dict(people["change_kg"]) == {"a": -4.0, "b": -5.0, "c": -3.0, "d": -4.0, "e": -1.0}


def test_a_person_who_was_weighed_once_counts_among_those_who_left_and_has_no_change() -> None:
    frame, _ = trial(100, 15)
    once = frame.iloc[[0]].assign(subject_id="once", study_week=1, n_weights=1, change_from_baseline_kg=0.0)
    found = analysed(pd.concat([frame, once], ignore_index=True))
    assert len(found.people) == 101
    rows = estimates(found)
    assert rows.loc["all_with_data", "n"] == 100
    assert rows.loc["back_to_start", "n"] == 101


# What is left out, and why


@pytest.mark.parametrize(
    ("people", "weeks", "reason"),
    [
        (1, WEEKS, "One person's record has nobody who could have left."),
        (4, WEEKS, "4 people with two weigh-ins are too few"),
        (30, 12, "0 people weighed in at the end of week 12, too few for a mean."),
    ],
)
def test_studies_of_which_nothing_can_be_said_say_why(people: int, weeks: int, reason: str) -> None:
    found = analysed(trial(people, 16)[0], weeks)
    assert reason in found.missing
    assert found.table.empty
    assert list(found.table.columns) == results.ATTRITION.names
    assert set(attrition_narrative.texts(found).values()) == {""}


def test_a_study_that_nobody_left_has_no_analysis_and_passes() -> None:
    frame, _ = trial(60, 17)
    last = frame.groupby("subject_id")["study_week"].transform("max")
    found = analysed(frame[last == WEEKS])
    assert found.missing == "Everybody weighed in to the end of the 4 weeks: nobody left."
    (finding,) = attrition.findings(found, alone=False)
    assert finding.verdict == "pass"


def test_of_one_person_nothing_is_asked() -> None:
    assert attrition.findings(analysed(trial(1, 18)[0]), alone=True) == []


def test_records_that_do_not_end_together_call_for_a_planned_length() -> None:
    frame, _ = trial(60, 19)
    stretched = frame.assign(study_week=frame["study_week"] * (1 + frame["subject_id"].str[-2:].astype(int)))
    found = analysed(stretched, None)
    assert "`weeks:`" in found.missing
    (finding,) = attrition.findings(found, alone=False)
    assert finding.verdict == "caution"


# Verdicts and words


def test_many_who_left_and_results_that_part_call_for_caution() -> None:
    found = {f.check: f for f in attrition.findings(analysed(trial(1000, 20)[0]), alone=False)}
    assert found["who_left"].verdict == found["left_and_change"].verdict == "caution"
    assert found["who_left"].value is not None
    assert found["who_left"].value > 0.4


def test_few_who_left_by_chance_pass() -> None:
    frame, _ = trial(300, 21, drive=0.0, strength=0.1)
    last = frame.groupby("subject_id")["study_week"].transform("max")
    leavers = frame.loc[last < WEEKS, "subject_id"].unique()[:20]
    kept = frame[(last == WEEKS) | frame["subject_id"].isin(leavers)]
    found = {f.check: f.verdict for f in attrition.findings(analysed(kept), alone=False)}
    assert found == {"who_left": "pass", "left_and_change": "pass", "completion_weights": "pass"}


def test_the_page_states_each_result_once_and_where_the_rule_comes_from() -> None:
    frame, _ = trial(400, 22)
    found = analysed(frame)
    told = attrition_narrative.texts(found)
    for method in attrition.METHODS:
        kg = f"{estimates(found).loc[method, 'estimate']:+.1f} kg".replace("-", "−")
        assert kg in told["sentence"]
    assert told["rule"].startswith("The study was planned for 4 weeks, as its description says. A completer")
    assert "tell as much as" in told["weights"]
    assert told["effects"] == ""


# The models' effects


@pytest.fixture(scope="module")
def with_models() -> tuple[pd.DataFrame, Training, Attrition]:
    """A study with diaries in which a third of the people stopped after two weeks."""
    frame = silver_frames.modeling(people=120, weeks=4, null_share=0)
    left = frame["subject_id"].str[-1].isin(["1", "4", "7"])
    frame = frame[~left | (frame["study_week"] <= 2)].reset_index(drop=True)
    weights = silver_frames.trajectories(people=120, weeks=5)
    gone = weights["subject_id"].str[-1].isin(["1", "4", "7"])
    weights = weights[~gone | (weights["study_week"] <= 3)].assign(group=EVERYONE)
    trained = models.train(
        frame, outcome="next_week_change_kg", covariates=list(TRUTH), controls=["study_week", "group"]
    )
    return frame, trained, attrition.analyse(weights, trained, 0.95, 4)


def test_effects_over_completers_are_those_of_the_pooled_model_on_their_weeks(
    with_models: tuple[pd.DataFrame, Training, Attrition],
) -> None:
    frame, _, found = with_models
    stayed = set(found.people.loc[found.people["completed"], "subject_id"])
    alone = models.train(
        frame[frame["subject_id"].isin(stayed)],
        outcome="next_week_change_kg",
        covariates=list(TRUTH),
        controls=["study_week", "group"],
    ).coefficients
    theirs = alone[alone["model"] == "ols_cluster"].set_index("term")
    ours = found.table[found.table["method"] == "completers"].set_index("quantity")
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(ours.loc[list(TRUTH), column], theirs.loc[list(TRUTH), column], rtol=1e-9)


def test_weighted_effects_are_least_squares_with_each_persons_weight_on_every_week(
    with_models: tuple[pd.DataFrame, Training, Attrition],
) -> None:
    _, trained, found = with_models
    assert isinstance(found.weights, Weights)
    rows = trained.sample.frame
    of = dict(zip(found.people["subject_id"], found.weights.values, strict=True))
    weight = rows["subject_id"].map(of).to_numpy(float)
    x = design.pooled(trained.sample, "ols_cluster").x
    root = np.sqrt(weight)[:, None]
    by_hand = np.linalg.lstsq(x * root, rows["next_week_change_kg"].to_numpy() * root[:, 0], rcond=None)[0]
    ours = found.table[found.table["method"] == "weighted"].set_index("quantity")
    names = list(trained.fits["ols_cluster"].terms)
    for term in TRUTH:
        assert ours.loc[term, "estimate"] == pytest.approx(by_hand[names.index(term)], rel=1e-6)


def test_effects_over_all_weeks_are_the_published_ones(
    with_models: tuple[pd.DataFrame, Training, Attrition],
) -> None:
    _, trained, found = with_models
    published = trained.coefficients[trained.coefficients["model"] == "ols_cluster"].set_index("term")
    ours = found.table[found.table["method"] == "all_with_data"].set_index("quantity").drop(index=CHANGE)
    pd.testing.assert_series_equal(ours["estimate"], published["estimate"], check_names=False)
    checks = {f.check: f.verdict for f in attrition.findings(found, alone=False)}
    assert checks["left_and_effects"] == "pass"
    assert attrition_narrative.texts(found)["effects"]

"""The wild cluster bootstrap against another implementation, against its definition, and in a report."""

from __future__ import annotations

import math
import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest

from potato import bootstrap, design, models, results
from potato.design import Array, Design, Sample
from tests import silver_frames
from tests.silver_frames import TRUTH

CONTROLS = ["study_week", "group"]


def sample(people: int, seed: int = 3) -> Sample:
    frame = silver_frames.modeling(people=people, weeks=6, seed=seed, null_share=0.1)
    return design.sample(frame, "next_week_change_kg", list(TRUTH), CONTROLS)


def by_definition(made: Design, term: str, null: float, sets: Array) -> float:
    """Return the p-value of the effect `null`, by making every bootstrap data set and fitting it."""
    at = made.names.index(term)
    others = np.delete(made.x, at, axis=1)
    cleared = made.y - null * made.x[:, at]
    coefficients = np.linalg.lstsq(others, cleared, rcond=None)[0]
    residual = cleared - others @ coefficients
    inverse = np.linalg.inv(made.x.T @ made.x)

    def statistic(y: Array) -> float:
        beta = inverse @ made.x.T @ y
        scores = np.zeros((made.n_subjects, made.x.shape[1]))
        np.add.at(scores, made.subjects, made.x * (y - made.x @ beta)[:, None])
        covariance = inverse @ scores.T @ scores @ inverse
        return abs(float(beta[at] - null)) / math.sqrt(covariance[at, at])

    observed = statistic(made.y)
    drawn = [
        statistic(others @ coefficients + null * made.x[:, at] + residual * weights[made.subjects]) for weights in sets
    ]
    return float(np.mean(np.array(drawn) >= observed * (1 - 1e-9)))


@pytest.mark.parametrize(("people", "model"), [(7, "ols_cluster"), (9, "fixed_effects")])
def test_p_values_over_all_weights_are_those_of_wildboottest(people: int, model: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from statsmodels.regression.linear_model import OLS
        from wildboottest.wildboottest import wildboottest

        made = bootstrap.regression(sample(people), model)
        sets, whole = bootstrap.weights(people, "rademacher", 9_999, seed=1)
        assert whole
        assert len(sets) == 2 ** (people - 1)
        named = pd.DataFrame(made.x, columns=[f"x{i}" for i in range(made.x.shape[1])])
        for term in TRUTH:
            ours = bootstrap.bootstrap(made, term, sets)
            column = f"x{made.names.index(term)}"
            found = wildboottest(
                OLS(made.y, named), B=99_999, cluster=pd.Series(made.subjects), param=column, show=False, seed=1
            )
            theirs = float(found["p-value"].iloc[0])
            # The data themselves are one of the sets and count here; there their tie with themselves is decided by
            # rounding.
            assert min(abs(ours.p_value() - theirs), abs(ours.p_value() - 1 / len(sets) - theirs)) < 1e-12


@pytest.mark.parametrize("model", bootstrap.MODELS)
@pytest.mark.parametrize("kind", ["rademacher", "webb"])
def test_p_values_are_those_of_the_definition(model: str, kind: bootstrap.Weights) -> None:
    made = bootstrap.regression(sample(6), model)
    sets, _ = bootstrap.weights(6, kind, 60, seed=4)
    test = bootstrap.bootstrap(made, "energy_kcal_per_day", sets)
    for null in (0.0, 0.0004, -0.002, 0.01):
        assert test.p_value(null) == pytest.approx(by_definition(made, "energy_kcal_per_day", null, sets), abs=1e-12)


@pytest.mark.parametrize("term", list(TRUTH))
def test_the_ends_of_the_interval_are_where_the_definition_begins_to_reject(term: str) -> None:
    made = bootstrap.regression(sample(8), "ols_cluster")
    sets, _ = bootstrap.weights(8, "rademacher", 9_999, seed=1)
    test = bootstrap.bootstrap(made, term, sets)
    low, high = test.interval(0.9)
    assert low < test.estimate < high
    step = 1e-6 * (high - low)
    for end, outwards in ((low, -step), (high, step)):
        assert by_definition(made, term, end - outwards, sets) >= 0.1
        assert by_definition(made, term, end + outwards, sets) < 0.1


def test_all_sets_of_weights_are_used_where_they_are_few_and_no_two_tell_the_same() -> None:
    sets, whole = bootstrap.weights(5, "webb", 9_999, seed=1)
    assert whole
    everything = {
        tuple(np.round(s, 9)) for s in product([*(-np.sqrt([0.5, 1, 1.5])), *np.sqrt([0.5, 1, 1.5])], repeat=5)
    }
    half = {tuple(np.round(s, 9)) for s in sets}
    assert half | {tuple(-w for w in s) for s in half} == everything
    assert len(half) == len(sets) == len(everything) // 2


def test_drawn_weights_follow_the_seed_and_count_the_data_themselves() -> None:
    first, whole = bootstrap.weights(20, "rademacher", 999, seed=7)
    again, _ = bootstrap.weights(20, "rademacher", 999, seed=7)
    other, _ = bootstrap.weights(20, "rademacher", 999, seed=8)
    assert not whole
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert len(first) == 1000
    assert (first[0] == 1).all()


def test_a_test_that_can_reject_nothing_has_an_interval_without_ends() -> None:
    made = bootstrap.regression(sample(5), "ols_cluster")
    sets, _ = bootstrap.weights(5, "rademacher", 9_999, seed=1)
    # Of 16 sets one is the data: no p-value is below 1/16.
    assert bootstrap.bootstrap(made, "potato_energy_share", sets).interval(0.95) == (-math.inf, math.inf)


def test_the_table_has_both_clustered_models_of_a_study_of_few_people_and_no_row_of_a_larger_one() -> None:
    def train(people: int) -> models.Training:
        frame = silver_frames.modeling(people=people, null_share=0)
        return models.train(frame, outcome="next_week_change_kg", covariates=list(TRUTH), controls=CONTROLS)

    few = train(14)
    table = bootstrap.table(few, 0.95, seed=1)
    assert list(table.columns) == results.BOOTSTRAP.names
    assert list(zip(table["model"], table["term"], strict=True)) == list(product(bootstrap.MODELS, TRUTH))
    assert set(table["weights"]) == {"rademacher, all"}
    merged = table.merge(few.coefficients, on=["model", "term"], suffixes=("", "_model"))
    assert merged["estimate"].between(merged["conf_low"], merged["conf_high"]).all()
    assert bootstrap.sentence(table, few.coefficients, 0.95).startswith("With 14 people")
    assert bootstrap.table(train(70), 0.95, seed=1).empty


def test_bootstrap_intervals_hold_the_truth_where_clustered_ones_are_too_narrow() -> None:
    held = {"bootstrap": 0, "clustered": 0}
    for seed in range(80):
        frame = silver_frames.modeling(people=6, weeks=5, seed=seed, null_share=0, groups=("one",))
        # One person who ate far more than the others has most of the say, which clustered errors do not allow for.
        one = frame["subject_id"] == "s000"
        frame.loc[one, "next_week_change_kg"] += 0.0004 * frame.loc[one, "energy_kcal_per_day"]
        frame.loc[one, "energy_kcal_per_day"] *= 2
        small = design.sample(frame, "next_week_change_kg", ["energy_kcal_per_day"])
        clustered = models.ols_cluster(small)[0].coefficients(0.95).iloc[0]
        sets, _ = bootstrap.weights(6, "webb", 1_999, seed=1)
        made = bootstrap.regression(small, "ols_cluster")
        low, high = bootstrap.bootstrap(made, "energy_kcal_per_day", sets).interval(0.95)
        held["clustered"] += int(clustered["conf_low"] <= 0.0004 <= clustered["conf_high"])
        held["bootstrap"] += int(low <= 0.0004 <= high)
    assert held["bootstrap"] > held["clustered"]
    assert held["bootstrap"] >= 70

"""Stratified draws have the moments they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from potato.quantiles import power_quantiles, quantiles, shuffled


@pytest.mark.parametrize("n", [2, 31, 150])
@pytest.mark.parametrize(("skew", "tail"), [(0.0, 1.0), (0.6, 0.7), (-1.0, 1.5)])
def test_quantiles_have_exactly_the_mean_and_the_spread(n: int, skew: float, tail: float) -> None:
    draws = quantiles(n, -8.0, 6.0, skew, tail)
    assert np.isclose(draws.mean(), -8.0)
    assert np.isclose(draws.std(), 6.0)
    assert (np.diff(draws) > 0).all()


def test_one_draw_is_the_mean() -> None:
    assert quantiles(1, 5.0, 3.0).tolist() == [5.0]


def test_a_positive_skew_leans_to_large_values() -> None:
    draws = quantiles(200, 0.0, 1.0, skew=0.5)
    assert np.median(draws) < 0 < draws.max() + draws.min()


@pytest.mark.parametrize("mean", [3.0, 11.4, 24.0])
def test_power_quantiles_stay_in_their_range_and_have_the_mean(mean: float) -> None:
    draws = power_quantiles(2000, 2.0, mean, 25.0)
    assert draws.min() >= 2.0
    assert draws.max() <= 25.0
    assert abs(draws.mean() - mean) < 0.05


def test_power_quantiles_of_an_empty_range_are_constant() -> None:
    assert power_quantiles(3, 7.0, 7.0, 7.0).tolist() == [7.0, 7.0, 7.0]


@pytest.mark.parametrize("correlation", [-0.8, 0.0, 0.5])
def test_shuffled_draws_follow_another_variable_by_rank(correlation: float) -> None:
    random = np.random.default_rng(3)
    like = random.integers(0, 50, 4000).astype(float)
    draws = shuffled(np.arange(4000.0), random, like, correlation)
    assert sorted(draws) == list(range(4000))
    assert abs(np.corrcoef(like, draws)[0, 1] - correlation) < 0.05  # three standard errors, 1 / sqrt(4000)

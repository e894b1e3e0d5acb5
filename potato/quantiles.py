"""Stratified draws: the quantiles of a distribution, one for each person, in an order that chance decides.

A sample of such draws has the moments of its distribution, where independent draws would scatter around them.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def quantiles(n: int, mean: float, sd: float, skew: float = 0.0, tail: float = 1.0) -> Floats:
    """Return n ascending quantiles of a sinh-arcsinh distribution, with exactly this mean and sd (ddof 0).

    Skew 0 and tail 1 are the normal distribution. One draw alone is the mean. Source: Jones and Pewsey
    (2009), Biometrika 96, 761-780.
    """
    z = np.array([NormalDist().inv_cdf((k + 0.5) / n) for k in range(n)])
    x = np.sinh((np.arcsinh(z) + skew) / tail)
    draws: Floats = mean + sd * (x - x.mean()) / (x.std() or 1.0)
    return draws


def power_quantiles(n: int, low: float, mean: float, high: float) -> Floats:
    """Return n ascending quantiles of low + (high - low) u^p, u uniform, with the p that gives this mean."""
    power = (high - low) / max(mean - low, 1e-9 * (high - low)) - 1 if high > low else 1.0
    return low + (high - low) * ((np.arange(n) + 0.5) / n) ** power


def shuffled(
    ascending: Floats, rng: np.random.Generator, like: Floats | None = None, correlation: float = 0.0
) -> Floats:
    """Return the draws in random order, or in one whose ranks follow `like` with about this correlation.

    A normal copula: the draws go in the order of correlation x normal score of `like` + independent noise.
    Ties of `like` are ordered by chance.
    """
    noise = rng.normal(size=len(ascending))
    if like is None:
        return ascending[_ranks(noise)]
    scores = quantiles(len(like), 0.0, 1.0)[_ranks(like, rng.random(len(like)))]
    return ascending[_ranks(correlation * scores + np.sqrt(1 - correlation**2) * noise)]


def _ranks(values: Floats, ties: Floats | None = None) -> NDArray[np.intp]:
    order = np.argsort(values, kind="stable") if ties is None else np.lexsort((ties, values))
    ranks = np.empty(len(values), dtype=np.intp)
    ranks[order] = np.arange(len(values))
    return ranks

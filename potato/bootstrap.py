"""Wild cluster bootstrap: p-values and intervals for a study of too few people for errors clustered by person.

The null hypothesis is imposed on the bootstrap data, and the t statistic is bootstrapped (WCR; Cameron, Gelbach and
Miller 2008). Everything is computed from sums over people (Roodman et al. 2019), in which the bootstrap statistic of a
hypothesis "the effect is b" is a polynomial in b. So an interval, which holds every b that the test does not reject,
costs hardly more than one p-value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from potato import design, results, spans, words
from potato.design import Array, Design, Sample
from potato.fits import Fit
from potato.models import Training

MIN_CLUSTERS = 30  # from so many people on, errors clustered by person are left to themselves
FEW = 12  # with fewer people, weights of two points give too few distinct statistics (Webb 2023)
DRAWS = 9_999
MODELS = ("ols_cluster", "fixed_effects")
CORRECTION = (
    f"With fewer than {MIN_CLUSTERS} people, or as many equal people behind an effect, the estimates of ols_cluster and"
    " fixed_effects also have a p-value and an"
    " interval from a wild cluster bootstrap. The residuals of the model without the effect are multiplied by a weight"
    " for each person, and the t statistic of the data is held against those of the data so made. The weights are"
    f" Rademacher's (1 or -1), or Webb's of six points with fewer than {FEW} people; all sets of weights are used where"
    f" they are at most {DRAWS:,}, and so many are drawn elsewhere. The data themselves count as one set. The interval"
    " holds the effects that the test does not reject."
)
Weights = Literal["rademacher", "webb"]
_POINTS: dict[str, tuple[float, ...]] = {
    "rademacher": (-1.0, 1.0),
    "webb": tuple(sign * math.sqrt(k / 2) for sign in (-1, 1) for k in (1, 2, 3)),
}
_EQUAL = 1e-9  # relative; statistics that are equal on paper differ by rounding
_FAR = 2.0**20  # standard errors from the estimate; an interval that reaches so far has no end
_HALVINGS = 60


@dataclass(frozen=True)
class Test:
    """The bootstrap of one coefficient.

    Attributes
    ----------
    estimate, std_error : of the coefficient, the error clustered by person without its small-sample factor, which is
        the same in every bootstrap sample and cancels.
    numerator : (draws, 2) such that a sample's estimate less b is numerator · (1, -b).
    squares : (draws, 3) such that a sample's squared error is squares · (1, -2b, b²).
    """

    estimate: float
    std_error: float
    numerator: Array
    squares: Array

    def p_value(self, null: float = 0.0) -> float:
        """Return the share of bootstrap statistics at least as far from zero as that of the data, when the effect is
        `null`."""
        observed = abs(self.estimate - null) / self.std_error
        numerator = np.abs(self.numerator @ np.array([1.0, -null]))
        squared = self.squares @ np.array([1.0, -2 * null, null**2])
        error = np.sqrt(np.maximum(squared, 0.0))
        return float(np.mean(numerator >= observed * error * (1 - _EQUAL)))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the ends of the set of effects that are not rejected at 1 - `confidence`; infinite without an end."""
        return self._end(-1, 1 - confidence), self._end(1, 1 - confidence)

    def _end(self, side: int, level: float) -> float:
        inside, step = self.estimate, self.std_error
        outside = self.estimate + side * step
        while self.p_value(outside) >= level:
            inside, step = outside, 2 * step
            outside = self.estimate + side * step
            if step > _FAR * self.std_error:
                return side * math.inf
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            if self.p_value(middle) >= level:
                inside = middle
            else:
                outside = middle
        return inside


def table(training: Training, confidence: float, seed: int) -> pd.DataFrame:
    """Return the bootstrap of each reported term of the clustered models that fewer than 30 people tell.

    Where a model has more, their effective number for the term counts (`leverage`).

    The columns are those of data/gold/models/bootstrap.parquet; without rows where there are people enough.
    """
    rows = []
    for name in MODELS:
        fitted = training.fits.get(name)
        few = [term for term in fitted.reported if _rests_on_few(fitted, term)] if fitted else []
        if not few:
            continue
        made = regression(training.sample, name)
        kind: Weights = "webb" if made.n_subjects < FEW else "rademacher"
        drawn, all_of_them = weights(made.n_subjects, kind, DRAWS, seed)
        used = f"{kind}, {'all' if all_of_them else 'drawn'}"
        about = {"potato.bootstrap.draws": len(drawn), "potato.bootstrap.weights": used}
        for term in few:
            with spans.span(f"bootstrap {name} {term}", **about):
                test = bootstrap(made, term, drawn)
                ends = [end if math.isfinite(end) else math.nan for end in test.interval(confidence)]
                rows.append((name, term, test.p_value(), *ends, made.n_subjects, len(drawn), used))
    return pd.DataFrame(rows, columns=results.BOOTSTRAP.names)


def _rests_on_few(fitted: Fit, term: str) -> bool:
    return min(fitted.n_subjects, fitted.effective.get(term, fitted.n_subjects)) < MIN_CLUSTERS


def regression(sample: Sample, model: str) -> Design:
    """Return the least-squares problem of a clustered model."""
    return design.demeaned(sample.within(), model) if model == "fixed_effects" else design.pooled(sample, model)


def weights(people: int, kind: Weights, draws: int, seed: int) -> tuple[Array, bool]:
    """Return (sets, people) weights, and whether they are all sets that there are.

    All sets are used where they are at most `draws`: turning all signs changes no absolute statistic, so that half
    of the sets stand for all. Drawn sets follow a set of ones, which gives the data themselves.
    """
    points = np.array(_POINTS[kind])
    halved = len(points) ** people // 2
    if halved <= draws:
        sets = np.array(list(product(points[points > 0], *[points] * (people - 1))))
        return sets, True
    chosen = np.random.default_rng(seed).integers(0, len(points), size=(draws, people))
    return np.vstack([np.ones(people), points[chosen]]), False


def bootstrap(made: Design, term: str, drawn: Array) -> Test:
    """Return the wild cluster bootstrap of one coefficient.

    Parameters
    ----------
    made : the least-squares problem, of full rank.
    term : one of its columns.
    drawn : (draws, people) weights.
    """
    size = np.linalg.norm(made.x, axis=0)
    x, at = made.x / size, made.names.index(term)
    others = np.delete(x, at, axis=1)
    basis, _ = np.linalg.qr(others)

    def apart(values: Array) -> Array:
        """Return what the other columns leave of `values`; the second pass takes what rounding left of the first."""
        once = values - basis @ (basis.T @ values)
        return once - basis @ (basis.T @ once)

    column = apart(made.x[:, at])
    outcome = apart(made.y)
    power = float(column @ column)
    estimate = float(column @ outcome) / power
    # The residuals when the effect is b are `outcome - b * column`: sums over people of both parts give every b.
    full = np.column_stack([basis, column / math.sqrt(power)])
    people = made.subjects
    n = made.n_subjects
    own = _by_person(column[:, None] * full, people, n)
    score = []
    moved = []
    for part in (outcome, column):
        own_score = _by_person((column * part)[:, None], people, n)[:, 0]
        projected = drawn @ _by_person(part[:, None] * full, people, n)
        score.append(drawn * own_score - projected @ own.T)
        moved.append(drawn @ own_score / power)
    unexplained = outcome - estimate * column
    clustered = _by_person((column * unexplained)[:, None], people, n)[:, 0]
    squares = [(score[i] * score[j]).sum(axis=1) / power**2 for i, j in ((0, 0), (0, 1), (1, 1))]
    return Test(
        estimate,
        math.sqrt(float(clustered @ clustered)) / power,
        np.column_stack(moved),
        np.column_stack(squares),
    )


def sentence(found: pd.DataFrame, coefficients: pd.DataFrame, confidence: float) -> str:
    """Return what the bootstrap says beside the intervals of the models; empty where there is none."""
    if found.empty:
        return ""
    key = ["model", "term"]
    both = found.merge(coefficients, on=key, suffixes=("", "_clustered"))
    level = 1 - confidence
    apart = both[(both["p_value"] < level) != (both["p_value_clustered"] < level)]
    n = int(found["n_subjects"].min())
    few = words.people(n) if n < MIN_CLUSTERS else f"some effects resting on fewer than {MIN_CLUSTERS} equal people"
    text = f"With {few} the intervals of the clustered models tend to be too narrow, so a wild cluster"
    text += " bootstrap stands beside them."
    if apart.empty:
        return f"{text} It agrees with them on which estimates can be told from zero."
    named = [f"{words.term(r.term).label.lower()} ({words.MODELS[r.model]})" for r in words.rows(apart)]
    return f"{text} The two disagree on whether an effect can be told from zero for {words.listed(named)}."


def _by_person(rows: Array, people: NDArray[np.int64], n: int) -> Array:
    sums = np.zeros((n, rows.shape[1]))
    np.add.at(sums, people, rows)
    return sums

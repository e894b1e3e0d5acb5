"""Bias, coverage and power of models over many simulated trials, and the gate on coverage.

The measures and their Monte Carlo standard errors are those of Morris, White and Crowther (2019), Statistics in
Medicine 38, 2074-2102, table 6. A table of estimates has a row for each scenario, trial, model and term, with the
columns scenario, trial, model, term, truth, estimate, std_error, conf_low and conf_high.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import pandas as pd

LOW, HIGH = 0.93, 0.97
ENOUGH_TRIALS = 200
LEAST_FITTED = 0.95
Z = NormalDist().inv_cdf(0.975)

# Which models are right about a scenario. In the trial, two changes in a row share a weigh-in, and a person who loses
# much loses it in the first week: errors are neither independent nor alike, as the mixed model takes them to be.
RIGHT = {
    "model": ("ols_cluster", "fixed_effects", "mixed_effects"),
    "trial": ("ols_cluster", "fixed_effects"),
}

RULE = (
    f"A model passes where the coverage of its 95% intervals, pooled over its terms, is {LOW:.0%} to {HIGH:.0%}, no"
    f" term's Monte Carlo interval lies wholly outside of that band, and at least {LEAST_FITTED:.0%} of the trials gave"
    f" an estimate. With fewer than {ENOUGH_TRIALS} trials the pooled coverage fails only where its own Monte Carlo"
    " interval lies wholly outside. Only models whose assumptions hold in a scenario are judged there."
)


@dataclass(frozen=True)
class Judgement:
    """What the gate says of one model in one scenario.

    `coverage` is pooled over terms; `error` is its Monte Carlo standard error, in which the intervals of one trial
    count as one observation. `verdict` is pass, fail or `not judged`; `why` says what made it fail.
    """

    scenario: str
    model: str
    fitted: int
    trials: int
    intervals: int
    coverage: float
    error: float
    verdict: str
    why: str = ""


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95% interval of a share of n independent events (Wilson 1927)."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return middle - half, middle + half


def by_term(estimates: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each scenario, model and term.

    Columns: n (trials with an estimate), truth, bias and bias_error (its Monte Carlo standard error), spread (standard
    deviation of the estimates), std_error (root mean square of the models' own), coverage with coverage_low and
    coverage_high, power (share of intervals without zero) and power_error.
    """
    rows = []
    for key, found in estimates.groupby(["scenario", "model", "term"], sort=False):
        n, truth = len(found), float(found["truth"].iloc[0])
        spread = float(found["estimate"].std()) if n > 1 else math.nan
        coverage = float(_covers(found).mean())
        power = float(((found["conf_low"] > 0) | (found["conf_high"] < 0)).mean())
        rows.append(
            dict(zip(("scenario", "model", "term"), key, strict=True))
            | {
                "n": n,
                "truth": truth,
                "bias": float(found["estimate"].mean()) - truth,
                "bias_error": spread / math.sqrt(n),
                "spread": spread,
                "std_error": math.sqrt(float((found["std_error"] ** 2).mean())),
                "coverage": coverage,
                "coverage_low": wilson(coverage, n)[0],
                "coverage_high": wilson(coverage, n)[1],
                "power": power,
                "power_error": math.sqrt(power * (1 - power) / n),
            }
        )
    return pd.DataFrame(rows)


def judge(estimates: pd.DataFrame, trials: Mapping[str, int]) -> list[Judgement]:
    """Return the gate's judgement of each model in each scenario; `trials` says how many were run in each."""
    terms, made = by_term(estimates), []
    for (scenario, model), found in estimates.groupby(["scenario", "model"], sort=False):
        of_trial = _covers(found).groupby(found["trial"]).mean()
        coverage, fitted = float(_covers(found).mean()), len(of_trial)
        error = float(of_trial.std()) / math.sqrt(fitted) if fitted > 1 else math.nan
        mine = terms[(terms["scenario"] == scenario) & (terms["model"] == model)]
        why = _failure(coverage, len(found), mine, fitted, trials[str(scenario)])
        verdict = "not judged" if model not in RIGHT[str(scenario)] else "fail" if why else "pass"
        shown = why if verdict == "fail" else ""
        counts = (fitted, trials[str(scenario)], len(found))
        made.append(Judgement(str(scenario), str(model), *counts, coverage, error, verdict, shown))
    for scenario, count in trials.items():
        seen = {judgement.model for judgement in made if judgement.scenario == scenario}
        for model in RIGHT[scenario]:
            if model not in seen:
                why = "no trial gave an estimate"
                made.append(Judgement(scenario, model, 0, count, 0, math.nan, math.nan, "fail", why))
    return made


def _failure(coverage: float, intervals: int, terms: pd.DataFrame, fitted: int, trials: int) -> str:
    """Return what keeps a model from passing, or an empty text."""
    if fitted < LEAST_FITTED * trials:
        return f"only {fitted} of {trials} trials gave an estimate"
    low, high = (coverage, coverage) if trials >= ENOUGH_TRIALS else wilson(coverage, intervals)
    if high < LOW or low > HIGH:
        return f"the pooled coverage of {coverage:.1%} is outside of {LOW:.0%} to {HIGH:.0%}"
    outside = terms[(terms["coverage_high"] < LOW) | (terms["coverage_low"] > HIGH)]
    if len(outside):
        return f"the coverage of {outside['term'].iloc[0]} is {outside['coverage'].iloc[0]:.1%}"
    return ""


def _covers(estimates: pd.DataFrame) -> pd.Series[bool]:
    return (estimates["conf_low"] <= estimates["truth"]) & (estimates["truth"] <= estimates["conf_high"])

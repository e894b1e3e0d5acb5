"""The statistical gate of gold: may these estimates be published, and with what reservation?

Each check gives a verdict. `pass` says what was made sure of. `caution` is published beside the
estimates. `fail` means that a number is wrong, and stops the stage. A model that can't be fitted is no
failure: it is left out, with a caution.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from potato import diagnostics, leverage, manifest, regressions, stability, words
from potato.design import Array, Finding, Sample, Verdict
from potato.models import Fit, Training
from potato.regressions import Regression
from potato.results import DIAGNOSTICS

COLUMNS = tuple(DIAGNOSTICS.names)
MIN_CLUSTERS = 30
MAX_INFLATION = 10.0
_NO_OWN_EFFECT = 1e8  # inflation from which on an effect is the data's rounding
_NUMBERS = ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")
_ORDER = {"fail": 0, "caution": 1, "pass": 2}


def gate(
    training: Training,
    coefficients: pd.DataFrame | None = None,
    truth: Mapping[str, float] | None = None,
    *,
    found: Mapping[str, Regression] | None = None,
    others: Iterable[Finding] = (),
) -> list[Finding]:
    """Return every verdict on a training: failures first, then cautions, then what passed.

    Parameters
    ----------
    training : what `models.train` returned.
    coefficients : the table that is going to be published; the training's own by default.
    truth : the effects that a simulated study was made with, by term.
    found : the training's fits beside their rows, where they were made before.
    others : what was found about influence, foods, weeks and those who left.
    """
    table = training.coefficients if coefficients is None else coefficients
    found = regressions.of(training) if found is None else found
    findings = list(training.findings)
    for name, rows in table.groupby("model", sort=False):
        findings += [_finite(str(name), rows), _intervals(str(name), rows)]
        findings += [_counts(str(name), rows, training.sample)]
    findings += [_clusters(regression.fit) for regression in found.values() if regression.fit.n_subjects > 1]
    findings += [finding for regression in found.values() for finding in leverage.findings(regression.fit)]
    findings += diagnostics.residuals(found.values())
    if found:
        findings += _inflation(training.sample)
    findings += stability.findings(table, found)
    findings += others
    findings += _against_truth(table, truth or {})
    return sorted(findings, key=lambda f: _ORDER[f.verdict])


def frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return the findings as the diagnostics table."""
    rows = [(f.check, f.model, f.verdict, f.value, f.threshold, f.sentence) for f in findings]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"value": float, "threshold": float})


def verdicts(findings: Iterable[Finding]) -> list[manifest.Verdict]:
    """Return the findings as contract verdicts: a fail stops the stage, a caution is a warning."""
    return [
        manifest.Verdict(
            dataset="gold/models/coefficients",
            expectation=finding.check,
            column=finding.model,
            severity="error" if finding.verdict == "fail" else "warning",
            success=finding.verdict == "pass",
            observed="" if finding.value is None else f"{finding.value:.4g}",
            unexpected_count=int(finding.verdict == "fail"),
            sentence=finding.sentence,
        )
        for finding in findings
    ]


def summary(findings: Iterable[Finding]) -> str:
    """Return the gate in one sentence."""
    counts = pd.Series([f.verdict for f in findings], dtype=object).value_counts()
    passed, cautions, failed = (int(counts.get(v, 0)) for v in ("pass", "caution", "fail"))
    if failed:
        return f"{failed} of {passed + cautions + failed} checks of the models failed: nothing is published."
    tail = {0: "none calls for caution", 1: "one calls for caution"}.get(cautions, f"{cautions} call for caution")
    return f"Of {passed + cautions} checks of the models none failed; {tail}."


def _name(model: str) -> str:
    return f"“{words.MODELS.get(model, model)}”"


def _finite(model: str, rows: pd.DataFrame) -> Finding:
    bad = int((~np.isfinite(rows[list(_NUMBERS)].to_numpy(float))).sum())
    errors = int((rows["std_error"] <= 0).sum())
    text = (
        f"{bad + errors} numbers of {_name(model)} are missing, infinite or zero where they can't be."
        if bad + errors
        else f"Every estimate of {_name(model)} is a number, with an error above zero."
    )
    return Finding("finite", model, "fail" if bad + errors else "pass", text, float(bad + errors), 0.0)


def _intervals(model: str, rows: pd.DataFrame) -> Finding:
    inside = (rows["conf_low"] <= rows["estimate"]) & (rows["estimate"] <= rows["conf_high"])
    probable = rows["p_value"].between(0, 1)
    bad = int((~(inside & probable)).sum())
    text = (
        f"{bad} estimates of {_name(model)} lie outside their own interval, or their p-value outside 0 to 1."
        if bad
        else f"Every estimate of {_name(model)} lies inside its interval."
    )
    return Finding("intervals", model, "fail" if bad else "pass", text, float(bad), 0.0)


def _counts(model: str, rows: pd.DataFrame, sample: Sample) -> Finding:
    used = sample.within() if model == "fixed_effects" else sample
    expected, people = used.n_obs, used.n_subjects
    right = (rows["n_obs"] == expected) & (rows["n_subjects"] == people)
    text = (
        f"{_name(model)} used {expected} person-weeks of {words.people(people)}, as counted from the data."
        if right.all()
        else (f"{_name(model)} states other counts than {expected} person-weeks of {words.people(people)} in the data.")
    )
    return Finding("counts", model, "pass" if right.all() else "fail", text, float(rows["n_obs"].iloc[0]), expected)


def _clusters(fit: Fit) -> Finding:
    few = fit.n_subjects < MIN_CLUSTERS
    if fit.model == "mixed_effects":
        # Its intervals are right in large samples only, and no bootstrap stands beside them.
        text = f"{_name(fit.model)} rests on {words.people(fit.n_subjects)}"
        text += (
            f"; its intervals assume many, and below {MIN_CLUSTERS} tend to be too narrow. The bootstrap is of the"
            " clustered models."
            if few
            else ", enough for intervals that assume many."
        )
        verdict: Verdict = "caution" if few else "pass"
        return Finding("people", fit.model, verdict, text, float(fit.n_subjects), float(MIN_CLUSTERS))
    text = (
        f"{_name(fit.model)} rests on {fit.n_subjects} people; below {MIN_CLUSTERS} its intervals tend to be"
        " too narrow."
        if few
        else f"{_name(fit.model)} rests on {fit.n_subjects} people, enough for errors clustered by person."
    )
    return Finding("people", fit.model, "caution" if few else "pass", text, float(fit.n_subjects), float(MIN_CLUSTERS))


def _inflation(sample: Sample) -> list[Finding]:
    """Variance inflation: how much the covariates' moving together widens intervals (Belsley 1980)."""
    if len(sample.covariates) < 2:
        return []
    values = sample.frame[list(sample.covariates)].to_numpy(float)
    unit = (values - values.mean(axis=0)) / values.std(axis=0)
    factors = np.array([_inflated(unit, place) for place in range(unit.shape[1])])
    worst, label = float(factors.max()), words.term(sample.covariates[int(factors.argmax())]).label
    if worst > _NO_OWN_EFFECT:
        text = f"{label} moves as other covariates do to within rounding: it has no effect of its own that can be told."
        return [Finding("variance_inflation", "all", "caution", text, None, MAX_INFLATION)]
    text = (
        f"{label} moves so closely with the other covariates that its own effect is hard to tell (inflation"
        f" {worst:.1f})."
        if worst > MAX_INFLATION
        else f"The covariates can be told apart: the largest variance inflation is {worst:.1f}."
    )
    verdict: Verdict = "caution" if worst > MAX_INFLATION else "pass"
    return [Finding("variance_inflation", "all", verdict, text, worst, MAX_INFLATION)]


def _inflated(unit: Array, place: int) -> float:
    """Return one over the share of a column's variance that the other columns leave."""
    others = np.delete(unit, place, axis=1)
    left = unit[:, place] - others @ np.linalg.lstsq(others, unit[:, place], rcond=None)[0]
    return float(len(left) / max(float(left @ left), 1e-30))


def _against_truth(table: pd.DataFrame, truth: Mapping[str, float]) -> list[Finding]:
    findings = []
    for model, rows in table[table["term"].isin(list(truth))].groupby("model", sort=False):
        value = rows["term"].map(truth)
        missed = rows["term"][~((rows["conf_low"] <= value) & (value <= rows["conf_high"]))]
        held, n, name = len(rows) - len(missed), len(rows), words.MODELS.get(str(model), str(model))
        text = f"{name}: {held} of the {n} intervals hold the effect that the simulation was made with"
        missing = words.listed([words.term(t).label.lower() for t in missed])
        text += f"; that of {missing} misses it." if missing else "."
        findings.append(Finding("truth", str(model), "caution" if missing else "pass", text, float(held), float(n)))
    return findings

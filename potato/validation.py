"""The statistical gate of gold: may these estimates be published, and with what reservation?

Each check gives a verdict. `pass` says what was made sure of. `caution` is published beside the
estimates. `fail` means that a number is wrong, and stops the stage. A model that can't be fitted is no
failure: it is left out, with a caution.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from potato import manifest, words
from potato.design import Finding, Sample, Verdict
from potato.models import Fit, Training

COLUMNS = ("check", "model", "verdict", "value", "threshold", "sentence")
MIN_CLUSTERS = 30
MIN_SHARE_USED = 0.5
MAX_INFLATION = 10.0
MAX_SERIAL = 0.3
MIN_PAIRS = 30
_NUMBERS = ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")
_ORDER = {"fail": 0, "caution": 1, "pass": 2}


def gate(
    training: Training, coefficients: pd.DataFrame | None = None, truth: Mapping[str, float] | None = None
) -> list[Finding]:
    """Return every verdict on a training: failures first, then cautions, then what passed.

    Parameters
    ----------
    training : what `models.train` returned.
    coefficients : the table that is going to be published; the training's own by default.
    truth : the effects that a simulated study was made with, by term.
    """
    table = training.coefficients if coefficients is None else coefficients
    findings = list(training.findings)
    for name, rows in table.groupby("model", sort=False):
        findings += [_finite(str(name), rows), _intervals(str(name), rows)]
        findings += [_counts(str(name), rows, training.sample)]
    findings += [_clusters(fit) for fit in training.fits.values() if fit.df is not None and fit.n_subjects > 1]
    if training.fits:
        findings.append(_share_used(training.sample))
        findings += _inflation(training.sample)
        findings += _signs(table)
    if "mixed_effects" in training.fits:
        findings += _serial(training.fits["mixed_effects"], training.sample)
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
    text = (
        f"{_name(fit.model)} rests on {fit.n_subjects} people; below {MIN_CLUSTERS} its intervals tend to be"
        " too narrow."
        if few
        else f"{_name(fit.model)} rests on {fit.n_subjects} people, enough for errors clustered by person."
    )
    return Finding("people", fit.model, "caution" if few else "pass", text, float(fit.n_subjects), float(MIN_CLUSTERS))


def _share_used(sample: Sample) -> Finding:
    share = sample.n_obs / sample.n_rows if sample.n_rows else 0.0
    verdict: Verdict = "pass" if share >= MIN_SHARE_USED else "caution"
    text = (
        f"The models use {sample.n_obs} of the {sample.n_rows} person-weeks that have a weight change "
        f"({share:.0%}); the others lack intake."
        if sample.n_dropped
        else f"The models use all {sample.n_rows} person-weeks that have a weight change."
    )
    return Finding("share_used", "all", verdict, text, share, MIN_SHARE_USED)


def _inflation(sample: Sample) -> list[Finding]:
    """Variance inflation: how much the covariates' moving together widens intervals (Belsley 1980)."""
    if len(sample.covariates) < 2:
        return []
    correlation = np.corrcoef(sample.frame[list(sample.covariates)].to_numpy(float), rowvar=False)
    if np.linalg.matrix_rank(correlation, tol=1e-8) < len(correlation):
        return []
    factors = np.diag(np.linalg.inv(correlation))
    worst, name = float(factors.max()), sample.covariates[int(factors.argmax())]
    text = (
        f"{name} moves so closely with the other covariates that its own effect is hard to tell (inflation"
        f" {worst:.1f})."
        if worst > MAX_INFLATION
        else f"The covariates can be told apart: the largest variance inflation is {worst:.1f}."
    )
    verdict: Verdict = "caution" if worst > MAX_INFLATION else "pass"
    return [Finding("variance_inflation", "all", verdict, text, worst, MAX_INFLATION)]


def _signs(table: pd.DataFrame) -> list[Finding]:
    findings = []
    for term, rows in table.groupby("term", sort=False):
        if len(rows) < 2:
            continue
        agree = rows["estimate"].gt(0).nunique() == 1
        text = (
            f"The {words.spelled(len(rows))} models agree on the direction of {words.term(str(term)).label.lower()}."
            if agree
            else (
                f"The models disagree on the direction of {words.term(str(term)).label.lower()}: nothing"
                " should be concluded about it."
            )
        )
        findings.append(Finding("direction", str(term), "pass" if agree else "caution", text))
    return findings


def _serial(fit: Fit, sample: Sample) -> list[Finding]:
    """Correlation of a person's residuals in neighbouring weeks, beyond what the random intercept explains.

    Residuals keep the person's own level, which alone correlates any two weeks by the intraclass correlation.
    """
    rows = sample.frame[["subject_id", "study_week"]].assign(residual=fit.residuals)
    before = rows.assign(study_week=rows["study_week"] + 1)
    pairs = rows.merge(before, on=["subject_id", "study_week"], suffixes=("", "_before"))
    if len(pairs) < MIN_PAIRS or min(pairs["residual"].std(), pairs["residual_before"].std()) == 0:
        return []
    together = float(np.corrcoef(pairs["residual"], pairs["residual_before"])[0, 1])
    r = together - fit.details["intraclass_correlation"]
    text = (
        "What the mixed model leaves unexplained is related from week to week (r ="
        f" {words.number(r, '+.2f')}): trust the intervals of the two clustered models more than its own."
        if abs(r) > MAX_SERIAL
        else (
            "What the mixed model leaves unexplained is hardly related from week to week"
            f" (r = {words.number(r, '+.2f')})."
        )
    )
    verdict: Verdict = "caution" if abs(r) > MAX_SERIAL else "pass"
    return [Finding("serial_correlation", "mixed_effects", verdict, text, r, MAX_SERIAL)]


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

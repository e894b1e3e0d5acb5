"""From the modelling dataset to what a model is fitted to: sample, design matrix, and what fell out.

The matrices are made by hand and not through formulas: a formula interface costs a second import and
hides which columns cannot be told apart, which is what a reader has to know.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from potato import words

Verdict = Literal["pass", "caution", "fail"]
Array = NDArray[np.float64]

INTERCEPT = "intercept"
_RANK_TOLERANCE = 1e-9
_LOADING_TOLERANCE = 1e-6
_LEAST_APART = 1e-4  # of a column's spread; what is left of it beside the others is then the data's rounding


@dataclass(frozen=True)
class Finding:
    """One line of the statistical gate: what was checked, on which model, and what came out.

    `verdict` fail stops the stage, caution is shown, pass is shown too. `value` and `threshold` are None
    where the check is no comparison of numbers. `sentence` is for a reader without statistics.
    """

    check: str
    model: str
    verdict: Verdict
    sentence: str
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Sample:
    """The subject-weeks that every model starts from: complete in outcome and covariates.

    Attributes
    ----------
    frame : rows sorted by subject_id and study_week, index 0..n-1.
    covariates : columns whose effects are reported, all of them varying in `frame`.
    controls : columns that enter as one indicator per level, all of them with two levels or more.
    numeric_controls : columns that enter as they are, all of them varying.
    n_rows : subject-weeks with an outcome, before any row was dropped.
    missing : rows dropped, by the column that was null (a row counts once for each null column).
    findings : what was left out and why.
    """

    frame: pd.DataFrame
    outcome: str
    covariates: tuple[str, ...]
    controls: tuple[str, ...]
    n_rows: int
    missing: dict[str, int]
    findings: tuple[Finding, ...] = ()
    numeric_controls: tuple[str, ...] = ()

    @property
    def n_obs(self) -> int:
        return len(self.frame)

    @property
    def n_subjects(self) -> int:
        return int(self.frame["subject_id"].nunique())

    @property
    def n_dropped(self) -> int:
        return self.n_rows - self.n_obs

    @property
    def formula(self) -> str:
        """Return the regression as a formula, for people."""
        terms = [*self.covariates, *(f"C({control})" for control in self.controls), *self.numeric_controls]
        return f"{self.outcome} ~ {' + '.join(terms) or '1'}"

    def within(self) -> Sample:
        """Return the sample without people who have a single row: nothing varies within them."""
        counts = self.frame.groupby("subject_id")["subject_id"].transform("size")
        # What is constant within a person, like the group, is absorbed by the person's own level.
        varying = [c for c in self.controls if self.frame.groupby("subject_id")[c].nunique().gt(1).any()]
        frame = self.frame[counts > 1].reset_index(drop=True)
        return replace(self, frame=frame, controls=tuple(varying))


def sample(
    frame: pd.DataFrame,
    outcome: str,
    covariates: Sequence[str],
    controls: Sequence[str] = (),
    numeric_controls: Sequence[str] = (),
    *,
    subject: str = "subject_id",
    time: str | None = None,
) -> Sample:
    """Return the rows and terms that can be modelled, with a finding for each that can't.

    Parameters
    ----------
    frame : the modelling dataset, or any frame with several rows a subject.
    outcome : the column to explain.
    covariates : numeric columns whose effects are reported.
    controls : categorical columns; a null is a level of its own, a column with one level is dropped.
    numeric_controls : numeric columns that are held equal and not reported.
    subject, time : columns that say whose a row is and when, which the sample has as subject_id and study_week;
        without `time`, study_week tells, and rows of a frame without it are taken in the order in which they stand.

    A row that lacks outcome or subject is no observation. One that lacks a covariate or a numeric control,
    or has it infinite, is dropped and counted.
    """
    findings: list[Finding] = []
    who = frame[subject]
    time = time or ("study_week" if "study_week" in frame else None)
    when = frame[time] if time else frame.groupby(subject).cumcount() + 1
    frame = frame.assign(subject_id=who, study_week=when)
    numeric = list(dict.fromkeys([outcome, *(c for c in [*covariates, *numeric_controls] if c in frame)]))
    frame[numeric] = frame[numeric].astype(float).replace([np.inf, -np.inf], np.nan)
    rows = frame.dropna(subset=[outcome, "subject_id"])
    recorded = [c for c in covariates if c in rows and rows[c].notna().any()]
    for name in covariates if recorded else ():
        if name not in recorded:
            text = f"{words.term(name).label} was never recorded: the models leave it out."
            findings.append(Finding("covariate_recorded", "all", "caution", text))
    held = [c for c in numeric_controls if c in rows and rows[c].notna().any()]
    needed = [*recorded, *held]
    missing = {name: int(rows[name].isna().sum()) for name in needed if rows[name].isna().any()}
    kept = rows.dropna(subset=needed).sort_values(["subject_id", "study_week"], kind="stable").reset_index(drop=True)
    varying = [c for c in recorded if kept[c].nunique() > 1]
    for name in recorded if len(kept) else ():
        if name not in varying:
            text = f"{words.term(name).label} is the same in every week: it explains nothing."
            findings.append(Finding("covariate_varies", "all", "caution", text))
    with_levels, levels = _varying(kept, controls)
    numbers, values = _varying(kept, numeric_controls)
    for name, n in (levels | values).items():
        text = f"This study has a single {name.replace('_', ' ')}, so there is nothing to adjust for."
        findings.append(Finding("control_varies", "all", "pass", text, float(n), 2.0))
    return Sample(kept, outcome, tuple(varying), with_levels, len(rows), missing, tuple(findings), numbers)


def _varying(frame: pd.DataFrame, names: Sequence[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the controls that take two values or more, and how many values each of the others takes."""
    n = {name: int(frame[name].nunique(dropna=False)) if name in frame else 0 for name in names}
    return tuple(name for name in names if n[name] > 1), {name: k for name, k in n.items() if k < 2}


@dataclass(frozen=True)
class Design:
    """A regression in numbers.

    Attributes
    ----------
    y : (n,) outcome.
    x : (n, k) columns of full rank, `names` in order.
    subjects : (n,) person of each row as codes 0..n_subjects-1.
    estimable : reported covariates that the rows can tell apart from everything else.
    findings : covariates that are not estimable.
    """

    y: Array
    x: Array
    names: tuple[str, ...]
    subjects: NDArray[np.int64]
    estimable: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def n_subjects(self) -> int:
        return int(self.subjects.max()) + 1 if len(self.subjects) else 0


def pooled(sample: Sample, model: str) -> Design:
    """Return the design with an intercept, the covariates and indicators for the levels of each control."""
    x, names = _columns(sample)
    x = np.column_stack([np.ones(len(x)), x])
    return _full_rank(sample, model, x, [INTERCEPT, *names], np.linalg.norm(x, axis=0))


def demeaned(sample: Sample, model: str) -> Design:
    """Return the design with each person's own mean taken out of every column and of the outcome.

    The intercept stays, as zero deviation: it counts as one estimated column, which is what the small-
    sample factor of other implementations counts for the level that all people share.
    """
    x, names = _columns(sample)
    size = np.append(math.sqrt(max(len(x), 1)), np.linalg.norm(x, axis=0))
    x = np.column_stack([np.ones(len(x)), _demean(x, sample)])
    design = _full_rank(sample, model, x, [INTERCEPT, *names], size)
    return replace(design, y=_demean(design.y[:, None], sample)[:, 0])


def _columns(sample: Sample) -> tuple[Array, list[str]]:
    """Return covariates, numeric controls and indicators; the first level in sorted order is the reference."""
    names = [*sample.covariates, *sample.numeric_controls]
    columns = [sample.frame[name].to_numpy(float) for name in names]
    for control in sample.controls:
        values = sample.frame[control].astype(object).where(sample.frame[control].notna(), "not stated")
        for level in sorted(values.unique(), key=lambda v: (isinstance(v, str), v))[1:]:
            columns.append((values == level).to_numpy(float))
            names.append(f"{control}[{level}]")
    return np.column_stack(columns) if columns else np.empty((sample.n_obs, 0)), names


def _demean(x: Array, sample: Sample) -> Array:
    groups = sample.frame["subject_id"].to_numpy()
    columns = pd.DataFrame(x)
    return np.asarray(columns - columns.groupby(groups).transform("mean"), float)


def _full_rank(sample: Sample, model: str, x: Array, names: list[str], size: Array) -> Design:
    """Drop columns until the rest has full rank, and say which covariates have no coefficient of their own.

    A coefficient is estimable when no vector of the null space of the design moves it (Searle 1971,
    section 5.4). What is estimable is the same whichever of the redundant columns go.
    """
    from scipy.linalg import qr, svd

    scaled = x / np.where(size > 0, size, 1.0)
    scaled[:, np.linalg.norm(scaled, axis=0) < _RANK_TOLERANCE] = 0.0
    subjects = pd.factorize(sample.frame["subject_id"])[0].astype(np.int64)
    y = sample.frame[sample.outcome].to_numpy(float)
    if not scaled.size:
        return Design(y, x, tuple(names), subjects, (), ())
    norms = np.linalg.norm(scaled, axis=0)
    unit = scaled / np.where(norms > 0, norms, 1.0)
    # The triangle has the design's singular values and null space, and is small.
    triangle, pivots = qr(unit, mode="r", pivoting=True)
    _, values, right = svd(triangle[: len(names)][:, np.argsort(pivots)], full_matrices=True)
    rank = int((values > _RANK_TOLERANCE * values[0] * len(names)).sum()) if values[0] > 0 else 0
    loading = np.abs(right[rank:]).max(axis=0) if rank < len(names) else np.zeros(len(names))
    moved = {name for name, weight in zip(names, loading, strict=True) if weight > _LOADING_TOLERANCE}
    empty = {name for name, norm in zip(names, norms, strict=True) if norm == 0}
    findings = []
    for name in sample.covariates:
        if name in empty:
            label = words.term(name).label
            text = f"{label} does not vary within any person: a comparison of a person with themselves can't see it."
            findings.append(Finding("varies_within_people", model, "caution", text))
        elif name in moved:
            text = f"{words.term(name).label} can't be told apart from {_spoken(moved - {name} - empty)}: its estimate"
            text += " is left out."
            findings.append(Finding("collinearity", model, "caution", text))
    if rank < len(names):
        keep = sorted(pivots[:rank])
        x, names = x[:, keep], [names[i] for i in keep]
    near = _nearly_told_by_others(x, names)
    for name in (c for c in sample.covariates if c in near and c not in moved):
        text = f"{words.term(name).label} can hardly be told apart from {_spoken(near - {name})}: its estimate would be"
        text += " made of rounding, and is left out."
        findings.append(Finding("collinearity", model, "caution", text))
    moved |= near
    estimable = tuple(c for c in sample.covariates if c not in moved)
    return Design(y, x, tuple(names), subjects, estimable, tuple(findings))


def _nearly_told_by_others(x: Array, names: list[str]) -> set[str]:
    """Return the columns (of full rank) of whose spread the others leave next to nothing."""
    norms = np.linalg.norm(x, axis=0)
    if not x.size or len(x) < x.shape[1]:
        return set()
    inverse = np.linalg.pinv(np.linalg.qr(x / norms, mode="r"))
    left = norms / np.linalg.norm(inverse, axis=1)
    spread = np.linalg.norm(x - x.mean(axis=0), axis=0)
    return {name for name, part, whole in zip(names, left, spread, strict=True) if part < _LEAST_APART * whole}


def _spoken(names: set[str]) -> str:
    """Return columns of a design for a reader, the levels of a control as one."""
    spoken = sorted({words.term(name.split("[")[0]).label.lower() for name in names - {INTERCEPT}})
    return words.listed(spoken) or "the intercept"

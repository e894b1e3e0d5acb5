"""Who left, and what that does to the results: stayers, all with data and weighting side by side.

What everybody weighed at the end is known only of those who were still there. Each result below fills the gap by
another assumption, and none of the assumptions can be checked with the data alone; what can be seen is how much hangs
on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from potato import completion, design, models, spans, trajectories, words
from potato.completion import Plan, Weights
from potato.design import Array, Finding, Verdict
from potato.models import Training
from potato.results import ATTRITION, COMPLETION

CHANGE = "change_kg"
METHODS = {
    "all_with_data": "All with data",
    "completers": "Completers",
    "weighted": "Completers, weighted",
    "back_to_start": "Back to the start",
}
NAMES = {
    "baseline_weight_kg": "first weight",
    "first_week_change_kg": "first week's change",
    "group": "group",
}
MANY_LEFT = 0.2
MOST_APART = 1.0
BALANCED = 0.1
_SHARE_EFFECTIVE = 0.5


@dataclass(frozen=True)
class Attrition:
    """What was found about those who left.

    Attributes
    ----------
    missing : why there is no analysis, in words; empty where there is one.
    plan, people : the planned length, and the roster of `completion.roster`.
    weights : the weights, or in words why there are none.
    table, balance : in the columns of ATTRITION and COMPLETION; empty where there is no analysis.
    """

    missing: str
    plan: Plan | None
    people: pd.DataFrame
    weights: Weights | str
    table: pd.DataFrame
    balance: pd.DataFrame

    @property
    def left(self) -> int:
        return int((~self.people["completed"]).sum()) if len(self.people) else 0

    @property
    def stayed(self) -> int:
        return int(self.people["completed"].sum()) if len(self.people) else 0


def analyse(frame: pd.DataFrame, training: Training, confidence: float, weeks: int | None) -> Attrition:
    """Return the mean change and the pooled model's effects by each method.

    Parameters
    ----------
    frame : the subject trajectories with a group on each row.
    training : what `models.train` returned.
    weeks : how many weeks the study was planned for, as its description states it; None where it doesn't.
    """
    everybody = trajectories.people(frame)
    planned = completion.plan(everybody, weeks)
    people = completion.roster(frame, planned) if planned else everybody.iloc[:0]
    why = _missing(everybody, planned, people)
    if why:
        empty = pd.DataFrame(columns=ATTRITION.names), pd.DataFrame(columns=COMPLETION.names)
        return Attrition(why, planned, people, why, *empty)
    with spans.span("fit completion"):
        weighted = completion.weights(people)
    known = None if isinstance(weighted, str) else weighted
    rows = [*mean_changes(people, known, confidence), *_effects(training, people, known, confidence)]
    table = pd.DataFrame(rows, columns=ATTRITION.names)
    return Attrition("", planned, people, weighted, table, completion.balance(people, known))


def _missing(everybody: pd.DataFrame, planned: Plan | None, people: pd.DataFrame) -> str:
    n = int(everybody["change_kg"].notna().sum())
    if len(everybody) == 1:
        return "One person's record has nobody who could have left."
    if n < trajectories.MIN_PEOPLE:
        return f"{words.people(n).capitalize()} with two weigh-ins are too few to compare who stayed with who left."
    if planned is None:
        return (
            "Who left can't be told: the study's description does not say how many weeks it was planned for (`weeks:`),"
            " and people's records do not end together."
        )
    stayed = int(people["completed"].sum())
    if stayed == len(people):
        return f"Everybody weighed in to the end of the {words.count(planned.weeks, 'week')}: nobody left."
    if stayed < trajectories.MIN_PEOPLE:
        return f"{words.people(stayed).capitalize()} weighed in at the end of week {planned.weeks}, too few for a mean."
    return ""


def mean_changes(people: pd.DataFrame, weighted: Weights | None, confidence: float) -> list[tuple[Any, ...]]:
    """Return the mean change by the end of the study by each method, as rows of ATTRITION.

    Intervals use the t distribution over people; that of the weighted mean takes into account that the weights were
    estimated.
    """
    from scipy import stats

    stayed = people["completed"].to_numpy(bool)
    change = people["change_kg"].to_numpy(float)
    simple = {
        "all_with_data": change[~np.isnan(change)],
        "completers": change[stayed],
        "back_to_start": np.where(stayed, change, 0.0),
    }
    found = {name: (len(v), float(v.mean()), float(v.std(ddof=1) / np.sqrt(len(v)))) for name, v in simple.items()}
    if weighted is not None:
        found["weighted"] = (int(stayed.sum()), *weighted_mean(weighted))
    rows = []
    for method in METHODS:
        if method in found:
            n, mean, error = found[method]
            half = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * error
            told = assumption(method, weighted)
            rows.append((CHANGE, method, n, mean, error, mean - half, mean + half, "kg", told))
    return rows


def weighted_mean(weighted: Weights) -> tuple[float, float]:
    """Return the weighted mean change of those who stayed (Hájek's), and its standard error.

    The error is the sandwich of the stacked equations of mean and logistic regression (Lunceford and Davidian 2004),
    with the factor n/(n-1); a truncated weight counts as fixed.
    """
    change = weighted.people["change_kg"].to_numpy(float)
    stayed, w, p, z = weighted.completed, weighted.values, weighted.probability, weighted.columns
    total = float(w.sum())
    mean = float(w[stayed] @ change[stayed]) / total
    away = np.where(stayed, change - mean, 0.0)
    information = (z * (p * (1 - p))[:, None]).T @ z
    slope = -(w * weighted.free * (1 - p) * away) @ z
    scores = w * away + ((stayed - p)[:, None] * z) @ np.linalg.solve(information, slope)
    n = len(w)
    return mean, float(np.sqrt(n / (n - 1) * (scores**2).sum())) / total


def assumption(method: str, weighted: Weights | None) -> str:
    """Return what has to be true for a method's result to hold for everybody."""
    same = words.listed([NAMES[name] for name in (weighted.predictors if weighted else ())])
    return {
        "all_with_data": "Those who left kept their last weight to the end.",
        "completers": "Those who left would have ended like those who stayed.",
        "weighted": f"Those who left would have ended like those who stayed with the same {same}.",
        "back_to_start": "Those who left went back to their first weight.",
    }[method]


def _effects(
    training: Training, people: pd.DataFrame, weighted: Weights | None, confidence: float
) -> list[tuple[Any, ...]]:
    """Return the pooled model's effects over all weeks, over those of completers, and over these weighted.

    The weighted errors take the weights as known, which makes them a little too wide rather than too narrow (Robins,
    Hernán and Brumback 2000).
    """
    if "ols_cluster" not in training.fits:
        return []
    fit, sample = training.fits["ols_cluster"], training.sample
    stayed = set(people.loc[people["completed"], "subject_id"])
    frame = sample.frame[sample.frame["subject_id"].isin(stayed)].reset_index(drop=True)
    if frame["subject_id"].nunique() < completion.MIN_EACH:
        return []
    varying = tuple(name for name in sample.covariates if frame[name].nunique() > 1)
    made = design.pooled(replace(sample, frame=frame, covariates=varying), "ols_cluster")
    if len(made.y) <= made.x.shape[1] + 1:
        return []
    tables = {"all_with_data": fit.coefficients(confidence).assign(n=fit.n_subjects)}
    with spans.span("fit ols_cluster over those who stayed"):
        tables["completers"] = _clustered(made, np.ones(len(made.y)), confidence)
        if weighted is not None:
            of = dict(zip(people["subject_id"], weighted.values, strict=True))
            tables["weighted"] = _clustered(made, frame["subject_id"].map(of).to_numpy(float), confidence)
    rows = []
    for term in fit.reported:
        for method, table in tables.items():
            for row in words.rows(table[table["term"] == term]):
                ends = (row.conf_low, row.conf_high)
                told = assumption(method, weighted).replace("ended", "responded")
                if method == "all_with_data":
                    told = "Weeks that were not recorded would have shown the same effect as those that were."
                rows.append((term, method, row.n_subjects, row.estimate, row.std_error, *ends, row.unit, told))
    return rows


def _clustered(made: design.Design, weight: Array, confidence: float) -> pd.DataFrame:
    from statsmodels.regression.linear_model import WLS

    keywords = {"groups": made.subjects, "use_correction": True, "df_correction": True}
    result: Any = WLS(made.y, made.x, weights=weight).fit(cov_type="cluster", cov_kwds=keywords, use_t=True)
    fit = models.Fit(
        model="ols_cluster",
        terms=made.names,
        reported=made.estimable,
        params=np.asarray(result.params),
        covariance=np.asarray(result.cov_params()),
        df=float(made.n_subjects - 1),
        n_obs=len(made.y),
        n_subjects=made.n_subjects,
        residuals=np.asarray(result.resid),
        fitted=np.asarray(result.fittedvalues),
    )
    return fit.coefficients(confidence)


def findings(found: Attrition, alone: bool) -> list[Finding]:
    """Return how many left, how far the methods lie apart, whether the weights balance, and what effects do.

    `alone` is true in a study of one person, of which nothing of this is asked.
    """
    if alone:
        return []
    if found.missing:
        verdict: Verdict = "pass" if found.left == 0 and len(found.people) else "caution"
        return [Finding("who_left", "all", verdict, found.missing)]
    n = len(found.people)
    share = found.left / n
    many = share > MANY_LEFT
    text = f"{found.left} of {words.people(n)} ({share:.0%}) left before the end"
    text += ": what became of them decides the answer." if many else ", a small part."
    made = [Finding("who_left", "all", "caution" if many else "pass", text, share, MANY_LEFT)]
    changes = found.table[found.table["quantity"] == CHANGE].set_index("method")
    made.append(_apart(changes))
    if isinstance(found.weights, str):
        made.append(Finding("completion_weights", "all", "caution", f"No weighting: {_lower(found.weights)}"))
    else:
        made.append(_balanced(found.weights, found.balance))
    effects = found.table[found.table["quantity"] != CHANGE]
    if len(effects):
        made.append(_effects_move(effects))
    return made


def _apart(changes: pd.DataFrame) -> Finding:
    """Compare stayers, all and weighted; that everybody went back to the start is a bound and not compared."""
    rows = changes.drop(index="back_to_start")
    apart = float(rows["estimate"].max() - rows["estimate"].min())
    half = float(((rows["conf_high"] - rows["conf_low"]) / 2).max())
    value = apart / half if half else 0.0
    low, high = words.kg(float(rows["estimate"].min())), words.kg(float(rows["estimate"].max()))
    if value > MOST_APART:
        text = f"The mean change is {low} or {high} depending on what is assumed of those who left."
        return Finding("left_and_change", "all", "caution", text, value, MOST_APART)
    text = f"The mean change lies between {low} and {high} whatever of the three is assumed of those who left."
    return Finding("left_and_change", "all", "pass", text, value, MOST_APART)


def _balanced(weighted: Weights, balance: pd.DataFrame) -> Finding:
    worst = float(balance["difference_weighted"].abs().max())
    before = float(balance["difference"].abs().max())
    stayed = int(weighted.completed.sum())
    counts = (
        f"they count as much as {weighted.effective:.0f} of {stayed} equal people, the heaviest {weighted.largest:.1f}"
        " times"
    )
    few = weighted.effective < _SHARE_EFFECTIVE * stayed
    verdict: Verdict = "caution" if worst > BALANCED or few else "pass"
    if worst > BALANCED:
        text = f"Even weighted, those who stayed differ from everybody by {worst:.2f} standard deviations; {counts}."
    elif few:
        text = f"The weighted result rests on few: {counts}."
    else:
        text = (
            f"Weighted, those who stayed began like everybody ({worst:.2f} standard deviations apart instead of"
            f" {before:.2f}); {counts}."
        )
    return Finding("completion_weights", "all", verdict, text, worst, BALANCED)


def _effects_move(effects: pd.DataFrame) -> Finding:
    method = "weighted" if (effects["method"] == "weighted").any() else "completers"
    wide = effects.pivot(index="quantity", columns="method", values="estimate")
    error = effects.pivot(index="quantity", columns="method", values="std_error")["all_with_data"]
    moved = ((wide[method] - wide["all_with_data"]) / error).abs().dropna()
    value = float(moved.max()) if len(moved) else 0.0
    name = "weighted completers" if method == "weighted" else "completers"
    text = f"Over {name} no effect moves by more than {value:.1f} standard errors."
    verdict: Verdict = "pass"
    if value > MOST_APART:
        term = words.term(str(moved.idxmax())).label.lower()
        text = f"Over {name} the effect of {term} moves by {value:.1f} standard errors: who left matters to it."
        verdict = "caution"
    return Finding("left_and_effects", "ols_cluster", verdict, text, value, MOST_APART)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]

"""The sentences of the page about those who left."""

from __future__ import annotations

from potato import words
from potato.attrition import CHANGE, NAMES, Attrition
from potato.completion import PREDICTORS, Weights

_TOLD = {
    "completers": "over those who stayed",
    "weighted": "when they are weighted to stand for everybody",
    "all_with_data": "when everybody counts with their last weight",
    "back_to_start": "if those who left went back to their first weight",
}


def texts(found: Attrition) -> dict[str, str]:
    """Return attrition.*; all empty where there is no analysis, and `weighted` where there are no weights."""
    if found.missing or found.plan is None:
        return dict.fromkeys(("sentence", "rule", "weights", "weighted", "effects"), "")
    changes = found.table[found.table["quantity"] == CHANGE].set_index("method")["estimate"]
    parts = [f"{words.kg(float(changes[method]))} {told}" for method, told in _TOLD.items() if method in changes]
    weeks, n = found.plan.weeks, len(found.people)
    return {
        "sentence": (
            f"{found.stayed} of {words.people(n)} were still weighed at the end. The mean change was"
            f" {words.listed(parts)}."
        ),
        "rule": f"{found.plan.source} A completer weighed in during study week {weeks} or the one after it.",
        "weights": _weights(found),
        "weighted": "yes" if isinstance(found.weights, Weights) else "",
        "effects": _effects(found),
    }


def _weights(found: Attrition) -> str:
    weighted = found.weights
    if not isinstance(weighted, Weights):
        return f"No weighting was possible: {weighted[:1].lower()}{weighted[1:]}"
    names = words.listed([f"the {NAMES[name]}" for name in weighted.predictors])
    least, most = weighted.values[weighted.completed].min(), weighted.largest
    text = (
        f"A logistic regression tells from {names} how likely each person was to stay. Those who stayed count the more,"
        " the less likely that was. A weight is the share of people who stayed over the person's probability, cut at"
        f" the 1st and 99th percentile. The weights reach from {least:.2f} to {most:.2f}, and the"
        f" {found.stayed} people tell as much as {weighted.effective:.0f} of equal weight."
    )
    unknown = [NAMES[name] for name in PREDICTORS if found.people[name].isna().any()]
    if unknown:
        text += f" What is not known of everybody takes no part: the {words.listed(unknown)}."
    early = int((found.people["last_week"] == 1).sum())
    if early and "first_week_change_kg" in weighted.predictors:
        whose = "whose" if early == 1 else "so that their"
        text += (
            f" {words.people(early).capitalize()} left within the first week, {whose} change in it is of fewer days."
        )
    return text


def _effects(found: Attrition) -> str:
    if not (found.table["quantity"] != CHANGE).any():
        return ""
    alone = ", alone and weighted" if isinstance(found.weights, Weights) else ""
    return (
        "The link between diet and weight is estimated from weeks and not from ends: those who left take part with"
        " the weeks that they recorded. The table holds the pooled model over all weeks against the same model over the"
        f" weeks of those who stayed{alone}."
    )

"""Tables of the gate: checks, the weeks that models use, kinds of food, and those who left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from potato import weeks, words
from potato.attrition import CHANGE, METHODS, NAMES
from potato.tables import Column, Table, build, filled

# Check: what it is about, and its everyday name.
CHECKS = {
    "finite": ("Numbers", "Are numbers"),
    "intervals": ("Numbers", "Inside its interval"),
    "counts": ("Numbers", "Counts are right"),
    "converged": ("Numbers", "Came to rest"),
    "truth": ("Numbers", "Finds the simulated effect"),
    "intake_recorded": ("Data", "Intake recorded"),
    "outcome_varies": ("Data", "Weight changes vary"),
    "covariate_recorded": ("Data", "Covariate recorded"),
    "covariate_varies": ("Data", "Covariate varies"),
    "enough_people": ("Data", "Enough people to fit"),
    "enough_weeks": ("Data", "Enough weeks to fit"),
    "people": ("Data", "Enough people"),
    "one_person": ("Data", "One person"),
    "weeks": ("Data", "Enough weeks"),
    "gaps": ("Data", "Gaps"),
    "share_used": ("Data", "Weeks used"),
    "single_weeks": ("Data", "Single weeks"),
    "control_varies": ("Data", "Something to adjust for"),
    "variance_inflation": ("Data", "Covariates told apart"),
    "collinearity": ("Data", "Covariates told apart"),
    "varies_within_people": ("Data", "Varies within people"),
    "varies_within_few": ("Data", "Varies within enough people"),
    "even_spread": ("Residuals", "Even spread"),
    "unrelated_weeks": ("Residuals", "Unrelated weeks"),
    "normal_residuals": ("Residuals", "Normal shape of weeks"),
    "normal_levels": ("Residuals", "Normal shape of people"),
    "own_errors": ("Residuals", "Errors without assumptions"),
    "residuals_judged": ("Residuals", "Enough to judge"),
    "random_intercept": ("Residuals", "People differ"),
    "random_slope": ("Residuals", "Effects differ"),
    "random_correlation": ("Residuals", "Levels and effects told apart"),
    "rests_on_one": ("Single people", "More than one person"),
    "rests_on_few": ("Single people", "More than a few people"),
    "effective_people": ("Single people", "Many people"),
    "single_people": ("Single people", "Without each person"),
    "direction": ("Between models", "Same direction"),
    "distance": ("Between models", "Intervals agree"),
    "weeks_and_people": ("Between models", "Weeks against people"),
    "left_out": ("Between models", "Foretells people left out"),
    "kinds_of_food": ("Many questions", "Kinds of food"),
    "who_left": ("Who left", "How many left"),
    "left_and_change": ("Who left", "Change without them"),
    "left_and_effects": ("Who left", "Effects without them"),
    "completion_weights": ("Who left", "Weights"),
}
_PARTS = list(dict.fromkeys(part for part, _ in CHECKS.values()))
_SOURCE = "gold/models/diagnostics"


def diagnostics(table: pd.DataFrame) -> list[Table]:
    """Show what calls for caution, if anything does, and every check by what it is about."""
    named = [CHECKS[check] for check in table["check"]]
    frame = table.assign(part=[part for part, _ in named], check=[label for _, label in named])
    frame["model"] = [_of(str(model)) for model in frame["model"]]
    check = Column("check", "Check")
    rest = (
        Column("model", "Of"),
        Column("verdict", "Verdict"),
        Column("sentence", "In words"),
        Column("value", "Value", ".3g"),
        Column("threshold", "Limit", ".3g"),
    )
    made = []
    doubted = frame[frame["verdict"] != "pass"]
    if len(doubted):
        caption = "Each is a reason to read the estimates with more doubt. The value is held against the limit."
        shown = tuple(column for column in (check, *rest) if column.name != "verdict")
        columns = filled(shown, doubted)
        made.append(build("cautions", "models", "What calls for caution", caption, _SOURCE, columns, doubted))
    order = frame["part"].map({part: place for place, part in enumerate(_PARTS)})
    listed = frame.assign(order=order).sort_values("order", kind="stable")
    caption = "Every check made before the estimates were published. A fail would have stopped the run."
    columns = (Column("part", "About"), check, *rest)
    made.append(build("diagnostics", "models", "All checks of the models", caption, _SOURCE, columns, listed))
    return made


def _of(model: str) -> str:
    if model in words.MODELS:
        return words.MODELS[model]
    return "All" if model == "all" else words.term(model).label


def weeks_used(counted: pd.DataFrame) -> Table:
    """Show all subject-weeks of the study with a column for each model: used, or why not."""
    models = list(dict.fromkeys(counted["model"]))
    number = {(row.outcome, row.model): int(row.weeks) for row in words.rows(counted)}
    total = {model: sum(n for (_, of), n in number.items() if of == model) for model in models}
    told = {weeks.USED: "Used"} | {reason: f"less: {why}" for reason, why in weeks.REASONS.items()}
    rows: list[dict[str, Any]] = [{"what": "All weeks of the study", **total}]
    for outcome in (*weeks.REASONS, weeks.USED):
        row = {model: number[outcome, model] for model in models}
        if outcome == weeks.USED or any(row.values()):
            rows.append({"what": told[outcome], **row})
    columns = (Column("what", "Person-weeks"), *(Column(m, words.MODELS[m], ",d") for m in models))
    caption = "Every week between a person's first and last record counts once, under the first reason that holds."
    title = "Which weeks the models use"
    return build("weeks-used", "models", title, caption, "gold/models/weeks", columns, rows)


def food_effects(found: pd.DataFrame, confidence: float) -> Table:
    """Show each kind of food's effect within people with Holm's correction, the most certain first."""
    frame = found.assign(food=found["category"].str.capitalize()).sort_values(["p_holm", "p_value"], kind="stable")
    columns = (
        Column("food", "Food"),
        Column("estimate", "Estimate", "+.3f", "kg per week"),
        Column("conf_low", "From", "+.3f"),
        Column("conf_high", "To", "+.3f"),
        Column("p_value", "p", "p"),
        Column("p_holm", "p (Holm)", "p"),
    )
    weeks_of = words.count(int(found["n_obs"].max()), "person-week")
    people = words.people(int(found["n_subjects"].max()))
    caption = (
        "Effect of one more diary entry a logged day that names the food on next week's weight change, in the model"
        f" within people, each kind in place of the other covariates ({weeks_of} of {people}). “From” and “to” are"
        f" the ends of the {confidence:.0%} interval of that kind alone; “p (Holm)” allows for all of them."
    )
    name, dataset = "food-effects", "gold/models/food_categories"
    return build(name, "models", "Kinds of food and the next week", caption, dataset, columns, frame)


def attrition(table: pd.DataFrame, confidence: float) -> list[Table]:
    """Show the mean change and, where there are models, their effects by each method, with what it assumes."""
    frame = table.assign(way=table["method"].map(METHODS))
    changes = frame[frame["quantity"] == CHANGE]
    changes = changes.assign(lb=changes["estimate"] * words.LB_PER_KG)
    columns = (
        Column("way", "Result"),
        Column("n", "From people", ",d"),
        Column("estimate", "Mean change", "+.2f", "kg"),
        Column("conf_low", "From", "+.2f"),
        Column("conf_high", "To", "+.2f"),
        Column("lb", "Mean change", "+.1f", "lb"),
        Column("assumption", "Right for everybody if"),
    )
    dataset = "gold/models/attrition"
    caption = f"Mean weight change by the end of the study, with the ends of its {confidence:.0%} interval."
    made = [build("attrition", "attrition", "The mean change, four ways", caption, dataset, columns, changes)]
    effects = frame[frame["quantity"] != CHANGE]
    if len(effects):
        step = effects["quantity"].map(lambda name: words.term(name).step).astype(float)
        terms = effects["quantity"].map(lambda name: f"{words.term(name).label}, {words.term(name).step_short}")
        shown = effects.assign(term=terms, **{c: effects[c] * step for c in ("estimate", "conf_low", "conf_high")})
        of_effects = (
            Column("term", "Covariate"),
            Column("way", "Weeks of"),
            Column("n", "People", ",d"),
            Column("estimate", "Estimate", "+.3f", "kg per week"),
            Column("conf_low", "From", "+.3f"),
            Column("conf_high", "To", "+.3f"),
            Column("assumption", "Right for everybody if"),
        )
        caption = (
            "Effects of the pooled model on next week's weight change over all weeks, and over those of completers. The"
            f" {confidence:.0%} intervals take the weights as known."
        )
        title = "The models' effects without those who left"
        made.append(build("attrition-effects", "attrition", title, caption, dataset, of_effects, shown))
    return made


def completion(balance: pd.DataFrame) -> Table:
    """Show what was known early of everybody, of those who stayed and left, and after weighting."""
    names: Mapping[str, str] = NAMES
    variable = [names.get(v, v.replace("group[", "group “").replace("]", "”")) for v in balance["variable"]]
    frame = balance.assign(what=[f"{v[:1].upper()}{v[1:]}" for v in variable])
    columns = (
        Column("what", "Known early"),
        Column("everybody", "Everybody", ".2f"),
        Column("completers", "Stayed", ".2f"),
        Column("leavers", "Left", ".2f"),
        Column("weighted", "Stayed, weighted", ".2f"),
        Column("unit", "Unit"),
        Column("difference", "Apart", "+.2f", "sd"),
        Column("difference_weighted", "Apart, weighted", "+.2f", "sd"),
    )
    caption = (
        "Means. “Apart” is the mean of those who stayed minus that of everybody, in standard deviations of"
        " everybody; within 0.1 counts as small."
    )
    title, dataset = "How those who left differed", "gold/models/completion"
    return build("completion", "attrition", title, caption, dataset, filled(columns, frame), frame)

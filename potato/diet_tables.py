"""Tables of intake and of the models: weeks, foods, estimates, rank tests, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from potato import food, words
from potato.tables import Column, Table, build, filled, thinned


def intake_weekly(weekly: pd.DataFrame) -> Table:
    """Show the mean intake of each study week over the people who kept a diary."""
    names = [
        "energy_kcal_per_day",
        "protein_g_per_day",
        "fiber_g_per_day",
        "fiber_g_per_1000_kcal",
        "potato_energy_share",
    ]
    logged = weekly[weekly["days_logged"] > 0]
    by = logged.groupby("study_week")
    table = by[["days_logged", *names]].mean().assign(n=by["subject_id"].nunique()).reset_index()
    columns = (
        Column("study_week", "Study week", "d"),
        Column("n", "People", ",d"),
        Column("days_logged", "Days logged", ".1f"),
        Column("energy_kcal_per_day", "Energy", ",.0f", "kcal/day"),
        Column("protein_g_per_day", "Protein", ".0f", "g/day"),
        Column("fiber_g_per_day", "Fibre", ".1f", "g/day"),
        Column("fiber_g_per_1000_kcal", "Fibre", ".1f", "g/1,000 kcal"),
        Column("potato_energy_share", "Potato share", ".0%"),
    )
    shown, which = thinned(table)
    shown_columns: tuple[Column, ...] = columns
    caption = "Means over people with a diary in that week; each person's values are per logged day."
    if logged["subject_id"].nunique() == 1:
        shown_columns = tuple(c for c in columns if c.name != "n")
        caption = "The values of the one person who kept a diary, per logged day."
    caption += which
    title, dataset = "Intake by week", "silver/weekly_features"
    return build("intake-weekly", "intake", title, caption, dataset, filled(shown_columns, table), shown)


def food_categories(weekly: pd.DataFrame) -> Table:
    """Show how often each kind of food is named in the diaries."""
    logged = weekly[weekly["days_logged"] > 0]
    told = logged.dropna(subset=["entries_potato"])  # elsewhere no entry names a food
    days, weeks = float(told["days_logged"].sum()), len(told)
    rows = []
    for name in food.CATEGORIES:
        entries = told[f"entries_{name}"]
        row: dict[str, Any] = {
            "food": name.capitalize(),
            "entries": int(entries.sum()),
            "per_day": entries.sum() / days if days else None,
        }
        rows.append(row | {"share": (entries > 0).sum() / weeks if weeks else None})
    rows.sort(key=lambda row: -row["entries"])
    columns = (
        Column("food", "Food"),
        Column("entries", "Entries", ",d"),
        Column("per_day", "Entries per logged day", ".2f"),
        Column("share", "Weeks with any", ".0%"),
    )
    caption = "Diary entries that name each kind of food; an entry that names two counts in both."
    return build("food-categories", "intake", "Kinds of food", caption, "silver/weekly_features", columns, rows)


def coefficients(table: pd.DataFrame, confidence: float, truth: Mapping[str, float]) -> Table:
    """Show the models' estimates for a step of each covariate, beside the truth of a simulation."""
    terms = table["term"].map(words.term)
    step = terms.map(lambda t: t.step).astype(float)
    frame = pd.DataFrame(
        {
            "model": table["model"].map(lambda m: words.MODELS.get(m, m)),
            "term": terms.map(lambda t: f"{t.label}, {t.step_short}"),
            "estimate": table["estimate"] * step,
            "low": table["conf_low"] * step,
            "high": table["conf_high"] * step,
            "p_value": table["p_value"],
            "n_obs": table["n_obs"],
            "n_subjects": table["n_subjects"],
            "truth": table["term"].map(truth).astype(float) * step,
        }
    )
    columns = (
        Column("model", "Model"),
        Column("term", "Covariate"),
        Column("estimate", "Estimate", "+.3f", "kg per week"),
        Column("low", "From", "+.3f"),
        Column("high", "To", "+.3f"),
        *((Column("truth", "Simulated with", "+.3f"),) if frame["truth"].notna().any() else ()),
        Column("p_value", "p", "p"),
        Column("n_obs", "Person-weeks", ",d"),
        Column("n_subjects", "People", ",d"),
    )
    caption = (
        "Effect of a step of each covariate on next week's weight change. “From” and “to” are the ends of"
        f" the {confidence:.0%} interval; negative goes with losing more."
    )
    return build(
        "coefficients", "models", "Estimates of the models", caption, "gold/models/coefficients", columns, frame
    )


def bootstrap(table: pd.DataFrame, coefficients: pd.DataFrame, confidence: float) -> Table:
    """Show the wild cluster bootstrap's intervals beside those of the models."""
    both = table.merge(coefficients, on=["model", "term"], suffixes=("", "_clustered"))
    terms = both["term"].map(words.term)
    step = terms.map(lambda t: t.step).astype(float)
    frame = pd.DataFrame(
        {
            "model": both["model"].map(lambda m: words.MODELS.get(m, m)),
            "term": terms.map(lambda t: f"{t.label}, {t.step_short}"),
            "estimate": both["estimate"] * step,
            "low": both["conf_low"] * step,
            "high": both["conf_high"] * step,
            "p_value": both["p_value"],
            "clustered_low": both["conf_low_clustered"] * step,
            "clustered_high": both["conf_high_clustered"] * step,
            "draws": both["draws"],
        }
    )
    columns = (
        Column("model", "Model"),
        Column("term", "Covariate"),
        Column("estimate", "Estimate", "+.3f", "kg per week"),
        Column("low", "From", "+.3f"),
        Column("high", "To", "+.3f"),
        Column("p_value", "p", "p"),
        Column("clustered_low", "From, as in the model", "+.3f"),
        Column("clustered_high", "To, as in the model", "+.3f"),
        Column("draws", "Sets of weights", ",d"),
    )
    caption = (
        "Wild cluster bootstrap of the clustered models. “From” and “to” are the ends of its"
        f" {confidence:.0%} interval, beside those of the model's own."
    )
    if frame[["low", "high"]].isna().any(axis=None):
        caption += " A dash stands where the interval has no end: so few people can rule nothing out on that side."
    title, dataset = "Intervals for few people", "gold/models/bootstrap"
    return build("bootstrap", "models", title, caption, dataset, columns, frame)


def associations(table: pd.DataFrame) -> Table:
    """Show the rank tests, each with its reading."""
    names = {"spearman": "Spearman", "mann_whitney": "Mann-Whitney"}

    def what(row: Any) -> str:
        if row.test == "mann_whitney":
            return f"{row.group_a} against {row.group_b}"
        return words.term(row.variable).label + (", entries a day" if row.variable.startswith("entries_") else "")

    frame = table.assign(name=table["test"].map(names), what=[what(row) for row in words.rows(table)])
    columns = (
        Column("name", "Test"),
        Column("what", "Of"),
        Column("estimate", "Estimate", "+.2f"),
        Column("unit", "Unit"),
        Column("p_value", "p", "p"),
        Column("p_holm", "p (Holm)", "p"),
        Column("n", "People", ",d"),
        Column("sentence", "In words"),
    )
    caption = (
        "Rank tests over people, one value a person: Spearman's correlation of a person's mean intake with"
        " their mean weekly change, and Mann and Whitney's test of the change between groups. “p (Holm)”"
        " allows for the number of tests."
    )
    return build("associations", "models", "Rank tests", caption, "gold/models/associations", columns, frame)

"""Silver's features as Ibis expressions: from cleaned rows to subject-weeks.

Every function takes and returns Ibis tables, so the same code runs on each engine. A study week has seven days and
starts on the person's own first day.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir

from potato import cleaning, conflicts, food, schema
from potato.settings import SilverSettings

_KEY = ["subject_id", "study_week"]


@dataclass(frozen=True)
class Cleaned:
    """The three families after cleaning: every row, with the reason why it can't be used or null.

    `days` holds (subject_id, day_number), distinct, of the rows that have a place in time, usable or not: a day on
    which the scales were read but the value is missing is still a day of the study.
    """

    nutrition: ir.Table
    weight: ir.Table
    fiber: ir.Table
    days: ir.Table

    def kept(self, family: str) -> ir.Table:
        """Return the usable rows of a family, with study_week and day_index (days since the person's first day)."""
        table: ir.Table = getattr(self, family)
        firsts = self.first_days()
        usable = table.filter(table.reason.isnull()).join(firsts, "subject_id")
        day_index = usable.day_number - usable.first_day
        return usable.mutate(day_index=day_index, study_week=_week(day_index))

    def first_days(self) -> ir.Table:
        """Return each person's first day: columns subject_id, first_day."""
        return self.days.group_by("subject_id").aggregate(first_day=self.days.day_number.min())


def _week(day_index: ir.IntegerValue) -> ir.IntegerValue:
    return (day_index // 7 + 1).cast("int32")


def subject_weeks(cleaned: Cleaned) -> ir.Table:
    """Return every week between each person's first and last record, with group and condition."""
    days = cleaned.days
    span = days.group_by("subject_id").aggregate(first_day=days.day_number.min(), last=days.day_number.max())
    weeks = span.mutate(study_week=ibis.range(1, _week(span.last - span.first_day) + 1).unnest())
    # Spark takes rows apart before it does anything else with them.
    weeks = weeks.mutate(study_week=weeks.study_week.cast("int32"))
    weight = cleaned.weight.filter(cleaned.weight.day_number.notnull())
    # A row of enrolment has no day and may be the only one that says the group.
    whole = cleaned.weight.filter(cleaning.is_whole(cleaned.weight))
    groups = whole.group_by("subject_id").aggregate(group=lambda t: t.group.min())
    dated = weight.join(cleaned.first_days(), "subject_id")
    dated = dated.mutate(study_week=_week(dated.day_number - dated.first_day))
    conditions = dated.group_by(_KEY).aggregate(low=dated.condition.min(), high=dated.condition.max())
    conditions = conditions.mutate(
        condition=ibis.ifelse(conditions.low == conditions.high, conditions.low, ibis.null(str))
    )
    return (
        weeks.left_join(groups, "subject_id")
        .drop("subject_id_right")
        .left_join(conditions.drop("low", "high"), _KEY)
        .select(*_KEY, "group", "condition")
    )


def _names(food: ir.StringValue, words: tuple[str, ...]) -> ir.BooleanValue:
    """Return whether the folded food text names one of `words`, singular or with a plural s."""
    return food.lower().re_search(r"(^|[^a-z])(" + "|".join(words) + r")s?([^a-z]|$)")


def _named_entries(cleaned: Cleaned) -> ir.Table:
    """Return the usable diary entries with a column for each kind of food, and in `told` what was eaten, where known.

    Days that lost an entry are left out. Where none of the study's entries has a word of any kind of food, as in a
    diary of another language, none tells what was eaten.
    """
    incomplete = conflicts.incomplete_days(cleaned.nutrition)
    entries = cleaned.kept("nutrition").anti_join(incomplete, ["subject_id", "day_number"])
    # The same foods come again and again: each is looked at once.
    foods = entries.select(named_food=ibis.coalesce(entries.food, "")).distinct()
    foods = foods.mutate(**{c: _names(foods.named_food, words) for c, words in food.CATEGORIES.items()})
    known = reduce(or_, (foods[category] for category in food.CATEGORIES)).any().over(ibis.window())
    foods = foods.mutate(told=ibis.ifelse(known, foods.named_food.strip().nullif(""), ibis.null(str)))
    return entries.join(foods, ibis.coalesce(entries.food, "") == foods.named_food)


def weekly_features(cleaned: Cleaned) -> ir.Table:
    """Return what each person ate in each study week; a week without a diary keeps its nulls.

    A day of which an entry with a value was set aside counts as not logged: its sums would be too small.
    """
    entries = _named_entries(cleaned)
    named = {category: entries[category] for category in food.CATEGORIES}
    counted = ["potato_energy", *(f"entries_{category}" for category in named)]
    eaten = entries.group_by(_KEY).aggregate(
        days_logged=entries.day_index.nunique().cast("int32"),
        entries=entries.source_row.count().cast("int32"),
        energy=entries.energy_kcal.sum(),
        protein=entries.protein_g.sum(),
        carbohydrate=entries.carbohydrate_g.sum(),
        fat=entries.fat_g.sum(),
        fiber=entries.fiber_g.sum(),
        foods=entries.told.count(),
        potato_energy=ibis.ifelse(named["potato"], entries.energy_kcal, 0.0).sum(),
        **{f"entries_{category}": found.cast("int32").sum().cast("int32") for category, found in named.items()},
    )
    # Where no entry of the week tells what was eaten, as in daily totals, no count of foods is known, not even zero.
    eaten = eaten.mutate(
        **{name: ibis.ifelse(eaten.foods > 0, eaten[name], ibis.null(eaten[name].type())) for name in counted}
    )
    days = cleaned.kept("fiber")
    rollup = days.group_by(_KEY).aggregate(fiber_rollup_g_per_day=days.fiber_g.mean())
    joined = subject_weeks(cleaned).left_join(eaten, _KEY).left_join(rollup, _KEY)
    energy = joined.energy.nullif(0.0)
    return joined.select(
        *_KEY,
        "group",
        "condition",
        days_logged=joined.days_logged.fill_null(0),
        entries=joined.entries.fill_null(0),
        energy_kcal_per_day=joined.energy / joined.days_logged,
        protein_g_per_day=joined.protein / joined.days_logged,
        carbohydrate_g_per_day=joined.carbohydrate / joined.days_logged,
        fat_g_per_day=joined.fat / joined.days_logged,
        fiber_g_per_day=joined.fiber / joined.days_logged,
        fiber_g_per_1000_kcal=joined.fiber / energy * 1000,
        fiber_rollup_g_per_day=joined.fiber_rollup_g_per_day,
        potato_energy_share=joined.potato_energy / energy,
        **{f"entries_{category}": joined[f"entries_{category}"] for category in named},
    ).order_by(_KEY)


def study_days(cleaned: Cleaned) -> ir.Table:
    """Return each day that a person recorded anything usable on: how often weighed, and what the diary says.

    A day of which an entry with a value was set aside counts as not logged, as in the weekly features.
    """
    key = ["subject_id", "day_index"]
    entries = _named_entries(cleaned)
    eaten = entries.group_by(key).aggregate(
        entries=entries.source_row.count().cast("int32"),
        energy_kcal=entries.energy_kcal.sum(),
        potato=ibis.ifelse(entries.potato, entries.energy_kcal, 0.0).sum(),
        foods=entries.told.count(),
    )
    mornings = cleaned.kept("weight")
    weighed = mornings.group_by(key).aggregate(n_weights=mornings.weight_kg.count().cast("int32"))
    both = eaten.outer_join(weighed, key)
    both = both.mutate(
        subject_id=ibis.coalesce(both.subject_id, both.subject_id_right),
        day_index=ibis.coalesce(both.day_index, both.day_index_right),
    )
    share = ibis.ifelse(both.foods > 0, both.potato / both.energy_kcal.nullif(0.0), ibis.null("float64"))
    return both.select(
        "subject_id",
        study_day=(both.day_index + 1).cast("int32"),
        study_week=_week(both.day_index),
        n_weights=both.n_weights.fill_null(0),
        entries=both.entries.fill_null(0),
        energy_kcal=both.energy_kcal,
        potato_energy_share=share,
    ).order_by(["subject_id", "study_day"])


def subject_trajectories(cleaned: Cleaned) -> ir.Table:
    """Return what each person weighed in each week that has a weigh-in, with changes and the person's slope."""
    mornings = cleaned.kept("weight")
    weekly = mornings.group_by(_KEY).aggregate(
        n_weights=mornings.weight_kg.count().cast("int32"),
        weight_kg=mornings.weight_kg.mean(),
        min_weight_kg=mornings.weight_kg.min(),
        max_weight_kg=mornings.weight_kg.max(),
        closing_weight_kg=mornings.weight_kg.argmax(mornings.day_index),
    )
    subjects = mornings.group_by("subject_id").aggregate(
        baseline_weight_kg=mornings.weight_kg.argmin(mornings.day_index),
        slope_kg_per_week=_slope(mornings),
    )
    conditions = mornings.group_by(["subject_id", "condition"]).aggregate(condition_slope_kg_per_week=_slope(mornings))
    joined = weekly.join(subjects, "subject_id").left_join(subject_weeks(cleaned), _KEY).drop("subject_id_right")
    joined = joined.drop("study_week_right").left_join(conditions, ["subject_id", "condition"])
    by_week = ibis.window(group_by="subject_id", order_by="study_week")
    consecutive = joined.study_week - joined.study_week.lag().over(by_week) == 1
    change = joined.weight_kg - joined.weight_kg.lag().over(by_week)
    return joined.select(
        *_KEY,
        "group",
        "condition",
        "n_weights",
        "weight_kg",
        "min_weight_kg",
        "max_weight_kg",
        "closing_weight_kg",
        weight_change_kg=ibis.ifelse(consecutive, change, ibis.null("float64")),
        baseline_weight_kg=joined.baseline_weight_kg,
        change_from_baseline_kg=joined.closing_weight_kg - joined.baseline_weight_kg,
        slope_kg_per_week=joined.slope_kg_per_week,
        condition_slope_kg_per_week=joined.condition_slope_kg_per_week,
    ).order_by(_KEY)


def _slope(mornings: ir.Table) -> ir.FloatingValue:
    """Return the least-squares slope in kg per week: the covariance with the day over the day's variance.

    It is null for weigh-ins of a single day.
    """
    days = mornings.day_index.cast("float64")
    return days.cov(mornings.weight_kg, how="pop") / days.var(how="pop").nullif(0.0) * 7


def modeling_dataset(features: ir.Table, trajectories: ir.Table, settings: SilverSettings) -> ir.Table:
    """Return next week's change beside this week's intake, for each week whose next week has a weight too."""
    weighed = trajectories.filter(trajectories.n_weights >= settings.min_weights_per_week)
    following = weighed.select("subject_id", study_week=weighed.study_week - 1, next_weight_kg=weighed.weight_kg)
    pairs = weighed.join(following, _KEY).drop("group", "condition")
    joined = pairs.join(features, _KEY)
    enough = joined.days_logged >= settings.min_days_logged
    averages = [c for c in schema.MODELING_DATASET.names if c in features.columns and c not in _INTAKE_KEPT]
    return joined.select(
        *_KEY,
        "group",
        "condition",
        "weight_kg",
        "baseline_weight_kg",
        "n_weights",
        "days_logged",
        "entries",
        next_week_change_kg=joined.next_weight_kg - joined.weight_kg,
        **{name: ibis.ifelse(enough, joined[name], ibis.null(joined[name].type())) for name in averages},
    ).order_by(_KEY)


_INTAKE_KEPT = (*_KEY, "group", "condition", "days_logged", "entries")

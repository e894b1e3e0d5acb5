"""How gold says things: numbers with units and real minus signs, everyday names for columns and models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from potato import schema
from potato.units import KG_PER_LB

LB_PER_KG = 1 / KG_PER_LB
MINUS = "\u2212"


@dataclass(frozen=True)
class Term:
    """A covariate for readers: its name, and a step that somebody could take.

    `step` is in the column's unit; an effect times `step` is kg per week for `step_text` more.
    """

    name: str
    label: str
    step: float
    step_text: str
    step_short: str
    axis: str


_KNOWN = {
    "potato_energy_share": (
        "Energy from potatoes",
        0.1,
        "10 percentage points more of their energy from potatoes",
        "per 10 percentage points",
        "Potato share of energy",
    ),
    "fiber_g_per_1000_kcal": (
        "Fibre density",
        1.0,
        "1 g more fibre per 1,000 kcal",
        "per 1 g in 1,000 kcal",
        "Fibre, g per 1,000 kcal",
    ),
    "energy_kcal_per_day": (
        "Energy",
        100.0,
        "100 kcal more a day",
        "per 100 kcal a day",
        "Energy, kcal a day",
    ),
    "protein_g_per_day": ("Protein", 10.0, "10 g more protein a day", "per 10 g a day", "Protein, g a day"),
    "carbohydrate_g_per_day": (
        "Carbohydrate",
        50.0,
        "50 g more carbohydrate a day",
        "per 50 g a day",
        "Carbohydrate, g a day",
    ),
    "fat_g_per_day": ("Fat", 10.0, "10 g more fat a day", "per 10 g a day", "Fat, g a day"),
    "fiber_g_per_day": ("Fibre", 5.0, "5 g more fibre a day", "per 5 g a day", "Fibre, g a day"),
    "fiber_rollup_g_per_day": (
        "Fibre by the daily roll-up",
        5.0,
        "5 g more fibre a day by the daily roll-up",
        "per 5 g a day",
        "Fibre by the daily roll-up, g a day",
    ),
    "days_logged": ("Days with a diary", 1.0, "1 more day with a diary", "per 1 day", "Days with a diary"),
    "entries": ("Diary entries", 10.0, "10 more diary entries", "per 10 entries a week", "Diary entries a week"),
    "weight_kg": ("Weight", 10.0, "a weight 10 kg higher", "per 10 kg", "Weight, kg"),
    "baseline_weight_kg": ("First weight", 10.0, "a first weight 10 kg higher", "per 10 kg", "First weight, kg"),
    "n_weights": ("Weigh-ins", 1.0, "1 more weigh-in", "per 1 weigh-in", "Weigh-ins of the week"),
}
MODELS = {
    "ols_cluster": "Pooled (OLS)",
    "fixed_effects": "Within people",
    "mixed_effects": "Mixed model",
    "n_of_1": "One person's weeks",
}


def term(name: str) -> Term:
    """Return how `name`, a column of the modelling dataset or of any other data, is spoken of."""
    if name in _KNOWN:
        return Term(name, *_KNOWN[name])
    if name.startswith("entries_") and name in schema.MODELING_DATASET.names:
        food = name.removeprefix("entries_")
        label = food.capitalize()
        return Term(name, label, 1.0, f"1 more entry of {food}", "per 1 entry a week", f"{label}, entries a week")
    label = name.replace("_", " ")
    label = label[:1].upper() + label[1:]
    return Term(name, label, 1.0, f"1 unit more of {label.lower()}", "per 1 unit", label)


def number(value: float, spec: str = ".1f") -> str:
    """Return `value` in a format specification, with a real minus sign and without a negative zero."""
    if not math.isfinite(value):
        return "–"
    text = format(value, spec)
    if not text.strip("-+0.,"):
        text = text.lstrip("-+")
    return text.replace("-", MINUS)


def kg(value: float, spec: str = "+.1f") -> str:
    """Return a weight change such as `−3.6 kg`."""
    return f"{number(value, spec)} kg"


def lb(value_kg: float, spec: str = "+.1f") -> str:
    """Return a weight change given in kg in pounds, such as `−8.0 lb`."""
    return f"{number(value_kg * LB_PER_KG, spec)} lb"


def interval(low: float, high: float, spec: str = "+.1f") -> str:
    """Return `low to high` without a unit."""
    return f"{number(low, spec)} to {number(high, spec)}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Return `1 person`, `2 people`: the count and the noun that agrees with it."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def spelled(n: int) -> str:
    """Return small counts as words, for running text."""
    return ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")[n] if n < 10 else f"{n:,}"


def people(n: int) -> str:
    """Return `1 person` or `n people`."""
    return count(n, "person", "people")


def some(names: Sequence[str], most: int = 5) -> str:
    """Return the first names and how many more there are."""
    more = [f"{len(names) - most:,} more"] if len(names) > most else []
    return listed([*names[:most], *more])


def rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows as named tuples, whose fields the type checker can't know."""
    yield from frame.itertuples(index=False)


def listed(items: Sequence[str]) -> str:
    """Return `a`, `a and b` or `a, b and c`."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def p_text(p_value: float) -> str:
    """Return a p-value for a sentence: `p < 0.001` or three decimals."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"

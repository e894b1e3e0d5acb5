"""Small and odd studies, made by formula: what the files hold, and how the study describes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

FOODS = ("boiled potato", "rice and beans", "apple", "potato fries", "yogurt")
_FIRST = date(2015, 3, 2)
_WEIGHT = {"files": "weight.csv", "unit": "kg", "columns": {"subject_id": "who", "date": "date", "weight": "weight"}}
_DIARY = {"subject_id": "who", "date": "date"}


@dataclass(frozen=True)
class Small:
    """A study: the texts of its files by name, and its description."""

    files: dict[str, str]
    description: dict[str, Any] = field(default_factory=dict)


def weights(people: Sequence[str], days: int, every: int = 1, jump: tuple[str, int] | None = None) -> str:
    """Return a weight file: everybody loses some 6 kg, ever more slowly; `jump` adds 7 kg to one morning."""
    rows = ["who,date,weight"]
    for i, who in enumerate(people):
        for day in range(0, days, every):
            kg = 80 + 3 * i - (6 + i) * (1 - math.exp(-day / 60)) + 0.4 * math.sin(day * 1.7 + i)
            kg += 7 if jump == (who, day) else 0
            rows.append(f"{who},{_FIRST + timedelta(day)},{kg:.2f}")
    return "\n".join(rows) + "\n"


def diary(people: Sequence[str], days: int, columns: Sequence[str]) -> str:
    """Return a diary with the named columns of food, kcal, fiber: three entries a day, or one where food is missing."""
    rows = [",".join(["who", "date", *columns])]
    for i, who in enumerate(people):
        for day in range(days):
            for meal in range(3 if "food" in columns else 1):
                kcal = 550 + 40 * math.sin(day * 0.9 + meal + i) + 30 * ((day // 7 * 3 + i + meal) % 4)
                fiber = 6 + (day // 7 + 2 * i + meal) % 5
                made = {"food": FOODS[(day * 2 + day // 7 + meal + i) % 5], "kcal": f"{kcal:.0f}", "fiber": f"{fiber}"}
                rows.append(",".join([who, str(_FIRST + timedelta(day)), *(made[name] for name in columns)]))
    return "\n".join(rows) + "\n"


def _mapped(**columns: str) -> dict[str, Any]:
    return {"files": "diary.csv", "columns": _DIARY | columns}


def _in_groups(text: str, groups: dict[str, str]) -> str:
    header, *rows = text.splitlines()
    return "\n".join([f"{header},team", *(f"{row},{groups[row.split(',')[0]]}" for row in rows)]) + "\n"


_SIX = ("Ann", "Ben", "Cy", "Dee", "Eve", "Flo")
_TWELVE = (*_SIX, "Gus", "Hal", "Ida", "Jo", "Kim", "Lou")
_WITH_GROUP = {**_WEIGHT, "columns": {**_WEIGHT["columns"], "group": "team"}}  # type: ignore[dict-item]
_ALL = {"food": "food", "energy_kcal": "kcal", "fiber_g": "fiber"}
_EVERYTHING = ("food", "kcal", "fiber")


def _by_number(text: str) -> str:
    header, *rows = text.splitlines()
    cells = [row.split(",") for row in rows]
    days = [(date.fromisoformat(when) - _FIRST).days for _, when, _ in cells]
    lines = [f"{who},{day},{kg}" for (who, _, kg), day in zip(cells, days, strict=True)]
    return "\n".join([header.replace("date", "day"), *lines]) + "\n"


STUDIES: dict[str, Small] = {
    "only_weights": Small({"weight.csv": weights(_SIX, 28)}),
    "one_person_weights": Small({"weight.csv": weights(["Ann"], 28)}),
    "one_person_diary": Small(
        {"weight.csv": weights(["Ann"], 35), "diary.csv": diary(["Ann"], 35, _EVERYTHING)},
        {"nutrition": _mapped(**_ALL)},
    ),
    "foods_without_nutrients": Small(
        {"weight.csv": weights(_SIX, 28), "diary.csv": diary(_SIX, 28, ["food"])},
        {"nutrition": _mapped(food="food")},
    ),
    "two_people": Small({"weight.csv": weights(["Ann", "Ben"], 28)}),
    "only_in_the_diary": Small(
        {
            "weight.csv": _in_groups(weights(_SIX, 28), dict.fromkeys(_SIX[:3], "A") | dict.fromkeys(_SIX[3:], "B")),
            "diary.csv": diary([*_SIX, "Gus"], 28, _EVERYTHING),
        },
        {"weight": _WITH_GROUP, "nutrition": _mapped(**_ALL)},
    ),
    "day_numbers": Small(
        {"weight.csv": _by_number(weights(_SIX, 28))},
        {"weight": {**_WEIGHT, "columns": {"subject_id": "who", "day": "day", "weight": "weight"}}},
    ),
    "three_hundred_weeks": Small({"weight.csv": weights(["Ann"], 2100, every=3)}),
    "group_of_one": Small(
        {"weight.csv": _in_groups(weights(_SIX, 28), dict.fromkeys(_SIX[:5], "Many") | {"Flo": "Single"})},
        {"weight": _WITH_GROUP},
    ),
    "daily_totals": Small(
        {"weight.csv": weights(_SIX, 56), "diary.csv": diary(_SIX, 56, ["kcal", "fiber"])},
        {"nutrition": _mapped(energy_kcal="kcal", fiber_g="fiber")},
    ),
    "one_person_totals": Small(
        {"weight.csv": weights(["Ann"], 56), "diary.csv": diary(["Ann"], 56, ["kcal", "fiber"])},
        {"nutrition": _mapped(energy_kcal="kcal", fiber_g="fiber")},
    ),
    "one_person_long": Small(
        {"weight.csv": weights(["Ann"], 420), "diary.csv": diary(["Ann"], 420, _EVERYTHING)},
        {"nutrition": _mapped(**_ALL)},
    ),
    "one_jump": Small({"weight.csv": weights(_SIX, 28, jump=("Ben", 27))}),
    "some_left": Small(
        {"weight.csv": weights(_TWELVE[:8], 28) + weights(_TWELVE[8:], 12).split("\n", 1)[1]},
    ),
}

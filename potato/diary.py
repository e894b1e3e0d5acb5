"""Simulated food diaries: what people of a mostly-potato trial might have logged. All of it is assumed.

Weeks differ within a person in three ways that do not follow one another, so that a model can tell their
effects apart: cheat days bunch (potato share), the other food and the way to cook potatoes change (fibre per
energy), and so does the appetite (energy).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from potato.quantiles import Floats, power_quantiles, quantiles, shuffled
from potato.trial import Intake

Ints = NDArray[np.int64]

KCAL_PER_G = np.array([4.0, 4.0, 9.0, 2.0])  # protein, available carbohydrate, fat, fibre (EU 1169/2011, annex XIV)
MEALS = ("breakfast", "lunch", "dinner", "snack")
MAX_AMOUNT_G = 1500  # of one food at one meal
MIN_KCAL = 600.0  # nobody of the trial eats less on a logged day

# Protein, available carbohydrate, fat and fibre in g per 100 g as eaten, at the ordinary level of such a
# food; then how often a person chooses it in a week that leans to plants, and in one that does not.
FOODS: dict[str, tuple[float, float, float, float, float, float]] = {
    "boiled potatoes": (1.9, 18.2, 0.1, 1.8, 0, 0),
    "baked potato with skin": (2.5, 19.0, 0.1, 2.2, 0, 0),
    "mashed potatoes": (1.9, 15.5, 2.8, 1.5, 0, 0),
    "oven fries": (2.7, 25.0, 5.2, 2.6, 0, 0),
    "sweet potato": (2.0, 17.4, 0.2, 3.3, 0, 0),
    "black beans": (8.9, 15.0, 0.5, 8.7, 3, 0.3),
    "lentils": (9.0, 12.2, 0.4, 7.9, 2, 0.2),
    "white rice": (2.7, 27.8, 0.3, 0.4, 0.5, 2),
    "oatmeal": (2.5, 10.3, 1.5, 1.7, 2, 0.5),
    "white bread": (8.9, 46.7, 3.3, 2.7, 0.2, 3),
    "wholemeal bread": (12.5, 36.7, 3.5, 6.0, 2, 0.4),
    "apple": (0.3, 11.4, 0.2, 2.4, 2, 0.5),
    "banana": (1.1, 20.2, 0.3, 2.6, 2, 0.5),
    "broccoli": (2.4, 3.9, 0.4, 3.3, 2, 0.3),
    "carrots": (0.9, 6.8, 0.2, 2.8, 2, 0.3),
    "cheddar cheese": (24.0, 1.5, 34.0, 0.0, 0.3, 2),
    "plain yogurt": (3.5, 4.7, 3.3, 0.0, 0.5, 1.5),
    "butter": (0.9, 0.1, 81.0, 0.0, 0.3, 2),
    "chicken breast": (31.0, 0.0, 3.6, 0.0, 0.2, 3),
    "ground beef": (25.5, 0.0, 17.0, 0.0, 0.1, 2),
    "boiled eggs": (12.6, 1.1, 10.6, 0.0, 0.4, 2),
    "almonds": (21.2, 9.1, 49.9, 12.5, 1.5, 0.3),
    "peanuts": (25.8, 7.6, 49.2, 8.5, 1, 0.5),
}
NAMES = tuple(FOODS)
N_POTATO_FOODS = 5  # the first ones; the week's habit chooses among them, not the two weights
_TABLE = np.array(list(FOODS.values()), dtype=float)
_MACROS, _PLANT, _OTHER = _TABLE[:, :4], _TABLE[:, 4], _TABLE[:, 5]
_KCAL = _MACROS @ KCAL_PER_G


@dataclass(frozen=True)
class Diary:
    """One row a food entry, in order of person, day, meal, food.

    `person`, `day` (0 = the person's first), `meal` (of MEALS) and `food` (of NAMES) are indices;
    `amount_g` is in g, `kcal` in kcal, `macros` (entries x 4) are protein, available carbohydrate, fat and
    fibre in g. All are rounded as they are written.
    """

    person: Ints
    day: Ints
    meal: Ints
    food: Ints
    amount_g: Ints
    kcal: Floats
    macros: Floats


def keep(intake: Intake, last_day: Ints, rng: np.random.Generator) -> Diary:
    """Return the diaries of people who eat on days 0 to `last_day` (one number a person).

    Days without a log have no entry: a gap is never written as zeros.
    """
    n_people, n_weeks = len(last_day), int(last_day.max()) // 7 + 1
    person = np.repeat(np.arange(n_people), last_day + 1)
    day = np.concatenate([np.arange(last + 1) for last in last_day])
    week = person * n_weeks + day // 7
    size = n_people * n_weeks
    share, kcal = _days(intake, person, week, n_people, size, rng)
    gap_week = rng.random(size) < intake.gap_week_share
    logged = ~gap_week[week] & (rng.random(len(day)) < intake.logged_day_share)
    return _entries(intake, person[logged], day[logged], week[logged], share[logged], kcal[logged], size, rng)


def weekly_intake(diary: Diary, n_people: int, n_weeks: int) -> Floats:
    """Return people x weeks x 3: potato share of energy, fibre (g) per 1,000 kcal, kcal a logged day.

    From the entries as written, over logged days only; nan in a week without a log. The order is that of
    Effects.
    """
    size = n_people * n_weeks
    week = diary.person * n_weeks + diary.day // 7
    energy = np.bincount(week, diary.kcal, size).astype(float)  # no entries at all would give integers
    potato = np.bincount(week, diary.kcal * (diary.food < N_POTATO_FOODS), size)
    fiber = np.bincount(week, diary.macros[:, 3], size)
    logged = np.unique(diary.person * n_weeks * 7 + diary.day)
    days = np.bincount(logged // 7, minlength=size).astype(float)
    energy[days == 0] = days[days == 0] = np.nan
    return np.stack([potato / energy, 1000 * fiber / energy, energy / days], axis=-1).reshape(n_people, n_weeks, 3)


def _days(
    intake: Intake, person: Ints, week: Ints, n_people: int, size: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return each day's potato share of energy and its kcal; `week` is a person-week below `size`."""
    faithful = min(intake.fully_adherent, n_people)
    others = power_quantiles(
        n_people - faithful, intake.cheat_days_min, intake.cheat_days_typical, intake.cheat_days_max
    )
    chance = rng.permutation(np.concatenate([np.zeros(faithful), others]))
    odds = (chance / (1 - chance))[person] * np.exp(rng.normal(0, intake.cheat_week_sd, size))[week]
    cheats = rng.random(len(person)) < odds / (1 + odds)

    on_cheat_days = np.minimum(2 * intake.cheat_day_potato_share * rng.beta(2, 2, len(person)), 1.0)
    besides = np.minimum(intake.other_food_share * rng.exponential(1.0, size), 0.5)[week]
    share = np.where(cheats, on_cheat_days, 1 - besides)
    share[chance[person] == 0] = 1.0

    usual = shuffled(quantiles(n_people, intake.energy_kcal, intake.energy_person_sd_kcal), rng)
    kcal = usual[person] + rng.normal(0, intake.energy_week_sd_kcal, size)[week]
    kcal += rng.normal(0, intake.energy_day_sd_kcal, len(person))
    return share, np.maximum(kcal, MIN_KCAL)


def _entries(
    intake: Intake,
    person: Ints,
    day: Ints,
    week: Ints,
    share: Floats,
    kcal: Floats,
    size: int,
    rng: np.random.Generator,
) -> Diary:
    """Return the entries of the logged days (arrays have a value a logged day), one a food and meal."""
    wanted = rng.integers(intake.entries_min, intake.entries_max + 1, len(day))
    other = np.where(share < 1, np.clip(np.rint(wanted * (1 - share)), 1, wanted - 1), 0).astype(np.int64)
    entry_day = np.repeat(np.arange(len(day)), wanted)
    position = np.arange(len(entry_day)) - np.repeat(np.cumsum(wanted) - wanted, wanted)
    is_potato = position >= other[entry_day]

    habit = rng.gamma(intake.potato_habit, size=(size, N_POTATO_FOODS))
    plants = rng.beta(0.6, 0.6, (size, 1))
    taste = plants * _PLANT / _PLANT.sum() + (1 - plants) * _OTHER / _OTHER.sum()
    where = week[entry_day]
    food = np.where(is_potato, _choose(habit, where, rng), _choose(taste, where, rng))

    # A portion's energy grows with the food's density, but less: nobody eats as much butter as broccoli.
    portion = _KCAL[food] ** 0.75 * rng.gamma(4.0, size=len(food))
    kind = entry_day * 2 + is_potato
    target = (kcal[:, None] * np.stack([1 - share, share], axis=-1)).ravel()
    amount = 100 * portion / np.bincount(kind, portion, 2 * len(day))[kind] * target[kind] / _KCAL[food]

    # The sorted keys of merged entries are also the order of the file.
    meal = (position + rng.integers(0, len(MEALS), len(day))[entry_day]) % len(MEALS)
    key, merged = np.unique((entry_day * len(MEALS) + meal) * len(FOODS) + food, return_inverse=True)
    entry_day, meal, food = key // (len(MEALS) * len(FOODS)), key // len(FOODS) % len(MEALS), key % len(FOODS)
    amount_g = np.clip(np.rint(np.bincount(merged, amount)), 1, MAX_AMOUNT_G).astype(np.int64)
    macros = np.round(amount_g[:, None] * _MACROS[food] / 100, 1)
    return Diary(
        person[entry_day],
        day[entry_day],
        meal,
        food,
        amount_g,
        np.round(amount_g * _KCAL[food] / 100, 1),
        macros,
    )


def _choose(weights: Floats, row: Ints, rng: np.random.Generator) -> Ints:
    """Return for each `row` a column of `weights`, drawn in proportion to the weights of that row."""
    steps = np.cumsum(weights, axis=1)
    chosen: Ints = (rng.random((len(row), 1)) * steps[row, -1:] >= steps[row]).sum(axis=1)
    return chosen

"""Simulated diaries are ordinary food: what the data dictionary and nutrition labels expect."""

from __future__ import annotations

import re

import numpy as np
import pytest

from potato import diary
from potato.diary import FOODS, KCAL_PER_G, N_POTATO_FOODS, NAMES, Diary
from potato.food import CATEGORIES
from potato.trial import Intake

LAST_DAY = np.array([0, 6, 13, 27] * 10)


@pytest.fixture(scope="module")
def kept() -> Diary:
    return diary.keep(Intake(), LAST_DAY, np.random.default_rng(11))


def categories(food: str) -> list[str]:
    return [
        category for category, words in CATEGORIES.items() if any(re.search(rf"\b{word}s?\b", food) for word in words)
    ]


def test_each_food_names_one_category_of_the_dictionary_and_all_categories_are_eaten() -> None:
    named = {food: categories(food) for food in FOODS}
    assert all(len(found) == 1 for found in named.values()), named
    assert {found[0] for found in named.values()} == set(CATEGORIES)


def test_the_potato_foods_come_first() -> None:
    assert [categories(food) == ["potato"] for food in NAMES] == [i < N_POTATO_FOODS for i in range(len(NAMES))]


def test_the_macronutrients_of_a_food_fit_into_its_hundred_grams() -> None:
    assert all(sum(food[:4]) < 100 for food in FOODS.values())


def test_energy_agrees_with_the_macronutrients_of_each_entry(kept: Diary) -> None:
    # Macronutrients are written to 0.1 g, energy to 0.1 kcal: at most 0.05 x (4 + 4 + 9 + 2) + 0.05 apart.
    assert np.abs(kept.macros @ KCAL_PER_G - kept.kcal).max() <= 0.05 * KCAL_PER_G.sum() + 0.05 + 1e-9


def test_energy_agrees_with_the_macronutrients_of_a_diary_within_a_percent(kept: Diary) -> None:
    assert abs((kept.macros @ KCAL_PER_G).sum() / kept.kcal.sum() - 1) < 0.01


def test_no_entry_is_a_row_of_zeros(kept: Diary) -> None:
    assert kept.amount_g.min() >= 1
    assert (kept.kcal > 0).all()


def test_an_entry_is_one_food_at_one_meal(kept: Diary) -> None:
    keys = np.stack([kept.person, kept.day, kept.meal, kept.food], axis=1)
    assert len(np.unique(keys, axis=0)) == len(keys)
    assert (np.lexsort(keys.T[::-1]) == np.arange(len(keys))).all()


def test_a_logged_day_has_a_handful_of_entries(kept: Diary) -> None:
    _, entries = np.unique(kept.person * 100 + kept.day, return_counts=True)
    assert entries.min() >= 3  # four at the least, of which two may merge
    assert entries.max() <= 10


def test_days_and_whole_weeks_go_unlogged() -> None:
    kept = diary.keep(Intake(logged_day_share=0.8, gap_week_share=0.1), np.full(200, 27), np.random.default_rng(5))
    logged = len(np.unique(kept.person * 28 + kept.day)) / (200 * 28)
    assert abs(logged - 0.8 * 0.9) < 0.03  # three standard errors of 800 person-weeks
    weeks = len(np.unique(kept.person * 4 + kept.day // 7)) / (200 * 4)
    assert abs(weeks - 0.9) < 0.033


def test_a_week_without_a_log_has_no_intake(kept: Diary) -> None:
    weekly = diary.weekly_intake(kept, len(LAST_DAY), 4)
    logged = np.zeros((len(LAST_DAY), 4), dtype=bool)
    logged[kept.person, kept.day // 7] = True
    assert (np.isnan(weekly).all(axis=2) == ~logged).all()


def test_weekly_intake_is_per_logged_day(kept: Diary) -> None:
    weekly = diary.weekly_intake(kept, len(LAST_DAY), 4)
    mine = (kept.person == 3) & (kept.day // 7 == 2)
    assert mine.any()
    energy = kept.kcal[mine].sum()
    potato = kept.kcal[mine & (kept.food < N_POTATO_FOODS)].sum()
    expected = [
        potato / energy,
        1000 * kept.macros[mine, 3].sum() / energy,
        energy / len(set(kept.day[mine])),
    ]
    assert np.allclose(weekly[3, 2], expected)


def test_fully_adherent_people_eat_nothing_but_potatoes() -> None:
    kept = diary.keep(Intake(fully_adherent=1000), LAST_DAY, np.random.default_rng(2))
    assert (kept.food < N_POTATO_FOODS).all()

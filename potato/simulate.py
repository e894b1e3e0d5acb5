"""A simulated trial in the raw CSV layout of a study: calibrated weights, assumed food, and a known truth.

A person's weight on a day is start + change along the published weekly pattern + effect of food + scale
noise. The effect of food is a path E whose mean over study week w + 1 minus its mean over week w is exactly

    sum over Effects of effect x (logged intake of week w - its mean over the group's weeks)

so that "next week's mean weight minus this week's" has the coefficients of `Effects`, beside the pattern,
differences between people and noise. What varies between people (losses, start weights, durations, chances
of a cheat day) is drawn as permuted quantiles: one trial then shows the published moments, around which
independent draws would scatter.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from potato import diary
from potato.quantiles import Floats, power_quantiles, quantiles, shuffled
from potato.trial import SimulateSettings
from potato.units import KG_BELOW, KG_PER_LB, LB_ABOVE

__all__ = ["SimulateSettings", "simulate"]

Ints = NDArray[np.int64]

NUTRITION_COLUMNS = (
    *("participant", "date", "meal", "food", "amount_g"),
    *("energy_kcal", "protein_g", "carbohydrate_g", "fat_g", "fiber_g"),
)
WEIGHT_COLUMNS = ("participant", "date", "weight", "unit", "group")
FIBER_COLUMNS = ("participant", "date", "fiber_g")

NOISE_WINDOW = 15  # days of the centred mean that the published residuals are taken around


@dataclass(frozen=True)
class People:
    """One value a person.

    `group` is an index, `last_day` the day of the last weigh-in (the first is day 0), `start_day` the
    calendar day of the first one, counted from the first possible one; `start_kg` and `change_kg` are
    without the effects of food and noise.
    """

    group: Ints
    last_day: Ints
    start_day: Ints
    start_kg: Floats
    change_kg: Floats


def simulate(settings: SimulateSettings, destination: Path) -> dict[str, int]:
    """Write nutrition/, weight/ and fiber/ with a CSV each below `destination`; return the rows by file.

    The same settings give the same bytes. People, food and scales draw from separate random streams, so
    that a changed assumption about food leaves people and the noise of their scales as they were.
    """
    person_rng, food_rng, scale_rng = np.random.default_rng(settings.seed).spawn(3)
    phi, noise_sd_kg = noise_process(settings.noise_sd_kg, settings.noise_lag1)
    people = _people(settings, noise_sd_kg, person_rng)
    eaten = diary.keep(settings.intake, people.last_day, food_rng)
    true_kg = _true_kg(settings, people, eaten)
    read_kg = true_kg + _noise(true_kg.shape, phi, noise_sd_kg, scale_rng)

    names = _names(len(people.group))
    dates = [
        [(settings.first_start + timedelta(int(start) + day)).isoformat() for day in range(int(last) + 2)]
        for start, last in zip(people.start_day, people.last_day, strict=True)
    ]
    labels = [group.label for group in settings.groups.values()]
    entries = [(names[person], dates[person][day]) for person, day in zip(eaten.person, eaten.day, strict=True)]
    return {
        "nutrition/nutrition.csv": _write(
            destination / "nutrition" / "nutrition.csv",
            NUTRITION_COLUMNS,
            _nutrition_rows(eaten, entries),
        ),
        "weight/weight.csv": _write(
            destination / "weight" / "weight.csv",
            WEIGHT_COLUMNS,
            (
                (names[i], dates[i][day], weight, unit, labels[people.group[i]])
                for i, day, weight, unit in _weigh_ins(settings, people.last_day, read_kg, scale_rng)
            ),
        ),
        "fiber/fiber.csv": _write(
            destination / "fiber" / "fiber.csv",
            FIBER_COLUMNS,
            _fiber_rows(eaten, entries),
        ),
    }


def noise_process(residual_sd: float, residual_lag1: float) -> tuple[float, float]:
    """Return (phi, sd) of the AR(1) process with this residual sd and lag-1 around a centred 15-day mean.

    The moving mean takes part of the noise with it, so that the process has more of both than its residuals
    show. Both follow from the covariances of the process; phi is looked up on a grid of step 0.001.
    """
    weights = np.full(NOISE_WINDOW, -1 / NOISE_WINDOW)
    weights[NOISE_WINDOW // 2] += 1
    lag = np.subtract.outer(np.arange(NOISE_WINDOW), np.arange(NOISE_WINDOW))
    grid = np.arange(0.0, 0.9, 0.001)
    variance = np.array([weights @ phi ** np.abs(lag) @ weights for phi in grid])
    lag1 = np.array([weights @ phi ** np.abs(lag + 1) @ weights for phi in grid]) / variance
    phi = float(np.interp(residual_lag1, lag1, grid))
    return phi, residual_sd / float(np.sqrt(np.interp(phi, grid, variance)))


def _people(settings: SimulateSettings, noise_sd_kg: float, rng: np.random.Generator) -> People:
    """Draw the people, in an order in which groups are mixed.

    An observed sd of changes contains the noise of two weigh-ins, which is taken out of the true changes
    here.
    """
    last_days, losses = [], []
    for group in settings.groups.values():
        days = power_quantiles(
            group.participants, group.last_day_min - 0.5, group.last_day_mean, group.last_day_max + 0.5
        )
        days = shuffled(np.clip(np.rint(days), group.last_day_min, group.last_day_max), rng)
        true_sd = np.sqrt(max(group.change_sd_lb**2 - 2 * (noise_sd_kg / KG_PER_LB) ** 2, 0.0))
        shape = settings.change_shape
        loss = quantiles(group.participants, -group.change_lb, float(true_sd), shape.skew, shape.tail)
        last_days.append(days)
        losses.append(shuffled(loss, rng, days, group.longer_loses_more))
    index = np.repeat(np.arange(len(losses)), [len(loss) for loss in losses])
    n, loss = len(index), np.concatenate(losses)
    start = quantiles(n, settings.start_lb, settings.start_sd_lb, settings.start_shape.skew, settings.start_shape.tail)
    start = shuffled(start, rng, loss, settings.heavier_loses_more)
    order = rng.permutation(n)
    return People(
        group=index[order],
        last_day=np.concatenate(last_days)[order].astype(np.int64),
        start_day=rng.integers(0, settings.start_window_days, n),
        start_kg=start[order] * KG_PER_LB,
        change_kg=-loss[order] * KG_PER_LB,
    )


def _true_kg(settings: SimulateSettings, people: People, eaten: diary.Diary) -> Floats:
    """Return people x days: weight without noise, kg, also beyond a person's last day.

    Each person follows the published weekly losses (after the last of them, at its rate), scaled so that the
    person's own change is reached on the person's own last day. The effect of food comes on top.
    """
    days = np.arange(int(people.last_day.max()) + 1)
    knots = np.array([0, *settings.weekly_loss_days], dtype=float)
    losses = np.cumsum([0.0, *settings.weekly_loss_lb])
    rate = (losses[-1] - losses[-2]) / (knots[-1] - knots[-2])
    beyond = knots[-1] + len(days)
    pattern = np.interp(days, [*knots, beyond], [*losses, losses[-1] + rate * len(days)])
    path = people.change_kg[:, None] * pattern / pattern[people.last_day][:, None]
    true_kg: Floats = people.start_kg[:, None] + path + _food_path(settings, people, eaten)[:, : len(days)]
    return true_kg


def _food_path(settings: SimulateSettings, people: People, eaten: diary.Diary) -> Floats:
    """Return people x days: what food has added to the weight by then, kg; its weekly means are exact.

    Within a week the path runs straight, at the mean rate of the two steps around it, through the week's
    mean in the middle of the days that the person took part in. A week without a log counts as one at the
    group's mean. The group's mean is over the weeks that another one follows: only those move a later
    weight.
    """
    n_people, n_weeks = len(people.group), int(people.last_day.max()) // 7 + 1
    intake = diary.weekly_intake(eaten, n_people, n_weeks)
    followed = (np.arange(n_weeks) < (people.last_day // 7)[:, None])[..., None] & ~np.isnan(intake)
    known = np.where(followed, intake, 0.0)
    reference = np.zeros((len(settings.groups), 3))
    for group in range(len(reference)):
        mine = people.group == group
        reference[group] = known[mine].sum((0, 1)) / np.maximum(followed[mine].sum((0, 1)), 1)
    deviation = np.nan_to_num(intake - reference[people.group][:, None, :])
    effects = settings.effects
    step = deviation @ [
        effects.potato_energy_share,
        effects.fiber_g_per_1000_kcal,
        effects.energy_kcal_per_day,
    ]
    # One level for the week before the first, one for each week, and one for the week after the last.
    level = np.cumsum(np.pad(step, ((0, 0), (2, 0))), axis=1)
    slope = (level[:, 2:] - level[:, :-2]) / 14
    days_of_week = np.clip(people.last_day[:, None] + 1 - 7 * np.arange(n_weeks), 1, 7)
    within = np.arange(7) - (days_of_week[:, :, None] - 1) / 2
    path: Floats = (level[:, 1:-1, None] + slope[:, :, None] * within).reshape(n_people, n_weeks * 7)
    return path


def _noise(shape: tuple[int, ...], phi: float, sd: float, rng: np.random.Generator) -> Floats:
    """Return stationary AR(1) noise along the second axis, kg."""
    noise = rng.normal(0, sd, shape)
    for day in range(1, shape[1]):
        noise[:, day] = phi * noise[:, day - 1] + np.sqrt(1 - phi**2) * noise[:, day]
    return noise


def _weigh_ins(
    settings: SimulateSettings, last_day: Ints, read_kg: Floats, rng: np.random.Generator
) -> Iterator[tuple[int, int, str, str]]:
    """Yield (person, day, weight as text, unit as text) of each row of the weight file.

    First and last days are always weighed; those between are missing at random, as often as makes up the
    share of all days. Most missing days have no row; some have a blank weight or a 0.
    """
    n_people = len(last_day)
    metric = _marked(n_people, settings.kilogram_share, rng)
    whole = ~metric & _marked(n_people, settings.whole_pound_share, rng)
    shown = np.where(metric[:, None], read_kg, read_kg / KG_PER_LB)
    shown = np.where(whole[:, None], np.rint(shown), np.round(shown, 1))

    day = np.arange(read_kg.shape[1])
    between = (day > 0) & (day < last_day[:, None])
    chance = settings.missing_day_share * (last_day + 1).sum() / max(int(between.sum()), 1)
    missing = between & (rng.random(between.shape) < chance)
    written_as = rng.random(between.shape)
    zero_end = _marked(n_people, settings.zero_end_share, rng)

    weighed = (day <= last_day[:, None]) & ~missing
    medians = np.array([np.median(row[mask]) for row, mask in zip(shown, weighed, strict=True)])
    told = np.flatnonzero(np.where(metric, medians < KG_BELOW, medians > LB_ABOVE))
    silent = rng.permutation(told)[: round(settings.unit_unstated_share * n_people)]
    units = np.where(metric, "kg", "lb").tolist()
    for person in silent:
        units[person] = ""

    for person in range(n_people):
        for today in range(int(last_day[person]) + 1):
            if not missing[person, today]:
                decimals = 0 if whole[person] else 1
                yield person, today, f"{shown[person, today]:.{decimals}f}", units[person]
            elif written_as[person, today] < settings.blank_share:
                yield person, today, "", units[person]
            elif written_as[person, today] < settings.blank_share + settings.zero_share:
                yield person, today, "0", units[person]
        if zero_end[person]:
            yield person, int(last_day[person]) + 1, "0", units[person]


def _marked(n: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return n flags of which exactly this share, rounded, is set, in random places."""
    return rng.permutation(n) < round(share * n)


def _names(n: int) -> list[str]:
    width = max(3, len(str(n)))
    return [f"P{number:0{width}d}" for number in range(1, n + 1)]


def _nutrition_rows(eaten: diary.Diary, entries: Sequence[tuple[str, str]]) -> Iterator[tuple[object, ...]]:
    meals, foods = eaten.meal.tolist(), eaten.food.tolist()
    amounts, kcal, macros = eaten.amount_g.tolist(), eaten.kcal.tolist(), eaten.macros.tolist()
    for who, meal, food, amount, energy, grams in zip(entries, meals, foods, amounts, kcal, macros, strict=True):
        yield *who, diary.MEALS[meal], diary.NAMES[food], amount, energy, *grams


def _fiber_rows(eaten: diary.Diary, entries: Sequence[tuple[str, str]]) -> list[tuple[str, str, float]]:
    totals: dict[tuple[str, str], float] = {}
    for who, fiber in zip(entries, eaten.macros[:, 3].tolist(), strict=True):
        totals[who] = totals.get(who, 0.0) + fiber
    return [(*who, round(total, 1)) for who, total in totals.items()]


def _write(path: Path, header: Sequence[str], rows: Iterable[Iterable[object]]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        written = list(rows)
        writer.writerows(written)
    return len(written)

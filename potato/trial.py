"""The trial that is simulated, as parameters: published figures about weights, assumptions about food.

What is published. Weights follow the totals of the 2022 full-potato community trial, and their noise that
of real daily weights. Those figures are the defaults; tests/test_simulate.py compares each with the
simulated trial.

What is assumed. No food record of that trial was published: `Intake` and `Effects` are inventions, made so
that the truth is known. Digit preference and units are assumptions as well.

Imports nothing but pydantic, because every command reads the settings.
"""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]


class _Closed(BaseModel):
    """Refuses a name that it does not know, so that a misspelt parameter is never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shape(_Closed):
    """Shape of a sinh-arcsinh distribution (Jones and Pewsey 2009); skew 0 with tail 1 is the normal one."""

    skew: float = Field(ge=-2, le=2, description="above 0 leans to large values")
    tail: float = Field(gt=0.2, le=3, description="below 1 has heavier tails than the normal distribution")


class Group(_Closed):
    """One group of participants, by what was published about it. Day 0 is the first weigh-in."""

    label: str = Field(min_length=1, description="the group's name in the weight file")
    participants: int = Field(ge=1, le=100_000, description="people in the group")
    change_lb: float = Field(ge=-60, le=20, description="mean of last minus first weigh-in, lb")
    change_sd_lb: float = Field(ge=0, le=30, description="its standard deviation over people, scale noise included, lb")
    last_day_min: int = Field(ge=1, le=365, description="earliest day of a last weigh-in")
    last_day_mean: float = Field(ge=1, le=365, description="mean day of the last weigh-in")
    last_day_max: int = Field(ge=1, le=365, description="latest day of a last weigh-in")
    longer_loses_more: float = Field(ge=-1, le=1, description="rank correlation of loss with the last day")

    @model_validator(mode="after")
    def _days_in_order(self) -> Self:
        if not self.last_day_min <= self.last_day_mean <= self.last_day_max:
            raise ValueError("last_day_mean: must lie between last_day_min and last_day_max")
        return self


class Intake(_Closed):
    """Assumptions about food: nothing here was published."""

    fully_adherent: int = Field(default=5, ge=0, description="people who never eat anything but potatoes")
    cheat_days_min: float = Field(
        default=0.06, ge=0, le=0.99, description="others: chance of a cheat day, most faithful person"
    )
    cheat_days_typical: float = Field(default=0.22, ge=0, le=0.99, description="others: mean chance in a middling week")
    cheat_days_max: float = Field(
        default=0.80, ge=0, le=0.99, description="others: chance of the least faithful person"
    )
    cheat_week_sd: float = Field(
        default=1.2, ge=0, le=5, description="how cheat days bunch in weeks, sd on the logit scale"
    )
    cheat_day_potato_share: Share = Field(default=0.35, description="mean potato share of energy on a cheat day")
    other_food_share: Share = Field(default=0.06, description="mean share of energy from other food on a faithful day")
    potato_habit: float = Field(
        default=0.7, gt=0.05, le=20, description="low: one way to cook potatoes rules a person's week"
    )
    energy_kcal: float = Field(default=1750, ge=800, le=5000, description="mean energy a day over people")
    energy_person_sd_kcal: float = Field(default=280, ge=0, le=1000, description="sd of a person's usual energy")
    energy_week_sd_kcal: float = Field(
        default=240, ge=0, le=1000, description="sd of a week around the person's usual energy"
    )
    energy_day_sd_kcal: float = Field(default=220, ge=0, le=1000, description="sd of a day around the week's energy")
    entries_min: int = Field(
        default=4, ge=2, le=30, description="fewest entries of a logged day before equal ones merge"
    )
    entries_max: int = Field(default=10, ge=2, le=40, description="most entries of a logged day")
    logged_day_share: Share = Field(default=0.86, description="share of days with a food log, outside gap weeks")
    gap_week_share: Share = Field(default=0.04, description="share of person-weeks without any food log")

    @model_validator(mode="after")
    def _ranges_in_order(self) -> Self:
        if not self.cheat_days_min <= self.cheat_days_typical <= self.cheat_days_max:
            raise ValueError("cheat_days_typical: must lie between cheat_days_min and cheat_days_max")
        if self.entries_min > self.entries_max:
            raise ValueError("entries_max: must be at least entries_min")
        return self


class Effects(_Closed):
    """Assumed effects of one more unit of a week's intake on next week's minus this week's mean weight."""

    potato_energy_share: float = Field(default=-0.60, ge=-5, le=5, description="kg a week per unit of share (0 to 1)")
    fiber_g_per_1000_kcal: float = Field(default=-0.03, ge=-0.5, le=0.5, description="kg a week per g per 1,000 kcal")
    energy_kcal_per_day: float = Field(default=0.0004, ge=-0.01, le=0.01, description="kg a week per kcal a day")


class SimulateSettings(_Closed):
    """Parameters of the simulated trial: people and weights, the scales, the assumptions about food."""

    # Of the thousand seeds from 20220001 on, the one whose weights come closest to the published moments:
    # the largest deviation, in standard errors, is smallest. What models find about food had no part in it.
    seed: int = Field(default=20220215, ge=0, description="the same seed gives the same bytes")
    groups: dict[str, Group] = Field(
        default={
            "four_weeks": Group(
                label="4 Weeks",
                participants=67,
                change_lb=-11.1,
                change_sd_lb=5.9,
                last_day_min=27,
                last_day_mean=27.63,
                last_day_max=30,
                longer_loses_more=0.0,
            ),
            "closed_early": Group(
                label="Closed Early",
                participants=31,
                change_lb=-5.8,
                change_sd_lb=4.6,
                last_day_min=3,
                last_day_mean=13.0,
                last_day_max=26,
                longer_loses_more=0.8,
            ),
            "dropped": Group(
                label="Dropped",
                participants=52,
                change_lb=-5.3,
                change_sd_lb=4.6,
                last_day_min=2,
                last_day_mean=11.4,
                last_day_max=25,
                longer_loses_more=0.8,
            ),
        },
        min_length=1,
        description="by a short name; what was not published (sd, days, correlations) is set to fit totals",
    )
    change_shape: Shape = Field(default=Shape(skew=0.6, tail=0.7), description="shape of a group's losses")
    start_lb: float = Field(default=205.6, ge=80, le=500, description="mean first weigh-in, lb")
    start_sd_lb: float = Field(default=42.0, ge=0, le=120, description="its standard deviation, lb")
    start_shape: Shape = Field(default=Shape(skew=0.16, tail=0.8), description="shape of the start weights")
    heavier_loses_more: float = Field(
        default=0.3, ge=-1, le=1, description="rank correlation of loss with start weight"
    )
    # The losses add up to 10.9 lb on day 27, the four-week group's mean change is 11.1 lb. Both hold with
    # last weigh-ins on day 27.63 on average: at the last week's rate, 1.9 lb in six days, 0.63 of a day is
    # 0.2 lb.
    weekly_loss_days: list[int] = Field(
        default=[7, 14, 21, 27], min_length=1, description="days that end a weekly loss"
    )
    weekly_loss_lb: list[float] = Field(
        default=[5.1, 1.8, 2.1, 1.9], min_length=1, description="loss to each of them, lb"
    )
    noise_sd_kg: float = Field(default=0.49, ge=0, le=5, description="sd of daily weights around their 15-day mean, kg")
    noise_lag1: float = Field(default=0.33, ge=0, le=0.6, description="lag-1 autocorrelation of those residuals")
    missing_day_share: float = Field(default=0.08, ge=0, le=0.6, description="share of days without a weight")
    blank_share: Share = Field(default=0.15, description="share of missing days written as a row without a weight")
    zero_share: Share = Field(default=0.08, description="share of missing days written as a weight of 0")
    zero_end_share: Share = Field(
        default=0.04, description="share of people whose last row is a weight of 0, a day too late"
    )
    kilogram_share: Share = Field(default=0.14, description="share of people who weigh in kg")
    unit_unstated_share: Share = Field(
        default=0.10, description="share of people without a unit, if their values tell it"
    )
    whole_pound_share: Share = Field(default=0.30, description="share of pound people who write whole pounds")
    first_start: date = Field(default=date(2022, 5, 1), description="first possible start of a participant")
    start_window_days: int = Field(default=84, ge=1, le=3660, description="days over which participants start")
    intake: Intake = Field(default=Intake(), description="assumptions about food")
    effects: Effects = Field(default=Effects(), description="assumed effects of food on weight")

    @model_validator(mode="after")
    def _weekly_losses_fit(self) -> Self:
        days = [0, *self.weekly_loss_days]
        if len(self.weekly_loss_lb) + 1 != len(days) or any(b <= a for a, b in pairwise(days)):
            raise ValueError("weekly_loss_days: must rise from above 0, with one weekly_loss_lb for each")
        if min(self.weekly_loss_lb) <= 0:
            raise ValueError("weekly_loss_lb: each must be above 0, because a loss is a positive number here")
        if self.blank_share + self.zero_share > 1:
            raise ValueError("zero_share: must be at most 1 - blank_share")
        return self

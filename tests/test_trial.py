"""The parameters of the simulated trial refuse what cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from potato.trial import Effects, Group, Intake, SimulateSettings


@pytest.mark.parametrize(
    "misspelt",
    [
        {"sead": 1},
        {"effects": {"potato_share": -0.6}},
        {"intake": {"energy": 1800}},
        {"start_shape": {"skewness": 1}},
    ],
)
def test_a_misspelt_parameter_is_refused(misspelt: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        SimulateSettings(**misspelt)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"weekly_loss_days": [7, 7], "weekly_loss_lb": [5.1, 1.8]}, "weekly_loss_days: must rise"),
        ({"weekly_loss_days": [7, 14]}, "weekly_loss_days: must rise"),
        ({"weekly_loss_days": [7], "weekly_loss_lb": [-5.1]}, "weekly_loss_lb: each must be above 0"),
        ({"blank_share": 0.6, "zero_share": 0.6}, "zero_share: must be at most"),
        ({"intake": {"entries_min": 9, "entries_max": 8}}, "entries_max: must be at least"),
        ({"intake": {"cheat_days_typical": 0.9}}, "cheat_days_typical: must lie between"),
        ({"noise_sd_kg": -1}, "greater than or equal to 0"),
        ({"groups": {}}, "at least 1 item"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_name(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        SimulateSettings(**settings)


def test_a_mean_last_day_outside_its_range_is_refused() -> None:
    group = SimulateSettings().groups["dropped"].model_dump() | {"last_day_mean": 26.0}
    with pytest.raises(ValidationError, match="last_day_mean: must lie between"):
        Group(**group)


@pytest.mark.parametrize("model", [SimulateSettings, Intake, Effects, Group])
def test_every_parameter_says_what_it_means(model: type[BaseModel]) -> None:
    assert all(field.description for field in model.model_fields.values())

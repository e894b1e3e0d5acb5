"""Trials with a known truth, and what gold's models say of each of them.

Scenario `model` draws what the models assume: a person's level has nothing to do with diet, and errors are independent.
Scenario `trial` is the demo study with another seed: its raw files go through the code of bronze and silver.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.overhead import ROOT
from potato import models
from potato import settings as parameters
from potato.quantiles import power_quantiles
from potato.settings import GoldSettings, Settings
from potato.trial import Group, SimulateSettings

SCENARIOS = ("model", "trial")
BASE_SEED = 20240601
CONFIDENCE = 0.95
WEEKDAYS = 7

# Mean, sd between people and sd within a person of a covariate, near those of the demo study. One that the simulation
# says nothing of has no effect, and tests an interval as well in any unit.
INTAKE = {
    "potato_energy_share": (0.78, 0.12, 0.11),
    "fiber_g_per_1000_kcal": (22.0, 2.5, 3.8),
    "energy_kcal_per_day": (1780.0, 250.0, 220.0),
}
ANY_INTAKE = (1.0, 0.3, 0.3)

Fit = Callable[[pd.DataFrame, GoldSettings], pd.DataFrame]


@dataclass(frozen=True)
class Spread:
    """Standard deviations in kg a week: of people's own levels, and of a week around its expectation."""

    person: float = 0.5
    week: float = 0.6


def seed(scenario: str, number: int) -> np.random.SeedSequence:
    """Return the seed of one trial: all come from one base seed, and none depends on how many trials there are."""
    return np.random.SeedSequence(BASE_SEED, spawn_key=(SCENARIOS.index(scenario), number))


def gold_models(frame: pd.DataFrame, gold: GoldSettings) -> pd.DataFrame:
    """Return gold's coefficients table of a modelling dataset, with 95% intervals."""
    return models.train(frame, **{**gold.for_models(), "confidence": CONFIDENCE}).coefficients


def drawn(
    simulate: SimulateSettings, gold: GoldSettings, number: int, spread: Spread | None = None
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return a modelling dataset that all three models are right about, and the effect of each covariate.

    Groups and weeks are those of the demo study; the effect of a week is the same for everybody.
    """
    spread = spread or Spread()
    rng = np.random.default_rng(seed("model", number))
    groups = list(simulate.groups.values())
    of_group = np.repeat(np.arange(len(groups)), [group.participants for group in groups])
    weeks = np.concatenate([_weeks(group) for group in groups])
    person = np.repeat(np.arange(len(weeks)), weeks)
    week = np.concatenate([np.arange(1, n + 1) for n in weeks])
    effects = simulate.effects.model_dump()
    truth = {name: float(effects.get(name, 0.0)) for name in gold.covariates}
    intake = {}
    for name in gold.covariates:
        mean, between, within = INTAKE.get(name, ANY_INTAKE)
        intake[name] = mean + rng.normal(0, between, len(weeks))[person] + rng.normal(0, within, len(person))
    change = rng.normal(0, 0.5, int(weeks.max()) + 1)[week] + rng.normal(0, 0.5, len(groups))[of_group][person]
    change += rng.normal(0, spread.person, len(weeks))[person] + rng.normal(0, spread.week, len(person))
    change += sum(truth[name] * values for name, values in intake.items())
    names = [f"P{i:04d}" for i in person]
    labels = np.array([group.label for group in groups])[of_group][person]
    frame = pd.DataFrame({"subject_id": names, "study_week": week, "group": labels, "days_logged": WEEKDAYS})
    return frame.assign(**intake, **{gold.terms.outcome: change}), truth


def _weeks(group: Group) -> NDArray[np.int64]:
    """Return for each person of a group how many weeks have another one after them."""
    low, high = group.last_day_min - 0.5, group.last_day_max + 0.5
    return np.rint(power_quantiles(group.participants, low, group.last_day_mean, high)).astype(np.int64) // WEEKDAYS


def workspace(folder: Path) -> Settings:
    """Make `folder` a project that holds only the settings, let this process work in it, and return the settings."""
    shutil.copytree(ROOT / "studies", folder / "studies", dirs_exist_ok=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(ROOT / name, folder / name)
    os.environ |= {"POTATO_ROOT": str(folder), "POTATO_STAGING": str(folder)}
    return parameters.load(folder, "demo")


def ingested(settings: Settings, number: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return the modelling dataset of a demo study with another seed, by way of its raw files, and its effects."""
    from potato import lake
    from potato.bronze import CSVLoader
    from potato.silver import FeatureEngineer
    from potato.simulate import simulate

    chosen = int(seed("trial", number).generate_state(1, np.uint32)[0])
    simulate(settings.simulate.model_copy(update={"seed": chosen}), settings.root / "data/raw/demo")
    loader = CSVLoader("demo")
    loader.read_nutrition_files()
    for family, table in loader.basic_validation().items():
        lake.write(table, lake.output(f"data/bronze/{family}"))
    lake.write_json(lake.output("data/bronze/ledger.json"), {"files": loader.ledger()})
    engineer = FeatureEngineer("demo")
    try:
        engineer.connection.raw_sql("SET threads = 1")  # each core has a trial of its own
        engineer.load_from_bronze()
        engineer.clean_data()
        frame = engineer.engineer_features()["modeling_dataset"].to_pandas()
    finally:
        engineer.connection.disconnect()
    return frame, settings.simulate.effects.model_dump()


def estimates(frame: pd.DataFrame, truth: dict[str, float], gold: GoldSettings, fit: Fit) -> list[dict[str, Any]]:
    """Return what each model says of each covariate with a known effect, beside that effect."""
    table = fit(frame, gold)
    shown = ["model", "term", "estimate", "std_error", "conf_low", "conf_high"]
    known = table[table["term"].isin(list(truth))][shown].to_dict("records")
    return [{**{str(name): value for name, value in row.items()}, "truth": truth[row["term"]]} for row in known]


def run(settings: Settings, scenario: str, number: int, fit: Fit = gold_models) -> list[dict[str, Any]]:
    """Return the estimates of one trial."""
    if scenario == "model":
        frame, truth = drawn(settings.simulate, settings.gold, number)
    else:
        frame, truth = ingested(settings, number)
    return estimates(frame, truth, settings.gold, fit)

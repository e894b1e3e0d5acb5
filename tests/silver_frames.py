"""Small silver frames with a known truth, for the tests of gold."""

from __future__ import annotations

import numpy as np
import pandas as pd

from potato import schema

TRUTH = {"potato_energy_share": -0.6, "fiber_g_per_1000_kcal": -0.03, "energy_kcal_per_day": 0.0004}
GROUPS = ("4 Weeks", "Closed Early", "Dropped")


def modeling(
    *,
    people: int = 40,
    weeks: int = 4,
    noise: float = 0.3,
    person_sd: float = 0.2,
    seed: int = 1,
    groups: tuple[str | None, ...] = GROUPS,
    null_share: float = 0.05,
) -> pd.DataFrame:
    """Return a modelling dataset whose outcome is TRUTH x intake + person + week + noise."""
    random = np.random.default_rng(seed)
    rows = []
    for i in range(people):
        level, group = random.normal(0, person_sd), groups[i % len(groups)]
        start = 80 + 20 * random.random()
        for week in range(1, weeks + 1):
            share, fiber = random.uniform(0.3, 1), random.uniform(8, 16)
            energy = random.normal(1800, 300)
            change = -0.5 + level - 0.1 * week + random.normal(0, noise)
            change += TRUTH["potato_energy_share"] * (share - 0.65) + TRUTH["fiber_g_per_1000_kcal"] * (fiber - 12)
            change += TRUTH["energy_kcal_per_day"] * (energy - 1800)
            row = {
                "subject_id": f"s{i:03d}",
                "study_week": week,
                "group": group,
                "condition": None,
                "next_week_change_kg": change,
                "weight_kg": start - week,
                "baseline_weight_kg": start,
                "n_weights": 6,
                "days_logged": 6,
                "entries": 30,
                "energy_kcal_per_day": energy,
                "protein_g_per_day": 50.0,
                "carbohydrate_g_per_day": 300.0,
                "fat_g_per_day": 30.0,
                "fiber_g_per_day": fiber * energy / 1000,
                "fiber_g_per_1000_kcal": fiber,
                "fiber_rollup_g_per_day": fiber * energy / 1000,
                "potato_energy_share": share,
            }
            row |= {f"entries_{c}": int(random.poisson(3)) for c in schema.FOOD_CATEGORIES}
            if random.random() < null_share:
                row |= {c: None for c in TRUTH} | {"days_logged": 0}
            rows.append(row)
    frame = pd.DataFrame(rows)
    for name in TRUTH:
        frame[name] = frame[name].astype(float)
    return frame[schema.MODELING_DATASET.names]

"""Small silver frames with a known truth, for the tests of gold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from potato import food, lake, schema

PROJECT = Path(__file__).parents[1]

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
            row |= {f"entries_{c}": int(random.poisson(3)) for c in food.CATEGORIES}
            if random.random() < null_share:
                row |= dict.fromkeys(TRUTH) | {"days_logged": 0}
            rows.append(row)
    frame = pd.DataFrame(rows)
    for name in TRUTH:
        frame[name] = frame[name].astype(float)
    return frame[schema.MODELING_DATASET.names]


def trajectories(
    *,
    people: int = 40,
    weeks: int = 5,
    slope: float = -0.8,
    seed: int = 2,
    groups: tuple[str | None, ...] = GROUPS,
    conditions: dict[str, float] | None = None,
) -> pd.DataFrame:
    """Return subject trajectories that fall by `slope` kg a week.

    With `conditions`, a person spends three weeks in each, falling by that condition's kg a week instead.
    """
    random = np.random.default_rng(seed)
    names = list(conditions or {})
    rows = []
    for i in range(people):
        start = 70 + 30 * random.random()
        weight = start
        before: float | None = None
        for week in range(1, (3 * len(names) or weeks) + 1):
            condition = names[(week - 1) // 3] if names else None
            weight += (conditions or {}).get(condition or "", slope)
            mean = weight + random.normal(0, 0.1)
            row = {"subject_id": f"s{i:03d}", "study_week": week, "group": groups[i % len(groups)]}
            row |= {"condition": condition, "n_weights": 6, "weight_kg": mean}
            row |= {"min_weight_kg": mean - 0.4, "max_weight_kg": mean + 0.4, "closing_weight_kg": mean - 0.1}
            row |= {
                "weight_change_kg": None if before is None else mean - before,
                "baseline_weight_kg": start,
            }
            row |= {"change_from_baseline_kg": mean - 0.1 - start, "slope_kg_per_week": slope}
            row |= {
                "condition_slope_kg_per_week": (conditions or {}).get(condition or "", slope) + random.normal(0, 0.1)
            }
            before = mean
            rows.append(row)
    frame = pd.DataFrame(rows)
    frame["weight_change_kg"] = frame["weight_change_kg"].astype(float)
    return frame[schema.SUBJECT_TRAJECTORIES.names]


def jumps(*rows: tuple[str, str, int]) -> pd.DataFrame:
    """Return silver's flags with a one-day jump for each (person, raw value, row of the file)."""
    made = [
        {
            "family": "weight",
            "source_file": "weight/weight.csv",
            "source_row": row,
            "subject_id": who,
            "column": "weight",
            "value": value,
            "flag": "jump",
            "rule": "a weigh-in is near those around it",
        }
        for who, value, row in rows
    ]
    return pd.DataFrame(made, columns=schema.FLAGS.names)


def days(features: pd.DataFrame) -> pd.DataFrame:
    """Return silver's study_days for weekly features: the first days_logged days of each week have a diary."""
    rows = []
    for week in features.itertuples():
        start = 7 * (week.study_week - 1)
        for day in range(1, 8):
            logged = day <= week.days_logged
            rows.append(
                {
                    "subject_id": week.subject_id,
                    "study_day": start + day,
                    "study_week": week.study_week,
                    "n_weights": 1,
                    "entries": 3 if logged else 0,
                    "energy_kcal": week.energy_kcal_per_day if logged else None,
                    "potato_energy_share": week.potato_energy_share if logged else None,
                }
            )
    return pd.DataFrame(rows, columns=schema.STUDY_DAYS.names)


def project(
    folder: Path,
    study: str,
    weights: pd.DataFrame,
    changes: pd.DataFrame,
    weekly: pd.DataFrame | None = None,
    **more: pd.DataFrame,
) -> Path:
    """Write a project with the real params.yaml and studies, and with these frames as its silver layer.

    `more` are further datasets of silver by name; without them no weigh-in is flagged.
    """
    for name in ("params.yaml", "studies"):
        (folder / name).symlink_to(PROJECT / name)
    (folder / "dvc.yaml").write_text("stages: {gold: {deps: []}}\n")
    features = changes[schema.WEEKLY_FEATURES.names] if weekly is None else weekly
    frames = {
        "subject_trajectories": weights,
        "modeling_dataset": changes,
        "study_days": days(features),
        "weekly_features": features,
        "trajectories_without_jumps": weights,
        "modeling_without_jumps": changes,
        "flags": jumps(),
        "subjects": pd.DataFrame(columns=schema.SUBJECTS.names),
        **more,
    }
    for name, frame in frames.items():
        table = pa.Table.from_pandas(frame, schema=schema.SILVER[name].arrow(), preserve_index=False)
        lake.write(table, folder / "data/silver" / name)
    entry = {
        "family": "weight",
        "file": "weight.csv",
        "rows_read": 1200,
        "rows_kept": 1190,
        "rows_quarantined": {"missing_value": 10},
    }
    lake.write_json(folder / "data/silver/ledger.json", {"files": {"weight/weight.csv": entry}})
    return folder


def without_intake(weights: pd.DataFrame) -> pd.DataFrame:
    """Return the modelling dataset of a study that recorded weights and nothing else."""
    frame = weights[["subject_id", "study_week", "group", "condition", "weight_kg", "baseline_weight_kg", "n_weights"]]
    frame = frame.assign(next_week_change_kg=-0.3, days_logged=0, entries=0)
    return frame.reindex(columns=schema.MODELING_DATASET.names)

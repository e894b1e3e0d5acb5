"""A bronze and a silver layer of two people in which every contract holds, for tests that break one thing in it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from potato import families, food, schema

PEOPLE = ("ann", "bob")
WEEKS = (1, 2, 3)
FAMILIES = ("nutrition", "weight", "fiber")
ROWS = 21
Layer = tuple[dict[str, pa.Table], dict[str, dict[str, Any]]]


def filled(dataset: schema.Dataset, rows: list[dict[str, Any]]) -> pa.Table:
    """Return a table of `dataset` with these values; what a row does not name is null, or the least that can be."""
    least = {c.name: ("" if c.type == pa.string() else c.minimum or 0) for c in dataset.columns if c.required}
    return pa.Table.from_pylist([least | row for row in rows], schema=dataset.arrow())


def changed(table: pa.Table, row: int, **values: Any) -> pa.Table:
    """Return the table with other values in one row."""
    rows = table.to_pylist()
    rows[row] |= values
    return pa.Table.from_pylist(rows, schema=table.schema)


def bronze() -> Layer:
    """Return (tables, files of the ledger)."""
    tables, files = {}, {}
    for family in FAMILIES:
        name = f"{family}/a.csv"
        rows = [{"source_file": name, "source_row": n + 2, "subject_id": "ann"} for n in range(ROWS)]
        tables[family] = filled(schema.BRONZE[family], rows)
        files[name] = {"file": name, "family": family, "rows_read": ROWS}
    return tables, files


def silver() -> Layer:
    """Return (tables, files of the ledger); each file has lost one row, which held no value."""
    eaten = {f"{name}_per_day": 10.0 for name in ("energy_kcal", *food.KCAL_PER_G, "fiber_rollup_g")}
    eaten["energy_kcal_per_day"] = 2000.0
    weeks = [{"subject_id": who, "study_week": week, "days_logged": 7} | eaten for who in PEOPLE for week in WEEKS]
    weighed = {"min_weight_kg": 79.0, "weight_kg": 80.0, "max_weight_kg": 81.0, "closing_weight_kg": 79.5}
    days = [
        {"subject_id": who, "study_day": 7 * week, "study_week": week, "entries": 1} for who in PEOPLE for week in WEEKS
    ]
    tables = {
        "study_days": filled(schema.STUDY_DAYS, days),
        "weekly_features": filled(schema.WEEKLY_FEATURES, weeks),
        "subject_trajectories": filled(schema.SUBJECT_TRAJECTORIES, [week | weighed for week in weeks]),
        "modeling_dataset": filled(schema.MODELING_DATASET, [week for week in weeks if week["study_week"] < 3]),
        "subjects": filled(
            schema.SUBJECTS, [{"subject_id": who} | {f"{family}_rows": 10 for family in FAMILIES} for who in PEOPLE]
        ),
        "flags": schema.FLAGS.arrow().empty_table(),
        "quarantine": filled(schema.QUARANTINE, [aside(family, 2, "missing_value") for family in FAMILIES]),
    }
    tables["trajectories_without_jumps"] = tables["subject_trajectories"]
    tables["modeling_without_jumps"] = tables["modeling_dataset"]
    files = {
        f"{family}/a.csv": {
            "file": f"{family}/a.csv",
            "family": family,
            "rows_read": ROWS,
            "rows_kept": ROWS - 1,
            "rows_quarantined": {"missing_value": 1},
            "rows_flagged": {},
        }
        for family in FAMILIES
    }
    return tables, files


def aside(family: str, row: int, reason: str, who: str = "ann") -> dict[str, Any]:
    """Return a row of quarantine."""
    place = {"family": family, "source_file": f"{family}/a.csv", "source_row": row, "subject_id": who}
    return place | {"column": families.FAMILIES[family].value, "value": "", "reason": reason, "rule": "it is recorded"}


def flagged(family: str, flag: str, *rows: int) -> pa.Table:
    """Return silver/flags with one flag on these rows of the family's file."""
    value = families.FAMILIES[family].value
    place = {"family": family, "source_file": f"{family}/a.csv", "subject_id": "ann", "column": value, "flag": flag}
    return filled(schema.FLAGS, [place | {"source_row": row, "value": "~8", "rule": "a rule"} for row in rows])

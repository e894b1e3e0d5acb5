"""Drift is told where numbers moved, and not where they did not or where there are too few of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from potato import drift, lake, schema

from . import silver_frames


def layer(folder: Path, *, study: str = "small", people: int = 40, slope: float = -0.8, lighter: float = 0.0) -> Path:
    """Write what drift reads of a silver layer."""
    weights = silver_frames.trajectories(people=people, slope=slope)
    weights["weight_kg"] -= lighter
    changes = silver_frames.modeling(people=people)
    frames = {
        "subject_trajectories": weights,
        "modeling_dataset": changes,
        "weekly_features": changes[schema.WEEKLY_FEATURES.names],
    }
    outputs = {}
    for name, frame in frames.items():
        lake.write(pa.Table.from_pandas(frame, schema=schema.SILVER[name].arrow(), preserve_index=False), folder / name)
        outputs[f"silver/{name}"] = {"fingerprint": lake.fingerprint(folder / name)}
    lake.write_json(folder / "manifest.json", {"study": study, "outputs": outputs})
    file = {"rows_kept": 100 + people, "rows_quarantined": {"missing_value": people}}
    lake.write_json(folder / "ledger.json", {"files": {"weight.csv": file}})
    return folder


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {f"{e['dataset']}.{e['column']}": e["verdict"] for e in found["columns"]}


def test_the_same_data_are_unchanged(tmp_path: Path) -> None:
    found = drift.against_published(layer(tmp_path / "a"), layer(tmp_path / "b"), "small")
    assert (found["status"], found["columns"]) == ("unchanged", [])


def test_a_fresh_clone_has_nothing_to_compare_with(tmp_path: Path) -> None:
    found = drift.against_published(tmp_path / "none", layer(tmp_path / "b"), "small")
    assert found["status"] == "first"


def test_data_of_another_study_are_not_compared(tmp_path: Path) -> None:
    found = drift.against_published(layer(tmp_path / "a", study="other"), layer(tmp_path / "b"), "small")
    assert found["status"] == "other_study"
    assert "of the study other" in found["sentence"]


def test_a_damaged_layer_before_stops_nothing(tmp_path: Path) -> None:
    before, now = layer(tmp_path / "a", people=30), layer(tmp_path / "b")
    (before / "weekly_features/part-0.parquet").write_bytes(b"torn")
    assert drift.against_published(before, now, "small")["status"] == "unreadable"
    (before / "manifest.json").write_text("{}")
    assert drift.against_published(before, now, "small")["status"] == "unreadable"


def test_a_column_that_moved_is_shifted_and_the_others_are_stable(tmp_path: Path) -> None:
    found = drift.against_published(layer(tmp_path / "a"), layer(tmp_path / "b", lighter=15), "small")
    told = verdicts(found)
    assert told.pop("silver/subject_trajectories.weight_kg") == "shifted"
    assert set(told.values()) == {"stable"}
    assert "weight_kg (subject_trajectories)" in found["sentence"]
    entry = next(e for e in found["columns"] if e["verdict"] == "shifted")
    assert entry["mean_before"] - entry["mean"] == pytest.approx(15)


def test_counts_of_rows_are_told_before_and_now(tmp_path: Path) -> None:
    found = drift.against_published(layer(tmp_path / "a", people=30), layer(tmp_path / "b", people=40), "small")
    assert found["rows"] == {"kept": [130, 140], "missing_value": [30, 40]}


def test_a_few_values_are_too_few_to_judge(tmp_path: Path) -> None:
    found = drift.against_published(layer(tmp_path / "a", people=1), layer(tmp_path / "b", people=2), "small")
    assert set(verdicts(found).values()) == {"too few"}
    assert "too few to compare" in found["sentence"]


def test_chance_in_a_small_sample_is_no_drift() -> None:
    random = np.random.default_rng(5)
    shifted = []
    for _ in range(100):
        index, chance = drift.psi(random.normal(size=25), random.normal(size=25))
        shifted.append(index > drift.PSI_SHIFTED)
        assert chance == pytest.approx(0.72)
    assert sum(shifted) > 50  # so that a threshold on PSI alone would cry wolf
    before, now = (pa.table({"x": random.normal(size=25)}) for _ in range(2))
    assert _of_one_column(before, now)["verdict"] == "stable"


def _of_one_column(before: pa.Table, now: pa.Table) -> dict[str, Any]:
    empty = {d.name: d.arrow().empty_table().select([]) for d in drift.COMPARED}
    name = schema.SUBJECT_TRAJECTORIES.name
    renamed = [table.rename_columns(["weight_kg"]) for table in (before, now)]
    (found,) = drift.compare(empty | {name: renamed[0]}, empty | {name: renamed[1]})
    return found


def test_the_index_agrees_with_a_sum_by_hand() -> None:
    before, now = np.repeat(np.arange(10.0), 10), np.repeat(np.arange(10.0), 10)
    now[:10] = 9.0
    before_share, gone, more = 10.5 / 105, 0.5 / 105, 20.5 / 105
    by_hand = (gone - before_share) * np.log(gone / before_share) + (more - before_share) * np.log(more / before_share)
    assert drift.psi(before, now)[0] == pytest.approx(by_hand)


def test_a_constant_that_becomes_another_constant_is_shifted() -> None:
    found = _of_one_column(pa.table({"x": [1.0] * 50}), pa.table({"x": [2.0] * 50}))
    assert found["verdict"] == "shifted"
    assert found["ks"] == 1


def test_missing_values_are_left_out_and_counted() -> None:
    found = _of_one_column(pa.table({"x": [1.0, None] * 20}), pa.table({"x": [1.0] * 20}))
    assert (found["n_before"], found["missing_before"], found["missing"]) == (20, 0.5, 0)

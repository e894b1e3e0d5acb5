"""What the report says of the run that made it: its stages, which of them DVC skipped, and what it rested on."""

from __future__ import annotations

from typing import Any

from potato import lake, manifest, run, timeline
from potato.settings import Settings


def of_run(settings: Settings, current: run.Run) -> dict[str, Any]:
    """Return the run's identity and environment, and for each stage whether it ran now or in an earlier run."""
    stages = ("simulate", "bronze", "silver", "gold")
    ran = {entry["stage"]: entry for entry in run.history(settings.root, current.id) if entry["status"] == "ran"}
    told = [_stage(settings, name, ran.get(name)) for name in stages]
    return {
        "run_id": current.id,
        "trace_id": current.trace_id,
        "started": current.started,
        "study": settings.study_name,
        "engine": settings.engine,
        "environment": run.environment(settings.root),
        "stages": told,
        "timeline": timeline.gather(settings.root / "runs", told),
        "mlflow": f"experiment potato/{settings.study_name}",
    }


def _stage(settings: Settings, name: str, entry: dict[str, Any] | None) -> dict[str, Any]:
    folder = settings.root / "data" / ("raw/demo" if name == "simulate" else name)
    rows_in, rows_out = _rows(settings, name)
    if entry:
        return {
            "stage": name,
            "status": "ran",
            "run_id": entry["run_id"],
            "seconds": entry["seconds"],
            "rows_in": rows_in,
            "rows_out": rows_out,
        }
    return {
        "stage": name,
        "status": "cached",
        "run_id": run.producer(settings.root, name, lake.fingerprint(folder)),
        "seconds": None,
        "rows_in": rows_in,
        "rows_out": rows_out,
    }


def _rows(settings: Settings, name: str) -> tuple[int | None, int | None]:
    """Return the rows that a layer read and wrote; a layer reads what the one before it wrote."""
    before = {"silver": "bronze", "gold": "silver"}

    def written(layer: str) -> int:
        document = lake.read_json(settings.root / manifest.PATHS[layer])
        return sum(dataset["rows"] for dataset in document["outputs"].values())

    if name == "simulate":
        return None, None
    return written(before[name]) if name in before else written(name), written(name)

"""The values that a stage gives to the metrics, read off what it wrote: manifest, ledger, coefficients, drift."""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from potato import lake

Reading = tuple[str, float, dict[str, str]]
"""The name of a metric in `measures.METRICS`, a value, and attributes beside study and stage."""

MODELS = ("ols_cluster", "fixed_effects", "mixed_effects")
"""Models that every study of several people is asked for: one that was left out is told as such."""

_GATE = {"gate_pass": "pass", "gate_caution": "caution", "gate_fail": "fail"}


def of_stage(document: Mapping[str, Any], staging: Path, published: Path) -> Iterator[Reading]:
    """Yield what a stage's manifest and the files beside it say.

    Parameters
    ----------
    document : the stage's manifest.
    staging : the folder that the stage wrote into.
    published : the project's folder, with what the stage before wrote.
    """
    for name, dataset in document["outputs"].items():
        yield "potato.dataset.rows", dataset["rows"], {"dataset": name, "outcome": "written"}
    yield from _verdicts(document["contracts"])
    if document["stage"] == "silver":
        yield from _rows(_ledger(staging), _ledger(published))
    if document["stage"] == "gold":
        yield from _gate(document["metrics"])
        yield from _models(staging / "data/gold/models/coefficients.parquet")


def of_drift(found: Mapping[str, Any]) -> Iterator[Reading]:
    """Yield what `drift.against_published` found; nothing where there was nothing to compare with."""
    counts = Counter((entry["dataset"], entry["verdict"].replace(" ", "_")) for entry in found["columns"])
    for dataset in dict.fromkeys(entry["dataset"] for entry in found["columns"]):
        for verdict in ("stable", "moved", "shifted", "too_few"):
            yield "potato.drift.columns", counts[dataset, verdict], {"dataset": dataset, "verdict": verdict}
    for entry in found["columns"]:
        if entry["psi"] is not None:
            yield "potato.drift.psi", entry["psi"], {"dataset": entry["dataset"], "column": entry["column"]}


def of_publication(document: Mapping[str, Any], moment: float) -> Iterator[Reading]:
    """Yield when each dataset was published, in seconds since 1970."""
    for name in document["outputs"]:
        yield "potato.dataset.written.timestamp", moment, {"dataset": name}


def of_memory() -> Iterator[Reading]:
    """Yield the largest resident memory of this process, and of those it started and waited for, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    for process, who in (("stage", resource.RUSAGE_SELF), ("child", resource.RUSAGE_CHILDREN)):
        if peak := resource.getrusage(who).ru_maxrss:
            yield "potato.stage.memory.peak", peak * unit, {"process": process}


def _verdicts(contracts: list[Mapping[str, Any]]) -> Iterator[Reading]:
    counts = Counter((v["dataset"], v["severity"], bool(v["success"])) for v in contracts)
    for dataset in dict.fromkeys(v["dataset"] for v in contracts):
        for severity in ("error", "warning"):
            for success, verdict in ((True, "passed"), (False, "failed")):
                attributes = {"dataset": dataset, "severity": severity, "verdict": verdict}
                yield "potato.contract.verdicts", counts[dataset, severity, success], attributes


def _ledger(folder: Path) -> dict[str, Any]:
    path = folder / "data/silver/ledger.json"
    return dict(lake.read_json(path)["files"]) if path.is_file() else {}


def _rows(files: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Reading]:
    kept, read, reasons = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    # A reason of the last accepted data that is gone is told as zero rows, or its old number would stand.
    for file in before.values():
        reasons.update({(file["family"], reason): 0 for reason in file["rows_quarantined"]})
    for file in files.values():
        kept[file["family"]] += file["rows_kept"]
        read[file["family"]] += file["rows_read"]
        reasons.update({(file["family"], reason): rows for reason, rows in file["rows_quarantined"].items()})
    for family in sorted(read):
        aside = read[family] - kept[family]
        for outcome, rows in (("kept", kept[family]), ("quarantined", aside)):
            yield "potato.dataset.rows", rows, {"dataset": f"bronze/{family}", "outcome": outcome}
        yield "potato.quarantine.share", aside / read[family] if read[family] else 0.0, {"family": family}
    for (family, reason), rows in sorted(reasons.items()):
        yield "potato.quarantine.rows", rows, {"family": family, "reason": reason}


def _gate(numbers: Mapping[str, float]) -> Iterator[Reading]:
    for name, verdict in _GATE.items():
        if name in numbers:
            yield "potato.gate.findings", numbers[name], {"verdict": verdict}


def _models(path: Path) -> Iterator[Reading]:
    rows = pq.read_table(path).to_pylist() if path.is_file() else []
    for row in rows:
        which = {"model": row["model"], "term": row["term"]}
        yield "potato.model.estimate", row["estimate"], which
        yield "potato.model.std_error", row["std_error"], which
    fitted = {row["model"]: row["n_obs"] for row in rows}
    for model in dict.fromkeys((*MODELS, *fitted)):
        yield "potato.model.observations", fitted.get(model, 0), {"model": model}
        yield "potato.model.converged", int(model in fitted), {"model": model}

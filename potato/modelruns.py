"""What is told of each model that gold fitted: parameters, metrics, tags and files, read from what gold published."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from potato import lake, redaction
from potato import run as runs

if TYPE_CHECKING:
    from potato.settings import Settings

DATASET = "silver/modeling_dataset"
"""What the models are fitted to."""

MODEL, TABLE = "model", "coefficients.json"
"""Where a run's artifacts hold the model's files, and every coefficient as a table that MLflow shows."""

_MEASURES = ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")
_COUNTS = ("n_obs", "n_subjects")


@dataclass(frozen=True)
class ModelRun:
    """One fitted model of one run of gold.

    Attributes
    ----------
    model : its family, such as fixed_effects.
    params, tags : texts by name.
    metrics : finite numbers by name; "estimate/TERM" and so on, so that equal things have equal names in each family.
    accepted : the report answers with this model, and the gate let it pass.
    folder : data/gold/models/MODEL, or None where gold left no such folder.
    table : the coefficients as columns and rows.
    figures : the files of the figures that show the models.
    """

    model: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    accepted: bool
    folder: Path | None
    table: dict[str, Any]
    figures: tuple[Path, ...]

    @cached_property
    def fingerprint(self) -> str | None:
        """The sha256 of the model's own files: equal for two runs that gave the same model."""
        return lake.fingerprint(self.folder) if self.folder else None

    def lay_out(self, folder: Path) -> None:
        """Put the files of the run into the empty `folder`, as links: model/, figures/ and coefficients.json."""
        parts = {MODEL: sorted(self.folder.iterdir()) if self.folder else (), "figures": self.figures}
        for part, files in parts.items():
            (folder / part).mkdir()
            for file in files:
                (folder / part / file.name).symlink_to(file.resolve())
        (folder / TABLE).write_text(json.dumps(self.table, ensure_ascii=False, allow_nan=False), encoding="utf-8")


def names(gold: Path) -> set[str]:
    """Return the families that gold fitted a model of."""
    described = {path.parent.name for path in gold.glob("models/*/model.json")}
    return described | {row["model"] for row in _rows(gold, "coefficients")}


def read(run: runs.Run, settings: Settings, gold: Path, fingerprints: Mapping[str, str]) -> list[ModelRun]:
    """Return what gold says of each model that it fitted, the primary one first.

    Parameters
    ----------
    gold : the folder data/gold.
    fingerprints : of the datasets that gold read, by name.
    """
    from potato.diet_narrative import PRIMARY

    reported, checks = _rows(gold, "coefficients"), _rows(gold, "diagnostics")
    models = names(gold)
    rank = {name: place for place, name in enumerate(PRIMARY)}
    ordered = sorted(models, key=lambda name: (rank.get(name, len(rank)), name))
    shared = _study_metrics(gold, models)
    tags = _tags(run, settings, gold, fingerprints)
    figures = tuple(_figures(gold))
    verdicts = Counter((row["model"], row["verdict"]) for row in checks)
    failed = any(row["verdict"] == "fail" for row in checks)
    made = []
    for model in ordered:
        folder = gold / "models" / model
        described = _json(folder / "model.json")
        rows = [row for row in reported if row["model"] == model]
        gate = {f"gate/{verdict}": verdicts[model, verdict] for verdict in ("pass", "caution", "fail")}
        accepted = model == ordered[0] and model in rank and not failed
        params = _params(settings, gold, described)
        own = {
            "potato.model": model,
            "potato.accepted": str(accepted).lower(),
            "mlflow.note.content": _note(run, params),
        }
        made.append(
            ModelRun(
                model,
                params,
                _finite(_estimates(rows) | _fit(described) | gate | shared),
                tags | own,
                accepted,
                folder if folder.is_dir() else None,
                _table(folder / "coefficients.parquet", rows),
                figures,
            )
        )
    return made


def allowed(text: str) -> str:
    """Return `text` as MLflow allows names: letters, digits, and `_ - . / space`."""
    return re.sub(r"[^\w\-./ ]+", "_", text, flags=re.ASCII).strip("_/. ") or "unnamed"


def _rows(gold: Path, name: str) -> list[dict[str, Any]]:
    path = gold / "models" / f"{name}.parquet"
    return _read(path).to_pylist() if path.is_file() else []


def _read(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _estimates(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found = {name: row.get(name) for row in rows for name in _COUNTS}
    return found | {f"{measure}/{row['term']}": row.get(measure) for row in rows for measure in _MEASURES}


def _fit(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return how well the model fits: counts, degrees of freedom, and what else it estimated."""
    counts = {name: described[name] for name in _COUNTS if name in described}
    details = described.get("details")
    fit = {"df": described.get("df"), **(dict(_flat(details)) if isinstance(details, Mapping) else {})}
    return counts | {f"fit/{name}": value for name, value in fit.items()}


def _study_metrics(gold: Path, models: set[str]) -> dict[str, Any]:
    """Return the study's flat numbers; those of single models stand with the models."""
    found = _flat(_json(gold / "reports" / "metrics.json"))
    return {f"study/{name}": value for name, value in found if not name.startswith(tuple(f"{m}_" for m in models))}


def _finite(found: Mapping[str, Any]) -> dict[str, float]:
    return {
        allowed(name): float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _params(settings: Settings, gold: Path, described: Mapping[str, Any]) -> dict[str, str]:
    formula = described.get("formula") or _json(gold / "reports" / "numbers.json").get("models", {}).get("formula")
    values: dict[str, Any] = {"study": settings.study_name, "engine": settings.engine}
    values |= {"formula": formula} if formula else {}
    values["covariates"] = settings.gold.covariates
    for section in ("gold", "silver"):
        told = getattr(settings, section).model_dump(exclude={"covariates"})
        values |= {f"{section}.{name}": value for name, value in _flat(told)}
    told = redaction.clean(
        {allowed(name): _text(value) for name, value in values.items()}, frozenset({"study", "engine"})
    )
    return {name: text[:6000] for name, text in told.items()}


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "null" if value is None else str(value)


def _tags(run: runs.Run, settings: Settings, gold: Path, fingerprints: Mapping[str, str]) -> dict[str, str]:
    environment = runs.environment(settings.root)
    tags = {
        "potato.run_id": run.id,
        "potato.trace_id": run.trace_id,
        "potato.stage": "gold",
        "potato.study": settings.study_name,
        "potato.gold": lake.fingerprint(gold),
        "mlflow.source.name": "notebooks/gold.ipynb",
        "mlflow.source.type": "NOTEBOOK",
    }
    if environment["git_commit"]:
        tags["mlflow.source.git.commit"] = environment["git_commit"]
        tags["potato.git_dirty"] = str(environment["git_dirty"]).lower()
    told = redaction.clean(tags | {allowed(name): str(fingerprint) for name, fingerprint in fingerprints.items()})
    return {name: text[:8000] for name, text in told.items()}


def _note(run: runs.Run, params: Mapping[str, str]) -> str:
    """Return the description of a run on MLflow's pages, in Markdown."""
    formula = f"`{params['formula']}`\n\n" if "formula" in params else ""
    return f"{formula}What else this run left behind is in `runs/{run.id}/`."


def _table(path: Path, reported: list[dict[str, Any]]) -> dict[str, Any]:
    """Return every coefficient of the model, or those that the report shows, as MLflow writes a table."""
    rows = _read(path).to_pylist() if path.is_file() else reported
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {"columns": columns, "data": [[_plain(row.get(name)) for name in columns] for row in rows]}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _figures(gold: Path) -> Iterator[Path]:
    """Yield the files of the figures that were drawn from the models or from what they were fitted to."""
    entries = _json(gold / "figures" / "figures.json", list)
    for entry in entries:
        source = entry["source"]["dataset"]
        if source == DATASET or source.startswith("gold/models/"):
            yield from sorted((gold / "figures").glob(f"{entry['id']}.*"))


def _json(path: Path, kind: type[Any] = dict) -> Any:
    content = lake.read_json(path) if path.is_file() else kind()
    return content if isinstance(content, kind) else kind()


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value

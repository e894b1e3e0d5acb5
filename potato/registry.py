"""The accepted model of a study in MLflow's registry: versions of models that differ, and an alias that moves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from potato import lake
from potato.modelruns import ModelRun, allowed

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIAS = "accepted"
_MOST_TEXT = 5000  # of a description, in MLflow's tables
_MODEL = "potato.model_fingerprint"
_TAGS = ("potato.study", "potato.run_id", "potato.trace_id", "mlflow.source.git.commit")


def name(study: str) -> str:
    """Return the name of the study's registered model; MLflow allows neither `/` nor `:` in it."""
    return f"potato-{allowed(study).replace('/', '_').replace('.', '_')}"


def accept(client: MlflowClient, model: ModelRun, run_id: str, source: str, model_id: str | None, gold: Path) -> str:
    """Let the alias `accepted` point at this model, and return its version.

    A model that is registered already, byte for byte, keeps its version; any other becomes a new one. Versions
    are never removed.

    Parameters
    ----------
    run_id : the run of MLflow that logged the model.
    source : where its files are.
    model_id : the logged model, where the store knows such.
    """
    study = model.tags["potato.study"]
    registered = name(study)
    versions = _versions(client, registered)
    if versions is None:
        client.create_registered_model(
            registered, {"potato.study": study}, f"The model that the report on {study} answers with."
        )
    wanted = {"potato.model": model.model, _MODEL: str(model.fingerprint)}
    same = [v for v in versions or () if wanted.items() <= v.tags.items()]
    found = max(same, key=lambda v: int(v.version), default=None)
    if found is None:
        tags = wanted | {key: model.tags[key] for key in _TAGS if key in model.tags}
        found = client.create_model_version(
            registered, source, run_id, tags, description=_answer(gold), await_creation_for=0, model_id=model_id
        )
        if model_id:
            _link(client, model_id, registered, found.version)
    client.set_registered_model_alias(registered, ALIAS, found.version)
    return str(found.version)


def _versions(client: MlflowClient, registered: str) -> list[Any] | None:
    """Return the versions of a registered model, or None when there is no such model."""
    versions = list(client.search_model_versions(f"name='{registered}'", max_results=1000))
    if versions:
        return versions
    return [] if client.search_registered_models(f"name='{registered}'", max_results=1) else None


def _link(client: MlflowClient, model_id: str, registered: str, version: str) -> None:
    """Let the logged model name its version, as MLflow's own `register_model` does."""
    link = json.dumps([{"name": registered, "version": version}])
    client.set_logged_model_tags(model_id, {"mlflow.modelVersions": link})


def _answer(gold: Path) -> str:
    path = gold / "reports" / "numbers.json"
    numbers = lake.read_json(path) if path.is_file() else {}
    return str(numbers.get("answer", {}).get("diet", ""))[:_MOST_TEXT]

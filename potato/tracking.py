"""Each model that gold fits as an MLflow run, in the experiment of its family; the accepted one also as a version."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from potato import lake, modelruns, redaction, registry, trackingstore
from potato import run as runs
from potato.modelruns import ModelRun
from potato.trackingstore import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, LoggedModel

    from potato.settings import Settings

_MOST_METRICS, _MOST_PARAMS = 1000, 100  # MLflow's limits for one batch
_MOST_DIGEST = 36
_logger = logging.getLogger("potato.tracking")
T = TypeVar("T")
_warmup: tuple[Path, Future[Store]] | None = None


def prefetch(root: Path | None = None) -> None:
    """Begin to import MLflow and to create its store in a background thread, and return at once.

    Both take seconds. A stage calls this before it starts a kernel, for which it only waits.
    """
    global _warmup
    trackingstore.keep_quiet()
    folder = (root or lake.root()).resolve()
    _warmup = (folder, _in_background(lambda: trackingstore.connect(folder)))


def log_gold(
    run: runs.Run, settings: Settings, gold: Path, fingerprints: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Log each model of one run of gold, and return the ids of MLflow's runs by model.

    The store is MLFLOW_TRACKING_URI; without it mlflow.db in the project's folder, with artifacts in mlruns/.
    A store that cannot be reached or written is one warning in the log, and the result lacks what could not be
    logged: tracking never fails a stage. A server gets REMOTE_SECONDS in all, DynamoDB CLOUD_SECONDS.

    Parameters
    ----------
    run : its id and trace id become tags, so that a run of MLflow leads to the run's folder and trace.
    settings : the study's name and the parameters of silver and gold.
    gold : the folder data/gold; its models, coefficients, checks, metrics and figures are logged.
    fingerprints : of the datasets that gold read, by name.
    """
    trackingstore.keep_quiet()
    made: dict[str, str] = {}
    work = _in_background(lambda: _log_all(made, run, settings, gold, fingerprints or {}))
    root = settings.root.resolve()
    try:
        work.result(trackingstore.patience(root))
    except TimeoutError:
        _warn(root, "This run is not tracked in MLflow", "no answer in time")
    except Exception as error:  # MLflow raises its own, SQLAlchemy's, requests' and the system's exceptions
        _warn(root, "This run is not tracked in MLflow", error)
    return dict(made)


def _in_background(work: Callable[[], T]) -> Future[T]:
    """Run `work` in a thread that does not keep the process from ending, and return what will hold its result."""
    future: Future[T] = Future()

    def fill() -> None:
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=fill, name="mlflow", daemon=True).start()
    return future


def _warn(root: Path, what: str, why: object) -> None:
    text = trackingstore.public(" ".join(redaction.redact(str(why)).split()) or type(why).__name__)
    _logger.warning("%s (%s): %s", what, trackingstore.public(trackingstore.uri(root)), text[:400])


def _ready(root: Path) -> Store:
    if _warmup is None or _warmup[0] != root:
        return trackingstore.connect(root)
    try:
        return _warmup[1].result()
    except ImportError:
        # Two threads that import at once can meet a half-imported module; one alone cannot.
        return trackingstore.connect(root)


def _log_all(
    made: dict[str, str], run: runs.Run, settings: Settings, gold: Path, fingerprints: Mapping[str, str]
) -> None:
    if not modelruns.names(gold):
        return
    root = settings.root.resolve()
    store = _ready(root)
    models, dataset = modelruns.read(run, settings, gold, fingerprints), fingerprints.get(modelruns.DATASET)

    def log(model: ModelRun) -> None:
        logged = _log(store, model, root, dataset)
        made[model.model] = logged.run_id
        if model.accepted and model.folder:
            try:
                registry.accept(store.client, model, logged.run_id, logged.source, logged.model_id, gold)
            except Exception as error:
                _warn(root, f"{model.model} is not registered in MLflow", error)

    if trackingstore.is_file(root):
        for model in models:
            log(model)
    else:  # a server is far away: what takes time is the way
        for future in [_in_background(partial(log, model)) for model in models]:
            future.result()


@dataclass(frozen=True)
class _Logged:
    """What the store made of a model: the run's id, where the model's files are, and the logged model's id."""

    run_id: str
    source: str
    model_id: str | None


def _log(store: Store, model: ModelRun, root: Path, dataset: str | None) -> _Logged:
    from mlflow.entities import LoggedModelOutput, Metric, Param

    client, tags = store.client, model.tags
    experiment = _experiment(store, model.model, root)
    table = json.dumps([{"path": modelruns.TABLE, "type": "table"}])
    title = f"{tags['potato.study']} {tags['potato.run_id'][:13]}"
    info = client.create_run(experiment, run_name=title, tags=tags | {"mlflow.loggedArtifacts": table}).info
    run_id, status = str(info.run_id), "FAILED"
    try:
        logged = _logged_model(client, model, experiment, run_id)
        model_id = str(logged.model_id) if logged else None
        now = int(time.time() * 1000)
        source = {"model_id": model_id}
        if dataset:
            client.log_inputs(run_id, datasets=[_dataset(dataset)])
            source |= {"dataset_name": modelruns.DATASET, "dataset_digest": dataset[:_MOST_DIGEST]}
        metrics = [Metric(name, value, now, 0, **source) for name, value in model.metrics.items()]
        params = [Param(name, value) for name, value in model.params.items()]
        client.log_batch(run_id, metrics[:_MOST_METRICS], params[:_MOST_PARAMS], synchronous=True)
        with tempfile.TemporaryDirectory() as folder:
            model.lay_out(Path(folder))
            client.log_artifacts(run_id, folder)
        place = f"{info.artifact_uri}/{modelruns.MODEL}"
        if logged and model.folder:
            client.log_model_artifacts(logged.model_id, str(model.folder))
            client.finalize_logged_model(logged.model_id, "READY")
            client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
            place = str(logged.artifact_location)
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)
    return _Logged(run_id, place, model_id)


def _experiment(store: Store, name: str, root: Path) -> str:
    if name not in store.experiments:
        from potato.words import MODELS

        about = f"{MODELS.get(name, name)}: one run for each study and each run of its pipeline."
        # Without a kind, MLflow's pages ask each visitor for it.
        tags = {"mlflow.note.content": about, "mlflow.experimentKind": "custom_model_development"}
        # A server decides itself where artifacts go; a local database would put them into the working directory.
        named = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
        place = None if named else (root / "mlruns" / name).as_uri()
        store.experiments[name] = str(store.client.create_experiment(name, place, tags))
    return store.experiments[name]


def _logged_model(client: MlflowClient, model: ModelRun, experiment: str, run_id: str) -> LoggedModel | None:
    """Return a new logged model, which MLflow's pages show as the run's result; None where there are no files."""
    if not model.folder:
        return None
    try:
        return client.create_logged_model(
            experiment, registry.name(model.tags["potato.study"]), run_id, model.tags, model.params, model.model
        )
    except Exception as error:  # servers before MLflow 3 know no logged models: the run has the same files
        _logger.debug("No logged model: %s", error)
        return None


def _dataset(fingerprint: str) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    from potato.schema import MODELING_DATASET

    columns = [{"type": str(c.type), "name": c.name, "required": c.required} for c in MODELING_DATASET.columns]
    dataset = Dataset(
        modelruns.DATASET,
        fingerprint[:_MOST_DIGEST],
        "local",
        json.dumps({"uri": f"data/{modelruns.DATASET}"}),
        json.dumps({"mlflow_colspec": columns}),
        json.dumps({"sha256": fingerprint}),  # a digest has fewer characters
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])

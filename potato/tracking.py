"""Each execution of gold as an MLflow run: parameters, metrics, tags and the files that show them."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from potato import lake
from potato import run as runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from potato.settings import Settings

REMOTE_SECONDS = 3
"""Time for one request to a tracking server, unless MLFLOW_HTTP_REQUEST_TIMEOUT says otherwise."""

_QUIET = {
    # MLflow reports its use to its makers unless it is told not to.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REMOTE_SECONDS),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
_MOST_METRICS, _MOST_PARAMS, _MOST_TAGS = 1000, 100, 100  # MLflow's limits for one batch
_logger = logging.getLogger("potato.tracking")


class _Warmup:
    """The client that `prefetch` is making, or the error that it met."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.client: MlflowClient | None = None
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._work, name="mlflow-prefetch", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        try:
            self.client = _connect(self.root)
        except Exception as error:
            self.error = error


_warmup: _Warmup | None = None


def prefetch(root: Path | None = None) -> None:
    """Begin to import MLflow and to create its store in a background thread, and return at once.

    Both take seconds. A stage calls this before it starts a kernel, for which it only waits.
    """
    global _warmup
    _keep_quiet()
    _warmup = _Warmup((root or lake.root()).resolve())


def log_gold(run: runs.Run, settings: Settings, gold: Path, extra_tags: Mapping[str, str] | None = None) -> str | None:
    """Log one run of gold to the experiment "potato/STUDY" and return its MLflow id.

    The store is MLFLOW_TRACKING_URI; without it mlflow.db in the project's folder, with artifacts in mlruns/.
    A store that cannot be reached or written is one warning in the log, and the result is None: tracking
    never fails a stage.

    Parameters
    ----------
    run : its id and trace id become tags, so that a run of MLflow leads to the run's folder and trace.
    settings : the study's name and the parameters of gold.
    gold : the folder data/gold; its metrics, coefficients and figures are logged.
    extra_tags : further tags, such as the fingerprints of the datasets that the models were fitted to.
    """
    root = settings.root.resolve()
    _keep_quiet()
    try:
        client = _ready(root)
        return _log(client, run, settings, gold, extra_tags or {})
    except Exception as error:  # MLflow raises its own, SQLAlchemy's, requests' and the system's exceptions
        text = " ".join(str(error).split()) or type(error).__name__
        _logger.warning("This run is not tracked in MLflow (%s): %s", _uri(root), text[:200])
        return None


def _ready(root: Path) -> MlflowClient:
    if _warmup is None or _warmup.root != root:
        return _connect(root)
    _warmup.thread.join()
    if _warmup.client is not None:
        return _warmup.client
    if _warmup.error is not None and not isinstance(_warmup.error, ImportError):
        raise _warmup.error  # asking a dead server once more would only cost its time-out once more
    return _connect(root)  # two threads that import at once can meet a half-imported module; one alone cannot


def _uri(root: Path) -> str:
    return os.environ.get("MLFLOW_TRACKING_URI", "").strip() or f"sqlite:///{root / 'mlflow.db'}"


def _keep_quiet() -> None:
    """Set what keeps MLflow quiet and quick, wherever the user has not set it.

    The variables stay: taking one back while another thread copies the environment would break that copy.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def _connect(root: Path) -> MlflowClient:
    from mlflow import MlflowClient

    _require_openable(_uri(root))
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    client = MlflowClient(_uri(root))
    client.search_experiments(max_results=1)  # the first question creates the tables
    return client


def _require_openable(uri: str) -> None:
    """Raise when a sqlite store can't be opened; MLflow would try again and again for minutes."""
    if uri.startswith("sqlite:///"):
        with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///").split("?")[0])) as connection:
            connection.execute("pragma schema_version")


def _log(client: MlflowClient, run: runs.Run, settings: Settings, gold: Path, extra_tags: Mapping[str, str]) -> str:
    from mlflow.entities import Metric, Param, RunTag

    experiment = _experiment(client, settings)
    identity = str(client.create_run(experiment, run_name=f"{settings.study_name} {run.id[:13]}").info.run_id)
    status = "FAILED"
    try:
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, 0) for name, value in _metrics(gold).items()]
        params = [Param(name, value) for name, value in _params(settings, gold).items()]
        tags = [RunTag(name, value) for name, value in _tags(run, settings, gold, extra_tags).items()]
        client.log_batch(identity, metrics[:_MOST_METRICS], params[:_MOST_PARAMS], tags[:_MOST_TAGS])
        coefficients, figures = gold / "models" / "coefficients.parquet", gold / "figures"
        if coefficients.is_file():
            client.log_artifact(identity, str(coefficients), "models")
        if figures.is_dir():
            client.log_artifacts(identity, str(figures), "figures")
        status = "FINISHED"
    finally:
        client.set_terminated(identity, status)
    return identity


def _experiment(client: MlflowClient, settings: Settings) -> str:
    name = f"potato/{settings.study_name}"
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    # A server decides itself where artifacts go; a local database would put them into the working directory.
    place = None if "MLFLOW_TRACKING_URI" in os.environ else (settings.root / "mlruns").resolve().as_uri()
    return client.create_experiment(name, artifact_location=place)


def _metrics(gold: Path) -> dict[str, float]:
    """Return the flat numbers of metrics.json and each model's estimates, the finite ones."""
    found: dict[str, Any] = dict(_flat(_json(gold / "reports" / "metrics.json")))
    coefficients = gold / "models" / "coefficients.parquet"
    if coefficients.exists():
        import pyarrow.parquet as pq

        for row in pq.read_table(coefficients).to_pylist():
            for measure in ("estimate", "std_error", "p_value", "conf_low", "conf_high"):
                found[f"{row['model']}/{row['term']}/{measure}"] = row.get(measure)
    return {
        _name(name): float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _params(settings: Settings, gold: Path) -> dict[str, str]:
    values: dict[str, Any] = {"study": settings.study_name, "engine": settings.engine}
    values |= settings.gold.model_dump()
    formula = _json(gold / "reports" / "numbers.json").get("models", {}).get("formula")
    if formula:
        values["formula"] = formula
    return {
        name: (", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))[:6000]
        for name, value in values.items()
    }


def _tags(run: runs.Run, settings: Settings, gold: Path, extra_tags: Mapping[str, str]) -> dict[str, str]:
    environment = runs.environment(settings.root)
    tags = {
        "potato.run_id": run.id,
        "potato.trace_id": run.trace_id,
        "potato.stage": "gold",
        "potato.study": settings.study_name,
        "potato.fingerprint": lake.fingerprint(gold),
        "mlflow.source.name": "notebooks/gold.ipynb",
        "mlflow.source.type": "NOTEBOOK",
    }
    if environment["git_commit"]:
        tags["mlflow.source.git.commit"] = environment["git_commit"]
        tags["potato.git_dirty"] = str(environment["git_dirty"]).lower()
    return tags | {_name(name): str(value)[:8000] for name, value in extra_tags.items()}


def _json(path: Path) -> dict[str, Any]:
    content = lake.read_json(path) if path.exists() else {}
    return content if isinstance(content, dict) else {}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _name(text: str) -> str:
    """Return `text` as MLflow allows names: letters, digits, and `_ - . / space`."""
    return re.sub(r"[^\w\-./ ]+", "_", text, flags=re.ASCII).strip("_/. ") or "unnamed"

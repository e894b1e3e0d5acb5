"""The store that MLflow keeps its runs in: where it is, whether it answers, and how a new one is made."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

REMOTE_SECONDS = 2
"""Time for a tracking server, for one request and for all, unless MLFLOW_HTTP_REQUEST_TIMEOUT says otherwise."""

CLOUD_SECONDS = 30
"""Time for DynamoDB and S3 in all: many small requests over a long way, each of which gives up within seconds."""

_QUIET = {
    # MLflow reports its use to its makers unless it is told not to.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REMOTE_SECONDS),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}


@dataclass
class Store:
    """A tracking store that has answered: a client for it, and its experiments by name."""

    client: MlflowClient
    experiments: dict[str, str]


def uri(root: Path) -> str:
    """Return MLFLOW_TRACKING_URI, or mlflow.db in the project's folder."""
    return os.environ.get("MLFLOW_TRACKING_URI", "").strip() or f"sqlite:///{root / 'mlflow.db'}"


def keep_quiet() -> None:
    """Set what keeps MLflow quiet and quick, wherever the user has not set it.

    The variables stay: taking one back while another thread copies the environment would break that copy.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def registry_uri(root: Path) -> str | None:
    """Return MLFLOW_REGISTRY_URI, or mlflow.db where the runs are in DynamoDB, which has no registry; else None."""
    named = os.environ.get("MLFLOW_REGISTRY_URI", "").strip()
    return named or (f"sqlite:///{root / 'mlflow.db'}" if _is_dynamodb(root) else None)


def is_file(root: Path) -> bool:
    """Return whether the store is a database in a file, not a server."""
    return uri(root).startswith("sqlite:")


def _is_dynamodb(root: Path) -> bool:
    return uri(root).startswith("dynamodb:")


def patience(root: Path) -> float | None:
    """Return how many seconds to wait for the store; a file that may have to be created takes what it takes."""
    if is_file(root):
        return None
    seconds = float(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"])
    return max(seconds, CLOUD_SECONDS) if _is_dynamodb(root) else seconds


def public(text: str) -> str:
    """Return `text` without the names and passwords in its addresses."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def connect(root: Path) -> Store:
    """Import MLflow, create the store if it is a file that is not there, and return it when it has answered."""
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    address, registry = uri(root), registry_uri(root)
    for each in (address, registry or ""):
        if each.startswith("sqlite:///"):
            _prepare(Path(each.removeprefix("sqlite:///").split("?")[0]))
    client = MlflowClient(address, registry)
    experiments = {e.name: str(e.experiment_id) for e in client.search_experiments(max_results=1000)}
    with contextlib.suppress(Exception):  # a store without a registry says so when a model is to be registered
        client.search_registered_models(max_results=1)
    return Store(client, experiments)


def _prepare(database: Path) -> None:
    """Create a database that is not there; raise when it can't be opened or written.

    MLflow makes the tables in dozens of steps. A process that ends among them would leave a file that MLflow
    never opens again, so the file gets its name when it is complete. With one that can't be opened, MLflow
    would try again and again for minutes.
    """
    if database.exists():
        _require_writable(database)
        return
    from mlflow import MlflowClient

    draft = database.with_name(f"{database.name}.new")
    for rest in database.parent.glob(f"{draft.name}*"):
        rest.unlink()
    _require_writable(draft)
    with _without_waiting_for_the_disk():
        MlflowClient(f"sqlite:///{draft}").search_experiments(max_results=1)  # the first question creates the tables
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    draft.replace(database)


@contextlib.contextmanager
def _without_waiting_for_the_disk() -> Iterator[None]:
    """Let each database that is opened meanwhile leave it to the system when to write: hundreds of waits less."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def hurry(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("pragma synchronous = off")

    event.listen(Engine, "connect", hurry)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hurry)


def _require_writable(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database, timeout=1)) as connection:
        connection.execute("begin immediate")

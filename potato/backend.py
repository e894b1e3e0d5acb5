"""The OpenLineage backend, where one is set: events go there in their order, beside the stage's own work."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import RunEvent

from potato import run as runs

REQUEST_SECONDS = 1.0
DEADLINE_SECONDS = 1.5
"""How long `close` waits; what is still under way goes on in the background while the process lives."""

_logger = logging.getLogger("potato.lineage")
# Without a handler the client's own complaints would reach the terminal next to this module's one warning.
logging.getLogger("openlineage").addHandler(logging.NullHandler())


class Backend:
    """Sends events without ever raising: one warning in the log says that something did not arrive.

    Each event is sent by a thread of its own that waits for the one before, so the order is kept and a dead
    backend costs the stage nothing until `close`, and at most DEADLINE_SECONDS there. A request takes one
    second at most and is not repeated, whatever the client's settings say. After an event that did not arrive
    the stage's other events are not sent: an end without its start would help nobody.
    """

    def __init__(self) -> None:
        self._last: threading.Thread | None = None
        self._failed = False
        self._client: OpenLineageClient | None = None
        if not _is_set():
            return
        try:
            self._client = _client()
        except Exception as error:  # a mistake in the backend's settings is no reason to lose a run
            self._warn(error)

    def keep(self, path: Path, event: Mapping[str, Any]) -> None:
        """Append the event to the run's own file."""
        try:
            runs.append(path, event)
        except OSError as error:
            _logger.warning("The run's lineage cannot be written: %s", error)

    def send(self, event: RunEvent) -> None:
        """Send the event in the background."""
        if self._client is None:
            return
        self._last = threading.Thread(
            target=self._emit, args=(self._client, event, self._last), name="openlineage", daemon=True
        )
        self._last.start()

    def close(self) -> None:
        """Wait for the events that are on their way."""
        if self._last is not None:
            self._last.join(DEADLINE_SECONDS)
            if self._last.is_alive():
                self._warn(TimeoutError(f"no answer within {DEADLINE_SECONDS} seconds"))

    def _emit(self, client: OpenLineageClient, event: RunEvent, previous: threading.Thread | None) -> None:
        if previous is not None:
            previous.join()
        if self._failed:
            return
        try:
            client.emit(event)
        except Exception as error:  # the client raises whatever its transport raises
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            _logger.warning("Lineage did not reach the OpenLineage backend: %s", _shortened(error))


def namespace() -> str:
    """Return the namespace of the pipeline's jobs."""
    return os.environ.get("OPENLINEAGE_NAMESPACE", "").strip() or "potato"


def _is_set() -> bool:
    if os.environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return False
    settings = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG")
    if any(
        name in settings or name.startswith("OPENLINEAGE__TRANSPORT") for name, value in os.environ.items() if value
    ):
        return True
    # The other two places where the client looks for its configuration file.
    return Path("openlineage.yml").is_file() or Path("~/.openlineage/openlineage.yml").expanduser().is_file()


def _client() -> OpenLineageClient | None:
    with _environment_kept():
        # The client would describe the repository around the working directory, with any password in its URL.
        client = OpenLineageClient(config={"facets": {"source_code_location": {"disabled": True}}})
    if client.transport.kind == "console" and not client.config.transport:
        return None  # a configuration without a transport: the client would print every event to the terminal
    for transport in [client.transport, *getattr(client.transport, "transports", [])]:
        if hasattr(transport, "timeout"):
            transport.timeout = REQUEST_SECONDS
        config: Any = getattr(transport, "config", None)
        if hasattr(config, "timeout"):
            config.timeout = REQUEST_SECONDS
        if hasattr(config, "retry"):
            config.retry = {"total": 0}
    return client


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Take back the variables that the client sets for itself: no child process needs a second copy."""
    before = set(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - before:
            del os.environ[name]


def _shortened(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."

"""The OpenLineage backend, where one is set: events go there in their order, beside the stage's own work."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde
from openlineage.client.transport.transport import Transport

from potato import answers, redaction, spool
from potato import run as runs
from potato.allowance import Allowance
from potato.errors import PotatoError

REQUEST_SECONDS = 0.6
"""Time for one request of a run. None is repeated: what did not arrive is sent again by the next stage or run."""
STAGE_EVENTS = 200
"""So many events a stage sends at most: what thousands of them need of the processor would be missed elsewhere."""
REPLAY_SECONDS = 5.0
"""Time for one request of a replay, for which a person waits."""

_NEVER = {400, 413, 422}
"""HTTP statuses by which a backend says that it will not take this very event, however often it comes. Whether who says
so is a backend, the events that it takes tell (`spool.deliver`)."""

_logger = logging.getLogger("potato.lineage")
# Without a handler the client's own complaints would reach the terminal next to this module's one warning.
logging.getLogger("openlineage").addHandler(logging.NullHandler())


def allowance(folder: Path) -> Allowance:
    """Return what the run with this folder may still wait for the backend."""
    return Allowance(folder / ".waited-lineage")


class Backend:
    """Keeps a run's events and sends them, without ever raising: one warning says that something did not arrive.

    Every event is appended to lineage.jsonl in the run's folder. Where a backend is set, it is put into the run's
    spool as well, and leaves it when the backend has answered. A thread empties the spools of all runs, oldest
    first, while the stage does its own work, so that a dead backend costs the stage nothing. Only `close` waits.

    A request is started only while the run can afford to wait for its answer: no run waits longer than
    `allowance.RUN_SECONDS` in all, and no answer that comes within REQUEST_SECONDS is missed, so that no event is sent
    twice for want of patience. What is left waits for the next stage, the next run, or `potato lineage replay`.
    """

    def __init__(self, run: runs.Run) -> None:
        self._folder, self._allowance = run.folder, allowance(run.folder)
        self._thread: threading.Thread | None = None
        self._deadline: float | None = None
        self._started = 0
        self._failed = False
        self._is_set = is_set()
        self._client: OpenLineageClient | None = None
        self._transport: Transport | None = None
        if not self._is_set:
            return
        try:
            self._client = _client(REQUEST_SECONDS)
        except Exception as error:  # a mistake in the backend's settings is no reason to lose a run
            self._warn(error)
            return
        if self._client is None:
            self._is_set = False
            return
        self._transport, self._client.transport = self._client.transport, _ToSpool(run.folder)

    def keep(self, event: RunEvent) -> None:
        """Append the event to the run's own file and, where a backend is set, to the spool."""
        told = Serde.to_dict(event)
        try:
            runs.append(self._folder / "lineage.jsonl", told)
            if self._client is None and self._is_set:
                spool.add(self._folder, told)
        except OSError as error:
            _logger.warning("The run's lineage cannot be written: %s", error)
        if self._client is not None:
            try:
                self._client.emit(event)  # with what the client's settings add, unless they filter it out
            except OSError as error:
                _logger.warning("The run's lineage cannot be written: %s", error)
            except Exception as error:  # the client raises whatever its settings lead to
                self._warn(error)

    def deliver(self) -> None:
        """Send what waits in the background."""
        if self._transport is None or self._failed:
            return
        self._thread = threading.Thread(
            target=self._empty, args=(self._transport, self._thread), name="openlineage", daemon=True
        )
        self._thread.start()

    def close(self, *, last: bool = False) -> None:
        """Wait for the request that is under way; with `last`, the run is over: send what can be sent, and wait."""
        started, left = time.monotonic(), self._allowance.left()
        self._deadline = started + left if last else started
        if last:
            self.deliver()
        if self._thread is None:
            return
        with self._allowance.spent():
            self._thread.join(left)
        if self._thread.is_alive():
            self._warn(TimeoutError(f"no answer within {left:.1f} seconds"))
        elif last and not self._failed and spool.is_waiting(self._folder):
            self._warn(TimeoutError("more waits for it than it takes in the time of a run"))

    def _may_start(self) -> bool:
        """Tell whether the run can still afford the longest wait for one more answer."""
        self._started += 1
        if self._started > STAGE_EVENTS:
            return False
        if self._deadline is None:
            return self._allowance.left() >= REQUEST_SECONDS
        return time.monotonic() + REQUEST_SECONDS <= self._deadline

    def _empty(self, transport: Transport, previous: threading.Thread | None) -> None:
        if previous is not None:
            previous.join()
        if self._failed:
            return
        try:
            send = partial(_post, transport, REQUEST_SECONDS)
            spool.deliver(self._folder.parent, send, go_on=self._may_start)
        except Exception as error:  # the client raises whatever its transport raises
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._failed and self._allowance.is_first_loss():
            _logger.warning(
                "Lineage did not reach the OpenLineage backend, and waits for the next run or for "
                "`potato lineage replay`: %s",
                _shortened(error),
            )
        self._failed = True


class _ToSpool(Transport):
    """Stands in for the client's transport, so that what it would send is written down first."""

    kind = "spool"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def emit(self, event: Any) -> None:
        spool.add(self._folder, Serde.to_dict(event))


def replay(root: Path, *, refused: bool = False) -> spool.Delivery:
    """Send the events of all runs that wait for the backend, oldest first, and return how many.

    With `refused`, those that a backend refused for good wait again: it may have been taught better since.

    Raises
    ------
    PotatoError : no backend is set, it is misspelt, or it did not take an event; what is left stays in the spool.
    """
    hint = "export OPENLINEAGE_URL=http://localhost:5000 (or where your backend is), and type the command again"
    runs_folder = root / "runs"
    told = spool.Delivery()
    if refused:
        spool.restore(runs_folder)
    if not spool.folders(runs_folder):
        return told
    try:
        client = _client(REPLAY_SECONDS) if is_set() else None
    except Exception as error:
        raise PotatoError(
            "The settings of the lineage backend cannot be used.", found=_shortened(error), hint=hint
        ) from None
    if client is None:
        raise PotatoError(
            "No lineage backend is set, so nothing was sent.",
            where="environment variable OPENLINEAGE_URL",
            found=f"{_events(_left(runs_folder))} waiting in {runs_folder.name}/*/spool",
            hint=hint,
        )
    try:
        send = partial(_post, client.transport, REPLAY_SECONDS)
        return spool.deliver(runs_folder, send, told=told, doubts=None)
    except Exception as error:
        raise PotatoError(
            "The lineage backend did not take everything.",
            where=os.environ.get("OPENLINEAGE_URL") or "the settings of the OpenLineage client",
            expected=f"{_events(told.delivered + _left(runs_folder))} taken",
            found=f"{told.delivered} taken; then {_shortened(error)}",
            hint="see that OpenLineage events are taken there, and that the disk can be written; then type the command "
            "again: it goes on where it was",
        ) from None


def namespace() -> str:
    """Return the namespace of the pipeline's jobs."""
    return os.environ.get("OPENLINEAGE_NAMESPACE", "").strip() or "potato"


def is_set() -> bool:
    """Tell whether the environment or a configuration file names a backend."""
    if os.environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return False
    settings = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG")
    if any(
        name in settings or name.startswith("OPENLINEAGE__TRANSPORT") for name, value in os.environ.items() if value
    ):
        return True
    # The other two places where the client looks for its configuration file.
    return Path("openlineage.yml").is_file() or Path("~/.openlineage/openlineage.yml").expanduser().is_file()


def _post(transport: Transport, seconds: float, event: spool.Event) -> None:
    try:
        # Transports write down whatever they are given.
        answers.within(seconds, lambda: transport.emit(event))  # type: ignore[arg-type]
    except Exception as error:
        if getattr(getattr(error, "response", None), "status_code", None) in _NEVER:
            raise spool.Refused(_shortened(error)) from error
        raise


def _client(seconds: float) -> OpenLineageClient | None:
    from openlineage.client.transport import HttpTransport, get_default_factory
    from urllib3.util import Timeout

    _check_file()
    # The asynchronous one takes every event at once and tells nobody what became of it. Ours has a thread already.
    get_default_factory().register_transport("async_http", HttpTransport)
    with _environment_kept():
        # The client would describe the repository around the working directory, with any password in its URL.
        client = OpenLineageClient(config={"facets": {"source_code_location": {"disabled": True}}})
    if client.transport.kind == "console" and not client.config.transport:
        return None  # a configuration without a transport: the client would print every event to the terminal
    for transport in [client.transport, *getattr(client.transport, "transports", [])]:
        if hasattr(transport, "timeout"):
            # For connecting and reading together; a number would count for each of them.
            transport.timeout = Timeout(total=seconds) if transport.kind == "http" else seconds
        config: Any = getattr(transport, "config", None)
        if hasattr(config, "timeout"):
            config.timeout = seconds
        if hasattr(config, "retry"):
            config.retry = {"total": 0}
        if isinstance(transport, HttpTransport):
            transport.session = answers.Session()
    return client


def _check_file() -> None:
    """Raise ValueError for a configuration file that the client would pass over in silence."""
    import yaml

    if not (named := os.environ.get("OPENLINEAGE_CONFIG", "").strip()):
        return
    try:
        content = yaml.safe_load(Path(named).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"OPENLINEAGE_CONFIG names a file that cannot be read: {error}") from None
    if not isinstance(content, dict | None):
        raise ValueError(f"OPENLINEAGE_CONFIG names a file that holds no settings: {named}")


@contextlib.contextmanager
def _environment_kept() -> Iterator[None]:
    """Take back the variables that the client sets for itself: no child process needs a second copy."""
    before = set(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - before:
            del os.environ[name]


def _left(runs_folder: Path) -> int:
    return sum(spool.count(folder) for folder in spool.folders(runs_folder))


def _events(number: int) -> str:
    return f"{number:,} event{'' if number == 1 else 's'}"


def _shortened(error: Exception) -> str:
    # Redacted before it is cut: of what is left of a secret nobody could tell that it was one.
    text = " ".join(redaction.redact(str(error)).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."

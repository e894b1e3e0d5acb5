"""Lineage events that wait for their backend: a file in each run's folder, delivered in order, once."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from potato import run as runs

Event = dict[str, Any]

_WAITING = "spool/lineage.jsonl"
_REFUSED = "spool/lineage.refused.jsonl"
_POLL_SECONDS = 0.05


class Refused(Exception):
    """The backend will never take this very event; it may take the next one."""


@dataclass
class Delivery:
    """What one call of `deliver` did: events that arrived, and events that the backend refused."""

    delivered: int = 0
    refused: int = 0


def add(folder: Path, event: Mapping[str, Any]) -> None:
    """Append an event to the spool of the run in `folder`; OSError when that cannot be written."""
    path = folder / _WAITING
    with _changing(folder.parent):
        path.parent.mkdir(exist_ok=True)
        runs.append(path, event)


def waiting(folder: Path) -> list[Event]:
    """Return the events that wait in the run's `folder`, in the order in which they were told."""
    return _read(folder / _WAITING)


def folders(runs_folder: Path) -> list[Path]:
    """Return the folders of the runs with events that wait, the run that started first before the others."""
    found = []
    for path in runs_folder.glob(f"*/{_WAITING}"):
        # runs/latest is a link to one of the others.
        if not path.parents[1].is_symlink() and (events := _read(path)):
            found.append((_started(path.parents[1]) or str(events[0].get("eventTime", "")), path.parents[1]))
    return [folder for _, folder in sorted(found)]


def deliver(
    runs_folder: Path,
    send: Callable[[Event], object],
    *,
    go_on: Callable[[], bool] = lambda: True,
    told: Delivery | None = None,
) -> Delivery:
    """Hand the waiting events of all runs to `send`, oldest run first, each run's in their order.

    An event leaves the spool when `send` has returned, and at once, so that a process that is killed later does not
    lead to a second delivery. One that `send` refuses is put aside in spool/lineage.refused.jsonl. One process at a
    time delivers; the others wait for it.

    Parameters
    ----------
    send : delivers one event; raises Refused, or any other exception, which ends the delivery and is passed on.
    go_on : is asked before each event, and while another process delivers; when it says no, the rest stays.
    told : counted up as it goes, for a caller that wants to know how far an exception let it come.
    """
    told = told or Delivery()
    with _delivering(runs_folder, go_on) as free:
        if free:
            for folder in folders(runs_folder):
                while events := waiting(folder):
                    if not go_on():
                        return told
                    try:
                        send(events[0])
                    except Refused:
                        told.refused += 1
                        runs.append(folder / _REFUSED, events[0])
                    else:
                        told.delivered += 1
                    _remove_first(folder)
    return told


def _started(folder: Path) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((folder / "run.json").read_text(encoding="utf-8"))["started"])
    return ""


def _read(path: Path) -> list[Event]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    events = []
    for line in lines:
        # A full disk leaves half a line; what stands before and after it is still good.
        with contextlib.suppress(ValueError):
            events.append(json.loads(line))
    return events


def _remove_first(folder: Path) -> None:
    path = folder / _WAITING
    with _changing(folder.parent):
        rest = _read(path)[1:]
        if not rest:
            path.unlink()
            with contextlib.suppress(OSError):  # not empty where an event was refused
                path.parent.rmdir()
            return
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in rest), encoding="utf-8")
        draft.replace(path)


@contextlib.contextmanager
def _changing(runs_folder: Path) -> Iterator[None]:
    """Hold the lock under which spools are written: it is held for moments only."""
    with (runs_folder / ".spool.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _delivering(runs_folder: Path, go_on: Callable[[], bool]) -> Iterator[bool]:
    """Hold the lock of the one who delivers; yields False when `go_on` ends the wait for another process."""
    with (runs_folder / ".delivery.lock").open("a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not go_on():
                    yield False
                    return
                time.sleep(_POLL_SECONDS)
            else:
                yield True
                return

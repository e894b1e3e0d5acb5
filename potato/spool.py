"""Lineage events that wait for their backend: a file in each run's folder, delivered in order, once.

An event that was delivered stays in the file until the last one has been, and its line begins with a mark instead of
a brace. That is one byte in its place: it needs no room on a full disk, and of ten thousand events none is written
again because one of them left.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from potato import jsonlines
from potato import run as runs

Event = dict[str, Any]

_WAITING = "spool/lineage.jsonl"
_REFUSED = "spool/lineage.refused.jsonl"
_UNREADABLE = "spool/lineage.unreadable"
_GONE = b"#"
_POLL_SECONDS = 0.05
_DOUBTS = 10
_logger = logging.getLogger("potato.lineage")


class Refused(Exception):
    """The backend will not take this very event; it may take the next one."""


@dataclass
class Delivery:
    """What one call of `deliver` did: events that arrived, and events that the backend refused for good."""

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
    found = (jsonlines.parsed(line) for _, line in _live(folder))
    return [event for event in found if event is not None]


def count(folder: Path) -> int:
    """Return how many events wait in the run's `folder`."""
    return sum(1 for _ in _live(folder))


def is_waiting(folder: Path) -> bool:
    """Tell whether an event waits in the run's `folder`."""
    return next(_live(folder), None) is not None


def folders(runs_folder: Path) -> list[Path]:
    """Return the folders of the runs with events that wait, the run that started first before the others."""
    found = []
    for path in runs_folder.glob(f"*/{_WAITING}"):
        folder = path.parents[1]
        # runs/latest is a link to one of the others.
        if not folder.is_symlink() and (first := next(_live(folder), None)):
            told = str((jsonlines.parsed(first[1]) or {}).get("eventTime", ""))
            found.append((_started(folder) or told, told, folder))
    return [folder for _, _, folder in sorted(found)]


def deliver(
    runs_folder: Path,
    send: Callable[[Event], object],
    *,
    go_on: Callable[[], bool] = lambda: True,
    told: Delivery | None = None,
    doubts: int | None = _DOUBTS,
) -> Delivery:
    """Hand the waiting events of all runs to `send`, oldest run first, each run's in their order.

    An event leaves the spool when `send` has returned, and at once, so that a process that is killed later does not
    lead to a second delivery; where the disk is read-only, none is sent. One process at a time delivers; the others
    wait for it.

    An event that `send` refuses is put aside in spool/lineage.refused.jsonl, but only once another one is taken: a
    service that takes none is not the backend, and what it says of an event says nothing. A line that is no event is
    put aside in spool/lineage.unreadable.

    Parameters
    ----------
    send : delivers one event; raises Refused, or any other exception, which ends the delivery and is passed on.
    go_on : is asked before each event, and while another process delivers; when it says no, the rest stays.
    told : counted up as it goes, for a caller that wants to know how far an exception let it come.
    doubts : so many events are tried on a backend that has taken none; None for all of them.

    Raises
    ------
    Refused : the backend took none of the events that it was asked to take; all of them stay.
    OSError : what is delivered could not be taken out of the spool.
    """
    told, refusal, doubtful = told or Delivery(), Refused(), list[tuple[Path, int, bytes]]()
    with _delivering(runs_folder, go_on) as free:
        for folder in folders(runs_folder) if free else ():
            with (folder / _WAITING).open("r+b") as stream:
                for place, line in _lines(stream, runs_folder):
                    event = jsonlines.parsed(line)
                    if event is None:
                        _aside(folder, _UNREADABLE, place, line)
                        _logger.warning("An unreadable line of a spool is put aside in %s/%s", folder.name, _UNREADABLE)
                        continue
                    if not go_on():
                        return told
                    os.pwrite(stream.fileno(), line[:1], place)  # what cannot be marked afterwards is not sent
                    try:
                        send(event)
                    except Refused as refused:
                        refusal = refused
                        doubtful.append((folder, place, line))
                        if not told.delivered and len(doubtful) == doubts:
                            raise
                    else:
                        os.pwrite(stream.fileno(), _GONE, place)
                        told.delivered += 1
                    if told.delivered:
                        told.refused += len(doubtful)
                        _put_aside(doubtful, refusal)
            _tidy(folder)
        if doubtful:
            raise refusal
    return told


def restore(runs_folder: Path) -> int:
    """Let the events that a backend refused wait again, before the others of their run; return how many."""
    found = 0
    for path in runs_folder.glob(f"*/{_REFUSED}"):
        folder = path.parents[1]
        if folder.is_symlink():
            continue
        with _changing(runs_folder):
            lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
            found += len(lines)
            lines += [line for _, line in _live(folder)]
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in lines))
            draft.replace(folder / _WAITING)
            path.unlink()
    return found


def _put_aside(doubtful: list[tuple[Path, int, bytes]], refusal: Refused) -> None:
    touched = dict.fromkeys(folder for folder, _, _ in doubtful)
    if doubtful:
        _logger.warning(
            "The OpenLineage backend refused %d events for good, which are kept in %s: %s",
            len(doubtful),
            ", ".join(f"{folder.name}/{_REFUSED}" for folder in touched),
            refusal,
        )
    while doubtful:
        folder, place, line = doubtful.pop(0)
        _aside(folder, _REFUSED, place, line)
    for folder in touched:
        _tidy(folder)


def _aside(folder: Path, name: str, place: int, line: bytes) -> None:
    """Move a line of the spool to another file of it."""
    with (folder / name).open("ab") as stream:
        stream.write(line.rstrip(b"\n") + b"\n")
    with (folder / _WAITING).open("r+b") as spool:
        spool.seek(place)
        spool.write(_GONE)


def _tidy(folder: Path) -> None:
    """Remove the file of which every event has left."""
    with _changing(folder.parent):
        if not is_waiting(folder):
            (folder / _WAITING).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty where an event was refused
                (folder / _WAITING).parent.rmdir()


def _started(folder: Path) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((folder / "run.json").read_text(encoding="utf-8"))["started"])
    return ""


def _live(folder: Path) -> Iterator[tuple[int, bytes]]:
    """Yield place and line of what has not left the spool; of a file that is being written, perhaps not the end."""
    with contextlib.suppress(FileNotFoundError), (folder / _WAITING).open("rb") as stream:
        yield from _lines(stream)


def _lines(stream: BinaryIO, runs_folder: Path | None = None) -> Iterator[tuple[int, bytes]]:
    place = stream.tell()
    while True:
        with _changing(runs_folder) if runs_folder else contextlib.nullcontext():
            line = stream.readline()
        if not line:
            return
        if line.strip() and not line.startswith(_GONE):
            yield place, line
        place += len(line)


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

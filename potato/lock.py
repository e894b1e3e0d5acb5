"""One process at a time runs a stage, and none outlives the dvc that started it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from potato.errors import PotatoError


@contextlib.contextmanager
def held(root: Path, name: str) -> Iterator[None]:
    """Hold the stage's lock; the system frees it when this process dies, however it dies."""
    path = root / "runs" / f".{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            raise PotatoError(
                f"The stage {name} is already running.",
                where=str(root),
                found=f"process {stream.read().strip() or 'unknown'}",
                hint="wait until it ends, or end that process",
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


class Interruption:
    """Whether a signal has asked this process to end."""

    interrupted = False


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Turn SIGINT, SIGTERM and the death of the parent into a KeyboardInterrupt that is remembered.

    A stage that lived on after its dvc would write beside the next one.
    """
    parent, over, state = os.getppid(), threading.Event(), Interruption()

    def watch() -> None:
        while not over.wait(0.5):
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    def interrupt(*_: object) -> None:
        state.interrupted = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield state
    finally:
        over.set()
        for number, handler in before.items():
            signal.signal(number, handler)

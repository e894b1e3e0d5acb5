"""What a run may wait for a backend in all. Its stages are processes of their own, so a file adds up their waits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path


class Allowance:
    """Seconds that a run has for one backend.

    Parameters
    ----------
    path : file in the run's folder, one line a wait.
    seconds : what the run has in all.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self._path, self._seconds = path, seconds

    def left(self) -> float:
        """Return the seconds that are left, not below 0."""
        spent = 0.0
        with contextlib.suppress(OSError, ValueError):
            spent = sum(map(float, self._path.read_text(encoding="utf-8").split()))
        return max(self._seconds - spent, 0.0)

    @contextlib.contextmanager
    def spent(self) -> Iterator[None]:
        """Note how long the block takes."""
        started = time.monotonic()
        try:
            yield
        finally:
            with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as stream:
                stream.write(f"{time.monotonic() - started:.3f}\n")

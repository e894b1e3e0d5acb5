"""What a run may wait for a backend in all. Its stages are processes of their own, so a file adds up their waits."""

from __future__ import annotations

import contextlib
from pathlib import Path

RUN_SECONDS = 1.8
"""What a run may wait for one backend, over all of its stages."""


class Allowance:
    """Seconds that a run has for one backend.

    Parameters
    ----------
    folder : the run's.
    backend : a name for the backend; each has an allowance of its own, so that a dead one costs no other its time.
    """

    def __init__(self, folder: Path, backend: str) -> None:
        self._path = folder / f".waited-{backend}"

    def left(self) -> float:
        """Return the seconds that are left, not below 0."""
        spent = 0.0
        with contextlib.suppress(OSError, ValueError):
            spent = sum(map(float, self._path.read_text(encoding="utf-8").split()))
        return max(RUN_SECONDS - spent, 0.0)

    def spend(self, seconds: float) -> None:
        """Note a wait."""
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as stream:
            stream.write(f"{seconds:.3f}\n")

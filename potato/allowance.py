"""What a run may wait for a backend in all. Its stages are processes of their own, so a file adds up their waits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

RUN_SECONDS = 0.9
"""What a run has for each of its two backends, over all of its stages: both may hang, and it waits less than two
seconds for them together. A backend that has used it up is left alone for the rest of the run."""


class Allowance:
    """Seconds that a run has for one backend.

    Parameters
    ----------
    path : file in the run's folder, one line a wait.
    seconds : what the run has in all.
    """

    def __init__(self, path: Path, seconds: float = RUN_SECONDS) -> None:
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

    def is_first_loss(self) -> bool:
        """Tell, once a run, that nobody has said yet that something did not arrive; a file that cannot be made says so
        each time."""
        try:
            self._said.touch(exist_ok=False)
        except FileExistsError:
            return False
        except OSError:
            return True
        return True

    def renew(self) -> None:
        """Begin anew, for another `dvc repro` under the same run id."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
            self._said.unlink(missing_ok=True)

    @property
    def _said(self) -> Path:
        return self._path.with_name(f"{self._path.name}.said")

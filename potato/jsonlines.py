"""Files of JSON lines, one object a line: the one writer and the one reader of what runs record."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_logger = logging.getLogger("potato.jsonlines")
_told: set[Path] = set()


def read(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file in their order; [] where there is no file.

    A line ends with a line feed and with nothing else: JSON allows U+0085 and U+2028, at which `str.splitlines` cuts,
    inside of a text. A process that was killed, or a full disk, leaves half a line. What is no object in UTF-8 stays
    in the file and is left out; one warning a process says so.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    entries = [parsed(line) for line in lines if line.strip()]
    found = [entry for entry in entries if entry is not None]
    if len(found) < len(entries) and path not in _told:
        _told.add(path)  # first, because the warning can end up in this very file
        _logger.warning("%s has %d unreadable lines, which are left out", _named(path), len(entries) - len(found))
    return found


def parsed(line: bytes) -> dict[str, Any] | None:
    """Return the object that a line holds, or None when it holds none."""
    with contextlib.suppress(ValueError, RecursionError):
        entry = json.loads(line.decode("utf-8"))
        if isinstance(entry, dict):
            return entry
    return None


def append(path: Path, line: str) -> None:
    """Append a line, in one write so that lines of two processes never mix, and below half a line if there is one.

    Raises
    ------
    OSError : the file cannot be written, or the disk is full.
    """
    content = text(line).encode("utf-8") + b"\n"
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        with locked(descriptor):
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                content = b"\n" + content
            if os.write(descriptor, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def text(value: str) -> str:
    """Return a text that UTF-8 can hold: a byte of a file's name that is no letter is spelt out."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


@contextlib.contextmanager
def locked(descriptor: int) -> Iterator[None]:
    """Hold the lock of an open file, so that one process at a time is in such a block."""
    try:
        import fcntl
    except ImportError:  # no flock on this platform: appending in one write has to do
        yield
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _named(path: Path) -> str:
    return "/".join(path.parts[-3:])

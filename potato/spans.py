"""Spans of library code: what takes time inside a cell, written for the stage that runs the notebook.

The kernel does not import OpenTelemetry for it. A finished span is a line of JSON in the file that the stage named in
the environment; when the notebook is over, the stage takes the lines into the run's trace, below the cell that each
belongs to, and sends them with its own.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from potato import redaction

FILE_VARIABLE = "POTATO_SPANS"
"""Names the file; without it nothing is recorded."""

_open: contextvars.ContextVar[str | None] = contextvars.ContextVar("open span", default=None)


def recording() -> bool:
    """Tell whether a stage waits for spans, so that what only a span needs is not worked out in vain."""
    return bool(os.environ.get(FILE_VARIABLE))


@contextlib.contextmanager
def span(name: str, **attributes: object) -> Iterator[dict[str, object]]:
    """Time the block as a span; yields its attributes, to which the block may add.

    An attribute is a text, a number, a boolean or None, which is left out; one called `name` names the span anew. An
    exception ends the span with its message and goes on.
    """
    path = os.environ.get(FILE_VARIABLE)
    if not path:
        yield attributes
        return
    own, parent = secrets.token_hex(8), _open.get()
    token, started, error = _open.set(own), time.time_ns(), None
    try:
        yield attributes
    except BaseException as raised:
        error = f"{type(raised).__name__}: {raised}"
        raise
    finally:
        _open.reset(token)
        _write(
            path,
            {
                "name": redaction.redact(str(attributes.pop("name", name))),
                "span_id": own,
                "parent_span_id": parent,
                "start": started,
                "end": time.time_ns(),
                "error": error and redaction.redact(error),
                "attributes": redaction.clean(
                    {k: _plain(value) for k, value in attributes.items() if value is not None}
                ),
            },
        )


def taken(path: Path) -> list[dict[str, Any]]:
    """Return the spans of a kernel in the order in which they started, and remove the file; [] where there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        path.unlink()
    except OSError:
        return []
    found = []
    for line in lines:
        # A kernel that was killed while it wrote leaves half a line.
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return sorted(found, key=lambda entry: int(entry["start"]))


def shortened(text: str, most: int = 4000) -> str:
    """Return a query on one line, and not more of it than a person reads."""
    flat = re.sub(r"\s+", " ", text).strip()
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def _plain(value: object) -> object:
    if isinstance(value, bool | int | float):
        return value
    return getattr(value, "item", lambda: str(value))()  # NumPy's numbers are not JSON's


def _write(path: str, entry: dict[str, Any]) -> None:
    # A full disk ends no analysis: the run loses a line of its trace.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, (json.dumps(entry) + "\n").encode())
        finally:
            os.close(descriptor)

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
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from potato import jsonlines, redaction

FILE_VARIABLE = "POTATO_SPANS"
"""Names the file; without it nothing is recorded."""

MAKING = "compute "
"""How the name of a span begins in which datasets are computed."""

_FIELDS = {"name", "span_id", "parent_span_id", "start", "end", "error", "attributes"}
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


def making(*datasets: str) -> AbstractContextManager[dict[str, object]]:
    """Time the block as the one that computes `datasets`: a number of them leads to the cell in which it stands."""
    return span(f"{MAKING}{', '.join(datasets)}", **{"potato.dataset": ",".join(datasets)})


def taken(path: Path) -> list[dict[str, Any]]:
    """Return the spans of a kernel in the order in which they started, and remove the file; [] where there is none."""
    found = []
    with contextlib.suppress(OSError):
        found = jsonlines.read(path)
        path.unlink(missing_ok=True)
    return sorted((entry for entry in found if entry.keys() >= _FIELDS), key=lambda entry: int(entry["start"]))


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

"""Log lines as a person at the terminal reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OWN = {"ts", "level", "event", "run_id", "trace_id", "span_id", "stage", "study", "logger", "traceback"}
# The error that ends a command is shown whole, below its last line.
_HIDDEN = {"exception"}
# What follows the colon holds their fields.
_WHOLE = {"cell failed", "expectation missed"}


def line(entry: Mapping[str, Any]) -> str | None:
    """Return a line of logs.jsonl as one line of text, or None when it is not for the screen."""
    event, level = str(entry["event"]), entry["level"]
    kind, _, told = event.partition(": ")
    if kind in _HIDDEN or level == "debug":
        return None
    if kind == "cell started":
        said = f"{entry['number']:>2}/{entry['of']}  {entry['cell']}"
    elif kind in ("stage ran", "stage failed"):
        said = f"{'done in' if kind == 'stage ran' else 'failed after'} {entry['seconds']:.1f} s"
    elif kind == "stage started":
        said = "started"
    elif kind in _WHOLE and told:
        said = told
    else:
        fields = [f"{name}={value}" for name, value in entry.items() if name not in _OWN]
        said = " ".join([event, *fields])
    loud = f"{level}: " if level in ("warning", "error", "critical") and kind != "stage failed" else ""
    return f"{entry['stage']:<8} {loud}{' '.join(said.split()) if loud else said}"

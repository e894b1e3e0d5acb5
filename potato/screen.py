"""Log lines as a person at the terminal reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OWN = {"ts", "level", "event", "run_id", "trace_id", "span_id", "stage", "study", "logger", "traceback"}
# The error that ends a command is shown whole, below its last line.
_HIDDEN = {"exception"}


def line(entry: Mapping[str, Any]) -> str | None:
    """Return a line of logs.jsonl as one line of text, or None when it is not for the screen."""
    event, level = entry["event"], entry["level"]
    if event in _HIDDEN or level == "debug":
        return None
    if event == "cell started":
        said = f"{entry['number']:>2}/{entry['of']}  {entry['cell']}"
    elif event in ("stage ran", "stage failed"):
        said = f"{'done in' if event == 'stage ran' else 'failed after'} {entry['seconds']:.1f} s"
    elif event == "stage started":
        said = "started"
    elif event == "expectation missed":
        said = f"{entry['dataset']}: {entry['sentence']} Found: {entry['observed']}"
    else:
        fields = [f"{name}={value}" for name, value in entry.items() if name not in _OWN]
        said = " ".join([str(event), *fields])
    loud = f"{level}: " if level in ("warning", "error", "critical") and event != "stage failed" else ""
    return f"{entry['stage']:<8} {loud}{' '.join(said.split()) if loud else said}"

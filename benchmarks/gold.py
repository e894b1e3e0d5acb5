"""How much of the gold stage is work, and how much is starting processes and importing packages?

Runs `potato run gold` on the demo study's silver data, and looks at the wall clock of both processes, the stage's and
the kernel's: from the start of an interpreter to its first import, each import of the main thread, and the kernel's
start up to its first cell. What two processes do at once counts once; what a background thread imports counts only
while the main thread waits for it. Prints the share of the whole.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.overhead import copy

LIMIT = 0.5
LOGGING = 1.0  # seconds
Interval = tuple[float, float]

# Python imports a sitecustomize by itself. Each outermost import of the main thread becomes a line: start, end, name.
HOOK = """
import os, sys, threading, time
stream = os.open(os.path.join(os.environ["IMPORT_LOG"], str(os.getpid())), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
bootstrap, main, inside = sys.modules["_frozen_importlib"], threading.get_ident(), False
original = bootstrap._find_and_load
os.write(stream, f"{time.time()} {' '.join(sys.orig_argv)}\\n".encode())

def timed(name, import_):
    global inside
    if inside or threading.get_ident() != main:
        return original(name, import_)
    inside, started = True, time.time()
    try:
        return original(name, import_)
    finally:
        inside = False
        os.write(stream, f"{started} {time.time()} {name}\\n".encode())

bootstrap._find_and_load = timed
"""


def length(intervals: Iterable[Interval]) -> float:
    """Return how long the union of intervals is."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def interpreter_start() -> float:
    """Return the seconds that a Python takes to start and do nothing."""
    found = []
    for _ in range(9):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", ""], check=True)
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def stage(name: str, folder: Path, environment: dict[str, str]) -> Interval:
    """Run a stage and return when it was started and when it was over."""
    started = time.time()
    command = [sys.executable, "-m", "potato.cli", "run", name]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the stage {name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return started, time.time()


def spans(folder: Path) -> list[dict[str, Any]]:
    """Return the spans of the newest run."""
    lines = (folder / "runs/latest/traces.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def tracked(folder: Path) -> float:
    """Return the seconds that the newest run waited for its models to be logged in MLflow."""
    (span,) = (span for span in spans(folder) if span["name"] == "track")
    start, end = (datetime.fromisoformat(span[side]) for side in ("start", "end"))
    return (end - start).total_seconds()


def first_cell(folder: Path) -> float:
    """Return when the newest run's kernel began with the notebook's first cell."""
    cells = [span for span in spans(folder) if "cell.index" in span["attributes"]]
    return min(datetime.fromisoformat(span["start"]).timestamp() for span in cells)


def measured(folder: Path, environment: dict[str, str], start_up: float) -> tuple[float, dict[str, float], list[str]]:
    """Run gold once; return its seconds, the seconds of each kind of start, and the slowest imports."""
    with tempfile.TemporaryDirectory() as log, tempfile.TemporaryDirectory() as hooks:
        (Path(hooks) / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
        began, ended = stage("gold", folder, environment | {"PYTHONPATH": hooks, "IMPORT_LOG": log})
        parts: dict[str, list[Interval]] = {}
        slow: list[tuple[float, str]] = []
        for path in Path(log).iterdir():
            head, *lines = path.read_text(encoding="utf-8").splitlines()
            awake, command = float(head.split()[0]), head.split(maxsplit=1)[1]
            kernel = "ipykernel" in command
            if not kernel and "potato.cli" not in command:
                continue
            who = "kernel" if kernel else "stage"
            imports = [(float(start), float(end), name) for start, end, name in map(str.split, lines)]
            start = (awake - start_up, first_cell(folder)) if kernel else (began, awake)
            parts[f"{who}: start"] = [start]
            parts[f"{who}: imports"] = [(s, e) for s, e, _ in imports if not kernel or s >= start[1]]
            slow += [(e - s, f"{e - s:5.2f} s  {who}: {name}") for s, e, name in imports]
    seconds = {name: length(intervals) for name, intervals in sorted(parts.items())}
    seconds["together"] = length(interval for intervals in parts.values() for interval in intervals)
    return ended - began, seconds, [text for _, text in sorted(slow, reverse=True)[:12]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--imports", action="store_true", help="also list the slowest imports")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "OPENLINEAGE_", "MLFLOW_"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        copy(folder)
        print("making silver, and gold once (also makes the MLflow store) ...", flush=True)
        for before in ("simulate", "bronze", "silver", "gold"):
            stage(before, folder, environment)
        start_up = interpreter_start()
        shares, found, logged = [], [], []
        for repeat in range(1, told.repeats + 1):
            whole, seconds, slow = measured(folder, environment, start_up)
            shares.append(seconds["together"] / whole)
            found.append(seconds)
            logged.append(tracked(folder))
            print(f"repeat {repeat}: gold {whole:.1f} s, starts and imports {seconds['together']:.1f} s", flush=True)
    for part in found[0]:
        print(f"  {part:16} {statistics.median(seconds[part] for seconds in found):5.2f} s")
    if told.imports:
        print("the slowest imports of the last repeat:", *slow, sep="\n  ")
    print(f"logging the models in MLflow takes {statistics.median(logged):.2f} s (less than {LOGGING:.0f} s is wanted)")
    share = statistics.median(shares)
    print(f"gold spends {share:.0%} of its time in imports and process starts (less than {LIMIT:.0%} is wanted)")
    sys.exit(share >= LIMIT)


if __name__ == "__main__":
    main()

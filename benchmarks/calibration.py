"""Do the intervals of gold's models hold? Simulates trials with known effects, and counts.

Each finished trial is one line of runs/calibration/FINGERPRINT/trials.jsonl, where the fingerprint is that of settings
and code: a run that was ended goes on where it was, and a change starts anew. Writes docs/calibration.md and
docs/calibration.svg, and ends with 1 when a model that is right about its data has intervals that do not hold.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.overhead import ROOT

if TYPE_CHECKING:
    import pandas as pd

    from potato.settings import Settings

TRIALS = 200
WIDTH = 150  # of the tables where no terminal says how wide they may be
HERE = Path(__file__).parent
STAGES = ("simulate", "bronze", "silver", "gold")
Task = tuple[str, int]
Result = dict[str, Any]


def code_files() -> list[Path]:
    """Return what a trial runs: the modules that dvc.yaml lists for the stages, and what makes a trial."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    modules = {ROOT / dep for stage in STAGES for dep in stages[stage]["deps"] if dep.endswith(".py")}
    return [*sorted(modules), HERE / "trials.py"]


def definition(settings: Settings) -> dict[str, Any]:
    """Return what the result means: the simulated trial, how its weeks are made, and the models, without seeds."""
    from benchmarks import trials
    from potato import models

    return {
        "base_seed": trials.BASE_SEED,
        "simulate": settings.simulate.model_dump(mode="json", exclude={"seed"}),
        "silver": settings.silver.model_dump(mode="json"),
        "gold": settings.gold.model_dump(mode="json", exclude={"seed", "confidence"}),
        "models": [*models.MODELS],
    }


def fingerprint(content: Any, files: Iterable[Path] = ()) -> str:
    """Return the first 12 digits of the sha256 of JSON content and of files."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for file in files:
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


class Results:
    """The finished trials of one fingerprint: a file that only grows, a line a trial, and one writer at a time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "trials.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("ab+", buffering=0)
        except OSError as error:
            sys.exit(f"{folder} can't be written ({error.strerror}): name a folder of yours with --results")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            sys.exit(f"another calibration is running and writes {self.path}: wait until it ends, or end it")
        self._stream.seek(0)
        content = self._stream.read()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            self._stream.truncate(len(whole))  # its writer was ended in the middle of a line
        self.done: dict[Task, list[Result]] = {}
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                told = json.loads(line)
                self.done[told["scenario"], told["trial"]] = told["estimates"]
            except (ValueError, TypeError, KeyError):
                self._stream.close()
                sys.exit(f"line {number} of {self.path} is no finished trial: delete that line and type the same again")

    def add(self, task: Task, estimates: list[Result]) -> None:
        """Keep a trial, by one write."""
        scenario, trial = task
        self._stream.write((json.dumps({"scenario": scenario, "trial": trial, "estimates": estimates}) + "\n").encode())
        self.done[task] = estimates

    def table(self, tasks: Iterable[Task]) -> pd.DataFrame:
        """Return the estimates of the given trials as coverage.py wants them, in order."""
        import pandas as pd

        rows = [{"scenario": task[0], "trial": task[1], **row} for task in tasks for row in self.done[task]]
        return pd.DataFrame(rows)

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


_settings: Settings | None = None


def _start(work: Path, parent: int) -> None:
    """Prepare a worker: a folder of its own, and an end when the process that asked for its work has ended."""
    global _settings
    from benchmarks import trials

    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    _settings = trials.workspace(work / str(os.getpid()))


def _one(task: Task) -> list[Result]:
    from benchmarks import trials

    assert _settings is not None
    return trials.run(_settings, *task)


@contextmanager
def _workers(count: int, work: Path) -> Iterator[ProcessPoolExecutor]:
    # A trial is small: more threads than workers would only wait for one another.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    shutil.rmtree(work, ignore_errors=True)
    pool = ProcessPoolExecutor(count, get_context("spawn"), _start, (work, os.getpid()))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(work, ignore_errors=True)


def simulate(tasks: Sequence[Task], results: Results, workers: int, say: Callable[[Task], None]) -> None:
    """Run the trials that are not there yet, and keep each as soon as it is finished."""
    open_ = [task for task in tasks if task not in results.done]
    if not open_:
        return
    with _workers(min(workers, len(open_)), results.path.parent / "work") as pool:
        asked: dict[Future[list[Result]], Task] = {pool.submit(_one, task): task for task in open_}
        for future in as_completed(asked):
            results.add(asked[future], future.result())
            say(asked[future])


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is too few: give 1 or more")
    return number


def main() -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from benchmarks import calibration_page, coverage, trials
    from potato import settings as parameters

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=_at_least_one, default=TRIALS, help=f"of each scenario ({TRIALS})")
    parser.add_argument("--workers", type=_at_least_one, default=os.cpu_count() or 1, help="processes (all cores)")
    parser.add_argument("--scenario", choices=trials.SCENARIOS, action="append", help="one only; both when left out")
    parser.add_argument("--results", type=Path, default=ROOT / "runs/calibration", help="where trials are kept")
    parser.add_argument("--docs", type=Path, help="where the page goes; else docs/, after 200 trials of both scenarios")
    told = parser.parse_args()
    scenarios = tuple(told.scenario or trials.SCENARIOS)
    settings = parameters.load(ROOT, "demo")
    defined = definition(settings)
    folder = told.results / fingerprint(defined, code_files())
    tasks = [(scenario, number) for scenario in scenarios for number in range(told.trials)]
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # A request to end is answered as Ctrl-C is: workers are waited for, and nothing of theirs is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Results(folder) as results, Progress(*columns, console=console) as progress:
            bars = {
                scenario: progress.add_task(
                    f"scenario {scenario}",
                    total=told.trials,
                    completed=sum(task in results.done for task in tasks if task[0] == scenario),
                )
                for scenario in scenarios
            }
            simulate(tasks, results, told.workers, lambda task: progress.advance(bars[task[0]]))
            estimates = results.table(tasks)
    except BrokenProcessPool:
        sys.exit(f"a worker was ended from outside; the finished trials are in {folder}: type the same to go on")
    except KeyboardInterrupt:
        sys.exit(f"interrupted; the finished trials are in {folder}, and the same command goes on from there")
    judgements = coverage.judge(estimates, dict.fromkeys(scenarios, told.trials))
    shown = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    calibration_page.show(coverage.by_term(estimates), judgements, shown)
    complete = told.trials >= TRIALS and set(scenarios) == set(trials.SCENARIOS)
    if docs := told.docs or (ROOT / "docs" if complete else None):
        calibration_page.write(docs, estimates, judgements, fingerprint(defined))
        print(f"written: {docs / 'calibration.md'}")
    sys.exit(any(judgement.verdict == "fail" for judgement in judgements))


if __name__ == "__main__":
    main()

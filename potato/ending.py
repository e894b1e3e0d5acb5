"""When a run begins and ends, which no single process sees: each stage is one, and dvc tells nobody that it is done.

While a run is under way, its folder holds a marker. The process that takes the marker away is the one that tells how
the run ended: the stage that failed, the last stage that was asked for, or, after a kill, a stage of the next run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from potato import identity, lockfile
from potato import run as runs

Outcome = Literal["succeeded", "failed", "aborted"]
OUTCOMES: tuple[Outcome, ...] = ("succeeded", "failed", "aborted")

_MARKER = "open.json"
_FOREIGN_SECONDS = 24 * 3600
_WITH_VALUE = {"-n", "--name", "-S", "--set-param", "-C", "--copy-paths", "-m", "--message", "-j", "--jobs", "-R"}
_TO_THE_END = {"--downstream", "-p", "--pipeline", "-P", "--all-pipelines"}


@dataclass(frozen=True)
class Open:
    """A run that is under way, as its marker tells it.

    Attributes
    ----------
    name : what was typed: "dvc repro", "dvc exp run" or "potato run STAGE". It names the run's span.
    root_span_id : of the run's span, the same in every stage's process.
    parent_span_id : the outer span that the run belongs to, or None.
    last : the stage with which the run ends.
    stage, stage_span_id, stage_started : the stage that runs now; nanoseconds since 1970.
    host, process : where, and by which process, the run was started.
    began : when it was started, in nanoseconds since 1970; under one run id there can be one `dvc repro` after another.
    due : of this stage and those after it, by name, what dvc.lock will hold of it (`lockfile.wanted`); empty when all
        of them have to run whatever it holds.
    """

    name: str
    root_span_id: str
    parent_span_id: str | None
    last: str
    study: str
    stage: str
    stage_span_id: str
    stage_started: int
    host: str
    process: str
    began: int = 0
    due: dict[str, str] = field(default_factory=dict)


def opening(run: runs.Run, stage: str, study: str, outputs: dict[str, tuple[str, ...]]) -> Open:
    """Return the state of the run while `stage` runs, as far as it is known before the stage has a span.

    `outputs` holds for each stage, in the pipeline's order, the folders that it makes.
    """
    caller = identity.caller()
    name = caller.command or f"potato run {stage}"
    last = _last(caller.arguments, outputs) if caller.command else stage
    return Open(
        name=name,
        # Stages typed by hand have nothing around them: each is a run's span of its own, even under one given id, and
        # so is each of several `dvc repro` within one trace.
        root_span_id=hashlib.sha256(f"{name} {run.id} {caller.process}".encode()).hexdigest()[:16],
        parent_span_id=run.parent_span_id,
        last=last,
        study=study,
        stage=stage,
        stage_span_id="",
        stage_started=time.time_ns(),
        host=platform.node(),
        process=caller.process,
        began=_began(run),
        due={} if _forced(caller.arguments) else _due(run, stage, last, list(outputs)),
    )


def begun(run: runs.Run, state: Open, stage_span_id: str) -> Open:
    """Note in the run's folder that the stage runs, and return the complete state."""
    state = replace(state, stage_span_id=stage_span_id)
    with contextlib.suppress(OSError):  # the run goes on without an end of its own
        draft = run.folder / f".{_MARKER}"
        draft.write_text(json.dumps(asdict(state), indent=1) + "\n", encoding="utf-8")
        draft.replace(run.folder / _MARKER)
    return state


def is_new(run: runs.Run) -> bool:
    """Tell whether no stage of the run has begun."""
    return not (run.folder / _MARKER).exists()


def outcome_of(state: Open, error: BaseException | None) -> Outcome | None:
    """Return how the run ends with this stage, which `error` ended; None while stages are still to come."""
    if error is not None:
        return "failed" if isinstance(error, Exception) else "aborted"
    return "succeeded" if state.stage == state.last else None


def take(run: runs.Run) -> bool:
    """Take the marker away; True for the one process that did, which has to tell the end."""
    try:
        (run.folder / _MARKER).unlink()
    except OSError:
        return False
    return True


def left_open(root: Path, current: runs.Run | None = None) -> list[tuple[runs.Run, Open]]:
    """Return the runs, without the current one, that have no end and no process any more."""
    found = []
    for path in sorted((root / "runs").glob(f"*/{_MARKER}")):
        if path.parent.is_symlink() or (current and path.parent.name == current.id):
            continue
        try:
            state = _marker(path.parent)
            card = json.loads((path.parent / "run.json").read_text(encoding="utf-8"))
            other = runs.Run(card["run_id"], card["trace_id"], path.parent, state.parent_span_id, card["started"])
            int(other.trace_id, 16), runs.seconds(other.started)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue  # half written by a process that is at it, damaged, or of another version
        if not _alive(state):
            found.append((other, state))
    return found


def outcome_left(root: Path, run: runs.Run, state: Open) -> Outcome:
    """Return how a run ended that told it to nobody.

    When dvc finds that the stages after the latest one have nothing to do, no process of ours sees the end; nor does
    one when dvc fails between two stages, or is killed there. So a run has succeeded if the stage that ran last had
    ended well and dvc.lock shows that DVC was through with it and with all that was to follow.
    """
    entries = [entry for entry in runs.history(root, run.id) if entry["stage"] == state.stage]
    started = state.stage_started / 1e9
    ended = [entry for entry in entries if runs.seconds(entry["ts"]) >= started - 1]
    if not ended or ended[-1]["status"] != "ran":
        return "aborted"
    return "succeeded" if state.stage == state.last or lockfile.is_done(root, state.due) else "aborted"


def last_sign(run: runs.Run) -> int:
    """Return when the run last wrote something, in nanoseconds since 1970."""
    return max((path.stat().st_mtime_ns for path in run.folder.glob("*.jsonl")), default=time.time_ns())


def _marker(folder: Path) -> Open:
    """Return what a run's marker says; OSError, ValueError or TypeError when it is none."""
    state = Open(**json.loads((folder / _MARKER).read_text(encoding="utf-8")))
    if not all(isinstance(moment, int) for moment in (state.stage_started, state.began)):
        raise TypeError("a moment is no number")
    int(state.process.partition("/")[0]), int(state.root_span_id, 16), int(state.stage_span_id, 16)
    return state


def _began(run: runs.Run) -> int:
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        return _marker(run.folder).began or time.time_ns()
    # An earlier `dvc repro` under the same id has left its spans; the first one began when the run did.
    again = (run.folder / "traces.jsonl").exists() or not runs.is_moment(run.started)
    return time.time_ns() if again else round(runs.seconds(run.started) * 1e9)


def _due(run: runs.Run, stage: str, last: str, stages: list[str]) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return lockfile.wanted(run.folder.parents[1], stages[stages.index(stage) : stages.index(last) + 1])
    return {}


def _forced(arguments: Sequence[str]) -> bool:
    """Tell whether a command line of dvc has stages run that did not change."""
    short = (argument for argument in arguments if argument.startswith("-") and not argument.startswith("--"))
    return any(argument.startswith("--force") for argument in arguments) or any("f" in flags for flags in short)


def _last(arguments: Sequence[str], outputs: dict[str, tuple[str, ...]]) -> str:
    """Return the stage furthest down the pipeline that a command line of dvc asks for."""
    stages = list(outputs)
    if not _TO_THE_END.isdisjoint(arguments):
        return stages[-1]
    asked, before = set[str](), ""
    for argument in arguments:
        if not argument.startswith("-") and before not in _WITH_VALUE:
            target = argument.rpartition(":")[2].removeprefix("./").rstrip("/")
            asked |= {stage for stage, made in outputs.items() if target == stage or target in made}
        before = argument
    return max(asked, key=stages.index, default=stages[-1])


def _alive(state: Open) -> bool:
    if state.host != platform.node():
        # Of a process on another machine nothing can be seen; a day is longer than any run.
        return time.time_ns() - state.stage_started < _FOREIGN_SECONDS * 1e9
    pid = int(state.process.partition("/")[0])
    return identity.process_name(pid) == state.process

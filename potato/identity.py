"""Where a run's id comes from: the environment, an outer trace, or the process that all its stages share."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from potato.errors import PotatoError

if TYPE_CHECKING:
    import psutil

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_SHELLS = {"sh", "bash", "dash", "zsh", "fish", "ksh", "busybox", "ash", "cmd.exe", "powershell.exe", "pwsh"}


@dataclass(frozen=True)
class Identity:
    """Who a run is.

    Attributes
    ----------
    id : UUID whose 128 bits are the trace id as well.
    parent_span_id : 16 hexadecimal digits of the span of the same trace that started this process, or None.
    started : time in UTC.
    """

    id: uuid.UUID
    parent_span_id: str | None
    started: datetime


def find(runs: Path) -> Identity:
    """Return the identity that this process shares with the other stages of its run.

    The first that exists decides: POTATO_RUN_ID, the trace id in TRACEPARENT, the enclosing `dvc` process,
    this process. An id made from a process is a version 7 UUID (RFC 9562): its time is the start of the
    process, so ids sort by time, and its other bits are a hash of the process and of `runs`, so that all
    stages of one `dvc repro` arrive at the same id without talking to each other.

    Raises
    ------
    PotatoError : POTATO_RUN_ID is not a UUID.
    """
    trace_id, parent_span_id = _traceparent(os.environ.get("TRACEPARENT", ""))
    started = datetime.now(UTC)
    if given := os.environ.get("POTATO_RUN_ID", "").strip():
        identity = _given(given)
    elif trace_id:
        identity = uuid.UUID(hex=trace_id)
    else:
        identity, started = _from_process(_enclosing_process(), runs)
    # A parent span of another trace cannot be this trace's parent.
    return Identity(identity, parent_span_id if identity.hex == trace_id else None, started)


@dataclass(frozen=True)
class Caller:
    """What started this stage.

    Attributes
    ----------
    command : "dvc repro" or "dvc exp run"; None when the stage was typed by hand.
    arguments : what came after that command.
    process : names the process, for as long as the machine runs.
    """

    command: str | None
    arguments: tuple[str, ...]
    process: str


def caller() -> Caller:
    """Return what started this stage: the enclosing dvc process, or this process where there is none."""
    import psutil

    process, words = _enclosing_process(), []
    with contextlib.suppress(psutil.Error):
        words = process.cmdline()
    name = process_name(process.pid) or str(process.pid)
    if _is_dvc_run(words):
        verb = next(place for place, word in enumerate(words) if word in ("repro", "run", "exec-run"))
        return Caller("dvc repro" if words[verb] == "repro" else "dvc exp run", tuple(words[verb + 1 :]), name)
    return Caller("dvc repro" if os.environ.get("DVC_STAGE") else None, (), name)


def process_name(pid: int) -> str | None:
    """Return a name that no other process of this machine gets until it starts anew, or None without the process."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{pid}/{_start_mark(pid, process.create_time())}"
    except psutil.Error:
        return None


def _given(text: str) -> uuid.UUID:
    with contextlib.suppress(ValueError):
        if (identity := uuid.UUID(text)).int:  # a trace id of zeros is invalid in W3C trace context
            return identity
    raise PotatoError(
        "The run id that was given cannot be used.",
        where="environment variable POTATO_RUN_ID",
        expected="a UUID other than zero, such as 01890a5d-ac96-774b-bcce-b302099a8057",
        found=repr(text),
        hint="Unset POTATO_RUN_ID, or set it with: "
        "export POTATO_RUN_ID=$(python -c 'import uuid; print(uuid.uuid4())')",
    )


def _traceparent(text: str) -> tuple[str | None, str | None]:
    match = _TRACEPARENT.fullmatch(text.strip())
    # The W3C specification asks for a new trace, not for an error, when the header is malformed.
    if not match or not int(match[1], 16) or not int(match[2], 16):
        return None, None
    return match[1], match[2]


def _enclosing_process() -> psutil.Process:
    import psutil

    process = psutil.Process()
    ancestors: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        ancestors = process.parents()
    for ancestor in ancestors:
        with contextlib.suppress(psutil.Error):
            if _is_dvc_run(ancestor.cmdline()):
                return ancestor
    if os.environ.get("DVC_STAGE"):
        # DVC used as a library: the program that drives it is the first ancestor which is not a shell.
        for ancestor in ancestors:
            with contextlib.suppress(psutil.Error):
                if ancestor.name().lower() not in _SHELLS:
                    return ancestor
    return process


def _is_dvc_run(arguments: list[str]) -> bool:
    """Tell whether a command line is `dvc repro` or `dvc exp run`, however dvc was started."""
    for position, argument in enumerate(arguments):
        if Path(argument).stem == "dvc":
            words = [word for word in arguments[position + 1 :] if not word.startswith("-")]
            experiment = {(group, verb) for group in ("exp", "experiments") for verb in ("run", "exec-run")}
            return "repro" in words or not experiment.isdisjoint(itertools.pairwise(words))
    return False


def _from_process(process: psutil.Process, runs: Path) -> tuple[uuid.UUID, datetime]:
    started = process.create_time()
    seed = f"{process.pid}/{_start_mark(process.pid, started)}/{runs}"
    digest = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:10])
    bits = (int(started * 1000) & (1 << 48) - 1) << 80 | digest
    bits = bits & ~(0xF << 76) | 7 << 76
    bits = bits & ~(0x3 << 62) | 2 << 62
    identity, moment = uuid.UUID(int=bits), _wall_clock(process.pid, started)
    # The wall-clock start of a process moves when the clock is corrected, which would split one repro into
    # two runs. The hashed bits do not move, so a folder that ends in them is this run.
    for folder in runs.glob(f"????????-????-{str(identity)[14:]}"):
        identity = uuid.UUID(folder.name)
    return identity, datetime.fromtimestamp(moment, UTC)


def _wall_clock(pid: int, started: float) -> float:
    """Return when a process started, in seconds since 1970.

    Linux tells the moment of its boot in whole seconds, so that `started`, which is counted from there, is up to a
    second too early: earlier than the end of a run before this one.
    """
    try:
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return booted + int(_ticks(pid)) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError, AttributeError):
        return started


def _start_mark(pid: int, started: float) -> str:
    """Return when a process started, on a clock that is never corrected where the system has one."""
    try:
        ticks, boot = _ticks(pid), Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except (OSError, IndexError):
        return f"{started:.2f}"
    return f"{boot}/{ticks}"


def _ticks(pid: int) -> str:
    """Return when a process started, in the kernel's ticks since it booted."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19]

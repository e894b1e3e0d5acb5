"""Which run this is, for every stage process of one `dvc repro`, and the index of what each run made."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import json
import math
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from potato import identity, jsonlines, redaction
from potato.errors import PotatoError

PACKAGES = (
    "potato-weight-nutrition",
    "papermill",
    "ipykernel",
    "dvc",
    "ibis-framework",
    "duckdb",
    "pandas",
    "pyarrow",
    "statsmodels",
    "plotnine",
    "great-expectations",
    "mlflow",
    "openlineage-python",
    "opentelemetry-sdk",
)


@dataclass(frozen=True)
class Run:
    """One run of the pipeline.

    Attributes
    ----------
    id : UUID, lower case with hyphens; the OpenLineage parent run and an MLflow tag.
    trace_id : the same 128 bits as 32 hexadecimal digits, which is what a W3C trace id is.
    folder : where the run keeps its logs, traces, events and executed notebooks.
    parent_span_id : 16 hexadecimal digits when an outer span started this process, else None.
    started : ISO 8601 time in UTC, to the millisecond.
    """

    id: str
    trace_id: str
    folder: Path
    parent_span_id: str | None = None
    started: str = ""


def current(root: Path, *, latest: bool = True) -> Run:
    """Return the run that this process belongs to; create its folder and, if `latest`, call `make_latest`.

    Where the id comes from is told in `potato.identity`.

    Raises
    ------
    PotatoError : POTATO_RUN_ID is not a UUID, or runs/ cannot be written.
    """
    runs = root.resolve() / "runs"
    found = identity.find(runs)
    folder = runs / str(found.id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        started = _identity_card(folder, found)["started"]
        if latest:
            make_latest(folder)
    except OSError as error:
        raise PotatoError(
            "The folder for this run's records cannot be written.",
            where=str(folder),
            found=f"{type(error).__name__}: {error.strerror or error}",
            hint="Check the free space and the owner of the folder runs/, then run the same command again.",
        ) from error
    return Run(str(found.id), found.id.hex, folder, found.parent_span_id, started)


def make_latest(folder: Path) -> None:
    """Point runs/latest at a run's folder."""
    link = folder.parent / "latest"
    with contextlib.suppress(OSError):
        if link.readlink().name == folder.name:
            return
    draft = folder.parent / f".latest.{os.getpid()}"
    # Some file systems have no symbolic links; the run itself does not need this one.
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)
        draft.symlink_to(folder.name)
        draft.replace(link)


def latest(root: Path) -> Run | None:
    """Return the newest run without starting one, or None when nothing has run yet."""
    link = root.resolve() / "runs" / "latest"
    try:
        folder = link.resolve(strict=True)
        card = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return Run(card["run_id"], card["trace_id"], folder, None, card["started"])
    except (OSError, ValueError, KeyError):
        return None


def record(
    run: Run,
    stage: str,
    *,
    status: Literal["ran", "failed"],
    fingerprint: str | None,
    seconds: float,
    error: str | None = None,
) -> None:
    """Append what a stage did to runs/index.jsonl, which outlives every single run.

    `fingerprint` identifies the stage's published output, so that `producer` can find this run again.
    """
    entry = {
        "ts": now(),
        "run_id": run.id,
        "stage": stage,
        "status": status,
        "fingerprint": fingerprint,
        "seconds": round(seconds, 3),
        "error": error,
    }
    append(run.folder.parent / "index.jsonl", entry)


def history(root: Path, run_id: str | None = None) -> list[dict[str, Any]]:
    """Return the entries of runs/index.jsonl in the order written, all of them or those of one run.

    A line that is no entry as `record` writes it is left out.
    """
    entries = jsonlines.read(root / "runs" / "index.jsonl")
    return [entry for entry in entries if run_id in (None, entry.get("run_id")) and _is_entry(entry)]


def _is_entry(entry: Mapping[str, Any]) -> bool:
    texts = all(isinstance(entry.get(name), str) for name in ("run_id", "stage", "status"))
    return texts and is_moment(entry.get("ts")) and isinstance(entry.get("seconds"), int | float | None)


def producer(root: Path, stage: str, fingerprint: str) -> str | None:
    """Return the id of the newest run whose `stage` made the output with this fingerprint, or None."""
    for entry in reversed(history(root)):
        if (entry.get("stage"), entry.get("status"), entry.get("fingerprint")) == (stage, "ran", fingerprint):
            return str(entry["run_id"])
    return None


def environment(root: Path) -> dict[str, Any]:
    """Return what a run depends on beside its data: commit, Python, platform, package versions.

    The git entries (`git_commit`, `git_dirty`, `git_branch`, `git_url`) are None where `root` is not the top
    of a git work tree (an unpacked archive, even one that lies inside somebody else's repository), and the
    commit is None before the first one. `git_url` is where origin points, without a user name or password.
    """
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        **_git(root.resolve()),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": versions,
    }


def now() -> str:
    """Return the time in UTC as every record of a run writes it."""
    return _iso(datetime.now(UTC))


def at(nanoseconds: int) -> str:
    """Return a time, in nanoseconds since 1970, as every record of a run writes it."""
    return _iso(datetime.fromtimestamp(nanoseconds / 1e9, UTC))


def seconds(moment: str) -> float:
    """Return a time as a run's records write it, in seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()


def is_moment(found: object) -> bool:
    """Tell whether a record holds a time as a run's records write it."""
    with contextlib.suppress(ValueError):
        return isinstance(found, str) and datetime.fromisoformat(found).tzinfo is not None
    return False


def append(path: Path, entry: Mapping[str, Any]) -> None:
    """Append `entry` to `path` as one line of JSON, in one write so that lines of two processes never mix.

    Secrets of the environment are redacted in its text, and not in what gives the line its form (`redaction.FORM`).
    OSError when the file cannot be written.
    """
    line = json.dumps(redaction.clean(_jsonable(entry), redaction.FORM), ensure_ascii=False, separators=(", ", ": "))
    jsonlines.append(path, line)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path` while the block runs, so that one process at a time is in such a block."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with jsonlines.locked(descriptor):
            yield
    finally:
        os.close(descriptor)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {jsonlines.text(str(key)): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no NaN: one would make the whole line unreadable to strict parsers
    if value is None or isinstance(value, bool | int | float):
        return value
    return jsonlines.text(str(value))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _identity_card(folder: Path, found: identity.Identity) -> dict[str, str]:
    path = folder / "run.json"
    with contextlib.suppress(FileNotFoundError, ValueError):
        card = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(card, dict) and is_moment(card.get("started")):
            return card  # the first stage of a run has said when it started
    card = {"run_id": str(found.id), "trace_id": found.id.hex, "started": _iso(found.started)}
    draft = folder / f".run.json.{os.getpid()}"
    draft.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)
    return card


@functools.cache
def _git(root: Path) -> dict[str, Any]:
    program = shutil.which("git") if (root / ".git").exists() else None

    def ask(*arguments: str) -> str | None:
        if program is None:
            return None
        # No optional locks: a reader must not make a commit fail that happens beside it.
        command = [program, "--no-optional-locks", "-C", str(root), *arguments]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        except (subprocess.SubprocessError, OSError):
            return None
        return answer.stdout.strip()

    # What git does not know made nothing that it names, and a run rewrites DVC's lock by itself.
    changes = ask("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)dvc.lock")
    url = ask("config", "--get", "remote.origin.url")
    return {
        "git_commit": ask("rev-parse", "--verify", "HEAD"),
        "git_dirty": None if changes is None else bool(changes),
        "git_branch": ask("branch", "--show-current") or None,
        "git_url": re.sub(r"(?<=://)[^/@]*@", "", url) if url else None,
    }

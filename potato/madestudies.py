"""A study whose raw files a command makes itself: what it may replace, and how all of it appears at once."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from potato import lake
from potato.errors import PotatoError

IMPORTED = "import.json"  # what an import of workbooks read and did not read
LISTS = (IMPORTED, "summary.csv", "beyond_horizon.csv")
"""Files that the import of workbooks writes for people to read; no family of a study does."""


def refuse_overwriting(source: Path, name: str, root: Path, ours: Iterable[str], *, force: bool) -> None:
    """Refuse to write data/raw/NAME and studies/NAME.yaml over what is not to be lost.

    Parameters
    ----------
    source : the folder that the study is made of.
    ours : the files below data/raw/NAME that the command writes, and may replace.
    force : replace what the command made before.

    Raises
    ------
    PotatoError
        for a study of that name without `force`; always for the simulated study, for files that the command did not
        write, and for a source that lies where its result belongs.
    """
    described, raw = root / "studies" / f"{name}.yaml", root / "data" / "raw" / name
    if source.resolve().is_relative_to(raw.resolve()):
        raise PotatoError(
            f"{source} is where the study's raw files are to be written.",
            where=f"data/raw/{name}",
            hint="move its files to another place, such as data/originals, and name that folder",
        )
    if name == "demo":
        raise PotatoError(
            "The study demo is the simulated one.", where="studies/demo.yaml", hint="choose another name: --study NAME"
        )
    if not force and (described.exists() or (raw.is_symlink() or (raw.is_dir() and any(raw.iterdir())))):
        raise PotatoError(
            f"There is a study called {name!r}.",
            where=f"studies/{name}.yaml" if described.exists() else f"data/raw/{name}",
            expected="a name that is free",
            hint="choose another name, or replace the study as a whole: type the command again with --force",
        )
    kept = [] if raw.is_symlink() or not raw.is_dir() else [p for p in raw.rglob("*") if not p.is_dir()]
    others = sorted({p.relative_to(raw).as_posix() for p in kept} - set(ours))
    if raw.is_symlink() or others or (raw.exists() and not raw.is_dir()):
        raise PotatoError(
            f"data/raw/{name} holds what no command wrote, and replacing it would lose that.",
            where=f"data/raw/{name}",
            found="a link" if raw.is_symlink() else ", ".join(others[:8]) or "a file",
            hint="move it to another place, or choose another name: --study NAME",
        )


def publish(name: str, root: Path, description: str, write: Callable[[Path], None]) -> None:
    """Write all raw files into a folder beside the study's own, and rename it when the last byte is there.

    Parameters
    ----------
    description : the text of studies/NAME.yaml, which appears last.
    write : writes the raw files into the folder that it is given.
    """
    raw, described = root / "data" / "raw" / name, root / "studies" / f"{name}.yaml"
    staged = raw.with_name(f".{name}.{os.getpid()}")
    staged_description = described.with_name(f".{name}.{os.getpid()}")
    try:
        write(staged)
        lake.write_text(staged_description, description)
        if raw.is_dir() and not any(raw.iterdir()):
            raw.rmdir()
        lake.publish(staged, raw)
        staged_description.replace(described)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        staged_description.unlink(missing_ok=True)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Return rows as the text of a CSV file, with a header and one kind of line end on every system."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()

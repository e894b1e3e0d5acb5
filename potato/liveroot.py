"""The lake as the pipeline's live root: each stage gets what it lacks from there, and puts what it publishes there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from potato import datalake, snapshot


def fill(root: Path, address: str, study: str, inputs: Iterable[str], say: Callable[[str], None]) -> None:
    """Get the study's newest push where an input of a stage is not here; `inputs` are paths such as data/silver.

    Raises
    ------
    PotatoError : AWS refuses. That the lake has no such study is none of its business: the stage says what it lacks.
    """
    lacking = [name for name in inputs if _layer(name) and not (root / name).exists()]
    if not lacking:
        return
    try:
        moved = datalake.pull(root, address, study)
    except datalake.NothingThere:
        return
    say(f"{moved.sent:,} files from {address}")


def put(root: Path, address: str, outputs: Iterable[str], say: Callable[[str], None]) -> None:
    """Push the layers among a stage's published outputs.

    Raises
    ------
    PotatoError : AWS refuses, or somebody else pushed; the stage's output is published here and not in the lake.
    """
    layers = [layer for name in outputs if (layer := _layer(name))]
    if layers:
        moved = datalake.push(root, address, layers=layers)
        say(f"{moved.sent:,} files to {address}")


def _layer(name: str) -> str | None:
    parts = PurePosixPath(name).parts
    return parts[1] if len(parts) > 1 and parts[0] == "data" and parts[1] in snapshot.LAYERS else None

"""The lake as the pipeline's live root: each stage gets what it lacks from there, and puts what it publishes there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from potato import snapshot
from potato.settings import Settings

Say = Callable[[str], None]

_READS = {"silver": ("bronze",), "gold": ("silver",), "report": ("bronze", "silver", "quarantine", "gold")}


def fill(root: Path, settings: Settings, stage: str, say: Say) -> None:
    """Get the study's newest push where a layer that a stage reads is not here; nothing without a lake.

    Raises
    ------
    PotatoError : AWS refuses. That the lake has no such study is no error here: the stage says what it lacks.
    """
    if settings.lake is None or all((root / "data" / layer).exists() for layer in _READS.get(stage, ())):
        return
    from potato import datalake

    try:
        moved = datalake.pull(root, settings.lake, settings.study_name)
    except datalake.NothingThere:
        return
    say(f"{moved.sent:,} files from {settings.lake}")


def put(root: Path, settings: Settings, outputs: Iterable[str], say: Say) -> None:
    """Push the layers among a stage's published outputs, which are paths such as data/silver; nothing without a lake.

    Raises
    ------
    PotatoError : AWS refuses, or somebody else pushed; the stage's output is then published here and not in the lake.
    """
    paths = [PurePosixPath(name).parts for name in outputs]
    layers = [parts[1] for parts in paths if parts[0] == "data" and parts[1] in snapshot.LAYERS]
    if settings.lake is None or not layers:
        return
    from potato import datalake

    moved = datalake.push(root, settings.lake, layers=layers)
    say(f"{moved.sent:,} files to {settings.lake}")

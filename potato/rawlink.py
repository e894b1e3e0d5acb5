"""The place under data/raw where DVC and a stage find the raw files of a study that keeps them elsewhere."""

from __future__ import annotations

import os

from potato.errors import PotatoError
from potato.settings import Settings


def link(settings: Settings) -> None:
    """Make data/raw/NAME point at the folder that the study names, where DVC looks for changes.

    Raises
    ------
    PotatoError : the study names a folder that is not there.
    """
    if settings.study.raw is None:
        return
    target = (settings.root / settings.study.raw).resolve()
    place = settings.raw
    if place.is_dir() and not place.is_symlink():
        return  # the files themselves are there
    if not target.is_dir():
        raise PotatoError(
            f"The raw files of {settings.study_name} are not there.",
            where=f"studies/{settings.study_name}.yaml, raw",
            expected="a folder with the study's raw files",
            found=f"nothing at {settings.study.raw}",
            hint=f"put the files into data/raw/{settings.study_name}, or correct `raw:`",
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink():
        place.unlink()
    place.symlink_to(os.path.relpath(target, place.parent), target_is_directory=True)

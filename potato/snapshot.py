"""What a study's published data are at one moment: datasets, files and checksums, and where a lake keeps each file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from potato import lake
from potato.errors import PotatoError

LAYERS = ("bronze", "silver", "quarantine", "gold")
FORMAT = 1
_ID = 16  # hexadecimal digits of a dataset's fingerprint that name its folder in the lake


@dataclass(frozen=True)
class File:
    """One file: its path below data/ with /, the lake's key, its bytes and their sha256."""

    path: str
    key: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Snapshot:
    """A study's published data.

    Attributes
    ----------
    study : the study's name.
    files : every file of the layers, sorted by path.
    """

    study: str
    files: tuple[File, ...]

    @property
    def id(self) -> str:
        """What tells this content from any other: a hash of paths and checksums."""
        text = "".join(f"{file.path}\0{file.sha256}\n" for file in self.files)
        return hashlib.sha256(text.encode()).hexdigest()

    def layers(self) -> list[str]:
        """Return the layers that have files, in the pipeline's order."""
        there = {PurePosixPath(file.path).parts[0] for file in self.files}
        return [layer for layer in LAYERS if layer in there]

    def with_layers_of(self, other: Snapshot | None) -> Snapshot:
        """Return this snapshot with the layers that only `other` has."""
        if other is None:
            return self
        mine = set(self.layers())
        rest = [file for file in other.files if PurePosixPath(file.path).parts[0] not in mine]
        return Snapshot(self.study, tuple(sorted([*self.files, *rest], key=lambda file: file.path)))

    def document(self, told: Mapping[str, Any]) -> bytes:
        """Return the manifest that a lake keeps: format, id, study, files, and what is `told` of the push."""
        files = [asdict(file) for file in self.files]
        content = {"format": FORMAT, "id": self.id, "study": self.study, **told, "files": files}
        return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def key(study: str) -> str:
    """Return where the manifest of a study's newest push is."""
    return f"manifests/study={study}/latest.json"


def key_of(study: str, pushed: str) -> str:
    """Return where the manifest of one push stays."""
    return f"manifests/study={study}/{pushed}.json"


def parsed(content: bytes, where: str) -> Snapshot:
    """Return the snapshot that a manifest describes.

    Raises
    ------
    PotatoError : it is no manifest of this format, or names a path outside of the layers.
    """
    try:
        document = json.loads(content)
        files = tuple(File(**file) for file in document["files"])
        snapshot = Snapshot(document["study"], files)
        whole = document["format"] == FORMAT and snapshot.id == document["id"] and all(map(_inside, files))
    except (ValueError, KeyError, TypeError) as error:
        whole, found = False, f"{type(error).__name__}: {error}"
    else:
        found = f"format {document['format']}, study {snapshot.study}"
    if whole:
        return snapshot
    raise PotatoError(
        "The manifest of the data lake can't be used.",
        where=where,
        expected=f"a manifest of format {FORMAT} as `potato lake push` writes it",
        found=found[:200],
        hint="push again from a machine that has the data, or restore the object's version before this one",
    )


def _inside(file: File) -> bool:
    parts = PurePosixPath(file.path).parts
    return len(parts) > 1 and parts[0] in LAYERS and ".." not in parts and len(bytes.fromhex(file.sha256)) == 32


def published(root: Path, layers: Sequence[str] = LAYERS) -> Snapshot:
    """Return what is published in data/ now, of these layers.

    A dataset lies in a lake under its layer and name, then `study=` and `snapshot=`, as engines read partitions. A
    study's weeks and people are kilobytes each, so they are no partitions of their own: row groups have statistics.

    Raises
    ------
    PotatoError : nothing is published, or the layers are of several studies.
    """
    data = root / "data"
    studies = {}
    for layer, place in (("bronze", "bronze"), ("silver", "silver"), ("gold", "gold/reports")):
        of_it = layer in layers or (layer == "silver" and "quarantine" in layers)
        if of_it and (data / place / "manifest.json").is_file():
            studies[layer] = str(lake.read_json(data / place / "manifest.json")["study"])
    if len(set(studies.values())) != 1:
        raise PotatoError(
            "There is not one study to push.",
            where="data/",
            expected="layers that one `dvc repro` made of one study",
            found=", ".join(f"{layer} of {study}" for layer, study in studies.items()) or "nothing",
            hint="type `make run`",
        )
    study = next(iter(studies.values()))
    datasets = [found for found in _datasets(data) if found[0] in layers]
    with ThreadPoolExecutor() as pool:
        found = [file for files in pool.map(lambda named: _files(data, study, *named), datasets) for file in files]
    return Snapshot(study, tuple(sorted(found, key=lambda file: file.path)))


def _datasets(data: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield layer, name and path of each dataset; the quarantine is one as a whole."""
    for layer in LAYERS:
        folder = data / layer
        if layer == "quarantine":
            if folder.is_dir():
                yield layer, "rows", folder
            continue
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            yield layer, path.stem if path.is_file() else path.name, path


def _files(data: Path, study: str, layer: str, name: str, path: Path) -> list[File]:
    folder = f"{layer}/{name}/study={study}/snapshot={lake.fingerprint(path)[:_ID]}"
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    made = []
    for file in files:
        within = file.name if path.is_file() else file.relative_to(path).as_posix()
        stated = file.relative_to(data).as_posix()
        made.append(File(stated, f"{folder}/{within}", file.stat().st_size, lake.file_sha256(file)))
    return made

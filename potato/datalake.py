"""The data lake on S3: a study's published data go there, come back, and are compared, byte for byte.

Objects come first and the manifest last, by one conditional write: a reader that follows the manifest sees all of a
push or nothing of it, and of two writers one is told that the other was faster. An object's key holds the fingerprint
of its dataset, so what is there is never written over, and a push or pull that was cut off goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from potato import lake, lock, snapshot
from potato import run as runs
from potato.bucket import Bucket, Taken
from potato.errors import PotatoError
from potato.snapshot import File, Snapshot

_AT_ONCE = 8


class NothingThere(PotatoError):
    """The lake has nothing of a study yet."""


Advance = Callable[[int, int], None]
"""Told after each file: bytes done and bytes in all."""


@dataclass(frozen=True)
class Moved:
    """What a push or pull did: files and bytes that were sent, files that were there already, and the snapshot."""

    snapshot: Snapshot
    sent: int
    bytes: int
    there: int


@dataclass(frozen=True)
class Difference:
    """One file that is not the same here and in the lake: its path below data/, and what is wrong."""

    path: str
    found: str


def silent(done: int, of: int) -> None:
    return None


def push(root: Path, address: str, advance: Advance = silent, *, layers: Sequence[str] | None = None) -> Moved:
    """Put what is published in data/ into the lake.

    Parameters
    ----------
    address : s3://BUCKET or s3://BUCKET/FOLDER.
    layers : these alone; the others stay what they are in the lake.

    Raises
    ------
    PotatoError : nothing is published, AWS refuses, or somebody else pushed in the meantime. The lake then shows what
        it showed before.
    """
    bucket = Bucket(address, _AT_ONCE)
    here = snapshot.published(root, layers or snapshot.LAYERS)
    latest = snapshot.key(here.study)
    before = bucket.read(latest)
    # A manifest that can't be read is replaced by a whole push, and stops a push of some layers.
    known = snapshot.parsed(before[0], f"{bucket.address}/{latest}") if before and layers is not None else None
    whole = here.with_layers_of(known)
    missing = _apply(
        here.files,
        lambda file: None if bucket.holds(file.key, file.sha256, file.size) else file,
    )
    todo = [file for file in missing if file is not None]
    _move(todo, lambda file: bucket.upload(root / "data" / file.path, file.key, file.sha256), advance)
    moved = Moved(whole, len(todo), sum(file.size for file in todo), len(here.files) - len(todo))
    if not todo and before and _id(before[0]) == whole.id:
        return moved
    content = whole.document(_told(root))
    try:
        kept = snapshot.key_of(whole.study, whole.id)
        if bucket.read(kept) is None:
            bucket.write(kept, content, after=None)
        bucket.write(latest, content, after=before[1] if before else None)
    except Taken:
        raise PotatoError(
            "Somebody else pushed this study at the same time.",
            where=f"{bucket.address}/{latest}",
            expected="the manifest that was there when this push began",
            found="a newer one; nothing of this push is shown to readers",
            hint="look at the other's with `potato lake verify`, then type `potato lake push` again to replace it",
        ) from None
    return moved


def pull(root: Path, address: str, study: str, advance: Advance = silent) -> Moved:
    """Put the lake's newest push of a study in the place of data/, all of its layers or none.

    Files that are here already, by checksum, are not fetched; what an earlier pull fetched before it was cut off
    isn't either.

    Raises
    ------
    PotatoError : the lake has no such study, AWS refuses, or an object is not what was pushed; data/ is as it was.
    """
    bucket = Bucket(address, _AT_ONCE)
    there = latest(bucket, study)
    staging = root / "data" / ".staging" / f"pull-{there.id[:16]}"
    with lock.held(root, "lake-pull"), _room(staging):
        todo = [file for file in _apply(there.files, lambda file: _missing(root, staging, file)) if file is not None]
        _move(todo, lambda file: bucket.download(file.key, staging / file.path, file.sha256), advance)
        for layer in there.layers():
            lake.publish(staging / layer, root / "data" / layer)
        shutil.rmtree(staging)
    sent = sum(file.size for file in todo)
    return Moved(there, len(todo), sent, len(there.files) - len(todo))


@contextlib.contextmanager
def _room(staging: Path) -> Iterator[None]:
    """Turn a disk that takes nothing more, or a folder that takes nothing, into words."""
    try:
        yield
    except OSError as error:
        raise PotatoError(
            "What was pulled can't be written here.",
            where=str(error.filename or staging),
            found=f"{type(error).__name__}: {error.strerror or error}",
            hint="free some space, or look at the owner of data/, and type the same command again: it goes on",
        ) from None


def verify(root: Path, address: str, study: str, advance: Advance = silent) -> list[Difference]:
    """Return every file that is not the same in data/, in the manifest and in the lake; none where all is well.

    The lake's checksums are those that S3 took of the bytes themselves.
    """
    bucket = Bucket(address, _AT_ONCE)
    there = latest(bucket, study)
    anything = any((root / "data" / layer).exists() for layer in snapshot.LAYERS)
    here = {file.path: file for file in snapshot.published(root).files} if anything else {}
    found: list[Difference] = []

    def look(file: File) -> None:
        if not bucket.holds(file.key, file.sha256, file.size):
            found.append(Difference(file.path, "the lake's object is missing or has other bytes"))

    _move(list(there.files), look, advance)
    named = {file.path: file for file in there.files}
    for path in sorted(here.keys() | named.keys()):
        if path not in here:
            found.append(Difference(path, "is in the lake and not here"))
        elif path not in named:
            found.append(Difference(path, "is here and not in the lake"))
        elif here[path].sha256 != named[path].sha256:
            found.append(Difference(path, "has other bytes here than in the lake"))
    return sorted(found, key=lambda difference: difference.path)


def latest(bucket: Bucket, study: str) -> Snapshot:
    """Return the newest push of a study; PotatoError where there is none."""
    key = snapshot.key(study)
    content = bucket.read(key)
    if content is None:
        raise NothingThere(
            f"The data lake has no study {study}.",
            where=f"{bucket.address}/{key}",
            expected="the manifest of an earlier push",
            found="nothing",
            hint="type `potato lake push` where its data are, or correct `study:` in params.yaml",
        )
    return snapshot.parsed(content[0], f"{bucket.address}/{key}")


def _missing(root: Path, staging: Path, file: File) -> File | None:
    """Return the file if it has to be fetched; copy it into the staging folder where the same bytes are here."""
    target, published = staging / file.path, root / "data" / file.path
    if target.is_file() and lake.file_sha256(target) == file.sha256:
        return None
    if published.is_file() and lake.file_sha256(published) == file.sha256:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(published, target)
        return None
    return file


def _apply(files: Iterable[File], work: Callable[[File], File | None]) -> list[File | None]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(work, files))


def _move(files: list[File], work: Callable[[File], None], advance: Advance) -> None:
    """Do `work` for each file, several at once; the first that fails stops the rest."""
    total, done = sum(file.size for file in files), 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for file, _ in zip(files, pool.map(work, files), strict=True):
                done += file.size
                advance(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _id(content: bytes) -> str | None:
    try:
        return str(json.loads(content)["id"])
    except (ValueError, KeyError, TypeError):
        return None


def _told(root: Path) -> dict[str, str | None]:
    """Return what a manifest says of its push: when, from which run and which commit."""
    newest = runs.latest(root)
    commit = runs.environment(root)["git_commit"]
    return {"pushed": runs.now(), "run_id": newest.id if newest else None, "git_commit": commit}

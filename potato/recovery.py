"""Restores a lost lake: copies a replica's objects back, and shows readers the newest push that is whole.

S3 replicates objects in no order. When a region is lost, the manifest of a push may have arrived without its objects,
so the manifest's word is not taken: each file that it names is looked for, with its checksum.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from potato import snapshot
from potato.bucket import Bucket, Taken
from potato.datalake import Advance, silent
from potato.errors import PotatoError
from potato.snapshot import File, Snapshot

_AT_ONCE = 8
_LISTED = 5


@dataclass(frozen=True)
class Shown:
    """The push that a study's readers see, when it was made, and what of newer pushes is not there.

    Attributes
    ----------
    given_up : ids of newer pushes that are not whole.
    missing : keys of their files that are missing or have other bytes.
    """

    snapshot: Snapshot
    pushed: str
    given_up: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Copied:
    """What a restore did: objects copied, and those that were there already."""

    copied: int
    there: int


def rewind(bucket: Bucket) -> dict[str, Shown]:
    """Let the readers of each study see the newest push of which every file is there; nothing is deleted.

    Raises
    ------
    PotatoError : of a study no push is whole, or somebody pushed at the same time.
    """
    studies = {key.split("/")[1].removeprefix("study=") for key in bucket.keys("manifests/study=")}
    return {study: _rewound(bucket, study) for study in sorted(studies)}


def restore(source: Bucket, target: Bucket, advance: Advance = silent) -> Copied:
    """Copy every object that `target` lacks or has with other bytes, and compare all of them; it can be repeated.

    Only what is current is copied: a replica's older versions stay where they are.

    Raises
    ------
    PotatoError : the source is empty, AWS refuses, or an object is another one after it was copied.
    """
    keys = source.keys()
    if not keys:
        raise PotatoError(
            "There is nothing to restore from.",
            where=source.address,
            expected="the objects of a replica",
            found="none",
            hint="type `make infra.output` or look into the other region: aws s3 ls",
        )

    def work(key: str) -> bool:
        known = source.held(key)
        if known is not None and known == target.held(key):
            return False
        target.copy(key, source)
        if known != target.held(key):
            raise PotatoError(
                "An object is another one after it was copied.",
                where=f"{target.address}/{key}",
                expected=str(known),
                found=str(target.held(key)),
                hint="type the same command again; if it stays so, compare the two objects by hand",
            )
        return True

    copied = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for done, sent in enumerate(pool.map(work, keys), start=1):
                copied += sent
                advance(done, len(keys))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Copied(copied, len(keys) - copied)


def missing(bucket: Bucket, there: Snapshot) -> list[File]:
    """Return the files of a push that are not in the lake, or are there with other bytes."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        whole = pool.map(lambda file: bucket.holds(file.key, file.sha256, file.size), there.files)
        return [file for file, held in zip(there.files, whole, strict=True) if not held]


def _rewound(bucket: Bucket, study: str) -> Shown:
    latest = snapshot.key(study)
    shown = bucket.read(latest)
    given_up: list[str] = []
    gone: dict[str, None] = {}
    for content, key in _pushes(bucket, study, shown):
        try:
            there = snapshot.parsed(content, f"{bucket.address}/{key}")
        except PotatoError:
            given_up.append(key)
            gone[key] = None
            continue
        lacking = missing(bucket, there)
        if not lacking:
            if shown is None or shown[0] != content:
                _show(bucket, latest, content, shown[1] if shown else None)
            newer = tuple(identity for identity in dict.fromkeys(given_up) if identity != there.id)
            return Shown(there, str(json.loads(content)["pushed"]), newer, tuple(gone))
        given_up.append(there.id)
        gone.update(dict.fromkeys(file.key for file in lacking))
    listed = ", ".join(list(gone)[:_LISTED]) + (f" and {len(gone) - _LISTED:,} more" if len(gone) > _LISTED else "")
    raise PotatoError(
        f"No push of the study {study} is whole.",
        where=f"{bucket.address}/manifests/study={study}/",
        expected="a push of which every file is there with its bytes",
        found=f"{len(set(given_up))} pushes; missing or with other bytes: {listed}",
        hint="restore earlier versions of these objects, or push again from a machine that has the data",
    )


def _pushes(bucket: Bucket, study: str, shown: tuple[bytes, str] | None) -> list[tuple[bytes, str]]:
    """Return a study's manifests with their keys: the one that readers see, then the others, the newest push first."""
    found = []
    for key in bucket.keys(f"manifests/study={study}/"):
        read = bucket.read(key)
        if read is not None and key != snapshot.key(study):
            found.append((_when(read[0]), read[0], key))
    newest = [] if shown is None else [(shown[0], snapshot.key(study))]
    return newest + [(content, key) for _, content, key in sorted(found, reverse=True)]


def _when(content: bytes) -> str:
    """Return when a push was made, as its manifest says, or nothing if it can't be read."""
    try:
        return str(json.loads(content)["pushed"])
    except (ValueError, KeyError, TypeError):
        return ""


def _show(bucket: Bucket, latest: str, content: bytes, after: str | None) -> None:
    try:
        bucket.write(latest, content, after=after)
    except Taken:
        raise PotatoError(
            "Somebody pushed this study at the same time.",
            where=f"{bucket.address}/{latest}",
            expected="the manifest that was there a moment ago",
            found="a newer one",
            hint="end what pushes, then type the same command again",
        ) from None

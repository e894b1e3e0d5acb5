"""A lost lake: what a replica lacks is found by checksums, readers are shown the newest push that is whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from potato import datalake, lake, recovery, snapshot
from potato.bucket import Bucket
from potato.errors import PotatoError

from . import aws as aws_here
from .conftest import copy_project
from .test_datalake import publish


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = copy_project(tmp_path / "here")
    monkeypatch.setenv("POTATO_ROOT", str(root))
    publish(root)
    return root


@pytest.fixture
def place(aws: str) -> str:
    return f"s3://{aws_here.make_bucket()}/lake"


def key(project: Path, name: str) -> str:
    """Return the key of the one file of a dataset."""
    (file,) = [file for file in snapshot.published(project).files if file.path.startswith(name)]
    return file.key


def spoil(place: str, key: str, content: bytes | None) -> None:
    bucket, s3 = Bucket(place), aws_here.client("s3")
    item = {"Bucket": bucket.name, "Key": bucket.prefix + key}
    if content is None:
        s3.delete_object(**item)
    else:
        s3.put_object(Body=content, ChecksumAlgorithm="SHA256", **item)


def change(project: Path, name: str) -> None:
    lake.write(pa.table({"subject_id": [name]}), project / "data/silver/weekly_features")


@pytest.mark.parametrize("content", [None, b"altered"], ids=["missing", "altered"])
def test_readers_are_shown_the_push_before_one_that_is_not_whole(
    project: Path, place: str, tmp_path: Path, content: bytes | None
) -> None:
    first = datalake.push(project, place).snapshot
    change(project, "second")
    second = datalake.push(project, place).snapshot
    spoiled = key(project, "silver/weekly_features")
    spoil(place, spoiled, content)
    shown = recovery.rewind(Bucket(place))["small"]
    assert (shown.snapshot, shown.given_up, shown.missing) == (first, (second.id,), (spoiled,))
    there = tmp_path / "there"
    there.mkdir()
    assert datalake.pull(there, place, "small").snapshot == first


def test_a_lake_that_is_whole_stays_as_it_is_even_when_its_newest_push_was_made_before(
    project: Path, place: str
) -> None:
    first = datalake.push(project, place).snapshot
    shutil.copytree(project / "data/silver", project / "kept")
    change(project, "second")
    datalake.push(project, place)
    shutil.rmtree(project / "data/silver")
    (project / "kept").rename(project / "data/silver")
    assert datalake.push(project, place).snapshot == first
    bucket = Bucket(place)
    before = bucket.read(snapshot.key("small"))
    shown = recovery.rewind(bucket)["small"]
    assert (shown.snapshot, shown.given_up) == (first, ())
    assert bucket.read(snapshot.key("small")) == before


def test_a_manifest_that_did_not_arrive_or_can_not_be_read_is_made_again(project: Path, place: str) -> None:
    whole = datalake.push(project, place).snapshot
    for content in (None, b"{}"):
        spoil(place, snapshot.key("small"), content)
        assert recovery.rewind(Bucket(place))["small"].snapshot == whole
        assert datalake.verify(project, place, "small") == []


def test_a_study_of_which_no_push_is_whole_is_an_error_that_names_what_is_missing(project: Path, place: str) -> None:
    datalake.push(project, place)
    spoiled = key(project, "bronze/weight")
    spoil(place, spoiled, None)
    before = Bucket(place).read(snapshot.key("small"))
    with pytest.raises(PotatoError, match="No push of the study small is whole") as raised:
        recovery.rewind(Bucket(place))
    assert spoiled in str(raised.value)
    assert Bucket(place).read(snapshot.key("small")) == before


def test_a_restored_lake_has_every_object_and_checksum_and_what_is_there_is_not_copied_again(
    project: Path, place: str
) -> None:
    change(project, "second")
    datalake.push(project, place)
    source, target = Bucket(place), Bucket(f"s3://{aws_here.make_bucket()}")
    copied = recovery.restore(source, target)
    assert (copied.copied, copied.there) == (len(source.keys()), 0)
    assert target.keys() == source.keys()
    assert datalake.verify(project, target.address, "small") == []
    spoil(target.address, key(project, "bronze/weight"), b"other")
    again = recovery.restore(source, target)
    assert (again.copied, again.there) == (1, copied.copied - 1)
    assert datalake.verify(project, target.address, "small") == []


def test_a_replica_that_is_empty_restores_nothing(place: str) -> None:
    with pytest.raises(PotatoError, match="nothing to restore from"):
        recovery.restore(Bucket(place), Bucket(f"s3://{aws_here.make_bucket()}"))


def test_the_commands_say_what_came_back_and_what_did_not(project: Path, place: str, tmp_path: Path) -> None:
    datalake.push(project, place)
    change(project, "second")
    datalake.push(project, place)
    spoil(place, key(project, "silver/weekly_features"), None)
    target = f"s3://{aws_here.make_bucket()}"

    def potato(*words: str) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).parent / "potato")
        env = os.environ | {"COLUMNS": "200"}
        return subprocess.run([program, "lake", *words], env=env, text=True, capture_output=True, check=False)

    done = potato("restore", "--from", place, "--from-region", "us-east-1", "--at", target)
    assert done.returncode == 0, done.stderr
    copied, whole, newer = done.stderr.strip().splitlines()
    assert copied.strip() == f"{len(Bucket(place).keys())} objects copied, 0 were there already"
    assert whole.strip().startswith("small: snapshot ")
    assert whole.endswith("is whole")
    assert newer.strip() == "small: newer pushes that are not: 1; objects that are missing or other ones: 1"
    assert potato("rewind", "--at", target).stderr.splitlines() == [whole]
    nothing = potato("restore", "--from", "s3://no-such-bucket-of-ours", "--at", target)
    assert nothing.returncode == 1
    assert "There is no bucket no-such-bucket-of-ours" in nothing.stderr

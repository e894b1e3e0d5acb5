from __future__ import annotations

from pathlib import Path

import pytest
from openlineage.client.naming import dataset as official

from potato import naming


def test_a_local_dataset_is_named_by_its_absolute_path_in_the_namespace_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = ("file", f"{tmp_path.resolve().as_posix()}/data/silver/weekly_features")
    for folder in (tmp_path, str(tmp_path), f"{tmp_path}/", ".", tmp_path.as_uri()):
        assert naming.dataset(folder, "data/silver/weekly_features") == expected
        assert naming.dataset(folder, "/data/silver/weekly_features/") == expected


@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3n"])
@pytest.mark.parametrize("prefix", ["lake/potato", "lake/potato/", "/lake/potato"])
def test_a_dataset_in_s3_is_named_by_its_key_in_the_namespace_of_its_bucket(scheme: str, prefix: str) -> None:
    expected = ("s3://trial-data", "lake/potato/data/silver/weekly_features")
    assert naming.dataset(f"{scheme}://trial-data/{prefix}", "data/silver/weekly_features/") == expected


def test_a_bucket_without_a_prefix_needs_no_slash() -> None:
    assert naming.dataset("s3://trial-data", "data/gold") == ("s3://trial-data", "data/gold")
    assert naming.dataset("s3://trial-data/", "data/gold") == ("s3://trial-data", "data/gold")
    assert naming.dataset("s3://trial-data") == ("s3://trial-data", "/")


def test_below_its_folder_a_dataset_has_the_same_name_on_a_disk_and_in_a_bucket(tmp_path: Path) -> None:
    _, local = naming.dataset(tmp_path, "data/quarantine")
    _, stored = naming.dataset("s3://trial-data/lake", "data/quarantine")
    assert local.removeprefix(f"{tmp_path.resolve().as_posix()}/") == stored.removeprefix("lake/") == "data/quarantine"


def test_the_names_are_those_of_the_openlineage_client(tmp_path: Path) -> None:
    bucket = official.S3(bucket_name="trial-data", object_key="lake/data/gold")
    assert naming.dataset("s3://trial-data/lake", "data/gold") == (bucket.get_namespace(), bucket.get_name())
    disk = official.LocalFileSystem(path=str(tmp_path.resolve() / "data/gold"))
    assert naming.dataset(tmp_path, "data/gold") == (disk.get_namespace(), disk.get_name())


def test_a_link_below_the_folder_keeps_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "raw").symlink_to("elsewhere")
    assert naming.dataset(tmp_path, "raw/weight.csv") == ("file", f"{tmp_path.resolve().as_posix()}/raw/weight.csv")


def test_a_source_is_the_disk_or_the_bucket(tmp_path: Path) -> None:
    folder = tmp_path / "with a space"
    assert naming.source(folder) == ("file", folder.resolve().as_uri())
    assert "%20" in naming.source(folder)[1]
    assert naming.dataset(folder.as_uri(), "data") == naming.dataset(folder, "data")
    assert naming.source("s3a://trial-data/lake") == ("s3://trial-data", "s3://trial-data")

"""The data lake on S3: all or nothing, byte for byte, and each refusal in words."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from potato import bucket, datalake, lake, snapshot
from potato.errors import PotatoError

from . import aws as aws_here
from . import s3_proxy


def publish(root: Path, *, rows: int = 3, study: str = "small") -> None:
    """Write what stages publish, in small."""
    table = pa.table({"subject_id": [f"s{i}" for i in range(rows)]})
    for name in ("bronze/weight", "silver/weekly_features", "quarantine", "gold/models/ols_cluster"):
        lake.write(table, root / "data" / name)
    for layer in ("bronze", "silver", "gold/reports"):
        lake.write_json(root / "data" / layer / "manifest.json", {"study": study})
    lake.write_json(root / "data/bronze/ledger.json", {"files": rows})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "here"
    root.mkdir()
    monkeypatch.setenv("POTATO_ROOT", str(root))
    publish(root)
    return root


@pytest.fixture
def place(aws: str) -> str:
    return f"s3://{aws_here.make_bucket()}/lake"


def other_machine(tmp_path: Path) -> Path:
    root = tmp_path / "there"
    root.mkdir()
    return root


def keys(place: str) -> list[str]:
    name, prefix = place.removeprefix("s3://").split("/", 1)
    listed = aws_here.client("s3").list_objects_v2(Bucket=name, Prefix=prefix).get("Contents", [])
    return [item["Key"].removeprefix(f"{prefix}/") for item in listed]


def at(proxy: s3_proxy.Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)


def test_what_is_pushed_comes_back_byte_for_byte_on_another_machine(project: Path, place: str, tmp_path: Path) -> None:
    pushed = datalake.push(project, place)
    there = other_machine(tmp_path)
    pulled = datalake.pull(there, place, "small")
    assert pulled.snapshot == pushed.snapshot
    assert lake.fingerprint(there / "data") == lake.fingerprint(project / "data")
    assert datalake.verify(there, place, "small") == []


def test_datasets_lie_under_layer_name_and_study(project: Path, place: str) -> None:
    datalake.push(project, place)
    folders = {key.split("/snapshot=")[0] for key in keys(place) if not key.startswith("manifests/")}
    assert {"bronze/weight/study=small", "silver/weekly_features/study=small", "gold/models/study=small"} <= folders


def test_a_second_push_sends_nothing_and_a_changed_dataset_alone_is_sent(project: Path, place: str) -> None:
    datalake.push(project, place)
    before = keys(place)
    again = datalake.push(project, place)
    assert (again.sent, keys(place)) == (0, before)
    lake.write(pa.table({"subject_id": ["other"]}), project / "data/silver/weekly_features")
    assert datalake.push(project, place).sent == 1


def test_the_manifest_comes_last(project: Path, place: str, aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_proxy.between(aws) as proxy:
        at(proxy, monkeypatch)
        datalake.push(project, place)
        put = [path for method, path in proxy.requests if method == "PUT"]
    assert put[-1].endswith("manifests/study%3Dsmall/latest.json") or put[-1].endswith("study=small/latest.json")
    assert not any("manifests" in path for path in put[:-2])


def test_a_push_that_is_cut_off_shows_nothing_and_the_next_one_goes_on(
    project: Path, place: str, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_ATTEMPTS", 1)
    seen: list[str] = []

    def cut(method: str, path: str) -> s3_proxy.Answer:
        if method == "PUT":
            seen.append(path)
        return s3_proxy.CUT if method == "PUT" and len(seen) > 2 else None

    with s3_proxy.between(aws, cut) as proxy:
        at(proxy, monkeypatch)
        with pytest.raises(PotatoError, match="can't be reached"):
            datalake.push(project, place)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    assert not any(key.startswith("manifests/") for key in keys(place))
    with pytest.raises(datalake.NothingThere):
        datalake.pull(project, place, "small")
    moved = datalake.push(project, place)
    assert moved.there >= 1
    assert moved.sent + moved.there == len(moved.snapshot.files)


def test_of_two_writers_one_is_told_and_the_other_is_what_readers_see(
    project: Path, place: str, aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datalake.push(project, place)
    rival = other_machine(tmp_path)
    publish(rival, rows=5)
    lake.write(pa.table({"subject_id": ["mine"]}), project / "data/silver/weekly_features")
    raced: list[str] = []

    def race(method: str, path: str) -> s3_proxy.Answer:
        if method == "PUT" and path.endswith("latest.json") and not raced:
            raced.append(path)
            monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
            datalake.push(rival, place)
        return None

    with s3_proxy.between(aws, race) as proxy:
        at(proxy, monkeypatch)
        with pytest.raises(PotatoError, match="Somebody else pushed"):
            datalake.push(project, place)
    assert datalake.verify(rival, place, "small") == []


def test_an_object_that_was_changed_is_named_and_nothing_is_pulled(project: Path, place: str, tmp_path: Path) -> None:
    datalake.push(project, place)
    name, prefix = place.removeprefix("s3://").split("/", 1)
    broken = next(key for key in keys(place) if key.startswith("silver/weekly_features"))
    aws_here.client("s3").put_object(Bucket=name, Key=f"{prefix}/{broken}", Body=b"other")
    there = other_machine(tmp_path)
    publish(there, rows=9)
    before = lake.fingerprint(there / "data")
    with pytest.raises(PotatoError, match="is not what was pushed"):
        datalake.pull(there, place, "small")
    shutil.rmtree(there / "data" / ".staging")
    assert lake.fingerprint(there / "data") == before
    assert [difference.path for difference in datalake.verify(project, place, "small")] == [
        "silver/weekly_features/part-0.parquet"
    ]


def test_a_pull_that_was_cut_off_goes_on(
    project: Path, place: str, aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_ATTEMPTS", 1)
    datalake.push(project, place)
    there = other_machine(tmp_path)
    seen: list[str] = []

    def cut(method: str, path: str) -> s3_proxy.Answer:
        if method == "GET" and "manifests" not in path:
            seen.append(path)
        return s3_proxy.CUT if len(seen) > 3 and method == "GET" else None

    with s3_proxy.between(aws, cut) as proxy:
        at(proxy, monkeypatch)
        with pytest.raises(PotatoError, match="can't be reached"):
            datalake.pull(there, place, "small")
    assert not (there / "data/bronze").exists()
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    moved = datalake.pull(there, place, "small")
    assert moved.there >= 1
    assert lake.fingerprint(there / "data") == lake.fingerprint(project / "data")


def test_a_manifest_that_leads_out_of_the_layers_is_refused(project: Path, place: str, tmp_path: Path) -> None:
    pushed = datalake.push(project, place).snapshot
    stray = snapshot.File("silver/../../../evil", pushed.files[0].key, pushed.files[0].size, pushed.files[0].sha256)
    forged = snapshot.Snapshot("small", (stray,))
    name, prefix = place.removeprefix("s3://").split("/", 1)
    key = f"{prefix}/{snapshot.key('small')}"
    aws_here.client("s3").put_object(Bucket=name, Key=key, Body=forged.document({}))
    with pytest.raises(PotatoError, match="manifest of the data lake can't be used"):
        datalake.pull(other_machine(tmp_path), place, "small")


def test_layers_of_several_studies_are_not_pushed(project: Path, place: str) -> None:
    lake.write_json(project / "data/silver/manifest.json", {"study": "another"})
    with pytest.raises(PotatoError, match="not one study") as told:
        datalake.push(project, place)
    assert "silver of another" in str(told.value.found)


def test_a_push_of_one_layer_leaves_the_others(project: Path, place: str, tmp_path: Path) -> None:
    datalake.push(project, place)
    lake.write(pa.table({"subject_id": ["x"]}), project / "data/silver/weekly_features")
    lake.write(pa.table({"subject_id": ["y"]}), project / "data/bronze/weight")
    datalake.push(project, place, layers=["silver"])
    assert [d.path for d in datalake.verify(project, place, "small")] == ["bronze/weight/part-0.parquet"]


def test_an_answer_that_breaks_off_is_asked_for_again(
    project: Path, place: str, aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_PAUSE", 0)
    datalake.push(project, place)
    broken: dict[str, int] = {}

    def half(method: str, path: str) -> s3_proxy.Answer:
        broken[path] = broken.get(path, 0) + 1
        return s3_proxy.HALF if method == "GET" and broken[path] <= 2 else None

    there = other_machine(tmp_path)
    with s3_proxy.between(aws, half) as proxy:
        at(proxy, monkeypatch)
        datalake.pull(there, place, "small")
    assert set(broken.values()) == {3}
    assert lake.fingerprint(there / "data") == lake.fingerprint(project / "data")


def test_an_object_that_always_breaks_off_is_told_and_nothing_is_pulled(
    project: Path, place: str, aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_PAUSE", 0)
    datalake.push(project, place)
    there = other_machine(tmp_path)

    def half(method: str, path: str) -> s3_proxy.Answer:
        return s3_proxy.HALF if method == "GET" and "gold/models" in path else None

    with s3_proxy.between(aws, half) as proxy:
        at(proxy, monkeypatch)
        with pytest.raises(PotatoError, match="can't be reached"):
            datalake.pull(there, place, "small")
    assert [path.name for path in (there / "data").iterdir()] == [".staging"]


def test_a_disk_that_is_full_is_told_and_the_pull_goes_on_when_there_is_room(
    project: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datalake.push(project, place)
    there = other_machine(tmp_path)
    real = Path.open

    def full(path: Path, *words: Any, **named: Any) -> Any:
        if path.name == ".ledger.json.part":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, *words, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(PotatoError, match="can't be written") as told:
            datalake.pull(there, place, "small")
    assert "No space left" in str(told.value.found)
    assert "ledger.json" in str(told.value.where)
    assert [path.name for path in (there / "data").iterdir()] == [".staging"]
    datalake.pull(there, place, "small")
    assert datalake.verify(there, place, "small") == []


def test_a_comparison_on_a_machine_without_data_says_that_all_of_it_is_missing_here(
    project: Path, place: str, tmp_path: Path
) -> None:
    pushed = datalake.push(project, place).snapshot
    found = datalake.verify(other_machine(tmp_path), place, "small")
    assert {(each.path, each.found) for each in found} == {
        (file.path, "is in the lake and not here") for file in pushed.files
    }


@pytest.mark.parametrize(
    ("status", "code", "what", "named"),
    [
        (503, "SlowDown", "asks for fewer requests", "later"),
        (400, "ExpiredToken", "does not accept these credentials", "AWS_PROFILE"),
        (403, "RequestTimeTooSkewed", "refuses the signature", "clock"),
        (403, "AccessDenied", "s3:GetObject is not allowed", "s3:ListBucket"),
        (500, "InternalError", "fails to answer", "later"),
    ],
)
def test_what_s3_can_t_say_in_the_answer_to_a_head_is_asked_for(
    project: Path,
    place: str,
    aws: str,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: str,
    what: str,
    named: str,
) -> None:
    monkeypatch.setattr(bucket, "_ATTEMPTS", 1)

    def refuse(method: str, path: str) -> s3_proxy.Answer:
        return (status, code) if method in ("HEAD", "GET") and "gold" in path else None

    with s3_proxy.between(aws, refuse) as proxy:
        at(proxy, monkeypatch)
        with pytest.raises(PotatoError, match=what) as told:
            datalake.push(project, place)
    assert named in str(told.value.hint)


def test_the_permission_that_aws_names_is_the_one_that_is_told(
    project: Path, place: str, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "User: arn:aws:iam::1:role/x is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:y"

    def refuse(method: str, path: str) -> s3_proxy.Answer:
        return (403, "AccessDenied", said) if method == "PUT" and "gold" in path else None

    with s3_proxy.between(aws, refuse) as proxy:
        at(proxy, monkeypatch)
        with pytest.raises(PotatoError, match="kms:GenerateDataKey is not allowed") as told:
            datalake.push(project, place)
    assert "give the role kms:GenerateDataKey" in str(told.value.hint)


def test_what_went_into_the_archive_says_how_to_get_it_back(
    project: Path, place: str, aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datalake.push(project, place)
    there = other_machine(tmp_path)

    def archived(method: str, path: str) -> s3_proxy.Answer:
        return (403, "InvalidObjectState") if method == "GET" and "bronze/weight" in path else None

    with s3_proxy.between(aws, archived) as proxy:
        at(proxy, monkeypatch)
        with pytest.raises(PotatoError, match="in the archive") as told:
            datalake.pull(there, place, "small")
    assert "restore-object" in str(told.value.hint)
    assert [path.name for path in (there / "data").iterdir()] == [".staging"]


def test_the_region_is_that_of_any_aws_tool(monkeypatch: pytest.MonkeyPatch, aws: str) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert bucket.Bucket("s3://any-bucket")._connected().meta.region_name == "eu-central-1"


@pytest.mark.parametrize(
    ("status", "code", "what", "named"),
    [
        (403, "AccessDenied", "s3:PutObject is not allowed", "s3:PutObject"),
        (400, "KMS.DisabledException", "key that encrypts", "KMS"),
        (403, "RequestTimeTooSkewed", "refuses the signature", "clock"),
        (403, "InvalidAccessKeyId", "does not accept these credentials", "AWS_PROFILE"),
        (301, "PermanentRedirect", "in another region", "AWS_REGION"),
        (404, "NoSuchBucket", "There is no bucket", "params.yaml"),
    ],
)
def test_a_refusal_names_what_to_change_and_publishes_nothing(
    project: Path,
    place: str,
    aws: str,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: str,
    what: str,
    named: str,
) -> None:
    def refuse(method: str, path: str) -> s3_proxy.Answer:
        return (status, code) if method == "PUT" and "gold" in path else None

    with s3_proxy.between(aws, refuse) as proxy:
        at(proxy, monkeypatch)
        with pytest.raises(PotatoError, match=what) as told:
            datalake.push(project, place)
    assert named in str(told.value.hint)
    assert "gold/" in str(told.value.where)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    assert not any(key.startswith("manifests/") for key in keys(place))


def test_throttling_is_waited_for(project: Path, place: str, aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = {"left": 2}

    def throttle(method: str, path: str) -> s3_proxy.Answer:
        if method == "PUT" and "bronze" in path and busy["left"]:
            busy["left"] -= 1
            return 503, "SlowDown"
        return None

    with s3_proxy.between(aws, throttle) as proxy:
        at(proxy, monkeypatch)
        datalake.push(project, place)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    assert busy["left"] == 0
    assert datalake.verify(project, place, "small") == []


def test_without_credentials_the_variables_are_named(
    project: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(PotatoError, match="no AWS credentials") as told:
        datalake.push(project, place)
    assert "AWS_PROFILE" in str(told.value.hint)


@pytest.mark.parametrize("address", ["bucket", "s3://", "s3://UPPER", "https://bucket", "s3://a b"])
def test_what_is_no_address_is_told(project: Path, address: str) -> None:
    with pytest.raises(PotatoError, match="no address of a data lake"):
        datalake.push(project, address)


def test_the_manifest_says_which_run_and_files(project: Path, place: str) -> None:
    pushed = datalake.push(project, place).snapshot
    name, prefix = place.removeprefix("s3://").split("/", 1)
    body = aws_here.client("s3").get_object(Bucket=name, Key=f"{prefix}/{snapshot.key('small')}")["Body"].read()
    document = json.loads(body)
    assert document["id"] == pushed.id
    assert {file["path"] for file in document["files"]} == {
        path.relative_to(project / "data").as_posix()
        for path in (project / "data").rglob("*")
        if path.is_file() and ".staging" not in path.parts
    }


def test_progress_ends_with_all_bytes(project: Path, place: str) -> None:
    told: list[tuple[int, int]] = []
    datalake.push(project, place, lambda done, of: told.append((done, of)))
    assert told[-1][0] == told[-1][1] == sum(file.size for file in snapshot.published(project).files)

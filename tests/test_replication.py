"""The copier of the recovery drill: it copies as S3 would, by the bucket's rules, and a table from its stream."""

from __future__ import annotations

import uuid
from typing import Any

import boto3
import pytest

from ops import replication, surroundings
from ops.replication import Copier, TableCopier

HERE, THERE = REGIONS = ("us-east-1", "us-west-2")


def client(service: str, region: str) -> Any:
    return boto3.session.Session().client(service, region_name=region)


def versioned(region: str) -> str:
    name = f"cdp-test-{uuid.uuid4().hex[:8]}"
    where = {} if region == HERE else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client("s3", region).create_bucket(Bucket=name, **where)
    client("s3", region).put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def buckets(aws: str) -> tuple[str, str]:
    return versioned(HERE), versioned(THERE)


def rule(replica: str, **changes: Any) -> dict[str, Any]:
    on = {"Status": "Enabled"}
    return {
        "ID": "all",
        "Status": "Enabled",
        "Priority": 0,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": on,
        "SourceSelectionCriteria": {"SseKmsEncryptedObjects": on},
        "Destination": {"Bucket": f"arn:aws:s3:::{replica}", "StorageClass": "STANDARD_IA"},
    } | changes


def copier(source: str, *rules: dict[str, Any]) -> Copier:
    return Copier(client, REGIONS, source, list(rules))


def put(bucket: str, key: str, body: bytes = b"x", **more: Any) -> None:
    client("s3", HERE).put_object(Bucket=bucket, Key=key, Body=body, **more)


def keys(bucket: str) -> list[str]:
    return [item["Key"] for item in client("s3", THERE).list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_only_keys_with_the_prefix_of_a_rule_that_is_on_are_copied(buckets: tuple[str, str]) -> None:
    source, replica = buckets
    for key in ("silver/a", "gold/b", "bronze/c"):
        put(source, key)
    silver = rule(replica, Filter={"Prefix": "silver/"})
    gold = rule(replica, ID="gold", Filter={"And": {"Prefix": "gold/"}}, Status="Disabled")
    copying = copier(source, silver, gold)
    assert copying.run() == 1
    assert keys(replica) == ["silver/a"]
    assert copying.skipped == {"gold/b", "bronze/c"}


def test_every_version_is_copied_once_in_its_order_with_its_checksum_and_the_rules_storage_class(
    buckets: tuple[str, str],
) -> None:
    source, replica = buckets
    copying = copier(source, rule(replica))
    put(source, "a", b"one", ChecksumAlgorithm="SHA256")
    put(source, "a", b"two", ChecksumAlgorithm="SHA256")
    assert (copying.run(), copying.run()) == (2, 0)
    put(source, "a", b"three", ChecksumAlgorithm="SHA256")
    assert copying.run() == 1
    there = client("s3", THERE)
    assert len(there.list_object_versions(Bucket=replica)["Versions"]) == 3
    newest = there.get_object(Bucket=replica, Key="a", ChecksumMode="ENABLED")
    assert newest["Body"].read() == b"three"
    assert newest["StorageClass"] == "STANDARD_IA"
    here = client("s3", HERE).head_object(Bucket=source, Key="a", ChecksumMode="ENABLED")
    assert newest["ChecksumSHA256"] == here["ChecksumSHA256"]


def test_a_deletion_is_repeated_only_where_the_rule_says_so_and_never_that_of_a_version(
    buckets: tuple[str, str],
) -> None:
    source, replica = buckets
    silent = versioned(THERE)
    put(source, "a")
    following = copier(source, rule(replica))
    keeping = copier(source, rule(silent, DeleteMarkerReplication={"Status": "Disabled"}))
    by_tags = copier(source, rule(silent, Filter={"Tag": {"Key": "copy", "Value": "yes"}}))
    assert (following.run(), keeping.run(), by_tags.run()) == (1, 1, 0)
    client("s3", HERE).delete_object(Bucket=source, Key="a")
    assert (following.run(), keeping.run(), by_tags.run()) == (1, 0, 0)
    assert (keys(replica), keys(silent)) == ([], ["a"])
    there = client("s3", THERE)
    assert len(there.list_object_versions(Bucket=replica)["Versions"]) == 1, "what was deleted stays as a version"
    for version in client("s3", HERE).list_object_versions(Bucket=source)["Versions"]:
        client("s3", HERE).delete_object(Bucket=source, Key="a", VersionId=version["VersionId"])
    assert following.run() == 0
    assert len(there.list_object_versions(Bucket=replica)["Versions"]) == 1


def test_what_a_key_of_ones_own_encrypts_is_copied_only_where_the_rule_says_so(buckets: tuple[str, str]) -> None:
    source, replica = buckets
    put(source, "secret", ServerSideEncryption="aws:kms")
    put(source, "open")
    assert copier(source, rule(replica, SourceSelectionCriteria={})).run() == 1
    assert keys(replica) == ["open"]
    assert copier(source, rule(replica)).run() == 2
    assert keys(replica) == ["open", "secret"]


def test_of_several_rules_the_one_with_the_highest_priority_counts(buckets: tuple[str, str]) -> None:
    source, replica = buckets
    first = versioned(THERE)
    put(source, "silver/a")
    low = rule(replica, Priority=1)
    high = rule(first, ID="first", Priority=2, Filter={"Prefix": "silver/"})
    copier(source, low, high).run()
    assert (keys(replica), keys(first)) == ([], ["silver/a"])


def test_the_time_that_a_bucket_promises_is_that_of_its_slowest_rule_and_none_if_one_promises_nothing() -> None:
    def timed(minutes: int, **changes: Any) -> dict[str, Any]:
        time = {"Status": "Enabled", "Time": {"Minutes": minutes}}
        return rule("r", Destination={"Bucket": "arn:aws:s3:::r", "ReplicationTime": time}, **changes)

    assert replication.minutes([timed(15), timed(20)]) == 20
    assert replication.minutes([timed(15), timed(20, Status="Disabled")]) == 15
    assert replication.minutes([timed(15), rule("r")]) is None
    assert replication.minutes([]) is None


def test_what_moto_forgets_of_a_rule_is_taken_as_terraform_planned_it() -> None:
    told = {"ID": "everything", "Status": "Enabled", "Filter": {"Prefix": ""}, "Priority": 0, "Destination": {}}
    forgotten = told | {"DeleteMarkerReplication": {"Status": "Disabled"}}
    planned = {
        "id": "everything",
        "filter": [{"prefix": "silver/", "tag": [], "and": []}],
        "delete_marker_replication": [{"status": "Enabled"}],
        "source_selection_criteria": [{"sse_kms_encrypted_objects": [{"status": "Enabled"}]}],
    }
    whole = surroundings.remembered(forgotten, planned)
    assert replication.prefix(whole) == "silver/"
    assert replication.says(whole, "DeleteMarkerReplication")
    assert replication.says(whole, "SourceSelectionCriteria", "SseKmsEncryptedObjects")
    bare = surroundings.remembered(forgotten, {"id": "everything", "filter": [{}]})
    assert not replication.says(bare, "DeleteMarkerReplication")
    assert not replication.says(bare, "SourceSelectionCriteria", "SseKmsEncryptedObjects")


def table(*, stream: bool = True) -> str:
    name = f"cdp-test-{uuid.uuid4().hex[:8]}"
    more = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}} if stream else {}
    keys = {"experiment_id": "HASH", "run_uuid": "RANGE"}
    client("dynamodb", HERE).create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )
    return name


def test_a_replica_of_a_table_follows_its_stream_and_the_table_comes_back_from_it(aws: str) -> None:
    name = table()
    here, there = (client("dynamodb", region) for region in REGIONS)

    def item(run: str, status: str) -> dict[str, Any]:
        return {"experiment_id": {"S": "1"}, "run_uuid": {"S": run}, "status": {"S": status}}

    here.put_item(TableName=name, Item=item("a", "RUNNING"))
    copying = TableCopier(client, REGIONS, name)
    here.put_item(TableName=name, Item=item("a", "FINISHED"))
    here.put_item(TableName=name, Item=item("b", "RUNNING"))
    here.delete_item(TableName=name, Key={"experiment_id": {"S": "1"}, "run_uuid": {"S": "b"}})
    assert (copying.run(), copying.run()) == (4, 0)
    here.put_item(TableName=name, Item=item("late", "RUNNING"))
    assert replication.items(there, name) == {("1", "a"): item("a", "FINISHED")}

    here.delete_table(TableName=name)
    assert replication.replicate_back(client, REGIONS, name) == 1
    assert replication.items(here, name) == {("1", "a"): item("a", "FINISHED")}


def test_a_table_without_a_stream_can_have_no_replica(aws: str) -> None:
    with pytest.raises(ValueError, match="no stream"):
        TableCopier(client, REGIONS, table(stream=False))

"""Plays what moto leaves to AWS: S3's replication by a bucket's own rules, and a DynamoDB table's replica.

What S3 copies follows "What does Amazon S3 replicate?" and "Replication configuration file elements" in Amazon's S3
User Guide: every version written, and delete markers where the rule says so, but never a deletion of a version. Of
several rules for the same destination the one with the highest priority counts. S3 keeps no order between objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Clients = Callable[[str, str], Any]
"""Makes a client of boto3 from a service and a region."""


def prefix(rule: Mapping[str, Any]) -> str:
    """Return what keys begin with that a rule is about."""
    within = rule.get("Filter", {})
    return str(within.get("Prefix") or within.get("And", {}).get("Prefix") or rule.get("Prefix") or "")


def tags(rule: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the tags, as pairs, that an object needs to be copied by a rule."""
    within = rule.get("Filter", {})
    named = [*within.get("And", {}).get("Tags", ()), *([within["Tag"]] if "Tag" in within else ())]
    return {(tag["Key"], tag["Value"]) for tag in named}


def says(rule: Mapping[str, Any], *path: str) -> bool:
    """Tell whether a part of a rule is switched on."""
    part: Any = rule
    for name in path:
        part = part.get(name) or {}
    return bool(part.get("Status") == "Enabled")


def minutes(rules: Iterable[Mapping[str, Any]]) -> int | None:
    """Return within how many minutes S3 promises to copy, at worst over the rules; None where one promises nothing."""
    times = [
        rule["Destination"].get("ReplicationTime", {}).get("Time", {}).get("Minutes")
        for rule in rules
        if says(rule) and says(rule, "Destination", "ReplicationTime")
    ]
    return max(map(int, times)) if times and len(times) == sum(says(rule) for rule in rules) else None


class Copier:
    """Copies a bucket's versions into its replica when it is told to, by the bucket's rules.

    Parameters
    ----------
    regions : of the bucket and of its replica.
    rules : as GetBucketReplication answers.

    Attributes
    ----------
    skipped : keys of versions that no rule is about.
    """

    def __init__(self, clients: Clients, regions: tuple[str, str], bucket: str, rules: list[dict[str, Any]]) -> None:
        self._source, self._there = clients("s3", regions[0]), clients("s3", regions[1])
        self.bucket, self.rules = bucket, sorted(rules, key=lambda rule: -int(rule.get("Priority", 0)))
        self.skipped: set[str] = set()
        self._seen: set[tuple[str, str]] = set()

    def run(self, only: str = "") -> int:
        """Copy what was written since the last time, of keys that begin with `only`; return how many versions."""
        copied = 0
        for key, version, marker in self._written():
            if not key.startswith(only) or (key, version) in self._seen:
                continue
            self._seen.add((key, version))
            done = self._mark(key) if marker else self._copy(key, version)
            copied += done
            if not done:
                self.skipped.add(key)
        return copied

    def _written(self) -> list[tuple[str, str, bool]]:
        """Return key, version and whether it is a delete marker, each key's oldest first."""
        found = []
        for page in self._source.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
            for name in ("Versions", "DeleteMarkers"):
                for each in page.get(name, ()):
                    found.append(
                        (each["Key"], each["LastModified"], each["IsLatest"], each["VersionId"], name != "Versions")
                    )
        return [(key, version, marker) for key, _, _, version, marker in sorted(found)]

    def _copy(self, key: str, version: str) -> bool:
        item = {"Bucket": self.bucket, "Key": key, "VersionId": version}
        read = self._source.get_object(ChecksumMode="ENABLED", **item)
        tagged = self._source.get_object_tagging(**item)["TagSet"]
        with_key = read.get("ServerSideEncryption") == "aws:kms"
        rule = self._rule(key, {(tag["Key"], tag["Value"]) for tag in tagged}, with_key=with_key)
        if rule is None:
            return False
        target = rule["Destination"]
        more: dict[str, Any] = {"StorageClass": target["StorageClass"]} if "StorageClass" in target else {}
        if "EncryptionConfiguration" in target:
            own = target["EncryptionConfiguration"]["ReplicaKmsKeyID"]
            more |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": own}
        if "ChecksumSHA256" in read:
            more |= {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": read["ChecksumSHA256"]}
        self._there.put_object(
            Bucket=self._named(target),
            Key=key,
            Body=read["Body"].read(),
            ContentType=read["ContentType"],
            Metadata=read["Metadata"],
            **more,
        )
        return True

    def _mark(self, key: str) -> bool:
        """Repeat a delete marker; S3 never does by a rule about tags."""
        rule = self._rule(key, set(), with_key=False)
        if rule is None or tags(rule) or not says(rule, "DeleteMarkerReplication"):
            return False
        self._there.delete_object(Bucket=self._named(rule["Destination"]), Key=key)
        return True

    def _rule(self, key: str, tagged: set[tuple[str, str]], *, with_key: bool) -> dict[str, Any] | None:
        """Return the rule that counts for an object, None if it is not copied; `with_key`: KMS encrypts it."""
        for rule in self.rules:
            if says(rule) and key.startswith(prefix(rule)) and tags(rule) <= tagged:
                encrypted = says(rule, "SourceSelectionCriteria", "SseKmsEncryptedObjects")
                return rule if encrypted or not with_key else None
        return None

    @staticmethod
    def _named(target: Mapping[str, Any]) -> str:
        return str(target["Bucket"]).rpartition(":")[2]


class TableCopier:
    """Keeps a table's replica in another region, from the table's stream, as DynamoDB's global tables do.

    Raises
    ------
    ValueError : the table has no stream of new images, so that AWS would have nothing to copy from.
    """

    def __init__(self, clients: Clients, regions: tuple[str, str], table: str) -> None:
        self._stream, self._there = clients("dynamodbstreams", regions[0]), clients("dynamodb", regions[1])
        self.table = table
        described = clients("dynamodb", regions[0]).describe_table(TableName=table)["Table"]
        if not str(described.get("StreamSpecification", {}).get("StreamViewType")).startswith("NEW"):
            raise ValueError(f"The table {table} has no stream of new images, which a replica would be fed from.")
        make(self._there, described)
        arn = described["LatestStreamArn"]
        shards = self._stream.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        self._next = [
            self._stream.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
                "ShardIterator"
            ]
            for shard in shards
        ]

    def run(self) -> int:
        """Write what the stream tells since the last time; return how many changes."""
        changes = 0
        for at, where in enumerate(self._next):
            answer = self._stream.get_records(ShardIterator=where)
            while answer["Records"]:
                for record in answer["Records"]:
                    self._apply(record["dynamodb"])
                    changes += 1
                answer = self._stream.get_records(ShardIterator=answer["NextShardIterator"])
            self._next[at] = answer["NextShardIterator"]
        return changes

    def _apply(self, change: Mapping[str, Any]) -> None:
        if "NewImage" in change:
            self._there.put_item(TableName=self.table, Item=change["NewImage"])
        else:
            self._there.delete_item(TableName=self.table, Key=change["Keys"])


def make(client: Any, described: Mapping[str, Any]) -> None:
    """Make a table in another region with the keys of the one that is described."""
    client.create_table(
        TableName=described["TableName"],
        KeySchema=described["KeySchema"],
        AttributeDefinitions=described["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
    )


def items(client: Any, table: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return all items of a table by their two keys."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return {(item["experiment_id"]["S"], item["run_uuid"]["S"]): item for page in pages for item in page["Items"]}


def replicate_back(clients: Clients, regions: tuple[str, str], table: str) -> int:
    """Make a table in the first region again from its replica in the second, as AWS does for a new replica.

    Returns the number of items.
    """
    here, there = (clients("dynamodb", region) for region in regions)
    make(here, there.describe_table(TableName=table)["Table"])
    kept = items(there, table)
    for item in kept.values():
        here.put_item(TableName=table, Item=item)
    return len(kept)

"""What lake, artifacts and table hold, how a drill loses them, and what is not there afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops import replication
from ops.replication import Clients

Key = tuple[str, str]


@dataclass(frozen=True)
class Places:
    """Where Terraform lets data lie: two buckets and a table in the first region, and their replicas in the second."""

    region: str
    backup: str
    lake: str
    artifacts: str
    table: str
    lake_replica: str
    artifacts_replica: str


@dataclass(frozen=True)
class Contents:
    """What is current at one moment: sha256 of each object by key, and each item of the table by its keys."""

    lake: Mapping[str, str]
    artifacts: Mapping[str, str]
    table: Mapping[Key, Mapping[str, Any]]


def contents(clients: Clients, places: Places) -> Contents:
    """Read everything, byte by byte."""
    s3 = clients("s3", places.region)
    items = replication.items(clients("dynamodb", places.region), places.table)
    return Contents(objects(s3, places.lake), objects(s3, places.artifacts), items)


def objects(s3: Any, bucket: str) -> dict[str, str]:
    """Return the sha256 of each object of a bucket, taken of the bytes that are read."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    return {key: hashlib.sha256(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).hexdigest() for key in keys}


def lose(clients: Clients, places: Places) -> None:
    """Delete every version of every object, both buckets, and the table."""
    s3, dynamodb = clients("s3", places.region), clients("dynamodb", places.region)
    for bucket in (places.lake, places.artifacts):
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            listed = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            named = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in listed]
            if named:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})
        s3.delete_bucket(Bucket=bucket)
    dynamodb.update_table(TableName=places.table, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=places.table)


def take_names_again(clients: Clients, places: Places) -> None:
    """Make both buckets again, empty and under their old names: the address of every artifact in the table has them."""
    s3 = clients("s3", places.region)
    for bucket in (places.lake, places.artifacts):
        s3.create_bucket(Bucket=bucket)


def sabotage(clients: Clients, places: Places, how: str) -> str:
    """Spoil a file of silver in the lake's replica, so that a drill has something to find; return its key.

    Parameters
    ----------
    how : `missing` deletes it, `altered` puts other bytes in its place.
    """
    s3 = clients("s3", places.backup)
    listed = s3.list_objects_v2(Bucket=places.lake_replica, Prefix="silver/weekly_features/")["Contents"]
    key = str(min(each["Key"] for each in listed))
    if how == "missing":
        s3.delete_object(Bucket=places.lake_replica, Key=key)
    else:
        s3.put_object(Bucket=places.lake_replica, Key=key, Body=b"altered", ChecksumAlgorithm="SHA256")
    return key


def gone(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> list[Any]:
    """Return the keys of what is not there any more, or is not what it was."""
    return sorted(key for key, value in before.items() if after.get(key) != value)


def tracked(table: str) -> dict[str, int]:
    """Return how many runs, params, tags, points of metrics and artifacts MLflow itself finds through the table."""
    from mlflow import MlflowClient

    client = MlflowClient(f"dynamodb://{table}")
    runs = [run for each in client.search_experiments() for run in client.search_runs([each.experiment_id])]
    points = sum(len(client.get_metric_history(run.info.run_id, name)) for run in runs for name in run.data.metrics)
    return {
        "runs": len(runs),
        "params": sum(len(run.data.params) for run in runs),
        "tags": sum(len(run.data.tags) for run in runs),
        "points of metrics": points,
        "artifacts": sum(_files(client, run.info.run_id) for run in runs),
    }


def _files(client: Any, run: str, folder: str | None = None) -> int:
    """Return how many files MLflow finds under the address that the run keeps."""
    listed = client.list_artifacts(run, folder)
    return sum(_files(client, run, each.path) if each.is_dir else 1 for each in listed)

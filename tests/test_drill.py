"""The recovery drill itself: it passes where the replica is whole, and says so where it is not.

Most of it runs on a small study with a pipeline of a few lines, in buckets that are made directly. The whole of it,
with Terraform and the demo study, takes minutes and comes last.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ops import drill, surroundings
from ops.drill import Drill, Result
from ops.losses import Places
from potato import lake

from .conftest import HERE
from .test_datalake import publish

# MLflow uses what the newest SQLAlchemy calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

EAST, WEST = "us-east-1", "us-west-2"


class Buckets:
    """Makes buckets with a rule, and a table with a stream, where they are not there yet.

    Parameters
    ----------
    about : the prefix of the keys that the lake's rule is about.
    promises : whether the rules promise to copy within 15 minutes.
    """

    def __init__(self, *, about: str = "", promises: bool = True) -> None:
        self._about, self._promises = about, promises
        self.replaced: list[str] = []
        lake, artifacts, *replicas = (f"cdp-test-{uuid.uuid4().hex[:8]}" for _ in range(4))
        self._places = Places(EAST, WEST, lake, artifacts, f"cdp-test-{uuid.uuid4().hex[:8]}", *replicas)

    def apply(self) -> Places:
        places = self._places
        for region, names in (
            (EAST, (places.lake, places.artifacts)),
            (WEST, (places.lake_replica, places.artifacts_replica)),
        ):
            s3 = surroundings.client("s3", region)
            there = {each["Name"] for each in s3.list_buckets()["Buckets"]}
            where = {} if region == EAST else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            for name in names:
                if name not in there:
                    s3.create_bucket(Bucket=name, **where)
                s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        dynamodb = surroundings.client("dynamodb", EAST)
        if self._places.table not in dynamodb.list_tables()["TableNames"]:
            keys = {"experiment_id": "HASH", "run_uuid": "RANGE"}
            dynamodb.create_table(
                TableName=self._places.table,
                KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                BillingMode="PAY_PER_REQUEST",
                StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            )
        return self._places

    def rules(self, bucket: str) -> list[dict[str, Any]]:
        is_lake = bucket == self._places.lake
        replica = self._places.lake_replica if is_lake else self._places.artifacts_replica
        within = {"ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}}} if self._promises else {}
        return [
            {
                "ID": "everything",
                "Status": "Enabled",
                "Filter": {"Prefix": self._about if is_lake else ""},
                "DeleteMarkerReplication": {"Status": "Enabled"},
                "Destination": {"Bucket": f"arn:aws:s3:::{replica}", **within},
            }
        ]


class Small(surroundings.Demo):
    """A pipeline whose stages write a table each; gold is tracked by MLflow as the real one is."""

    study = "small"
    drifts = False

    def first(self, machine: Path) -> None:
        publish(machine)
        shutil.rmtree(machine / "data/gold")

    def gold(self, machine: Path, places: Places, *, other: bool = False) -> None:
        from mlflow import MlflowClient

        self._publish_gold(machine, 0.9 if other else 0.95)
        tracking = MlflowClient(f"dynamodb://{places.table}")
        known = tracking.get_experiment_by_name("ols_cluster")
        experiment = (
            known.experiment_id
            if known
            else tracking.create_experiment("ols_cluster", artifact_location=f"s3://{places.artifacts}/experiments/1")
        )
        run = tracking.create_run(experiment, run_name="other" if other else "first")
        tracking.log_param(run.info.run_id, "study", self.study)
        tracking.log_metric(run.info.run_id, "n_obs", 3.0)
        tracking.set_terminated(run.info.run_id)
        for name in ("model.json", "coefficients.json"):
            key = f"experiments/1/{run.info.run_id}/artifacts/{name}"
            surroundings.client("s3", EAST).put_object(Bucket=places.artifacts, Key=key, Body=name.encode())

    def again(self, machine: Path) -> None:
        bronze = lake.fingerprint(machine / "data/bronze")
        publish(machine, rows=4 if self.drifts else 3)
        assert self.drifts or lake.fingerprint(machine / "data/bronze") == bronze
        self._publish_gold(machine, 0.95)

    def _publish_gold(self, machine: Path, confidence: float) -> None:
        lake.write(pa.table({"confidence": [confidence]}), machine / "data/gold/models/ols_cluster")
        lake.write_json(machine / "data/gold/reports/manifest.json", {"study": self.study})


@pytest.fixture
def run(aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Result, str]]:
    """Run a drill; return its result and what it printed."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("POTATO_LAKE", raising=False)

    def once(about: str = "", *, promises: bool = True, drifts: bool = False, **options: Any) -> tuple[Result, str]:
        lines: list[str] = []
        pipeline = Small()
        pipeline.drifts = drifts
        made = Buckets(about=about, promises=promises)
        result = Drill(surroundings.client, made, pipeline, tmp_path, say=lines.append, **options).run()
        return result, "\n".join([*lines, drill.told(result)])

    return once


def test_a_whole_replica_restores_everything_that_was_copied_and_the_rest_is_named(
    run: Callable[..., tuple[Result, str]],
) -> None:
    result, printed = run()
    assert result.failed == []
    lost = [name.split("/study=")[0] for name in result.lost_objects if name.startswith("lake: gold/")]
    assert lost == ["lake: gold/models"]
    assert [name for name in result.lost_objects if name.startswith("lake: manifests/")] == [
        "lake: manifests/study=small/latest.json"
    ]
    assert sum(name.startswith("artifacts: experiments/1/") for name in result.lost_objects) == 2
    assert result.tracked_before == result.tracked_after
    assert result.tracked_after == {"runs": 1, "params": 1, "tags": 1, "points of metrics": 1, "artifacts": 2}
    assert any("#metric#" in name for name in result.lost_items)
    assert result.age_seconds >= 15 * 60
    assert 0 < result.recovery_seconds < drill.RTO.total_seconds()
    assert "newer pushes that are not: 1; objects that are missing or other ones: 1" in printed
    assert printed.endswith("The drill passed.")


@pytest.mark.parametrize("how", ["missing", "altered"])
def test_an_object_that_is_missing_or_altered_in_the_replica_fails_the_drill_by_name(
    run: Callable[..., tuple[Result, str]], how: str
) -> None:
    result, printed = run(sabotage=how)
    assert not result.passed
    assert "No push of the study small is whole" in result.failed[-1]
    assert "silver/weekly_features/study=small/" in result.failed[-1]
    assert "THE DRILL FAILED:" in printed
    assert "The drill passed" not in printed


def test_a_rule_that_leaves_a_layer_out_fails_the_drill(run: Callable[..., tuple[Result, str]]) -> None:
    result, _ = run("manifests/")
    assert result.failed[0].startswith("the rules of the lake are about every object: 8 are not: ")
    assert "No push of the study small is whole" in result.failed[-1]


def test_a_rule_without_a_promised_time_fails_the_drill(run: Callable[..., tuple[Result, str]]) -> None:
    result, _ = run(promises=False)
    assert result.failed == ["a replication rule promises no time, so nothing bounds what can be lost"]


def test_copies_that_ended_more_than_an_hour_before_the_loss_miss_the_objective(
    run: Callable[..., tuple[Result, str]],
) -> None:
    result, _ = run(behind=61)
    (failed,) = result.failed
    assert "1 h 00 min are allowed (RPO)" in failed


def test_a_rerun_that_gives_other_bytes_fails_the_drill(run: Callable[..., tuple[Result, str]]) -> None:
    result, _ = run(drifts=True)
    assert any(what.startswith("made again from bronze") and "silver/weekly_features" in what for what in result.failed)


def test_what_is_missing_is_said_before_anything_begins(tmp_path: Path) -> None:
    env = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "ops.drill"], cwd=HERE, env=env, text=True, capture_output=True)
    assert done.returncode == 2
    assert "Terraform is not installed" in done.stderr
    assert done.stdout == ""

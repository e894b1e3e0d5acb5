"""What a recovery drill runs in: moto's server in AWS's place, Terraform upon it, and machines with the pipeline."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import yaml

from benchmarks import overhead
from ops.losses import Places
from ops.replication import Clients
from potato import snapshot

REGION = "us-east-1"
_OWN = ("AWS_", "POTATO_", "OTEL_", "OPENLINEAGE_", "MLFLOW_", "DVC_", "TRACEPARENT")


class Stopped(Exception):
    """A step of the drill failed, so that the next ones would prove nothing."""


class Infrastructure(Protocol):
    """Makes the buckets and the table, and makes what is missing of them again.

    Attributes
    ----------
    replaced : what the last apply deleted, or deleted and made again.
    """

    replaced: list[str]

    def apply(self) -> Places: ...

    def rules(self, bucket: str) -> list[dict[str, Any]]: ...


class Pipeline(Protocol):
    """The pipeline on a machine, which is a folder."""

    study: str

    def prepare(self, machine: Path) -> None: ...

    def first(self, machine: Path) -> None: ...

    def gold(self, machine: Path, places: Places, *, other: bool = False) -> None: ...

    def again(self, machine: Path) -> None: ...

    def potato(self, machine: Path, *words: str, region: str | None = None) -> str: ...

    def fingerprints(self, machine: Path) -> dict[str, str]: ...


def lacking() -> list[str]:
    """Return what the drill needs and this machine has not, in words."""
    found = []
    if shutil.which("terraform") is None:
        found.append("Terraform is not installed: 1.11 or newer (developer.hashicorp.com/terraform/install)")
    if importlib.util.find_spec("moto") is None:
        found.append("moto is not installed: type `make dr.drill`, which sets it up")
    return found


@contextmanager
def aws() -> Iterator[Clients]:
    """Run moto's server on loopback, and let this process and what it starts talk to nothing else."""
    from tests import cloud

    with cloud.server() as address:
        for name in [name for name in os.environ if name.startswith(_OWN)]:
            del os.environ[name]
        os.environ |= {
            "AWS_ENDPOINT_URL": address,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        yield client


def client(service: str, region: str) -> Any:
    """Return a client of the server that the environment names."""
    from boto3.session import Session

    return Session().client(service, region_name=region)


class Terraform:
    """A copy of infra/terraform, applied to moto's server with replication and without what runs jobs.

    Parameters
    ----------
    project : a folder for the copy; the state is a file in it.
    """

    def __init__(self, project: Path, clients: Clients) -> None:
        from tests import cloud

        self._cloud, self._clients = cloud, clients
        self._root = cloud.copy(project)
        for name, text in cloud.EXCEPTIONS.items():
            (self._root / name).write_text(text)
        (self._root / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        self._env = cloud.environment(os.environ["AWS_ENDPOINT_URL"], replication="true", compute="false")
        self._rules: dict[str, list[dict[str, Any]]] = {}
        self.replaced: list[str] = []

    def why_not(self) -> str | None:
        """Prepare it; return why Terraform can't be used here, or None."""
        reason: str | None = self._cloud.why_not(self._root, env=self._env)
        return reason

    def apply(self) -> Places:
        """Make what is missing; return where it is."""
        self._do("plan", "-input=false", "-out=drill.tfplan")
        planned = json.loads(self._do("show", "-json", "drill.tfplan"))
        self._do("apply", "-input=false", "-parallelism=40", "drill.tfplan")
        made = self._cloud.outputs(self._root, self._env)
        places = Places(
            region=REGION,
            backup=made["mlflow_table_replica"],
            lake=made["lake_bucket"],
            artifacts=made["mlflow_bucket"],
            table=made["mlflow_table"],
            lake_replica=made["replica_buckets"]["lake"],
            artifacts_replica=made["replica_buckets"]["mlflow"],
        )
        changes = planned["resource_changes"]
        self.replaced = [change["address"] for change in changes if "delete" in change["change"]["actions"]]
        for change in changes:
            if change["type"] == "aws_s3_bucket_replication_configuration" and change["change"]["after"]:
                bucket = {"lake": places.lake, "mlflow": places.artifacts}[change["index"]]
                self._rules[bucket] = change["change"]["after"]["rule"]
        self._let_in(places)
        return places

    def rules(self, bucket: str) -> list[dict[str, Any]]:
        """Return the rules that the bucket itself has, with the parts that moto forgets as Terraform planned them."""
        answer = self._clients("s3", REGION).get_bucket_replication(Bucket=bucket)
        return [
            remembered(rule, next(each for each in self._rules[bucket] if each["id"] == rule["ID"]))
            for rule in answer["ReplicationConfiguration"]["Rules"]
        ]

    def _let_in(self, places: Places) -> None:
        """Take the policies away: moto takes a denial for one without its conditions, over TLS as well."""
        for region, buckets in (
            (places.region, (places.lake, places.artifacts)),
            (places.backup, (places.lake_replica, places.artifacts_replica)),
        ):
            for bucket in buckets:
                self._clients("s3", region).delete_bucket_policy(Bucket=bucket)

    def _do(self, *words: str) -> str:
        done = self._cloud.terraform(self._root, *words, env=self._env)
        if done.returncode:
            raise Stopped(f"terraform {words[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
        return str(done.stdout)


def remembered(rule: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
    """Return a rule as AWS would answer it: moto answers every filter and every delete marker with its own default."""

    def status(*path: str) -> dict[str, str]:
        part: Any = planned
        for name in path:
            part = (part.get(name) or [{}])[0]
        return {"Status": part.get("status", "Disabled")}

    within = (planned.get("filter") or [{}])[0]
    return {
        **rule,
        "Filter": {"Prefix": within.get("prefix") or ""},
        "DeleteMarkerReplication": status("delete_marker_replication"),
        "SourceSelectionCriteria": {
            "SseKmsEncryptedObjects": status("source_selection_criteria", "sse_kms_encrypted_objects")
        },
    }


class Demo:
    """The pipeline on the demo study, with its commands."""

    study = "demo"

    def prepare(self, machine: Path) -> None:
        """Lay the project's files into a folder, as a fresh clone has them: without data."""
        machine.mkdir(parents=True)
        overhead.copy(machine)

    def first(self, machine: Path) -> None:
        """Make everything up to silver."""
        for stage in ("simulate", "bronze", "silver"):
            self.potato(machine, "run", stage)

    def gold(self, machine: Path, places: Places, *, other: bool = False) -> None:
        """Make gold and track it in the table; `other` asks for intervals of 90 % instead of 95 %."""
        if other:
            params = yaml.safe_load((machine / "params.yaml").read_text(encoding="utf-8"))
            params["gold"]["confidence"] = 0.9
            (machine / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        self._potato(
            machine,
            ("run", "gold"),
            MLFLOW_TRACKING_URI=f"dynamodb://{places.table}",
            MLFLOW_DEFAULT_ARTIFACT_ROOT=f"s3://{places.artifacts}",
        )

    def again(self, machine: Path) -> None:
        """Make silver and gold from the bronze that is there, and from nothing else."""
        for layer in ("silver", "quarantine", "gold"):
            shutil.rmtree(machine / "data" / layer)
        for stage in ("silver", "gold"):
            self.potato(machine, "run", stage)

    def potato(self, machine: Path, *words: str, region: str | None = None) -> str:
        """Return what a command says, which has to end well."""
        return self._potato(machine, words, **({"AWS_REGION": region} if region else {}))

    def fingerprints(self, machine: Path) -> dict[str, str]:
        """Return the sha256 of each published file by its path."""
        return {file.path: file.sha256 for file in snapshot.published(machine).files}

    def _potato(self, machine: Path, words: tuple[str, ...], **variables: str) -> str:
        env = os.environ | {"POTATO_ROOT": str(machine), "COLUMNS": "400"} | variables
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        done = subprocess.run(
            [str(Path(sys.executable).parent / "potato"), *words],
            cwd=machine,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = [line.strip("│╭╮╰╯─ ") for line in (done.stdout + done.stderr).splitlines()]
            raise Stopped("\n             ".join([f"potato {' '.join(words)}", *filter(None, lines[-30:])]))
        return done.stdout + done.stderr

"""AWS on loopback: moto's server, and Terraform working against it.

Moto does less than AWS. What that takes of the configuration is in `EXCEPTIONS`, file by file as Terraform's overrides,
and `tests/test_infra_apply.py` holds each of them against moto, so that none outlives its reason.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

INFRA = Path(__file__).parent.parent / "infra" / "terraform"

# What moto can't do yet, and what is done instead. The files are merged over those of the same folder.
EXCEPTIONS = {
    # Buckets can't be hosts on loopback.
    "loopback_override.tf": """
        provider "aws" {
          s3_use_path_style = true
        }
        provider "aws" {
          alias             = "backup"
          s3_use_path_style = true
        }
    """,
    # Moto has no replicas of tables; the stream that would feed one stays.
    "modules/mlflow/loopback_override.tf": """
        resource "aws_dynamodb_table" "backend" {
          dynamic "replica" {
            for_each = []
            content {
              region_name = ""
            }
          }
        }
    """,
    # Moto knows no service-linked role, and forgets the descriptions of rules.
    "modules/compute/loopback_override.tf": """
        resource "aws_batch_compute_environment" "spot" {
          service_role = aws_iam_role.this["execution"].arn
        }
        resource "aws_vpc_security_group_ingress_rule" "endpoints" {
          lifecycle {
            ignore_changes = [description]
          }
        }
        resource "aws_vpc_security_group_egress_rule" "interfaces" {
          lifecycle {
            ignore_changes = [description]
          }
        }
        resource "aws_vpc_security_group_egress_rule" "gateways" {
          lifecycle {
            ignore_changes = [description]
          }
        }
    """,
    # Moto forgets two parts of a replication rule.
    "modules/replica/loopback_override.tf": """
        resource "aws_s3_bucket_replication_configuration" "this" {
          lifecycle {
            ignore_changes = [rule]
          }
        }
    """,
}


@contextmanager
def open_to_data(s3: Any, *buckets: str) -> Iterator[None]:
    """Let objects be written and read until the block ends: moto takes a denial for one without its conditions.

    So it refuses what comes without TLS, and what comes with it, too. The policies are put back.
    """
    policies = {bucket: s3.get_bucket_policy(Bucket=bucket)["Policy"] for bucket in buckets}
    for bucket in buckets:
        s3.delete_bucket_policy(Bucket=bucket)
    try:
        yield
    finally:
        for bucket, policy in policies.items():
            s3.put_bucket_policy(Bucket=bucket, Policy=policy)


@contextmanager
def server() -> Iterator[str]:
    """Run moto's server on a free port of loopback and give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], **quiet)  # type: ignore[call-overload]
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/moto-api/", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, "moto's server ended"
                time.sleep(0.2)
        else:
            raise AssertionError("moto's server does not answer")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def environment(address: str | None = None, **variables: str) -> dict[str, str]:
    """Return Terraform's environment: moto's address, made-up credentials, and the variables of a repository."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "TF_VAR_", "GITHUB_"))}
    if not Path(kept.get("TF_CLI_CONFIG_FILE", "")).is_file():
        kept.pop("TF_CLI_CONFIG_FILE", None)  # Terraform does nothing at all, where it might ask the registry
    made = {"TF_IN_AUTOMATION": "1", "TF_CLI_ARGS": "-no-color", "AWS_EC2_METADATA_DISABLED": "true"}
    if address is not None:
        made |= {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    repository = {"github_repository": "someone/potato", "github_owner_id": "11", "github_repository_id": "22"}
    return kept | made | {f"TF_VAR_{name}": text for name, text in (repository | variables).items()}


def copy(project: Path) -> Path:
    """Copy infra/ into a folder, without what Terraform keeps there; return the folder of the configuration."""
    ignored = shutil.ignore_patterns(".terraform", "*.tfstate*", "*.tfplan", "backend.hcl", "terraform.tfvars")
    shutil.copytree(INFRA.parent, project / "infra", ignore=ignored)
    return project / "infra" / "terraform"


def unprovided(done: subprocess.CompletedProcess[str]) -> str | None:
    """Return the reason if an `init` ended because the provider can't be had, and None if it went well."""
    if done.returncode and "rovider" in done.stderr:
        named = os.environ.get("TF_CLI_CONFIG_FILE", "")
        missing = "" if Path(named).is_file() else ", which does not exist"
        mirror = f"TF_CLI_CONFIG_FILE is {named}{missing}" if named else "TF_CLI_CONFIG_FILE names no mirror"
        return f"Terraform's AWS provider can't be had: {mirror}, and the registry is out of reach"
    assert done.returncode == 0, done.stderr
    return None


def terraform(root: Path, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Terraform in a folder; the caller looks at how it ended."""
    return subprocess.run(
        ["terraform", *arguments], cwd=root, env=env, text=True, capture_output=True, timeout=400, check=False
    )


def why_not(root: Path, *arguments: str, env: dict[str, str]) -> str | None:
    """Prepare a configuration; return why Terraform can't be used here, or None if it can."""
    if shutil.which("terraform") is None:
        return "Terraform is not installed"
    return unprovided(terraform(root, "init", "-input=false", "-lockfile=readonly", *arguments, env=env))


def outputs(root: Path, env: dict[str, str]) -> dict[str, Any]:
    """Return the outputs of what was applied."""
    done = terraform(root, "output", "-json", env=env)
    assert done.returncode == 0, done.stderr
    return {name: output["value"] for name, output in json.loads(done.stdout).items()}

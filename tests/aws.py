"""AWS on the loopback interface: moto's server, and what tests make in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

REGION = "us-east-1"
_ANSWERS = 60  # seconds for the server to start on a busy machine


@contextmanager
def moto_server(log: Path) -> Iterator[str]:
    """Run moto's server in a process of its own on a free port until the block ends; yield its address."""
    with (
        log.open("w") as output,
        subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        ) as process,
    ):
        try:
            yield _address(process, log)
        finally:
            os.kill(process.pid, signal.SIGTERM)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the address that the server writes into its log, once it answers."""
    end = time.monotonic() + _ANSWERS
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        told = [word for word in log.read_text().split() if word.startswith("http://127.0.0.1:")]
        if told:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            opener.open(f"{told[0]}/moto-api/", timeout=_ANSWERS).close()
            return told[0]
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def point_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let AWS's clients, here and in child processes, talk to this server and to nothing else."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def client(service: str) -> Any:
    """Return a client of the server that `point_at` named."""
    from boto3.session import Session

    return Session().client(service, region_name=REGION)


def make_table(keys: dict[str, str] | None = None) -> str:
    """Make a table with a name of its own, of the runs' keys or of others, and return its name."""
    keys = keys or {"experiment_id": "HASH", "run_uuid": "RANGE"}
    name = f"cdp-test-mlflow-backend-{uuid.uuid4().hex[:8]}"
    client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def make_bucket() -> str:
    """Make a bucket with a name of its own, and return the name."""
    name = f"cdp-test-mlflow-artifacts-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=name)
    return name

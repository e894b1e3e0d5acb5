"""AWS on the loopback interface: moto's server, and what tests make in it."""

from __future__ import annotations

import ctypes
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

REGION = "us-east-1"
Answer = tuple[int, dict[str, Any]]
Forward = Callable[[dict[str, Any]], Answer]
_ANSWERS = 60  # seconds for the server to start on a busy machine

# One request after the other: moto looks at a condition and writes without a lock in between, as AWS never would.
_SERVE = """
from moto.moto_server.threaded_moto_server import MotoRequestHandler
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
application = DomainDispatcherApplication(create_backend_app)
run_simple("127.0.0.1", 0, application, threaded=False, request_handler=MotoRequestHandler)
"""


@contextmanager
def moto_server(log: Path) -> Iterator[str]:
    """Run moto's server in a process of its own on a free port until the block ends; yield its address."""
    with (
        log.open("w") as output,
        subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            preexec_fn=_die_with_the_tests,
        ) as process,
    ):
        try:
            yield _address(process, log)
        finally:
            os.kill(process.pid, signal.SIGTERM)


def _die_with_the_tests() -> None:
    """Let the kernel end the server when the tests are killed and can't; elsewhere than on Linux it may stay."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


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


@contextmanager
def between(address: str, answer: Callable[[str, dict[str, Any], Forward], Answer | None]) -> Iterator[str]:
    """Stand between DynamoDB's clients and the server until the block ends; yield the address of what stands there.

    Parameters
    ----------
    answer : gets the operation, such as PutItem, the request, and what forwards a request to the server; returns the
        status and the answer, or None to let the request through as it is.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept = {
                name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length")
            }

            def forward(request: dict[str, Any]) -> Answer:
                asked = urllib.request.Request(address, json.dumps(request).encode(), kept)
                try:
                    with opener.open(asked) as response:
                        return response.status, json.loads(response.read())
                except urllib.error.HTTPError as error:
                    return error.code, json.loads(error.read())

            request = json.loads(body)
            status, told = answer(self.headers["X-Amz-Target"].split(".")[1], request, forward) or forward(request)
            text = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def refused(code: str, message: str = "", **more: Any) -> Answer:
    """Return the answer by which DynamoDB refuses."""
    return 400, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more}


def client(service: str) -> Any:
    """Return a client of the server that `point_at` named."""
    return _client(service, os.environ["AWS_ENDPOINT_URL"])


@functools.cache
def _client(service: str, address: str) -> Any:
    # Making one takes longer than what most tests ask of it.
    from boto3.session import Session

    return Session().client(service, region_name=REGION, endpoint_url=address)


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

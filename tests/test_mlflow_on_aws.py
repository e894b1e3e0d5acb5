"""The pipeline with its data and artifacts in S3 and its runs in DynamoDB, seen through MLflow's server and page."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from potato import datalake, lake

from . import aws, aws_run

# MLflow uses what the newest SQLAlchemy calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

_STARTS = 120  # seconds for MLflow's server on a busy machine


@dataclass(frozen=True)
class Ran:
    """A project whose pipeline has run, and where its runs and artifacts are."""

    root: Path
    table: str
    bucket: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def ran(aws_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """Run the whole pipeline on a small study, with nothing changed but addresses: MLflow's and the data lake's."""
    project = aws_run.project(tmp_path_factory.mktemp("project"))
    with pytest.MonkeyPatch.context() as patch:
        aws.point_at(aws_server, patch)
        table, bucket = aws.make_table(), aws.make_bucket()
        clean = aws_run.environment(
            MLFLOW_TRACKING_URI=f"dynamodb://{table}",
            MLFLOW_DEFAULT_ARTIFACT_ROOT=f"s3://{bucket}",
            POTATO_LAKE=f"s3://{aws.make_bucket()}/live",
        )
        aws_run.run(project, clean, "dvc", "repro")
        yield Ran(project, table, bucket, clean)


@pytest.fixture(scope="module")
def server(ran: Ran, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of MLflow's own server over the table, with the registry in the project's database."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"dynamodb://{ran.table}", "--default-artifact-root", f"s3://{ran.bucket}"]
    command += ["--registry-store-uri", f"sqlite:///{ran.root / 'mlflow.db'}"]
    unset = ("MLFLOW_TRACKING_URI", "MLFLOW_DEFAULT_ARTIFACT_ROOT")
    environment = {name: value for name, value in ran.environment.items() if name not in unset}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            end = time.monotonic() + _STARTS
            while not _is_up(f"http://127.0.0.1:{port}/health"):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _open(url: str, body: dict[str, Any] | None = None) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with opener.open(asked, timeout=60) as response:
        return bytes(response.read())


def _is_up(url: str) -> bool:
    try:
        return bool(_open(url))
    except OSError:
        return False


def _keys(bucket: str) -> list[str]:
    pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [each["Key"] for page in pages for each in page.get("Contents", ())]


def test_the_whole_pipeline_is_tracked_in_dynamodb_and_s3(ran: Ran) -> None:
    items = aws.client("dynamodb").scan(TableName=ran.table)["Items"]
    runs = [item for item in items if "status" in item and "run_name" in item]
    models = {item["params"]["M"]["study"]["S"] + " " + item["tags"]["M"]["potato.model"]["S"] for item in runs}
    assert models == {"small fixed_effects", "small mixed_effects", "small ols_cluster"}
    assert {item["status"]["S"] for item in runs} == {"FINISHED"}
    logs = (ran.root / "runs/latest/logs.jsonl").read_text()
    assert "not tracked" not in logs
    assert "not registered" not in logs


def test_artifacts_are_under_experiments_and_models(ran: Ran) -> None:
    keys = _keys(ran.bucket)
    assert {key.split("/")[0] for key in keys} == {"experiments", "models"}
    assert {key.split("/")[1] for key in keys if key.startswith("experiments/")} == {"1", "2", "3"}
    families = {key.split("/")[1] for key in keys if key.startswith("models/")}
    assert families == {"fixed_effects", "mixed_effects", "ols_cluster"}
    (kept,) = [key for key in keys if key.startswith("models/fixed_effects/") and key.endswith("/model.json")]
    body = aws.client("s3").get_object(Bucket=ran.bucket, Key=kept)["Body"].read()
    assert body == (ran.root / "data/gold/models/fixed_effects/model.json").read_bytes()


def test_the_registry_is_the_project_s_own_database(ran: Ran) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"dynamodb://{ran.table}", f"sqlite:///{ran.root / 'mlflow.db'}")
    version = client.get_model_version_by_alias("potato-small", "accepted")
    assert str(version.source).startswith(f"s3://{ran.bucket}/models/")
    run = client.get_run(str(version.run_id))
    assert run.data.params["study"] == "small"
    (model,) = client.search_logged_models([run.info.experiment_id], "name = 'potato-small'")
    assert version.source == model.artifact_location
    (link,) = json.loads(model.tags["mlflow.modelVersions"])
    assert (link["name"], str(link["version"])) == ("potato-small", str(version.version))


def test_mlflow_s_server_answers_with_the_pipeline_s_runs(ran: Ran, server: str) -> None:
    api = f"{server}/api/2.0/mlflow"
    found = json.loads(_open(f"{api}/experiments/search?max_results=50"))["experiments"]
    names = {each["name"]: each["experiment_id"] for each in found}
    assert set(names) == {"Default", "fixed_effects", "mixed_effects", "ols_cluster"}
    asked = {"experiment_ids": [names["fixed_effects"]], "filter": "params.study = 'small'", "max_results": 5}
    (run,) = json.loads(_open(f"{api}/runs/search", asked))["runs"]
    identity = run["info"]["run_id"]
    metrics = {each["key"]: each["value"] for each in run["data"]["metrics"]}
    gold = lake.read_json(ran.root / "data/gold/models/fixed_effects/model.json")
    assert metrics["n_obs"] == gold["n_obs"]
    history = json.loads(_open(f"{api}/metrics/get-history?run_id={identity}&metric_key=n_obs"))["metrics"]
    assert [point["value"] for point in history] == [gold["n_obs"]]
    files = json.loads(_open(f"{api}/artifacts/list?run_id={identity}&path=model"))["files"]
    assert [each["path"] for each in files] == [
        "model/coefficients.parquet",
        "model/covariance.parquet",
        "model/model.json",
    ]
    kept = _open(f"{server}/get-artifact?run_id={identity}&path=model/model.json")
    assert kept == (ran.root / "data/gold/models/fixed_effects/model.json").read_bytes()
    with pytest.raises(urllib.error.HTTPError) as raised:
        _open(f"{server}/api/3.0/mlflow/traces/search", {"locations": [], "max_results": 5})
    raised.value.close()
    assert raised.value.code == 501, "what the store lacks is an answer, no crash"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_mlflow_s_page_shows_the_pipeline_s_runs(ran: Ran, server: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"dynamodb://{ran.table}", f"sqlite:///{ran.root / 'mlflow.db'}")
    found = client.get_experiment_by_name("fixed_effects")
    assert found is not None
    (run,) = client.search_runs([found.experiment_id])
    page = f"{server}/#/experiments/{found.experiment_id}/runs"
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-proxy-server",
    ]
    command += [
        f"--user-data-dir={tmp_path}",
        "--virtual-time-budget=30000",
        "--window-size=1500,900",
        "--dump-dom",
        page,
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout
    assert run.info.run_name in shown
    assert "fixed_effects" in shown


def test_each_stage_puts_its_layer_into_the_lake_and_gets_there_what_it_lacks(
    ran: Ran, aws_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.point_at(aws_server, monkeypatch)
    monkeypatch.setenv("POTATO_ROOT", str(ran.root))
    assert datalake.verify(ran.root, ran.environment["POTATO_LAKE"], "small") == []

    before = lake.fingerprint(ran.root / "data/silver")
    shutil.rmtree(ran.root / "data/bronze")
    for words in (("run", "silver"), ("lake", "verify")):
        done = subprocess.run(
            ["potato", *words], cwd=ran.root, env=ran.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "s3://" in done.stderr or "the same here and in the lake" in done.stderr
    assert lake.fingerprint(ran.root / "data/silver") == before

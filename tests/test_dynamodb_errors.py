"""What a person reads when AWS refuses: the permission, the variable or the table that it is about."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from potato import dynamodb, tracking
from potato.dynamodb import open_store

from .aws import Answer, Forward, between, make_bucket, make_table, refused
from .receivers import clean_environment
from .test_tracking import MODELS, PROJECT, _log, _write_gold

# MLflow uses what the newest SQLAlchemy calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROOT = "s3://cdp-test-mlflow-artifacts"


@pytest.fixture(autouse=True)
def _clean(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clean_environment(monkeypatch)


def _said(address: str, root: str | None = ROOT) -> tuple[str, str]:
    """Return code and text of the error that opening a store, or making an experiment in it, ends with."""
    with pytest.raises(MlflowException) as raised:
        open_store(address, root).create_experiment("any")
    return str(raised.value.error_code), str(raised.value)


def test_a_table_that_is_missing_is_named_with_its_region() -> None:
    code, text = _said("dynamodb://no-such-table")
    assert code == "RESOURCE_DOES_NOT_EXIST"
    assert "no table no-such-table in us-east-1" in text
    assert "AWS_REGION" in text


def test_a_table_of_another_region_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table()
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert f"no table {table} in eu-central-1" in _said(f"dynamodb://{table}")[1]


@pytest.mark.parametrize("keys", [{"run_uuid": "HASH", "experiment_id": "RANGE"}, {"id": "HASH"}])
def test_a_table_with_other_keys_is_refused(keys: dict[str, str]) -> None:
    code, text = _said(f"dynamodb://{make_table(keys)}")
    assert code == "INVALID_PARAMETER_VALUE"
    assert "expected experiment_id (S), run_uuid (S)" in text
    assert f"found {next(iter(keys))} (S)" in text


@pytest.mark.parametrize("address", ["dynamodb://", "dynamodb:///", "dynamodb://a/b", "dynamodb:table"])
def test_an_address_without_a_table_is_refused(address: str) -> None:
    assert "dynamodb://TABLE" in _said(address)[1]


def test_missing_credentials_name_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    code, text = _said(f"dynamodb://{table}")
    assert code == "UNAUTHENTICATED"
    assert "AWS_PROFILE" in text
    assert "AWS_SECRET_ACCESS_KEY" in text


def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "nobody" in _said("dynamodb://any")[1]


def test_a_missing_region_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "set AWS_REGION" in _said("dynamodb://any")[1]


def test_an_address_that_nobody_answers_at_names_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        code, text = _said("dynamodb://any")
    assert code == "TEMPORARILY_UNAVAILABLE"
    assert "AWS_ENDPOINT_URL" in text


def test_without_a_place_for_artifacts_the_variable_is_named() -> None:
    table = make_table()
    assert dynamodb.ARTIFACT_ROOT in _said(f"dynamodb://{table}", root=None)[1]
    assert open_store(f"dynamodb://{table}").create_experiment("own", "s3://elsewhere/x") == "1"


DENIED = "User: arn:aws:iam::1:role/x is not authorized to perform: dynamodb:PutItem on resource: arn:aws:dynamodb:t"


@pytest.mark.parametrize(
    ("operation", "answer", "code", "words"),
    [
        ("DescribeTable", refused("AccessDeniedException", "no"), "PERMISSION_DENIED", "lacks dynamodb:DescribeTable"),
        ("GetItem", refused("AccessDeniedException", "no"), "PERMISSION_DENIED", "lacks dynamodb:GetItem"),
        ("TransactWriteItems", refused("AccessDeniedException", DENIED), "PERMISSION_DENIED", "lacks dynamodb:PutItem"),
        ("DescribeTable", refused("UnrecognizedClientException", "invalid"), "UNAUTHENTICATED", "AWS_ACCESS_KEY_ID"),
        ("GetItem", refused("ExpiredTokenException", "expired"), "UNAUTHENTICATED", "expired"),
        ("GetItem", refused("InvalidSignatureException", "not yet current"), "UNAUTHENTICATED", "clock"),
        (
            "TransactWriteItems",
            refused("TransactionCanceledException", "x", CancellationReasons=[{"Code": "ThrottlingError"}]),
            "RESOURCE_EXHAUSTED",
            "throttles",
        ),
        ("UpdateItem", refused("ValidationException", "odd"), "INTERNAL_ERROR", "dynamodb:UpdateItem"),
    ],
)
def test_what_aws_refuses_is_told_with_what_mends_it(
    aws: str, monkeypatch: pytest.MonkeyPatch, operation: str, answer: Answer, code: str, words: str
) -> None:
    table = make_table()

    def refuse(asked: str, request: dict[str, Any], forward: Forward) -> Answer | None:
        return answer if asked == operation else None

    with between(aws, refuse) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        found, text = _said(f"dynamodb://{table}")
    assert found == code
    assert words in text
    assert table in text or code == "UNAUTHENTICATED"


def test_the_default_set_up_says_how_to_get_boto3(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["boto3"] = None
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "boto3" else real(name, *rest)
import mlflow
try:
    mlflow.MlflowClient("dynamodb://any")
except mlflow.MlflowException as error:
    print(error)
assert not [name for name in sys.modules if name.startswith("botocore")]
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ.copy(),
    )
    assert "make setup.aws" in done.stdout, done.stderr


def _track(root: Path, monkeypatch: pytest.MonkeyPatch, table: str) -> dict[str, str]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"dynamodb://{table}")
    return _log(root)


def test_tracking_that_aws_refuses_is_one_warning_that_names_the_cause(
    tmp_path: Path, aws: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _write_gold(tmp_path)
    table = make_table()

    def deny(asked: str, request: dict[str, Any], forward: Forward) -> Answer | None:
        return refused("AccessDeniedException", DENIED) if asked == "TransactWriteItems" else None

    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", f"s3://{make_bucket()}")
    with between(aws, deny) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", address)
        assert _track(tmp_path, monkeypatch, table) == {}
    assert [(record.name, record.levelno) for record in caplog.records] == [("potato.tracking", logging.WARNING)]
    assert "lacks dynamodb:PutItem" in caplog.text


def test_a_bucket_that_is_missing_is_one_warning_and_failed_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _write_gold(tmp_path)
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "s3://cdp-test-no-such-bucket")
    table = make_table()
    assert _track(tmp_path, monkeypatch, table) == {}
    assert [record.name for record in caplog.records] == ["potato.tracking"]
    assert "NoSuchBucket" in caplog.text


def test_a_table_gets_what_a_database_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    _write_gold(tmp_path)
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", f"s3://{make_bucket()}")
    table = make_table()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"dynamodb://{table}")
    tracking.prefetch(tmp_path)
    logged = _log(tmp_path)
    assert sorted(logged) == sorted(MODELS)
    client = MlflowClient(f"dynamodb://{table}", f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = client.get_run(logged["fixed_effects"])
    assert (run.info.status, run.data.metrics["estimate/fiber"]) == ("FINISHED", -0.5)
    assert len(run.outputs.model_outputs) == len(run.inputs.dataset_inputs) == 1
    names = [artifact.path for artifact in client.list_artifacts(run.info.run_id)]
    assert names == ["coefficients.json", "figures", "model"]
    assert client.get_model_version_by_alias("potato-demo", "accepted").run_id == logged["fixed_effects"]


def test_the_store_is_registered_under_its_scheme() -> None:
    import tomllib

    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert declared["mlflow.tracking_store"] == {"dynamodb": "potato.dynamodb:open_store"}

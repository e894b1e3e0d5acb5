"""The entry point by which MLflow finds its store in DynamoDB: `dynamodb://TABLE`.

MLflow imports this module whenever it is imported itself, so it imports nothing that costs time.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from potato.dynamodb_store import DynamoDbStore

ARTIFACT_ROOT = "MLFLOW_DEFAULT_ARTIFACT_ROOT"
"""The variable with the place of artifacts; MLflow's own server reads the same."""


def open_store(store_uri: str, artifact_uri: str | None = None) -> DynamoDbStore:
    """Return the tracking store of a table.

    Region, credentials and endpoint are those of any AWS client: AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL and so on.

    Parameters
    ----------
    store_uri : `dynamodb://TABLE`.
    artifact_uri : where artifacts go, such as s3://BUCKET; without it MLFLOW_DEFAULT_ARTIFACT_ROOT.

    Raises
    ------
    MlflowException : the address names no table, boto3 is missing, or the table can't be used; the text says why.
    """
    from mlflow.exceptions import MlflowException

    name = store_uri.removeprefix("dynamodb://").strip("/")
    if not store_uri.startswith("dynamodb://") or not name or "/" in name or "?" in name:
        raise MlflowException.invalid_parameter_value(f"{store_uri!r} names no table: write dynamodb://TABLE.")
    if importlib.util.find_spec("boto3") is None:
        raise MlflowException(
            "MLflow's runs in DynamoDB need boto3, which is not installed: type `make setup.aws`, "
            "or elsewhere `pip install boto3`."
        )
    from potato.dynamodb_store import DynamoDbStore
    from potato.dynamodb_table import Table

    return DynamoDbStore(Table(name), artifact_uri or os.environ.get(ARTIFACT_ROOT, "").strip() or None)

"""What AWS refuses, as MLflow's errors: each names the permission, variable or table that it is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore import exceptions as boto
from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2 as codes

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError

_CONFLICTS = ("ConditionalCheckFailedException", "TransactionConflictException", "TransactionInProgressException")
_CREDENTIALS = (
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "IncompleteSignature",
    "MissingAuthenticationTokenException",
    "MissingAuthenticationToken",
    "InvalidToken",
)
_EXPIRED = ("ExpiredTokenException", "ExpiredToken", "TokenRefreshRequired")
_SIGNATURE = ("InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed")
_BUSY = ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "Throttling")
_SETTINGS = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


class Conflict(Exception):
    """A condition did not hold, or another writer was there at the same time.

    Attributes
    ----------
    reasons : one code for each action of a transaction, such as ConditionalCheckFailed or None.
    """

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = reasons


def refusal(text: str, code: str = "INVALID_PARAMETER_VALUE") -> MlflowException:
    """Return MLflow's error with one of its codes by name."""
    return MlflowException(text, error_code=codes.ErrorCode.Value(code))


def explain(
    error: BotoCoreError | boto.ClientError | ValueError, operation: str, table: str, region: str | None
) -> Exception:
    """Return the error to raise for one of boto3's.

    Parameters
    ----------
    operation : boto3's name of the call, such as put_item.
    """
    if isinstance(error, boto.ClientError):
        return _answer(error, operation, table, region)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError):
        return refusal(f"There are no AWS credentials for DynamoDB: {_SETTINGS}.", "UNAUTHENTICATED")
    if isinstance(error, boto.ProfileNotFound):
        return refusal(f"{error}: AWS_PROFILE names no profile of ~/.aws/config.", "UNAUTHENTICATED")
    if isinstance(error, boto.TokenRetrievalError | boto.UnauthorizedSSOTokenError):
        return refusal(f"The AWS session is over ({error}): type `aws sso login`.", "UNAUTHENTICATED")
    if isinstance(error, boto.NoRegionError | boto.InvalidRegionError):
        return refusal(f"DynamoDB needs an AWS region: set AWS_REGION ({error}).")
    if isinstance(error, boto.HTTPClientError | boto.EndpointConnectionError | boto.ConnectionError):
        return refusal(
            f"DynamoDB can't be reached for the table {table} in {region or 'no region'} ({_short(error)}): "
            "look at AWS_REGION and AWS_ENDPOINT_URL.",
            "TEMPORARILY_UNAVAILABLE",
        )
    return refusal(f"The table {table} can't be used ({_short(error)}): look at AWS_ENDPOINT_URL and AWS_REGION.")


def _answer(error: boto.ClientError, operation: str, table: str, region: str | None) -> Exception:
    code, told = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    permission = "dynamodb:" + "".join(word.capitalize() for word in operation.split("_"))
    if code in _CONFLICTS:
        return Conflict([code])
    if code == "TransactionCanceledException":
        reasons = [each.get("Code", "None") for each in error.response.get("CancellationReasons", ())]
        known = {"None", "ConditionalCheckFailed", "TransactionConflict"}
        if set(reasons) <= known:
            return Conflict(reasons)
        if set(reasons) <= known | {"ThrottlingError", "ProvisionedThroughputExceeded"}:
            code = _BUSY[0]
    if code == "ResourceNotFoundException":
        return refusal(
            f"There is no table {table} in {region}. Create it (infra/terraform), or correct AWS_REGION or the "
            "table's name in MLFLOW_TRACKING_URI.",
            "RESOURCE_DOES_NOT_EXIST",
        )
    if code.startswith("AccessDenied") or code in ("UnauthorizedOperation", "NotAuthorized"):
        # A transaction needs the permission of each action in it; AWS's own text names the one that is missing.
        named = re.search(r"perform: ([\w-]+:\w+)", told)
        missing = named[1] if named else permission
        return refusal(f"The AWS role lacks {missing} on the table {table} in {region}: {told}", "PERMISSION_DENIED")
    if code in _CREDENTIALS:
        return refusal(f"AWS does not know these credentials ({told}): {_SETTINGS}.", "UNAUTHENTICATED")
    if code in _EXPIRED:
        return refusal(f"The AWS credentials have expired ({told}): get new ones.", "UNAUTHENTICATED")
    if code in _SIGNATURE:
        return refusal(
            f"AWS refuses the signature ({told}): look at AWS_SECRET_ACCESS_KEY and at this machine's clock.",
            "UNAUTHENTICATED",
        )
    if code in _BUSY:
        return refusal(
            f"DynamoDB throttles the table {table}: try again later, or give it more capacity.", "RESOURCE_EXHAUSTED"
        )
    return refusal(f"DynamoDB refused {permission} on the table {table} ({code}): {told}", "INTERNAL_ERROR")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]

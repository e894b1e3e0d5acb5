"""One S3 bucket, or a folder of it: objects with checksums, conditional writes, and AWS's refusals in words."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from potato import lake
from potato.errors import PotatoError

_ADDRESS = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[\w./=-]*))?")
_CHECKSUM = re.compile(r"Checksum(CRC\w+|SHA\w+)")
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
_UNKNOWN = ("InvalidAccessKeyId", "InvalidToken", "ExpiredToken", "TokenRefreshRequired", "InvalidClientTokenId")
_CLOCK = ("RequestTimeTooSkewed", "RequestExpired", "SignatureDoesNotMatch")
_BUSY = ("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "ServiceUnavailable")
_NEEDED = re.compile(r"authorized to perform: ([\w-]+:\w+)")  # how AWS names the permission that is missing
_CREDENTIALS = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_ATTEMPTS = 6
_AT_ONCE = 5 << 30  # bytes that S3 copies in one request; what is copied in parts gets another checksum
_PAUSE = 0.2  # seconds before the second attempt to read an answer; each further pause is longer by as much

T = TypeVar("T")


class Taken(Exception):
    """A conditional write found that somebody else had written in the meantime."""


@dataclass(frozen=True)
class Held:
    """What S3 knows of an object's bytes: how many, and the checksum that it took of them, if one was asked for."""

    size: int
    checksum: tuple[str, str] | None


class Bucket:
    """A bucket, or a folder of it, as `s3://BUCKET/FOLDER` names it.

    Every method raises PotatoError where AWS refuses: it names the permission, the variable or the bucket that it is
    about. A request that is throttled or cut off is repeated a few times first.

    Parameters
    ----------
    region : the bucket's; else what AWS_REGION or AWS's own settings say.
    """

    def __init__(self, address: str, connections: int = 8, region: str | None = None) -> None:
        found = _ADDRESS.fullmatch(address.strip())
        if not found:
            raise PotatoError(
                "This is no address of a data lake.",
                where="params.yaml, lake, or --at",
                expected="s3://BUCKET or s3://BUCKET/FOLDER",
                found=address,
                hint="type `terraform -chdir=infra/terraform output` for the bucket's name",
            )
        self.name, prefix = found["bucket"], (found["prefix"] or "").strip("/")
        self.prefix = f"{prefix}/" if prefix else ""
        self.address = f"s3://{self.name}/{prefix}".rstrip("/")
        self._connections = connections
        # boto3 itself reads AWS_DEFAULT_REGION only; every other AWS tool reads AWS_REGION first.
        self._region = region or os.environ.get("AWS_REGION") or None
        self._client: Any = None

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Return an object's content and its ETag, or None where there is none."""
        with self._told("s3:GetObject", key) as client:
            try:
                return self._answer(client, key, lambda answer: (answer["Body"].read(), answer["ETag"]))
            except client.exceptions.NoSuchKey:
                return None

    def write(self, key: str, content: bytes, *, after: str | None) -> None:
        """Write a small object, on the condition that it still has the ETag `after`, or is not there if that is None.

        Raises
        ------
        Taken : somebody else was faster.
        """
        condition = {"IfMatch": after} if after else {"IfNoneMatch": "*"}
        with self._told("s3:PutObject", key) as client:
            client.put_object(
                Bucket=self.name,
                Key=self.prefix + key,
                Body=content,
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=_base64(hashlib.sha256(content).hexdigest()),
                **condition,
            )

    def holds(self, key: str, sha256: str, size: int) -> bool:
        """Tell whether an object is there with these bytes, by the checksum that S3 took when it came in."""
        return self.held(key) == Held(size, ("ChecksumSHA256", _base64(sha256)))

    def keys(self, beginning: str = "") -> list[str]:
        """Return the keys of all objects that begin so, sorted."""
        with self._told("s3:ListBucket", beginning) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self.prefix + beginning)
            found = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return sorted(key.removeprefix(self.prefix) for key in found)

    def held(self, key: str) -> Held | None:
        """Return what S3 knows of an object's bytes without reading them, or None where there is none."""
        with self._told("s3:GetObject", key) as client:
            try:
                answer = client.head_object(Bucket=self.name, Key=self.prefix + key, ChecksumMode="ENABLED")
            except client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"].get("HTTPStatusCode") == 404:
                    return None
                # The answer to a HEAD has no room for the reason. A GET tells it.
                client.get_object(Bucket=self.name, Key=self.prefix + key, Range="bytes=0-0")["Body"].close()
                raise
        checksums = sorted((name, value) for name, value in answer.items() if _CHECKSUM.fullmatch(name))
        return Held(answer["ContentLength"], checksums[0] if checksums else None)

    def copy(self, key: str, source: Bucket) -> None:
        """Let S3 copy an object of another bucket, with its checksum; nothing of it passes through this machine."""
        from boto3.s3.transfer import TransferConfig

        with source._told("s3:GetObject", key) as there, self._told("s3:PutObject", key) as client:
            client.copy(
                {"Bucket": source.name, "Key": source.prefix + key},
                self.name,
                self.prefix + key,
                SourceClient=there,
                Config=TransferConfig(multipart_threshold=_AT_ONCE, use_threads=False),
            )

    def upload(self, path: Path, key: str, sha256: str) -> None:
        """Write a file's bytes; S3 takes them only when they have this checksum."""
        with self._told("s3:PutObject", key) as client, path.open("rb") as stream:
            client.put_object(
                Bucket=self.name,
                Key=self.prefix + key,
                Body=stream,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=_base64(sha256),
            )

    def download(self, key: str, path: Path, sha256: str) -> None:
        """Write an object's bytes into the file `path`, which appears only when they have this checksum."""
        part = path.with_name(f".{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)

        def write(answer: Any) -> None:
            with part.open("wb") as stream:
                for block in answer["Body"].iter_chunks(1 << 20):
                    stream.write(block)

        with self._told("s3:GetObject", key) as client:
            try:
                self._answer(client, key, write)
            except client.exceptions.NoSuchKey:
                raise self._damaged(key, "nothing") from None
        found = lake.file_sha256(part)
        if found != sha256:
            part.unlink()
            raise self._damaged(key, f"sha256 {found[:12]}, where {sha256[:12]} was pushed")
        part.replace(path)

    def _answer(self, client: Any, key: str, take: Callable[[Any], T]) -> T:
        """Return what `take` makes of an answer, asked for again where it breaks off; boto3 repeats requests only."""
        from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

        attempt = 1
        while True:
            answer = client.get_object(Bucket=self.name, Key=self.prefix + key)
            try:
                return take(answer)
            except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
                if attempt >= _ATTEMPTS:
                    raise
            time.sleep(_PAUSE * attempt)
            attempt += 1

    def _damaged(self, key: str, found: str) -> PotatoError:
        return PotatoError(
            "An object of the data lake is not what was pushed.",
            where=f"s3://{self.name}/{self.prefix}{key}",
            expected="the bytes that the manifest names",
            found=found,
            hint="push again from a machine that has the data: `potato lake push`",
        )

    @contextmanager
    def _told(self, permission: str, key: str) -> Iterator[Any]:
        """Yield the client; turn what it raises into words."""
        try:
            from botocore import exceptions
        except ImportError:
            raise PotatoError(
                "The package that talks to AWS is not installed.",
                where="boto3",
                expected="the extra `aws`",
                found="nothing",
                hint="type `make setup.aws`",
            ) from None
        where = f"s3://{self.name}/{self.prefix}{key}"
        try:
            yield self._connected()
        except exceptions.ClientError as error:
            raise self._refused(error, permission, where) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
            raise _error("There are no AWS credentials.", where, str(error), _CREDENTIALS) from None
        except (exceptions.ProfileNotFound, exceptions.TokenRetrievalError, exceptions.SSOError) as error:
            raise _error("AWS can't be signed in to.", where, str(error), "correct AWS_PROFILE, or sign in") from None
        except exceptions.NoRegionError as error:
            raise _error("No AWS region is told.", where, str(error), "set AWS_REGION, such as us-east-1") from None
        except (exceptions.BotoCoreError, exceptions.HTTPClientError, ConnectionError, ValueError) as error:
            hint = "look at the network, AWS_REGION and AWS_ENDPOINT_URL, and type the same command again: it goes on"
            raise _error("The data lake can't be reached.", where, str(error), hint) from None

    def _connected(self) -> Any:
        if self._client is None:
            import boto3
            from botocore.config import Config

            config = Config(
                max_pool_connections=self._connections,
                connect_timeout=10,
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            )
            self._client = boto3.session.Session().client("s3", region_name=self._region, config=config)
        return self._client

    def _refused(self, error: Any, permission: str, where: str) -> Exception:
        code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        status = error.response["ResponseMetadata"].get("HTTPStatusCode")
        if code in _TAKEN or status == 412:
            return Taken(where)
        if code == "NoSuchBucket":
            hint = "make it with infra/terraform, or correct the name in params.yaml, lake"
            return _error(f"There is no bucket {self.name}.", where, said, hint)
        if code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"):
            return _error("The bucket is in another region.", where, said, "set AWS_REGION to the bucket's region")
        if code in _UNKNOWN:
            return _error("AWS does not accept these credentials.", where, f"{code}: {said}", _CREDENTIALS)
        if code in _CLOCK:
            hint = "set this machine's clock, and look at AWS_SECRET_ACCESS_KEY"
            return _error("AWS refuses the signature.", where, f"{code}: {said}", hint)
        if code in _BUSY:
            return _error("S3 asks for fewer requests.", where, f"{code}: {said}", "type the same command again later")
        if code == "InvalidObjectState":
            restore = f"aws s3api restore-object --bucket {self.name} --key KEY --restore-request Days=7"
            hint = f"type `{restore}`, and hours later the same command again"
            return _error("The object is in the archive.", where, said or code, hint)
        if code.startswith("KMS."):
            return _error(
                "The key that encrypts the bucket can't be used.", where, f"{code}: {said}", "enable the KMS key"
            )
        if status == 403:
            needed = _NEEDED.search(said)
            missing = needed[1] if needed else permission
            hint = f"give the role {missing}; or is {self.name} somebody else's bucket?"
            if not needed and permission == "s3:GetObject":
                hint = (
                    f"give the role {missing} on this key, and s3:ListBucket on the bucket; or is it somebody else's?"
                )
            return _error(f"{missing} is not allowed.", where, said or code, hint)
        if status is not None and status >= 500:
            return _error("S3 fails to answer.", where, f"{code}: {said}", "type the same command again later")
        return _error(f"S3 refused {permission}.", where, f"{code}: {said}", "look at the bucket's policy")


def _error(what: str, where: str, found: str, hint: str) -> PotatoError:
    return PotatoError(what, where=where, found=" ".join(found.split())[:300], hint=hint)


def _base64(sha256: str) -> str:
    """Return a hexadecimal checksum as S3 writes it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()

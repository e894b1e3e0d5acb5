"""A stage's log lines in CloudWatch Logs, where POTATO_LOG_GROUP names a group; alarms count what stands in them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from potato import run as runs
from potato.run import Run

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

GROUP = "POTATO_LOG_GROUP"
"""The variable that names the log group; without it nothing is sent."""

Event = dict[str, Any]
Say = Callable[[str], None]

_MOST, _BYTES, _OVERHEAD = 10_000, 1_048_576, 26  # CloudWatch's limits of a request, and what it adds to each line
_LONGEST = 250_000  # bytes of a line
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


@contextlib.contextmanager
def kept(run: Run, stage: str, say: Say) -> Iterator[None]:
    """Send what the block adds to a run's logs.jsonl, in whichever way it ends; the stream is RUN_ID/STAGE.

    What can't be sent is one line for the person at the terminal, and raises nothing: it is in logs.jsonl all the same.
    """
    group = os.environ.get(GROUP, "").strip()
    if not group:
        yield
        return
    log = run.folder / "logs.jsonl"
    before = log.stat().st_size if log.exists() else 0
    try:
        yield
    finally:
        with contextlib.suppress(OSError), log.open("rb") as stream:
            stream.seek(before)
            _try_to_send(group, f"{run.id}/{stage}", events(stream, stage), say)


def events(lines: Iterable[bytes], stage: str) -> list[Event]:
    """Return the lines of one stage as CloudWatch takes them, in the order of time; half a line is left out."""
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if entry.get("stage") == stage:
                moment = int(runs.seconds(entry["ts"]) * 1000)
                found.append({"timestamp": moment, "message": _short(entry, line.decode().strip())})
    return sorted(found, key=lambda event: event["timestamp"])


def batches(found: Iterable[Event]) -> Iterator[list[Event]]:
    """Yield the events in requests that CloudWatch takes."""
    batch: list[Event] = []
    size = 0
    for event in found:
        weight = len(event["message"].encode()) + _OVERHEAD
        if batch and (len(batch) == _MOST or size + weight > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += weight
    if batch:
        yield batch


def _short(entry: Event, message: str) -> str:
    """Return a line as it is, or without its longest fields where it is too long for an event."""
    while len(message.encode()) > _LONGEST:
        longest = max(entry, key=lambda name: len(str(entry[name])))
        entry[longest] = f"{str(entry[longest])[:200]}... (the whole line is in logs.jsonl)"
        message = json.dumps(entry, ensure_ascii=False)
    return message


def _try_to_send(group: str, stream: str, found: list[Event], say: Say) -> None:
    if not found:
        return
    try:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        say(f"warning: {GROUP} is set, and boto3 is not installed: type `make setup.aws`")
        return
    region = os.environ.get("AWS_REGION") or None  # boto3 itself reads AWS_DEFAULT_REGION only
    config = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
    try:
        client = Session().client("logs", region_name=region, config=config)
        with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
            client.create_log_stream(logGroupName=group, logStreamName=stream)
        for batch in batches(found):
            answer = client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=batch)
            if refused := answer.get("rejectedLogEventsInfo"):
                say(f"warning: CloudWatch left out lines of {stream}: {refused}; look at this machine's clock")
    except (BotoCoreError, ClientError, ValueError) as error:
        say(f"warning: the log lines were not sent to {group}: {_reason(error)}")


def _reason(error: BotoCoreError | ClientError | ValueError) -> str:
    said = " ".join(str(error).split())[:300]
    response = getattr(error, "response", {})
    code = response.get("Error", {}).get("Code", "")
    if code == "ResourceNotFoundException":
        return f"there is no such log group; correct {GROUP} or AWS_REGION"
    if code in _DENIED:
        operation = getattr(error, "operation_name", "PutLogEvents")
        return f"the role lacks logs:{operation} ({said})"
    return f"{said}; look at {GROUP}, AWS_REGION and the credentials"

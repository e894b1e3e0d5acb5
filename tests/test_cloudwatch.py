"""A stage's log lines in CloudWatch: those of the file, whichever way it ends, and never a reason to fail."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from potato import cloudwatch
from potato import run as runs
from potato.run import Run

from .aws import Answer, Forward, between, client, refused


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "run"
    folder.mkdir()
    return Run(str(uuid.uuid4()), "0" * 32, folder)


@pytest.fixture
def group(aws: str, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"/cdp-test-{uuid.uuid4().hex[:8]}/pipeline"
    client("logs").create_log_group(logGroupName=name)
    monkeypatch.setenv(cloudwatch.GROUP, name)
    return name


def write(run: Run, event: str, stage: str = "gold", **fields: Any) -> None:
    runs.append(run.folder / "logs.jsonl", {"ts": runs.now(), "level": "info", "event": event, "stage": stage} | fields)


def sent(group: str, stream: str) -> list[dict[str, Any]]:
    told = client("logs").get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    return [json.loads(event["message"]) for event in told]


def test_the_lines_that_a_stage_wrote_are_sent_as_they_are_and_those_before_it_are_not(run: Run, group: str) -> None:
    write(run, "of an earlier stage", "silver")
    write(run, "of an earlier try")
    said: list[str] = []
    with cloudwatch.kept(run, "gold", said.append):
        write(run, "stage started", found="Größe")
        write(run, "meanwhile", "silver")
        write(run, "stage ran", seconds=1.5)
    lines = [json.loads(line) for line in (run.folder / "logs.jsonl").read_text().splitlines()]
    assert sent(group, f"{run.id}/gold") == [lines[2], lines[4]]
    assert said == []


def test_a_stage_that_fails_sends_its_lines_and_its_error_stays_what_it_was(run: Run, group: str) -> None:
    def stage() -> None:
        with cloudwatch.kept(run, "gold", print):
            write(run, "stage failed", level="error")
            raise KeyError("what went wrong")

    with pytest.raises(KeyError, match="what went wrong"):
        stage()
    assert [line["level"] for line in sent(group, f"{run.id}/gold")] == ["error"]


def test_a_second_try_of_a_stage_goes_into_the_same_stream(run: Run, group: str) -> None:
    for event in ("first", "second"):
        with cloudwatch.kept(run, "gold", print):
            write(run, event)
    assert [line["event"] for line in sent(group, f"{run.id}/gold")] == ["first", "second"]


def test_without_the_variable_nothing_is_sent(run: Run, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cloudwatch.GROUP)
    with cloudwatch.kept(run, "gold", print):
        write(run, "stage ran")
    assert client("logs").describe_log_streams(logGroupName=group)["logStreams"] == []


@pytest.mark.parametrize(
    ("operation", "answer", "words"),
    [
        ("CreateLogStream", refused("AccessDeniedException", "no"), "lacks logs:CreateLogStream"),
        ("PutLogEvents", refused("AccessDeniedException", "no"), "lacks logs:PutLogEvents"),
        ("PutLogEvents", refused("ResourceNotFoundException", "no"), "no such log group; correct POTATO_LOG_GROUP"),
        ("PutLogEvents", refused("ExpiredTokenException", "over"), "credentials"),
    ],
)
def test_what_aws_refuses_is_one_line_that_names_what_to_change(
    run: Run, group: str, aws: str, monkeypatch: pytest.MonkeyPatch, operation: str, answer: Answer, words: str
) -> None:
    def refuse(asked: str, request: dict[str, Any], forward: Forward) -> Answer | None:
        return answer if asked == operation else None

    said: list[str] = []
    with between(aws, refuse) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with cloudwatch.kept(run, "gold", said.append):
            write(run, "stage ran")
    [line] = said
    assert words in line
    assert group in line


def test_missing_credentials_or_region_are_one_line(run: Run, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    for names in (("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"), ("AWS_REGION", "AWS_DEFAULT_REGION")):
        with monkeypatch.context() as patch:
            for name in names:
                patch.delenv(name)
            with cloudwatch.kept(run, "gold", said.append):
                write(run, "stage ran")
    assert "credentials" in said[0]
    assert "AWS_REGION" in said[1]


def test_half_a_line_is_left_out_and_the_others_are_in_the_order_of_time() -> None:
    lines = [
        b'{"ts": "2026-01-01T00:00:02.000Z", "stage": "gold"}\n',
        b'{"ts": "2026-01-01T00:00:01.500Z", "stage": "gold"}\n',
        b'{"ts": "2026-01-01T00:00:0',
    ]
    assert [event["timestamp"] for event in cloudwatch.events(lines, "gold")] == [1767225601500, 1767225602000]


def test_a_line_too_long_for_an_event_loses_its_longest_field_and_stays_json() -> None:
    entry = {"ts": runs.now(), "stage": "gold", "level": "error", "traceback": "ü" * 300_000}
    [event] = cloudwatch.events([json.dumps(entry).encode()], "gold")
    assert len(event["message"].encode()) < 250_000
    told = json.loads(event["message"])
    assert (told["level"], told["traceback"][:3]) == ("error", "üüü")
    assert "logs.jsonl" in told["traceback"]


def test_requests_keep_to_the_limits_of_cloudwatch() -> None:
    long = [{"timestamp": 0, "message": "x" * 200_000}] * 12
    short = [{"timestamp": 0, "message": "x"}] * 10_001
    for events in (long, short):
        made = list(cloudwatch.batches(events))
        assert [event for batch in made for event in batch] == events
        for batch in made:
            assert len(batch) <= 10_000
            assert sum(len(event["message"]) + 26 for event in batch) <= 1_048_576

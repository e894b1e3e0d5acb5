from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from potato import spool


def _run(root: Path, name: str, *events: str) -> Path:
    folder = root / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    for event in events:
        spool.add(folder, {"eventTime": event, "run": name})
    return folder


def _times(events: list[dict[str, Any]]) -> list[str]:
    return [event["eventTime"] for event in events]


def test_the_oldest_run_is_delivered_first_and_each_run_in_its_order(tmp_path: Path) -> None:
    _run(tmp_path, "b", "02", "05")
    _run(tmp_path, "c", "03", "01")
    _run(tmp_path, "a", "04")
    (tmp_path / "runs/latest").symlink_to("a")
    sent: list[dict[str, Any]] = []
    assert spool.deliver(tmp_path / "runs", sent.append) == spool.Delivery(delivered=5)
    assert _times(sent) == ["02", "05", "03", "01", "04"]
    assert list((tmp_path / "runs").glob("*/spool")) == []


def test_a_run_that_started_earlier_goes_first_whatever_it_told_last(tmp_path: Path) -> None:
    for name, started, told in (("a", "2", "5"), ("b", "1", "9")):
        folder = _run(tmp_path, name, told)
        (folder / "run.json").write_text(json.dumps({"started": started}))
    assert [folder.name for folder in spool.folders(tmp_path / "runs")] == ["b", "a"]


def test_what_was_delivered_before_a_failure_is_not_sent_again(tmp_path: Path) -> None:
    folder = _run(tmp_path, "a", "01", "02", "03")
    sent: list[dict[str, Any]] = []

    def fails_once(event: dict[str, Any]) -> None:
        if len(sent) == 1 and not failures:
            failures.append(event)
            raise ConnectionError("gone")
        sent.append(event)

    failures: list[dict[str, Any]] = []
    told = spool.Delivery()
    with pytest.raises(ConnectionError):
        spool.deliver(tmp_path / "runs", fails_once, told=told)
    assert told.delivered == 1
    assert _times(spool.waiting(folder)) == ["02", "03"]
    spool.deliver(tmp_path / "runs", fails_once)
    assert _times(sent) == ["01", "02", "03"]


def test_a_refused_event_is_put_aside_and_the_next_one_goes_on(tmp_path: Path) -> None:
    folder = _run(tmp_path, "a", "01", "02", "03")
    sent: list[dict[str, Any]] = []

    def picky(event: dict[str, Any]) -> None:
        if event["eventTime"] == "02":
            raise spool.Refused
        sent.append(event)

    assert spool.deliver(tmp_path / "runs", picky) == spool.Delivery(delivered=2, refused=1)
    assert _times(sent) == ["01", "03"]
    aside = (folder / "spool/lineage.refused.jsonl").read_text().splitlines()
    assert [json.loads(line)["eventTime"] for line in aside] == ["02"]
    assert spool.folders(tmp_path / "runs") == []


def test_what_is_told_while_the_spool_is_emptied_goes_out_as_well(tmp_path: Path) -> None:
    folder = _run(tmp_path, "a", "01")
    sent: list[dict[str, Any]] = []

    def slow(event: dict[str, Any]) -> None:
        sent.append(event)
        if len(sent) == 1:
            spool.add(folder, {"eventTime": "02", "run": "a"})

    spool.deliver(tmp_path / "runs", slow)
    assert _times(sent) == ["01", "02"]


def test_a_delivery_stops_when_it_may_not_go_on(tmp_path: Path) -> None:
    folder = _run(tmp_path, "a", "01", "02", "03")
    sent: list[dict[str, Any]] = []
    spool.deliver(tmp_path / "runs", sent.append, go_on=lambda: len(sent) < 2)
    assert _times(sent) == ["01", "02"]
    assert _times(spool.waiting(folder)) == ["03"]


def test_half_a_line_costs_no_other_event(tmp_path: Path) -> None:
    folder = _run(tmp_path, "a", "01")
    with (folder / "spool/lineage.jsonl").open("a") as stream:
        stream.write('{"eventTime": "0\n')
    spool.add(folder, {"eventTime": "03"})
    sent: list[dict[str, Any]] = []
    spool.deliver(tmp_path / "runs", sent.append)
    assert _times(sent) == ["01", "03"]


def _deliver_to(runs: Path, path: Path) -> None:
    def send(event: dict[str, Any]) -> None:
        with path.open("a") as stream:
            stream.write(event["eventTime"] + "\n")

    spool.deliver(runs, send)


def test_two_processes_at_once_send_each_event_once_and_in_order(tmp_path: Path) -> None:
    expected = [f"{n:03}" for n in range(60)]
    for run in range(3):
        _run(tmp_path, f"run{run}", *expected[run * 20 : run * 20 + 20])
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_deliver_to, args=(tmp_path / "runs", tmp_path / "sent")) for _ in range(3)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert [other.exitcode for other in others] == [0, 0, 0]
    assert (tmp_path / "sent").read_text().split() == expected


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Path]:
    """Another delivery that holds the lock in the middle of an event until the test is over."""
    folder = _run(tmp_path, "a", "01")
    under_way, over = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        under_way.set()
        over.wait()

    other = threading.Thread(target=spool.deliver, args=(tmp_path / "runs", hang))
    other.start()
    under_way.wait()
    yield folder
    over.set()
    other.join()


def test_who_must_not_wait_leaves_the_delivery_to_the_other(busy: Path) -> None:
    sent: list[dict[str, Any]] = []
    assert spool.deliver(busy.parent, sent.append, go_on=lambda: False) == spool.Delivery()
    assert sent == []


def test_events_can_be_told_while_another_delivers(busy: Path) -> None:
    spool.add(busy, {"eventTime": "02"})
    assert _times(spool.waiting(busy)) == ["01", "02"]


@pytest.mark.parametrize("text", ["cell found: \x85 stop", "a\u2028b"])
def test_an_event_with_a_line_separator_in_a_text_is_delivered(tmp_path: Path, text: str) -> None:
    folder = _run(tmp_path, "a", "01", text, "03")
    sent: list[dict[str, Any]] = []
    spool.deliver(tmp_path / "runs", sent.append)
    assert _times(sent) == ["01", text, "03"]
    assert not (folder / "spool").exists()


@pytest.mark.parametrize("line", [b"\xff\n", b'{"eventTime": "\xe2\x80\n', b"[]\n", b"null\n", b"5\n", b'{"half": '])
def test_a_damaged_line_is_put_aside_and_holds_up_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    folder = _run(tmp_path, "a", "01")
    with (folder / "spool/lineage.jsonl").open("ab") as stream:
        stream.write(line)
    spool.add(folder, {"eventTime": "03"})
    other = _run(tmp_path, "b", "04")
    sent: list[dict[str, Any]] = []
    assert spool.deliver(tmp_path / "runs", sent.append) == spool.Delivery(delivered=3)
    assert _times(sent) == ["01", "03", "04"]
    assert (folder / "spool/lineage.unreadable").read_bytes() == line.rstrip(b"\n") + b"\n"
    assert not (other / "spool").exists()
    assert spool.folders(tmp_path / "runs") == []
    assert len(caplog.records) == 1


def test_what_was_delivered_is_not_written_again(tmp_path: Path) -> None:
    folder = _run(tmp_path, "a", *[f"{n:04}" for n in range(300)])
    path = folder / "spool/lineage.jsonl"
    size, file = path.stat().st_size, path.stat().st_ino
    sent: list[dict[str, Any]] = []
    spool.deliver(tmp_path / "runs", sent.append, go_on=lambda: len(sent) < 200)
    assert (path.stat().st_size, path.stat().st_ino) == (size, file), "only the mark of each line changes"
    assert spool.count(folder) == 100
    spool.deliver(tmp_path / "runs", sent.append)
    assert _times(sent) == [f"{n:04}" for n in range(300)]


def _deliver_without_writing(runs: Path, path: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        spool.deliver(runs, lambda _: path.touch())
    except OSError:
        os._exit(7)


def test_an_event_that_could_not_be_taken_out_of_the_spool_is_not_sent(tmp_path: Path) -> None:
    folder = _run(tmp_path, "a", "01")
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=_deliver_without_writing, args=(tmp_path / "runs", tmp_path / "sent"))
    other.start()
    other.join()
    assert other.exitcode == 7
    assert not (tmp_path / "sent").exists()
    assert _times(spool.waiting(folder)) == ["01"]


def test_a_backend_that_refuses_everything_is_asked_a_few_times_only(tmp_path: Path) -> None:
    folder = _run(tmp_path, "a", *[f"{n:02}" for n in range(30)])
    asked: list[dict[str, Any]] = []

    def refuses(event: dict[str, Any]) -> None:
        asked.append(event)
        raise spool.Refused("422")

    with pytest.raises(spool.Refused, match="422"):
        spool.deliver(tmp_path / "runs", refuses)
    assert len(asked) == 10
    assert spool.count(folder) == 30


def test_refused_events_can_wait_again_before_the_others(tmp_path: Path) -> None:
    folder = _run(tmp_path, "a", "01", "02", "03")

    def picky(event: dict[str, Any]) -> None:
        if event["eventTime"] == "02":
            raise spool.Refused

    spool.deliver(tmp_path / "runs", picky)
    spool.add(folder, {"eventTime": "04"})
    assert spool.restore(tmp_path / "runs") == 1
    assert _times(spool.waiting(folder)) == ["02", "04"]
    assert spool.restore(tmp_path / "runs") == 0

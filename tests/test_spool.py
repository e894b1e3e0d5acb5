from __future__ import annotations

import json
import multiprocessing
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

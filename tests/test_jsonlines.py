"""Records are read line by line, and a damaged line costs itself and no other."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from potato import jsonlines, run, spans, timeline

DAMAGED = [b"\xff", b'{"a": "\xe2\x80', b"[]", b"null", b"5", b'"text"', b'{"half": ', b"[" * 100_000, b"nonsense"]


@pytest.mark.parametrize("line", DAMAGED)
def test_a_line_that_is_no_object_hides_no_other_and_stays_in_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"n": 1}\n' + line + b'\n\n{"n": 2}\n')
    before = path.read_bytes()
    assert jsonlines.read(path) == jsonlines.read(path) == [{"n": 1}, {"n": 2}]
    assert path.read_bytes() == before
    assert [record.getMessage().partition(" has ")[2] for record in caplog.records] == [
        "1 unreadable lines, which are left out"
    ], "it is said once"


@pytest.mark.parametrize("text", ["a\x85b", "a\u2028b", "a\u2029b", "a\x0bb", "a\x1cb", "a\rb"])
def test_a_line_ends_with_a_line_feed_and_nothing_else(tmp_path: Path, text: str) -> None:
    path = tmp_path / "records.jsonl"
    run.append(path, {"text": text})
    run.append(path, {"text": "next"})
    assert [entry["text"] for entry in jsonlines.read(path)] == [text, "next"]


def test_what_is_added_after_half_a_line_has_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"n": 1}\n{"n": 2, "tex')
    run.append(path, {"n": 3})
    assert jsonlines.read(path) == [{"n": 1}, {"n": 3}]


def test_a_name_that_is_no_text_is_spelt_out(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    run.append(path, {os.fsdecode(b"key\xe9"): [os.fsdecode(b"caf\xe9.csv")]})
    assert json.loads(path.read_text(encoding="utf-8")) == {r"key\udce9": [r"caf\udce9.csv"]}


def test_a_full_disk_is_an_error_and_not_half_a_record() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError, match="No space"):
        jsonlines.append(Path("/dev/full"), "{}")


def test_the_run_page_and_the_index_read_through_damage(tmp_path: Path) -> None:
    found = run.current(tmp_path)
    run.record(found, "silver", status="ran", fingerprint="f", seconds=1.0)
    with (tmp_path / "runs/index.jsonl").open("ab") as index:
        index.write(b'\xff\n{"run_id": "x", "stage": "gold"}\n')
    run.record(found, "gold", status="ran", fingerprint="g", seconds=1.0)
    assert [entry["stage"] for entry in run.history(tmp_path)] == ["silver", "gold"]
    with (found.folder / "traces.jsonl").open("ab") as traces:
        traces.write(b"\xff\n")
    span = {"name": "stage gold", "stage": "gold", "start": run.now(), "end": run.now(), "status": "ok"}
    inner = span | {"name": "SELECT 'a\u2028b'", "span_id": "2", "parent_span_id": "1", "attributes": {}}
    run.append(found.folder / "traces.jsonl", span | {"span_id": "1", "parent_span_id": None, "attributes": {}})
    run.append(found.folder / "traces.jsonl", inner)
    (stage,) = timeline.gather(tmp_path / "runs", [{"stage": "gold", "status": "ran", "run_id": found.id}])
    assert stage.root is not None
    assert [part.name for part in stage.root.parts] == ["SELECT 'a\u2028b'"]


def test_the_spans_of_a_kernel_are_taken_over_from_between_damaged_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spans"
    monkeypatch.setenv(spans.FILE_VARIABLE, str(path))
    path.write_bytes(b'\xff\n{"name": "without the rest"}\n')
    with spans.span("query"):
        pass
    assert [span["name"] for span in spans.taken(path)] == ["query"]
    assert not path.exists()

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

from potato import backend, run, spool
from potato.allowance import RUN_SECONDS
from potato.backend import Backend
from potato.errors import PotatoError

from .receivers import DEAD, Receiver, clean_environment, dead_backend, receiver

_MISSPELT = (
    "not an address",
    "http://",
    "://",
    "ftp://localhost/",
    "localhost:5000",
    "http://[::1",
    "http://host:port",
)
_ENDPOINT = "/api/v1/lineage"


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean_environment(monkeypatch)
    # The client looks for a configuration file in both places.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def this_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> run.Run:
    monkeypatch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
    return run.current(tmp_path)


def _event(name: str) -> RunEvent:
    told = Run(str(uuid.uuid4()), {})
    return RunEvent(
        eventType=RunState.OTHER, eventTime=run.now(), run=told, job=Job("potato", name), inputs=[], outputs=[]
    )


def _tell(found: run.Run, *names: str, last: bool = True) -> None:
    """Do what a stage does: tell its start, work, tell its end."""
    told = Backend(found)
    for number, name in enumerate(names):
        told.keep(_event(name))
        if number == 0:
            told.deliver()
    told.close(last=last)


def _names(events: list[dict[str, Any]]) -> list[str]:
    return [event["job"]["name"] for event in events]


def _sent(server: Receiver) -> list[str]:
    return _names([json.loads(body) for body in server.bodies(_ENDPOINT)])


def _written(found: run.Run) -> list[str]:
    return _names([json.loads(line) for line in (found.folder / "lineage.jsonl").read_text().splitlines()])


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "potato.lineage"]


def test_a_backend_gets_the_events_in_their_order(this_run: run.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "key")
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        before = dict(os.environ)
        _tell(this_run, "a", "b", "c")
    assert dict(os.environ) == before, "the client's copies of its variables are taken back"
    assert _sent(server) == _written(this_run) == ["a", "b", "c"]
    assert server.requests[0][1]["Authorization"] == "Bearer key"
    assert spool.waiting(this_run.folder) == []
    assert not (this_run.folder / "spool").exists()


def test_what_is_sent_is_what_is_written_and_the_client_s_tag(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        _tell(this_run, "a")
    (sent,) = (json.loads(body) for body in server.bodies(_ENDPOINT))
    (written,) = (json.loads(line) for line in (this_run.folder / "lineage.jsonl").read_text().splitlines())
    assert sent["run"].pop("facets").keys() == {"tags"}
    assert sent["run"] == {"runId": written["run"]["runId"]}
    written["run"].pop("facets", None)
    assert sent == written


def test_the_client_s_own_settings_name_a_backend_too(this_run: run.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", server.url)
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__ENDPOINT", "events")
        _tell(this_run, "a", "b")
    assert [path for path, _, _ in server.requests] == ["/events", "/events"]


def test_a_configuration_file_without_a_transport_prints_nothing(
    this_run: run.Run, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "openlineage.yml").write_text("facets:\n  environment_variables: []\n")
    caplog.set_level("INFO", logger="potato")
    _tell(this_run, "a", "b")
    assert capfd.readouterr() == ("", "")
    assert _warnings(caplog) == []
    assert _written(this_run) == ["a", "b"]
    assert spool.waiting(this_run.folder) == []


@pytest.mark.parametrize("disabled", [True, False])
def test_without_a_backend_the_file_alone_is_written(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, disabled: bool
) -> None:
    with receiver() as server:
        if disabled:
            monkeypatch.setenv("OPENLINEAGE_URL", server.url)
            monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
        _tell(this_run, "a", "b")
    assert server.requests == []
    assert _written(this_run) == ["a", "b"]
    assert not (this_run.folder / "spool").exists()


def test_what_the_client_s_settings_filter_out_does_not_wait(
    this_run: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openlineage.yml").write_text("filters:\n  - type: exact\n    match: b\n")
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        _tell(this_run, "a", "b", "c")
    assert _sent(server) == ["a", "c"]
    assert spool.waiting(this_run.folder) == []


@pytest.mark.parametrize("kind", DEAD)
def test_a_dead_backend_is_one_warning_and_everything_waits_in_order(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with dead_backend(kind) as url:
        monkeypatch.setenv("OPENLINEAGE_URL", url)
        _tell(this_run, "a", "b", "c")
    assert len(_warnings(caplog)) == 1
    assert "did not reach the OpenLineage backend" in caplog.text
    assert "potato lineage replay" in caplog.text
    assert _written(this_run) == _names(spool.waiting(this_run.folder)) == ["a", "b", "c"]


@pytest.mark.parametrize("address", _MISSPELT)
def test_a_backend_that_is_misspelt_stops_nothing_and_loses_nothing(
    this_run: run.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    address: str,
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", address)
    _tell(this_run, "a", "b")
    assert len(_warnings(caplog)) == 1
    assert _written(this_run) == _names(spool.waiting(this_run.folder)) == ["a", "b"]
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        assert backend.replay(tmp_path) == spool.Delivery(delivered=2)
    assert _sent(server) == ["a", "b"]


@pytest.mark.parametrize("setting", ["OPENLINEAGE__TRANSPORT", "OPENLINEAGE__TRANSPORT__TYPE"])
def test_a_client_that_cannot_be_set_up_stops_nothing(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, setting: str
) -> None:
    monkeypatch.setenv(setting, "{no such thing")
    _tell(this_run, "a")
    assert len(_warnings(caplog)) == 1
    assert _written(this_run) == _names(spool.waiting(this_run.folder)) == ["a"]


@pytest.mark.parametrize("kind", DEAD)
def test_the_next_run_delivers_what_an_earlier_one_could_not_once_and_first(
    this_run: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with dead_backend(kind) as url:
        monkeypatch.setenv("OPENLINEAGE_URL", url)
        _tell(this_run, "a", "b")
    monkeypatch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
    following = run.current(tmp_path)
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        _tell(following, "c", "d", last=False)
        _tell(following, "e")
        assert backend.replay(tmp_path) == spool.Delivery()
    assert _sent(server) == ["a", "b", "c", "d", "e"]


def test_a_stage_in_the_middle_of_a_run_leaves_its_end_to_the_next(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        told = Backend(this_run)
        told.keep(_event("a"))
        told.close()
        assert _names(spool.waiting(this_run.folder)) == ["a"]
        assert server.requests == []
        _tell(this_run, "b")
    assert _sent(server) == ["a", "b"]


def test_a_run_whose_two_backends_both_hang_waits_less_than_two_seconds() -> None:
    assert backend.REQUEST_SECONDS < RUN_SECONDS
    assert 2 * RUN_SECONDS < 2


def test_no_request_starts_that_the_run_could_not_wait_for(this_run: run.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    spent = RUN_SECONDS - backend.REQUEST_SECONDS + 0.01
    (this_run.folder / ".waited-lineage").write_text(f"{spent}\n")
    assert 0 < backend.allowance(this_run.folder).left() < backend.REQUEST_SECONDS
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        _tell(this_run, "a", "b")
        assert server.requests == []
        assert _names(spool.waiting(this_run.folder)) == ["a", "b"]


@pytest.mark.parametrize("kind", [*DEAD, "slow"])
def test_all_stages_of_a_run_together_stay_within_two_seconds(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    slept = backend.REQUEST_SECONDS * 0.7
    with receiver(delay=slept) if kind == "slow" else dead_backend(kind) as found:
        monkeypatch.setenv("OPENLINEAGE_URL", found.url if isinstance(found, Receiver) else found)
        for stage in "abcde":
            _tell(this_run, f"{stage}1", f"{stage}2", last=stage == "e")
        told = [f"{stage}{n}" for stage in "abcde" for n in (1, 2)]
        left = _names(spool.waiting(this_run.folder))
        sent = _sent(found) if isinstance(found, Receiver) else []
        assert sent + left == told, "nothing is lost, and nothing that was answered is sent again"
        waits = (this_run.folder / ".waited-lineage").read_text().split()
        assert sum(map(float, waits)) <= 2


def test_a_slow_backend_gets_everything_in_order_in_the_end(
    this_run: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [f"{stage}{n}" for stage in "abc" for n in (1, 2)]
    with receiver(delay=0.4) as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        for stage in "abc":
            _tell(this_run, f"{stage}1", f"{stage}2", last=stage == "c")
        backend.replay(tmp_path)
    assert _sent(server) == told


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_event_that_the_backend_calls_invalid_does_not_hold_up_the_others(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    with receiver(answer=lambda body: status if b'"name": "b"' in body else 201) as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        _tell(this_run, "a", "b", "c", "d")
    assert _sent(server) == ["a", "b", "c", "d"]
    assert spool.waiting(this_run.folder) == []
    aside = (this_run.folder / "spool/lineage.refused.jsonl").read_text().splitlines()
    assert _names([json.loads(line) for line in aside]) == ["b"]
    assert "refused 1 events for good" in caplog.text


def test_invalid_events_before_the_first_valid_one_are_put_aside_after_it(
    this_run: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        spool.add(this_run.folder, {"job": {"name": name}})
    with receiver(answer=lambda body: 422 if b'"name": "c"' not in body else 201) as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        _tell(this_run, "c")
    assert _sent(server) == ["a", "b", "c"]
    assert spool.waiting(this_run.folder) == []
    assert len((this_run.folder / "spool/lineage.refused.jsonl").read_text().splitlines()) == 2
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        assert backend.replay(tmp_path) == spool.Delivery()
        assert backend.replay(tmp_path, refused=True) == spool.Delivery(delivered=2)
    assert _sent(server) == ["a", "b"], "a backend that was taught better gets them"


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_service_that_takes_no_event_loses_none(
    this_run: run.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    told = [f"event {n}" for n in range(12)]
    with receiver(status=status) as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        _tell(this_run, *told)
        with pytest.raises(PotatoError) as caught:
            backend.replay(tmp_path)
    assert _names(spool.waiting(this_run.folder)) == told
    assert len(_warnings(caplog)) == 1
    assert str(status) in str(caught.value.found)
    assert not (this_run.folder / "spool/lineage.refused.jsonl").exists()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_an_event_that_is_sent_elsewhere_did_not_arrive(
    this_run: run.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    with receiver(status=status, headers={"Location": "/welcome"}) as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        _tell(this_run, "a", "b")
        with pytest.raises(PotatoError):
            backend.replay(tmp_path)
    assert {path for path, _, _ in server.requests} == {_ENDPOINT}, "no redirect is followed"
    assert _names(spool.waiting(this_run.folder)) == ["a", "b"]
    (warning,) = _warnings(caplog)
    assert f"{status} and points to /welcome" in warning


def test_of_an_answer_without_an_end_nothing_is_read(this_run: run.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(endless=True) as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        _tell(this_run, "a", "b", "c")
    assert _sent(server) == ["a", "b", "c"]
    assert spool.waiting(this_run.folder) == []
    assert server.written < 50_000_000


def test_an_answer_that_comes_letter_by_letter_is_given_up(
    this_run: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "REPLAY_SECONDS", 0.5)
    with receiver(drip=0.2) as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        spool.add(this_run.folder, {"job": {"name": "a"}})
        with pytest.raises(PotatoError, match="did not take everything") as caught:
            backend.replay(tmp_path)
    assert "no answer within 0.5 seconds" in str(caught.value.found)


@pytest.mark.parametrize("kind", DEAD)
def test_a_transport_that_would_tell_nobody_of_a_failure_is_not_used(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with dead_backend(kind) as url:
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "async_http")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", url)
        _tell(this_run, "a", "b")
    assert _names(spool.waiting(this_run.folder)) == ["a", "b"]
    assert len(_warnings(caplog)) == 1


@pytest.mark.parametrize("content", [None, "- a list", "{", b"\xff"])
def test_a_configuration_file_that_says_nothing_is_named_and_the_events_wait(
    this_run: run.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    content: str | bytes | None,
) -> None:
    path = tmp_path / "settings.yml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setenv("OPENLINEAGE_CONFIG", str(path))
    _tell(this_run, "a")
    (warning,) = _warnings(caplog)
    assert "OPENLINEAGE_CONFIG names a file that" in warning
    assert _names(spool.waiting(this_run.folder)) == ["a"]


def test_all_stages_of_a_run_say_once_that_the_backend_is_dead(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with dead_backend("refused") as url:
        monkeypatch.setenv("OPENLINEAGE_URL", url)
        for stage in "abcde":
            _tell(this_run, f"{stage}1", f"{stage}2", last=stage == "e")
    assert len(_warnings(caplog)) == 1


def test_a_stage_leaves_the_most_of_a_long_backlog_to_others(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "STAGE_EVENTS", 5)
    for n in range(8):
        spool.add(this_run.folder, {"job": {"name": str(n)}})
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        _tell(this_run, "a")
    assert _sent(server) == list("01234")
    assert _names(spool.waiting(this_run.folder)) == [*"567", "a"]


def test_the_name_of_a_file_that_is_no_text_loses_no_event(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        _tell(this_run, "raw/caf\udce9.csv", "b")
    assert _sent(server) == _written(this_run) == ["raw/caf\\udce9.csv", "b"]
    assert _warnings(caplog) == []


@pytest.mark.parametrize("status", [401, 404, 429])
def test_a_backend_that_may_take_it_later_is_asked_later(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with receiver(status=status) as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        _tell(this_run, "a", "b")
    assert _sent(server) == ["a"], "what follows an event that did not arrive is not sent before it"
    assert _names(spool.waiting(this_run.folder)) == ["a", "b"]


def test_a_replay_says_what_it_could_not_send_and_goes_on_where_it_was(
    this_run: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dead_backend("refused") as url:
        monkeypatch.setenv("OPENLINEAGE_URL", url)
        _tell(this_run, "a", "b", "c")
        with pytest.raises(PotatoError) as caught:
            backend.replay(tmp_path)
    assert caught.value.where == url
    assert caught.value.expected == "3 events taken"
    assert str(caught.value.found).startswith("0 taken")
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        assert backend.replay(tmp_path) == spool.Delivery(delivered=3)
        assert backend.replay(tmp_path) == spool.Delivery()
    assert _sent(server) == ["a", "b", "c"]


@pytest.mark.parametrize(("address", "what"), [(None, "No lineage backend is set"), ("://", "cannot be used")])
def test_a_replay_without_a_backend_says_what_to_set(
    this_run: run.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str | None, what: str
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", "://")
    _tell(this_run, "a")
    if address is None:
        monkeypatch.delenv("OPENLINEAGE_URL")
    with pytest.raises(PotatoError) as caught:
        backend.replay(tmp_path)
    assert what in caught.value.what
    assert "OPENLINEAGE_URL" in str(caught.value.hint)
    assert _names(spool.waiting(this_run.folder)) == ["a"]


def test_a_process_that_is_killed_between_two_events_leaves_the_rest(this_run: run.Run, tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from potato import spool\n"
        "sent = []\n"
        "def send(event):\n"
        "    if sent: os._exit(9)\n"
        "    sent.append(event)\n"
        f"spool.deliver(Path({str(tmp_path / 'runs')!r}), send)\n"
    )
    for name in "abc":
        spool.add(this_run.folder, {"eventTime": run.now(), "job": {"name": name}})
    project = Path(backend.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", program], cwd=project, check=False).returncode == 9
    assert _names(spool.waiting(this_run.folder)) == ["b", "c"]


def test_a_folder_that_cannot_be_written_is_one_warning(
    this_run: run.Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with receiver() as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        (this_run.folder / "lineage.jsonl").mkdir()
        _tell(this_run, "a")
    assert "cannot be written" in caplog.text

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from potato import run
from potato.errors import PotatoError

from .receivers import clean_environment

PROJECT = Path(run.__file__).parents[1]
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "b7ad6b7169203331"
SAY_ID = "import pathlib, sys; from potato import run; print(run.current(pathlib.Path(sys.argv[1])).id)"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    clean_environment(monkeypatch)


def _child(root: Path, **environment: str) -> str:
    """Return the run id that a process of its own finds."""
    command = [sys.executable, "-c", SAY_ID, str(root)]
    answer = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(PROJECT), **environment}, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def test_a_process_has_one_run_however_often_it_asks(tmp_path: Path) -> None:
    first, second = run.current(tmp_path), run.current(tmp_path)
    assert first == second
    assert first.folder == tmp_path / "runs" / first.id
    assert first.folder.is_dir()


def test_processes_without_a_common_dvc_have_runs_of_their_own(tmp_path: Path) -> None:
    assert _child(tmp_path) != _child(tmp_path)


def test_the_id_is_a_version_7_uuid_with_the_time_of_its_process(tmp_path: Path) -> None:
    found = run.current(tmp_path)
    identity = uuid.UUID(found.id)
    assert (identity.version, identity.variant) == (7, uuid.RFC_4122)
    assert found.trace_id == identity.hex
    assert found.started.endswith("Z")
    later = _child(tmp_path)
    assert found.id < later, "ids sort by the time that their process started"


def test_a_given_run_id_wins_over_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = uuid.uuid4()
    monkeypatch.setenv("POTATO_RUN_ID", str(given).upper())
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{SPAN}-01")
    found = run.current(tmp_path)
    assert found.id == str(given)
    assert found.parent_span_id is None, "the span belongs to another trace"


def test_a_given_run_id_keeps_its_parent_span_when_it_is_the_same_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POTATO_RUN_ID", str(uuid.UUID(hex=TRACE)))
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{SPAN}-01")
    assert run.current(tmp_path).parent_span_id == SPAN


@pytest.mark.parametrize("text", ["nightly", "1234", str(uuid.UUID(int=0))])
def test_a_run_id_that_cannot_be_a_trace_id_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("POTATO_RUN_ID", text)
    with pytest.raises(PotatoError) as caught:
        run.current(tmp_path)
    assert caught.value.where == "environment variable POTATO_RUN_ID"
    assert text in str(caught.value.found)
    assert caught.value.hint


def test_an_outer_trace_becomes_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{SPAN}-01")
    found = run.current(tmp_path)
    assert (found.trace_id, found.parent_span_id) == (TRACE, SPAN)
    assert uuid.UUID(found.id).hex == TRACE


@pytest.mark.parametrize(
    "header",
    [
        "nonsense",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
    ],
)
def test_a_malformed_trace_header_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str) -> None:
    monkeypatch.setenv("TRACEPARENT", header)
    found = run.current(tmp_path)
    assert found.trace_id != TRACE
    assert found.parent_span_id is None


def test_the_stages_of_one_repro_share_a_run_and_the_next_repro_has_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    (tmp_path / "say.py").write_text(SAY_ID.replace("; print(", "; open(sys.argv[2], 'w').write("))
    (tmp_path / "dvc.yaml").write_text(
        json.dumps(
            {
                "stages": {
                    name: {"cmd": f"{sys.executable} say.py {tmp_path} {name}.txt", "outs": [f"{name}.txt"]}
                    for name in ("one", "two")
                }
            }
        )
    )

    def repro() -> list[str]:
        dvc = [sys.executable, "-m", "dvc"]
        subprocess.run([*dvc, "repro", "--force"], cwd=tmp_path, check=True, capture_output=True)
        return [(tmp_path / f"{name}.txt").read_text() for name in ("one", "two")]

    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm"], cwd=tmp_path, check=True, capture_output=True)
    first, second = repro(), repro()
    assert first[0] == first[1]
    assert second[0] == second[1]
    assert first[0] < second[0]
    assert (tmp_path / "runs" / "latest").readlink() == Path(second[0])


@pytest.mark.parametrize("words", [["exp", "run", "--set-param", "study=demo"], ["-q", "repro", "gold"]])
def test_any_program_called_dvc_that_reproduces_is_the_common_process(tmp_path: Path, words: list[str]) -> None:
    program = tmp_path / "bin" / "dvc"
    program.parent.mkdir()
    program.write_text(
        "import subprocess, sys\n"
        f"child = [sys.executable, '-c', {SAY_ID!r}, {str(tmp_path)!r}]\n"
        "for _ in range(2):\n"
        "    subprocess.run(child, check=True)\n"
    )
    answer = subprocess.run(
        [sys.executable, str(program), *words],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = answer.stdout.split()
    assert first == second


def test_a_program_that_drives_dvc_as_a_library_is_the_common_process(tmp_path: Path) -> None:
    program = (
        "import subprocess, shlex, sys\n"
        f"child = shlex.join([sys.executable, '-c', {SAY_ID!r}, {str(tmp_path)!r}])\n"
        "for _ in range(2):\n"
        "    subprocess.run(['sh', '-c', child + '; true'], check=True)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PROJECT), "DVC_STAGE": "silver"},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = answer.stdout.split()
    assert first == second


def test_a_corrected_clock_does_not_split_a_run(tmp_path: Path) -> None:
    found = run.current(tmp_path)
    # What the first stage would have left, had the clock been a second behind when it started.
    earlier = f"{int(found.id[:8], 16) - 1:08x}{found.id[8:]}"
    found.folder.rename(found.folder.with_name(earlier))
    assert run.current(tmp_path).id == earlier


def test_latest_is_the_newest_run_and_starts_none(tmp_path: Path) -> None:
    assert run.latest(tmp_path) is None
    assert not (tmp_path / "runs").exists()
    found = run.current(tmp_path)
    assert run.latest(tmp_path) == found
    assert not (tmp_path / "runs" / "latest").readlink().is_absolute()
    newer = _child(tmp_path)
    newest = run.latest(tmp_path)
    assert newest is not None
    assert newest.id == newer


def test_the_first_stage_says_when_the_run_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
    assert run.current(tmp_path).started == run.current(tmp_path).started


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(PotatoError) as caught:
        run.current(tmp_path)
    assert str(tmp_path / "runs") in str(caught.value.where)


def test_the_producer_of_an_output_is_the_newest_run_that_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    for _ in range(3):
        monkeypatch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
        runs.append(run.current(tmp_path))
    run.record(runs[0], "silver", status="ran", fingerprint="f1", seconds=1.0)
    run.record(runs[1], "silver", status="ran", fingerprint="f1", seconds=1.0)
    run.record(runs[2], "silver", status="failed", fingerprint="f1", seconds=1.0, error="broken")
    run.record(runs[2], "gold", status="ran", fingerprint="f2", seconds=1.0)
    assert run.producer(tmp_path, "silver", "f1") == runs[1].id
    assert run.producer(tmp_path, "silver", "f2") is None
    assert [entry["stage"] for entry in run.history(tmp_path, runs[2].id)] == ["silver", "gold"]
    assert len(run.history(tmp_path)) == 4


def test_half_a_line_in_the_index_hides_no_other(tmp_path: Path) -> None:
    found = run.current(tmp_path)
    run.record(found, "silver", status="ran", fingerprint="f", seconds=1.0)
    with (tmp_path / "runs" / "index.jsonl").open("a") as index:
        index.write('{"ts": "2026-01-01T00:00\n')
    run.record(found, "gold", status="ran", fingerprint="g", seconds=float("nan"))
    assert run.producer(tmp_path, "silver", "f") == found.id
    assert run.history(tmp_path)[-1]["seconds"] is None


def test_a_project_that_never_ran_has_an_empty_history(tmp_path: Path) -> None:
    assert run.history(tmp_path) == []
    assert run.producer(tmp_path, "silver", "f") is None


def test_lines_of_several_processes_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    program = (
        "import pathlib, sys; from potato import run\n"
        "for n in range(200): run.append(pathlib.Path(sys.argv[1]), {'n': n, 'text': 'x' * 3000})"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    children = [subprocess.Popen([sys.executable, "-c", program, str(path)], env=environment) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(entry["n"] for entry in entries) == sorted(list(range(200)) * 3)


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@needs_git
def test_the_environment_names_the_commit_and_whether_it_was_changed(tmp_path: Path) -> None:
    clean, changed = tmp_path / "clean", tmp_path / "changed"
    for folder in (clean, changed):
        folder.mkdir()
        _git(folder, "init", "-b", "main")
        (folder / "a.txt").write_text("1")
        (folder / "dvc.lock").write_text("1")
        _git(folder, "add", ".")
        _git(folder, "commit", "-m", "one")
    (changed / "a.txt").write_text("2")
    (clean / "dvc.lock").write_text("a run writes it")
    (clean / "mine.yaml").write_text("a study of one's own")
    found = run.environment(clean)
    assert len(found["git_commit"]) == 40
    assert (found["git_dirty"], found["git_branch"], found["git_url"]) == (False, "main", None)
    assert run.environment(changed)["git_dirty"] is True
    assert found["python"] == sys.version.split()[0]
    assert "pyarrow" in found["packages"]


@needs_git
def test_an_address_with_a_password_is_kept_without_it(tmp_path: Path) -> None:
    _git(tmp_path, "init")
    _git(tmp_path, "remote", "add", "origin", "https://someone:secret@example.org/team/study.git")
    assert run.environment(tmp_path)["git_url"] == "https://example.org/team/study.git"


@needs_git
def test_an_archive_inside_another_repository_has_no_commit(tmp_path: Path) -> None:
    _git(tmp_path, "init")
    (tmp_path / "a.txt").write_text("1")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "one")
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    found = run.environment(unpacked)
    assert (found["git_commit"], found["git_dirty"]) == (None, None)


def test_importing_the_run_imports_nothing_heavy() -> None:
    program = (
        "import sys; import potato.run; "
        "heavy = {'psutil', 'pyarrow', 'pandas', 'mlflow', 'openlineage', 'opentelemetry', 'ibis'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_run_does_not_start_before_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POTATO_RUN_ID", raising=False)
    program = "from pathlib import Path; from potato import run; print(run.current(Path.cwd()).started)"
    before = time.time()
    answer = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    # A process starts within a tick of the kernel's, of which there are a hundred a second.
    assert before - 0.02 <= run.seconds(answer.stdout.strip()) <= time.time()

"""How a run ended that nobody saw end is read off dvc.lock, held here against what DVC itself writes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from potato import ending, lockfile, run

from .receivers import clean_environment

PROJECT = Path(run.__file__).parents[1]
STAGE = """
import os, pathlib, signal, sys
from potato import ending, identity, run
from potato.work import OUTPUTS

name, root = sys.argv[1], pathlib.Path.cwd()
found = run.current(root)
state = ending.begun(found, ending.opening(found, name, "demo", OUTPUTS), "1" * 16)
(root / OUTPUTS[name][0]).mkdir(parents=True, exist_ok=True)
source = pathlib.Path("raw.txt") if name == "bronze" else pathlib.Path("data/bronze/rows.txt")
(root / OUTPUTS[name][0] / "rows.txt").write_text(source.read_text().split("#")[0])
run.record(found, name, status="ran", fingerprint="f", seconds=1)
if ending.outcome_of(state, None):
    ending.take(found)
elif pathlib.Path("killed").exists():
    os.kill(int(identity.caller().process.partition("/")[0]), signal.SIGKILL)
"""
PIPELINE = """
stages:
  bronze:
    cmd: python stage.py bronze
    deps: [raw.txt, "${study}.yaml"]
    params: [study, bronze]
    outs: [data/bronze: {persist: true}]
  silver:
    cmd: python stage.py silver
    deps: [data/bronze, stage.py]
    params: [study]
    outs: [data/silver: {persist: true}]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two stages that DVC has run once."""
    clean_environment(monkeypatch)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    for name, text in {
        "stage.py": STAGE,
        "dvc.yaml": PIPELINE,
        "params.yaml": "study: demo\nbronze: {seed: 1, share: 0.5}\n",
        "demo.yaml": "",
        "raw.txt": "a",
    }.items():
        (tmp_path / name).write_text(text)
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    assert _repro(tmp_path) == 0
    assert _left(tmp_path) == []
    return tmp_path


def _repro(folder: Path, *arguments: str) -> int:
    command = ["dvc", "repro", "--quiet", *arguments, "silver"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


def _left(root: Path) -> list[tuple[str, str]]:
    """Return stage and outcome of each run that told no end, as the first stage of another run finds them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
        current = run.current(root)
    found = ending.left_open(root, current)
    return [(state.stage, ending.outcome_left(root, other, state)) for other, state in found]


def test_a_run_of_which_dvc_skipped_the_rest_as_unchanged_has_succeeded(project: Path) -> None:
    (project / "raw.txt").write_text("a# the same row")
    assert _repro(project) == 0
    assert _left(project) == [("bronze", "succeeded")]


def test_a_run_that_dvc_could_not_keep_has_not_succeeded(project: Path) -> None:
    shutil.rmtree(project / ".dvc/cache")
    (project / ".dvc/cache").write_text("x")
    (project / "raw.txt").write_text("b")
    assert _repro(project) != 0
    (project / ".dvc/cache").unlink()
    assert _left(project) == [("bronze", "aborted")]


@pytest.mark.parametrize("rows", ["a# the same row", "b"])
def test_a_run_whose_dvc_was_killed_between_two_stages_has_not_succeeded(project: Path, rows: str) -> None:
    (project / "raw.txt").write_text(rows)
    (project / "killed").touch()
    assert _repro(project) != 0
    assert _left(project) == [("bronze", "aborted")]


def test_a_run_that_was_to_run_every_stage_has_not_succeeded_without_them(project: Path) -> None:
    (project / "killed").touch()
    assert _repro(project, "--force") != 0
    assert _left(project) == [("bronze", "aborted")]


@pytest.mark.parametrize(
    ("name", "text"),
    [("params.yaml", "study: demo\nbronze: {seed: 2, share: 0.5}\n"), ("demo.yaml", "x"), ("dvc.yaml", "cmd: other")],
)
def test_dvc_lock_holds_what_the_stages_read_and_nothing_else_fits(project: Path, name: str, text: str) -> None:
    wanted = lockfile.wanted(project, ["bronze", "silver"])
    assert lockfile.is_done(project, wanted)
    path = project / name
    path.write_text(path.read_text().replace("cmd: python", "cmd: nice python", 1) if name == "dvc.yaml" else text)
    assert not lockfile.is_done(project, lockfile.wanted(project, ["bronze", "silver"]))


def test_nothing_is_done_without_a_lock_or_an_output(project: Path) -> None:
    wanted = lockfile.wanted(project, ["silver"])
    shutil.rmtree(project / "data/silver")
    assert not lockfile.is_done(project, wanted)
    (project / "dvc.lock").write_text("- no\n")
    assert not lockfile.is_done(project, lockfile.wanted(project, ["bronze"]))
    assert not lockfile.is_done(project, {})


@pytest.mark.parametrize(
    ("arguments", "forced"),
    [((), False), (("-f",), True), (("-sf", "gold"), True), (("--force-downstream",), True), (("--quiet",), False)],
)
def test_dvc_is_asked_to_run_what_did_not_change(arguments: tuple[str, ...], forced: bool) -> None:
    assert ending._forced(arguments) == forced

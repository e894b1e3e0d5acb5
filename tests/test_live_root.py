"""The whole pipeline with the data lake on S3 as its live root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from potato import datalake, lake

from . import aws as aws_here
from .conftest import copy_project


def typed(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("POTATO_", "OTEL_", "OPENLINEAGE_", "MLFLOW_"))}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    clean.pop("TRACEPARENT", None)
    return subprocess.run(words, cwd=project, env=clean, capture_output=True, text=True, check=False)


def test_each_stage_puts_its_layer_into_the_lake_and_gets_there_what_it_lacks(
    tmp_path: Path, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_project(tmp_path / "here")
    place = f"s3://{aws_here.make_bucket()}/live"
    parameters = project / "params.yaml"
    text = parameters.read_text(encoding="utf-8")
    assert "\nlake: null" in text
    parameters.write_text(text.replace("\nlake: null", f"\nlake: {place}"), encoding="utf-8")
    done = typed(project, "dvc", "repro", "--quiet")
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.setenv("POTATO_ROOT", str(project))
    assert datalake.verify(project, place, "demo") == []

    before = lake.fingerprint(project / "data/silver")
    shutil.rmtree(project / "data/bronze")
    done = typed(project, "potato", "run", "silver")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "files from s3://" in done.stderr
    assert lake.fingerprint(project / "data/silver") == before
    assert typed(project, "potato", "lake", "verify").returncode == 0


def test_dvcs_own_remote_is_configured_by_one_command_and_takes_the_cache(tmp_path: Path, aws: str) -> None:
    project = copy_project(tmp_path / "here")
    place = f"s3://{aws_here.make_bucket()}"
    for words in (("dvc", "repro", "--quiet", "simulate"), ("potato", "lake", "remote", "--at", place)):
        done = typed(project, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    assert f"{place}/dvc" in done.stderr
    done = typed(project, "dvc", "push", "--quiet", "simulate")
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(project / ".dvc/cache")
    shutil.rmtree(project / "data/raw/demo")
    done = typed(project, "dvc", "pull", "--quiet", "simulate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "data/raw/demo/weight/weight.csv").is_file()

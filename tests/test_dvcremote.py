"""DVC's own remote beside the data lake."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from . import aws as aws_here
from .conftest import copy_project


def typed(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("POTATO_", "OTEL_", "OPENLINEAGE_", "MLFLOW_"))}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    clean.pop("TRACEPARENT", None)
    return subprocess.run(words, cwd=project, env=clean, capture_output=True, text=True, check=False)


def test_dvcs_own_remote_is_configured_by_one_command_and_takes_the_cache(
    tmp_path: Path, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_project(tmp_path / "here")
    config = tmp_path / "aws-config"
    config.touch()  # DVC asks for a file, and /dev/null is none to it
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
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

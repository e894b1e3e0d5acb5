"""The pipeline on a small study, told by its environment where AWS keeps data, runs, artifacts and log lines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from .conftest import WEIGHT, copy_project
from .small_studies import STUDIES

_OWN = ("POTATO_", "OTEL_", "OPENLINEAGE_", "MLFLOW_", "DVC_", "TRACEPARENT")


def project(folder: Path) -> Path:
    """Copy the project into a folder, with a small study in the demo study's place."""
    copy_project(folder)
    small = STUDIES["daily_totals"]
    raw = folder / "data/raw/small"
    raw.mkdir(parents=True)
    for name, text in small.files.items():
        (raw / name).write_text(text)
    described = {"title": "Small", "description": "A test.", "weight": WEIGHT} | small.description
    (folder / "studies/small.yaml").write_text(yaml.safe_dump(described))
    params = yaml.safe_load((folder / "params.yaml").read_text()) | {"study": "small"}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def environment(**told: str) -> dict[str, str]:
    """Return this process's environment with nothing that tells a run where to go but what is `told`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    return clean | {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"} | told


def run(root: Path, env: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder; it has to succeed."""
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done

"""A small project in a temporary folder, with the files of a study that a test writes itself."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, settings

from benchmarks import overhead
from potato import cluster
from potato.errors import PotatoError

from . import aws as aws_here

HERE = Path(__file__).parent.parent
SHARED = HERE.parent / "shared" / "data"

# How long an example takes says how busy the machine is, and nothing about what is tested.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# Here and in child processes: on matrices as small as the tests', threads of linear algebra only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Hardly anything that tests make is garbage as soon as Python looks for it by default: it costs a tenth of their time.
gc.set_threshold(50_000, 20, 100)

# Great Expectations imports PySpark where it is installed, which takes a process without a main file, such as xdist's
# workers, for one that tests its documentation, and ends it.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = pytest.__file__

WEIGHT = {"files": "weight.csv", "unit": "kg", "columns": {"subject_id": "who", "date": "date", "weight": "weight"}}


# What takes longest comes first, since after it a worker would be left alone at the end.
LONG = [f"test_{name}.py" for name in ("spark", "pipeline", "infra_apply", "silver", "small_studies", "stage")]
LONG += [f"test_{name}.py" for name in ("mlflow_on_aws", "describe", "figures", "infra", "calibration")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order is otherwise random, and stays so within a file."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def without_spark() -> str:
    """Return what Spark lacks on this machine, or nothing."""
    try:
        cluster.require_package()
        cluster.require_java()
    except PotatoError as error:
        return f"{error.what} Hint: {error.hint}"
    return ""


@pytest.fixture(scope="session")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of AWS's interfaces that runs as long as the tests do."""
    with aws_here.moto_server(tmp_path_factory.mktemp("aws") / "log") as address:
        yield address


@pytest.fixture
def aws(aws_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same address, which AWS's clients talk to during the test."""
    aws_here.point_at(aws_server, monkeypatch)
    return aws_server


def copy_project(destination: Path) -> Path:
    """Copy what a run needs, without data, environment or history."""
    overhead.copy(destination)
    return destination


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project that the process takes for its own."""
    copy_project(tmp_path)
    monkeypatch.setenv("POTATO_ROOT", str(tmp_path))
    monkeypatch.delenv("POTATO_STAGING", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def study(project: Path) -> Callable[..., str]:
    """Write a study called `small` from texts of its files and changes to its description; return its name."""

    def write(files: dict[str, str | bytes], **description: Any) -> str:
        raw = project / "data" / "raw" / "small"
        for name, content in files.items():
            path = raw / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        content = {"title": "Small", "description": "A test.", "weight": WEIGHT} | description
        (project / "studies" / "small.yaml").write_text(yaml.safe_dump(content))
        return "small"

    return write

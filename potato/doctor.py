"""Why does it not run here? Each check finds one thing, and a check that fails carries the error that explains it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from potato import cluster, credentials, settings
from potato.errors import PotatoError

# The modules that a run can't do without, by the package that brings them.
_MODULES = (
    "papermill",
    "ipykernel",
    "dvc",
    "ibis",
    "duckdb",
    "statsmodels",
    "plotnine",
    "great_expectations",
    "mlflow",
)


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, what was found, and the error when it keeps the pipeline from running."""

    name: str
    found: str
    error: PotatoError | None = None

    @property
    def good(self) -> bool:
        return self.error is None


def examine(root: Path) -> list[Check]:
    """Return every check's finding; no check raises."""
    return [_guard(name, check, root) for name, check in _CHECKS.items()]


def _guard(name: str, check: Callable[[Path], str], root: Path) -> Check:
    try:
        return Check(name, check(root))
    except PotatoError as error:
        return Check(name, error.what, error)


def _python(root: Path) -> str:
    return platform.python_version()


def _packages(root: Path) -> str:
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise PotatoError(
            "Packages are missing.", found=f"no {', '.join(missing)}", hint="remove .venv and type `make run`"
        )
    return f"{len(_MODULES)} of {len(_MODULES)} there"


def _settings(root: Path) -> str:
    loaded = settings.load(root)
    return f"study {loaded.study_name}, engine {loaded.engine}"


def _engine(root: Path) -> str:
    loaded = settings.load(root)
    if loaded.engine == "spark":
        cluster.require_package()
        cluster.require_java()
        return f"Spark on {loaded.spark.master}"
    return "DuckDB, in this process"


def _raw_files(root: Path) -> str:
    loaded = settings.load(root)
    if loaded.study_name == "demo":
        return "the demo study writes its own"
    outside = (root / loaded.study.raw).resolve() if loaded.study.raw else loaded.raw
    folder = loaded.raw if loaded.raw.is_dir() else outside
    if not folder.is_dir():
        raise PotatoError(
            f"The raw files of {loaded.study_name} are not there.",
            where=f"data/raw/{loaded.study_name}",
            expected="a folder with the study's raw files, or a link to one",
            found=f"nothing there, and nothing at {loaded.study.raw}" if loaded.study.raw else "nothing there",
            hint=f"put the files into data/raw/{loaded.study_name}, or say `raw:` in studies/{loaded.study_name}.yaml",
        )
    return f"{sum(1 for p in folder.rglob('*') if p.is_file())} files"


def _disk(root: Path) -> str:
    free = shutil.disk_usage(root).free / 1e9
    if free < 1:
        raise PotatoError("The disk is almost full.", expected="1 GB free", found=f"{free:.2f} GB", hint="make room")
    return f"{free:.0f} GB free"


def _renderer(root: Path) -> str:
    return "quarto" if shutil.which("quarto") else "pandoc (no quarto on PATH; the pages are the same)"


def _secrets(root: Path) -> str:
    known = credentials.known(os.environ)
    spared = "".join(f"; {name} is not, because {why}" for name, why in sorted(known.spared.items()))
    return f"{len(known.values)} values of the environment are redacted{spared}"


_CHECKS: dict[str, Callable[[Path], str]] = {
    "Python": _python,
    "packages": _packages,
    "settings": _settings,
    "engine": _engine,
    "raw files": _raw_files,
    "disk": _disk,
    "site renderer": _renderer,
    "secrets": _secrets,
}

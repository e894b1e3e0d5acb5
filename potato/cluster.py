"""Spark's session and work that is handed to it: files to read, frames to check, copies to write.

Unless `engine: spark` asks for it, the same work is done in this process, and nothing of Spark is imported.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from potato.errors import PotatoError
from potato.settings import Settings, SparkSettings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

Item = TypeVar("Item")
Result = TypeVar("Result")

OLDEST_JAVA = 17
_JAVA_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_AS_EVER = {
    # As other engines do: a text that is no number is null.
    "spark.sql.ansi.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    # Each of silver's queries is small, and to plan it anew between its stages costs more than it saves.
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_HERE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "3g",
    "spark.driver.maxResultSize": "0",
}


def each(settings: Settings, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return `work` of each item in their order; on Spark each is a task of its own, and may run elsewhere.

    Raises
    ------
    PotatoError
        the first that `work` raises.
    """
    if settings.engine != "spark" or not items:
        return [work(item) for item in items]

    def attempted(item: Item) -> tuple[Result | None, PotatoError | None]:
        # An error that passes through Spark comes back as its text alone.
        try:
            return work(item), None
        except PotatoError as error:
            return None, error

    done: Any = session(settings.spark).sparkContext.parallelize(items, len(items)).map(attempted).collect()
    for _, error in done:
        if error is not None:
            raise error
    return [result for result, _ in done]


def frame(settings: Settings, rows: pa.Table) -> Any:
    """Return rows as what contracts are evaluated on: an Arrow table, or a DataFrame of Spark."""
    if settings.engine != "spark":
        return rows
    import pyarrow as pa

    # Spark would refuse a missing value where there must be one before the contract can tell it.
    nullable = pa.schema([field.with_nullable(True) for field in rows.schema])
    with quiet():
        return session(settings.spark).createDataFrame(pa.Table.from_arrays(rows.columns, schema=nullable))


def share(settings: Settings, layer: str, tables: Mapping[str, pa.Table], by: Mapping[str, str]) -> None:
    """Give other jobs a copy of a layer's tables, where `spark.lake` asks for one: a folder for each value of a column.

    `by` names that column of each table that is copied. What an earlier run left there is replaced.
    """
    address = settings.spark.lake
    if settings.engine != "spark" or address is None:
        return
    for name, column in by.items():
        written = frame(settings, tables[name]).repartition(column).write.mode("overwrite").partitionBy(column)
        written.parquet(f"{address.rstrip('/')}/{settings.study_name}/{layer}/{name}")


def session(settings: SparkSettings) -> SparkSession:
    """Return this process' Spark session, started as the settings say."""
    require_package()
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    require_java()
    if settings.master.startswith("local"):
        # Elsewhere the executors have a Python of their own.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("potato").master(settings.master)
    for key, value in _configuration(settings).items():
        builder = builder.config(key, value)
    with _own_stderr() as said, quiet():
        try:
            started = builder.getOrCreate()
        except Exception as error:
            raise PotatoError(
                "Spark does not start.",
                where="params.yaml, spark",
                expected=f"a session on {settings.master}",
                found=_reason(error, said),
                hint="correct `master` and `options` below `spark:`, or write `engine: duckdb`",
            ) from None
    started.sparkContext.setLogLevel("OFF")
    return started


def _configuration(settings: SparkSettings) -> dict[str, str]:
    own = {**_AS_EVER}
    if settings.master.startswith("local"):
        cores = re.fullmatch(r"local\[(\d+)\]", settings.master)
        partitions = cores[1] if cores else str(os.cpu_count() or 1)
        own |= {
            **_HERE,
            "spark.sql.shuffle.partitions": partitions,
            "spark.default.parallelism": partitions,
        }
    warehouse = Path(tempfile.gettempdir()) / "potato-spark-warehouse"
    return {**own, "spark.sql.warehouse.dir": warehouse.as_uri(), **settings.options}


def require_package() -> None:
    """Raise PotatoError where PySpark is not installed."""
    if importlib.util.find_spec("pyspark") is None:
        raise PotatoError(
            "Spark is not installed.",
            where="params.yaml, engine",
            expected="the package pyspark",
            found="no such package",
            hint="type `make spark`, or write `engine: duckdb`",
        )


def require_java() -> None:
    """Raise PotatoError where no Java is found that Spark can run on."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    found = "no java" if not home else f"no java in {home}, which JAVA_HOME names"
    if java:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
        version = _JAVA_VERSION.search(said)
        if version and int(version[1]) >= OLDEST_JAVA:
            return
        found = f"Java {version[1]}" if version else (" ".join(said.split())[:200] or "a java that does not start")
    raise PotatoError(
        f"Spark needs Java {OLDEST_JAVA} or newer.",
        where="params.yaml, engine",
        expected=f"a java of version {OLDEST_JAVA} or newer on PATH or in JAVA_HOME",
        found=found,
        hint="on Debian and Ubuntu type `apt-get install openjdk-17-jre-headless` as root, or write `engine: duckdb`",
    )


def _reason(error: Exception, said: Path) -> str:
    lines = [line for line in said.read_text(errors="replace").splitlines() if "Exception" in line or "Error" in line]
    return " ".join((lines[0] if lines else str(error)).split())[:300]


@contextlib.contextmanager
def _own_stderr() -> Iterator[Path]:
    """Let the Java process that is started here say what it says into a file, and not on the terminal."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stderr"
        kept = os.dup(2)
        sys.stderr.flush()
        with path.open("wb") as stream:
            os.dup2(stream.fileno(), 2)
        try:
            yield path
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Leave out what PySpark warns of wherever it is imported or called: that it does not know so new a pandas.

    No frame of pandas is handed to it.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="pyspark")
        yield

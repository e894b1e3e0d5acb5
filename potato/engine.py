"""The Ibis connection that silver's expressions run on, DuckDB or Spark; each query is a span of the run's trace."""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import functools
import gc
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops
from ibis.backends.duckdb import Backend

from potato import lake, spans
from potato.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

# Selects within selects are merged by an engine, too, and Ibis takes a third of its time for it.
ibis.options.sql.fuse_selects = False

# What is imported stays to the end: the garbage collector would look through all of it in the middle of a query that is
# written, as it does after so many new objects, and take a fifth of a second for it.
gc.freeze()
atexit.register(gc.unfreeze)  # at the end DuckDB's library counts what is left, and complains

_SOURCE = re.compile(r'\bFROM (?:"[^"]+"\.)*"([^"]+)"')


class _DuckDB(Backend):
    """DuckDB's backend, which computes steps in the background, and tells each query as a span.

    While DuckDB computes a step, this thread writes the next query, which takes Ibis as long. Steps are computed one
    by one, and whoever asks for the connection waits for them, so that nothing is ever computed from half a table.
    What stops a step is raised there.
    """

    _text = ""
    _connection: Any = None

    @functools.cached_property
    def _steps(self) -> list[Future[None]]:
        return []

    @functools.cached_property
    def _background(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="duckdb")

    @property
    def con(self) -> Any:
        """DuckDB's connection, when all steps are computed."""
        steps = self._steps.copy()
        try:
            wait(steps)
        except KeyboardInterrupt:
            for step in steps:
                step.cancel()
            self._connection.interrupt()
            wait(steps)
            self._steps.clear()
            raise
        self._steps.clear()
        for step in steps:
            step.result()  # of several errors the first, which the others come from
        return self._connection

    @con.setter
    def con(self, connection: Any) -> None:
        self._connection = connection

    def to_pyarrow(self, expr: ibis.Expr, /, **kwargs: Any) -> pa.Table:
        """Return the rows of an expression."""
        _ = self.con  # waits here, and not within the query's span
        if not spans.recording():
            return super().to_pyarrow(expr, **kwargs)
        with _span("SELECT") as told:
            try:
                rows = super().to_pyarrow(expr, **kwargs)
                told["db.response.returned_rows"] = getattr(rows, "num_rows", 1)
            finally:
                # As it was given to the engine: to make it once more would cost more than the span does.
                source = next(iter(_SOURCE.findall(self._text)), "")
                told |= {"db.collection.name": source, "db.query.text": self._text.strip()}
                told["name"] = f"SELECT {source}".strip()
        return rows

    def create_table(self, name: str, /, obj: Any = None, **kwargs: Any) -> ibis.Table:
        """Let an expression be computed into a temporary table."""
        if obj.op().find(ops.InMemoryTable):
            self._run_pre_execute_hooks(obj)  # hands its rows over, for which it waits
        schema, place = obj.schema(), f'"temp"."main"."{name}"'
        text_of = self.compiler.type_mapper.to_string
        columns = ", ".join(f'"{column}" {text_of(dtype)}' for column, dtype in schema.items())
        insert = f"INSERT INTO {place} {self.compile(obj)}"
        create = f"CREATE TEMPORARY TABLE {place} ({columns})"
        context = contextvars.copy_context()
        self._steps.append(self._background.submit(context.run, self._compute, name, create, insert))
        namespace = ops.Namespace(catalog="temp", database="main")
        return ops.DatabaseTable(name, schema=schema, source=self, namespace=namespace).to_expr()

    def _compute(self, name: str, create: str, insert: str) -> None:
        with _span("CREATE TABLE") as told:
            told |= {"db.collection.name": name, "db.query.text": insert, "name": f"CREATE TABLE {name}"}
            self._connection.execute(create)
            told["db.response.returned_rows"] = self._connection.execute(insert).fetchone()[0]

    def compile(self, expr: ibis.Expr, /, **kwargs: Any) -> str:
        """Return an expression as SQL."""
        self._text = super().compile(expr, **kwargs)
        return self._text

    def drop_table(self, name: str, /, **kwargs: Any) -> None:
        """Forget a temporary table."""
        self.con.execute(f'DROP TABLE "{name}"')

    @contextlib.contextmanager
    def one_thread(self) -> Iterator[None]:
        """Use one thread within the block."""
        threads = self.con.execute("SELECT current_setting('threads')").fetchone()[0]
        self.con.execute("SET threads = 1")
        try:
            yield
        finally:
            wait(self._steps)  # what stopped one of them is raised where its rows are asked for
            self._connection.execute(f"SET threads = {threads}")


def _span(operation: str) -> AbstractContextManager[dict[str, object]]:
    return spans.span(operation, **{"db.system.name": "duckdb", "db.operation.name": operation})


def connect(settings: Settings) -> ibis.BaseBackend:
    """Return the engine that the settings name: DuckDB in memory, on all cores, or Spark.

    Raises
    ------
    PotatoError
        where Spark is asked for and PySpark or Java is missing, or its session does not start.
    """
    if settings.engine == "spark":
        from potato import spark

        return spark.connect(settings)
    return _DuckDB().connect()


def one_thread(connection: Any) -> AbstractContextManager[None]:
    """Let DuckDB use one thread: with more, the order in which a sum adds up, and so its last digit, varies.

    Spark adds up in the order of its partitions: there the last digits are not promised.
    """
    return connection.one_thread()


def table(connection: ibis.BaseBackend, folder: Path, name: str) -> ibis.Table:
    """Return the dataset in `folder` as a table of `connection` called `name`; nothing is read yet."""
    lake.require(folder)
    dataset = f"{folder.parent.name}/{folder.name}"
    try:
        with spans.span(f"open {dataset}", **{"potato.dataset": dataset, "potato.bytes": lake.size(folder)}):
            return connection.read_parquet(str(folder / "*.parquet"), table_name=name)
    except Exception as error:
        if not type(error).__module__.startswith(("duckdb", "_duckdb", "pyspark", "py4j")):
            raise
        raise lake.damaged(folder, error) from None


def keep(connection: ibis.BaseBackend, name: str, expression: ibis.Table) -> ibis.Table:
    """Return a temporary table of `connection` called `name`, for which an expression is run once.

    DuckDB runs it in the background; an error is raised where anything is asked of the connection next.
    """
    return connection.create_table(name, expression, temp=True)


def drop(connection: ibis.BaseBackend, name: str) -> None:
    """Forget a table of `keep`."""
    connection.drop_table(name)

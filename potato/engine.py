"""The Ibis connection that silver's expressions run on, DuckDB or Spark; each query is a span of the run's trace."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
from ibis.backends.duckdb import Backend

from potato import lake, spans
from potato.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

_SOURCE = re.compile(r'\bFROM (?:"[^"]+"\.)*"([^"]+)"')


class _Noting:
    """DuckDB's connection, which tells the text of each statement."""

    def __init__(self, connection: Any, note: Callable[[str], None]) -> None:
        self._connection, self._note = connection, note

    def execute(self, text: str, *arguments: Any) -> Any:
        self._note(text)
        return self._connection.execute(text, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Traced(Backend):
    """DuckDB's backend, which tells each result that is asked of it as a span.

    The texts are taken where the engine gets them, since making them a second time would cost more than they do.
    """

    _texts: list[str] | None = None

    def to_pyarrow(self, expr: ibis.Expr, /, **kwargs: Any) -> pa.Table:
        """Return the rows of an expression."""
        if not spans.recording():
            return super().to_pyarrow(expr, **kwargs)
        with self._span("SELECT") as told:
            rows = super().to_pyarrow(expr, **kwargs)
            told["db.response.returned_rows"] = getattr(rows, "num_rows", 1)
        return rows

    def create_table(self, name: str, /, obj: Any = None, **kwargs: Any) -> ibis.Table:
        """Run an expression into a table of the engine."""
        if not spans.recording():
            return super().create_table(name, obj, **kwargs)
        with self._span("CREATE TABLE", name) as told:
            made = super().create_table(name, obj, **kwargs)
            told["db.response.returned_rows"] = self.con.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0]
        return made

    def compile(self, expr: ibis.Expr, /, **kwargs: Any) -> str:
        """Return an expression as SQL."""
        text: str = super().compile(expr, **kwargs)
        self._note(text)
        return text

    def raw_sql(self, query: Any, **kwargs: Any) -> Any:
        """Run SQL as it is."""
        text = query if isinstance(query, str) else query.sql(dialect=self.name)
        self._note(text)
        made = super().raw_sql(text, **kwargs)
        return made if self._texts is None else _Noting(made, self._note)

    def drop_table(self, name: str, /, **kwargs: Any) -> None:
        """Forget a temporary table."""
        self.raw_sql(f'DROP TABLE "{name}"')

    @contextlib.contextmanager
    def one_thread(self) -> Iterator[None]:
        """Use one thread within the block."""
        threads = self.raw_sql("SELECT current_setting('threads')").fetchone()[0]
        self.raw_sql("SET threads = 1")
        try:
            yield
        finally:
            self.raw_sql(f"SET threads = {threads}")

    def _note(self, text: str) -> None:
        if self._texts is not None:
            self._texts.append(text)

    @contextlib.contextmanager
    def _span(self, operation: str, name: str | None = None) -> Iterator[dict[str, object]]:
        outer, self._texts = self._texts, []
        known = {"db.system.name": "duckdb", "db.operation.name": operation}
        try:
            with spans.span(operation, **known) as told:
                try:
                    yield told
                finally:
                    # Around its query the engine asks for names, and makes an empty table first.
                    text = next((one for one in self._texts if one.startswith("INSERT")), "".join(self._texts[-1:]))
                    source = name or next(iter(_SOURCE.findall(text)), "")
                    told |= {"db.collection.name": source, "db.query.text": text.strip()}
                    told["name"] = f"{operation} {source}".strip()
        finally:
            self._texts = outer


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
    return _Traced().connect()


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
    """Run an expression once, and return its rows as a temporary table of `connection` called `name`."""
    return connection.create_table(name, expression, temp=True)


def drop(connection: ibis.BaseBackend, name: str) -> None:
    """Forget a table of `keep`."""
    connection.drop_table(name)

"""Spark as the engine: an Ibis backend that reads texts as DuckDB does and keeps steps as temporary tables."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops

from potato import cluster, spans, sparktexts
from potato.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

with warnings.catch_warnings():
    # On import Ibis makes pandas functions that silver does not use; PySpark warns of how they are declared, and of
    # a pandas newer than itself.
    warnings.simplefilter("ignore")
    try:
        from ibis.backends.pyspark import Backend
    except ImportError:
        Backend = object


class SparkBackend(Backend):
    """Ibis' backend with temporary tables, results that come as Arrow, and a span for each query."""

    name = "pyspark"
    compiler = sparktexts.compiler()

    def to_pyarrow(self, expr: ibis.Expr, /, **kwargs: Any) -> pa.Table:
        """Return the rows of an expression."""
        from ibis.formats.pyarrow import PyArrowSchema

        self._run_pre_execute_hooks(expr)
        table = expr.as_table()
        sql = self.compile(table)
        with self._span("SELECT", sql) as told, cluster.quiet():
            rows = self._session.sql(sql).toArrow().cast(PyArrowSchema.from_ibis(table.schema()))
            told["db.response.returned_rows"] = rows.num_rows
        return expr.__pyarrow_result__(rows)

    def create_table(self, name: str, /, obj: Any = None, **kwargs: Any) -> ibis.Table:
        """Run an expression once and keep its rows on the executors as a temporary table."""
        self._run_pre_execute_hooks(obj)
        sql = self.compile(obj)
        with self._span("CREATE TABLE", sql) as told, cluster.quiet():
            told |= {"db.collection.name": name, "name": f"CREATE TABLE {name}"}
            self._session.sql(sql).localCheckpoint().createOrReplaceTempView(name)
        return self.table(name)

    def drop_table(self, name: str, /, **kwargs: Any) -> None:
        """Forget a temporary table."""
        self._session.catalog.dropTempView(name)

    @contextlib.contextmanager
    def one_thread(self) -> Iterator[None]:
        """Do nothing: Spark adds up in the order of its partitions, whose last digits may differ."""
        yield

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        from ibis.formats.pyarrow import PyArrowSchema

        rows = op.data.to_pyarrow(op.schema).cast(PyArrowSchema.from_ibis(op.schema))
        with cluster.quiet():
            self._session.createDataFrame(rows).createOrReplaceTempView(op.name)

    @contextlib.contextmanager
    def _span(self, operation: str, sql: str) -> Iterator[dict[str, object]]:
        known = {"db.system.name": "spark", "db.operation.name": operation, "db.query.text": sql.strip()}
        with spans.span(operation, **known) as told:
            yield told


def connect(settings: Settings) -> ibis.BaseBackend:
    """Return Spark as an Ibis connection; the session is started where this process has none.

    Raises
    ------
    PotatoError
        where PySpark or Java is missing, or the session does not start.
    """
    started = cluster.session(settings.spark)
    with cluster.quiet():
        # Ibis registers its options for Spark when its own backend is loaded.
        _ = ibis.pyspark
    return SparkBackend().connect(started)

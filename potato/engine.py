"""The Ibis connection that silver's expressions run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ibis

from potato import lake


def connect() -> ibis.BaseBackend:
    """Return the embedded engine: DuckDB in memory, on all cores."""
    return ibis.duckdb.connect()


@contextmanager
def one_thread(connection: ibis.BaseBackend) -> Iterator[None]:
    """Let the engine use one thread: with more, the order in which a sum adds up, and so its last digit, varies."""
    threads = connection.raw_sql("SELECT current_setting('threads')").fetchone()[0]
    connection.raw_sql("SET threads = 1")
    try:
        yield
    finally:
        connection.raw_sql(f"SET threads = {threads}")


def table(connection: ibis.BaseBackend, folder: Path, name: str) -> ibis.Table:
    """Return the dataset in `folder` as a table of `connection` called `name`; nothing is read yet."""
    lake.require(folder)
    import duckdb

    try:
        return connection.read_parquet(str(folder / "*.parquet"), table_name=name)
    except duckdb.Error as error:
        raise lake.damaged(folder, error) from None

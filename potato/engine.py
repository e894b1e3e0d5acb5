"""The Ibis connection that silver's expressions run on."""

from __future__ import annotations

from pathlib import Path

import ibis

from potato import lake


def connect() -> ibis.BaseBackend:
    """Return the embedded engine: DuckDB in memory.

    It has one thread: with more, the order in which a sum adds up, and so its last digit, differs from run to run.
    """
    return ibis.duckdb.connect(threads=1)


def table(connection: ibis.BaseBackend, folder: Path, name: str) -> ibis.Table:
    """Return the dataset in `folder` as a table of `connection` called `name`; nothing is read yet."""
    lake.require(folder)
    import duckdb

    try:
        return connection.read_parquet(str(folder / "*.parquet"), table_name=name)
    except duckdb.Error as error:
        raise lake.damaged(folder, error) from None

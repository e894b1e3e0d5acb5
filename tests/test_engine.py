"""DuckDB computes steps in the background: in their order, before anybody reads them, and no error is lost."""

from __future__ import annotations

import signal
from typing import Any

import ibis
import pyarrow as pa
import pytest

from potato import engine, settings

from .conftest import HERE


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def current_setting(name: str) -> int:  # type: ignore[empty-body]
    """Return one of DuckDB's settings."""


@pytest.fixture
def connection() -> Any:
    return engine.connect(settings.load(HERE))


def words(connection: Any, *texts: str) -> ibis.Table:
    rows = ibis.memtable(pa.table({"word": list(texts)}))
    return engine.keep(connection, "words", rows)


def test_a_step_is_computed_before_the_next_one_reads_it(connection: Any) -> None:
    step = words(connection, *map(str, range(100_000)))
    for number in range(20):
        step = engine.keep(connection, f"step{number}", step.mutate(word=step.word + "."))
    (longest,) = step.aggregate(found=step.word.length().max()).to_pyarrow()["found"].to_pylist()
    assert longest == 25


def test_a_step_that_fails_stops_whoever_asks_for_anything_next_and_nobody_after(connection: Any) -> None:
    made = words(connection, "x")
    engine.keep(connection, "numbers", made.mutate(number=made.word.cast("int64")))
    with pytest.raises(Exception, match=r"Conversion Error.*'x'"):
        made.to_pyarrow()
    assert made.to_pyarrow()["word"].to_pylist() == ["x"]


def test_of_several_steps_that_fail_the_first_is_told(connection: Any) -> None:
    made = words(connection, "x")
    numbers = engine.keep(connection, "numbers", made.mutate(number=made.word.cast("int64")))
    engine.keep(connection, "twice", numbers.mutate(number=numbers.number * 2))
    with pytest.raises(Exception, match="Conversion Error"):
        made.to_pyarrow()


def test_an_error_is_raised_when_no_step_runs_any_more(connection: Any) -> None:
    made = words(connection, *map(str, range(3_000)), "x")
    engine.keep(connection, "numbers", made.mutate(number=made.word.cast("int64")))
    pairs = made.cross_join(made.select(other=made.word))
    engine.keep(connection, "lengths", pairs.aggregate(length=(pairs.word + pairs.other).length().sum()))
    with pytest.raises(Exception, match="Conversion Error"):
        made.to_pyarrow()
    assert made.to_pyarrow().num_rows == 3_001


def test_a_step_that_fails_on_one_thread_leaves_all_threads(connection: Any) -> None:
    connection.raw_sql("SET threads = 2")
    with engine.one_thread(connection):
        made = words(connection, "x")
        engine.keep(connection, "numbers", made.mutate(number=made.word.cast("int64")))
    with pytest.raises(Exception, match="Conversion Error"):
        made.to_pyarrow()
    assert made.select(threads=current_setting("threads")).to_pyarrow()["threads"].to_pylist() == [2]


def test_whoever_interrupts_the_wait_ends_the_step_as_well(connection: Any) -> None:
    made = words(connection, *map(str, range(10_000)))
    ones, twos, threes, fours = (made.select(**{name: made.word}) for name in ("one", "two", "three", "four"))
    endless = ones.cross_join(twos).cross_join(threes).cross_join(fours)
    engine.keep(connection, "endless", endless.aggregate(lengths=(endless.one + endless.four).length().sum()))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            made.to_pyarrow()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert made.to_pyarrow().num_rows == 10_000


def test_steps_within_the_block_use_one_thread_and_later_ones_do_not(connection: Any) -> None:
    threads = words(connection, "x").select(threads=current_setting("threads"))
    connection.raw_sql("SET threads = 2")
    with engine.one_thread(connection):
        alone = engine.keep(connection, "alone", threads)
    together = engine.keep(connection, "together", threads)
    assert [table.to_pyarrow()["threads"].to_pylist() for table in (alone, together)] == [[1], [2]]
    engine.drop(connection, "alone")
    with pytest.raises(Exception, match="alone"):
        alone.to_pyarrow()

"""The order of day, month and year in each file, told by its dates: a part over 12, else steps of years."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir

from potato import dates, reasons
from potato.errors import PotatoError
from potato.quantities import is_missing, text

_FEW_DAYS, _A_YEAR = 31, 300
_STEPS_NEEDED = 3
_CLEARLY_FEWER = 0.9
_A_WEEK = 7

Row = dict[str, Any]


class Told(NamedTuple):
    """A file's order of dates or None, the sentence that says why, and whether its year, month, day is in doubt."""

    order: str | None
    why: str
    doubted: bool = False


def fetch(table: ir.Table) -> list[Row]:
    """Run a query whose result is small, and return its rows."""
    found: list[Row] = table.to_pyarrow().to_pylist()
    return found


def of_files(table: ir.Table, names: Iterable[str], stated: str | None, family: str, *, plain: bool) -> dict[str, Told]:
    """Return for each of the files `names` of a bronze table its order, or None, and the sentence that says why.

    `plain` says that all dates are plain (module plain), which asks for no order.

    Raises
    ------
    PotatoError
        when the study file states an order in which clearly fewer dates can be read than in another.
    """
    if plain:
        for_all = Told(stated, "stated in the study file") if stated else Told(None, reasons.YEAR_FIRST)
        return dict.fromkeys(names, for_all)
    spoken = table.group_by(["source_file", "date"]).aggregate(n=lambda t: t.count())
    spoken = spoken.filter(~is_missing(spoken.date)).mutate(bare=dates.cleaned(spoken.date))
    counts = _counts(spoken)
    doubts = {} if stated == "ymd" else _doubts(spoken, table)
    if stated:
        _refuse_wrong_date_order(table, counts, stated, f"the study file, {family}.columns.date")
        told = dict.fromkeys(names, Told(stated, "stated in the study file"))
    else:
        open_files = [name for name, row in counts.items() if "ymd" in _candidates(row) and len(_candidates(row)) > 1]
        steps = _steps(table, open_files) if open_files else {}
        told = {
            name: _order(counts[name], steps.get(name, {})) if name in counts else Told(None, reasons.NOT_NEEDED)
            for name in names
        }
    return {name: _doubted(found, name in counts, doubts.get(name)) for name, found in told.items()}


def _counts(spoken: ir.Table) -> dict[str, Row]:
    """Return for each file with dates that ask for an order how many are dates in each, and examples that tell."""
    read = spoken.filter(spoken.bare.notnull())
    read = read.mutate(**dates.readings(read.bare), free=dates.without_order(read.bare))
    ordered = read.filter(read.free.isnull() & (read.dmy.notnull() | read.mdy.notnull() | read.ymd.notnull()))
    ordered = ordered.mutate(
        short=dates.has_short_year(ordered.bare),
        single=dates.only_reading({order: ordered[order] for order in dates.ORDERS}).notnull(),
        alone=sum((ordered[order].notnull().cast("int8") for order in dates.ORDERS), ibis.literal(0)) == 1,
    )
    n = ordered.n

    def counted(which: ir.BooleanValue) -> ir.IntegerScalar:
        return ibis.ifelse(which, n, 0).sum()

    def example(which: ir.BooleanValue) -> ir.StringScalar:
        return ibis.ifelse(which, ordered.date, ibis.null(str)).min()

    found = ordered.group_by("source_file").aggregate(
        n=n.sum(),
        **{order: counted(ordered[order].notnull()) for order in dates.ORDERS},
        short=counted(ordered.short),
        several=counted(~ordered.single),
        swapped=counted((ordered.dmy != ordered.mdy).fill_null(False)),
        tells=example(ordered.alone),
        year_last=example(ordered.short & ordered.ymd.isnull()),
        open=example(~ordered.single),
        some=ordered.date.min(),
    )
    return {row["source_file"]: row for row in fetch(found)}


def _candidates(row: Row) -> list[str]:
    """Return the orders in which all of a file's dates can be read; a four-digit year says nothing of ymd."""
    able = [order for order in ("dmy", "mdy") if row[order] == row["n"]]
    return [*able, "ymd"] if row["short"] and row["ymd"] == row["short"] else able


def _order(row: Row, steps: Row) -> Told:
    """Return the order that the parts of a file's dates allow; between years in front and last, steps may decide."""
    able = _candidates(row)
    some = _shown(row["open"] or row["some"])
    if not able or (able == ["ymd"] and row["ymd"] < row["n"]):
        return Told(None, f"the dates contradict each other ({some}): each needs a part over 12")
    if not row["several"] and len(able) > 1:
        return Told(None, reasons.ALIKE)
    if len(able) == 1:
        if row["tells"]:
            return Told(able[0], f"a part over 12 tells the order, as in {_shown(row['tells'])}")
        return Told(able[0], "no other order makes a day of the calendar of each date")
    untold = Told(None, f"{row['several']:,} dates such as {some} read in more than one way, and nothing tells which")
    last = [order for order in able if order != "ymd"]
    # Daily dates in one of dmy and mdy are monthly in the other: no step decides between these two.
    of_last = last[0] if len(last) == 1 or not row["swapped"] else None
    if "ymd" not in able:
        return Told(of_last, f"the year comes last, as in {_shown(row['year_last'])}") if of_last else untold
    if steps.get("steps", 0) < _STEPS_NEEDED:
        return untold
    by_last = [steps[order] for order in last]
    if row["ymd"] == row["n"] and steps["ymd"] <= _FEW_DAYS and min(by_last) >= _A_YEAR:
        return Told("ymd", _by_steps("ymd", steps["ymd"], min(by_last)))
    if of_last and max(by_last) <= _FEW_DAYS and steps["ymd"] >= _A_YEAR:
        return Told(of_last, _by_steps(of_last, max(by_last), steps["ymd"]))
    return untold


def _by_steps(order: str, few: float, many: float) -> str:
    told = f"read {order}, the median step between a person's successive dates, in days, is {few:,.0f}"
    return f"{told}; read otherwise at least {many:,.0f}"


def _shown(date: str) -> str:
    return date.strip()[:40]


def _steps(table: ir.Table, files: list[str]) -> dict[str, Row]:
    """Return for each file how many steps a person's successive two-digit years make, and the median in each order."""
    moved = _moves(table.filter(table.source_file.isin(files)))
    now, before = dates.readings(moved.bare), dates.readings(moved.bare_before)
    moved = moved.mutate(**{order: (now[order] - before[order]).abs() for order in dates.ORDERS})
    moved = moved.filter(moved.ymd.notnull())
    found = moved.group_by("source_file").aggregate(
        steps=moved.count(), **{order: moved[order].median() for order in dates.ORDERS}
    )
    return {row["source_file"]: row for row in fetch(found)}


def _moves(table: ir.Table) -> ir.Table:
    """Return each row whose date is not that of the person's row before it, with both dates, raw and cleaned."""
    rows = table.select("source_file", "source_row", "subject_id", "date")
    window = ibis.window(group_by=["source_file", "subject_id"], order_by="source_row")
    lagged = rows.mutate(before=rows.date.lag().over(window))
    # Several rows of one day tell nothing about the order.
    moved = lagged.filter(lagged.before.notnull() & (lagged.before != lagged.date))
    return moved.mutate(bare=dates.cleaned(moved.date), bare_before=dates.cleaned(moved.before))


def _doubts(spoken: ir.Table, table: ir.Table) -> dict[str, str]:
    """Return for each file whose dates with a four-digit year in front may be year, day, month one that tells it.

    Such a date is 2022-13-05. A few beside many such as 2022-05-13 are slips, and so they are beside dates that follow
    each other within a week where the month comes next, and are months apart where the day does.
    """
    month_next, day_next = dates.year_first(ibis.coalesce(spoken.bare, spoken.date))
    read = spoken.mutate(against=month_next.isnull() & day_next.notnull(), month=month_next, day=day_next)
    read = read.filter(read.month.isnull() != read.day.isnull())
    found = read.group_by("source_file").aggregate(
        n=read.n.sum(),
        against=ibis.ifelse(read.against, read.n, 0).sum(),
        example=ibis.ifelse(read.against, read.date, ibis.null(str)).min(),
    )
    doubts = {
        row["source_file"]: row["example"]
        for row in fetch(found)
        if row["against"] and row["n"] - row["against"] < row["n"] * _CLEARLY_FEWER
    }
    steady = _steady(table, list(doubts)) if doubts else set()
    return {name: example for name, example in doubts.items() if name not in steady}


def _steady(table: ir.Table, files: list[str]) -> set[str]:
    """Return the files in which the month after a four-digit year gives steps of days, and the day there none."""
    moved = _moves(table.filter(table.source_file.isin(files)))
    now, before = (
        dates.year_first(ibis.coalesce(bare, raw))
        for bare, raw in ((moved.bare, moved.date), (moved.bare_before, moved.before))
    )
    moved = moved.mutate(month=(now[0] - before[0]).abs(), day=(now[1] - before[1]).abs())
    moved = moved.filter(moved.month.notnull() & moved.day.notnull())
    found = moved.group_by("source_file").aggregate(month=moved.month.median(), day=moved.day.median())
    return {row["source_file"] for row in fetch(found) if row["month"] <= _A_WEEK < row["day"]}


def _doubted(told: Told, asks: bool, example: str | None) -> Told:
    if example is None:
        return told
    why = f"{_shown(example)} is not year, month, day: what reads as year, day, month as well is not read"
    return Told(told.order, f"{told.why}; {why}" if asks or told.order else why, doubted=True)


def _refuse_wrong_date_order(table: ir.Table, counts: Mapping[str, Row], order: str, where: str) -> None:
    """Stop when another order of day, month and year reads clearly more of a family's dates than the stated one."""
    read = {other: sum(row[other] for row in counts.values()) for other in dates.ORDERS}
    written = sum(row["n"] for row in counts.values())
    most = max(read.values())
    if read[order] >= most * _CLEARLY_FEWER:
        return
    best = [other for other in dates.ORDERS if read[other] == most]
    bare = table.mutate(bare=dates.cleaned(table.date))
    unread = bare.filter(
        text(bare.date).notnull()
        & bare.bare.notnull()
        & dates.without_order(bare.bare).isnull()
        & dates.readings(bare.bare)[order].isnull()
    )
    example = fetch(unread.order_by(["source_file", "source_row"]).select("date").limit(1))[0]["date"]
    others = " and ".join(f"{other} {read[other]}" for other in best)
    raise PotatoError(
        f"The dates are not written in the order {order}.",
        where=where,
        expected=f"{order}, as date_order says",
        found=f"{example!r}, for one: of {written} dates {order} reads {read[order]}, {others}",
        nearest=best[0] if len(best) == 1 else None,
        hint=f"write `date_order: {best[0]}` into the study file, or leave date_order out"
        if len(best) == 1
        else f"write `date_order: {'` or `date_order: '.join(best)}` into the study file; the dates don't tell which",
    )

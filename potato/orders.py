"""The order of day, month and year in each file, told by its dates: a part over 12, else the steps between rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import ibis
import ibis.expr.types as ir

from potato import dates
from potato.errors import PotatoError
from potato.quantities import is_missing, text

_STEP_DAYS = 3
_STEPS_NEEDED = 3
_MOST_STEPS, _FEW_STEPS = 0.8, 0.2
_CLEARLY_FEWER = 0.9

Row = dict[str, Any]
Told = tuple[str | None, str]


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
        return dict.fromkeys(
            names, (stated, "stated in the study file") if stated else (None, "no date needs an order")
        )
    spoken = table.group_by(["source_file", "date"]).aggregate(n=lambda t: t.count())
    spoken = spoken.filter(~spoken.date.re_search(dates.ISO) & ~is_missing(spoken.date))
    bare = spoken.mutate(bare=dates.cleaned(spoken.date))
    read = bare.mutate(**dates.readings(bare.bare), free=dates.without_order(bare.bare))
    read = read.mutate(dashed=dates.dashed_short_years(read.bare), tells=(read.dmy.isnull() != read.mdy.isnull()))
    ordered = read.filter(read.free.isnull() & (read.dmy.notnull() | read.mdy.notnull() | read.ymd.notnull()))
    n = ordered.n
    counts = {
        row["source_file"]: row
        for row in fetch(
            ordered.group_by("source_file").aggregate(
                n=n.sum(),
                **{order: ibis.ifelse(ordered[order].notnull(), n, 0).sum() for order in dates.ORDERS},
                dashed=ordered.dashed.any(),
                example=ibis.ifelse(ordered.tells, ordered.date, ibis.null(str)).min(),
                some=ordered.date.min(),
            )
        )
    }
    if stated:
        _refuse_wrong_date_order(table, counts, stated, f"the study file, {family}.columns.date")
        return dict.fromkeys(names, (stated, "stated in the study file"))
    open_files = [name for name, row in counts.items() if len(_candidates(row)) > 1]
    steps = _steps(table, open_files) if open_files else {}
    return {
        name: _order(counts[name], steps.get(name, {})) if name in counts else (None, "no date needs an order")
        for name in names
    }


def _candidates(row: Row) -> list[str]:
    return [order for order in dates.ORDERS if row[order] == row["n"]]


def _order(row: Row, steps: Row) -> Told:
    """Return the order that the parts of a file's dates allow, or that gives steps of days from row to row."""
    able = _candidates(row)
    some = (row["example"] or row["some"]).strip()[:40]
    if not able:
        return None, f"the dates contradict each other ({some}): each needs a part over 12"
    if steps.get("steps", 0) >= _STEPS_NEEDED and len(able) > 1:
        share = {order: steps[order] / steps["steps"] for order in able}
        best = max(able, key=lambda order: share[order])
        if share[best] >= _MOST_STEPS and all(share[o] <= _FEW_STEPS for o in able if o != best):
            told = f"read {best}, {share[best]:.0%} of a person's successive dates lie within {_STEP_DAYS} days"
            return best, f"{told}; read otherwise at most {max(share[o] for o in able if o != best):.0%}"
    if not row["dashed"] and len(able) > 1:
        able = [order for order in able if order != "ymd"]
    if len(able) == 1:
        return able[0], f"a part over 12 tells the order, as in {some}"
    return None, f"{row['n']:,} dates such as {some} read in more than one way, and nothing tells which"


def _steps(table: ir.Table, files: list[str]) -> dict[str, Row]:
    """Return for each file how many steps a person's successive dates make, and how many are of a few days."""
    rows = table.filter(table.source_file.isin(files)).select("source_file", "source_row", "subject_id", "date")
    window = ibis.window(group_by=["source_file", "subject_id"], order_by="source_row")
    lagged = rows.mutate(before=rows.date.lag().over(window))
    # Several rows of one day tell nothing about the order.
    moved = lagged.filter(lagged.before.notnull() & (lagged.before != lagged.date))
    moved = moved.mutate(bare=dates.cleaned(moved.date), bare_before=dates.cleaned(moved.before))
    now, before = dates.readings(moved.bare), dates.readings(moved.bare_before)
    moved = moved.mutate(**{order: (now[order] - before[order]).abs() for order in dates.ORDERS})
    moved = moved.filter(moved.dmy.notnull() | moved.mdy.notnull() | moved.ymd.notnull())
    found = moved.group_by("source_file").aggregate(
        steps=moved.count(),
        **{order: (moved[order] <= _STEP_DAYS).fill_null(False).sum() for order in dates.ORDERS},
    )
    return {row["source_file"]: row for row in fetch(found)}


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

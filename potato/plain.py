"""Which columns of bronze hold plain texts alone: most do, and an engine's own cast reads those at once.

A text is plain when careful reading (quantities, dates) and a bare cast give the same. That is told from a column's
different texts, which are few beside its rows.
"""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.types as ir

from potato import dates
from potato.families import Family
from potato.orders import fetch
from potato.quantities import is_missing, is_unusual
from potato.study import FamilyMapping

# Fewer digits than overflow a number; other shapes that a cast may read, such as 1e3, are not plain.
_NUMBER = r"^-?\d{1,15}(\.\d{1,30})?$"


def columns(table: ir.Table, family: Family, mapping: FamilyMapping) -> frozenset[str]:
    """Return the fields of a bronze table that the study maps and of which each text is plain, absent or empty.

    A number is digits, with a point before its decimals at most; a date is yyyy-mm-dd and a day of the calendar. Both
    may say in a word that there is no value. A text has no blanks around it and no such word. Day numbers and units
    are never said to be plain: nothing is read faster for it.
    """
    looked_at = [f for f in family.fields if f.name in mapping.fields and f.kind in _ODD and f.name != "unit"]
    counted = []
    for field in looked_at:
        texts = table.select(text=table[field.name]).distinct()
        # Summed up and not filtered: an engine would filter before it looks for the different texts, hence each row.
        odd = ibis.ifelse(texts.text.nullif("").notnull() & _ODD[field.kind](texts.text), 1, 0).sum()
        counted.append(texts.aggregate(odd=odd).mutate(name=ibis.literal(field.name)))
    return frozenset(row["name"] for row in fetch(ibis.union(*counted)) if not row["odd"]) if counted else frozenset()


def _odd_number(text: ir.StringValue) -> ir.BooleanValue:
    # Two points in a word such as n.a. would ask for the file's decimal mark.
    word = is_missing(text) & text.try_cast("float64").isnull() & ~text.contains(".")
    return ~(text.re_search(_NUMBER) | word)


def _odd_date(text: ir.StringValue) -> ir.BooleanValue:
    unread = text.try_cast("date").isnull()
    return ~ibis.ifelse(unread, is_missing(text), text.re_search(dates.ISO))


_ODD: dict[str, Callable[[ir.StringValue], ir.BooleanValue]] = {
    "number": _odd_number,
    "weight": _odd_number,
    "date": _odd_date,
    "text": is_unusual,
}

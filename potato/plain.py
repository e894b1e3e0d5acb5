"""Which columns of bronze hold plain texts alone: most do, and an engine's own cast reads those at once.

A text is plain when careful reading (quantities, dates) and a bare cast give the same. That is told from a column's
different texts, which are few beside its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ibis
import ibis.expr.types as ir

from potato import dates
from potato.families import FAMILIES
from potato.orders import fetch
from potato.quantities import MISSING, is_missing, is_unusual, pattern_of
from potato.study import Study

# Fewer digits than overflow a number; other shapes that a cast may read, such as 1e3, are not plain.
# Nor are words with points, such as n.a., which would ask for the file's decimal mark, and nan, which a cast reads.
_WORDS = [word for word in MISSING if "." not in word and word != "nan"]
_NUMBER_OR_WORD = rf"^-?\d{{1,15}}(\.\d{{1,30}})?$|{pattern_of(_WORDS)}"


def columns(bronze: Mapping[str, ir.Table], study: Study) -> tuple[dict[str, frozenset[str]], dict[str, list[str]]]:
    """Return, by family, the plain ones of the fields that the study maps, and the files that have whole rows.

    A number is plain as digits, with a point before its decimals at most; a date as yyyy-mm-dd and a day of the
    calendar. Both may say in a word that there is no value. Other texts have no blanks around them and no such word.
    Any text may be absent or empty. Day numbers and units are never said to be plain: nothing is read faster for it.
    """
    parts = []
    for family, mapping in study.families().items():
        table, named = bronze[family], ibis.literal(family)
        files = table.filter(table.fault.isnull()).select(name=table.source_file.cast("string")).distinct()
        parts.append(files.mutate(family=named, odd=ibis.null("int64")))
        looked_at = [f for f in FAMILIES[family].fields if f.name in mapping.fields and f.kind in _ODD]
        for field in (field for field in looked_at if field.name != "unit"):
            texts = table.select(text=table[field.name]).distinct()
            # Summed up and not filtered: an engine would filter each row before it looks for the different texts.
            odd = ibis.ifelse(_ODD[field.kind](texts.text.nullif("")), 1, 0).sum()
            counted = texts.aggregate(odd=odd.fill_null(0))
            parts.append(counted.select(name=ibis.literal(field.name), family=named, odd="odd"))
    fields: dict[str, set[str]] = {family: set() for family in study.families()}
    named_files: dict[str, list[str]] = {family: [] for family in study.families()}
    for row in fetch(ibis.union(*parts)):
        if row["odd"] is None:
            named_files[row["family"]].append(row["name"])
        elif not row["odd"]:
            fields[row["family"]].add(row["name"])
    return {family: frozenset(names) for family, names in fields.items()}, named_files


def _odd_number(text: ir.StringValue) -> ir.BooleanValue:
    return ~text.re_search(_NUMBER_OR_WORD)


def _odd_date(text: ir.StringValue) -> ir.BooleanValue:
    unread = text.try_cast("date").isnull()
    return ~ibis.ifelse(unread, is_missing(text), text.re_search(dates.ISO))


_ODD: dict[str, Callable[[ir.StringValue], ir.BooleanValue]] = {
    "number": _odd_number,
    "weight": _odd_number,
    "date": _odd_date,
    "text": is_unusual,
}

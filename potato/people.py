"""Who is in a study: a row for each person whom a file names, and what stops a study because of its people."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potato import cleaning
from potato.errors import PotatoError, nearest
from potato.study import Study

_SHIFTED = (
    "count the cells of such a row: a text or a decimal comma with the separator in it needs quotes, and a cell"
    " without a name needs one in the header"
)
_HINTS = {
    "unit_not_told": "write `unit: kg` or `unit: lb` into {where}, or name single people under `unit_by_subject`",
    "unknown_unit": "correct the unit column's mapping in {where}, or the unit in the raw file",
    "ambiguous_date": "write `date_order: dmy` or `date_order: mdy` into {where}; `ymd` where the year comes first",
    "ambiguous_number": "write `decimal: ','` or `decimal: '.'` below `weight:` in {where}",
    "too_many_cells": _SHIFTED,
    "too_few_cells": "count the cells of such a row: each column that the study uses needs one",
    "unclosed_quote": "close the quotes in the raw files, or remove them",
    "unreadable_date": "map the column of dates in {where}; a date reads such as 2022-05-31 or 31.05.2022",
    "no_day": "map the column that holds the dates or days in {where}",
    "missing_value": "map the column that holds the weights in {where}",
    "": "the files that `weight.files` in {where} names have no rows below a header: name others, or fill them",
    "future_date": "correct `collected_until` in {where}, or the dates",
}


def subjects(families: dict[str, ir.Table], units: ir.Table, jumps: ir.Table) -> ir.Table:
    """Return schema.SUBJECTS: everyone whom a row names, with rows kept and set aside, unit and jumps.

    `families` holds the cleaned rows, `units` (subject_id, unit, evidence), `jumps` the flagged weigh-ins. A row that
    is broken as a row, such as a second header, names nobody by itself.
    """
    parts = (rows.select("subject_id", "reason", family=ibis.literal(name)) for name, rows in families.items())
    every = ibis.union(*parts).filter(lambda t: t.subject_id.notnull())
    of_family = {f"{name}_rows": every.count(where=every.reason.isnull() & (every.family == name)) for name in families}
    people = every.group_by("subject_id").aggregate(
        **of_family, quarantined_rows=every.reason.count(), whole_rows=every.count(where=cleaning.is_whole(every))
    )
    people = people.filter(people.whole_rows > 0).drop("whole_rows")
    flagged = jumps.group_by("subject_id").aggregate(jumps=jumps.source_row.count())
    told = units.select("subject_id", weight_unit="unit", unit_evidence="evidence")
    joined = people.left_join(told, "subject_id").drop("subject_id_right").left_join(flagged, "subject_id")
    return joined.mutate(jumps=joined.jumps.fill_null(0))


def refuse_what_cannot_be_meant(people: pa.Table, reasons: dict[str, int], study: Study, name: str) -> None:
    """Stop at people who would run through and give a wrong answer.

    `people` is the result of `subjects`, `reasons` counts the weights that are set aside, `name` is the study's.
    """
    rows = people.to_pylist()
    of = {family: {row["subject_id"] for row in rows if row[f"{family}_rows"]} for family in study.families()}
    where = f"studies/{name}.yaml"
    if not of["weight"]:
        most = max(reasons, key=lambda reason: reasons[reason], default="")
        raise PotatoError(
            "No weight of the study can be used.",
            where=f"{where}, weight",
            expected="rows with a person, a day and a weight",
            found=", ".join(f"{n} {reason}" for reason, n in reasons.items()) or "no row at all",
            hint=_HINTS.get(most, "compare the mapping with the raw file").format(where=where),
        )
    for family in ("nutrition", "fiber"):
        theirs, ours = sorted(of.get(family, ())), sorted(of["weight"])
        if theirs and not of[family] & of["weight"]:
            raise PotatoError(
                f"Nobody in the {family} files is in the weight files.",
                where=f"{where}, {family}.columns.subject_id",
                expected=f"people such as {', '.join(ours[:4])}",
                found=f"people such as {', '.join(theirs[:4])}",
                nearest=nearest(theirs[0], ours),
                hint="map the column that names people in the same way in both",
            )
    named = {row["subject_id"] for row in rows}
    unknown = sorted(study.weight.unit_by_subject.keys() - named)
    if unknown:
        raise PotatoError(
            f"Nobody in the weight files is called {unknown[0]!r}.",
            where=f"{where}, weight.unit_by_subject",
            expected=f"one of {', '.join(sorted(of['weight'])[:8])}",
            found=unknown[0],
            nearest=nearest(unknown[0], named),
            hint=f"correct unit_by_subject in {where}",
        )


def refuse_changing_groups(weight: ir.Table, name: str) -> None:
    """Stop when a person of the cleaned weight rows has two groups."""
    whole = weight.filter(cleaning.is_whole(weight))
    groups = whole.group_by("subject_id").aggregate(low=whole.group.min(), high=whole.group.max())
    moved = groups.filter(groups.low != groups.high).order_by("subject_id").to_pyarrow().to_pylist()
    if moved:
        raise PotatoError(
            "Some people change their group during the study.",
            where=f"studies/{name}.yaml, weight.columns.group",
            expected="one group for each person",
            found=", ".join(f"{row['subject_id']} ({row['low']}, {row['high']})" for row in moved[:6]),
            hint="map the column as `condition`, which may change, or correct the raw file",
        )


def one_spelling(rows: ir.Table, *columns: str) -> dict[str, ir.StringValue]:
    """Return by column its labels in one spelling each, the first in sort order, where only case and blanks differ.

    A column whose labels all differ in more than that already is left out.
    """
    written = rows.select(*columns).distinct().to_pyarrow()
    spelt = {}
    for column in columns:
        labels = set(written[column].drop_null().to_pylist())
        if len({" ".join(label.split()).lower() for label in labels}) < len(labels):
            plainly = rows[column].strip().re_replace(r"\s+", " ").lower()
            spelt[column] = rows[column].min().over(group_by=plainly)
    return spelt

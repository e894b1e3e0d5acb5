"""Rules that look at several rows of a person: copies, second rows of a day, days far away from all others.

Each function takes the rows of cleaning.judged and returns only the rows that it speaks of. Most files have none of
them, so each first looks for the groups that can hold one and reads closely only there.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from potato import dates
from potato.families import Family
from potato.thresholds import ISOLATED_FROM, ISOLATED_GAP

ONE_ROW_A_DAY = ("weight", "fiber")
REPEATED_FLAG = "repeated_entry"
REPEATED_RULE = "an entry differs from the earlier ones of its file; kept, since the same thing may be eaten twice"
COPIES = ("duplicate_of_other_file", "duplicate_row", "second_of_day")  # reasons of rows whose day loses nothing

_PLACE = ["source_file", "source_row"]
_DAY = ["subject_id", "day_number"]


def days(families: dict[str, ir.Table]) -> ir.Table:
    """Return (subject_id, day_number), distinct, of every row that says who and when, usable or not.

    A day on which the scales were read but the value is missing is still a day of the study.
    """
    found = ibis.union(*(rows.select("subject_id", "day_number").distinct() for rows in families.values()))
    return found.filter(found.subject_id.notnull() & found.day_number.notnull()).distinct()


def longest(days: ir.Table) -> ir.IntegerScalar:
    """Return from the first to the last day of the person of whom these lie furthest apart; `days` is as of `days`.

    Where it is ISOLATED_GAP or less, no day is `isolated`.
    """
    spans = days.group_by("subject_id").aggregate(days=_.day_number.max() - _.day_number.min())
    return spans.days.max()


def isolated(days: ir.Table, families: dict[str, ir.Table]) -> ir.Table:
    """Return those of a person's days that lie more than ISOLATED_GAP days away from ISOLATED_FROM others or more.

    Only days whose rows stand between other rows of the person in a file count: a row that stands last, or first where
    the newest comes first, may be a follow-up a year later. `days` is the result of `days`, of all families together.
    """
    far = _far_from_others(days)
    between = ibis.union(*(_between_others(rows, far) for rows in families.values()))
    return far.semi_join(between, ["subject_id", "day_number"])


def _between_others(rows: ir.Table, far: ir.Table) -> ir.Table:
    day, file = ["subject_id", "day_number"], ["subject_id", "source_file"]
    theirs = rows.semi_join(far, "subject_id")
    others = theirs.anti_join(far, day).group_by(file).aggregate(first=_.source_row.min(), last=_.source_row.max())
    joined = theirs.semi_join(far, day).select(*day, *_PLACE).join(others, file)
    return joined.filter((joined.source_row > joined["first"]) & (joined.source_row < joined["last"])).select(*day)


def _far_from_others(days: ir.Table) -> ir.Table:
    person = ibis.window(group_by="subject_id")
    by_day = ibis.window(group_by="subject_id", order_by="day_number")
    near = days.mutate(
        before=days.day_number - days.day_number.lag().over(by_day),
        after=days.day_number.lead().over(by_day) - days.day_number,
        others=days.day_number.count().over(person) - 1,
    )
    nearest = ibis.least(near.before, near.after)
    return near.filter((nearest > ISOLATED_GAP) & (near.others >= ISOLATED_FROM)).select("subject_id", "day_number")


def set_aside(
    rows: ir.Table, family: Family, when: str, lone: ir.Table | None, raw: ir.Table, *, files: int
) -> ir.Table:
    """Return the usable rows that the other rows rule out: source_file, source_row, column, value, reason, rule.

    Parameters
    ----------
    when : date or day, the column that says when a row is from.
    lone : the result of `isolated`; None where no day is.
    raw : bronze's table of the family, for the text of that column.
    files : how many files the family has; a single one can't overlap with another.
    """
    usable = rows.filter(rows.reason.isnull())
    found = []
    if lone is not None:
        found.append(_because(usable.semi_join(lone, _DAY), f"isolated_{when}"))
        # Selected, since Ibis does not join what was made from an open join with itself.
        usable = usable.anti_join(lone, _DAY).select(*rows.columns)
    if files > 1:
        again = _of_an_earlier_file(usable, family)
        found.append(_because(again, "duplicate_of_other_file"))
        usable = usable.anti_join(again, _PLACE)
    if family.name in ONE_ROW_A_DAY:
        later = _later_of_a_day(usable, family, raw if when == "date" else None)
        found += [
            _because(later.filter(later.same), "duplicate_row"),
            _because(later.filter(~later.same), "second_of_day"),
        ]
    told = ibis.union(*found)
    text = raw.select(*_PLACE, value=raw[when])
    return told.join(text, _PLACE).select(
        *_PLACE,
        column=ibis.literal(when),
        value="value",
        reason="reason",
        rule=ibis.cases(*((told.reason == reason, rule) for reason, rule in rules(when).items())),
    )


def crowded(rows: ir.Table) -> ir.Table:
    """Return (subject_id, day_number) of the days with several of the usable rows."""
    usable = rows.filter(rows.reason.isnull())
    return usable.group_by(_DAY).having(usable.count() > 1).aggregate()


def rules(when: str) -> dict[str, str]:
    """Return reason: rule in words, of all rows that are set aside because of other rows."""
    first = "the one with the earliest time of day counts, without a time" if when == "date" else "of several"
    return {
        f"isolated_{when}": f"a {when} lies within {ISOLATED_GAP} days of another one of the person, who has"
        f" {ISOLATED_FROM} others or more; one whose row stands last or first may be a follow-up and counts",
        "duplicate_of_other_file": "a row that an earlier file, by name, holds as often counts once",
        "duplicate_row": "a person's day has one row; the same value again adds nothing",
        "second_of_day": f"a person has one row a day; {first} the first in the order of files and rows counts",
    }


def alike(rows: ir.Table, family: Family, said: Collection[str]) -> ir.Table:
    """Return the usable rows that share their person, day and a few values with another one.

    All repeated entries are among them, and little else. `said` are the fields that the study maps.
    """
    numbers = [field.name for field in family.fields if field.kind == "number"]
    told = [name for name in dict.fromkeys((family.value, *numbers, *_identity(family))) if name in said]
    # Numbers first, which an engine compares faster than texts; with more of them it takes longer than it finds less.
    by = [*_DAY, *(name for name in told if name not in _DAY)][:5]
    usable = rows.filter(rows.reason.isnull())
    groups = usable.group_by(by).having(usable.count() > 1).aggregate()
    # Filtered once more: a filter that is used twice would be a table of its own, with every column of every row.
    alike = _some(rows, groups, by)
    return alike.filter(alike.reason.isnull()).select(*_PLACE, *_identity(family))


def repeated_entries(alike: ir.Table, family: Family, column: str) -> ir.Table:
    """Return the rows that say what an earlier row of the same file says: a person may eat the same thing twice.

    Columns: source_file, source_row, subject_id, column, value; `column` is the one to show, `alike` the result of
    `alike`.
    """
    again = ibis.row_number().over(group_by=[*_identity(family), "source_file"], order_by="source_row") > 0
    found = alike.mutate(_again=again).filter(lambda t: t._again)
    return found.select(*_PLACE, "subject_id", column=ibis.literal(column), value=found[column].cast("string"))


def _of_an_earlier_file(rows: ir.Table, family: Family) -> ir.Table:
    """Return (source_file, source_row) of the n-th occurrence of a row that an earlier file has n times too.

    Exports that overlap say the same twice; what one file says twice, such as two cups of coffee, stays two.
    """
    fields, few = _identity(family), _alike(family)
    files = rows.group_by(few).aggregate(first=rows.source_file.min(), last=rows.source_file.max())
    shared = _some(rows, files.filter(files.first < files.last), few)
    occurrence = ibis.row_number().over(group_by=[*fields, "source_file"], order_by="source_row")
    counted = shared.mutate(_occurrence=occurrence)
    earlier = ibis.row_number().over(group_by=[*fields, "_occurrence"], order_by="source_file") > 0
    return counted.mutate(_earlier=earlier).filter(lambda t: t._earlier).select(*_PLACE)


def _later_of_a_day(rows: ir.Table, family: Family, raw: ir.Table | None) -> ir.Table:
    """Return all rows of a person's day but the first, and whether one before it has the same value.

    The earliest time of day is the first, since exports may begin with the newest row. Rows without one come after
    those with one, in file order. `raw` is bronze's table where it has dates.
    """
    day = ["subject_id", "day_number"]
    value = "weight_kg" if family.value == "weight" else family.value
    crowded = rows.group_by(day).having(rows.count() > 1).aggregate()
    several = rows.select(*day, value, *_PLACE).semi_join(crowded, day)
    order: list[Any] = [*_PLACE]
    if raw is not None:
        # Of the crowded days alone: on most files there are few of them, and nothing is read twice.
        texts = raw.select(*_PLACE, _date=raw.date)
        several = several.join(texts, _PLACE).mutate(_time=dates.second_of_day(_._date))
        order = [_._time.asc(nulls_first=False), *_PLACE]
    ranked = several.mutate(
        _rank=ibis.row_number().over(group_by=day, order_by=order),
        same=ibis.row_number().over(group_by=[*day, value], order_by=order) > 0,
    )
    return ranked.filter(ranked._rank > 0).select(*_PLACE, "same")


def _because(rows: ir.Table, reason: str) -> ir.Table:
    return rows.select(*_PLACE, reason=ibis.literal(reason))


def _identity(family: Family) -> list[str]:
    """Return the columns in which two rows that say the same are equal, once they are read."""
    replaced = {"date": "day_number", "weight": "weight_kg"}
    return [replaced.get(name, name) for name in family.names if name not in ("day", "unit")]


def _alike(family: Family) -> list[str]:
    """Return a few of these columns, by which rows that may say the same are found quickly."""
    return [
        name for name in _identity(family) if name in ("subject_id", "day_number", "food", "weight_kg", family.value)
    ]


def _some(rows: ir.Table, groups: ir.Table, names: list[str]) -> ir.Table:
    """Return the rows of some groups; a column without a value groups rows too, and joins none."""
    return rows.semi_join(groups, [rows[name].identical_to(groups[name]) for name in names])

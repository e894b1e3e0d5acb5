"""Cleaning as Ibis expressions: raw text becomes typed columns, and each unusable row gets the reason why.

`typed` reads the text by what evidence.gather found out, `judged` finds the reasons that a row gives by itself; both
keep every row. Rules that look at several rows are silver's. `remarks` lists values that were read with care.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import and_, or_

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potato import dates, quantities, reasons, schema, units
from potato.dates import DATE_BOUNDS, DAY_BOUNDS
from potato.evidence import Evidence, contradicted, stated_unit
from potato.families import Family, Field
from potato.quantities import text
from potato.study import FamilyMapping, Study, WeightMapping

JUDGED = ("column", "value", "reason", "rule")
_NO_PLACE = ("impossible_", "future_")  # how the reasons begin of days that can't be


@dataclass(frozen=True)
class Rule:
    """One reason to set a row aside: where it applies, the column and raw text to show, and the rule in words."""

    broken: ir.BooleanValue
    column: str
    reason: str
    rule: str


def typed(table: ir.Table, family: Family, mapping: FamilyMapping, study: Study, evidence: Evidence) -> ir.Table:
    """Return every row of a bronze table with its text read as what the dictionary says it is.

    Columns: source_file, source_row, fault, the family's fields (weight_kg for weight; unit is the one that was used,
    or the unknown one that the row states), day_number (int32), and for each field that the study maps the raw text
    as raw_NAME. What can't be read is null. Columns whose name starts with an underscore are for `judged`.
    """
    raw = {f"raw_{name}": table[name] for name in family.names if name in mapping.fields}
    values: dict[str, ir.Value] = {"fault": table.fault, **raw}
    decimals = evidence.decimals(family.name)
    simple = evidence.simple(family.name)
    careful = [field.name for field in _numbers(family, mapping) if field.name not in simple]
    table = quantities.taken_apart(table, careful, decimals)
    if isinstance(mapping, WeightMapping):
        table, person_unit = _with_person_unit(table, evidence)
        unit = ibis.coalesce(stated_unit(table), person_unit)
        written = quantities.weight(table, decimals)
        values["_weight"] = written
        if "unit" in mapping.columns and "weight_unit" in table.columns:
            values["_two_units"] = contradicted(table)
        values["unit"] = unit
        values["weight_kg"] = ibis.cases((unit == "kg", written), (unit == "lb", written * units.KG_PER_LB))
    for field in family.fields:
        column = table[field.name]
        if field.name not in mapping.fields and field.kind in ("text", "number"):
            values.setdefault(field.name, column.try_cast("float64") if field.kind == "number" else column)
        elif field.kind == "text" and field.name != "unit":
            values[field.name] = _decoded(text(column, plain=field.name in simple), study.codes.get(field.name, {}))
        elif field.kind == "number":
            factor = units.factor(field.unit, mapping.units.get(field.name))
            accepted = units.factors(field.unit)
            values[field.name] = quantities.number(table, field.name, decimals, accepted, factor)
    if "date" in simple:
        values["day_number"] = dates.day_of_plain_date(table.date)
    elif when_of(mapping) == "date":
        table = table.mutate(date_bare=dates.cleaned(table.date))
        orders = evidence.orders(family.name)
        values["_date"] = table.date_bare
        values["day_number"] = dates.day_of_date(
            table.date, table.date_bare, table.source_file, orders, evidence.doubted(family.name)
        ).cast("int32")
    else:
        values["day_number"] = dates.day_of_number(table.day, _days_each(mapping))
    return table.select("source_file", "source_row", **values)


def judged(
    rows: ir.Table,
    family: Family,
    mapping: FamilyMapping,
    study: Study,
    today: int,
    simple: frozenset[str] = frozenset(),
) -> ir.Table:
    """Return the rows of `typed` with column, value, reason and rule: why a row can't be used, null if it can.

    `today` is in days since 1970-01-01; a later date is no record, unless the study says how long it collected.
    `simple` are the evidence's plain columns: in them no number is unreadable.
    """
    rules = _rules(rows, family, mapping, study, today, simple) if family.name in study.families() else []
    kept = [name for name in rows.columns if not name.startswith(("raw_", "_")) and name != "fault"]
    if not rules:
        # The study has no such rows.
        return rows.select(*kept, **{name: ibis.null(str) for name in JUDGED})
    # A rule of which nothing is known is not broken: a null matches no case.
    first = ibis.cases(*((rule.broken, number) for number, rule in enumerate(rules)), else_=-1)
    rows = rows.mutate(_rule=first.cast("int16"))

    def told(of_rule: Callable[[Rule], str]) -> ir.Value:
        listed = ibis.literal([of_rule(rule) for rule in rules], "array<string>")
        return ibis.ifelse(rows._rule < 0, ibis.null(str), listed[rows._rule])

    # The text of each column that a rule is about: of a row that is broken as a row there is none to show.
    shown = dict.fromkeys(rule.column for rule in rules if rule.column != "row")
    about = [(name, [n for n, rule in enumerate(rules) if rule.column == name]) for name in shown]
    texts = ibis.cases(*((rows._rule.isin(of_it), rows[f"raw_{name}"]) for name, of_it in about), else_=ibis.null(str))
    # A day that can't be has no place in time: it must not stretch the person's study.
    displaced = [n for n, rule in enumerate(rules) if rule.column == "row" or rule.reason.startswith(_NO_PLACE)]
    rows = rows.mutate(day_number=ibis.ifelse(rows._rule.isin(displaced), ibis.null("int32"), rows.day_number))
    return rows.select(
        *kept,
        column=told(lambda rule: rule.column),
        value=ibis.ifelse(rows._rule < 0, ibis.null(str), texts),
        reason=told(lambda rule: rule.reason),
        rule=told(lambda rule: rule.rule),
    )


def is_whole(rows: ir.Table) -> ir.BooleanValue:
    """Return whether a cleaned row has its cells in their places, usable or not."""
    return rows.reason.isnull() | ~rows.reason.isin(list(reasons.FAULTS))


def remarks(
    rows: ir.Table, family: Family, mapping: FamilyMapping, study: Study, simple: frozenset[str] = frozenset()
) -> ir.Table:
    """Return schema.FLAGS for the numbers of `typed` that were read with care, of all rows, used or not.

    approximate_number: the text says that it is not exact. unit_in_text: a unit beside the number was followed.
    `simple` are the evidence's plain columns, which have no such values.
    """
    keys = ["source_file", "source_row", "subject_id"]
    kinds = {name: ibis.null(str) for name in ("column", "value", "flag", "rule")}
    found: list[ir.StructValue] = []
    odd: list[ir.BooleanValue] = []
    for field in (field for field in _numbers(family, mapping) if field.name not in simple):
        raw, value = rows[f"raw_{field.name}"], rows[_value(field)]
        odd.append(value.notnull() & quantities.has_words(raw))  # on most files nothing is left
        beside = quantities.unit_beside(raw) != ""
        beside = beside | quantities.is_stones(raw) if field.kind == "weight" else beside
        exact = f"{field.name} is exact; an approximate number is read as it stands"
        alone = f"{field.name} is a number alone; a unit beside it is followed, and the value kept in {field.unit}"
        for flag, rule, holds in (
            ("approximate_number", exact, quantities.is_approximate(raw)),
            ("unit_in_text", alone, beside),
        ):
            said = {"column": field.name, "value": raw, "flag": flag, "rule": rule}
            remark = ibis.struct(
                {name: ibis.ifelse(holds & value.notnull(), told, kinds[name]) for name, told in said.items()}
            )
            found.append(remark)
    some = rows.filter(reduce(or_, odd, ibis.literal(False)))
    listed = ibis.array(found or [ibis.struct(kinds)])
    each = some.select(*keys, _remark=listed.unnest())
    each = each.select(*keys, **{name: each._remark[name] for name in kinds})
    return each.filter(each.flag.notnull()).mutate(family=ibis.literal(family.name)).select(schema.FLAGS.names)


def needs_care(family: Family, mapping: FamilyMapping, simple: frozenset[str]) -> bool:
    """Return whether a number or a date of a family has texts that are not plain."""
    read = [field.name for field in family.fields if field.kind in ("number", "weight", "date")]
    return any(name in mapping.columns and name not in simple for name in read)


def when_of(mapping: FamilyMapping) -> str:
    """Return date or day: the column that says when a row is from."""
    return "date" if "date" in mapping.columns else "day"


def _rules(
    rows: ir.Table, family: Family, mapping: FamilyMapping, study: Study, today: int, simple: frozenset[str]
) -> list[Rule]:
    """Return the rules of a family in the order in which a row is held against them."""
    rules = [Rule(rows.fault == fault, "row", fault, rule) for fault, rule in reasons.FAULTS.items()]
    rules.append(Rule(rows.subject_id.isnull(), "subject_id", "no_subject", "a row says who it is about"))
    rules += _day_rules(rows, mapping, study, today)
    fields = _numbers(family, mapping)
    for field in fields:
        rules += _number_rules(rows, field, required=field.name == family.value, plain=field.name in simple)
    if family.value not in mapping.columns:
        # Foods without nutrients are a diary too.
        counted = [*(["food"] if "food" in mapping.columns else []), *(field.name for field in fields)]
        if counted:
            nothing = reduce(and_, (rows[name].isnull() for name in counted))
            rules.append(Rule(nothing, counted[0], "missing_value", f"a row says at least one of {', '.join(counted)}"))
    return rules


def _day_rules(rows: ir.Table, mapping: FamilyMapping, study: Study, today: int) -> list[Rule]:
    when, day = when_of(mapping), rows.day_number
    raw = rows[f"raw_{when}"]
    plain = when == "date" and "_date" not in rows.columns
    absent = day.isnull() if plain else day.isnull() & text(raw).isnull()
    rules = [Rule(absent, when, "no_day", "a row says which day it is about")]
    if when == "day":
        earliest, latest = DAY_BOUNDS
        whole = "a week is a whole number" if _days_each(mapping) > 1 else "a day is a whole number"
        possible = f"a day lies within {earliest} to {latest}"
        return [
            *rules,
            Rule(day.isnull(), when, "unreadable_day", whole),
            Rule((day < earliest) | (day > latest), when, "impossible_day", possible),
        ]
    earliest, latest = DATE_BOUNDS
    order = f", in the order {study.date_order}" if study.date_order else ""
    one_way = "the dates of a file tell the order of day and month; `date_order:` in the study file decides"
    if study.collected_until:
        until, past = _days_since_epoch(study.collected_until), f"no date is after {study.collected_until}"
    else:
        until, past = today, "a date is not in the future"
    if not plain:
        unread = day.isnull()
        several = unread & dates.has_year_first(raw, rows._date)
        if not study.date_order:
            several |= unread & dates.has_an_order(rows._date)
        rules.append(Rule(several.fill_null(False), when, "ambiguous_date", one_way))
        rules.append(Rule(unread, when, "unreadable_date", f"a date names a day of the calendar{order}"))
    return [
        *rules,
        Rule((day < earliest) | (day >= latest), when, "impossible_date", "a date lies between 1950 and 2100"),
        Rule(day > until, when, "future_date", past),
    ]


def _number_rules(rows: ir.Table, field: Field, *, required: bool, plain: bool) -> list[Rule]:
    name = field.name
    is_weight = field.kind == "weight"
    written = rows._weight if is_weight else rows[name]
    value = rows[_value(field)]
    rules = [] if plain else _unread_rules(written, rows[f"raw_{name}"], field)
    if required:
        rules.append(Rule(written.isnull(), name, "missing_value", f"{name} is recorded"))
    if field.zero_is_missing:
        rules.append(Rule(written == 0, name, "zero_means_missing", f"a {name} of 0 means not recorded"))
    if is_weight:
        known = ", ".join(units.WEIGHT_UNITS["kg"] + units.WEIGHT_UNITS["lb"])
        told = "a weight's unit is told; write `unit: kg` or `unit: lb`, or the person under `unit_by_subject`"
        unknown = rows.unit.notnull() & (rows.unit != "kg") & (rows.unit != "lb")
        if "_two_units" in rows.columns:
            one_unit = "the unit beside a weight and the unit column say the same"
            rules.append(Rule(rows._two_units, name, "unit_contradiction", one_unit))
        if "raw_unit" in rows.columns:
            rules.append(Rule(unknown, "unit", "unknown_unit", f"a unit is one of {known}"))
        rules.append(Rule(rows.unit.isnull(), name, "unit_not_told", told))
    bounds = f"{name} lies within {field.minimum:g} to {field.maximum:g} {field.unit}"
    rules.append(Rule((value < field.minimum) | (value > field.maximum), name, "out_of_bounds", bounds))
    return rules


def _unread_rules(written: ir.FloatingValue, raw: ir.StringValue, field: Field) -> list[Rule]:
    """Return why a text that says something gave no number."""
    name = field.name
    unread, why = written.isnull() & text(raw).notnull(), quantities.unread(raw)
    decides = "`decimal:` in the study file decides"
    converts = f"{name} is a number, alone or with a unit that converts to {field.unit}"
    return [
        Rule(unread & (why == "number_range"), name, "number_range", f"{name} is one number and no range"),
        Rule(unread & (why == "ambiguous_number"), name, "ambiguous_number", f"{name} reads in one way; {decides}"),
        Rule(unread, name, "unreadable_number", converts),
    ]


def _numbers(family: Family, mapping: FamilyMapping) -> list[Field]:
    return [f for f in family.fields if f.kind in ("number", "weight") and f.name in mapping.columns]


def _value(field: Field) -> str:
    return "weight_kg" if field.kind == "weight" else field.name


def _days_each(mapping: FamilyMapping) -> int:
    return int(units.factor("day", mapping.units.get("day")))


def _days_since_epoch(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _decoded(column: ir.StringValue, codes: dict[str, str]) -> ir.StringValue:
    return (
        ibis.cases(*((column == code, meaning) for code, meaning in codes.items()), else_=column) if codes else column
    )


def _with_person_unit(table: ir.Table, evidence: Evidence) -> tuple[ir.Table, ir.StringValue]:
    """Return the table and each row's unit by what is known of its person."""
    known = evidence.subject_units()
    different = set(known.values())
    if len(different) == 1 and len(known) == len(evidence.units):
        return table, ibis.literal(different.pop())
    if not known:
        return table, ibis.null(str)
    people = ibis.memtable(pa.table({"person": list(known), "person_unit": list(known.values())}))
    keyed = table.mutate(_who=text(table.subject_id))
    joined = keyed.left_join(people, keyed._who == people.person)
    return joined, joined.person_unit

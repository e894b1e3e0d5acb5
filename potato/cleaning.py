"""Cleaning as Ibis expressions: raw text becomes typed columns, and each unusable row gets the reason why.

`typed` reads the text and `judged` finds the reasons; both keep every row. A row without a reason goes into the
features, a row with one goes into quarantine, so that rows read = rows kept + rows quarantined by construction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from potato import schema
from potato.errors import PotatoError
from potato.settings import FamilyMapping, Study, WeightMapping

KG_PER_LB = 0.45359237  # exact, by the international definition of the pound

MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "--", ".", "?")
UNITS = {
    "kg": ("kg", "kgs", "kilo", "kilos", "kilogram", "kilograms"),
    "lb": ("lb", "lbs", "lb.", "lbs.", "pound", "pounds"),
}
# A person's median weigh-in below the first is kg: 85 lb is 39 kg, under what adults of a diet study weigh. Above the
# second it is lb: 160 kg is 353 lb. Between them both units describe ordinary people, so nothing is told.
KG_BELOW, LB_ABOVE = 85.0, 160.0

_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_THOUSANDS = r"^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$"
_DAY = r"^([-+]?\d{1,6})(\.0*)?$"
_TIME = r"([T ].*)?$"
_DATES = {
    "ymd": (r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _TIME, (1, 2, 3)),
    "dmy": (r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})" + _TIME, (3, 2, 1)),
    "mdy": (r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})" + _TIME, (3, 1, 2)),
}

DATE_BOUNDS = (-7_305, 47_482)  # 1950-01-01 and 2100-01-01, in days since 1970-01-01
DAY_BOUNDS = (-3_650, 36_500)

NOT_RECORDED = ("missing_value", "zero_means_missing")  # reasons of rows that hold no value to lose
ONE_ROW_A_DAY = ("weight", "fiber")


@dataclass(frozen=True)
class Rule:
    """One reason to set a row aside: where it applies, the column and raw text to show, and the rule in words."""

    broken: ir.BooleanValue
    column: str
    reason: str
    rule: str


def text(column: ir.StringValue) -> ir.StringValue:
    """Return the text without surrounding blanks; null where it says that the value is missing."""
    stripped = column.strip()
    return ibis.ifelse(stripped.lower().isin(MISSING), ibis.null(str), stripped)


def number(column: ir.StringValue) -> ir.FloatingValue:
    """Return the text as a number; null where it is none."""
    written = text(column)
    # Exports of trackers write 1,100 for eleven hundred.
    written = ibis.ifelse(written.re_search(_THOUSANDS), written.replace(",", ""), written)
    return ibis.ifelse(written.re_search(_NUMBER), written, ibis.null(str)).try_cast("float64")


def day_of_date(column: ir.StringValue, order: str) -> ir.IntegerValue:
    """Return the date as days since 1970-01-01; null where the text is no date in that order."""
    pattern, groups = _DATES[order]
    year, month, day = (text(column).re_extract(pattern, group) for group in groups)
    date = (year + "-" + month.lpad(2, "0") + "-" + day.lpad(2, "0")).try_cast("date")
    return (date.cast("timestamp").epoch_seconds() // 86_400).cast("int32")


def day_of_number(column: ir.StringValue) -> ir.IntegerValue:
    """Return the day number; null where the text is no whole number."""
    written = text(column)
    # Through the text and not through a rounded number: an engine refuses to cast a number that is too large.
    return ibis.ifelse(written.re_search(_DAY), written.re_extract(_DAY, 1), ibis.null(str)).try_cast("int32")


def stated_unit(column: ir.StringValue) -> ir.StringValue:
    """Return kg or lb as the row states it, null where it states none, and the text itself where it is neither."""
    folded = text(column).lower()
    return ibis.cases(
        (folded.isin(UNITS["kg"]), "kg"),
        (folded.isin(UNITS["lb"]), "lb"),
        else_=folded,
    )


def weight_units(table: ir.Table, mapping: WeightMapping) -> ir.Table:
    """Return each person's unit for rows that state none: subject_id, median, lightest, heaviest, unit (or null).

    The evidence, in order: what the study file says of the person, the one unit that the person's other rows state,
    the study's unit, and the median of the person's unstated values against KG_BELOW and LB_ABOVE.
    """
    rows = table.select(
        subject_id=text(table.subject_id), value=number(table.weight), stated=stated_unit(table.unit)
    ).filter(lambda t: t.subject_id.notnull())
    unstated = ibis.ifelse((rows.value > 0) & rows.stated.isnull(), rows.value, ibis.null("float64"))
    people = rows.mutate(unstated=unstated).group_by("subject_id")
    told = people.aggregate(
        median=lambda t: t.unstated.median(),
        lightest=lambda t: t.unstated.min(),
        heaviest=lambda t: t.unstated.max(),
        low=lambda t: t.stated.min(),
        high=lambda t: t.stated.max(),
    )
    overrides = [(told.subject_id == who, unit) for who, unit in mapping.unit_by_subject.items()]
    fixed = mapping.unit if mapping.unit in UNITS else None
    # A person with values of both kinds has changed the unit on the way: no single one is right.
    by_value = ibis.cases(
        ((told.median < KG_BELOW) & (told.heaviest <= LB_ABOVE), "kg"),
        ((told.median > LB_ABOVE) & (told.lightest >= KG_BELOW), "lb"),
        else_=ibis.null(str),
    )
    unit = ibis.cases(
        *overrides,
        (told.low == told.high, told.low),
        else_=ibis.literal(fixed) if fixed else by_value if mapping.unit == "detect" else ibis.null(str),
    )
    return told.select("subject_id", "median", "lightest", "heaviest", unit=unit)


def refuse_untold_units(units: list[dict[str, object]], stated: list[str], study: str) -> None:
    """Stop when a row states an unknown unit, or when nothing tells the unit of a person's weights.

    `units` is the executed result of weight_units, `stated` the distinct stated units.
    """
    unknown = sorted(unit for unit in stated if unit not in UNITS)
    if unknown:
        raise PotatoError(
            "A weight states a unit that is neither kg nor lb.",
            where=f"studies/{study}.yaml, weight.columns.unit",
            expected=f"one of {', '.join(UNITS['kg'] + UNITS['lb'])}, or nothing",
            found=", ".join(repr(unit) for unit in unknown[:8]),
            hint="correct the unit column's mapping, or the unit in the raw file",
        )
    untold = [u for u in units if u["unit"] is None and u["median"] is not None and u["median"] == u["median"]]
    if untold:
        listed = ", ".join(
            f"{u['subject_id']} ({u['lightest']:g} to {u['heaviest']:g}, median {u['median']:g})" for u in untold[:8]
        )
        more = f" and {len(untold) - 8} more" if len(untold) > 8 else ""
        raise PotatoError(
            "The unit of some people's weights can't be told.",
            where=f"studies/{study}.yaml, weight.unit",
            expected=f"a stated unit, or values around a median below {KG_BELOW:g} (kg) or above {LB_ABOVE:g} (lb)",
            found=listed + more,
            hint=f"write `unit: kg` or `unit: lb` into studies/{study}.yaml, "
            f"or for single people `unit_by_subject: {{ {untold[0]['subject_id']}: lb }}`",
        )


def refuse_wrong_date_order(table: ir.Table, where: str, order: str) -> None:
    """Stop when another order of day, month and year reads more of a family's dates than the study's own."""
    counts = table.aggregate(
        **{other: day_of_date(table.date, other).count() for other in _DATES}, written=text(table.date).count()
    )
    read = counts.to_pyarrow().to_pylist()[0]
    best = [other for other in _DATES if read[other] == max(read[o] for o in _DATES)]
    if order not in best:
        unread = table.filter(text(table.date).notnull() & day_of_date(table.date, order).isnull())
        example = unread.order_by(["source_file", "source_row"]).select("date").limit(1).to_pyarrow()["date"][0].as_py()
        others = " and ".join(f"{other} {read[other]}" for other in best)
        raise PotatoError(
            f"The dates are not written in the order {order}.",
            where=where,
            expected=f"{order}, as date_order says, or by default",
            found=f"{example!r}, for one: of {read['written']} dates {order} reads {read[order]}, {others}",
            nearest=best[0] if len(best) == 1 else None,
            hint=f"write `date_order: {best[0]}` into {where}"
            if len(best) == 1
            else f"write `date_order: {'` or `date_order: '.join(best)}` into {where}; the dates don't tell which",
        )


def typed(table: ir.Table, family: schema.Family, mapping: FamilyMapping, study: Study) -> ir.Table:
    """Return every row of a bronze table with its text read as what the dictionary says it is.

    Columns: source_file, source_row, the family's fields (weight_kg for weight), day_number (int32), and for each
    field that the study maps the raw text as raw_NAME. What can't be read is null.
    """
    values: dict[str, ir.Value] = {f"raw_{name}": table[name] for name in family.names if name in mapping.columns}
    if isinstance(mapping, WeightMapping):
        units = weight_units(table, mapping)
        keyed = table.mutate(_who=text(table.subject_id))
        table = keyed.left_join(units, keyed._who == units.subject_id).rename(person_unit="unit_right")
    for field in family.fields:
        raw = table[field.name]
        if field.kind == "text" and field.name != "unit":
            values[field.name] = _decoded(text(raw), study.codes.get(field.name, {}))
        elif field.kind == "number":
            values[field.name] = number(raw)
        elif field.kind == "weight":
            unit = ibis.coalesce(stated_unit(table.unit), table.person_unit)
            values["weight_kg"] = number(raw) * ibis.ifelse(unit == "lb", KG_PER_LB, 1.0)
    values["day_number"] = (
        day_of_date(table.date, study.date_order) if _when(mapping) == "date" else day_of_number(table.day)
    )
    return table.select("source_file", "source_row", **values)


def judged(rows: ir.Table, family: schema.Family, mapping: FamilyMapping, study: Study) -> ir.Table:
    """Return the rows of `typed` with column, value, reason and rule: why a row can't be used, null if it can."""
    rules = _rules(rows, family, mapping, study)
    first = ibis.cases(*((rule.broken, number_) for number_, rule in enumerate(rules)), else_=-1)
    rows = rows.mutate(_rule=first.cast("int32"))

    def told(of_rule: Callable[[Rule], str | ir.Value]) -> ir.Value:
        return ibis.cases(*((rows._rule == n, of_rule(rule)) for n, rule in enumerate(rules)), else_=ibis.null(str))

    # A day that can't be has no place in time: it must not stretch the person's study.
    impossible = [n for n, rule in enumerate(rules) if rule.reason.startswith("impossible_")]
    rows = rows.mutate(day_number=ibis.ifelse(rows._rule.isin(impossible), ibis.null("int32"), rows.day_number))
    kept = [name for name in rows.columns if not name.startswith(("raw_", "_"))]
    flagged = rows.select(
        *kept,
        column=told(lambda rule: rule.column),
        value=told(lambda rule: rows[f"raw_{rule.column}"]),
        reason=told(lambda rule: rule.reason),
        rule=told(lambda rule: rule.rule),
        _when=rows[f"raw_{_when(mapping)}"],
    )
    flagged = _one_row_a_day(flagged, _when(mapping)) if family.name in ONE_ROW_A_DAY else flagged
    return flagged.drop("_when")


def _rules(rows: ir.Table, family: schema.Family, mapping: FamilyMapping, study: Study) -> list[Rule]:
    """Return the rules of a family in the order in which a row is held against them."""
    when = _when(mapping)
    earliest, latest = DATE_BOUNDS if when == "date" else DAY_BOUNDS
    written = f"a date is written {study.date_order}" if when == "date" else "a day is a whole number"
    possible = "a date lies between 1950 and 2100" if when == "date" else f"a day lies within {earliest} to {latest}"
    rules = [
        Rule(rows.subject_id.isnull(), "subject_id", "no_subject", "a row says who it is about"),
        Rule(text(rows[f"raw_{when}"]).isnull(), when, "no_day", "a row says which day it is about"),
        Rule(rows.day_number.isnull(), when, f"unreadable_{when}", written),
        Rule((rows.day_number < earliest) | (rows.day_number > latest), when, f"impossible_{when}", possible),
    ]
    for field in family.fields:
        if field.kind in ("number", "weight") and field.name in mapping.columns:
            value = rows["weight_kg" if field.kind == "weight" else field.name]
            rules += _number_rules(rows[f"raw_{field.name}"], value, field, required=field.name == family.value)
    return rules


def _decoded(column: ir.StringValue, codes: dict[str, str]) -> ir.StringValue:
    return (
        ibis.cases(*((column == code, meaning) for code, meaning in codes.items()), else_=column) if codes else column
    )


def _number_rules(raw: ir.StringValue, value: ir.FloatingValue, field: schema.Field, *, required: bool) -> list[Rule]:
    bounds = f"{field.name} lies within {field.minimum:g} to {field.maximum:g} {field.unit}"
    rules = [
        Rule(text(raw).notnull() & value.isnull(), field.name, "unreadable_number", f"{field.name} is a number"),
    ]
    if required:
        rules.append(Rule(value.isnull(), field.name, "missing_value", f"{field.name} is recorded"))
    if field.zero_is_missing:
        rules.append(Rule(value == 0, field.name, "zero_means_missing", f"a {field.name} of 0 means not recorded"))
    rules.append(Rule((value < field.minimum) | (value > field.maximum), field.name, "out_of_bounds", bounds))
    return rules


def _one_row_a_day(flagged: ir.Table, when: str) -> ir.Table:
    """Keep the first usable row of a person's day, in file order; a later one is set aside with a reason."""
    usable = flagged.reason.isnull()
    rank = ibis.row_number().over(
        group_by=[flagged.subject_id, flagged.day_number, usable], order_by=[flagged.source_file, flagged.source_row]
    )
    ranked = flagged.mutate(_later=usable & (rank > 0))
    return ranked.mutate(
        column=ibis.ifelse(ranked._later, when, ranked.column),
        value=ibis.ifelse(ranked._later, ranked._when, ranked.value),
        reason=ibis.ifelse(ranked._later, "second_of_day", ranked.reason),
        rule=ibis.ifelse(ranked._later, "a person has one row a day; the first one counts", ranked.rule),
    ).drop("_later")


def _when(mapping: FamilyMapping) -> str:
    return "date" if "date" in mapping.columns else "day"

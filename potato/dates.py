"""Texts as days, as Ibis expressions. A day is an int32: days since 1970-01-01, or the study's own day number.

Dates that start with a four-digit year, that name their month or that a spreadsheet wrote as a serial number read in
one way. 1/5/2022 reads in two: its order is a fact of the file (evidence.py), and where the file does not tell, only
values that every order reads alike, or one order alone, are read.
"""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from potato.quantities import UNDECIDED, by_file, stripped, text

ORDERS = ("ymd", "dmy", "mdy")
DATE_BOUNDS = (-7_305, 47_482)  # 1950-01-01 and 2100-01-01, in days since 1970-01-01
DAY_BOUNDS = (-3_650, 36_500)

ISO = r"^\d{4}-\d{2}-\d{2}$"
_WEEKDAY = r"^(mon|tue|tues|wed|weds|thu|thur|thurs|fri|sat|sun)[a-z]{0,6}\.?,?\s+"
_ZONE = r"(z|utc|gmt|[-+]\d{2}:?\d{2})"
_TIME = rf"(t|,?\s+)\d{{1,2}}:\d{{2}}(:\d{{2}}([.,]\d+)?)?\s*([ap]\.?m\.?)?\s*{_ZONE}?$"
_PART = r"(?: ?[-/.] ?| )"
_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR_FIRST = (rf"^(\d{{4}}){_PART}(\d{{1,2}}){_PART}(\d{{1,2}})\.?$", (1, 2, 3))
_COMPACT = (r"^((?:19|20)\d{2})(\d{2})(\d{2})$", (1, 2, 3))
_NAMED = (
    (rf"^(\d{{1,2}})(?:[snrt][tdh])?[-/. ]*(?:of )?{_MONTH}\.?,?[-/. ]*'?(\d{{4}}|\d{{2}})$", (3, 2, 1)),
    (rf"^{_MONTH}\.?[- ]*(\d{{1,2}})(?:[snrt][tdh])?(?:, ?|[-/ ]+)'?(\d{{4}}|\d{{2}})$", (3, 1, 2)),
    (rf"^(\d{{4}})[-/. ]{_MONTH}[-/. ](\d{{1,2}})$", (1, 2, 3)),
)
_YEAR_LAST = rf"^(\d{{1,2}}){_PART}(\d{{1,2}}){_PART}(\d{{4}}|\d{{2}})\.?$"
_SHORT_YEAR_FIRST = rf"^(\d{{2}}){_PART}(\d{{1,2}}){_PART}(\d{{1,2}})\.?$"
_SHORT_YEAR_BY_DASHES = r"^\d{2}-\d{1,2}-\d{1,2}$"
_SERIAL = r"^([2-5]\d{4}|60000)([.,]\d+)?$"
_SERIAL_OF_1970 = 25_569  # the day that a spreadsheet with the 1900 system calls 1970-01-01

_DAY = r"^(?:(?:day|d|tag)[ .:#_-]*)?([-+]?\d{1,6})([.,]0*)?$"
_WEEK = r"^(?:(?:week|wk|w|woche)[ .:#_-]*)?([-+]?\d{1,5})([.,]0*)?$"


def cleaned(raw: ir.StringValue) -> ir.StringValue:
    """Return the date in small letters without a weekday before it and a time of day after it.

    It is null where the date is plainly yyyy-mm-dd, as most are. The other functions read what this one returns; let
    it be a column of its own, because one expression that reads a text in several ways grows with each.
    """
    odd = ibis.ifelse(raw.re_search(ISO), ibis.null(str), stripped(raw).lower())
    return odd.re_replace(_WEEKDAY, "").re_replace(_TIME, "")


def day_of_date(
    raw: ir.StringValue, bare: ir.StringValue, source_file: ir.StringValue, orders: Mapping[str, str]
) -> ir.IntegerValue:
    """Return the date as days since 1970-01-01; null where the text is no date, or more than one.

    `bare` is `cleaned(raw)`; `orders` says dmy, mdy, ymd or UNDECIDED for each file.
    """
    by_order = readings(bare)
    choices = {**by_order, UNDECIDED: _only_reading(bare, by_order)}
    ordered = by_file(source_file, orders, choices, UNDECIDED)
    return ibis.cases(
        (bare.isnull(), _days(raw)),
        (bare.re_search(_YEAR_LAST) | bare.re_search(_SHORT_YEAR_FIRST), ordered),
        else_=without_order(bare),
    )


def day_of_plain_date(raw: ir.StringValue) -> ir.IntegerValue:
    """Return a date whose column has plain texts only (module plain) as days since 1970-01-01."""
    return _days(raw)


def without_order(bare: ir.StringValue) -> ir.IntegerValue:
    """Return the day of a date that reads in one way alone: year first, named month or serial number; else null."""
    serial = bare.re_extract(_SERIAL, 1).try_cast("int32") - _SERIAL_OF_1970
    shapes = (_YEAR_FIRST, *_NAMED, _COMPACT)
    return ibis.coalesce(*(_day(bare, pattern, groups) for pattern, groups in shapes), serial)


def readings(bare: ir.StringValue) -> dict[str, ir.IntegerValue]:
    """Return for each order the day of a date without a four-digit year in front; null where it can't be one."""
    return {
        "ymd": _day(bare, _SHORT_YEAR_FIRST, (1, 2, 3)),
        "dmy": _day(bare, _YEAR_LAST, (3, 2, 1)),
        "mdy": _day(bare, _YEAR_LAST, (3, 1, 2)),
    }


def dashed_short_years(bare: ir.StringValue) -> ir.BooleanValue:
    """Return whether the date may start with a two-digit year: in 22-05-01 it often does, in 22/5/1 and 22.5.1 not."""
    return bare.re_search(_SHORT_YEAR_BY_DASHES)


def _only_reading(bare: ir.StringValue, by_order: Mapping[str, ir.IntegerValue]) -> ir.IntegerValue:
    day_first, month_first = by_order["dmy"], by_order["mdy"]
    alike = day_first.isnull() | month_first.isnull() | (day_first == month_first)
    short = bare.re_search(_SHORT_YEAR_BY_DASHES) & by_order["ymd"].notnull()
    return ibis.ifelse(alike & ~short, ibis.coalesce(day_first, month_first), ibis.null("int32"))


def _day(bare: ir.StringValue, pattern: str, groups: tuple[int, int, int]) -> ir.IntegerValue:
    year, month, day = (bare.re_extract(pattern, group) for group in groups)
    if _MONTH in pattern:
        place = ibis.literal(_MONTHS).find(month.substr(0, 3))
        month = ibis.ifelse(month == "", "", (place // 3 + 1).cast("string"))
    if r"|\d{2}" in pattern or pattern == _SHORT_YEAR_FIRST:
        # As spreadsheets and POSIX read them: 68 is 2068, 69 is 1969.
        century = ibis.ifelse(year <= "68", "20", "19")
        year = ibis.ifelse(year.length() == 2, century + year, year)
    return _days(year + "-" + month + "-" + day)


def _days(iso: ir.StringValue) -> ir.IntegerValue:
    return (iso.try_cast("date").cast("timestamp").epoch_seconds() // 86_400).cast("int32")


def day_of_number(raw: ir.StringValue, days_each: int = 1) -> ir.IntegerValue:
    """Return the number of the day, or of the week times `days_each`; null where the text is no whole number."""
    pattern = _DAY if days_each == 1 else _WEEK
    # Through the text and not through a rounded number: an engine refuses to cast a number that is too large.
    written = text(raw).lower().re_extract(pattern, 1).try_cast("int32")
    return written if days_each == 1 else (written * days_each).cast("int32")


def has_an_order(bare: ir.StringValue) -> ir.BooleanValue:
    """Return whether the text is a date in at least one order of day, month and year."""
    by_order = readings(bare)
    return by_order["dmy"].notnull() | by_order["mdy"].notnull() | by_order["ymd"].notnull()

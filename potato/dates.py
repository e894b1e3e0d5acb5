"""Texts as days, as Ibis expressions. A day is an int32: days since 1970-01-01, or the study's own day number.

Dates that start with a four-digit year, that name their month beside such a year or that a spreadsheet wrote as a
serial number read in one way. 1/5/2022 reads in two, 22/05/01 in three and 22-May-01 in two: the order is a fact of
the file (orders.py), and where the file does not tell, only values that every order reads alike, or one order alone,
are read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import ibis
import ibis.expr.types as ir

from potato.quantities import UNDECIDED, by_file, stripped, text

ORDERS = ("ymd", "dmy", "mdy")
DATE_BOUNDS = (-7_305, 47_482)  # 1950-01-01 and 2100-01-01, in days since 1970-01-01
DAY_BOUNDS = (-3_650, 36_500)

ISO = r"^\d{4}-\d{2}-\d{2}$"
_WEEKDAY = r"^(mon|tue|tues|wed|weds|thu|thur|thurs|fri|sat|sun)[a-z]{0,6}\.?,?\s+"
_ZONE = r"(?:z|utc|gmt|[-+]\d{2}:?\d{2})"
_TIME = rf"(?:t|,?\s+)([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:[.,]\d+)?)?\s*(?:([ap])\.?m\.?)?\s*{_ZONE}?$"
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
_SHORT_NAMED = rf"^(\d{{2}})[-/. ]*{_MONTH}[-/. ]*(\d{{2}})$"
_SHORT_YEAR = rf"^\d{{1,2}}{_PART}\d{{1,2}}{_PART}\d{{1,2}}\.?$"
_SERIAL = r"^([2-5]\d{4}|60000)([.,]\d+)?$"
_SERIAL_OF_1970 = 25_569  # the day that a spreadsheet with the 1900 system calls 1970-01-01

# Three zeros after a mark may be thousands. The hyphen of day-1 may be a sign or join word and number.
_WHOLE = r"(?:[.,](?:0{0,2}|0{4,}))?$"
_DAY_WORDS, _WEEK_WORDS = "day|d|tag", "week|wk|w|woche"


def cleaned(raw: ir.StringValue) -> ir.StringValue:
    """Return the date in small letters without a weekday before it and a time of day after it.

    It is null where the date is plainly yyyy-mm-dd, as most are. The other functions read what this one returns; let
    it be a column of its own, because one expression that reads a text in several ways grows with each.
    """
    odd = ibis.ifelse(raw.re_search(ISO), ibis.null(str), stripped(raw).lower())
    return odd.re_replace(_WEEKDAY, "").re_replace(_TIME, "")


def day_of_date(
    raw: ir.StringValue,
    bare: ir.StringValue,
    source_file: ir.StringValue,
    orders: Mapping[str, str],
    doubted: Collection[str] = (),
) -> ir.IntegerValue:
    """Return the date as days since 1970-01-01; null where the text is no date, or more than one.

    `bare` is `cleaned(raw)`; `orders` says dmy, mdy, ymd or UNDECIDED for each file. In the files `doubted` a
    four-digit year in front does not tell that the month comes next.
    """
    by_order = readings(bare)
    choices = {**by_order, UNDECIDED: only_reading(by_order)}
    ordered = by_file(source_file, orders, choices, UNDECIDED)
    asks = bare.re_search(_YEAR_LAST) | bare.re_search(_SHORT_YEAR_FIRST) | bare.re_search(_SHORT_NAMED)
    day = ibis.cases((bare.isnull(), _days(raw)), (asks, ordered), else_=without_order(bare))
    if not doubted:
        return day
    month_next, day_next = year_first(ibis.coalesce(bare, raw))
    either = source_file.isin(list(doubted)) & (month_next != day_next)
    return ibis.ifelse(either.fill_null(False), ibis.null("int32"), day)


def day_of_plain_date(raw: ir.StringValue) -> ir.IntegerValue:
    """Return a date whose column has plain texts only (module plain) as days since 1970-01-01."""
    return _days(raw)


def without_order(bare: ir.StringValue) -> ir.IntegerValue:
    """Return the day of a date that reads in one way alone: year first, named month or serial number; else null."""
    serial = bare.re_extract(_SERIAL, 1).try_cast("int32") - _SERIAL_OF_1970
    shapes = (_YEAR_FIRST, *_NAMED, _COMPACT)
    read = ibis.coalesce(*(_day(bare, pattern, groups) for pattern, groups in shapes), serial)
    return ibis.ifelse(bare.re_search(_SHORT_NAMED), ibis.null("int32"), read)


def year_first(bare: ir.StringValue) -> tuple[ir.IntegerValue, ir.IntegerValue]:
    """Return the days of a date of digits with a four-digit year in front: its month next, and its day next.

    Each is null where the text can't be read so.
    """
    shapes = [pattern for pattern, _ in (_YEAR_FIRST, _COMPACT)]
    month_next, day_next = (
        ibis.coalesce(*(_day(bare, pattern, groups) for pattern in shapes)) for groups in ((1, 2, 3), (1, 3, 2))
    )
    return month_next, day_next


def second_of_day(raw: ir.StringValue) -> ir.IntegerValue:
    """Return the time of day beside a date in seconds since midnight; null where none is told.

    Midnight sharp is null too: exports write 00:00:00 where they know the date alone. A zone is not looked at, and the
    fraction of a serial number is its time of day.
    """
    written = stripped(raw).lower()
    hour, minute, second = (written.re_extract(_TIME, group).try_cast("int32") for group in (1, 2, 3))
    half = written.re_extract(_TIME, 4)
    hour = ibis.cases(
        ((half == "a") & (hour == 12), 0),
        ((half == "p") & (hour < 12), hour + 12),
        else_=hour,
    )
    fraction = written.re_extract(_SERIAL, 2).replace(",", ".").try_cast("float64")
    of_serial = (fraction * 86_400).round().cast("int32")
    return ibis.coalesce(hour * 3_600 + minute * 60 + second.fill_null(0), of_serial).nullif(0)


def readings(bare: ir.StringValue) -> dict[str, ir.IntegerValue]:
    """Return for each order the day of a date without a four-digit year in front; null where it can't be one."""
    return {
        "ymd": ibis.coalesce(_day(bare, _SHORT_YEAR_FIRST, (1, 2, 3)), _day(bare, _SHORT_NAMED, (1, 2, 3))),
        "dmy": ibis.coalesce(_day(bare, _YEAR_LAST, (3, 2, 1)), _day(bare, _SHORT_NAMED, (3, 2, 1))),
        # A named month may stand second in a file that else writes it first.
        "mdy": ibis.coalesce(_day(bare, _YEAR_LAST, (3, 1, 2)), _day(bare, _SHORT_NAMED, (3, 2, 1))),
    }


def has_short_year(bare: ir.StringValue) -> ir.BooleanValue:
    """Return whether the year is written with two digits, so that it may stand in front or last."""
    return bare.re_search(_SHORT_YEAR) | bare.re_search(_SHORT_NAMED)


def only_reading(by_order: Mapping[str, ir.IntegerValue]) -> ir.IntegerValue:
    """Return the day that all of `readings` give which give one; null where they differ, or none does."""
    year_in_front, day_first, month_first = (by_order[order] for order in ORDERS)
    first = ibis.coalesce(year_in_front, day_first, month_first)
    alike = (day_first.fill_null(first) == first) & (month_first.fill_null(first) == first)
    return ibis.ifelse(alike, first, ibis.null("int32"))


def _day(bare: ir.StringValue, pattern: str, groups: tuple[int, int, int]) -> ir.IntegerValue:
    year, month, day = (bare.re_extract(pattern, group) for group in groups)
    if _MONTH in pattern:
        place = ibis.literal(_MONTHS).find(month.substr(0, 3))
        month = ibis.ifelse(month == "", "", (place // 3 + 1).cast("string"))
    if r"|\d{2}" in pattern or pattern in (_SHORT_YEAR_FIRST, _SHORT_NAMED):
        # As spreadsheets and POSIX read them: 68 is 2068, 69 is 1969.
        century = ibis.ifelse(year <= "68", "20", "19")
        year = ibis.ifelse(year.length() == 2, century + year, year)
    return _days(year + "-" + month + "-" + day)


def _days(iso: ir.StringValue) -> ir.IntegerValue:
    return (iso.try_cast("date").cast("timestamp").epoch_seconds() // 86_400).cast("int32")


def day_of_number(raw: ir.StringValue, days_each: int = 1) -> ir.IntegerValue:
    """Return the number of the day, or of the week times `days_each`; null where the text is no whole number.

    The minus of `Day -7` counts. In `day-7` it may as well join word and number: that is no number.
    """
    words, digits = (_DAY_WORDS, 6) if days_each == 1 else (_WEEK_WORDS, 5)
    folded = text(raw).lower()
    counted = folded.re_extract(rf"^(?:(?:{words})[ .:#_]*)?\+?(\d{{1,{digits}}}){_WHOLE}", 1)
    below = folded.re_extract(rf"^(?:(?:{words})[ .:#_]+)?(-\d{{1,{digits}}}){_WHOLE}", 1)
    # Through the text and not through a rounded number: an engine refuses to cast a number that is too large.
    written = ibis.coalesce(counted.try_cast("int32"), below.try_cast("int32"))
    return written if days_each == 1 else (written * days_each).cast("int32")


def has_an_order(bare: ir.StringValue) -> ir.BooleanValue:
    """Return whether the text is a date in at least one order of day, month and year."""
    by_order = readings(bare)
    return by_order["dmy"].notnull() | by_order["mdy"].notnull() | by_order["ymd"].notnull()


def has_year_first(raw: ir.StringValue, bare: ir.StringValue) -> ir.BooleanValue:
    """Return whether the text is a date of digits with a four-digit year in front; `bare` is `cleaned(raw)`."""
    month_next, _ = year_first(ibis.coalesce(bare, raw))
    return month_next.notnull()

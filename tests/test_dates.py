"""Dates: what reads in one way is read, what reads in two is read where the file decides."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potato.errors import PotatoError

from .bronze_rows import WEIGHT, Cleaned, clean, clean_each, dated, study


def each(cases: Iterable[tuple[str, ...]], column: str = "date", **changes: Any) -> dict[tuple[str, ...], Cleaned]:
    """Clean cases, each of one person's dates in a file of their own."""
    listed = list(cases)
    found = clean_each(study(**changes), "weight", [[{column: text} for text in texts] for texts in listed])
    return dict(zip(listed, found, strict=True))


ONE_WAY = [
    "2022-05-01",
    "2022/05/01",
    "2022.5.1",
    " 2022-05-01 ",
    "2022-05-01T06:00:00.000Z",
    "2022-05-01 06:00",
    "2022-05-01T06:00:00+02:00",
    "20220501",
    "1 May 2022",
    "1. may 2022",
    "1st of May 2022",
    "1-MAY-22",
    "May 1, 2022",
    "May 1st 2022 6:00 am",
    "2022-May-01",
    "Sun, 1 May 2022",
    "Sunday 1 May 2022",
    "44682",
    "44682.31",
    "44682,31",
]


@pytest.fixture(scope="module")
def one_way() -> dict[tuple[str, ...], Cleaned]:
    return each((text,) for text in ONE_WAY)


@pytest.mark.parametrize("text", ONE_WAY)
def test_a_date_that_reads_in_one_way_needs_no_order(text: str, one_way: dict[tuple[str, ...], Cleaned]) -> None:
    found = one_way[text,]
    assert found.dates == ["2022-05-01"]
    assert found.evidence.files[0].date_order is None


MONTHS = ["Jan", "February", "mar", "April", "May", "june", "Jul", "AUGUST", "Sept", "oct", "November", "Dec"]


@pytest.fixture(scope="module")
def months() -> dict[tuple[str, ...], Cleaned]:
    return each((f"3 {month} 2021",) for month in MONTHS)


@pytest.mark.parametrize("month", MONTHS)
def test_each_month_has_its_name(month: str, months: dict[tuple[str, ...], Cleaned]) -> None:
    names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    number = names.index(month[:3].lower()) + 1
    assert months[f"3 {month} 2021",].dates == [f"2021-{number:02}-03"]


NO_DATES = [
    "1651363200",
    "1651363200000",
    "31/02/2022",
    "2022-02-30",
    "May 2022",
    "yesterday",
    "3 Mai 2022",
    "19999",
    "61000",
    "2022-05-01 25:99",
    "2022-05-01 24:00",
    "2022-05-01T06:60:00",
    "13/05/2022 06:00:60",
    "44682 24:00",
]


@pytest.fixture(scope="module")
def no_dates() -> dict[tuple[str, ...], Cleaned]:
    return each((text,) for text in NO_DATES)


@pytest.mark.parametrize("text", NO_DATES)
def test_what_is_no_date_is_set_aside(text: str, no_dates: dict[tuple[str, ...], Cleaned]) -> None:
    row = no_dates[text,].rows[0]
    assert (row["column"], row["value"], row["reason"], row["day_number"]) == ("date", text, "unreadable_date", None)


PARTS_OVER_12 = [
    (["01/05/2022", "13/05/2022"], "dmy", ["2022-05-01", "2022-05-13"]),
    (["05.01.2022", "05.13.2022"], "mdy", ["2022-05-01", "2022-05-13"]),
    (["1-5-22 06:30", "13-5-22"], "dmy", ["2022-05-01", "2022-05-13"]),
    (["13-05-22", "14-05-22"], None, [None, None]),  # or 2013-05-22
    (["13/05/22", "14/05/22"], None, [None, None]),
    (["13/05/22", "31/12/99"], "dmy", ["2022-05-13", "1999-12-31"]),
    (["75.05.01", "22.05.01"], "ymd", ["1975-05-01", "2022-05-01"]),
    (["22-May-01", "13-May-75"], "dmy", ["2001-05-22", "1975-05-13"]),
    (["22-May-01", "99-May-05"], "ymd", ["2022-05-01", "1999-05-05"]),
    (["05/13/2022", "05/06/2022", "07-May-75"], "mdy", ["2022-05-13", "2022-05-06", "1975-05-07"]),
    (["1/5/22", "13/5/22"], "dmy", ["2022-05-01", "2022-05-13"]),
    (["5/1/69", "5/13/68"], "mdy", ["1969-05-01", None]),
]


@pytest.fixture(scope="module")
def over_12() -> dict[tuple[str, ...], Cleaned]:
    return each(tuple(texts) for texts, _, _ in PARTS_OVER_12)


@pytest.mark.parametrize(("texts", "order", "dates"), PARTS_OVER_12)
def test_a_part_over_12_tells_the_order_of_the_file(
    texts: list[str], order: str | None, dates: list[str | None], over_12: dict[tuple[str, ...], Cleaned]
) -> None:
    found = over_12[tuple(texts)]
    assert (found.evidence.files[0].date_order, found.dates) == (order, dates)


STEPS = [
    (order, write, step, backwards)
    for order, write in [
        ("dmy", "{d:%d/%m/%y}"),
        ("dmy", "{d:%d-%b-%y}"),
        ("dmy", "{d:%d%b%y}"),
        ("ymd", "{d:%y/%m/%d}"),
        ("ymd", "{d:%y-%m-%d}"),
        ("ymd", "{d:%y.%m.%d}"),
        ("ymd", "{d:%y-%b-%d}"),
    ]
    for step, backwards in [(1, False), (7, True)]
]


def steps(step: int, backwards: bool) -> list[dt.date]:
    days = [dt.date(2022, 5, 13) + dt.timedelta(step * n) for n in range(14)]
    return days[::-1] if backwards else days


@pytest.fixture(scope="module")
def stepped() -> dict[tuple[str, int], Cleaned]:
    """Two people who write each date twice, in a file of their own for each way of writing and each step."""
    cases = [
        [{"date": write.format(d=d), "subject_id": who} for who in "ab" for d in steps(step, backwards) for _ in "12"]
        for _, write, step, backwards in STEPS
    ]
    found = clean_each(study(), "weight", cases)
    return {(write, step): one for (_, write, step, _), one in zip(STEPS, found, strict=True)}


@pytest.mark.parametrize(("order", "write", "step", "backwards"), STEPS)
def test_steps_of_years_tell_whether_a_year_of_two_digits_comes_first_or_last(
    order: str, write: str, step: int, backwards: bool, stepped: dict[tuple[str, int], Cleaned]
) -> None:
    found = stepped[write, step]
    assert found.evidence.files[0].date_order == order
    assert found.dates == [str(d) for _ in "ab" for d in steps(step, backwards) for _ in "12"]


def test_the_evidence_gives_the_steps() -> None:
    told = dated("22/05/01", "22/05/08", "22/05/15", "22/05/22").evidence.files[0].date_evidence
    assert told == (
        "read ymd, the median step between a person's successive dates, in days, is 7; read otherwise at least 2,557"
    )


DAILY_OR_MONTHLY = [
    [f"{month:02}/05/2022" for month in range(1, 13)],
    [f"05/{month:02}/2022" for month in range(1, 13)],
    [f"{month:02}/05/22" for month in range(1, 13)],
    [f"05/{month:02}/22" for month in range(1, 13)],
    ["01-May-22", "03-May-22"],
    ["22/05/01", "22/06/01", "22/07/01", "22/08/01", "22/09/01"],
]


@pytest.fixture(scope="module")
def daily_or_monthly() -> dict[tuple[str, ...], Cleaned]:
    return each(map(tuple, DAILY_OR_MONTHLY))


@pytest.mark.parametrize("texts", DAILY_OR_MONTHLY)
def test_what_is_daily_in_one_order_and_monthly_in_another_is_not_decided(
    texts: list[str], daily_or_monthly: dict[tuple[str, ...], Cleaned]
) -> None:
    found = daily_or_monthly[tuple(texts)]
    assert found.evidence.files[0].date_order is None
    for text, read, reason in zip(texts, found.dates, found.column("reason"), strict=True):
        alike = text == "05/05/2022"
        assert (read, reason) == (("2022-05-05", None) if alike else (None, "ambiguous_date"))


def test_years_of_four_digits_do_not_tell_where_those_of_two_stand() -> None:
    found = dated("13/05/2022", "22/05/01", "22/05/08")
    assert found.dates == ["2022-05-13", None, None]


def test_dates_that_every_order_reads_alike_need_none() -> None:
    found = dated("05/05/2022", "06/06/2022")
    assert found.dates == ["2022-05-05", "2022-06-06"]
    assert found.evidence.files[0].date_evidence == "every order reads each date alike"


YEAR_DAY_MONTH = ["{}-{}-{}", "{}/{}/{}", "{}{}{}", "{}-{}-{} 06:00"]


@pytest.fixture(scope="module")
def year_day_month() -> dict[tuple[str, str | None], Cleaned]:
    """For each way of writing, a file of year, day, month beside one of year, month, day; by what the study states."""
    cases = []
    for write in YEAR_DAY_MONTH:
        texts = [write.format("2022", *parts) for parts in (("13", "05"), ("05", "06"), ("06", "06"))]
        beside = {"date": "2022-05-06", "source_file": "g.csv", "subject_id": "b"}
        cases.append([*({"date": text} for text in texts), beside])
    return {
        (write, order): found
        for order in (None, "ymd", "dmy")
        for write, found in zip(YEAR_DAY_MONTH, clean_each(study(date_order=order), "weight", cases), strict=True)
    }


@pytest.mark.parametrize("write", YEAR_DAY_MONTH)
def test_a_file_with_year_day_month_keeps_no_date_that_reads_both_ways(
    write: str, year_day_month: dict[tuple[str, str | None], Cleaned]
) -> None:
    found = year_day_month[write, None]
    assert found.dates == [None, None, "2022-06-06", "2022-05-06"]
    assert found.column("reason") == ["unreadable_date", "ambiguous_date", None, None]
    assert write.format("2022", "13", "05") in found.evidence.files[0].date_evidence
    assert year_day_month[write, "ymd"].dates == [None, "2022-05-06", "2022-06-06", "2022-05-06"]
    assert year_day_month[write, "dmy"].column("reason") == found.column("reason")


def test_a_single_slip_among_year_month_day_makes_no_other_date_doubtful() -> None:
    found = dated(*(f"2022-05-{n:02}" for n in range(1, 29)), "2022-13-05")
    assert found.column("reason") == [None] * 28 + ["unreadable_date"]


def test_a_slip_beside_few_dates_makes_none_doubtful_where_the_days_follow_each_other() -> None:
    found = dated("2022-05-01", "2022-05-02", "2022-05-03", "2022-13-01")
    assert found.column("reason") == [None, None, None, "unreadable_date"]
    monthly = dated("2022-05-01", "2022-06-01", "2022-07-01", "2022-13-01")
    assert monthly.column("reason") == ["ambiguous_date"] * 3 + ["unreadable_date"]


def test_few_dates_without_a_telling_part_are_set_aside_and_the_others_read() -> None:
    found = dated("01/05/2022", "05/05/2022", "2022-05-09")
    assert found.dates == [None, "2022-05-05", "2022-05-09"]
    assert found.column("reason") == ["ambiguous_date", None, None]
    assert found.evidence.files[0].date_order is None


def test_where_a_file_contradicts_itself_only_clear_dates_are_read() -> None:
    found = dated("13/05/2022", "05/14/2022", "05/06/2022")
    assert found.dates == ["2022-05-13", "2022-05-14", None]
    assert found.column("reason") == [None, None, "ambiguous_date"]


def test_each_file_tells_its_own_order() -> None:
    rows = [
        {"source_file": "a.csv", "date": "01/05/2022"},
        {"source_file": "a.csv", "date": "20/05/2022"},
        {"source_file": "b.csv", "date": "05/01/2022", "subject_id": "b"},
        {"source_file": "b.csv", "date": "05/20/2022", "subject_id": "b"},
    ]
    found = clean(study(), "weight", rows)
    assert found.dates == ["2022-05-01", "2022-05-20"] * 2


def test_the_study_file_decides_the_order() -> None:
    assert dated("01/05/2022", date_order="mdy").dates == ["2022-01-05"]
    assert dated("01/05/2022", "2022-05-02", date_order="dmy").dates == ["2022-05-01", "2022-05-02"]
    assert dated("01-05-22", date_order="ymd").dates == ["2001-05-22"]


def test_an_order_that_reads_clearly_less_than_another_stops_with_the_other() -> None:
    with pytest.raises(PotatoError, match="not written in the order dmy") as caught:
        dated("5/1/2022", "5/2/2022", "5/13/2022", date_order="dmy")
    assert caught.value.nearest == "mdy"
    assert caught.value.found == "'5/13/2022', for one: of 3 dates dmy reads 2, mdy 3"


def test_a_single_slip_does_not_stop_a_stated_order() -> None:
    found = dated(*(f"{n}/5/2022" for n in range(1, 29)), "5/29/2022", date_order="dmy")
    assert found.column("reason")[-1] == "unreadable_date"
    assert found.column("reason")[:-1] == [None] * 28


@pytest.mark.parametrize(("text", "reason"), [("1949-12-31", "impossible_date"), ("2100-01-01", "impossible_date")])
def test_a_date_outside_of_living_memory_is_impossible(text: str, reason: str) -> None:
    assert dated(text).column("reason") == [reason]


def test_a_date_after_today_or_after_the_study_is_in_the_future() -> None:
    assert dated("2024-10-04", "2024-10-05").column("reason") == [None, "future_date"]
    until = dated("2022-06-01", "2022-06-02", collected_until=dt.date(2022, 6, 1))
    assert until.column("reason") == [None, "future_date"]
    assert until.column("day_number")[1] is None
    assert until.rows[1]["rule"] == "no date is after 2022-06-01"
    assert dated("2024-10-05").rows[0]["rule"] == "a date is not in the future"


DAYS = WEIGHT | {"columns": {"subject_id": "s", "day": "d", "weight": "w"}}


DAY_TEXTS = [
    ("3", 3),
    ("3.0", 3),
    ("Day 3", 3),
    ("day_3", 3),
    ("d3", 3),
    (" 03 ", 3),
    ("-2", -2),
    ("2.5", None),
    ("week 3", None),
    ("Day -7", -7),
    ("day: -7", -7),
    ("D+2", 2),
    ("3.00", 3),
    ("day-1", None),
    ("D-2", None),
    ("day - 2", None),
    ("1,000", None),
    ("1.000", None),
]


@pytest.fixture(scope="module")
def day_numbers() -> dict[tuple[str, ...], Cleaned]:
    return each(((text,) for text, _ in DAY_TEXTS), "day", weight=DAYS)


@pytest.mark.parametrize(("text", "day"), DAY_TEXTS)
def test_a_day_is_a_whole_number(text: str, day: int | None, day_numbers: dict[tuple[str, ...], Cleaned]) -> None:
    found = day_numbers[text,]
    assert found.column("day_number") == [day]
    assert found.column("reason") == [None if day is not None else "unreadable_day"]


WEEK_TEXTS = [("3", 21), ("Week 3", 21), ("w0", 0), ("Week -2", -14), ("w-2", None), ("day 3", None)]


@pytest.fixture(scope="module")
def week_numbers() -> dict[tuple[str, ...], Cleaned]:
    return each(((text,) for text, _ in WEEK_TEXTS), "day", weight=DAYS | {"units": {"day": "week"}})


@pytest.mark.parametrize(("text", "day"), WEEK_TEXTS)
def test_a_week_is_seven_days(text: str, day: int | None, week_numbers: dict[tuple[str, ...], Cleaned]) -> None:
    found = week_numbers[text,]
    assert found.column("day_number") == [day]


ORDERS = {"dmy": "%d/%m/%Y", "mdy": "%m/%d/%Y"}


# Several files an example: a query costs as much for one date as for a hundred.


@pytest.mark.parametrize("order", ORDERS)
@settings(max_examples=3)
@given(
    files=st.lists(st.lists(st.dates(dt.date(1950, 1, 1), dt.date(2024, 10, 4)), max_size=30), min_size=4, max_size=8)
)
def test_dates_come_back_in_the_order_that_the_file_tells(order: str, files: list[list[dt.date]]) -> None:
    files = [[dt.date(2022, 1, 31), *days] for days in files]
    cases = [[{"date": day.strftime(ORDERS[order])} for day in days] for days in files]
    for days, found in zip(files, clean_each(study(), "weight", cases), strict=True):
        assert found.dates == [str(day) for day in days]


@settings(max_examples=3)
@given(
    files=st.lists(
        st.lists(st.dates(dt.date(2000, 1, 1), dt.date(2024, 1, 1)), min_size=1, max_size=3), min_size=4, max_size=8
    )
)
def test_no_undecided_date_is_read(files: list[list[dt.date]]) -> None:
    files = [[day.replace(day=day.day % 12 + 1) for day in days] for days in files]
    cases = [[{"date": day.strftime("%d/%m/%Y")} for day in days] for days in files]
    for days, found in zip(files, clean_each(study(), "weight", cases), strict=True):
        for day, read, reason in zip(days, found.dates, found.column("reason"), strict=True):
            alike = day.day == day.month
            assert (read, reason) == ((str(day), None) if alike else (None, "ambiguous_date"))

"""The day of each column of weights: what its name tells, what is stated, and what is asked."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace

from potato.errors import PotatoError, nearest
from potato.flags import LEFT_OUT
from potato.plans import Answers, Question
from potato.timepoints import TimePoint


def dated(
    points: tuple[TimePoint, ...], file: str, answers: Answers, ask: Callable[[Question], str] | None
) -> tuple[TimePoint, ...]:
    """Return the time points of a wide file with their days; those that are left out are none any more.

    Raises
    ------
    PotatoError
        when a day is neither told nor can be asked, for a column that is no time point, and for a day named twice.
    """
    names = [point.column for point in points]
    for name in answers.days:
        if name not in names:
            raise PotatoError(
                f"{file} has no column of weights {name!r}.",
                where=f"--days {name}",
                expected=", ".join(names),
                found=name,
                nearest=nearest(name, names),
                hint="name a column as the header has it",
            )
    days = dict(answers.days)
    unknown = [point.column for point in points if point.day is None and point.column not in days]
    if unknown and ask is None:
        raise _untold(points, unknown, file, answers)
    for name in unknown:
        first = name == names[0] and all(point.day is None for point in points)
        text = f"On which day was {name!r} weighed, counted from the first weighing as day 0? (- leaves it out)"
        if ask:
            days[name] = _asked(Question(f"days.{name}", text, _flag(name), default="0" if first else None), ask)
    told = tuple(
        replace(point, day=days[point.column], evidence=f"day {days[point.column]}, as you stated")
        if point.column in days
        else point
        for point in points
        if days.get(point.column, 0) is not None
    )
    _refuse_the_same_day(told, file)
    return told


def _untold(points: tuple[TimePoint, ...], unknown: list[str], file: str, answers: Answers) -> PotatoError:
    listed = " and ".join([*([", ".join(unknown[:-1])] if len(unknown) > 1 else []), unknown[-1]])
    known = [f"{p.column} is {p.evidence}" for p in points if p.column not in unknown and p.column not in answers.days]
    flags = " ".join(_flag(name) for name in unknown)
    return PotatoError(
        f"{file} does not tell on which day {listed} {'was' if len(unknown) == 1 else 'were'} weighed.",
        where=file,
        expected="the day of each column of weights, counted from the first weighing as day 0",
        found="; ".join(known) or None,
        hint=f"add `{flags}` with a number for DAY, or none to leave the column out",
    )


def _flag(column: str, day: str = "DAY") -> str:
    return f"--days {shlex.quote(f'{column}={day}')}"


def _asked(question: Question, ask: Callable[[Question], str]) -> int | None:
    while True:
        text = ask(question).strip()
        if text in LEFT_OUT or text.removeprefix("-").isdecimal():
            return None if text in LEFT_OUT else int(text)


def _refuse_the_same_day(points: tuple[TimePoint, ...], file: str) -> None:
    by_day: dict[int | None, str] = {}
    for point in points:
        if point.day in by_day:
            raise PotatoError(
                f"{by_day[point.day]!r} and {point.column!r} are both of day {point.day}.",
                where=file,
                expected="another day for each column of weights",
                hint=f"state one of them: `{_flag(point.column)}`, or leave it out: `{_flag(point.column, '')}`",
            )
        by_day[point.day] = point.column
    if len(points) < 2:
        raise PotatoError("Fewer than two columns of weights are left.", where="--days", hint="leave out fewer of them")

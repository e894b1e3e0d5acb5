"""What the person states by the flags of describe-study, instead of being asked."""

from __future__ import annotations

from potato.errors import PotatoError, nearest
from potato.families import FAMILIES
from potato.looks import FileLook
from potato.plans import Answers
from potato.synonyms import COUNTED_WORDS, key

NO_DAYS = COUNTED_WORDS[30] | {"visit", "visits", "visite", "besuch", "session", "timepoint"}
LEFT_OUT = ("", "-")  # for a day: the column is no time point


def stated(
    subject: str | None,
    weight_unit: str | None,
    date_order: str | None,
    decimal: str | None,
    maps: list[str],
    files: list[str],
    days: list[str],
) -> Answers:
    """Return the answers that flags give.

    Raises
    ------
    PotatoError
        for a unit or an order that does not exist, and for a flag that is not NAME=VALUE.
    """
    for flag, value, known in (
        ("--weight-unit", weight_unit, ("kg", "lb", "detect")),
        ("--date-order", date_order, ("ymd", "dmy", "mdy")),
        ("--decimal", decimal, (",", ".")),
    ):
        if value is not None and value not in known:
            raise PotatoError(
                f"{flag} can't be {value!r}.",
                where=flag,
                expected=", ".join(known),
                found=value,
                nearest=nearest(value, known),
                hint=f"type `{flag} {known[0]}`, or another of these",
            )
    mapped: dict[str, dict[str, str]] = {}
    for text in maps:
        name, equals, column = text.partition("=")
        family, dot, field = name.partition(".")
        if not (equals and dot):
            raise _no_pair("--map", text, "weight.weight=Gewicht")
        mapped.setdefault(family, {})[field] = column
    patterns: dict[str, str] = {}
    for text in files:
        family, equals, pattern = text.partition("=")
        if not equals or family not in FAMILIES:
            raise _no_pair("--files", text, "'weight=scale/*.csv'")
        patterns[family] = pattern
    return Answers(subject, weight_unit, date_order, decimal, mapped, patterns, _days(days))


def _no_pair(flag: str, text: str, example: str) -> PotatoError:
    return PotatoError(f"{flag} does not understand {text!r}.", where=flag, hint=f"type it like `{flag} {example}`")


def _days(stated: list[str]) -> dict[str, int | None]:
    """Return {column: day, None where it is left out} of `--days COLUMN=DAY` flags.

    Raises
    ------
    PotatoError
        for a flag that is not COLUMN=DAY with a whole number of days.
    """
    found: dict[str, int | None] = {}
    for text in stated:
        column, equals, day = text.rpartition("=")
        if not equals or not (day in LEFT_OUT or day.removeprefix("-").isdecimal()):
            raise PotatoError(
                f"--days does not understand {text!r}.",
                where="--days",
                expected="COLUMN=DAY, a whole number of days from the first weighing",
                hint="type it like `--days t2=21`",
            )
        found[column] = None if day in LEFT_OUT else int(day)
    return found


def refuse_unknown_maps(files: list[FileLook], answers: Answers) -> None:
    """Refuse a `--map` of a field that the dictionary lacks, or of a column that no file has."""
    columns = list(dict.fromkeys(column.name for file in files for column in file.columns))
    for family, fields in answers.maps.items():
        for field, column in fields.items():
            if family not in FAMILIES or field not in FAMILIES[family].names:
                known = [f"{f}.{n}" for f, described in FAMILIES.items() for n in described.names]
                raise PotatoError(
                    f"There is no field {family}.{field}.",
                    where="--map",
                    expected=", ".join(known),
                    found=f"{family}.{field}",
                    nearest=nearest(f"{family}.{field}", known),
                    hint="type `--map FAMILY.FIELD=COLUMN`, such as `--map weight.weight=Gewicht`",
                )
            if field == "day" and set(key(column).split("_")) & NO_DAYS:
                raise PotatoError(
                    f"The column {column!r} does not count days or weeks.",
                    where=f"--map {family}.{field}={column}",
                    expected="a column of day numbers or of week numbers",
                    found="months or visits, of which nobody can tell the day",
                    hint="add a column `day` with the days since the start to the file, then name that",
                )
            if column and not any(file.column(column) for file in files):
                raise PotatoError(
                    f"No file has a column {column!r}.",
                    where=f"--map {family}.{field}={column}",
                    expected=", ".join(columns[:20]),
                    found=column,
                    nearest=nearest(column, columns),
                    hint="name a column as the header has it",
                )

"""Which column of a file says who a row is about: by its name, else because it tells apart the rows of a day."""

from __future__ import annotations

from potato.looks import Column, FileLook
from potato.matches import Match, best
from potato.synonyms import WEAK_WHO, key, named

_MORE_OF_A_DAY = {
    *(
        "am",
        "pm",
        "a.m.",
        "p.m.",
        "morning",
        "noon",
        "evening",
        "night",
        "before",
        "after",
        "first",
        "second",
        "1",
        "2",
    ),
    *("morgens", "mittags", "abends", "matin", "soir", "ochtend", "avond", "yes", "no", "true", "false"),
}
_SERVED = {"meal", "meal_type", "amount", "quantity", "serving", "serving_size", "units", "grams", "portion"}


def by_name(file: FileLook, times: list[Match], elsewhere: str | None, food: list[Match]) -> list[Match]:
    """Return the column whose name says who; `elsewhere` is what it is called in other files of the study."""
    if elsewhere and (column := file.column(elsewhere)) and column.name not in {match.column for match in food}:
        return [Match("subject_id", column.name, None, "the same name as in another file")]
    found = best(file, "subject_id", ("text", "number"))
    if found is None:
        return []
    column = found[0]
    if key(column.name) in WEAK_WHO and (
        column.kind != "text"
        or column.name in {match.column for match in food}
        or len(column.distinct) > 0.5 * len(column.values)
        or any(key(other.name) in _SERVED for other in file.columns)
    ):
        return []
    # Where each row has its own moment, a value of its own for each row is a row number.
    if len(column.distinct) == len(column.values) > 1 and _several_moments(file, times):
        return []
    return [Match("subject_id", column.name, None, f"its name, and {_people(column)}")]


def by_rows(file: FileLook, times: list[Match], taken: set[str]) -> list[Match]:
    """Return the column that tells apart the rows of a day, where a file of weights has several of them."""
    when = file.column(times[0].column) if times else None
    if when is None or len(set(when.days)) > 0.6 * len(when.days):
        return []
    for column in sorted(file.columns, key=lambda c: (len(c.distinct), c.position)):
        short = 2 <= len(column.distinct) <= 0.5 * len(column.values)
        measured = column.kind == "number" and any(n is not None and n != int(n) for n in column.numbers)
        if column.name in taken or not short or measured or column.kind in ("date", "clock") or named(column.name):
            continue
        if {text.casefold() for text in column.distinct} <= _MORE_OF_A_DAY:
            continue  # one person's morning and evening
        pairs = set(zip(column.texts, when.every_day, strict=True))
        if len(pairs) >= 0.95 * len(column.texts):
            return [Match("subject_id", column.name, None, f"with it each day has one row; {_people(column)}")]
    return []


def _people(column: Column) -> str:
    return f"{len(column.distinct)} different values, such as {', '.join(column.distinct[:3])}"


def _several_moments(file: FileLook, times: list[Match]) -> bool:
    column = file.column(times[0].column) if times else None
    return column is not None and len(column.distinct) > 1

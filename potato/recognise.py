"""Which families a raw file holds and which of its columns are which fields: by name, and by what the columns hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from potato.intake import QUANTITIES, food_column
from potato.intake import intake as eaten
from potato.looks import Column, FileLook
from potato.matches import Match
from potato.matches import best as best_column
from potato.shapes import by_person, changes_little, date_in_parts, trouble
from potato.synonyms import UNITS, is_other, key, named, split_unit

_METRIC = {"metric", "measure", "measurement", "type", "variable", "parameter", "metric_name"}
_AMOUNT = {"amount", "value", "wert", "reading", "result", "valeur", "valor", "waarde"}
_BIRTH = re.compile(r"birth|dob|geburt|naissance|nacimiento|geboorte", re.IGNORECASE)
_FEW = 12


@dataclass
class Recognised:
    """What was recognised in one file: the fields of each family, and remarks for the person who reads."""

    file: FileLook
    families: dict[str, dict[str, Match]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    trouble: str | None = None  # why a file that looks like data can't be used


Maps = dict[str, dict[str, str]]


def recognise(file: FileLook, maps: Maps | None = None, subject: str | None = None) -> Recognised:
    """Return the families of a file.

    Parameters
    ----------
    maps : family: field: column, as the person at the keyboard states them; an empty column leaves the field out.
    subject : name of the column that says who, in other files of the study.
    """
    found = Recognised(file)
    times = _times(file)
    who = _subject(file, times, subject)
    food = food_column(file)
    intake = eaten(file, food, found.remarks)
    weight = _weight(file, times, who, food, found)
    if weight and not who:
        who = _subject_by_rows(file, times, {match.column for match in (*times, *weight)})
    for family, fields in (("weight", weight), *intake.items()):
        stated = (maps or {}).get(family, {})
        chosen = {m.field: m for m in (*who, *times, *fields)} | _stated(file, stated)
        chosen = {name: match for name, match in chosen.items() if stated.get(name) != ""}
        if _whole(family, chosen):
            found.families[family] = chosen
    if "weight" in found.families:
        found.families["weight"] |= {
            match.field: match
            for match in traits(file, found.families["weight"])
            if (maps or {}).get("weight", {}).get(match.field) is None
        }
    found.remarks += _deleted(file) if found.families else []
    if not found.families and found.trouble is None:
        found.trouble = trouble(file, bool(times), bool(weight or any(intake.values())))
    return found


def _whole(family: str, fields: dict[str, Match]) -> bool:
    if not {"date", "day"} & fields.keys():
        return False
    if family == "weight":
        return "weight" in fields
    if family == "fiber":
        return "fiber_g" in fields
    # The fat of a scale's body fat is no intake by itself.
    quantities = sum(name in fields for name in QUANTITIES)
    return "energy_kcal" in fields or "food" in fields or quantities >= 2


def _stated(file: FileLook, stated: dict[str, str]) -> dict[str, Match]:
    found = {}
    for name, column_name in stated.items():
        column = file.column(column_name) if column_name else None
        if column:
            found[name] = Match(name, column.name, split_unit(column.name)[1], "as you stated")
    return found


def _times(file: FileLook) -> list[Match]:
    """Return the columns that say when: a date, a day number, or both; a week where there is no day."""
    found = []
    dates = [c for c in file.columns if c.kind == "date" and not _BIRTH.search(c.name)]
    if dates:

        def plainness(column: Column) -> tuple[int, int]:
            ranks = [said.rank for said in named(column.name) if said.field in ("date", "day")]
            return (min(ranks, default=10_000), -len(column.distinct))

        column = min(dates, key=plainness)
        by_name = any(said.field in ("date", "day") for said in named(column.name))
        found.append(Match("date", column.name, None, f"{'its name, and ' if by_name else ''}{column.told()}"))
    for wanted, unit in () if date_in_parts(file) else (("day", None), ("week", "week")):
        best = best_column(file, wanted, ("number",))
        if best and all(n is None or n == int(n) for n in best[0].numbers):
            found.append(Match("day", best[0].name, unit, f"its name, and {best[0].told()}"))
            break
    return found


def _subject(file: FileLook, times: list[Match], elsewhere: str | None) -> list[Match]:
    if elsewhere and (column := file.column(elsewhere)):
        return [Match("subject_id", column.name, None, "the same name as in another file")]
    best = best_column(file, "subject_id", ("text", "number"))
    if best and not (len(best[0].distinct) == len(best[0].values) > 1 and _repeats_little(file, times)):
        return [Match("subject_id", best[0].name, None, f"its name, and {_people(best[0])}")]
    return []


def _subject_by_rows(file: FileLook, times: list[Match], taken: set[str]) -> list[Match]:
    """Return the column that tells apart the rows of a day, where a file of weights has several of them."""
    when = file.column(times[0].column) if times else None
    if when is None or len(when.distinct) > 0.6 * len(when.values):
        return []
    for column in sorted(file.columns, key=lambda c: (len(c.distinct), c.position)):
        short = 2 <= len(column.distinct) <= 0.5 * len(column.values)
        measured = column.kind == "number" and any(n is not None and n != int(n) for n in column.numbers)
        if column.name in taken or not short or measured or column.kind == "date" or named(column.name):
            continue
        pairs = set(zip(column.texts, when.texts, strict=True))
        if len(pairs) >= 0.95 * len(column.texts):
            return [Match("subject_id", column.name, None, f"with it each day has one row; {_people(column)}")]
    return []


def _deleted(file: FileLook) -> list[str]:
    """Return a remark about rows that a tracker marks as deleted: a study file can't leave out rows."""
    marks = next((c for c in file.columns if key(c.name) in ("deleted", "is_deleted")), None)
    count = sum(text.casefold() in ("1", "true", "yes") for text in marks.values) if marks else 0
    return [f"{count} rows are marked as deleted and count all the same; take them out of the file"] if count else []


def _people(column: Column) -> str:
    return f"{len(column.distinct)} different values, such as {', '.join(column.distinct[:3])}"


def _repeats_little(file: FileLook, times: list[Match]) -> bool:
    """Tell whether nearly each row has its own moment: then a value of its own for each row is a row number."""
    column = file.column(times[0].column) if times else None
    return column is not None and len(column.distinct) > 1


def _weight(file: FileLook, times: list[Match], who: list[Match], food: list[Match], found: Recognised) -> list[Match]:
    if rows_of_metrics := _metric_rows(file, found):
        return rows_of_metrics
    best = best_column(file, "weight", ("number",))
    matches: list[Match] = []
    if (
        best
        and best[1].unit in (None, "kg", "lb")
        and not (food and not changes_little(file, best[0], who[0].column if who else None))
    ):
        matches = [Match("weight", best[0].name, best[1].unit, f"its name, and {best[0].told()}")]
    elif best and best[1].unit not in (None, "kg", "lb") and not food:
        found.remarks.append(f"{best[0].name!r} is in {best[1].unit}: a weight has to be in kg or lb")
    elif times and not best:
        taken = {m.column for m in (*times, *who)}
        likely = [
            c
            for c in file.columns
            if c.kind == "number" and c.name not in taken and not named(c.name) and not is_other(c.name)
            if changes_little(file, c, who[0].column if who else None)
        ]
        if len(likely) == 1:
            told = f"{likely[0].told()} that change little from row to row, as a body weight does"
            matches = [Match("weight", likely[0].name, split_unit(likely[0].name)[1], told)]
        elif likely:
            names = " and ".join(repr(c.name) for c in likely)
            found.remarks.append(f"{names} could each be a weight: say which with `--map weight.weight=COLUMN`")
    return matches + _unit_column(file) if matches else []


def _unit_column(file: FileLook) -> list[Match]:
    best = best_column(file, "unit", ("text",))
    if best and sum(UNITS.get(v.casefold().rstrip(".")) in ("kg", "lb") for v in best[0].values) >= 0.5 * len(
        best[0].values
    ):
        return [Match("unit", best[0].name, None, f"its name, and {best[0].told()}")]
    return []


def _metric_rows(file: FileLook, found: Recognised) -> list[Match]:
    """Return the value column of a file with one measure a row, where all its rows are weights.

    Where others are among them the study file can't tell the rows apart, and the reason is noted.
    """
    metric = next((c for c in file.columns if key(c.name) in _METRIC and c.kind == "text"), None)
    value = next((c for c in file.columns if key(c.name) in _AMOUNT), None)
    if metric is None or value is None:
        return []
    weights = [text for text in metric.distinct if _names_weight(text)]
    if not weights:
        return []
    if len(weights) < len(metric.distinct):
        others = [text for text in metric.distinct if text not in weights]
        found.trouble = (
            f"its column {metric.name!r} mixes {weights[0]} with {', '.join(others[:3])}; a study file can't pick rows:"
            f" filter the rows of {weights[0]} in a spreadsheet and save them alone, as a CSV file of their own"
        )
        return []
    return [Match("weight", value.name, None, f"all rows are {weights[0]}, {value.told()}"), *_unit_column(file)]


def _names_weight(text: str) -> bool:
    plain = re.sub(r"\(.*\)|HKQuantityTypeIdentifier", "", text)
    return any(said.field == "weight" for said in named(plain))


def traits(file: FileLook, weight: dict[str, Match]) -> list[Match]:
    """Return sex, group and condition: few different values; group does not change within a person, condition does."""
    who = weight["subject_id"].column if "subject_id" in weight else None
    taken = {match.column for match in weight.values()}
    found: dict[str, Match] = {}
    for wanted in ("sex", "group", "condition"):
        for column in file.columns:
            ranks = [said.rank for said in named(column.name) if said.field == wanted]
            few = 1 <= len(column.distinct) <= _FEW
            if not ranks or column.name in taken or not few or column.kind == "date":
                continue
            values = [{text for text, _ in rows if text} for rows in by_person(file, column, who).values()]
            constant = all(len(texts) <= 1 for texts in values)
            field_name = "sex" if wanted == "sex" else "group" if constant else "condition"
            if field_name not in found:
                found[field_name] = Match(field_name, column.name, None, f"its name, and {column.told()}")
                taken.add(column.name)
    return list(found.values())


def value_unit(file: FileLook, column_name: str) -> list[str]:
    """Return the weight units that stand behind a column's numbers."""
    column = file.column(column_name)
    return sorted({u for u in column.units if u in ("kg", "lb")}) if column else []

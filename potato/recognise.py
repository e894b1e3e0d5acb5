"""Which families a raw file holds and which of its columns are which fields: by name, and by what the columns hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from potato import times as when
from potato import whose
from potato.intake import QUANTITIES, food_column
from potato.intake import intake as eaten
from potato.looks import Column, FileLook
from potato.matches import Match
from potato.matches import best as best_column
from potato.shapes import by_person, changes_little, trouble
from potato.synonyms import LIFTING, UNITS, is_other, key, named, split_unit

_METRIC = {"metric", "measure", "measurement", "type", "variable", "parameter", "metric_name"}
_AMOUNT = {"amount", "value", "wert", "reading", "result", "valeur", "valor", "waarde"}
_FEW = 12


@dataclass
class Recognised:
    """What was recognised in one file: the fields of each family, and remarks for the person who reads.

    `rows` names the columns that tell which rows are meant, with their texts there; `file` has these rows alone.
    """

    file: FileLook
    families: dict[str, dict[str, Match]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)  # FAMILY.FIELD: columns among which a person chooses
    rows: dict[str, list[str]] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)  # how many rows each of these columns leaves out
    trouble: str | None = None  # why a file that looks like data can't be used


Maps = dict[str, dict[str, str]]


def recognise(file: FileLook, maps: Maps | None = None, subject: str | None = None) -> Recognised:
    """Return the families of a file.

    Parameters
    ----------
    maps : family: field: column, as the person at the keyboard states them; an empty column leaves the field out.
    subject : name of the column that says who, in other files of the study.
    """
    found = _chosen(file)
    file = found.file
    mine = {family: _stated(file, stated) for family, stated in (maps or {}).items()}
    times, rivals = when.times(file, {fields["date"].column for fields in mine.values() if "date" in fields})
    food = food_column(file)
    who = whose.by_name(file, times, subject, food)
    mixed = any(key(name) in _METRIC for name in found.skipped)
    intake = {} if mixed else eaten(file, food, found.remarks)
    told = mine.get("weight", {}).get("weight")
    weight = [told, *_unit_column(file)] if told else _weight(file, times, who, food, found)
    if weight and not who:
        who = whose.by_rows(file, times, {match.column for match in (*times, *weight)})
    # What the person states makes a family, whatever was recognised.
    families = {"weight": weight} | {family: [] for family, fields in mine.items() if fields} | intake
    for family, fields in (families | {"weight": weight}).items():
        stated = (maps or {}).get(family, {})
        chosen = {m.field: m for m in (*who, *times, *fields)} | mine.get(family, {})
        chosen = {name: match for name, match in chosen.items() if stated.get(name) != ""}
        if _whole(family, chosen):
            found.families[family] = chosen
            if rivals and not {"date", "day"} & stated.keys():
                found.choices[f"{family}.date"] = rivals
    if "weight" in found.families:
        found.families["weight"] |= {
            match.field: match
            for match in traits(file, found.families["weight"])
            if (maps or {}).get("weight", {}).get(match.field) is None
        }
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
            week = name == "day" and any(said.field == "week" for said in named(column.name))
            unit = "week" if week else split_unit(column.name)[1]
            found[name] = Match(name, column.name, unit, "as you stated")
    return found


def _chosen(file: FileLook) -> Recognised:
    """Return the rows of a file that are meant: of several measures the weights, and none that a tracker deleted."""
    found = Recognised(file)
    metric, value = _measures(file)
    if metric and value and (weights := [text for text in file.texts(metric.name) if _names_weight(text)]):
        _choose(found, metric.name, weights, "are of another measure")
    deleted = next((c for c in file.columns if key(c.name) in ("deleted", "is_deleted")), None)
    if deleted:
        there = [text for text in found.file.texts(deleted.name) if text.casefold() not in ("1", "true", "yes")]
        _choose(found, deleted.name, there, "are marked as deleted")
    return found


def _choose(found: Recognised, name: str, texts: list[str], others: str) -> None:
    chosen = found.file.only(name, texts)
    if not chosen.rows:
        return
    found.rows[name] = texts
    if skipped := found.file.rows - chosen.rows:
        found.skipped[name] = skipped
        found.remarks.append(f"{skipped} of the rows that were looked at {others} by {name!r}, and are set aside")
    found.file = chosen


def _weight(file: FileLook, times: list[Match], who: list[Match], food: list[Match], found: Recognised) -> list[Match]:
    if rows_of_metrics := _metric_rows(file):
        return rows_of_metrics
    best = best_column(file, "weight", ("number",))
    if best is None:
        if times:
            _could_be_weights(file, times, who, found)
        return []
    column, said = best
    if len(lifting := [c.name for c in file.columns if key(c.name) in LIFTING]) > 1:
        found.trouble = f"beside {lifting[0]!r} and {lifting[1]!r} its {column.name!r} was lifted: no body weight"
        return []
    if said.unit not in (None, "kg", "lb"):
        if not food:
            found.remarks.append(f"{column.name!r} is in {said.unit}: a weight has to be in kg or lb")
        return []
    if food and not changes_little(file, column, who[0].column if who else None):
        return []
    return [Match("weight", column.name, said.unit, f"its name, and {column.told()}"), *_unit_column(file)]


def _could_be_weights(file: FileLook, times: list[Match], who: list[Match], found: Recognised) -> None:
    """Note the columns that could be weights by their values alone, which a pulse and many other numbers are too."""
    taken = {match.column for match in (*times, *who)}
    people = who or whose.by_rows(file, times, taken)
    found.choices["weight.weight"] = [
        c.name
        for c in file.columns
        if c.kind == "number" and c.name not in taken and not named(c.name) and not is_other(c.name)
        if changes_little(file, c, people[0].column if people else None)
    ]


def _unit_column(file: FileLook) -> list[Match]:
    best = best_column(file, "unit", ("text",))
    if best and sum(UNITS.get(v.casefold().rstrip(".")) in ("kg", "lb") for v in best[0].values) >= 0.5 * len(
        best[0].values
    ):
        return [Match("unit", best[0].name, None, f"its name, and {best[0].told()}")]
    return []


def _measures(file: FileLook) -> tuple[Column | None, Column | None]:
    """Return the columns of a file with one measure a row: what was measured, and its value."""
    metric = next((c for c in file.columns if key(c.name) in _METRIC and c.kind == "text"), None)
    return metric, next((c for c in file.columns if key(c.name) in _AMOUNT), None)


def _metric_rows(file: FileLook) -> list[Match]:
    """Return the value column of a file with one measure a row, where all its rows are weights."""
    metric, value = _measures(file)
    if metric is None or value is None or not all(_names_weight(text) for text in metric.distinct):
        return []
    return [
        Match("weight", value.name, None, f"its rows are {metric.distinct[0]}, {value.told()}"),
        *_unit_column(file),
    ]


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

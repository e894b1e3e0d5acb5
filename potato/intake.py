"""What a file says of food: entries or daily totals, and which columns are which nutrients."""

from __future__ import annotations

import re
import statistics
from pathlib import PurePosixPath

from potato.families import NUTRITION
from potato.food import CATEGORIES
from potato.looks import FileLook
from potato.matches import Match, best
from potato.synonyms import EXERCISE, NET_CARBOHYDRATE, is_activity, key, named

UNITS_OF = {"kg": ("kg", "lb"), "kcal": ("kcal", "kJ"), "g": ("g", "mg", "oz", "kg", "lb", "µg")}
QUANTITIES = ("energy_kcal", "protein_g", "carbohydrate_g", "fat_g", "fiber_g")
_EATEN = re.compile(r"(^|_)(food|in|intake|consumed|eaten|dietary)(_|$)")
_COULD_BE_ANYTHING = {"name", "description", "item", "entry", "what", "product", "essen", "eten", "group", "gruppe"}
_MEALS = re.compile(
    r"breakfast|lunch|dinner|supper|snack|brunch|fruhstuck|frühstück|mittag|abend|déjeuner|dejeuner|dîner|diner|"
    r"goûter|desayuno|almuerzo|comida|cena|merienda|ontbijt|avondeten|tussendoor|^meal|uncategorized",
    re.IGNORECASE,
)


def food_column(file: FileLook) -> list[Match]:
    """Return the column that says what was eaten; none where a name alone, such as `name`, could mean anything."""
    chosen = best(file, "food", ("text",))
    if chosen is None:
        return []
    column = chosen[0]
    nutrients = any(said.field in QUANTITIES for c in file.columns for said in named(c.name))
    words = re.compile(r"\b(" + "|".join(w for group in CATEGORIES.values() for w in group) + ")", re.IGNORECASE)
    foods = sum(bool(words.search(text)) for text in column.values) >= 0.1 * len(column.values)
    if key(column.name) in _COULD_BE_ANYTHING and not (nutrients or foods):
        return []
    served = any(said.field in ("meal", "amount_g", "unit") for c in file.columns for said in named(c.name))
    # A few names that come back all the time, of nothing that is served: people.
    if key(column.name) == "name" and not (foods or served) and len(column.distinct) <= 0.2 * len(column.values):
        return []
    return [Match("food", column.name, None, f"its name, and {column.told()}")]


def intake(file: FileLook, food: list[Match], remarks: list[str]) -> dict[str, list[Match]]:
    """Return the fields of nutrition, or those of fiber where fibre is all that a file holds."""
    matches: list[Match] = []
    for name in QUANTITIES:
        column, said = best(file, name, ("number", "empty")) or (None, None)
        unit = NUTRITION.field(name).unit
        if column and said and (said.unit or unit) in UNITS_OF[unit]:
            matches.append(Match(name, column.name, said.unit, f"its name, and {column.told()}"))
    energy = next((m for m in matches if m.field == "energy_kcal"), None)
    others = [m for m in matches if m.field != "energy_kcal"]
    if energy and not others and (burnt := _of_exercise(file, energy.column)):
        remarks.append(f"{energy.column!r} was burnt, not eaten: {burnt}")
        return {"nutrition": []}
    if energy and not food and len(others) < 2 and not _EATEN.search(key(energy.column)):
        beside = next((c.name for c in file.columns if c.kind == "number" and is_activity(c.name)), None)
        if beside:
            matches.remove(energy)
            remarks.append(f"{energy.column!r} stands beside {beside!r}: taken for calories burnt, not eaten")
    carbohydrate = next((m for m in matches if m.field == "carbohydrate_g"), None)
    if carbohydrate:
        net = key(carbohydrate.column).startswith(NET_CARBOHYDRATE)
        total = [c.name for c in file.columns if c.name != carbohydrate.column and "carb" in key(c.name)]
        if net and total:
            remarks.append(f"{carbohydrate.column!r} was taken and not {total[0]!r}: available carbohydrate")
        elif not net:
            remarks.append(f"{carbohydrate.column!r} was taken for available carbohydrate; it may include fibre")
    if not food and [m.field for m in matches] == ["fiber_g"]:
        return {"fiber": matches}
    return {"nutrition": [*_meal(file), *food, *_amount(file, food), *matches]}


def _of_exercise(file: FileLook, energy: str) -> str | None:
    """Return why the named exercises of a log, which look like foods, are no food; None where nothing says so."""
    if EXERCISE & set(key(PurePosixPath(file.name).stem).split("_")):
        return "by the file's name"
    column = file.column(energy)
    numbers = [n for n in column.numbers if n] if column else []
    if numbers and sum(n < 0 for n in numbers) > 0.5 * len(numbers):
        return "most of it is below 0"
    kinds = (c for c in file.columns if c.kind == "text" and c.distinct)
    said = next((c for c in kinds if all(EXERCISE & set(key(text).split("_")) for text in c.distinct)), None)
    return f"{said.name!r} is {said.distinct[0]}" if said else None


def _meal(file: FileLook) -> list[Match]:
    chosen = best(file, "meal", ("text",))
    if chosen is None or (
        key(chosen[0].name) in _COULD_BE_ANYTHING and not any(_MEALS.search(text) for text in chosen[0].distinct)
    ):
        return []
    return [Match("meal", chosen[0].name, None, f"its name, and {chosen[0].told()}")]


def _amount(file: FileLook, food: list[Match]) -> list[Match]:
    """Return the amount only where it is a mass: trackers also count cups and pieces."""
    chosen = best(file, "amount_g", ("number",)) if food else None
    if chosen is None:
        return []
    column, said = chosen
    if said.unit in UNITS_OF["g"]:
        return [Match("amount_g", column.name, said.unit, "its name states the unit")]
    masses = sum(unit in UNITS_OF["g"] for unit in column.units)
    if masses and masses >= 0.9 * len(column.values):
        return [Match("amount_g", column.name, None, f"its values state the unit, such as {column.values[0]}")]
    known = [n for n in column.numbers if n is not None]
    other_unit = any(said.field == "unit" for c in file.columns for said in named(c.name))
    # Pieces and cups are counted to a few; grams are tens and hundreds.
    if not other_unit and not column.units and known and statistics.median(known) >= 20:
        return [Match("amount_g", column.name, None, f"{column.told()}, as grams are")]
    return []

"""Units that raw files may use: what they are called, and how many of the dictionary's own units one of them is."""

from __future__ import annotations

from collections.abc import Mapping

KG_PER_LB = 0.45359237  # exact, by the international definition of the pound
KJ_PER_KCAL = 4.184  # exact, by the definition of the thermochemical calorie
LB_PER_STONE = 14

# A person's median weigh-in below the first is kg: 85 lb is 39 kg, under what adults of a diet study weigh. Above the
# second it is lb: 160 kg is 353 lb. Between them both units describe ordinary people, so nothing is told.
KG_BELOW, LB_ABOVE = 85.0, 160.0
# Nobody's weights differ by more within a study, and a kilogram has 2.2 pounds: beyond it lies another unit.
MOST_CHANGE = 1.7

WEIGHT_UNITS: dict[str, tuple[str, ...]] = {
    "kg": ("kg", "kgs", "kg.", "kilo", "kilos", "kilogram", "kilograms", "kilogramme", "kilogrammes"),
    "lb": ("lb", "lbs", "lb.", "lbs.", "pound", "pounds"),
}

_GRAMS: dict[str, tuple[float, tuple[str, ...]]] = {
    "g": (1.0, ("g", "g.", "gr", "gm", "gms", "gram", "grams", "gramme", "grammes")),
    "kg": (1000.0, WEIGHT_UNITS["kg"]),
    "mg": (0.001, ("mg", "milligram", "milligrams")),
    "µg": (1e-6, ("µg", "μg", "ug", "mcg", "microgram", "micrograms")),
    "oz": (KG_PER_LB * 1000 / 16, ("oz", "oz.", "ounce", "ounces")),
    "lb": (KG_PER_LB * 1000, WEIGHT_UNITS["lb"]),
}
_ENERGY: dict[str, tuple[float, tuple[str, ...]]] = {
    # In diaries a calorie is the kilocalorie of the label.
    "kcal": (1.0, ("kcal", "kcals", "cal", "cals", "calorie", "calories", "kilocalorie", "kilocalories")),
    "kJ": (1 / KJ_PER_KCAL, ("kj", "kjs", "kilojoule", "kilojoules")),
    "MJ": (1000 / KJ_PER_KCAL, ("mj", "megajoule", "megajoules")),
}
_TIME: dict[str, tuple[float, tuple[str, ...]]] = {
    "day": (1.0, ("day", "days", "d")),
    "week": (7.0, ("week", "weeks", "wk", "w")),
}

# The dictionary's unit: for each unit of a file how many of the dictionary's it is, and its names in small letters.
CONVERSIONS = {"g": _GRAMS, "kcal": _ENERGY, "day": _TIME}


def allowed(unit: str) -> list[str]:
    """Return the units of a file that convert to the dictionary's `unit`; none for a unit without conversions."""
    return list(CONVERSIONS.get(unit, {}))


def factors(unit: str) -> dict[float, tuple[str, ...]]:
    """Return {how many of `unit` one is: names of it in small letters} for the units that convert to `unit`."""
    return dict(CONVERSIONS.get(unit, {}).values())


def factor(unit: str, stated: str | None) -> float:
    """Return how many of the dictionary's `unit` one of the stated unit is; 1 when none is stated.

    Raises
    ------
    ValueError
        when nothing converts the stated unit to `unit`.
    """
    if stated is None:
        return 1.0
    for times, names in factors(unit).items():
        if stated.strip().lower() in names:
            return times
    raise ValueError(f"{stated!r} does not convert to {unit or 'a text'}; it may be one of {', '.join(allowed(unit))}")


def check(units: Mapping[str, str], fields: Mapping[str, str], where: str) -> None:
    """Check a family's `units` against the dictionary's unit of each of its fields.

    Raises
    ------
    ValueError
        that names the setting and the units that it may have.
    """
    for field, stated in units.items():
        able = [name for name, unit in fields.items() if unit in CONVERSIONS]
        if field not in able:
            said = "say it as `unit: kg`, `lb` or `detect`" if field == "weight" else f"only {', '.join(able)} have one"
            raise ValueError(f"{where}.{field}: no unit is stated here for this field; {said}")
        try:
            factor(fields[field], stated)
        except ValueError as error:
            raise ValueError(f"{where}.{field}: {error}") from None

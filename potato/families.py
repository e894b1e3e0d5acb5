"""The families of raw files, and the fields that each may hold: the data dictionary's part about what comes in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A quantity that a family of raw files may hold, after cleaning.

    `kind` says how silver reads the raw text: text, number, weight (a number with a unit), date or day.
    """

    name: str
    kind: str
    meaning: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False
    zero_is_missing: bool = False


@dataclass(frozen=True)
class Family:
    """A family of raw files: one meaning of a row, whatever the files and columns are called."""

    name: str
    meaning: str
    fields: tuple[Field, ...]
    value: str

    @property
    def names(self) -> list[str]:
        return [field.name for field in self.fields]

    def field(self, name: str) -> Field:
        """Return the field called `name`; KeyError when the family has none."""
        return next(field for field in self.fields if field.name == name)


_WHO_AND_WHEN = (
    Field("subject_id", "text", "Who the row is about, as the study names the person", required=True),
    Field("date", "date", "Calendar date of the record"),
    Field("day", "day", "Day number of the record, where the study keeps no dates", "day"),
)

NUTRITION = Family(
    "nutrition",
    "One row for each food entry of a diary",
    (
        *_WHO_AND_WHEN,
        Field("meal", "text", "Meal that the entry belongs to"),
        Field("food", "text", "What was eaten, as the diary has it"),
        Field("amount_g", "number", "Amount eaten", "g", 0, 10_000),
        Field("energy_kcal", "number", "Energy of the entry", "kcal", 0, 10_000),
        Field("protein_g", "number", "Protein of the entry", "g", 0, 1_000),
        Field("carbohydrate_g", "number", "Available carbohydrate of the entry", "g", 0, 2_000),
        Field("fat_g", "number", "Fat of the entry", "g", 0, 1_000),
        Field("fiber_g", "number", "Dietary fibre of the entry", "g", 0, 300),
    ),
    value="energy_kcal",
)

WEIGHT = Family(
    "weight",
    "One row for each morning's body weight",
    (
        *_WHO_AND_WHEN,
        Field("weight", "weight", "Body weight, converted to kg", "kg", 25, 350, zero_is_missing=True),
        Field("unit", "text", "Unit of the weight, where the row states one"),
        Field("group", "text", "Group that the person belongs to for the whole study"),
        Field("condition", "text", "Condition of that day, in a study whose people change condition"),
        Field("sex", "text", "Sex, as the study codes it"),
    ),
    value="weight",
)

FIBER = Family(
    "fiber",
    "One row for each day's fibre total",
    (
        *_WHO_AND_WHEN,
        Field("fiber_g", "number", "Fibre of the whole day", "g", 0, 300),
    ),
    value="fiber_g",
)

FAMILIES: dict[str, Family] = {family.name: family for family in (NUTRITION, WEIGHT, FIBER)}

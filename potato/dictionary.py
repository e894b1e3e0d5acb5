"""The data dictionary in words, from the modules that hold it: the site's page, and docs/dictionary.md.

`python -m potato.dictionary` writes docs/dictionary.md; a test says when that has to be typed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from potato import food, lake, reasons, results, schema
from potato.families import FAMILIES, Field

FILE = "docs/dictionary.md"
_INTRODUCTION = """# Data dictionary

Every column of every dataset, with its unit and its bounds. Made from `potato/schema.py`, `potato/families.py` and
`potato/food.py` by `python -m potato.dictionary`; contracts, Parquet files and lineage are made from the same places.
"""
_KINDS = {
    "text": "text",
    "number": "number",
    "weight": "number with a unit",
    "date": "date",
    "day": "day number",
}


@dataclass(frozen=True)
class Section:
    """One table of the dictionary: its heading and depth (2 or 3), a paragraph, and rows of plain text."""

    title: str
    depth: int
    text: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def sections() -> list[Section]:
    """Return the dictionary in reading order."""
    return [*_raw(), *_datasets(), *_words()]


def markdown() -> str:
    """Return the dictionary as Markdown with pipe tables."""
    blocks = [_INTRODUCTION]
    for section in sections():
        blocks.append(f"{'#' * section.depth} {section.title}\n\n{section.text}\n")
        if section.rows:
            lines = [section.header, ("---",) * len(section.header), *section.rows]
            blocks.append("\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines) + "\n")
    return "\n".join(blocks)


def _raw() -> Iterator[Section]:
    yield Section(
        "Raw files",
        2,
        "What a study's files may hold. `studies/NAME.yaml` says which column of the files is which field. A value out"
        " of bounds sets its row aside.",
    )
    for family in FAMILIES.values():
        rows = tuple(
            (field.name, _meaning(field), _KINDS[field.kind], field.unit, _bounds(field.minimum, field.maximum))
            for field in family.fields
        )
        yield Section(family.name, 3, f"{family.meaning}.", ("Field", "Meaning", "Kind", "Unit", "Bounds"), rows)


def _meaning(field: Field) -> str:
    said = [field.meaning]
    said += ["every row needs it"] if field.required else []
    said += ["0 means not recorded"] if field.zero_is_missing else []
    return "; ".join(said)


def _datasets() -> Iterator[Section]:
    yield Section(
        "Datasets",
        2,
        "What the pipeline writes, below `data/`, as Parquet. A value that may be missing is null where nothing was"
        " recorded. A value out of bounds stops the stage, or warns where that is said.",
    )
    made: dict[tuple[str, ...], str] = {}
    for dataset in (*schema.BRONZE.values(), *schema.SILVER.values(), schema.QUARANTINE, *results.GOLD.values()):
        text = f"{dataset.meaning}. One row for each {_listed([_code(name) for name in dataset.key])}."
        same = made.setdefault(tuple(dataset.names), dataset.name)
        if same != dataset.name:
            yield Section(dataset.name, 3, f"{text} The columns are those of {_code(same)}.")
            continue
        rows = tuple(
            (
                column.name,
                column.meaning,
                str(column.type),
                column.unit,
                _bounds(column.minimum, column.maximum) + (" (warns)" if column.severity == "warning" else ""),
                "no" if column.required else "yes",
            )
            for column in dataset.columns
        )
        yield Section(dataset.name, 3, text, ("Column", "Meaning", "Type", "Unit", "Bounds", "May be missing"), rows)


def _words() -> Iterator[Section]:
    yield Section(
        "Rows that are broken as a whole",
        2,
        "Bronze keeps such a row with its fault, and silver sets it aside. The other reasons for which rows of a study"
        " were set aside, or kept with a remark, stand with their rules in `data/quarantine` and `data/silver/flags`.",
        ("Fault", "Rule that it breaks"),
        tuple(reasons.FAULTS.items()),
    )
    factors = _listed([f"{kcal:g} for {name.removesuffix('_g')}" for name, kcal in food.KCAL_PER_G.items()])
    yield Section(
        "Energy and nutrients",
        2,
        f"The energy of a food entry is held against what its nutrients give, in kcal per g: {factors}, with"
        " carbohydrate counted without fibre. It may be off by"
        f" {food.ENERGY_OFF[0]:g} kcal or {food.ENERGY_OFF[1]:.0%}, whichever is more. A day's fibre may be off the"
        f" sum of its entries by {food.FIBER_OFF[0]:g} g or {food.FIBER_OFF[1]:.0%}, whichever is more. What is"
        " further off is kept with a remark.",
    )
    yield Section(
        "Foods",
        2,
        "A food entry counts once in each category of which its text holds a whole word, singular or plural.",
        ("Category", "Words"),
        tuple((category, ", ".join(words)) for category, words in food.CATEGORIES.items()),
    )


def _bounds(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f"at least {low:,g}"
    return f"at most {high:,g}" if low is None else f"{low:,g} to {high:,g}"


def _code(name: str) -> str:
    return f"`{name}`"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    lake.write_text(lake.root() / FILE, markdown())

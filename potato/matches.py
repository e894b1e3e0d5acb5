"""A field of the dictionary and the column of a file that holds it."""

from __future__ import annotations

from dataclasses import dataclass

from potato.looks import Column, FileLook
from potato.synonyms import Named, named


@dataclass(frozen=True)
class Match:
    """A field of the dictionary and the column that holds it, with the unit that its name states and the evidence."""

    field: str
    column: str
    unit: str | None
    evidence: str


def best(file: FileLook, wanted: str, kinds: tuple[str, ...]) -> tuple[Column, Named] | None:
    """Return the column whose name says `wanted` most plainly, among those that hold what it must."""
    options = [
        (said.rank, said.unit not in (None, "kg", "kcal", "g"), column.position, column, said)
        for column in file.columns
        if column.kind in kinds
        for said in named(column.name)
        if said.field == wanted
    ]
    best = min(options, key=lambda option: option[:3], default=None)
    return (best[3], best[4]) if best else None

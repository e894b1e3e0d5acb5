"""The report's tables: the numbers as numbers, and for each column a label, a unit and a format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from potato import words
from potato.trajectories import EVERYONE


@dataclass(frozen=True)
class Column:
    """A shown column: `format` is a Python format specification, `p` for p-values, empty for text."""

    name: str
    label: str
    format: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """One table of the report; `frame` holds exactly the listed columns, in order."""

    id: str
    page: str
    title: str
    caption: str
    dataset: str
    columns: tuple[Column, ...]
    frame: pd.DataFrame = field(repr=False)

    def arrow(self) -> pa.Table:
        """Return the content with a type for each column even when there is no row."""
        fields = []
        for column in self.columns:
            kind = pa.int64() if column.format.endswith("d") else pa.float64() if column.format else pa.string()
            fields.append((column.name, kind))
        frame = self.frame[[column.name for column in self.columns]]
        return pa.Table.from_pandas(frame, schema=pa.schema(fields), preserve_index=False).replace_schema_metadata(None)

    def entry(self, fingerprint: str) -> dict[str, Any]:
        """Return the table's line in tables.json."""
        return {
            "id": self.id,
            "page": self.page,
            "title": self.title,
            "caption": self.caption,
            "source": {"dataset": self.dataset, "fingerprint": fingerprint},
            "columns": [{"name": c.name, "label": c.label, "unit": c.unit, "format": c.format} for c in self.columns],
        }

    def _repr_html_(self) -> str:
        """Return the formatted table for a notebook."""
        shown = self.frame[[c.name for c in self.columns]].copy()
        for column in self.columns:
            if column.format and column.format != "p":
                spec = column.format
                shown[column.name] = [
                    "–" if pd.isna(v) else words.number(int(v) if spec.endswith("d") else v, spec)
                    for v in shown[column.name]
                ]
        shown.columns = [f"{c.label} ({c.unit})" if c.unit else c.label for c in self.columns]
        return str(shown.to_html(index=False, na_rep="–"))


MOST_WEEKS = 30
MEAN = (
    Column("mean", "Mean", "+.2f", "kg"),
    Column("low", "From", "+.2f", "kg"),
    Column("high", "To", "+.2f", "kg"),
)


def filled(columns: tuple[Column, ...], content: pd.DataFrame) -> tuple[Column, ...]:
    """Return the columns that tell something.

    An interval over one person, or energy that no diary states, has no value; a study without groups has one group.
    """
    told = tuple(column for column in columns if content[column.name].notna().any())
    return tuple(c for c in told if c.name != "group" or set(content["group"]) != {EVERYONE})


def thinned(table: pd.DataFrame, by: str = "study_week") -> tuple[pd.DataFrame, str]:
    """Return the weeks that a page has room for, and a sentence that says which: all, or every so many and the last."""
    weeks = sorted(table[by].unique())
    every = -(-len(weeks) // MOST_WEEKS)
    if every < 2:
        return table, ""
    shown = {*weeks[::every], weeks[-1]}
    return table[table[by].isin(shown)], f" Of {len(weeks)} weeks, one in {every} and the last are shown."


def build(
    name: str,
    page: str,
    title: str,
    caption: str,
    dataset: str,
    columns: tuple[Column, ...],
    content: pd.DataFrame | list[dict[str, Any]],
) -> Table:
    """Return the table called `name` with the listed columns of `content`, in their order."""
    names = [column.name for column in columns]
    frame = pd.DataFrame(content, columns=names) if isinstance(content, list) else content[names].reset_index(drop=True)
    return Table(name, page, title, caption, dataset, columns, frame)

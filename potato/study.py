"""What a study's file, studies/NAME.yaml, may say: typed, and checked before anything runs."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from potato import units
from potato.families import FAMILIES
from potato.sections import Section, nearest_of


class FamilyMapping(Section):
    """Which files hold a family, and which of the dictionary's fields are which of their columns."""

    files: str = Field(description="glob below the study's raw folder, such as weight/*.csv")
    columns: dict[str, str] = Field(description="dictionary field: the file's column")
    separator: Literal[",", ";", "\t", "|"] | None = Field(default=None, description="told from the file when absent")
    decimal: Literal[".", ","] | None = Field(default=None, description="told from each file's numbers when absent")
    units: dict[str, str] = Field(
        default_factory=dict, description="field: unit of the file, where it is not the dictionary's, such as kJ"
    )
    rows: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description="column: its text, or one of its texts, in the rows that are meant, such as Metric: Weight",
    )
    subject: str | None = Field(default=None, description="who all rows are about, where no column says it")
    subject_from: Literal["file", "folder"] | None = Field(
        default=None, description="whose name says who the rows are about, where no column does"
    )

    @property
    def fields(self) -> list[str]:
        """The dictionary's fields that have a value: those of columns, and the person where the files name one."""
        return [*([] if "subject_id" in self.columns else ["subject_id"]), *self.columns]

    def chosen(self) -> dict[str, list[str]]:
        """Return `rows` with a list of folded texts for each column."""
        listed = {name: [texts] if isinstance(texts, str) else texts for name, texts in self.rows.items()}
        return {name: [text.strip().lower() for text in texts] for name, texts in listed.items()}

    def who(self, path: Path) -> str | None:
        """Return who all rows of a file are about, where that is not a column's to say.

        With `subject_from: file` it is the file's name without its ending, and without what stands in `files` on the
        other side of a mark: ann is in ann-weight.csv where `files` is *-weight.csv.
        """
        if self.subject_from == "folder":
            return path.parent.name
        if self.subject_from is None:
            return self.subject
        before, star, after = self.files.rsplit("/", 1)[-1].removesuffix(path.suffix).partition("*")
        name = path.stem
        if star and not re.search(r"[*?[]", before + after):
            name = name.removeprefix(before) if before and not before[-1].isalnum() else name
            name = name.removesuffix(after) if after and not after[0].isalnum() else name
        return name or path.stem

    @field_validator("files")
    @classmethod
    def _files_are_below_the_raw_folder(cls, files: str) -> str:
        parts = files.split("/")
        if files and (files.startswith("/") or ".." in parts or any("**" in part and part != "**" for part in parts)):
            raise ValueError(f"files: a pattern below the study's raw folder, such as weight/*.csv, and not {files!r}")
        return files


class WeightMapping(FamilyMapping):
    """A weight file also says its unit."""

    unit: Literal["kg", "lb", "detect"] | None = Field(
        None, description="one unit for all, or `detect`: each row's stated unit, else each person's values"
    )
    unit_by_subject: dict[str, Literal["kg", "lb"]] = Field(
        default_factory=dict, description="what to use for a person whose unit the evidence does not tell"
    )
    group_from: Literal["folder"] | None = Field(
        default=None, description="whose name says which group the rows belong to, where no column does"
    )

    @property
    def fields(self) -> list[str]:
        """As for every family, and the group where folders name one."""
        return [*(["group"] if self.group_from else []), *super().fields]


class Study(Section):
    """One study: what it is and how its raw files map to the data dictionary."""

    title: str
    description: str
    citation: str | None = None
    simulated: bool = False
    raw: str | None = Field(None, description="folder of the raw files, when it is not data/raw/NAME")
    date_order: Literal["ymd", "dmy", "mdy"] | None = Field(
        default=None, description="order of the parts of a date; told from each file's dates when absent"
    )
    collected_until: date | None = Field(
        default=None, description="last possible day of a record; when absent, the day on which silver runs"
    )
    weeks: int | None = Field(
        default=None, ge=2, le=520, description="how long a person was to take part; tells who left early"
    )
    codes: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="field: raw code: what it means, such as condition: {'1': control}"
    )
    weight: WeightMapping
    nutrition: FamilyMapping | None = None
    fiber: FamilyMapping | None = None

    def families(self) -> dict[str, FamilyMapping]:
        """Return the families that the study has, by name."""
        return {name: mapping for name in ("nutrition", "weight", "fiber") if (mapping := getattr(self, name))}

    def mapping(self, family: str) -> FamilyMapping:
        """Return a family's mapping; for a family that the study lacks, one that says only who and when."""
        when = "date" if "date" in self.weight.columns else "day"
        absent = FamilyMapping(files="", columns={"subject_id": "", when: ""})
        return self.families().get(family, absent)

    @model_validator(mode="after")
    def _mapped_fields_exist(self) -> Study:
        fields = {field for family in FAMILIES.values() for field in family.names}
        for field in self.codes:
            if field not in fields:
                raise ValueError(f"codes.{field}: the data dictionary has no such field{nearest_of(field, fields)}")
        for name, mapping in self.families().items():
            known = FAMILIES[name].names
            if not mapping.files:
                raise ValueError(f"{name}.files: empty; name the files, such as {name}/*.csv")
            for field in mapping.columns:
                if field not in known:
                    raise ValueError(
                        f"{name}.columns.{field}: the data dictionary has no such field{nearest_of(field, known)};"
                        f" it has {', '.join(known)}"
                    )
            units.check(mapping.units, {f.name: f.unit for f in FAMILIES[name].fields}, f"{name}.units")
            told = [mapping.columns.get("subject_id"), mapping.subject, mapping.subject_from]
            if sum(who is not None for who in told) != 1:
                raise ValueError(
                    f"{name}.columns.subject_id: every family says who a row is about in one way; map the column, or"
                    f" say `subject: NAME` for a single person or `subject_from: file` (or folder)"
                )
            if not {"date", "day"} & mapping.columns.keys():
                raise ValueError(f"{name}.columns: map either date or day; without one a row has no place in time")
        if len({"date" in mapping.columns for mapping in self.families().values()}) > 1:
            raise ValueError("date: map it in every family or in none; days and dates can't be put on one calendar")
        if "weight" not in self.weight.columns:
            raise ValueError("weight.columns.weight: missing; map the column that holds the weight")
        if self.weight.group_from and "group" in self.weight.columns:
            raise ValueError("weight.group_from: the column columns.group says it too; keep one of them")
        if self.weight.unit is None and "unit" not in self.weight.columns:
            raise ValueError("weight.unit: missing; say kg, lb or detect, or map a unit column")
        return self

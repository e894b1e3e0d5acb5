"""params.yaml, studies/NAME.yaml and what they may say: typed, and checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from potato import units
from potato.errors import PotatoError, nearest
from potato.trial import SimulateSettings

Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key that stands twice: the first would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
            if isinstance(key, str):
                seen.add(key)
        return super().construct_mapping(node, deep)


class Section(BaseModel):
    """A part of a settings file; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
        # Imported here: settings is read by every command, and the dictionary needs Arrow.
        from potato.schema import FAMILIES

        fields = {field for family in FAMILIES.values() for field in family.names}
        for field in self.codes:
            if field not in fields:
                raise ValueError(f"codes.{field}: the data dictionary has no such field{_nearest_of(field, fields)}")
        for name, mapping in self.families().items():
            known = FAMILIES[name].names
            if not mapping.files:
                raise ValueError(f"{name}.files: empty; name the files, such as {name}/*.csv")
            for field in mapping.columns:
                if field not in known:
                    raise ValueError(
                        f"{name}.columns.{field}: the data dictionary has no such field{_nearest_of(field, known)};"
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


class SilverSettings(Section):
    """How silver turns days into weeks."""

    min_weights_per_week: int = Field(1, ge=1, le=7, description="a week with fewer weigh-ins has no weekly weight")
    min_days_logged: int = Field(1, ge=1, le=7, description="a week with fewer diary days has no intake averages")


class GoldSettings(Section):
    """What the models explain, by what, and how sure an interval has to be."""

    outcome: Literal["next_week_change_kg"] = "next_week_change_kg"
    covariates: list[str] = ["potato_energy_share", "fiber_g_per_1000_kcal", "energy_kcal_per_day"]
    controls: list[Literal["study_week", "group", "condition"]] = ["study_week", "group"]
    confidence: float = Field(0.95, gt=0.5, lt=1)
    min_subjects: int = Field(5, ge=2)
    seed: int = 20220501

    @model_validator(mode="after")
    def _covariates_are_columns(self) -> GoldSettings:
        from potato.schema import MODELING_DATASET

        numeric = [c.name for c in MODELING_DATASET.columns if c.unit and c.name not in ("study_week", self.outcome)]
        for name in self.covariates:
            if name not in numeric:
                raise ValueError(
                    f"covariates: the modelling dataset has no numeric column {name}{_nearest_of(name, numeric)}"
                )
        for listed, names in (("covariates", self.covariates), ("controls", self.controls)):
            if len(set(names)) < len(names):
                raise ValueError(f"{listed}: a name stands twice in {', '.join(names)}")
        return self


def _nearest_of(name: str, known: Iterable[str]) -> str:
    guess = nearest(name, known)
    return f"; nearest: {guess}" if guess else ""


class Parameters(Section):
    """The whole of params.yaml."""

    study: str
    engine: Literal["duckdb"] = "duckdb"
    simulate: SimulateSettings
    silver: SilverSettings
    gold: GoldSettings


class Settings(Section):
    """Everything that a stage may be told, with the study that params.yaml names."""

    root: Path
    study_name: str
    study: Study
    engine: str
    simulate: SimulateSettings
    silver: SilverSettings
    gold: GoldSettings

    @property
    def raw(self) -> Path:
        """Where the study's raw files are, as DVC and every stage see them."""
        return self.root / "data" / "raw" / self.study_name


def load(root: Path, study: str | None = None) -> Settings:
    """Read and check params.yaml and the study that it (or `study`) names.

    Raises
    ------
    PotatoError
        for a missing file, a misspelt or ill-typed setting, or an unknown study.
    """
    parameters = _checked(Parameters, root / "params.yaml", root)
    name = study or parameters.study
    return Settings(
        root=root,
        study_name=name,
        study=load_study(root, name),
        **parameters.model_dump(exclude={"study"}, by_alias=False),
    )


def study_names(root: Path) -> list[str]:
    """Return the names of the studies that the project describes."""
    return sorted(path.stem for path in (root / "studies").glob("*.yaml"))


def load_study(root: Path, name: str) -> Study:
    """Read and check studies/NAME.yaml."""
    known = study_names(root)
    if name not in known:
        raise PotatoError(
            f"There is no study called {name!r}.",
            where="params.yaml, study",
            expected=f"one of {', '.join(known)}" if known else "a file in studies/",
            found=name,
            nearest=nearest(name, known),
            hint="correct `study:` in params.yaml"
            + (f", or describe the study in studies/{name}.yaml" if re.fullmatch(r"[\w-]+", name) else ""),
        )
    return _checked(Study, root / "studies" / f"{name}.yaml", root)


def _checked(model: type[Model], path: Path, root: Path) -> Model:
    shown = path.relative_to(root).as_posix()
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise PotatoError(
            f"{shown} is missing.", where=str(path), hint=f"restore it: `git checkout -- {shown}`"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PotatoError(
            f"{shown} is not readable YAML.", where=shown, found=" ".join(str(error).split()), hint=f"mend {shown}"
        ) from None
    if not isinstance(content, dict):
        raise PotatoError(
            f"{shown} holds no settings.",
            where=shown,
            expected="`name: value` lines",
            found="nothing" if content is None else type(content).__name__,
            hint=f"restore it: `git checkout -- {shown}`",
        )
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _explain(error, model, content, shown) from None


def _explain(error: ValidationError, model: type[BaseModel], content: dict[str, Any], shown: str) -> PotatoError:
    """Turn the first of pydantic's complaints into ours; the others are counted."""
    problems = error.errors()
    # A name that is not known explains the name that is missing, not the other way round.
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    path = [str(part) for part in first["loc"]]
    where = f"{shown}, {'.'.join(path)}" if path else shown
    more = f" ({len(problems) - 1} more after this one)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _keys(model, path[:-1])
        guess = nearest(path[-1], known)
        return PotatoError(
            f"{shown} has a setting that does not exist: {'.'.join(path)}.{more}",
            where=where,
            expected=f"one of {', '.join(sorted(known))}" if known else None,
            found=path[-1],
            nearest=guess,
            hint=f"write {guess} instead of {path[-1]} in {shown}" if guess else f"remove {path[-1]} from {shown}",
        )
    if first["type"] == "missing":
        return PotatoError(
            f"{shown} lacks the setting {'.'.join(path)}.{more}", where=where, hint=f"add {path[-1]}: to {shown}"
        )
    message = str(first["msg"]).removeprefix("Value error, ")
    found = first.get("input")
    guess = None
    if first["type"] == "value_error":
        where = f"{shown}, {'.'.join([*path, message.split(':')[0]])}"
        told = re.search(r"nearest: (\w+)", message)
        guess = told.group(1) if told else None
    elif first["type"] == "literal_error":
        guess = nearest(str(found), re.findall(r"'([^']*)'", message))
    return PotatoError(
        f"{shown} has a setting with a value that can't be: {'.'.join(path) or message.split(':')[0]}.{more}",
        where=where,
        expected=message,
        found=None if isinstance(found, dict) else repr(found),
        nearest=guess,
        hint=f"write {guess} there in {shown}" if guess else f"correct it in {shown}",
    )


def _keys(model: type[BaseModel], path: list[str]) -> list[str]:
    """Return the setting names that `model` knows below `path`; none below a free mapping."""
    steps = iter(path)
    for part in steps:
        field = model.model_fields.get(part)
        annotation = field.annotation if field else None
        arguments = getattr(annotation, "__args__", ())
        nested = [c for c in (annotation, *arguments) if isinstance(c, type) and issubclass(c, BaseModel)]
        if not nested:
            return []
        if getattr(annotation, "__origin__", None) is dict:
            next(steps, None)  # the name that the mapping gives its entry
        model = nested[0]
    return list(model.model_fields)

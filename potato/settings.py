"""Everything that params.yaml may say: typed, and checked before anything runs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from potato import formula as formulas
from potato.errors import PotatoError, nearest
from potato.sections import Section, read
from potato.study import Study
from potato.trial import SimulateSettings

LAKE_VARIABLE = "POTATO_LAKE"
"""Names the data lake in place of params.yaml, where a job on AWS is told its bucket."""


class SilverSettings(Section):
    """How silver turns days into weeks."""

    min_weights_per_week: int = Field(1, ge=1, le=7, description="a week with fewer weigh-ins has no weekly weight")
    min_days_logged: int = Field(1, ge=1, le=7, description="a week with fewer diary days has no intake averages")


class GoldSettings(Section):
    """What the models explain, by what, and how sure an interval has to be."""

    formula: str = formulas.DEFAULT
    covariates: list[str] = Field(["potato_energy_share", "fiber_g_per_1000_kcal", "energy_kcal_per_day"], min_length=1)
    random_slope: str | None = None
    confidence: float = Field(0.95, gt=0.5, lt=1)
    min_subjects: int = Field(5, ge=2)
    seed: int = 20220501

    @model_validator(mode="after")
    def _formula_can_be_read(self) -> GoldSettings:
        formulas.check_covariates(self.covariates, self.random_slope)
        formulas.read(self.formula, self.covariates)
        return self

    @property
    def terms(self) -> formulas.Formula:
        """The formula, read: the outcome and the controls."""
        return formulas.read(self.formula, self.covariates)

    def for_models(self) -> dict[str, Any]:
        """Return the keywords of models.train, so that whatever fits the models fits the same ones."""
        terms = self.terms
        return {
            "outcome": terms.outcome,
            "covariates": self.covariates,
            "controls": terms.controls,
            "numeric_controls": terms.numeric_controls,
            "random_slope": self.random_slope,
            "confidence": self.confidence,
            "min_subjects": self.min_subjects,
        }


class SparkSettings(Section):
    """Where Spark runs, which `engine: spark` asks for."""

    master: str = Field(default="local[*]", pattern=r"^(local(\[.+\])?|spark://.+|yarn|k8s://.+)$")
    options: dict[str, str] = Field(default={}, description="Spark's own options by name; they go before the project's")
    lake: str | None = Field(default=None, description="a folder or s3a:// address that gets a copy for other jobs")

    @field_validator("options", mode="before")
    @classmethod
    def _as_spark_writes_them(cls, options: Any) -> Any:
        if not isinstance(options, dict):
            return options
        for name in options:
            if not str(name).startswith("spark."):
                raise ValueError(f"{name}: an option of Spark begins with `spark.`")
        # YAML's true is Spark's "true".
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else value
            for name, value in options.items()
        }


class Parameters(Section):
    """The whole of params.yaml."""

    study: str
    engine: Literal["duckdb", "spark"] = "duckdb"
    spark: SparkSettings = SparkSettings()
    lake: str | None = Field(None, pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w./=-]*)?$")
    simulate: SimulateSettings
    silver: SilverSettings
    gold: GoldSettings


class Settings(Section):
    """Everything that a stage may be told, with the study that params.yaml names."""

    root: Path
    study_name: str
    study: Study
    engine: str
    spark: SparkSettings
    lake: str | None
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
    parameters = read(Parameters, root / "params.yaml", root)
    if named := os.environ.get(LAKE_VARIABLE):
        parameters = parameters.model_copy(update={"lake": named})
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
    return read(Study, root / "studies" / f"{name}.yaml", root)

"""The way back from a column to the raw files, as the published manifests tell it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from potato import lake, manifest
from potato.columns import INDIRECT, Lineage
from potato.errors import PotatoError, nearest

_FILES = 3
"""How many raw files with the same column are named; a study can have one for each person."""


@dataclass
class Step:
    """A column on the way back.

    Attributes
    ----------
    dataset, column : names as in the manifests; a raw file is a dataset, too.
    indirect : whether it changes what it leads to without being part of its value.
    sources : the steps before it.
    files : raw files that stand behind this column, each with the name of its own.
    """

    dataset: str
    column: str
    indirect: bool = False
    sources: list[Step] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.dataset}.{self.column}"


@dataclass(frozen=True)
class Provenance:
    """What the manifests of a project's published layers say together.

    Attributes
    ----------
    columns : column lineage by dataset.
    stages : dataset: the stage that wrote it.
    files : raw file: the sha256 of its bytes.
    """

    columns: Mapping[str, Lineage]
    stages: Mapping[str, str]
    files: Mapping[str, str]

    @classmethod
    def read(cls, root: Path) -> Provenance:
        """Read the manifests that are published below `root`; PotatoError where one is not there, or is none."""
        manifests = {stage: lake.read_json(root / path) for stage, path in manifest.PATHS.items()}
        try:
            return cls.of(manifests)
        except (AttributeError, KeyError, TypeError) as error:
            raise PotatoError(
                "A manifest of the published data does not say what a manifest says.",
                where=" or ".join(str(path) for path in manifest.PATHS.values()),
                expected="outputs, their schemas and column lineage, as a stage writes them",
                found=f"{type(error).__name__}: {error}",
                hint="type `make run`: it restores or makes again what was changed by hand",
            ) from None

    @classmethod
    def of(cls, manifests: Mapping[str, Mapping[str, Any]]) -> Provenance:
        """Return what manifests by stage say together; every column of a written dataset is in it."""
        columns: dict[str, Lineage] = {}
        stages: dict[str, str] = {}
        for stage, told in manifests.items():
            for dataset, output in told["outputs"].items():
                traced = told["column_lineage"].get(dataset, {})
                columns[dataset] = {one["name"]: [] for one in output["schema"]} | traced
            columns |= {name: found for name, found in told["column_lineage"].items() if name not in columns}
            stages |= dict.fromkeys([*told["outputs"], *told["column_lineage"]], stage)
        return cls(columns, stages, manifests.get("bronze", {}).get("inputs", {}))

    def names(self) -> dict[str, tuple[str, str]]:
        """Return every DATASET.COLUMN by its full name, and by the dataset's last part where that is one dataset."""
        pairs = [(dataset, column) for dataset, columns in self.columns.items() for column in columns]
        found = {f"{dataset}.{column}": (dataset, column) for dataset, column in pairs}
        lasts = [PurePosixPath(dataset).name for dataset in self.columns]
        for dataset, column in pairs:
            last = PurePosixPath(dataset).name
            if lasts.count(last) == 1:
                found.setdefault(f"{last}.{column}", (dataset, column))
        return found

    def back(self, name: str) -> Step:
        """Return the way back from a column, named DATASET.COLUMN.

        Raises
        ------
        PotatoError : there is no such dataset or column.
        """
        names = self.names()
        if name not in names:
            raise self._unknown(name, names)
        return self._step(*names[name])

    def _step(self, dataset: str, column: str, *, indirect: bool = False) -> Step:
        step = Step(dataset, column, indirect)
        for source in self.columns.get(dataset, {}).get(column, []):
            if source["dataset"] in self.columns:
                kind = source.get("kind") == INDIRECT
                step.sources.append(self._step(source["dataset"], source["column"], indirect=kind))
            else:
                step.files.append((source["dataset"], source["column"]))
        step.sources.sort(key=lambda source: source.indirect)
        return step

    def raw(self, step: Step) -> list[tuple[str, str]]:
        """Return all raw files and columns behind a step, each once."""
        found = dict.fromkeys(step.files)
        for source in step.sources:
            found |= dict.fromkeys(self.raw(source))
        return list(found)

    def _unknown(self, name: str, names: Mapping[str, tuple[str, str]]) -> PotatoError:
        dataset = next((known for known in self.columns if name in (known, PurePosixPath(known).name)), None)
        if dataset:
            columns = list(self.columns[dataset])
            return PotatoError(
                f"{name} is a dataset; a column has to be named, too.",
                expected=f"{name}.COLUMN with one of {', '.join(columns)}",
                hint=f"type `potato lineage show {name}.{columns[0]}`" if columns else "name another dataset",
            )
        close = nearest(name, names)
        return PotatoError(
            f"There is no column {name!r}.",
            where="the published manifests in data/",
            expected="DATASET.COLUMN, with one of the datasets "
            + ", ".join(PurePosixPath(known).name if known.startswith("gold") else known for known in self.columns),
            found=name,
            nearest=close,
            hint=f"type `potato lineage show {close}`" if close else "name one of these datasets and its column",
        )


def lines(step: Step) -> Iterator[tuple[int, str, bool]]:
    """Yield (depth, text, indirect) of each line of the printed way back; what was told once is not told again."""
    yield from _lines(step, 0, set())


def _lines(step: Step, depth: int, told: set[str]) -> Iterator[tuple[int, str, bool]]:
    again = step.name in told and bool(step.sources or step.files)
    told.add(step.name)
    made = "" if step.sources or step.files else "  (made by the pipeline itself)"
    yield depth, step.name + ("  (told above)" if again else made), step.indirect
    if again:
        return
    for source in step.sources:
        yield from _lines(source, depth + 1, told)
    for text in _grouped(step.files):
        yield depth + 1, text, False


def _grouped(files: list[tuple[str, str]]) -> Iterator[str]:
    """Yield the raw files by their column, the first few by name."""
    by_column: dict[str, list[str]] = {}
    for path, column in files:
        by_column.setdefault(column, []).append(path)
    for column, paths in by_column.items():
        left = len(paths) - _FILES
        more = f" and {left:,} more file{'' if left == 1 else 's'}" if left > 0 else ""
        yield f"{', '.join(paths[:_FILES])}{more}, column “{column}”"

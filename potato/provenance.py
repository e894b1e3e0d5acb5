"""The way back from a column to the raw files, as the published manifests tell it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from potato import lake, manifest
from potato.columns import Lineage, Source, is_direct
from potato.errors import PotatoError, nearest

Pair = tuple[str, str]
"""Dataset and column."""

_FILES = 3
"""How many raw files with the same column are named; a study can have one for each person."""


@dataclass
class Step:
    """A column on the way back.

    Attributes
    ----------
    dataset, column : names as in the manifests; a raw file is a dataset, too.
    sources : the columns that it is computed from.
    files : raw files that stand behind this column, each with the name of its own.
    decided : (dataset, column) of those that decide on this column without being part of its value, beside `rows`.
    rows : (dataset, column) of those that decide on which rows its dataset has.
    """

    dataset: str
    column: str
    sources: list[Step] = field(default_factory=list)
    files: list[Pair] = field(default_factory=list)
    decided: list[Pair] = field(default_factory=list)
    rows: list[Pair] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.dataset}.{self.column}"


@dataclass(frozen=True)
class Provenance:
    """What the manifests of a project's published layers say together.

    Attributes
    ----------
    columns : column lineage by dataset.
    rows : by dataset, what decides on which rows it has.
    stages : dataset: the stage that wrote it.
    files : raw file: the sha256 of its bytes.
    """

    columns: Mapping[str, Lineage]
    rows: Mapping[str, list[Source]]
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
        rows: dict[str, list[Source]] = {}
        stages: dict[str, str] = {}
        for stage, told in manifests.items():
            for dataset, output in told["outputs"].items():
                traced = told["column_lineage"].get(dataset, {})
                columns[dataset] = {one["name"]: [] for one in output["schema"]} | traced
            columns |= {name: found for name, found in told["column_lineage"].items() if name not in columns}
            rows |= told["row_lineage"]
            stages |= dict.fromkeys([*told["outputs"], *told["column_lineage"]], stage)
        return cls(columns, rows, stages, manifests.get("bronze", {}).get("inputs", {}))

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

    def _step(self, dataset: str, column: str) -> Step:
        step = Step(dataset, column)
        for source in self.columns.get(dataset, {}).get(column, []):
            pair = (source["dataset"], source["column"])
            if not is_direct(source):
                step.decided.append(pair)
            elif pair[0] in self.columns:
                step.sources.append(self._step(*pair))
            else:
                step.files.append(pair)
        step.rows = [(source["dataset"], source["column"]) for source in self.rows.get(dataset, ())]
        if step.sources or step.files:
            # What decides on all rows is told once.
            step.decided = [pair for pair in step.decided if pair not in step.rows]
        return step

    def raw(self, step: Step) -> list[Pair]:
        """Return all raw files and columns that a step is computed from, each once."""
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
    """Yield (depth, text, whether it only decides) of each line of the printed way back.

    What was told once is not told again.
    """
    yield from _lines(step, 0, set())


def _lines(step: Step, depth: int, told: set[str]) -> Iterator[tuple[int, str, bool]]:
    again = step.name in told and bool(step.sources or step.files or step.decided)
    made = "" if step.sources or step.files or step.decided else "  (made by the pipeline itself)"
    yield depth, ("computed from " if depth else "") + step.name + ("  (told above)" if again else made), False
    if again:
        return
    told.add(step.name)
    for source in step.sources:
        yield from _lines(source, depth + 1, told)
    for text in _grouped(step.files):
        yield depth + 1, f"computed from {text}", False
    # A number of rows is counted from nothing else.
    counted = "" if step.sources or step.files else "counted, "
    if step.decided:
        yield depth + 1, f"{counted}decided by {by_dataset(step.decided)}", True
    if step.rows and step.dataset not in told:
        told.add(step.dataset)
        yield depth + 1, f"rows of {step.dataset} decided by {by_dataset(step.rows)}", True


def by_dataset(pairs: list[Pair]) -> str:
    """Return columns as words, each dataset once."""
    found: dict[str, list[str]] = {}
    for dataset, column in pairs:
        found.setdefault(dataset, []).append(column)
    return "; ".join(f"{dataset}: {', '.join(columns)}" for dataset, columns in found.items())


def _grouped(files: list[Pair]) -> Iterator[str]:
    """Yield the raw files by their column, the first few by name."""
    by_column: dict[str, list[str]] = {}
    for path, column in files:
        by_column.setdefault(column, []).append(path)
    for column, paths in by_column.items():
        left = len(paths) - _FILES
        more = f" and {left:,} more file{'' if left == 1 else 's'}" if left > 0 else ""
        yield f"{', '.join(paths[:_FILES])}{more}, column “{column}”"

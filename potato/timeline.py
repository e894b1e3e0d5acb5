"""What ran in a run, for the report: stages, their cells, and in these each query, contract, fit and log line.

All of it is read from the files in runs/: for a stage that DVC skipped, from those of the run that made its output.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from potato import jsonlines, screen, spans, trails

QUERY = "db.query.text"
"""The attribute of a span that holds the text of a query."""


@dataclass
class Part:
    """A span with what happened inside it.

    Attributes
    ----------
    start, end : seconds since 1970.
    code : a cell's source; empty for other spans.
    logs : (moment in ISO 8601, text) of the log lines that belong to it.
    """

    name: str
    start: float
    end: float
    span_id: str
    attributes: Mapping[str, Any]
    error: str | None = None
    code: str = ""
    parts: list[Part] = field(default_factory=list)
    logs: list[tuple[str, str]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(self.end - self.start, 0.0)

    def within(self) -> Iterator[Part]:
        """Yield this part and all parts inside it."""
        yield self
        for part in self.parts:
            yield from part.within()


@dataclass
class Stage:
    """A stage of the run: `root` is None where nothing is left of the run that made its output."""

    name: str
    status: str
    run_id: str | None
    root: Part | None


def gather(runs: Path, stages: Sequence[Mapping[str, Any]]) -> list[Stage]:
    """Return the stages of the report, each with what its run's files tell.

    `stages` are entries with stage, status and run_id, as `summary.of_run` has them.
    """
    found = []
    for entry in stages:
        folder = runs / entry["run_id"] if entry.get("run_id") else None
        root = _stage(folder, entry["stage"]) if folder else None
        found.append(Stage(entry["stage"], entry["status"], entry.get("run_id"), root))
    return found


@dataclass(frozen=True)
class Making:
    """Where a dataset comes from: the cell, and in it the span that computed, or else saved it."""

    cell: Part
    part: Part

    @property
    def query(self) -> Part | None:
        """The query that computed the dataset, where an engine did."""
        return next((part for part in self.part.within() if QUERY in part.attributes), None)


def makings(stages: Sequence[Stage], datasets: Collection[str]) -> dict[str, Making]:
    """Return for each dataset, and what a stage leaves beside its datasets, where it comes from; what is not known is
    left out."""
    found: dict[str, tuple[int, Making]] = {}
    for stage in stages:
        for cell in stage.root.parts if stage.root else ():
            for part in cell.within():
                for dataset, rank in _made(part, stage.name):
                    if dataset in datasets and rank > (found[dataset][0] if dataset in found else 0):
                        found[dataset] = rank, Making(cell, part)
    return {dataset: making for dataset, (_, making) in found.items()}


def _made(part: Part, stage: str) -> Iterator[tuple[str, int]]:
    """Yield the datasets that come out of a span with how surely: 3 computed, 2 fitted or checked, 1 saved."""
    name, attributes = part.name, part.attributes
    if name.startswith("CREATE TABLE "):
        yield f"{stage}/{name.removeprefix('CREATE TABLE ')}", 3
    elif name.startswith(spans.MAKING):
        for dataset in attributes["potato.dataset"].split(","):
            yield dataset, 3
    elif "potato.model" in attributes:
        yield f"gold/models/{attributes['potato.model']}", 2
    elif name.startswith("contract "):
        yield f"{stage}/{trails.CONTRACT}", 2
    elif name.startswith("save "):
        yield name.removeprefix("save "), 1
        yield f"{stage}/{trails.MANIFEST}", 1


def _stage(folder: Path, name: str) -> Part | None:
    spans = [span for span in _lines(folder / "traces.jsonl") if span.get("stage") == name]
    roots = [span for span in spans if span["name"] == f"stage {name}"]
    if not roots:
        return None
    root = _part(roots[-1])
    children: dict[str, list[Part]] = {}
    for span in sorted(spans, key=lambda span: span["start"]):
        children.setdefault(span["parent_span_id"] or "", []).append(_part(span))
    _fill(root, children)
    _sources(root, folder / "notebooks" / f"{name}.ipynb")
    _logs(root, [line for line in _lines(folder / "logs.jsonl") if line.get("stage") == name])
    return root


def _fill(part: Part, children: Mapping[str, list[Part]]) -> None:
    part.parts = children.get(part.span_id, [])
    for child in part.parts:
        _fill(child, children)


def _part(span: Mapping[str, Any]) -> Part:
    return Part(
        span["name"],
        datetime.fromisoformat(span["start"]).timestamp(),
        datetime.fromisoformat(span["end"]).timestamp(),
        span["span_id"],
        span["attributes"],
        (span["message"] or "failed") if span["status"] == "error" else None,
    )


def _sources(root: Part, notebook: Path) -> None:
    """Give each cell its code: the executed notebook has the cells at the places that their spans name."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        for part in root.parts:
            place = part.attributes.get("cell.index")
            if isinstance(place, int) and place < len(cells):
                part.code = "".join(cells[place]["source"])


def _logs(root: Part, lines: Sequence[Mapping[str, Any]]) -> None:
    """Give each log line to the span that it names, and one that names the stage to the cell of its time."""
    by_id = {part.span_id: part for part in root.within()}
    for line in lines:
        owner = by_id.get(line["span_id"])
        text = screen.line(line)
        if owner is None or text is None:
            continue
        moment = datetime.fromisoformat(line["ts"]).timestamp()
        if owner is root and "cell" in line:
            # That a cell starts is told a moment before the kernel gets it, on a busy machine a long one.
            owner = next((cell for cell in root.parts if cell.name == line["cell"]), root)
        elif owner is root:
            owner = next((cell for cell in root.parts if cell.start <= moment <= cell.end), root)
        owner.logs.append((line["ts"], text.partition(" ")[2].strip()))


def _lines(path: Path) -> list[dict[str, Any]]:
    with contextlib.suppress(OSError):
        return jsonlines.read(path)
    return []

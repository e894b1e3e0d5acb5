"""What leads back from each dataset: the checks it was held against, what it is made from, and the raw columns behind.

All of it is what the published manifests say; where something is told on the report's pages, `anchors` names the place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from potato import anchors, drawing, manifest
from potato.columns import Lineage, is_direct

_FILES = 3
"""How many raw files with the same columns are named, and not only counted."""

CONTRACT, MANIFEST = "contract", "manifest"
"""What a stage leaves beside its datasets, named STAGE/contract and STAGE/manifest: numbers of a page come from it."""


@dataclass(frozen=True)
class Trail:
    """What leads back from one dataset, or from what a stage leaves beside its datasets.

    Attributes
    ----------
    name : as in the manifests.
    shown : as a page names it; a file's path where it is no dataset.
    rows : None where it has none.
    traced : whether the page of lineage lists its columns.
    asked : how many checks it was held against.
    missed : each check that missed, with what was found; the dataset is named only where there are several.
    checks : the address of the list of its checks; empty where no page has it.
    met : the checks that were met, where no page lists them.
    sources : the datasets and raw files that it is made from.
    raw : the columns of raw files that its values are computed from, as (file, column).
    """

    name: str
    shown: str
    rows: int | None = None
    traced: bool = False
    asked: int = 0
    missed: tuple[str, ...] = ()
    checks: str = ""
    met: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    raw: frozenset[tuple[str, str]] = frozenset()

    @property
    def is_file(self) -> bool:
        """Whether it is a dataset or another file, and not what a stage was asked."""
        return not self.name.endswith(f"/{CONTRACT}")


Trails = Mapping[str, Trail]


def gather(manifests: Mapping[str, Mapping[str, Any]], *, gate: bool) -> dict[str, Trail]:
    """Return the trail of every dataset of the manifests, with the ledgers, contracts and manifests of the stages.

    `gate` tells whether the report has the page of the models, where the gate's checks are listed.
    """
    made_from = drawing.edges(manifests)
    known: dict[str, Lineage] = {}
    found: dict[str, Trail] = {}
    for stage, told in manifests.items():
        known |= told["column_lineage"]
        verdicts: dict[str, list[Mapping[str, Any]]] = {}
        for verdict in told["contracts"]:
            verdicts.setdefault(verdict["dataset"], []).append(verdict)
        for name in dict.fromkeys([*told["outputs"], *told["column_lineage"]]):
            output = told["outputs"].get(name)
            # A table of results without rows was made from nothing.
            empty = output is not None and not output["rows"] and not told["column_lineage"].get(name)
            found[name] = _asked(
                verdicts.get(name, []),
                name,
                gate=gate,
                shown=name,
                rows=int(output["rows"]) if output else None,
                traced=True,
                sources=() if empty else tuple(sorted(made_from.get(name, ()))),
                raw=_raw(name, known),
            )
        if ledger := manifest.LEDGERS.get(stage):
            name, read = f"{stage}/ledger", tuple(sorted(told["inputs"]))
            found[name] = _asked(verdicts.get(name, []), name, gate=gate, shown=ledger, sources=read)
        contract = f"{stage}/{CONTRACT}"
        found[contract] = _asked(told["contracts"], contract, gate=gate, shown=f"the contract of {stage}")
        found[f"{stage}/{MANIFEST}"] = Trail(f"{stage}/{MANIFEST}", manifest.PATHS.get(stage, f"{stage}'s manifest"))
    return found


def _asked(verdicts: list[Mapping[str, Any]], name: str, *, gate: bool, **about: Any) -> Trail:
    missed = tuple(
        manifest.told(verdict["dataset"], verdict["sentence"], verdict["observed"]).removeprefix(f"{name}: ")
        for verdict in verdicts
        if not verdict["success"]
    )
    place = f"{anchors.CHECKS}#{anchors.checks(name)}"
    if name.endswith(f"/{CONTRACT}"):
        place = anchors.CONTRACTS
    if name.startswith("gold/"):
        place = anchors.GATE if gate else ""
    met = () if place else tuple(verdict["sentence"] for verdict in verdicts if verdict["success"])
    return Trail(name, asked=len(verdicts), missed=missed, checks=place if verdicts else "", met=met, **about)


def _raw(dataset: str, known: Mapping[str, Lineage]) -> frozenset[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    queue = [(dataset, column) for column in known.get(dataset, ())]
    seen = set(queue)
    while queue:
        name, column = queue.pop()
        for source in known.get(name, {}).get(column, ()):
            pair = source["dataset"], source["column"]
            if not is_direct(source):
                continue
            if pair[0].startswith("raw/"):
                found.add(pair)
            elif pair not in seen:
                seen.add(pair)
                queue.append(pair)
    return frozenset(found)


def raw_columns(trails: Iterable[Trail]) -> str:
    """Return the raw columns behind datasets in words, by file; a study can have a file for each person."""
    by_file: dict[str, list[str]] = {}
    for file, column in sorted({pair for trail in trails for pair in trail.raw}):
        by_file.setdefault(file, []).append(column)
    alike: dict[str, list[str]] = {}
    for file, names in by_file.items():
        alike.setdefault(", ".join(names), []).append(PurePosixPath(file).name)
    return "; ".join(
        f"{', '.join(files) if len(files) <= _FILES else f'{len(files):,} files'}: {names}"
        for names, files in alike.items()
    )

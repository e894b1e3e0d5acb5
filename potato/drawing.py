"""A picture of the datasets and what each is made from, as an SVG that fetches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from potato.markdown import html

WIDTH = 644
_PER_ROW = 4
_BOX = (152, 46)
_GAP = 12
_ROW = 84
_TITLE = 32
_MOST = 6
_LETTERS = 20
_LAYERS = ("raw", "bronze", "silver", "gold")


@dataclass
class Node:
    """One box: a dataset or, where a layer has many, a folder of them."""

    name: str
    layer: str
    members: list[str] = field(default_factory=list)
    rows: int | None = None
    depth: int = 0
    x: float = 0
    y: float = 0


def edges(manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """Return for each dataset the datasets that it was made from.

    A dataset's columns say so where their lineage is known; else it is made from all that its stage read.
    """
    made_from: dict[str, set[str]] = {}
    for manifest in manifests.values():
        for dataset in manifest["outputs"]:
            columns = manifest["column_lineage"].get(dataset)
            traced = {source["dataset"] for sources in (columns or {}).values() for source in sources}
            made_from[dataset] = (set(manifest["inputs"]) if columns is None else traced) - {dataset}
    return made_from


def nodes(manifests: Mapping[str, Mapping[str, Any]]) -> list[Node]:
    """Return the boxes in reading order; a layer with more than six datasets is drawn by folder."""
    rows = {name: int(out["rows"]) for manifest in manifests.values() for name, out in manifest["outputs"].items()}
    datasets = {"raw": list(manifests.get("bronze", {}).get("inputs", ()))}
    datasets |= {
        stage: list(manifests[stage]["outputs"]) for stage in ("bronze", "silver", "gold") if stage in manifests
    }
    boxes = []
    for layer, names in datasets.items():
        for name, members in _grouped(sorted(names)).items():
            count = rows.get(members[0]) if len(members) == 1 else None
            boxes.append(Node(name=name, layer=layer, members=members, rows=count))
    return boxes


def _grouped(names: Sequence[str]) -> dict[str, list[str]]:
    if len(names) <= _MOST:
        return {name: [name] for name in names}
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(PurePosixPath(name).parent.as_posix(), []).append(name)
    if len(groups) == 1:
        return groups
    return {(members[0] if len(members) == 1 else folder): members for folder, members in groups.items()}


def draw(manifests: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the SVG element: one band a layer, an arrow from each dataset to what is made from it."""
    boxes = nodes(manifests)
    owner = {member: box.name for box in boxes for member in box.members}
    by_name = {box.name: box for box in boxes}
    arrows = {
        (owner[source], owner[target])
        for target, sources in edges(manifests).items()
        for source in sources
        if source in owner and target in owner and owner[source] != owner[target]
    }
    height = _place(boxes, arrows)
    frame = f'viewBox="-1 0 {WIDTH + 2} {height:g}" role="img" aria-labelledby="lineage-title"'
    tip = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
    parts = [
        f'<svg class="lineage" {frame} xmlns="http://www.w3.org/2000/svg">',
        f'<title id="lineage-title">{html(describe(manifests))}</title>',
        f'<defs><marker id="lineage-tip" {tip}><path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>',
    ]
    titles = []
    for layer in _LAYERS:
        band = [box.y for box in boxes if box.layer == layer]
        if band:
            titles.append(f'<text class="layer" x="0" y="{min(band) - 12:g}">{layer.capitalize()}</text>')
    parts += _connections(by_name, arrows) + titles
    parts += [_box(box) for box in boxes]
    return "\n".join([*parts, "</svg>"])


def describe(manifests: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the picture in words, for people who do not see it."""
    said = [f"{len(manifest['outputs'])} datasets in {stage}" for stage, manifest in manifests.items()]
    read = len(manifests.get("bronze", {}).get("inputs", ()))
    return f"What is made from what: {read} raw files, {', '.join(said)}."


def _place(boxes: list[Node], arrows: set[tuple[str, str]]) -> float:
    """Give each box its place, sources above what is made from them, and return the height of the picture."""
    by_name = {box.name: box for box in boxes}
    for _ in boxes:
        for source, target in arrows:
            if by_name[source].layer == by_name[target].layer:
                by_name[target].depth = max(by_name[target].depth, min(by_name[source].depth + 1, len(boxes)))
    y = 0.0
    for layer in _LAYERS:
        band = [box for box in boxes if box.layer == layer]
        if not band:
            continue
        y += _TITLE
        for depth in sorted({box.depth for box in band}):
            level = [box for box in band if box.depth == depth]
            for start in range(0, len(level), _PER_ROW):
                row = level[start : start + _PER_ROW]
                left = (WIDTH - len(row) * _BOX[0] - (len(row) - 1) * _GAP) / 2
                for index, box in enumerate(row):
                    box.x, box.y = left + index * (_BOX[0] + _GAP), y
                y += _ROW
    return y


def _connections(by_name: Mapping[str, Node], arrows: set[tuple[str, str]]) -> list[str]:
    """Return the lines; boxes that are made from the same sources share one knot, so that lines stay few."""
    sources: dict[str, set[str]] = {}
    for source, target in arrows:
        sources.setdefault(target, set()).add(source)
    bundles: dict[tuple[str, ...], list[str]] = {}
    for target in sorted(sources):
        bundles.setdefault(tuple(sorted(sources[target])), []).append(target)
    lines = []
    for names, targets in sorted(bundles.items()):
        above = [_below(by_name[name]) for name in names]
        below = [_above(by_name[name]) for name in targets]
        if len(above) * len(below) <= len(above) + len(below):
            lines += [_line(start, end, tip=True) for start in above for end in below]
            continue
        ends = [x for x, _ in above + below]
        knot = (sum(ends) / len(ends), (max(y for _, y in above) + min(y for _, y in below)) / 2)
        lines += [_line(start, knot) for start in above] + [_line(knot, end, tip=True) for end in below]
        lines.append(f'<circle class="tip" cx="{knot[0]:g}" cy="{knot[1]:g}" r="3"/>')
    return lines


def _below(box: Node) -> tuple[float, float]:
    return box.x + _BOX[0] / 2, box.y + _BOX[1]


def _above(box: Node) -> tuple[float, float]:
    return box.x + _BOX[0] / 2, box.y - 2


def _line(start: tuple[float, float], end: tuple[float, float], *, tip: bool = False) -> str:
    (x1, y1), (x2, y2) = start, end
    bend = max((y2 - y1) / 2, 8)
    kind = "arrow tipped" if tip else "arrow"
    return f'<path class="{kind}" d="M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}"/>'


def _box(box: Node) -> str:
    short = PurePosixPath(box.name).name
    shown = short if len(short) <= _LETTERS else f"{short[: _LETTERS - 1]}…"
    if len(box.members) > 1:
        below = f"{len(box.members)} files"
    else:
        below = "" if box.rows is None else f"{box.rows:,} rows"
    middle = box.x + _BOX[0] / 2
    lines = [f'<text x="{middle:g}" y="{box.y + (20 if below else 28):g}">{html(shown)}</text>']
    if below:
        lines.append(f'<text class="small" x="{middle:g}" y="{box.y + 37:g}">{html(below)}</text>')
    frame = f'<rect class="{box.layer}" x="{box.x:g}" y="{box.y:g}" width="{_BOX[0]}" height="{_BOX[1]}" rx="6"/>'
    return f"<g><title>{html(box.name)}</title>{frame}{''.join(lines)}</g>"

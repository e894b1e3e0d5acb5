"""A picture of the datasets and what each is made from, as an SVG that fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from potato.markdown import html

WIDE, NARROW = 4, 2
"""Boxes beside each other on a screen, and on a phone."""

_BOX = (152, 46)
_GAP = 12
_PAD = 9
_BETWEEN = 36
_TITLE = 40
_MOST = 12
_LETTERS = 20
_LAYERS = {
    "raw": "Raw files",
    "bronze": "Bronze: every row as it came",
    "silver": "Silver: cleaned, by person and week",
    "gold": "Gold: what the models say",
    "report": "Report: these pages",
}
REPORT = "report"


@dataclass
class Node:
    """One box: a dataset or, where a layer has many, a folder of them."""

    name: str
    layer: str
    members: list[str] = field(default_factory=list)
    below: str = ""
    x: float = 0
    y: float = 0


@dataclass
class Frame:
    """Boxes of one layer that are made from the same boxes: an arrow to the frame is one to each of them."""

    nodes: list[Node]
    sources: tuple[str, ...]
    depth: int = 0
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0


def anchor(dataset: str) -> str:
    """Return the name of the place on the lineage page that tells of a dataset."""
    return f"of-{re.sub(r'[^a-z0-9]+', '-', dataset.lower()).strip('-')}"


def edges(manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """Return for each dataset the datasets that it was made from.

    A dataset's columns say so where their lineage is known; else it is made from all that its stage read. The report is
    made from gold's datasets.
    """
    made_from: dict[str, set[str]] = {}
    for manifest in manifests.values():
        for dataset in [*manifest["outputs"], *manifest["column_lineage"]]:
            columns = manifest["column_lineage"].get(dataset)
            traced = {source["dataset"] for sources in (columns or {}).values() for source in sources}
            made_from[dataset] = (set(manifest["inputs"]) if columns is None else traced) - {dataset}
    made_from[REPORT] = {name for name in made_from if name.startswith("gold/")}
    return made_from


def nodes(manifests: Mapping[str, Mapping[str, Any]]) -> list[Node]:
    """Return the boxes in reading order; a layer with more than a dozen datasets is drawn by folder.

    A table of results that has no rows is left out: it was made from nothing.
    """
    told: dict[str, str] = {}
    datasets: dict[str, list[str]] = {"raw": list(manifests.get("bronze", {}).get("inputs", ()))}
    for stage in ("bronze", "silver", "gold"):
        for name, columns in manifests.get(stage, {}).get("column_lineage", {}).items():
            told[name] = f"{len(columns)} term{'' if len(columns) == 1 else 's'}"
        for name, output in manifests.get(stage, {}).get("outputs", {}).items():
            told[name] = f"{int(output['rows']):,} rows"
        written = manifests.get(stage, {"outputs": {}, "column_lineage": {}})
        traced = written["column_lineage"]
        empty = {name for name, out in written["outputs"].items() if not out["rows"] and not traced.get(name)}
        datasets[stage] = [name for name in dict.fromkeys([*written["outputs"], *traced]) if name not in empty]
    boxes = []
    for layer, names in datasets.items():
        for name, members in _grouped(sorted(names)).items():
            below = told.get(members[0], "") if len(members) == 1 else f"{len(members)} files"
            boxes.append(Node(name, layer, members, below))
    return [*boxes, Node(REPORT, REPORT, [REPORT])]


def _grouped(names: Sequence[str]) -> dict[str, list[str]]:
    if len(names) <= _MOST:
        return {name: [name] for name in names}
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(PurePosixPath(name).parent.as_posix(), []).append(name)
    if len(groups) == 1:
        return groups
    return {(members[0] if len(members) == 1 else folder): members for folder, members in groups.items()}


def draw(manifests: Mapping[str, Mapping[str, Any]], per_row: int = WIDE) -> str:
    """Return the SVG element: one band a layer, and an arrow from each dataset to what is made from it.

    Each box is a link to the dataset's columns on the same page. `per_row` boxes are beside each other.
    """
    boxes = nodes(manifests)
    owner = {member: box.name for box in boxes for member in box.members}
    made_from = {
        box.name: {owner[s] for member in box.members for s in edges(manifests).get(member, ()) if s in owner}
        for box in boxes
    }
    frames = _framed(boxes, made_from)
    titles, height = _place(frames, per_row)
    width = per_row * _BOX[0] + (per_row - 1) * _GAP + 2 * _PAD
    mark = f"lineage-{per_row}"
    frame = f'viewBox="-1 0 {width + 2} {height:g}" role="img" aria-labelledby="{mark}-title"'
    tip = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
    parts = [
        f'<svg class="lineage columns-{per_row}" {frame} xmlns="http://www.w3.org/2000/svg">',
        f'<title id="{mark}-title">{html(describe(manifests))}</title>',
        f'<defs><marker id="{mark}-tip" {tip}><path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>',
    ]
    parts += [_frame(around) for around in frames if len(around.nodes) > 1]
    parts += [_line(start, end, mark) for start, end in _arrows(frames)]
    parts += [f'<text class="layer" x="0" y="{y:g}">{html(text)}</text>' for text, y in titles]
    parts += [_box(node) for around in frames for node in around.nodes]
    return "\n".join([*parts, "</svg>"])


def describe(manifests: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the picture in words, for people who do not see it."""
    said = [f"{len(manifest['outputs'])} datasets in {stage}" for stage, manifest in manifests.items()]
    read = len(manifests.get("bronze", {}).get("inputs", ()))
    return f"What is made from what: {read} raw files, {', '.join(said)}, and the report."


def _framed(boxes: Sequence[Node], made_from: Mapping[str, set[str]]) -> list[Frame]:
    """Return the boxes by layer and sources, in reading order; those that others are made from stand last."""
    used = {source for name, sources in made_from.items() if name != REPORT for source in sources}
    together: dict[tuple[str, tuple[str, ...]], list[Node]] = {}
    for box in boxes:
        sources = tuple(sorted(made_from[box.name]))
        # A raw file is made from nothing, and what is made from nothing has nothing to share an arrow with.
        together.setdefault((box.layer, sources or (box.name,)), []).append(box)
    frames = [
        Frame(sorted(found, key=lambda box: box.name in used), sources if found[0].layer != "raw" else ())
        for (_, sources), found in together.items()
    ]
    owner = {node.name: frame for frame in frames for node in frame.nodes}
    for _ in frames:
        for frame in frames:
            above = [owner[name] for name in frame.sources if name in owner and owner[name] is not frame]
            deeper = [of.depth + 1 for of in above if of.nodes[0].layer == frame.nodes[0].layer]
            # What is made from each other in a circle would sink forever.
            frame.depth = min(max(deeper, default=0), len(frames))
    return sorted(frames, key=lambda frame: frame.depth)


def _place(frames: Sequence[Frame], per_row: int) -> tuple[list[tuple[str, float]], float]:
    """Give frames and boxes their places, one layer below the other; return the layers' titles and the height."""
    width = per_row * _BOX[0] + (per_row - 1) * _GAP + 2 * _PAD
    titles, y = [], 0.0
    for layer, title in _LAYERS.items():
        band = [frame for frame in frames if frame.nodes[0].layer == layer]
        if not band:
            continue
        y += _TITLE
        titles.append((title, y - 24))
        for row in _rows(band, per_row, width):
            x = (width - sum(frame.width for frame in row) - _GAP * (len(row) - 1)) / 2
            for frame in row:
                frame.x, frame.y = x, y
                x += frame.width + _GAP
                _fill(frame, per_row)
            y += max(frame.height for frame in row) + _BETWEEN
        y += _TITLE / 3
    return titles, y - _BETWEEN


def _rows(band: Sequence[Frame], per_row: int, width: float) -> list[list[Frame]]:
    rows: list[list[Frame]] = []
    left = 0.0
    for frame in band:
        across = min(len(frame.nodes), per_row)
        down = -(-len(frame.nodes) // per_row)
        pad = _PAD if len(frame.nodes) > 1 else 0
        frame.width = across * _BOX[0] + (across - 1) * _GAP + 2 * pad
        frame.height = down * _BOX[1] + (down - 1) * _GAP + 2 * pad
        if not rows or frame.width > left or frame.depth > rows[-1][0].depth:
            rows.append([])
            left = width
        rows[-1].append(frame)
        left -= frame.width + _GAP
    return rows


def _fill(frame: Frame, per_row: int) -> None:
    pad = _PAD if len(frame.nodes) > 1 else 0
    # A last row that is not full would leave the boxes that others are made from behind those above it.
    first = len(frame.nodes) % per_row or per_row
    for number, node in enumerate(frame.nodes):
        row, place = (0, number) if number < first else divmod(number - first + per_row, per_row)
        node.x = frame.x + pad + place * (_BOX[0] + _GAP)
        node.y = frame.y + pad + row * (_BOX[1] + _GAP)


def _arrows(frames: Sequence[Frame]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Return where each arrow starts and ends: from a box down to the frame of what is made from it."""
    by_name = {node.name: node for frame in frames for node in frame.nodes}
    found = []
    for frame in frames:
        if frame.nodes[0].layer == REPORT:
            lowest = max((f for f in frames if f.nodes[0].layer == "gold"), key=lambda f: f.y + f.height, default=None)
            if lowest:
                middle = lowest.x + lowest.width / 2
                found.append(((middle, lowest.y + lowest.height), (frame.x + frame.width / 2, frame.y - 2)))
            continue
        sources = [by_name[name] for name in frame.sources if name in by_name and name != frame.nodes[0].name]
        sources.sort(key=lambda node: node.x)
        for place, node in enumerate(sources):
            start = (node.x + _BOX[0] / 2, node.y + _BOX[1])
            # Each arrow has a place of its own at the frame, in the order of the boxes above.
            end = frame.x + frame.width * (place + 1) / (len(sources) + 1)
            found.append((start, (end, frame.y - 2)))
    return found


def _line(start: tuple[float, float], end: tuple[float, float], mark: str) -> str:
    (x1, y1), (x2, y2) = start, end
    bend = max((y2 - y1) / 2, 8)
    curve = f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}"
    return f'<path class="arrow" marker-end="url(#{mark}-tip)" d="{curve}"/>'


def _frame(frame: Frame) -> str:
    place = f'x="{frame.x:g}" y="{frame.y:g}" width="{frame.width:g}" height="{frame.height:g}"'
    return f'<rect class="frame" {place} rx="9"/>'


def _box(node: Node) -> str:
    short = PurePosixPath(node.name).name
    shown = short if len(short) <= _LETTERS else f"{short[: _LETTERS - 3]}…"
    middle = node.x + _BOX[0] / 2
    lines = [f'<text x="{middle:g}" y="{node.y + (20 if node.below else 28):g}">{html(shown)}</text>']
    if node.below:
        lines.append(f'<text class="small" x="{middle:g}" y="{node.y + 37:g}">{html(node.below)}</text>')
    box = f'<rect class="{node.layer}" x="{node.x:g}" y="{node.y:g}" width="{_BOX[0]}" height="{_BOX[1]}" rx="6"/>'
    drawn = f"<g><title>{html(node.name)}</title>{box}{''.join(lines)}</g>"
    if node.layer == REPORT:
        return f'<a href="index.html">{drawn}</a>'
    if node.layer == "raw" or len(node.members) > 1:
        return drawn
    return f'<a href="#{anchor(node.name)}">{drawn}</a>'

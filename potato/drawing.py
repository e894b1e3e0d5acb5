"""A picture of the datasets and what each is made from, as an SVG that fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from potato.markdown import html

_WIDE = 260
"""Width of a box."""
_LINE = 17
_GAP, _PAD, _BETWEEN, _TITLE = 5, 6, 14, 34
_LANE, _MARGIN = 12, 18
_MOST = 12
_LETTER, _SMALL = 8.4, 7.4
"""Width of a letter at most, of a name and of what stands beside it."""
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
    y: float = 0

    @property
    def lines(self) -> list[str]:
        """The name, broken where it is wider than the box."""
        short = PurePosixPath(self.name).name
        most = int((_WIDE - 20) / _LETTER)
        parts = re.findall(r"[^_\-. ]*[_\-. ]*", short)
        found = [""]
        for part in (piece[at : at + most] for piece in parts for at in range(0, len(piece), most)):
            if len(found[-1]) + len(part) > most:
                found.append("")
            found[-1] += part
        return found

    @property
    def beside(self) -> bool:
        """Whether what is told of the dataset fits beside the last line of its name."""
        return len(self.lines[-1]) * _LETTER + len(self.below) * _SMALL + 30 <= _WIDE

    @property
    def height(self) -> float:
        return 11 + _LINE * (len(self.lines) + (bool(self.below) and not self.beside))


@dataclass(eq=False)
class Frame:
    """Boxes of one layer that are made from the same boxes and go into the same ones: their lines are one."""

    nodes: list[Node]
    sources: frozenset[str]
    depth: int = 0
    y: float = 0
    height: float = 0

    @property
    def layer(self) -> str:
        return self.nodes[0].layer


@dataclass(eq=False)
class Lane:
    """A line beside the boxes: everything that it comes out of goes into everything that it leads to."""

    starts: list[Frame]
    ends: list[Frame]
    place: int = 0
    out: dict[Frame, float] = field(default_factory=dict)
    into: dict[Frame, float] = field(default_factory=dict)

    @property
    def span(self) -> tuple[float, float]:
        around = [*self.starts, *self.ends]
        return min(frame.y for frame in around), max(frame.y + frame.height for frame in around)


def anchor(dataset: str) -> str:
    """Return the name of the place on the lineage page that tells of a dataset."""
    return f"of-{re.sub(r'[^a-z0-9]+', '-', dataset.lower()).strip('-')}"


def edges(manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, set[str]]:
    """Return for each dataset the datasets that it was made from.

    A dataset's columns and rows say so where their lineage is known; else it is made from all that its stage read. The
    report is made from gold's datasets.
    """
    made_from: dict[str, set[str]] = {}
    for manifest in manifests.values():
        for dataset in [*manifest["outputs"], *manifest["column_lineage"]]:
            columns = manifest["column_lineage"].get(dataset)
            told = [*(columns or {}).values(), manifest["row_lineage"].get(dataset, ())]
            traced = {source["dataset"] for sources in told for source in sources}
            made_from[dataset] = (set(manifest["inputs"]) if columns is None else traced) - {dataset}
    made_from[REPORT] = {name for name in made_from if name.startswith("gold/")}
    return made_from


def nodes(manifests: Mapping[str, Mapping[str, Any]]) -> list[Node]:
    """Return the boxes in reading order; a layer with more than a dozen datasets is drawn by folder.

    A table of results that has no rows is left out, and so are the tables that the report shows beside gold's datasets.
    """
    told: dict[str, str] = {}
    datasets: dict[str, list[str]] = {"raw": list(manifests.get("bronze", {}).get("inputs", ()))}
    for stage in ("bronze", "silver", "gold"):
        for name, columns in manifests.get(stage, {}).get("column_lineage", {}).items():
            told[name] = f"{len(columns)} term{'' if len(columns) == 1 else 's'}"
        for name, output in manifests.get(stage, {}).get("outputs", {}).items():
            told[name] = f"{int(output['rows']):,} rows"
        written = manifests.get(stage, {"outputs": {}, "column_lineage": {}})
        every = dict.fromkeys([*written["outputs"], *written["column_lineage"]])
        empty = {name for name, out in written["outputs"].items() if stage == "gold" and not out["rows"]}
        datasets[stage] = [name for name in every if name not in empty and not name.startswith("gold/reports/")]
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


def draw(manifests: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the SVG element: the boxes below each other, layer by layer, and beside them a line for what goes where.

    A line never runs over a box: it leaves boxes at their left, runs down in a lane of its own, and ends with an arrow.
    What goes into the report runs down at the right. Each box is a link to the dataset's columns on the same page.
    """
    boxes = nodes(manifests)
    owner = {member: box.name for box in boxes for member in box.members}
    known = edges(manifests)
    made_from = {
        box.name: {owner[s] for member in box.members for s in known.get(member, ()) if s in owner} - {box.name}
        for box in boxes
    }
    frames = _framed(boxes, made_from)
    titles, height = _place(frames)
    lanes = _lanes(frames, made_from)
    left = _MARGIN + _LANE * max((lane.place + 1 for lane in lanes), default=0)
    width = left + _WIDE + 2 * _MARGIN
    tip = 'viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
    around = f'viewBox="0 0 {width} {height:g}" role="img" aria-labelledby="lineage-title"'
    parts = [
        f'<svg class="lineage" {around} xmlns="http://www.w3.org/2000/svg">',
        f'<title id="lineage-title">{html(describe(manifests))}</title>',
        f'<defs><marker id="lineage-tip" {tip}><path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>',
    ]
    parts += [_frame(frame, left) for frame in frames if len(frame.nodes) > 1]
    parts += [part for lane in lanes for part in _drawn(lane, left)]
    parts += _into_report(frames, left + _WIDE)
    parts += [f'<text class="layer" x="{left}" y="{y:g}">{html(text)}</text>' for text, y in titles]
    parts += [_box(node, left, _PAD if len(frame.nodes) > 1 else 0) for frame in frames for node in frame.nodes]
    return "\n".join([*parts, "</svg>"])


def describe(manifests: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the picture in words, for people who do not see it."""
    said = [f"{len(manifest['outputs'])} datasets in {stage}" for stage, manifest in manifests.items()]
    read = len(manifests.get("bronze", {}).get("inputs", ()))
    return f"What is made from what: {read} raw files, {', '.join(said)}, and the report."


def _framed(boxes: Sequence[Node], made_from: Mapping[str, set[str]]) -> list[Frame]:
    """Return the boxes by layer, by what they are made from and by what is made from them, in reading order."""
    goes: dict[str, set[str]] = {}
    for name, sources in made_from.items():
        for source in sources:
            goes.setdefault(source, set()).add(name)
    together: dict[tuple[str, frozenset[str], frozenset[str]], list[Node]] = {}
    for box in boxes:
        key = (box.layer, frozenset(made_from[box.name]), frozenset(goes.get(box.name, ())))
        together.setdefault(key, []).append(box)
    frames = [Frame(found, sources) for (_, sources, _), found in together.items()]
    owner = {node.name: frame for frame in frames for node in frame.nodes}
    for _ in frames:
        for frame in frames:
            above = [owner[name] for name in frame.sources if owner[name] is not frame]
            deeper = [of.depth + 1 for of in above if of.layer == frame.layer]
            # What is made from each other in a circle would sink forever.
            frame.depth = min(max(deeper, default=0), len(frames))
    return sorted(frames, key=lambda frame: (frame.depth, not frame.sources))


def _place(frames: Sequence[Frame]) -> tuple[list[tuple[str, float]], float]:
    """Give frames and boxes their places, one below the other; return the layers' titles and the height."""
    titles, y = [], 0.0
    for layer, title in _LAYERS.items():
        band = [frame for frame in frames if frame.layer == layer]
        if not band:
            continue
        y += _TITLE
        titles.append((title, y - 12))
        for frame in band:
            pad = _PAD if len(frame.nodes) > 1 else 0
            frame.y, inner = y, y + pad
            for node in frame.nodes:
                node.y = inner
                inner += node.height + _GAP
            frame.height = inner - _GAP + pad - y
            y += frame.height + _BETWEEN
    return titles, y - _BETWEEN + 2


def _lanes(frames: Sequence[Frame], made_from: Mapping[str, set[str]]) -> list[Lane]:
    """Return the lines to all but the report: each has a lane, and a place at the side of each frame that it meets."""
    found: dict[tuple[Frame, ...], Lane] = {}
    for frame in frames:
        name = frame.nodes[0].name
        ends = tuple(of for of in frames if name in made_from[of.nodes[0].name] and of.layer != REPORT)
        if ends:
            found.setdefault(ends, Lane([], list(ends))).starts.append(frame)
    lanes = sorted(found.values(), key=lambda lane: lane.span[1] - lane.span[0])
    taken: list[list[tuple[float, float]]] = []
    for lane in lanes:
        top, bottom = lane.span
        free = (n for n, spans in enumerate(taken) if all(bottom < at or to < top for at, to in spans))
        lane.place = next(free, len(taken))
        if lane.place == len(taken):
            taken.append([])
        taken[lane.place].append((top, bottom))
    for frame in frames:
        # What comes in from further out does so further up, and what goes out does so below.
        into = sorted((lane for lane in lanes if frame in lane.ends), key=lambda lane: -lane.place)
        out = [lane for lane in lanes if frame in lane.starts]
        for number, lane in enumerate([*into, *out], start=1):
            y = frame.y + frame.height * number / (len(into) + len(out) + 1)
            (lane.into if number <= len(into) else lane.out)[frame] = y
    return lanes


def _drawn(lane: Lane, left: float) -> Iterator[str]:
    x = left - _MARGIN - _LANE * lane.place
    kind = lane.starts[0].layer
    met = sorted([*lane.out.values(), *lane.into.values()])
    yield f'<path class="line {kind}" d="M{x:g} {met[0]:g}V{met[-1]:g}"/>'
    for y in lane.out.values():
        yield f'<path class="line {kind}" d="M{left:g} {y:g}H{x:g}"/>'
    for y in lane.into.values():
        yield f'<path class="line {kind}" marker-end="url(#lineage-tip)" d="M{x:g} {y:g}H{left:g}"/>'
    # A dot tells lines that meet from lines that cross.
    yield from (f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="2.6"/>' for y in met[1:-1])


def _into_report(frames: Sequence[Frame], right: float) -> Iterator[str]:
    report = frames[[frame.layer for frame in frames].index(REPORT)]
    middles = [frame.y + frame.height / 2 for frame in frames if frame.layer == "gold"]
    x, end = right + _MARGIN, report.y + report.height / 2
    for y in middles:
        yield f'<path class="line gold" d="M{right:g} {y:g}H{x:g}"/>'
    if middles:
        yield f'<path class="line gold" marker-end="url(#lineage-tip)" d="M{x:g} {middles[0]:g}V{end:g}H{right:g}"/>'
        yield from (f'<circle class="gold" cx="{x:g}" cy="{y:g}" r="2.6"/>' for y in middles[1:])


def _frame(frame: Frame, left: float) -> str:
    place = f'x="{left:g}" y="{frame.y:g}" width="{_WIDE}" height="{frame.height:g}"'
    return f'<rect class="frame" {place} rx="8"/>'


def _box(node: Node, left: float, pad: float) -> str:
    x, width = left + pad, _WIDE - 2 * pad
    lines = [
        f'<text x="{x + 8:g}" y="{node.y + 18 + _LINE * number:g}">{html(line)}</text>'
        for number, line in enumerate(node.lines)
    ]
    if node.below:
        y = node.y + 18 + _LINE * (len(node.lines) - node.beside)
        lines.append(f'<text class="small" x="{x + width - 8:g}" y="{y:g}">{html(node.below)}</text>')
    place = f'x="{x:g}" y="{node.y:g}" width="{width:g}" height="{node.height:g}"'
    drawn = f'<g><title>{html(node.name)}</title><rect class="{node.layer}" {place} rx="5"/>{"".join(lines)}</g>'
    if node.layer == REPORT:
        return f'<a href="index.html">{drawn}</a>'
    if node.layer == "raw" or len(node.members) > 1:
        return drawn
    return f'<a href="#{anchor(node.name)}">{drawn}</a>'

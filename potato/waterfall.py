"""The waterfall of a run as HTML: a bar for each stage and cell, and in a cell all that tells how it made its data."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from potato import anchors, manifest
from potato.markdown import html, listing
from potato.timeline import QUERY, Making, Part, Stage, makings
from potato.trails import Trail, Trails, raw_columns

_MANY = 12
"""From so many raw files on, what read them is folded."""
_TABLE = re.compile(r"""\b(?:FROM|JOIN) (?:["`]\w+["`]\.)*["`](\w+)["`]""")
_CLAUSES = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\ (?=(?:SELECT|FROM|WHERE|GROUP\ BY|HAVING|ORDER\ BY|WINDOW|UNION|WITH"""
    r"""|(?:LEFT|INNER|ANTI|SEMI|CROSS|FULL|POSITIONAL|ASOF)[A-Z\ ]*JOIN)\b)"""
)


def draw(stages: Sequence[Stage], trails: Trails) -> str:
    """Return the waterfall, with a place for each of `trails` in the cell that made it.

    Stages share one axis, the cells of a stage another, and what ran in a cell a third: on one axis for all, a query
    of some milliseconds could not be seen.
    """
    return _Drawing(stages, trails).whole()


class _Drawing:
    def __init__(self, stages: Sequence[Stage], trails: Trails) -> None:
        self._stages, self._trails = stages, trails
        self._made: dict[str, Making] = makings(stages, trails)
        self._of_cell: dict[str, list[Trail]] = {}
        for dataset, making in self._made.items():
            self._of_cell.setdefault(making.cell.span_id, []).append(trails[dataset])
        self._queries = _places_of_queries(stages, self._made)
        self._stage = ""

    def whole(self) -> str:
        """Return the waterfall; what no trace tells of stands first, with what is known of it."""
        # Stages of other runs are not on this run's axis.
        ran = [stage.root for stage in self._stages if stage.root and stage.status == "ran"]
        axis = (min(part.start for part in ran), max(part.end for part in ran)) if ran else (0.0, 0.0)
        lost = [trail for name, trail in self._trails.items() if name not in self._made]
        body = "\n".join([*self._lost(lost), *(self._of_stage(stage, axis) for stage in self._stages)])
        return f'<div class="waterfall">\n{body}\n</div>'

    def _lost(self, lost: Sequence[Trail]) -> Iterable[str]:
        if lost:
            name = '<span class="name">Made by cells of which no trace is left</span>'
            told = self._listed("", lost, own=True)
            yield f'<details class="cell"><summary class="row">{name}</summary>{told}</details>'

    def _of_stage(self, stage: Stage, axis: tuple[float, float]) -> str:
        self._stage = stage.name
        place = f'id="{anchors.stage(stage.name)}"'
        badge = f'<span class="badge badge-{html(stage.status)}">{html(stage.status)}</span>'
        if stage.root is None:
            named = f'<span class="name">{html(stage.name)} {badge}</span>'
            return f'<p class="row stage" {place}>{named} no trace is left</p>'
        root, own = stage.root, stage.status == "ran"
        bar = _bar(root, axis) if own else f'<span class="track of-run">run {html(str(stage.run_id)[:13])}…</span>'
        inside = [self._cell(part, title, (root.start, root.end)) for part, title in _titled(root.parts)]
        inside.append(_logs(root.logs))
        summary = f'<span class="name"><b>{html(stage.name)}</b> {badge}</span>{bar}{_time(root)}'
        return (
            f'<details class="stage" open {place}><summary class="row">{summary}</summary>{"".join(inside)}</details>'
        )

    def _cell(self, part: Part, title: str, axis: tuple[float, float]) -> str:
        made = self._of_cell.get(part.span_id, [])
        own = {trail.name for trail in made}
        read = dict.fromkeys(name for trail in made for name in trail.sources if name not in own)
        inside = [self._listed("Makes", made, own=True)]
        inside.append(self._listed("From", [self._trails[name] for name in read if name in self._trails]))
        if behind := raw_columns(made):
            inside.append(f'<p class="made"><b>Raw columns behind:</b> {html(behind)}.</p>')
        if part.error:
            inside.append(f'<p class="made">Stopped: {html(part.error)}</p>')
        if part.code:
            inside.append(f"<pre><code>{listing(part.code)}</code></pre>")
        inside.append(_logs(line for inner in part.within() for line in inner.logs))
        inside.append(self._parts(part))
        summary = f'<span class="name">{html(title)}</span>{_bar(part, axis)}{_time(part)}'
        return f'<details class="cell"><summary class="row">{summary}</summary>{"".join(inside)}</details>'

    def _parts(self, part: Part) -> str:
        files = [inner for inner in part.parts if "potato.file" in inner.attributes]
        axis = part.start, part.end
        if len(files) < _MANY:
            return "".join(self._inner(inner, axis) for inner in part.parts)
        rest = "".join(self._inner(inner, axis) for inner in part.parts if inner not in files)
        folded = "".join(self._inner(inner, axis) for inner in files)
        name = f'<span class="name">read {len(files):,} files</span>'
        return f'<details class="inner"><summary class="row">{name}</summary>{folded}</details>{rest}'

    def _inner(self, part: Part, axis: tuple[float, float]) -> str:
        text, place = str(part.attributes.get(QUERY, "")), self._queries.get(part.span_id)
        inside = f'<span class="target" id="{place}"></span>' if place else ""
        inside += "".join(f'<p class="made">{html(line)}</p>' for line in _told(part.attributes))
        inside += self._held(part)
        if part.error:
            inside += f'<p class="made">Stopped: {html(part.error)}</p>'
        if text:
            inside += f"{self._reads(text)}<pre><code>{listing(_on_lines(text))}</code></pre>"
        inside += "".join(self._inner(inner, (part.start, part.end)) for inner in part.parts)
        summary = f'<span class="name">{html(part.name)}</span>{_bar(part, axis)}{_time(part)}'
        # What only holds others would hide them behind one more click.
        is_open = " open" if part.parts else ""
        return f'<details class="inner"{is_open}><summary class="row">{summary}</summary>{inside}</details>'

    def _held(self, part: Part) -> str:
        """Return what a contract found: each check that missed, and where all are; the datasets of what is read."""
        if "potato.expectations" not in part.attributes:
            read = part.name.startswith(("read ", "open "))
            names = str(part.attributes.get("potato.dataset", "")).split(",") if read else []
            return self._listed("", [self._trails[name] for name in names if name in self._trails])
        missed = str(part.attributes.get(manifest.MISSED, "")).splitlines()
        names = str(part.attributes["potato.dataset"]).split(",")
        held = [self._trails[name] for name in names if name in self._trails]
        told = "".join(f'<li class="missed">{html(line)}</li>' for line in missed)
        told += "".join(f"<li>{html(line)}</li>" for trail in held for line in trail.met)
        return (f'<ul class="made">{told}</ul>' if told else "") + self._listed("All checks of", held, missed=False)

    def _reads(self, text: str) -> str:
        """Return links to the queries that made what a query reads."""
        known = dict.fromkeys(_TABLE.findall(text))
        places = set(self._queries.values())
        links = []
        for name in known:
            if (place := anchors.query(f"{self._stage}/{name}")) in places:
                links.append(f'<a href="#{place}"><code>{html(name)}</code></a>')
            elif f"bronze/{name}" in self._made:
                links.append(f'<a href="#{anchors.cell(f"bronze/{name}")}"><code>bronze/{html(name)}</code></a>')
        return f'<p class="made">Reads {", ".join(links)}.</p>' if links else ""

    def _listed(self, title: str, trails: Collection[Trail], *, own: bool = False, missed: bool = True) -> str:
        if not trails:
            return ""
        items = "".join(self._item(trail, own=own, missed=missed) for trail in trails)
        named = f"<b>{html(title)}</b>" if title else ""
        return f'<div class="made">{named}<ul>{items}</ul></div>'

    def _item(self, trail: Trail, *, own: bool, missed: bool) -> str:
        """Return all that leads on from a dataset, as a line of a list; in the cell of its `own` it is its place."""
        making = self._made.get(trail.name)
        links = []
        if making and not own:
            links.append(f'<a href="#{anchors.cell(trail.name)}">the cell that made it</a>')
        if making and making.query and (place := self._queries.get(making.query.span_id)):
            links.append(f'<a href="#{place}">its query</a>')
        if trail.traced:
            links.append(f'<a href="{anchors.LINEAGE}#{anchors.columns(trail.name)}">its columns</a>')
        if trail.asked:
            links.append(self._checks(trail))
        rows = "" if trail.rows is None else f" ({trail.rows:,} rows)"
        # In the cell of a contract its span and the log lines name each check that missed.
        lines = trail.missed if missed and trail.is_file else ()
        told = "".join(f'<br><span class="missed">{html(line)}</span>' for line in lines)
        place = f' id="{anchors.cell(trail.name)}"' if own else ""
        tail = f": {', '.join(links)}" if links else ""
        shown = f"<code>{html(trail.shown)}</code>" if trail.is_file else html(trail.shown)
        return f"<li{place}>{shown}{rows}{tail}.{told}</li>"

    def _checks(self, trail: Trail) -> str:
        missed = len(trail.missed)
        met = f"{missed} missed" if missed else "all met" if trail.asked > 1 else "met"
        text = f"{trail.asked:,} check{'' if trail.asked == 1 else 's'}, {met}"
        return f'<a href="{trail.checks}">{text}</a>' if trail.checks else text


def _places_of_queries(stages: Sequence[Stage], made: Mapping[str, Making]) -> dict[str, str]:
    """Return the place of each query that others name, by its span: those of datasets, and of steps on the way."""
    places: dict[str, str] = {}
    taken: set[str] = set()
    for stage in stages:
        for part in stage.root.within() if stage.root else ():
            step = part.name.removeprefix("CREATE TABLE ")
            place = anchors.query(f"{stage.name}/{step}")
            if step != part.name and place not in taken:
                taken.add(place)
                places[part.span_id] = place
    for dataset, making in made.items():
        if making.query and making.query.span_id not in places and anchors.query(dataset) not in taken:
            taken.add(anchors.query(dataset))
            places[making.query.span_id] = anchors.query(dataset)
    return places


def _titled(parts: Sequence[Part]) -> list[tuple[Part, str]]:
    """Return the parts with their names, counted where several cells stand under one heading."""
    seen: dict[str, int] = {}
    found = []
    for part in parts:
        seen[part.name] = seen.get(part.name, 0) + 1
        found.append((part, part.name if seen[part.name] == 1 else f"{part.name} ({seen[part.name]})"))
    return found


def _told(attributes: Mapping[str, Any]) -> Iterable[str]:
    """Yield what a query, contract, fit, file or dataset says of itself, in sentences."""
    if "potato.expectations" in attributes:
        missed = attributes["potato.failures"] + attributes["potato.warnings"]
        yield f"{attributes['potato.expectations']} expectations, {f'{missed} missed:' if missed else 'all met.'}"
    if "potato.model.converged" in attributes:
        if attributes["potato.model.converged"]:
            people = attributes["potato.model.n_subjects"]
            yield f"Fitted to {attributes['potato.model.n_obs']} person-weeks of {people} people; it came to rest."
        else:
            yield "The model gave no trustworthy estimate and was left out."
    if "potato.bootstrap.draws" in attributes:
        weights = attributes["potato.bootstrap.weights"]
        yield f"{attributes['potato.bootstrap.draws']:,} sets of weights ({weights})."
    counts = {"db.response.returned_rows": "rows", "potato.rows": "rows", "potato.bytes": "bytes"}
    told = [f"{attributes[name]:,} {unit}" for name, unit in counts.items() if name in attributes]
    if told:
        yield f"{', '.join(told)}."


def _on_lines(query: str) -> str:
    """Return a query with each clause on a line of its own; nothing else in it changes."""
    return _CLAUSES.sub(lambda found: "\n" if found[0] == " " else found[0], query)


def _logs(lines: Iterable[tuple[str, str]]) -> str:
    told = "\n".join(f"{moment[11:23]}  {html(text)}" for moment, text in sorted(lines, key=lambda line: line[0]))
    return f'<pre class="log" aria-label="Log lines"><code>{told}</code></pre>' if told else ""


def _bar(part: Part, axis: tuple[float, float]) -> str:
    whole = max(axis[1] - axis[0], 1e-9)
    left = min(max((part.start - axis[0]) / whole, 0.0), 1.0)
    width = min(max(part.seconds / whole, 0.0), 1.0 - left)
    kind = "bar failed" if part.error else "bar"
    return f'<span class="track"><i class="{kind}" style="left:{left:.2%};width:{width:.2%}"></i></span>'


def _time(part: Part) -> str:
    seconds = part.seconds
    shown = f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else "<1 ms"
    return f'<span class="time">{html(shown)}</span>'

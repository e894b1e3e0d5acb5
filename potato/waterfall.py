"""The waterfall of a run as HTML: a bar for each stage and cell, and in a cell its code, queries, contracts and log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from potato import drawing
from potato.markdown import html, listing
from potato.timeline import Part, Stage, makers

_CELL = "cell.index"


def anchor(dataset: str) -> str:
    """Return the name of the place on the run's page that tells how a dataset was made."""
    return "made-" + re.sub(r"[^a-z0-9]+", "-", dataset.lower()).strip("-")


def draw(stages: Sequence[Stage], datasets: Sequence[str]) -> str:
    """Return the waterfall, with an anchor for each dataset at the cell that made it.

    Stages share one axis, the cells of a stage another, and what ran in a cell a third: on one axis for all, a query
    of some milliseconds could not be seen.
    """
    made: dict[str, list[str]] = {}
    for dataset, cell in makers(stages, datasets).items():
        made.setdefault(cell.span_id, []).append(dataset)
    placed = {name for names in made.values() for name in names}
    lost = "".join(_target(name) for name in datasets if name not in placed)
    # Stages of other runs are not on this run's axis.
    ran = [stage.root for stage in stages if stage.root and stage.status == "ran"]
    axis = (min(part.start for part in ran), max(part.end for part in ran)) if ran else (0.0, 0.0)
    body = "\n".join(_stage(stage, axis, made) for stage in stages)
    return f'<div class="waterfall">{lost}\n{body}\n</div>'


def _stage(stage: Stage, axis: tuple[float, float], made: Mapping[str, list[str]]) -> str:
    badge = f'<span class="badge badge-{html(stage.status)}">{html(stage.status)}</span>'
    if stage.root is None:
        return f'<p class="row stage"><span class="name">{html(stage.name)} {badge}</span> no trace is left</p>'
    root, own = stage.root, stage.status == "ran"
    bar = _bar(root, axis) if own else f'<span class="track of-run">run {html(str(stage.run_id)[:13])}…</span>'
    inside = [_cell(part, title, (root.start, root.end), made) for part, title in _titled(root.parts)]
    inside.append(_logs(root))
    summary = f'<span class="name"><b>{html(stage.name)}</b> {badge}</span>{bar}{_time(root)}'
    return f'<details class="stage" open><summary class="row">{summary}</summary>{"".join(inside)}</details>'


def _titled(parts: Sequence[Part]) -> list[tuple[Part, str]]:
    """Return the parts with their names, counted where several cells stand under one heading."""
    seen: dict[str, int] = {}
    found = []
    for part in parts:
        seen[part.name] = seen.get(part.name, 0) + 1
        found.append((part, part.name if seen[part.name] == 1 else f"{part.name} ({seen[part.name]})"))
    return found


def _cell(part: Part, title: str, axis: tuple[float, float], made: Mapping[str, list[str]]) -> str:
    datasets = made.get(part.span_id, [])
    anchors = "".join(map(_target, datasets))
    inside = []
    if datasets:
        names = ", ".join(f'<a href="lineage.html#{drawing.anchor(n)}"><code>{html(n)}</code></a>' for n in datasets)
        inside.append(f'<p class="made">Makes {names}: each leads to the columns that it is made from.</p>')
    if part.error:
        inside.append(f'<p class="made">Stopped: {html(part.error)}</p>')
    if part.code:
        inside.append(f"<pre><code>{listing(part.code)}</code></pre>")
    inside += [_inner(inner, (part.start, part.end)) for inner in part.parts]
    inside.append(_logs(part))
    summary = f'<span class="name">{html(title)}</span>{_bar(part, axis)}{_time(part)}'
    return f'{anchors}<details class="cell"><summary class="row">{summary}</summary>{"".join(inside)}</details>'


def _inner(part: Part, axis: tuple[float, float]) -> str:
    said, text = _told(part.attributes), str(part.attributes.get("db.query.text", ""))
    inside = f'<p class="made">{html(said)}</p>' if said else ""
    if part.error:
        inside += f'<p class="made">Stopped: {html(part.error)}</p>'
    if text:
        inside += f"<pre><code>{listing(text)}</code></pre>"
    inside += "".join(_inner(inner, axis) for inner in part.parts) + _logs(part)
    summary = f'<span class="name">{html(part.name)}</span>{_bar(part, axis)}{_time(part)}'
    return f'<details class="inner"><summary class="row">{summary}</summary>{inside}</details>'


def _told(attributes: Mapping[str, Any]) -> str:
    """Return what a query, contract or fit says of itself, in a sentence."""
    if "potato.expectations" in attributes:
        missed = attributes["potato.failures"] + attributes["potato.warnings"]
        asked = f"{attributes['potato.expectations']} expectations of {attributes['potato.dataset']}"
        return f"{asked}, all met." if not missed else f"{asked}, {missed} missed."
    if "potato.model" in attributes:
        if not attributes["potato.model.converged"]:
            return "The model gave no trustworthy estimate and was left out."
        people = attributes["potato.model.n_subjects"]
        return f"Fitted to {attributes['potato.model.n_obs']} person-weeks of {people} people; it came to rest."
    if "db.response.returned_rows" in attributes:
        return f"{attributes['db.response.returned_rows']:,} rows."
    if "potato.rows" in attributes:
        return f"{attributes['potato.rows']:,} rows."
    return ""


def _logs(part: Part) -> str:
    if not part.logs:
        return ""
    lines = "\n".join(f"{moment}  {html(text)}" for moment, text in part.logs)
    return f'<pre class="log" aria-label="Log lines"><code>{lines}</code></pre>'


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


def _target(dataset: str) -> str:
    return f'<a class="target" id="{anchor(dataset)}"></a>'

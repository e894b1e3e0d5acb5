"""The places inside folded tables of the report that links from other pages lead to, and the links back from there.

A browser that follows a link to such a place opens what is folded around it.
"""

from __future__ import annotations

import re

from potato import anchors
from potato.markdown import html
from potato.snippets import Html
from potato.trails import Trail, Trails


def dataset(trail: Trail) -> str:
    """Return the first lines of a dataset's columns on the page of lineage: its place, and links to what made it."""
    cell = f"{anchors.RUN}#{anchors.cell(trail.name)}"
    checked = f", and held against [{trail.asked:,} checks]({trail.checks})" if trail.checks else ""
    return f"{_place(anchors.columns(trail.name))}\n\n[Made by [this cell]({cell}){checked}.]{{.source}}"


def checks(name: str) -> str:
    """Return the place of a dataset's checks on the page of data quality, with a link to the cell that made it."""
    return f"{_place(anchors.checks(name))}\n\n[Made by [this cell]({anchors.RUN}#{anchors.cell(name)}).]{{.source}}"


def column(dataset: str, name: str) -> Html:
    """Return the name of a column as the place that links to it lead to."""
    return Html(f'<span id="{anchors.column(dataset, name)}">{html(name)}</span>')


def linked(text: str, trails: Trails) -> Html:
    """Return a text in which the name of a dataset before a colon leads to the dataset's columns on the same page."""
    known = sorted((html(name) for name, trail in trails.items() if trail.traced), key=len, reverse=True)
    named = re.compile(rf"(?<![\w/])({'|'.join(map(re.escape, known))})(?=[:,] )") if known else re.compile(r"(?!)")
    shown = "<br>".join(map(html, text.split("\n")))
    return Html(named.sub(lambda found: f'<a href="#{anchors.columns(found[1])}">{found[1]}</a>', shown))


def _place(name: str) -> str:
    return f'```{{=html}}\n<span id="{name}"></span>\n```'

"""The places inside folded tables of the report that links from other pages lead to, and the links back from there."""

from __future__ import annotations

from potato import anchors, sources
from potato.markdown import html
from potato.snippets import Html
from potato.trails import Trail


def dataset(trail: Trail) -> str:
    """Return the first lines of a dataset's columns on the page of lineage: its place, and links to what made it.

    A link to a place inside opens what is folded around it.
    """
    checked = f", held against [{trail.asked:,} checks]({trail.checks})" if trail.checks else ""
    return f"{_place(anchors.columns(trail.name))}\n\n[This is {sources.of_dataset(trail)}{checked}.]{{.source}}"


def checks(name: str) -> str:
    """Return the place of a dataset's checks on the page of data quality, with a link to the cell that made it."""
    made = f"[The cell that made it]({anchors.RUN}#{anchors.cell(name)}) has its code, query and log lines."
    return f"{_place(anchors.checks(name))}\n\n[{made}]{{.source}}"


def column(dataset: str, name: str) -> Html:
    """Return the name of a column as the place that links to it lead to."""
    return Html(f'<span id="{anchors.column(dataset, name)}">{html(name)}</span>')


def _place(name: str) -> str:
    return f'```{{=html}}\n<span id="{name}"></span>\n```'

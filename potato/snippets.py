"""Figures and tables of gold as parts of pages, with their captions and where they come from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from potato import anchors, sources
from potato.errors import PotatoError
from potato.markdown import html, plain
from potato.trails import Trails

EMPTY = "–"
_TAG = re.compile(r"<[^>]*>")
_MINUS = "\u2212"
_SENTENCE = 60
_VERDICTS = {"pass", "passed", "caution", "warning", "fail", "failed", "ran", "cached", "stable", "moved", "shifted"}


def cell(value: object, spec: str) -> str:
    """Return `value` as a table shows it.

    `spec` is a Python format specification, `p` for p-values, or empty for text. What is missing is an en
    dash, and a negative number has a real minus sign.

    Raises
    ------
    ValueError, TypeError : when the value cannot be shown in that format.
    """
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return EMPTY
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not spec:
        return str(value)
    if not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is not a number")
    if spec == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    if spec.endswith("d") and isinstance(value, float) and value.is_integer():
        value = int(value)
    shown = format(value, spec)
    if not shown.strip("-+0.,% "):
        shown = shown.lstrip("-+")
    return shown.replace("-", _MINUS, 1) if shown.startswith("-") else shown


class Html(str):
    """A cell of `html_table` that is HTML already, such as a link."""


def html_table(
    header: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], label: str, *, stacked: bool = False
) -> str:
    """Return a raw HTML block: a table in a box that scrolls when the table is wider than the screen.

    Parameters
    ----------
    header : (text, is a number) for each column; numbers stand right.
    rows : the cells' plain texts, or Html; a verdict's word becomes a badge.
    label : what the box holds, for people who do not see it.
    stacked : whether texts keep their lines, break anywhere and, on a phone, stand below each other.
    """
    rows, shown = list(rows), _lines if stacked else _badge
    kinds = [_kind(number, [row[place] for row in rows]) for place, (_, number) in enumerate(header)]
    box = "table-scroll stacked" if stacked else "table-scroll"
    lines = [
        "```{=html}",
        f'<div class="{box}" tabindex="0" role="region" aria-label="{html(label)}">',
    ]
    lines += ['<table class="table">', "<thead><tr>"]
    lines += [f'<th scope="col"{kind}>{html(text)}</th>' for (text, _), kind in zip(header, kinds, strict=True)]
    lines.append("</tr></thead>\n<tbody>")
    for row in rows:
        cells = (f"<td{kind}>{shown(text)}</td>" for text, kind in zip(row, kinds, strict=True))
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return "\n".join([*lines, "</tbody></table>", "</div>", "```"])


def _kind(is_number: bool, texts: Sequence[str]) -> str:
    """Return the class of a column: numbers and names stay whole, sentences get room to be read."""
    if is_number:
        return ' class="number"'
    texts = [_TAG.sub("", text) if isinstance(text, Html) else text for text in texts]
    if any(len(text) > _SENTENCE for text in texts):
        return ' class="sentence"'
    return "" if any(" " in text for text in texts) else ' class="name"'


def _badge(text: str) -> str:
    if isinstance(text, Html):
        return text
    return f'<span class="badge badge-{text}">{text}</span>' if text in _VERDICTS else html(text)


def _lines(text: str) -> str:
    return text if isinstance(text, Html) else "<br>".join(map(html, text.split("\n")))


def numbered_table(identifier: str, table: str, caption: str) -> str:
    """Return a block that both renderers number as a table and that @tbl-IDENTIFIER refers to."""
    return f"::: {{#tbl-{identifier}}}\n{table}\n\n{plain(caption)}\n:::"


def folded(summary: str, block: str, *, is_open: bool = False) -> str:
    """Return a block that opens when its summary is clicked."""
    opening = f"<details{' open' if is_open else ''}><summary>{html(summary)}</summary>"
    return f"```{{=html}}\n{opening}\n```\n\n{block}\n\n```{{=html}}\n</details>\n```"


def source_line(source: Mapping[str, Any], commit: str, trails: Trails, extra: str = "") -> str:
    """Return the small line under a figure or table: dataset, fingerprint of its content, code's commit.

    The dataset leads to the columns that it was made from, and one in `trails` also to the cell that made it.
    """
    fingerprint, dataset = str(source["fingerprint"])[:10], str(source["dataset"])
    if dataset in trails:
        links = sources.of_dataset(trails[dataset])
    else:
        links = f"[`{dataset}`]({anchors.LINEAGE}#{anchors.columns(dataset)})"
    return f"[Source: {links}, content `{fingerprint}`, {commit}.{extra}]{{.source}}"


def figure(entry: Mapping[str, Any], folder: Path, commit: str, trails: Trails) -> str:
    """Return the Markdown of one figure of figures.json; PotatoError when its SVG is not in `folder`.

    `trails` has the datasets whose making the run's page tells.
    """
    name = str(entry["id"])
    if not (folder / f"{name}.svg").is_file():
        raise PotatoError(
            f"The figure {name} is listed and not there.",
            where="data/gold/figures/figures.json",
            expected=f"data/gold/figures/{name}.svg",
            hint="type `dvc repro gold`",
        )
    alt = plain(str(entry["alt"]))
    formats = [
        f"[{kind.upper()}](figures/{name}.{kind})" for kind in ("svg", "png") if (folder / f"{name}.{kind}").is_file()
    ]
    image = f'![{plain(str(entry["caption"]))}](figures/{name}.svg){{#fig-{name} fig-alt="{alt}"}}'
    opened = f" Open as {' or '.join(formats)}."
    return f"{image}\n\n{source_line(entry['source'], commit, trails, opened)}"


def table(entry: Mapping[str, Any], file: Path, commit: str, trails: Trails) -> str:
    """Return the Markdown of one table of tables.json, formatted column by column.

    Raises
    ------
    PotatoError : when the table's file is not there, lacks a listed column, or holds a value that the
        column's format does not fit.
    """
    name = str(entry["id"])
    where = f"data/gold/reports/tables/{name}.parquet"
    if not file.is_file():
        raise PotatoError(f"The table {name} is listed and not there.", where=where, hint="type `dvc repro gold`")
    content = pq.read_table(file)
    columns = [_cells(content, column, name, where) for column in entry["columns"]]
    header = [(_heading(column), _is_number(content, column)) for column in entry["columns"]]
    block = html_table(header, zip(*columns, strict=True), str(entry["title"]))
    return f"{numbered_table(name, block, str(entry['caption']))}\n\n{source_line(entry['source'], commit, trails)}"


def _heading(column: Mapping[str, Any]) -> str:
    unit = column.get("unit")
    return f"{column['label']} ({unit})" if unit else str(column["label"])


def _is_number(content: pa.Table, column: Mapping[str, Any]) -> bool:
    kind = content.schema.field(column["name"]).type
    return bool(column["format"]) or pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _cells(content: pa.Table, column: Mapping[str, Any], table_name: str, where: str) -> list[str]:
    if column["name"] not in content.column_names:
        raise PotatoError(
            f"The table {table_name} lacks a column that the report shows.",
            where=where,
            expected=str(column["name"]),
            found=", ".join(content.column_names),
        )
    shown = []
    for row, value in enumerate(content[column["name"]].to_pylist()):
        try:
            shown.append(cell(value, column["format"]))
        except (ValueError, TypeError) as error:
            raise PotatoError(
                f"The table {table_name} holds a value that its format does not fit.",
                where=f"{where}, column {column['name']}, row {row + 1}",
                expected=f"a value for the format {column['format']!r}",
                found=repr(value),
            ) from error
    return shown

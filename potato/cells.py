"""Which cells of a notebook were executed, under which heading, and how long each took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One executed code cell.

    Attributes
    ----------
    index : position in the notebook, from 0, over cells of every kind.
    heading : the last Markdown heading above the cell; "untitled" where there is none.
    start, end : nanoseconds since 1970 in UTC.
    status : papermill's word, "completed" or "failed".
    tags : the cell's tags, such as "injected-parameters".
    error : "Name: message" of the exception that ended the cell, "interrupted" when it was none, or None.
    """

    index: int
    heading: str
    start: int
    end: int
    status: str | None
    tags: tuple[str, ...]
    error: str | None


def executed(notebook: Mapping[str, Any]) -> Iterator[Cell]:
    """Yield the code cells that papermill started and ended, in their order.

    `notebook` is a notebook in format 4, as nbformat or plain JSON reads it. A cell that was not reached has
    no times in its metadata and is left out.
    """
    heading = "untitled"
    for index, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "markdown":
            heading = _last_heading("".join(cell["source"])) or heading
        if cell["cell_type"] != "code":
            continue
        metadata = cell.get("metadata", {})
        timing = metadata.get("papermill", {})
        start, end = _nanoseconds(timing.get("start_time")), _nanoseconds(timing.get("end_time"))
        if start is None or end is None:
            continue
        errors = [
            f"{output['ename']}: {output['evalue']}"
            for output in cell.get("outputs", [])
            if output["output_type"] == "error"
        ]
        yield Cell(
            index=index,
            heading=heading,
            start=start,
            end=end,
            status=timing.get("status"),
            tags=tuple(metadata.get("tags", ())),
            error=errors[0] if errors else "interrupted" if timing.get("status") == "failed" else None,
        )


def _last_heading(markdown: str) -> str | None:
    titles = [line.lstrip("#").strip() for line in markdown.splitlines() if line.startswith("#")]
    return next((title for title in reversed(titles) if title), None)


def _nanoseconds(moment: str | None) -> int | None:
    if not moment:
        return None
    parsed = datetime.fromisoformat(moment)
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1e6) * 1000

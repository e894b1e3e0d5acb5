"""The places on the report's pages that tell of a dataset: the cell that made it, its query, its checks, its columns.

Each place lies inside what is folded around it: a browser that follows a link to it opens that.
"""

from __future__ import annotations

import re

from potato import drawing

RUN, LINEAGE, CHECKS, MODELS = "run.html", "lineage.html", "data-quality.html", "models.html"
"""The pages that hold these places."""
CONTRACTS = f"{CHECKS}#what-was-checked"
"""Where the checks of all data are told."""
GATE = f"{MODELS}#tbl-diagnostics"
"""Where the statistical gate is told check by check, in a study with models."""


def cell(dataset: str) -> str:
    """Return the place on the page of the run that tells in which cell a dataset was made."""
    return f"made-{_slug(dataset)}"


def query(dataset: str) -> str:
    """Return the place of the query that made a dataset, or a step on the way to one, named STAGE/STEP."""
    return f"query-{_slug(dataset)}"


def stage(name: str) -> str:
    """Return the place of a stage on the page of the run."""
    return f"stage-{_slug(name)}"


def checks(dataset: str) -> str:
    """Return the place on the page of data quality that lists what a dataset was asked."""
    return f"checks-{_slug(dataset)}"


def columns(dataset: str) -> str:
    """Return the place on the page of lineage that lists a dataset's columns."""
    return drawing.anchor(dataset)


def column(dataset: str, name: str) -> str:
    """Return the place on the page of lineage that tells of one column."""
    return f"{columns(dataset)}--{_slug(name)}"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")

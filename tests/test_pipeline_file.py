"""dvc.yaml lists by hand what a stage rests on; here the lists are held against the imports."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import yaml

from .conftest import HERE

# What these say reaches a stage as parameters and as the study's file, which DVC watches; errors changes no output.
NOT_WATCHED = {"settings", "sections", "errors"}


def imported(source: str) -> set[str]:
    """Return the modules of potato that a source imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "potato":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("potato."):
            found.add(node.module.removeprefix("potato."))
    return found


def reached(modules: set[str]) -> set[str]:
    """Return `modules` and all that they import, without what no stage has to watch."""
    seen: set[str] = set()
    queue = modules - NOT_WATCHED
    while queue:
        name = queue.pop()
        seen.add(name)
        queue |= imported((HERE / "potato" / f"{name}.py").read_text()) - seen - NOT_WATCHED
    return seen


def notebook_source(name: str) -> str:
    cells = json.loads((HERE / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def listed(stage: str) -> set[str]:
    deps = yaml.safe_load((HERE / "dvc.yaml").read_text())["stages"][stage]["deps"]
    return {Path(dep).stem for dep in deps if dep.startswith("potato/")}


@pytest.mark.parametrize("stage", ["bronze", "silver", "gold"])
def test_a_notebook_stage_lists_every_module_that_its_notebook_reaches(stage: str) -> None:
    assert listed(stage) == reached(imported(notebook_source(stage)))


@pytest.mark.parametrize(("stage", "modules"), [("simulate", {"simulate"}), ("report", {"site", "summary"})])
def test_the_other_stages_list_every_module_that_their_work_reaches(stage: str, modules: set[str]) -> None:
    assert listed(stage) == reached(modules)


@pytest.mark.parametrize("stage", ["bronze", "silver", "gold"])
def test_notebooks_are_committed_without_outputs(stage: str) -> None:
    cells = json.loads((HERE / "notebooks" / f"{stage}.ipynb").read_text())["cells"]
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []

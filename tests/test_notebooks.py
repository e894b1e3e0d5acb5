"""Notebooks run with checked parameters, leave a canonical copy, and explain the cell that stopped."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from potato import notebooks
from potato.errors import PotatoError

METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}


def notebook(folder: Path, *cells: str) -> Path:
    made = [
        new_markdown_cell(cell, id=f"made-{number}")
        if cell.startswith("#")
        else new_code_cell(cell, id=f"made-{number}")
        for number, cell in enumerate(cells)
    ]
    for cell in made:
        if cell.source.startswith("study ="):
            cell.metadata["tags"] = ["parameters"]
    path = folder / "small.ipynb"
    nbformat.write(new_notebook(cells=made, metadata=METADATA), path)
    return path


def run(path: Path, output: Path, **parameters: object) -> nbformat.NotebookNode:
    return notebooks.execute(path, output, parameters, cwd=path.parent, environment={"POTATO_TEST": "seen"})


def texts(path: Path) -> list[str]:
    cells = json.loads(path.read_text())["cells"]
    return ["".join(out.get("text", "")) for cell in cells for out in cell.get("outputs", [])]


def test_parameters_and_environment_reach_the_kernel(tmp_path: Path) -> None:
    path = notebook(tmp_path, "study = 'demo'", "import os\nprint(study, os.environ['POTATO_TEST'])")
    run(path, tmp_path / "out.ipynb", study="other")
    assert texts(tmp_path / "out.ipynb") == ["other seen\n"]


def test_equal_runs_leave_equal_bytes(tmp_path: Path) -> None:
    path = notebook(tmp_path, "study = 'demo'", "# Say\n", "import pandas\npandas.DataFrame({'a': [1]})")
    for name in ("one", "two"):
        run(path, tmp_path / name / "out.ipynb", study="other")
    assert (tmp_path / "one/out.ipynb").read_bytes() == (tmp_path / "two/out.ipynb").read_bytes()
    assert not list(tmp_path.rglob(".out.ipynb"))


def test_the_folder_may_have_braces_and_blanks_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a {b} c"
    folder.mkdir()
    run(notebook(folder, "print(1)"), folder / "out.ipynb")
    assert texts(folder / "out.ipynb") == ["1\n"]


def test_a_parameter_that_is_not_declared_never_becomes_code(tmp_path: Path) -> None:
    path = notebook(tmp_path, "study = 'demo'")
    with pytest.raises(PotatoError, match="no parameter 'stduy'") as caught:
        run(path, tmp_path / "out.ipynb", stduy="x")
    assert caught.value.nearest == "study"
    with pytest.raises(PotatoError, match="no parameter"):
        run(path, tmp_path / "out.ipynb", **{"study = open('made', 'w'); x": 1})
    assert not (tmp_path / "made").exists()


def test_a_cell_that_raises_is_named_by_its_heading_and_keeps_its_traceback(tmp_path: Path) -> None:
    path = notebook(tmp_path, "# Divide\n", "1 / 0", "print('never')")
    with pytest.raises(notebooks.NotebookFailed, match="ZeroDivisionError: division by zero") as caught:
        run(path, tmp_path / "out.ipynb")
    assert caught.value.cell == "Divide"
    assert "1 / 0" in caught.value.traceback
    outputs = [out for cell in nbformat.read(tmp_path / "out.ipynb", 4).cells for out in cell.get("outputs", [])]
    assert [out.ename for out in outputs if out.output_type == "error"] == ["ZeroDivisionError"]


def test_our_own_error_comes_out_of_the_kernel_with_all_its_parts(tmp_path: Path) -> None:
    error = "PotatoError('Bad unit.', where='row 3', found='a: b', hint='mend it')"
    code = f"from potato.errors import PotatoError\nraise {error}"
    with pytest.raises(notebooks.NotebookFailed) as caught:
        run(notebook(tmp_path, code), tmp_path / "out.ipynb")
    assert (caught.value.what, caught.value.where, caught.value.found, caught.value.hint) == (
        "Bad unit.",
        "row 3",
        "a: b",
        "mend it",
    )


def test_progress_tells_each_code_cell_with_the_heading_that_it_stands_under(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    path = notebook(tmp_path, "# One\n", "1", "# Two\n", "2", "3")
    notebooks.execute(
        path, tmp_path / "out.ipynb", {}, cwd=tmp_path, environment={}, progress=lambda *step: told.append(step)
    )
    assert told == [("One", 1, 3), ("Two", 2, 3), ("Two", 3, 3)]

"""Runs a notebook through papermill: parameters checked by name, progress cell by cell, a canonical copy kept."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from potato import lake, redaction
from potato.errors import PotatoError, nearest

Progress = Callable[[str, int, int], None]

# One thread and one set of kernels in the linear algebra: an estimate's last digits must not depend on the machine.
REPRODUCIBLE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Haswell" if os.uname().machine == "x86_64" else "ARMV8",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}

# The kernel's own log is a warning about its loopback port at each start, and an error at each end that is not its own.
_KERNEL_ARGUMENTS = ["--IPKernelApp.log_level=50"]


class NotebookFailed(PotatoError):
    """A cell raised: `cell` is its title, `traceback` what it raised, `notebook` what had run by then, with timings."""

    def __init__(self, what: str, *, cell: str, traceback: str, notebook: NotebookNode, **details: str | None) -> None:
        super().__init__(what, **details)
        self.cell = cell
        self.traceback = traceback
        self.notebook = notebook


def titles(notebook: NotebookNode) -> list[str]:
    """Return for each cell the heading that it stands under; "" above the first heading."""
    title, found = "", []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+\s+(.+)$", cell.source, re.MULTILINE)
            title = headings[-1].strip() if headings else title
        found.append(title)
    return found


def declared_parameters(notebook: NotebookNode) -> list[str]:
    """Return the names that the cell tagged `parameters` assigns."""
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    return re.findall(r"^([A-Za-z_]\w*)\s*(?::[^=]+)?=", cells[0].source, re.MULTILINE) if cells else []


def execute(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Any],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    progress: Progress | None = None,
    abandoned: Callable[[NotebookNode], object] | None = None,
) -> NotebookNode:
    """Run `notebook` in a kernel of its own, write its canonical copy to `output`, and return it with its timings.

    Parameters
    ----------
    parameters : values for names that the notebook's parameters cell declares.
    environment : variables that the kernel sees beside this process's own.
    progress : called with (title, cell number, number of code cells) when a code cell starts.
    abandoned : called with what had run by then, with timings, when a signal or the kernel's death ended the notebook.

    Raises
    ------
    NotebookFailed
        when a cell raises; `output` then holds the notebook up to and with the traceback.
    PotatoError
        for a parameter that the notebook does not declare.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    node = _read(notebook)
    _check_parameters(node, parameters, notebook)
    _register_engine()
    saved = dict(os.environ)
    os.environ.update(REPRODUCIBLE | dict(environment))
    # A kernel without bytecode compiles every package at each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    output.parent.mkdir(parents=True, exist_ok=True)
    draft, under_way = output.with_name(f".{output.name}"), list[NotebookNode]()
    try:
        executed: NotebookNode = papermill.execute_notebook(
            # papermill formats its paths like templates, so a brace in a folder's name has to be doubled.
            str(notebook).replace("{", "{{").replace("}", "}}"),
            str(draft).replace("{", "{{").replace("}", "}}"),
            dict(parameters),
            engine_name="potato",
            kernel_name="python3",
            request_save_on_cell_execute=False,
            # What a notebook writes is closed by its last cell. A kernel that ends by itself takes a second to do so.
            shutdown_kernel="immediate",
            progress_bar=False,
            cwd=str(cwd),
            extra_arguments=_KERNEL_ARGUMENTS,
            on_cell=progress,
            on_notebook=under_way.append,
        )
    except PapermillExecutionError as error:
        raise _failed(error, node, notebook, nbformat.read(draft, as_version=4)) from None
    except BaseException as error:
        for begun in under_way:
            _end_running_cell(begun)
            nbformat.write(begun, draft)
            if abandoned:
                abandoned(begun)
        if not isinstance(error, DeadKernelError):
            raise
        raise PotatoError(
            f"The kernel that ran {notebook.name} died.",
            where=f"notebooks/{notebook.name}",
            found="no answer, and no traceback",
            hint="it may have run out of memory; if there is enough, please report it",
        ) from None
    finally:
        os.environ.clear()
        os.environ.update(saved)
        if draft.exists():
            lake.write_text(output, nbformat.writes(redacted(canonical(nbformat.read(draft, as_version=4)))) + "\n")
            draft.unlink()
    return executed


def canonical(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook without times, paths and run metadata: equal runs give equal bytes."""
    kernel = notebook.metadata.get("kernelspec", {})
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})
    for number, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if "injected-parameters" in tags or "papermill-error-cell-tag" in tags:
            cell["id"] = f"papermill-{number}"  # papermill draws a new id for each cell that it puts in
        for out in cell.get("outputs", []):
            out.get("metadata", {}).clear()
    return notebook


def redacted(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook without the secrets of the environment in its sources and outputs; its format stays."""
    for cell in notebook.cells:
        cell.source = redaction.redact(cell.source)
        for out in cell.get("outputs", []):
            if out.output_type == "stream":
                out.text = redaction.redact(out.text)
            elif out.output_type == "error":
                out.evalue, out.traceback = redaction.redact(out.evalue), redaction.clean(out.traceback)
            for kind in out.get("data", {}):
                if not kind.startswith("image/") or kind == "image/svg+xml":  # other images are in base64
                    out.data[kind] = redaction.clean(out.data[kind])
    return notebook


def _read(notebook: Path) -> NotebookNode:
    try:
        return nbformat.read(notebook, as_version=4)
    except (OSError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise PotatoError(
            f"The notebook {notebook.name} can't be read.",
            where=f"notebooks/{notebook.name}",
            found=" ".join(str(error).split())[:200],
            hint=f"restore it: `git checkout -- notebooks/{notebook.name}`",
        ) from None


def _check_parameters(node: NotebookNode, parameters: Mapping[str, Any], notebook: Path) -> None:
    # papermill pastes a name as code and only warns about one that it doesn't know.
    declared = declared_parameters(node)
    for name in parameters:
        if name not in declared:
            guess = nearest(name, declared)
            raise PotatoError(
                f"The notebook {notebook.name} has no parameter {name!r}.",
                where=f"notebooks/{notebook.name}, the cell tagged `parameters`",
                expected=f"one of {', '.join(declared)}" if declared else "no parameter at all",
                found=name,
                nearest=guess,
                hint=f"write {guess} instead" if guess else "leave it out",
            )


def _failed(error: Any, node: NotebookNode, notebook: Path, executed: NotebookNode) -> NotebookFailed:
    plain = redaction.redact(re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback)))
    told = redaction.redact(error.evalue)  # before it is taken apart: a secret may have several lines
    # papermill counts the error cells and the parameters that it put in; the source finds the cell safely.
    places = [i for i, cell in enumerate(node.cells) if cell.source == error.source]
    cell = titles(node)[places[0]] if places else "parameters"
    if error.ename == "PotatoError":
        what, *rest = told.splitlines()
        details = dict(line.strip().split(": ", 1) for line in rest if ": " in line)
        return NotebookFailed(
            what,
            cell=cell,
            traceback=plain,
            notebook=executed,
            where=details.get("where"),
            expected=details.get("expected"),
            found=details.get("found"),
            nearest=details.get("nearest"),
            hint=details.get("next"),
        )
    return NotebookFailed(
        f"A cell of {notebook.name} stopped: {error.ename}: {told}",
        cell=cell,
        traceback=plain,
        notebook=executed,
        where=f"notebooks/{notebook.name}, {cell!r}",
        hint="read the traceback in the executed notebook; if the data is in order, please report it",
    )


def _end_running_cell(notebook: NotebookNode) -> None:
    """Tell that the cell that was started last did not end well: papermill says that it did, whatever ended it."""
    started = [cell for cell in notebook.cells if cell.metadata.get("papermill", {}).get("start_time")]
    for cell in started[-1:]:
        timing = cell.metadata["papermill"]
        timing.update(end_time=timing.get("end_time") or datetime.now(UTC).isoformat(), status="failed", exception=True)


def _register_engine() -> None:
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):
        """papermill's own engine, which also says when a cell starts."""

        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
            on_cell: Progress | None = kwargs.pop("on_cell", None)
            if on_notebook := kwargs.pop("on_notebook", None):
                on_notebook(nb_man.nb)
            started = nb_man.cell_start
            headings = titles(nb_man.nb)
            code = [i for i, cell in enumerate(nb_man.nb.cells) if cell.cell_type == "code" and cell.source.strip()]

            def cell_start(cell: NotebookNode, cell_index: int | None = None, **more: Any) -> Any:
                if on_cell and cell_index in code:
                    on_cell(headings[cell_index], code.index(cell_index) + 1, len(code))
                return started(cell, cell_index, **more)

            nb_man.cell_start = cell_start
            return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)

    papermill_engines.register("potato", Engine)

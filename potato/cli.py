"""The `potato` command. Each subcommand imports what it needs, so that `potato --help` answers at once."""

from __future__ import annotations

import contextlib
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from typer.exceptions import TyperException

from potato import lake
from potato.errors import PotatoError

app = typer.Typer(
    name="potato",
    help="What did the diet do to weight? From a study's raw files to a published report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_INTERRUPTED = 130
console = Console(stderr=True, highlight=False)


@app.command()
def run(stage: Annotated[str, typer.Argument(help="simulate, bronze, silver, gold or report")]) -> None:
    """Run one stage of the pipeline. `dvc repro` calls this for each stage that has to run."""
    from potato.stage import Stage

    Stage(stage, lake.root(), lambda line: console.print(f"  {line}", markup=False, soft_wrap=True)).execute()


@app.command()
def simulate(
    destination: Annotated[Path, typer.Argument(help="folder to write nutrition/, weight/ and fiber/ into")] = Path(
        "data/raw/demo"
    ),
    seed: Annotated[int | None, typer.Option(help="another seed than the one in params.yaml")] = None,
) -> None:
    """Write a simulated trial, by the settings in params.yaml."""
    from potato import settings, simulate

    root = lake.root()
    chosen = settings.load(root).simulate
    if seed is not None:
        chosen = chosen.model_copy(update={"seed": seed})
    folder = destination if destination.is_absolute() else root / destination
    for name, rows in simulate.simulate(chosen, folder).items():
        console.print(f"  {destination / name}: {rows:,} rows", markup=False)


@app.command()
def report() -> None:
    """Build the site again from the gold data that is there."""
    run("report")
    console.print(f"  {Path('_site') / 'index.html'}", markup=False)


@app.command()
def status() -> None:
    """Show each stage of the newest run, with its time and its outcome."""
    from potato import run as runs

    root = lake.root()
    newest = runs.latest(root)
    if newest is None:
        console.print("Nothing has run yet. Type `make run`.")
        return
    table = Table(title=f"run {newest.id}, started {newest.started}", title_justify="left")
    for heading in ("stage", "outcome", "seconds", "error"):
        table.add_column(heading, justify="right" if heading == "seconds" else "left")
    for entry in runs.history(root, newest.id):
        table.add_row(entry["stage"], entry["status"], f"{entry['seconds']:.1f}", entry["error"] or "")
    Console(highlight=False).print(table)


@app.command()
def doctor(
    quiet: Annotated[bool, typer.Option("--quiet", help="say only what is wrong")] = False,
) -> None:
    """Tell why it does not run here: checks the Python, the packages, the settings and the study's raw files."""
    from potato import doctor

    checks = doctor.examine(lake.root())
    for check in checks:
        if not quiet:
            console.print(f"  {'ok ' if check.good else 'no '} {check.name}: {check.found}", markup=False)
    for check in checks:
        if check.error:
            raise check.error


def show(error: PotatoError) -> None:
    """Print an error as one screen: what, where, expected, found, nearest, next."""
    body = Text(error.what, style="bold")
    for label, text in error.lines():
        body.append(f"\n{label:<9} ", style="bold red" if label == "next" else "dim")
        body.append(text, style="default")
    cell = getattr(error, "cell", None)
    if cell:
        body.append(f"\n{'cell':<9} ", style="dim")
        body.append(cell, style="default")
    log = Path("runs/latest/logs.jsonl")
    with contextlib.suppress(PotatoError):
        if (lake.root() / log).is_file():
            body.append(f"\n{'log':<9} ", style="dim")
            body.append(str(log), style="default")
    console.print(Panel(body, border_style="red", title="stopped", title_align="left"))


def main() -> None:
    """Run the command line.

    A PotatoError, and any other exception, ends it with one screen and exit code 1; an interruption with 130.
    """
    try:
        # typer hands back the code of an interruption instead of raising it.
        code = app(standalone_mode=False)
    except PotatoError as error:
        show(error)
        code = 1
    except (typer.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except TyperException as error:
        if text := str(error):  # without a command, the help has been printed and nothing else is to say
            show(PotatoError(text, hint="type `potato --help`"))
        code = 2
    except Exception as error:
        show(_unexpected(error))
        code = 1
    if code == _INTERRUPTED:
        console.print("interrupted; the last good output is untouched")
    sys.exit(code or 0)


def _unexpected(error: Exception) -> PotatoError:
    """Return what to show of an exception that nobody foresaw; its traceback goes into a file."""
    text = " ".join(str(error).split())
    told = PotatoError(f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__)
    with contextlib.suppress(OSError, PotatoError):
        path = lake.root() / "runs" / "traceback.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        told.hint = "the traceback is in runs/traceback.txt; if files and permissions are in order, please report it"
    return told


if __name__ == "__main__":
    main()

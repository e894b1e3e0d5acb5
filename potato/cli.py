"""The `potato` command. Each subcommand imports what it needs, so that `potato --help` answers at once."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from typer.exceptions import TyperException

from potato import lake, lake_commands, redaction
from potato.errors import PotatoError

if TYPE_CHECKING:
    from potato.workbook_folders import Found

app = typer.Typer(
    name="potato",
    help="What did the diet do to weight? From a study's raw files to a published report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(lake_commands.app, name="lake")
lineage = typer.Typer(help="What was made from what.", no_args_is_help=True)
app.add_typer(lineage, name="lineage")
_INTERRUPTED = 130
console = Console(stderr=True, highlight=False)


@app.command()
def run(stage: Annotated[str, typer.Argument(help="simulate, bronze, silver, gold or report")]) -> None:
    """Run one stage of the pipeline. `dvc repro` calls this for each stage that has to run."""
    from potato import cloudwatch
    from potato.stage import Stage

    def say(line: str) -> None:
        console.print(f"  {redaction.redact(line)}", markup=False, soft_wrap=True)

    work = Stage(stage, lake.root(), say)
    with cloudwatch.kept(work.run, stage, say):
        work.execute()


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


@app.command("describe-study")
def describe_study(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder with the study's CSV files")],
    study: Annotated[str, typer.Option("--study", metavar="NAME", help="its name: studies/NAME.yaml is written")],
    title: Annotated[str | None, typer.Option(help="the report's title; else the folder's name")] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="NAME", help="who the rows are about, if no column says")
    ] = None,
    weight_unit: Annotated[str | None, typer.Option(metavar="UNIT", help="kg, lb, or detect for each person")] = None,
    date_order: Annotated[str | None, typer.Option(metavar="ORDER", help="dmy, mdy or ymd")] = None,
    decimal: Annotated[str | None, typer.Option(metavar="MARK", help="what marks decimals, a comma or a point")] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="such as weight.weight=Gewicht; repeat it")
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option("--files", metavar="FAMILY=PATTERN", help="such as weight='scale/*.csv'; repeat it"),
    ] = None,
    days: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=DAY", help="of a weight column for one time, such as t2=21; repeat it"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="write what was concluded without asking")] = False,
    force: Annotated[bool, typer.Option("--force", help="write studies/NAME.yaml again")] = False,
) -> None:
    """Describe your own files in studies/NAME.yaml: looks, shows what it concluded and why, asks what is open."""
    from potato import describe, flags

    talks = sys.stdin.isatty()
    shown = Console(highlight=False)
    describe.describe(
        lake.root(),
        folder,
        study,
        flags.stated(subject, weight_unit, date_order, decimal, map_ or [], files or [], days or []),
        shown,
        title=title,
        force=force,
        ask=(lambda question: describe.prompted(question, shown)) if talks else None,
        confirm=(lambda: typer.confirm(f"Write studies/{study}.yaml?", default=True)) if talks and not yes else None,
    )


@app.command("import-workbooks")
def import_workbooks(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder that holds 4 Weeks, Closed Early and Dropped")],
    study: Annotated[str, typer.Option("--study", metavar="NAME", help="name of the study to write")],
    force: Annotated[bool, typer.Option("--force", help="replace an earlier import of that name as a whole")] = False,
) -> None:
    """Make a study of participants' workbooks, one .xlsx or .xls a person, in the trial's layout."""
    from rich.progress import track

    from potato import workbook_study, workbook_summary

    def shown(found: Sequence[Found]) -> Iterable[Found]:
        return track(found, description="  reading workbooks", console=console, transient=True)

    trial = workbook_study.import_workbooks(folder, study, lake.root(), force=force, track=shown)
    told = Console(highlight=False)
    told.print(workbook_summary.table(trial))
    for line in workbook_summary.closing(trial, study):
        told.print(f"  {line}", markup=False, soft_wrap=True)


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
        table.add_row(entry["stage"], entry["status"], f"{entry['seconds'] or 0:.1f}", entry.get("error") or "")
    Console(highlight=False).print(table)


@app.command()
def validate(
    layer: Annotated[str | None, typer.Argument(help="bronze or silver; both when left out")] = None,
) -> None:
    """Hold the published data against their contracts again; changes nothing."""
    from potato import validate

    root = lake.root()
    with console.status("holding the data against their contracts"):
        validation = validate.validate(root, layer)
    for table in validate.tables(validation):
        Console(highlight=False).print(table)
    console.print(f"  {validation.folder.relative_to(root.resolve()).as_posix()}", markup=False)
    if validation.failed:
        raise typer.Exit(1)


@lineage.command("show")
def lineage_show(
    name: Annotated[str, typer.Argument(metavar="DATASET.COLUMN", help="such as fixed_effects.potato_energy_share")],
) -> None:
    """Print the way back from a column of the published data to the raw files."""
    from potato import provenance

    found = provenance.Provenance.read(lake.root()).back(name)
    told = Console(highlight=False)
    for depth, text, decides in provenance.lines(found):
        told.print(f"{'   ' * depth}{text}", markup=False, soft_wrap=True, style="dim" if decides else None)


@lineage.command("replay")
def lineage_replay(
    refused: Annotated[bool, typer.Option("--refused", help="try those once more that a backend refused")] = False,
) -> None:
    """Send the lineage events that a backend did not take, oldest run first, each once; ends runs that were killed."""
    from potato import backend
    from potato.lineage import close_left_open

    close_left_open(lake.root())
    told = backend.replay(lake.root(), refused=refused)
    if not told.delivered and not told.refused:
        console.print("  nothing waits: every event was delivered, or no backend was set when it was told")
        return
    console.print(f"  {told.delivered:,} events delivered")
    if told.refused:
        console.print(f"  {told.refused:,} refused by the backend; see runs/*/spool/lineage.refused.jsonl")
        console.print("  `potato lineage replay --refused` tries them once more")


@app.command()
def doctor(
    quiet: Annotated[bool, typer.Option("--quiet", help="say only what is wrong")] = False,
) -> None:
    """Tell why it does not run here: checks the Python, the packages, the settings and the study's raw files."""
    from potato import doctor

    checks = doctor.examine(lake.root())
    for check in checks:
        if not quiet:
            console.print(
                f"  {'ok ' if check.good else 'no '} {check.name}: {redaction.redact(check.found)}", markup=False
            )
    for check in checks:
        if check.error:
            raise check.error


def show(error: PotatoError) -> None:
    """Print an error as one screen: what, where, expected, found, nearest, next."""
    body = Text(redaction.redact(error.what), style="bold")
    for label, text in redaction.clean(error.lines()):
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
    text = " ".join(redaction.redact(str(error)).split())
    told = PotatoError(f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__)
    with contextlib.suppress(OSError, PotatoError):
        path = lake.root() / "runs" / "traceback.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(redaction.redact("".join(traceback.format_exception(error))), encoding="utf-8")
        told.hint = "the traceback is in runs/traceback.txt; if files and permissions are in order, please report it"
    return told


if __name__ == "__main__":
    main()

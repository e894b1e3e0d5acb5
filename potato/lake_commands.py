"""`potato lake`: the data lake on the command line."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from potato import lake
from potato.errors import PotatoError

if TYPE_CHECKING:
    from potato.bucket import Bucket
    from potato.datalake import Moved

app = typer.Typer(
    help="The data lake on S3: put a study's data there, get them back, compare, restore.", no_args_is_help=True
)
console = Console(stderr=True, highlight=False)
_LISTED = 20
_At = Annotated[str | None, typer.Option("--at", metavar="S3", help="s3://BUCKET/FOLDER; else what params.yaml says")]
_Region = Annotated[str | None, typer.Option("--region", metavar="REGION", help="else AWS_REGION")]
_Of = Annotated[str | None, typer.Option("--study", metavar="NAME", help="else the study in params.yaml")]


@app.command("push")
def push(at: _At = None) -> None:
    """Put what is published in data/ into the lake: all of it is seen at once, what is there already is not sent."""
    from potato import datalake

    root = lake.root()
    address, _ = _lake(root, at, None)
    with _bar("pushing") as advance:
        moved = datalake.push(root, address, advance)
    console.print(_moved(moved, "sent"), markup=False)


@app.command("pull")
def pull(at: _At = None, study: _Of = None) -> None:
    """Put the lake's newest push of a study in the place of data/."""
    from potato import datalake

    root = lake.root()
    address, name = _lake(root, at, study)
    with _bar("pulling") as advance:
        moved = datalake.pull(root, address, name, advance)
    console.print(_moved(moved, "fetched"), markup=False)


@app.command("verify")
def verify(at: _At = None, study: _Of = None) -> None:
    """Compare data/, the lake's manifest and the lake's own checksums, file by file."""
    from potato import datalake

    root = lake.root()
    address, name = _lake(root, at, study)
    with _bar("comparing") as advance:
        found = datalake.verify(root, address, name, advance)
    for difference in found[:_LISTED]:
        console.print(f"  {difference.path}: {difference.found}", markup=False, soft_wrap=True)
    if len(found) > _LISTED:
        console.print(f"  and {len(found) - _LISTED:,} more")
    console.print(f"  {len(found):,} files differ" if found else "  all files are the same here and in the lake")
    if found:
        raise typer.Exit(1)


@app.command("restore")
def restore(
    source: Annotated[str, typer.Option("--from", metavar="S3", help="the replica, s3://BUCKET or s3://BUCKET/FOLDER")],
    source_region: Annotated[str | None, typer.Option("--from-region", metavar="REGION", help="the replica's")] = None,
    at: _At = None,
    region: _Region = None,
) -> None:
    """Copy a bucket back from its replica, inside S3, and show readers the newest push that is whole.

    It takes any bucket, and MLflow's artifacts too. What is there already is not copied again.
    """
    from potato import recovery
    from potato.bucket import Bucket

    target = Bucket(_lake(lake.root(), at, None)[0], region=region)
    with _bar("restoring", objects=True) as advance:
        copied = recovery.restore(Bucket(source, region=source_region), target, advance)
    console.print(f"  {copied.copied:,} objects copied, {copied.there:,} were there already", markup=False)
    _rewind(target)


@app.command("rewind")
def rewind(at: _At = None, region: _Region = None) -> None:
    """Show readers the newest push of which every object is there, such as in a replica that was cut off."""
    from potato.bucket import Bucket

    _rewind(Bucket(_lake(lake.root(), at, None)[0], region=region))


@app.command("remote")
def remote(at: _At = None) -> None:
    """Let DVC keep its cache in the lake's bucket, so that `dvc push` and `dvc pull` share runs between machines."""
    from potato import dvcremote

    root = lake.root()
    address, _ = _lake(root, at, None)
    console.print(f"  dvc push and dvc pull use {dvcremote.configure(root, address)}", markup=False)


def _rewind(target: Bucket) -> None:
    from potato import recovery

    for study, shown in recovery.rewind(target).items():
        console.print(f"  {study}: snapshot {shown.snapshot.id[:16]}, pushed {shown.pushed}, is whole", markup=False)
        if shown.given_up:
            newer, gone = len(shown.given_up), len(shown.missing)
            missing = f"objects that are missing or other ones: {gone:,}"
            console.print(f"  {study}: newer pushes that are not: {newer:,}; {missing}", markup=False)


def _lake(root: Path, at: str | None, study: str | None) -> tuple[str, str]:
    """Return the lake's address and the study's name, from the command line or params.yaml."""
    from potato import settings

    told = settings.load(root)
    if at is None and told.lake is None:
        raise PotatoError(
            "No data lake is named.",
            where="params.yaml, lake",
            expected="s3://BUCKET or s3://BUCKET/FOLDER",
            found="null",
            hint="name it there, or type the command with --at s3://BUCKET",
        )
    return str(told.lake) if at is None else at, told.study_name if study is None else study


@contextlib.contextmanager
def _bar(doing: str, *, objects: bool = False) -> Iterator[Callable[[int, int], None]]:
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn() if objects else DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(doing, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


def _moved(moved: Moved, how: str) -> str:
    files = f"{moved.sent:,} files {how} ({moved.bytes / 1e6:,.1f} MB), {moved.there:,} were there already"
    return f"  {moved.snapshot.study}: {files}; snapshot {moved.snapshot.id[:16]}"

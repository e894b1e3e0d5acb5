"""What a stage does between its start and its publication: a notebook, the demo study, or the site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from potato import lake, manifest, notebooks, rawlink, spans
from potato.errors import PotatoError
from potato.run import Run
from potato.settings import Settings
from potato.telemetry import Telemetry, kernel_file

OUTPUTS = {
    "simulate": ("data/raw/demo",),
    "bronze": ("data/bronze",),
    "silver": ("data/silver", "data/quarantine"),
    "gold": ("data/gold",),
    "report": ("_site",),
}
SITE_STAMP = "_site/report.json"


def do(name: str, settings: Settings, run: Run, staging: Path, telemetry: Telemetry) -> dict[str, Any]:
    """Do the work of the stage `name`, and return its manifest; what it makes lies in `staging`, the site in its place.

    Raises
    ------
    PotatoError
        when a cell of the notebook fails, the notebook ends without saving, or the site can't be rendered.
    """
    if name == "simulate":
        return _simulate(settings, staging)
    if name == "report":
        return _report(settings, run, telemetry)
    return _notebook(name, settings, run, staging, telemetry)


def _notebook(name: str, settings: Settings, run: Run, staging: Path, telemetry: Telemetry) -> dict[str, Any]:
    if name == "gold":
        # Importing MLflow takes seconds; the second core has nothing to do while the notebook runs.
        import papermill  # noqa: F401  before the thread: two imports at once can meet a half-made module

        from potato import tracking

        tracking.prefetch()
    shown: list[str] = []

    def progress(title: str, number: int, of: int) -> None:
        if title not in shown:
            shown.append(title)
            telemetry.log("info", "cell started", cell=title, number=number, of=of)

    kernel = kernel_file(run, name)
    try:
        node = notebooks.execute(
            settings.root / "notebooks" / f"{name}.ipynb",
            run.folder / "notebooks" / f"{name}.ipynb",
            {"study": settings.study_name},
            cwd=settings.root,
            environment={
                lake.STAGING_VARIABLE: str(staging),
                lake.ROOT_VARIABLE: str(settings.root),
                "TRACEPARENT": telemetry.traceparent,
                "POTATO_RUN_ID": run.id,
                spans.FILE_VARIABLE: str(kernel),
            },
            progress=progress,
            abandoned=lambda node: telemetry.notebook_spans(node, kernel),
        )
    except notebooks.NotebookFailed as error:
        telemetry.notebook_spans(error.notebook, kernel)
        said = f"cell failed: {error.cell}: {error.what}"
        telemetry.log("error", said, cell=error.cell, traceback=error.traceback)
        raise
    telemetry.notebook_spans(node, kernel)
    path = staging / manifest.PATHS[name]
    if not path.is_file():
        raise PotatoError(
            f"The notebook {name}.ipynb ended without saving.",
            where=f"notebooks/{name}.ipynb",
            expected="a last cell that saves the datasets and the manifest",
            hint="end the notebook with `.save()`, and take out any `sys.exit`",
        )
    document: dict[str, Any] = lake.read_json(path)
    return document


def _simulate(settings: Settings, staging: Path) -> dict[str, Any]:
    from potato.simulate import simulate

    rawlink.link(settings)
    folder = staging / OUTPUTS["simulate"][0]
    rows = simulate(settings.simulate, folder)
    outputs = {
        f"raw/demo/{name}": {"rows": count, "fingerprint": lake.fingerprint(folder / name), "schema": []}
        for name, count in rows.items()
    }
    return _document("simulate", settings.study_name, outputs)


def _report(settings: Settings, run: Run, telemetry: Telemetry) -> dict[str, Any]:
    from potato import quality, site, summary

    with telemetry.span("render"):
        of_run = summary.of_run(settings, run)
        pages = site.build(
            settings.root,
            gold=settings.root / "data/gold",
            destination=settings.root / "_site",
            run=of_run,
            manifests={name: lake.read_json(settings.root / path) for name, path in manifest.PATHS.items()},
            findings=quality.Findings.read(settings.root, of_run),
        )
    stamp = {"pages": pages, "gold": lake.fingerprint(settings.root / "data/gold")}
    lake.write_json(settings.root / SITE_STAMP, stamp)
    outputs = {"site": {"rows": len(pages), "fingerprint": stamp["gold"], "schema": []}}
    return _document("report", settings.study_name, outputs)


def _document(stage: str, study: str, outputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "stage": stage,
        "study": study,
        "inputs": {},
        "outputs": outputs,
        "column_lineage": {},
        "row_lineage": {},
        "contracts": [],
        "metrics": {},
    }

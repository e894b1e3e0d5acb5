"""The report: gold's figures, tables and numbers put into the pages, rendered, checked and published."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from potato import lake, links, pages, quality, records, redaction, renderers, snippets, trails
from potato.errors import PotatoError
from potato.markdown import plain
from potato.sources import PARTS, Sources

PAGES = {
    "overview": "index",
    "cohort": "cohort",
    "attrition": "attrition",
    "trajectories": "trajectories",
    "intake": "intake",
    "models": "models",
    "data-quality": "data-quality",
    "lineage": "lineage",
    "run": "run",
    "methods": "methods",
    "dictionary": "dictionary",
}
_ASSETS = ("styles.css", "_pandoc")


@dataclass(frozen=True)
class Evidence:
    """What gold holds for the report, read once."""

    folder: Path
    figures: dict[str, dict[str, Any]]
    tables: dict[str, dict[str, Any]]
    numbers: dict[str, str]
    pages: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, gold: Path) -> Evidence:
        """Read gold's lists; PotatoError when one is missing."""
        return cls(
            folder=gold,
            figures={entry["id"]: entry for entry in _json(gold / "figures" / "figures.json")},
            tables={entry["id"]: entry for entry in _json(gold / "reports" / "tables.json")},
            numbers=pages.flatten(_json(gold / "reports" / "numbers.json")),
            pages=_json(gold / "reports" / "pages.json"),
        )

    def shows(self, page: str) -> bool:
        """Tell whether this study has the page; a page that gold does not mention is shown."""
        return bool(self.pages.get(page, {}).get("shown", True))


def build(
    root: Path,
    *,
    gold: Path,
    destination: Path,
    run: Mapping[str, Any],
    manifests: Mapping[str, Mapping[str, Any]],
    findings: quality.Findings,
) -> list[str]:
    """Build the site and publish it as `destination`, which keeps the old site until the new one is whole.

    Parameters
    ----------
    root : the project's folder; pages are read from root/reports.
    gold : the folder of the gold layer (figures, reports).
    destination : the folder to publish.
    run : the run's identity: run_id, trace_id, started, study, engine, environment, stages, mlflow.
    manifests : the layers' manifests by stage: bronze, silver, gold.
    findings : what the page Data quality shows.

    Returns
    -------
    The names of the HTML pages, sorted.

    Raises
    ------
    PotatoError : when gold lacks something that a page shows, a renderer fails, or a link leads nowhere.
    """
    evidence = Evidence.read(gold)
    destination.parent.mkdir(parents=True, exist_ok=True)
    # Quarto renders nothing below a hidden folder, and a clone may lie in one: it works in the temporary
    # folder. The site itself is put together beside its destination, where one rename publishes it.
    with (
        tempfile.TemporaryDirectory(prefix="potato-report-") as workplace,
        tempfile.TemporaryDirectory(prefix=".site-", dir=destination.parent) as beside,
    ):
        source, site = Path(workplace, "source"), Path(beside, "site")
        expected = stage(root / "reports", source, evidence, run, manifests, findings)
        renderers.render(source, site)
        links.verify(site, expected)
        lake.publish(site, destination)
    return expected


def stage(
    reports: Path,
    source: Path,
    evidence: Evidence,
    run: Mapping[str, Any],
    manifests: Mapping[str, Mapping[str, Any]],
    findings: quality.Findings,
) -> list[str]:
    """Write a Quarto project with this study's pages and all that they show; return the HTML pages' names."""
    source.mkdir(parents=True)
    project = yaml.safe_load((reports / "_quarto.yml").read_text(encoding="utf-8"))
    hidden = {f"{PAGES[page]}.qmd" for page in PAGES if not evidence.shows(page)}
    menu = [entry for entry in project["website"]["navbar"]["left"] if entry["href"] not in hidden]
    project["website"]["navbar"]["left"] = menu
    context = _context(reports, evidence, run, manifests, findings, menu)

    for name in _ASSETS:
        if (reports / name).is_dir():
            shutil.copytree(reports / name, source / name)
        else:
            shutil.copyfile(reports / name, source / name)
    shutil.copytree(evidence.folder / "figures", source / "figures", ignore=shutil.ignore_patterns("*.json"))
    footer = project["website"]["page-footer"]
    footer["left"] = pages.expand("_quarto.yml", footer["left"], context).strip()
    lake.write_text(source / "_quarto.yml", yaml.safe_dump(project, sort_keys=False, allow_unicode=True))
    for entry in menu:
        text = (reports / entry["href"]).read_text(encoding="utf-8")
        lake.write_text(source / entry["href"], pages.expand(entry["href"], text, context))
    return sorted(Path(entry["href"]).with_suffix(".html").name for entry in menu)


def _context(
    reports: Path,
    evidence: Evidence,
    run: Mapping[str, Any],
    manifests: Mapping[str, Mapping[str, Any]],
    findings: quality.Findings,
    menu: list[dict[str, str]],
) -> pages.Context:
    commit, told = records.commit_of(run), trails.gather(manifests, gate=evidence.shows("models"))
    origin, parts = Sources(told, run), records.parts(run, manifests, told)
    shown = {f"page.{page}" for page in PAGES if evidence.shows(page)}
    for name, part in quality.parts(findings).items():
        parts[f"table-{name}"] = part
        shown.add(f"table.{name}")
    parts = {name: f"{part}\n\n{origin.line(PARTS.get(name, ()))}".rstrip() for name, part in parts.items()}
    for name, entry in evidence.figures.items():
        parts[f"figure-{name}"] = snippets.figure(entry, evidence.folder / "figures", commit, told)
        shown.add(f"figure.{name}")
    for name, entry in evidence.tables.items():
        file = evidence.folder / "reports" / "tables" / f"{name}.parquet"
        parts[f"table-{name}"] = snippets.table(entry, file, commit, told)
        shown.add(f"table.{name}")
    parts["contents"] = _contents(reports, menu)
    left_out = [page["reason"] for name, page in evidence.pages.items() if not page["shown"] and page.get("reason")]
    variables = evidence.numbers | records.variables(run, manifests) | quality.variables(findings)
    variables["report.left_out"] = " ".join(plain(reason) for reason in dict.fromkeys(left_out))
    # What gold was told before a variable was set may hold a secret: a site is shown to others.
    return pages.Context(
        variables=redaction.clean(variables), parts=redaction.clean(parts), shown=frozenset(shown), sources=origin
    )


def _contents(reports: Path, menu: list[dict[str, str]]) -> str:
    """Return the list of the other pages, each with the question that it answers."""
    lines = []
    for entry in menu:
        front_matter = pages.front_matter(entry["href"], (reports / entry["href"]).read_text(encoding="utf-8"))
        if entry["href"] != "index.qmd":
            lines.append(f"- [{entry['text']}]({entry['href']}): {front_matter['description']}")
    return "\n".join(lines)


def _json(path: Path) -> Any:
    if not path.is_file():
        raise PotatoError(
            "Gold does not hold what the report is made from.",
            where=path.name,
            expected=str(path.name),
            found="no such file",
            hint="type `dvc repro gold`",
        )
    return lake.read_json(path)

"""How the report came to be, as parts of pages: the run's stages, its machine, contracts and lineage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from potato import anchors, dictionary, drawing, places, provenance, waterfall
from potato.columns import is_direct
from potato.markdown import plain
from potato.snippets import EMPTY, cell, folded, html_table, numbered_table
from potato.trails import Trails

Manifests = Mapping[str, Mapping[str, Any]]
# Gold's contract is the statistical gate, which the models page shows as a table of gold's own.
_DATA_STAGES = ("bronze", "silver")
_NAMED = 3
"""How many files with the same columns are named, and not only counted."""


def commit_of(run: Mapping[str, Any]) -> str:
    """Return the code's commit in words for the small print."""
    commit = run["environment"].get("git_commit")
    if not commit:
        return "code without a git commit"
    changed = " with uncommitted changes" if run["environment"].get("git_dirty") else ""
    return f"commit `{commit[:10]}`{changed}"


def variables(run: Mapping[str, Any], manifests: Manifests) -> dict[str, str]:
    """Return the report's own variables, which pages name beside gold's: run.*, contracts.*, lineage.*."""
    return {
        "run.id": run["run_id"],
        "run.trace_id": run["trace_id"],
        "run.started": run["started"].replace("T", " ", 1).split(".")[0].removesuffix("Z"),
        "run.study": run["study"],
        "run.engine": run["engine"],
        "run.commit": commit_of(run),
        "run.mlflow": run.get("mlflow") or "",
        "run.sentence": _run_sentence(run),
        "contracts.sentence": _contracts_sentence(manifests),
        "lineage.sentence": _lineage_sentence(manifests),
    }


def parts(run: Mapping[str, Any], manifests: Manifests, trails: Trails) -> dict[str, str]:
    """Return the Markdown of the generated parts by name."""
    return {
        "stages": stages(run),
        "waterfall": waterfall_of(run, trails),
        "environment": environment(run),
        "contracts": contracts(manifests),
        "lineage-graph": lineage_graph(manifests),
        "term-lineage": term_lineage(manifests),
        "column-lineage": column_lineage(manifests, trails),
        "dictionary": data_dictionary(),
    }


def stages(run: Mapping[str, Any]) -> str:
    """Return the table of stages: what ran, what was cached, and which run made it."""
    rows = [
        [
            entry["stage"],
            entry["status"],
            entry.get("run_id") or EMPTY,
            cell(entry.get("seconds"), ".1f"),
            cell(entry.get("rows_in"), ",d"),
            cell(entry.get("rows_out"), ",d"),
        ]
        for entry in run["stages"]
    ]
    header = [("Stage", False), ("Status", False), ("Made by run", False), ("Seconds", True)]
    header += [("Rows read", True), ("Rows written", True)]
    return numbered_table(
        "stages",
        html_table(header, rows, "Stages of this run"),
        "The stages behind this report. A cached stage had nothing new to do: the run named made its output.",
    )


def waterfall_of(run: Mapping[str, Any], trails: Trails) -> str:
    """Return the numbered waterfall of the stages, with the code, queries, contracts and log lines of their cells."""
    caption = (
        "What ran, one after the other. A stage's bar shows when it ran within the run, a cell's when within its"
        " stage, and so on. Open a cell for what it makes and from what, its code, log lines, queries, contracts and"
        " model fits."
    )
    picture = waterfall.draw(run.get("timeline", ()), trails)
    return f"::: {{#fig-waterfall}}\n```{{=html}}\n{picture}\n```\n\n{caption}\n:::"


def environment(run: Mapping[str, Any]) -> str:
    """Return the table of what the run ran on."""
    found = {key: value for key, value in run["environment"].items() if not key.startswith("git_")}
    packages = found.pop("packages", {})
    rows = [[key.replace("_", " ").capitalize(), str(value)] for key, value in found.items()]
    rows += [[name, str(version)] for name, version in packages.items()]
    return numbered_table(
        "environment",
        html_table([("What", False), ("Version", False)], rows, "Environment of this run"),
        "What the run ran on: the machine's kind, Python, and the packages that compute something.",
    )


def contracts(manifests: Manifests) -> str:
    """Return a table of the checks that missed, with what was found, and for each dataset a folded one of all."""
    asked = {stage: manifests[stage]["contracts"] for stage in _DATA_STAGES if manifests[stage]["contracts"]}
    missed = [verdict for verdicts in asked.values() for verdict in verdicts if not verdict["success"]]
    header = [("Result", False), ("What is checked", False), ("Found", False), ("How many", True), ("Dataset", False)]
    blocks = []
    if missed:
        rows = []
        for verdict in sorted(missed, key=lambda verdict: verdict["severity"] != "error"):
            result, sentence, dataset = _asked(verdict)
            rows.append([result, sentence, verdict["observed"], f"{verdict['unexpected_count']:,}", dataset])
        blocks.append(html_table(header, rows, "Checks that did not pass"))
    for dataset in dict.fromkeys(verdict["dataset"] for verdicts in asked.values() for verdict in verdicts):
        own = [verdict for verdicts in asked.values() for verdict in verdicts if verdict["dataset"] == dataset]
        own.sort(key=lambda verdict: verdict["success"])
        passed = sum(verdict["success"] for verdict in own)
        table = html_table(header[:2], [_asked(verdict)[:2] for verdict in own], f"Checks on {dataset}")
        summary = f"{dataset}: {passed} of {_count(len(own), 'check')} passed"
        blocks.append(folded(summary, f"{places.checks(dataset)}\n\n{table}"))
    return "\n\n".join(blocks) or "No contract was evaluated."


def _asked(verdict: Mapping[str, Any]) -> list[str]:
    result = "passed" if verdict["success"] else {"error": "failed"}.get(verdict["severity"], "warning")
    return [result, verdict["sentence"], verdict["dataset"]]


def lineage_graph(manifests: Manifests) -> str:
    """Return the numbered picture of the datasets."""
    caption = (
        "What goes into what. Raw files are copied row by row (bronze), cleaned and gathered by person and week"
        " (silver), and turned into models and tables (gold). A line comes out of boxes, runs down, and ends with an"
        " arrow at what they go into; where lines meet there is a dot. Boxes in one frame come from the same and go"
        " into the same. A box leads to its columns below; one with several files is a folder."
    )
    picture = f'<div class="drawing">\n{drawing.draw(manifests)}\n</div>'
    return f"::: {{#fig-lineage}}\n```{{=html}}\n{picture}\n```\n\n{caption}\n:::"


def term_lineage(manifests: Manifests) -> str:
    """Return a table of each estimate's way back: columns of silver, raw columns behind, and what is held equal."""
    known = provenance.Provenance.of(manifests)
    alike: dict[tuple[str, str], list[str]] = {}
    for dataset, columns in manifests.get("gold", {}).get("column_lineage", {}).items():
        if dataset in manifests["gold"]["outputs"] or not dataset.startswith("gold/models/"):
            continue
        for term in columns:
            step = known.back(f"{dataset}.{term}")
            raw = dict.fromkeys(pair for source in step.sources for pair in known.raw(source))
            names = [(source.dataset, source.column) for source in step.sources]
            told = {
                "computed from": _listed_by(names),
                "out of": _files(list(raw)),
                "decided by": _listed_by(step.decided),
            }
            way = "\n".join(f"{how} {sources}" for how, sources in told.items() if sources)
            alike.setdefault((term, way), []).append(dataset.removeprefix("gold/models/"))
    if not alike:
        return "No model was fitted."
    rows = [[f"{term}\nin {', '.join(models)}", way] for (term, way), models in sorted(alike.items())]
    caption = (
        "Each estimate of the models: the columns of silver that it is computed from, the raw columns that those are"
        " made out of, and what decides on it without being part of it: whose rows they are, and what the model holds"
        " equal."
    )
    header = [("Estimate", False), ("Where it comes from", False)]
    table = html_table(header, rows, "Each estimate and the columns behind it", stacked=True)
    return numbered_table("terms", table, caption)


def column_lineage(manifests: Manifests, trails: Trails) -> str:
    """Return a folded table a dataset: each column, what it is computed from, and what decides on it."""
    blocks = []
    for manifest in manifests.values():
        for dataset in dict.fromkeys([*manifest["outputs"], *manifest["column_lineage"]]):
            found = manifest["column_lineage"].get(dataset, {})
            rows = [
                [places.column(dataset, name), places.linked(_sources(sources), trails)]
                for name, sources in found.items()
            ]
            header = [("Column", False), ("Where it comes from", False)]
            told = (
                html_table(header, rows, f"Columns of {dataset}", stacked=True)
                if rows
                else "Its columns are not traced."
            )
            if deciding := _listed_by(_pairs(manifest["row_lineage"].get(dataset, ()))):
                told = f"Which rows there are is decided by {plain(deciding)}.\n\n{told}"
            place = places.dataset(trails[dataset])
            blocks.append(folded(f"{dataset}: {_count(len(found), 'column')}", f"{place}\n\n{told}"))
    return "\n\n".join(blocks) or "No column lineage was recorded."


def data_dictionary() -> str:
    """Return the data dictionary: a heading, a paragraph and a table a dataset."""
    blocks = []
    for section in dictionary.sections():
        blocks += [f"{'#' * section.depth} {section.title}", section.text]
        if section.rows:
            rows = [[text or EMPTY for text in row] for row in section.rows]
            blocks.append(html_table([(name, False) for name in section.header], rows, section.title))
        if section.rows or any(map(str.isdigit, section.text)):
            blocks.append(f"[Source: [`potato/schema.py`]({anchors.RUN}#make-it-again).]{{.source}}")
    return "\n\n".join(blocks)


def _sources(sources: list[Mapping[str, Any]]) -> str:
    computed = _listed_by(_pairs(source for source in sources if is_direct(source)))
    decided = _listed_by(_pairs(source for source in sources if not is_direct(source)))
    told = {"computed from" if computed else "": computed, "decided by" if computed else "counted, decided by": decided}
    return "\n".join(f"{how} {names}" for how, names in told.items() if names) or EMPTY


def _pairs(sources: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(source["dataset"], source["column"]) for source in sources]


def _listed_by(pairs: list[tuple[str, str]]) -> str:
    by_dataset: dict[str, list[str]] = {}
    for dataset, column in pairs:
        by_dataset.setdefault(dataset, []).append(column)
    # A study can have a file for each person; the same columns of many files are told once.
    by_columns: dict[str, list[str]] = {}
    for dataset, columns in sorted(by_dataset.items()):
        by_columns.setdefault(", ".join(sorted(columns)), []).append(dataset)
    return "; ".join(
        f"{', '.join(datasets) if len(datasets) <= _NAMED else f'{len(datasets):,} files'}: {columns}"
        for columns, datasets in by_columns.items()
    )


def _files(pairs: list[tuple[str, str]]) -> str:
    return _listed_by([(PurePosixPath(file).name, column) for file, column in pairs])


def _run_sentence(run: Mapping[str, Any]) -> str:
    ran = [entry for entry in run["stages"] if entry["status"] == "ran"]
    cached = [entry["stage"] for entry in run["stages"] if entry["status"] == "cached"]
    seconds = sum(entry.get("seconds") or 0 for entry in ran)
    said = f"{_count(len(ran), 'stage')} ran, in {seconds:.0f} seconds altogether"
    if cached:
        said += f"; {_listed(cached)} had nothing new to do, and the run that made what is shown is named below"
    return f"{said}."


def _contracts_sentence(manifests: Manifests) -> str:
    verdicts = [verdict for stage in _DATA_STAGES for verdict in manifests[stage]["contracts"]]
    missed = [verdict for verdict in verdicts if not verdict["success"]]
    if not verdicts:
        return "No contract was evaluated."
    if not missed:
        return f"All {_count(len(verdicts), 'check')} of the data passed."
    warnings = sum(verdict["severity"] == "warning" for verdict in missed)
    kinds = [_count(n, noun) for n, noun in ((len(missed) - warnings, "failure"), (warnings, "warning")) if n]
    passed = f"{len(verdicts) - len(missed)} of {_count(len(verdicts), 'check')} of the data passed"
    return f"{passed}, with {_listed(kinds)}."


def _lineage_sentence(manifests: Manifests) -> str:
    read = len(manifests.get("bronze", {}).get("inputs", ()))
    written = sum(len(manifest["outputs"]) for manifest in manifests.values())
    traced = sum(len(columns) for manifest in manifests.values() for columns in manifest["column_lineage"].values())
    made = f"{_count(read, 'raw file')} became {_count(written, 'dataset')}"
    return f"{made}, with {_count(traced, 'column')} traced to what they come from."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

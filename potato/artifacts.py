"""What gold leaves behind: models, figures, tables, sentences and numbers as files, listed in the stage's manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from potato import lake, origins, redaction, schema
from potato.design import Sample
from potato.fits import Fit
from potato.manifest import Manifest, Verdict
from potato.results import COEFFICIENTS, COVARIANCE, GOLD
from potato.tables import Table

if TYPE_CHECKING:
    from potato.figures import Figure


@dataclass(frozen=True)
class Results:
    """Everything that gold made of one study.

    Attributes
    ----------
    frames : the datasets of GOLD by the last part of their name.
    models : what stands in model.json of each fitted model, with the fit.
    confidence : coverage of the models' intervals.
    figures, tables : by id.
    numbers : the report's sentences and numbers by part and name.
    pages : which pages the study has data for.
    metrics : the flat numbers of `dvc metrics show`.
    weekly_change : mean weight change by study_week over everybody, for `dvc plots show`.
    """

    frames: Mapping[str, pd.DataFrame]
    models: Mapping[str, tuple[Mapping[str, Any], Fit]]
    confidence: float
    figures: Mapping[str, Figure]
    tables: Mapping[str, Table]
    numbers: Mapping[str, Mapping[str, str]]
    pages: Mapping[str, Any]
    metrics: Mapping[str, float]
    weekly_change: pd.DataFrame


def save(study: str, results: Results, sample: Sample, contracts: Sequence[Verdict]) -> Manifest:
    """Write the results into the stage's staging folder, and return the manifest that lists them.

    `sample` is what the models were fitted to: gold's column lineage names its columns.
    """
    manifest = Manifest("gold", study, contracts=list(contracts), metrics=dict(results.metrics))
    for name in schema.SILVER:
        manifest.add_input(f"silver/{name}", lake.input(f"data/silver/{name}"))
    manifest.add_input("silver/ledger", lake.input("data/silver/ledger.json"))
    _write_frames(manifest, results.frames)
    _write_models(results)
    fits = {name: fit for name, (_, fit) in results.models.items()}
    manifest.column_lineage |= origins.of_tables(fits, sample, results.frames) | origins.of_terms(fits, sample)
    manifest.column_lineage |= origins.of_reports(results.tables, fits, sample)
    fingerprints = manifest.inputs | {name: output["fingerprint"] for name, output in manifest.outputs.items()}
    _write_figures(results.figures, fingerprints)
    _write_tables(results.tables, fingerprints)
    for name, content in (("numbers", results.numbers), ("pages", results.pages), ("metrics", results.metrics)):
        lake.write_json(lake.output(f"data/gold/reports/{name}.json"), redaction.clean(content, redaction.FORM))
    _write_plots(results)
    manifest.write()
    return manifest


def _write_frames(manifest: Manifest, frames: Mapping[str, pd.DataFrame]) -> None:
    for name, dataset in GOLD.items():
        table = pa.Table.from_pandas(frames[name], schema=dataset.arrow(), preserve_index=False).cast(dataset.arrow())
        path = lake.output(f"data/{dataset.name}.parquet")
        with manifest.output(dataset.name, path, table, dataset):
            lake.write_file(table, path)


def _write_models(results: Results) -> None:
    """Write each fitted model whole: what it is, all its terms, and their covariance."""
    for name, (document, fit) in results.models.items():
        lake.write_json(lake.output(f"data/gold/models/{name}/model.json"), document)
        terms = fit.coefficients(results.confidence, all_terms=True)
        for dataset, frame in ((COEFFICIENTS, terms), (COVARIANCE, fit.covariances())):
            table = pa.Table.from_pandas(frame, schema=dataset.arrow(), preserve_index=False)
            kind = dataset.name.removeprefix("gold/models/")
            lake.write_file(table, lake.output(f"data/gold/models/{name}/{kind}.parquet"))


def _write_figures(figures: Mapping[str, Figure], fingerprints: Mapping[str, str]) -> None:
    for figure in figures.values():
        for kind, content in figure.files.items():
            lake.output(f"data/gold/figures/{figure.id}.{kind}").write_bytes(content)
    entries = [figure.entry(fingerprints[figure.dataset]) for figure in figures.values()]
    lake.write_json(lake.output("data/gold/figures/figures.json"), redaction.clean(entries, redaction.FORM))


def _write_tables(tables: Mapping[str, Table], fingerprints: Mapping[str, str]) -> None:
    for table in tables.values():
        lake.write_file(table.arrow(), lake.output(f"data/gold/reports/tables/{table.id}.parquet"))
    entries = [table.entry(fingerprints[table.dataset]) for table in tables.values()]
    lake.write_json(lake.output("data/gold/reports/tables.json"), redaction.clean(entries, redaction.FORM))


def _write_plots(results: Results) -> None:
    """Write what `dvc plots show` draws: the mean change by week, and the estimates."""
    weekly = results.weekly_change[["study_week", "mean", "n"]].round(6)
    estimates = results.frames["coefficients"][["model", "term", "estimate", "conf_low", "conf_high"]]
    for name, frame in (("weekly_change", weekly), ("coefficients", estimates)):
        text = frame.to_csv(index=False, lineterminator="\n")
        lake.write_text(lake.output(f"data/gold/reports/plots/{name}.csv"), text)

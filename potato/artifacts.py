"""What gold leaves behind: models, figures, tables, sentences and numbers as files, listed in the stage's manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from potato import lake, schema
from potato.manifest import Manifest, Verdict
from potato.models import CORRECTIONS, Training
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
    figures, tables : by id.
    numbers : the report's sentences and numbers by part and name.
    pages : which pages the study has data for.
    metrics : the flat numbers of `dvc metrics show`.
    weekly_change : mean weight change by study_week over everybody, for `dvc plots show`.
    """

    frames: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Figure]
    tables: Mapping[str, Table]
    numbers: Mapping[str, Mapping[str, str]]
    pages: Mapping[str, Any]
    metrics: Mapping[str, float]
    weekly_change: pd.DataFrame


def save(study: str, results: Results, training: Training, contracts: Sequence[Verdict]) -> Manifest:
    """Write the results and the models into the stage's staging folder, and return the manifest that lists them."""
    manifest = Manifest("gold", study, contracts=list(contracts), metrics=dict(results.metrics))
    for name in schema.SILVER:
        manifest.add_input(f"silver/{name}", lake.input(f"data/silver/{name}"))
    manifest.add_input("silver/ledger", lake.input("data/silver/ledger.json"))
    _write_frames(manifest, results.frames)
    _write_models(training)
    _trace_coefficients(manifest, training)
    fingerprints = manifest.inputs | {name: output["fingerprint"] for name, output in manifest.outputs.items()}
    _write_figures(results.figures, fingerprints)
    _write_tables(results.tables, fingerprints)
    for name, content in (("numbers", results.numbers), ("pages", results.pages), ("metrics", results.metrics)):
        lake.write_json(lake.output(f"data/gold/reports/{name}.json"), content)
    _write_plots(results)
    manifest.write()
    return manifest


def _write_frames(manifest: Manifest, frames: Mapping[str, pd.DataFrame]) -> None:
    for name, dataset in GOLD.items():
        table = pa.Table.from_pandas(frames[name], schema=dataset.arrow(), preserve_index=False).cast(dataset.arrow())
        path = lake.output(f"data/{dataset.name}.parquet")
        lake.write_file(table, path)
        manifest.add_output(dataset.name, path, table, dataset)


def _write_models(training: Training) -> None:
    """Write a folder for each fitted model: what it is, all of its estimates, and their covariance.

    No pickle: whoever reads a model needs neither this package nor the version of statsmodels that fitted it.
    """
    for name, fit in training.fits.items():
        folder = lake.output(f"data/gold/models/{name}/model.json").parent
        lake.write_json(folder / "model.json", fit.document(training.sample.formula, CORRECTIONS[name]))
        # The interval's coverage is no part of the model; 95% is what a reader expects of a file without a setting.
        terms = pa.Table.from_pandas(fit.coefficients(0.95, all_terms=True), COEFFICIENTS.arrow(), preserve_index=False)
        lake.write_file(terms.cast(COEFFICIENTS.arrow()), folder / "coefficients.parquet")
        covariance = pa.Table.from_pandas(fit.covariances(), COVARIANCE.arrow(), preserve_index=False)
        lake.write_file(covariance.cast(COVARIANCE.arrow()), folder / "covariance.parquet")


def _trace_coefficients(manifest: Manifest, training: Training) -> None:
    sample = training.sample
    if not len(training.coefficients):
        return
    used = [sample.outcome, *sample.covariates, *sample.controls, "subject_id"]
    sources = [{"dataset": "silver/modeling_dataset", "column": column} for column in used]
    numbers = [c.name for c in COEFFICIENTS.columns if pa.types.is_floating(c.type) or c.name.startswith("n_")]
    manifest.column_lineage[COEFFICIENTS.name] = dict.fromkeys(numbers, sources)


def _write_figures(figures: Mapping[str, Figure], fingerprints: Mapping[str, str]) -> None:
    for figure in figures.values():
        for kind, content in figure.files.items():
            lake.output(f"data/gold/figures/{figure.id}.{kind}").write_bytes(content)
    entries = [figure.entry(fingerprints[figure.dataset]) for figure in figures.values()]
    lake.write_json(lake.output("data/gold/figures/figures.json"), entries)


def _write_tables(tables: Mapping[str, Table], fingerprints: Mapping[str, str]) -> None:
    for table in tables.values():
        lake.write_file(table.arrow(), lake.output(f"data/gold/reports/tables/{table.id}.parquet"))
    entries = [table.entry(fingerprints[table.dataset]) for table in tables.values()]
    lake.write_json(lake.output("data/gold/reports/tables.json"), entries)


def _write_plots(results: Results) -> None:
    """Write what `dvc plots show` draws: the mean change by week, and the estimates."""
    weekly = results.weekly_change[["study_week", "mean", "n"]].round(6)
    estimates = results.frames["coefficients"][["model", "term", "estimate", "conf_low", "conf_high"]]
    for name, frame in (("weekly_change", weekly), ("coefficients", estimates)):
        text = frame.to_csv(index=False, lineterminator="\n")
        lake.write_text(lake.output(f"data/gold/reports/plots/{name}.csv"), text)

"""Contracts: Great Expectations suites made from the data dictionary, evaluated where the data is."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from potato import schema
from potato.manifest import Verdict

# Read at import time by Great Expectations, hence before it.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
logging.getLogger("great_expectations").setLevel(logging.WARNING)


def expectations(dataset: schema.Dataset, *, at_least: int = 0) -> list[Any]:
    """Return the Great Expectations expectations of `dataset`: columns, required values, bounds, key and row count.

    Each carries its severity and a sentence for the reader in `meta`. `at_least` is how many rows there must be.
    """
    import great_expectations.expectations as gxe

    made: list[Any] = [
        gxe.ExpectTableColumnsToMatchOrderedList(
            column_list=dataset.names,
            meta=_meta("error", f"{dataset.name} has the columns of the dictionary, in order."),
        ),
        gxe.ExpectTableRowCountToBeBetween(
            min_value=at_least,
            meta=_meta("error", f"{dataset.name} has {f'at least {at_least}' if at_least else 'zero or more'} rows."),
        ),
    ]
    if len(dataset.key) > 1:
        made.append(
            gxe.ExpectCompoundColumnsToBeUnique(
                column_list=list(dataset.key), meta=_meta("error", f"{' and '.join(dataset.key)} identify a row.")
            )
        )
    for column in dataset.columns:
        if column.required:
            made.append(
                gxe.ExpectColumnValuesToNotBeNull(
                    column=column.name, meta=_meta("error", f"{column.name} is never missing.")
                )
            )
        if column.minimum is not None or column.maximum is not None:
            made.append(
                gxe.ExpectColumnValuesToBeBetween(
                    column=column.name,
                    min_value=column.minimum,
                    max_value=column.maximum,
                    meta=_meta(column.severity, f"{column.name} lies within {_bounds(column)}."),
                )
            )
    return made


def check(table: pa.Table, dataset: schema.Dataset, *, at_least: int = 0) -> list[Verdict]:
    """Evaluate the contract of `dataset` on `table` and return a verdict for each expectation."""
    import great_expectations as gx

    context = _context()
    frame = table.to_pandas()
    batch = (
        context.data_sources.add_pandas(f"{dataset.name} source")
        .add_dataframe_asset(dataset.name)
        .add_batch_definition_whole_dataframe("whole")
        .get_batch({"dataframe": frame})
    )
    suite = gx.ExpectationSuite(name=dataset.name, expectations=expectations(dataset, at_least=at_least))
    return [_verdict(dataset, result) for result in batch.validate(suite).results]


def failures(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the verdicts that stop a stage."""
    return [v for v in verdicts if not v.success and v.severity == "error"]


def _context() -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return context


def _meta(severity: str, sentence: str) -> dict[str, str]:
    return {"severity": severity, "sentence": sentence}


def _bounds(column: schema.Column) -> str:
    low = "-∞" if column.minimum is None else f"{column.minimum:,g}"
    high = "∞" if column.maximum is None else f"{column.maximum:,g}"
    return f"{low} to {high} {column.unit}".rstrip()


def _verdict(dataset: schema.Dataset, result: Any) -> Verdict:
    config = result.expectation_config
    found = result.result
    raised = any(
        info.get("raised_exception") for info in (result.exception_info or {}).values() if isinstance(info, dict)
    )
    if raised:
        observed = "the expectation could not be evaluated"
    elif "observed_value" in found:
        observed = str(found["observed_value"])
    else:
        sample = ", ".join(str(v) for v in found.get("partial_unexpected_list", [])[:5])
        observed = sample or "as expected"
    return Verdict(
        dataset=dataset.name,
        expectation=config.type,
        column=str(config.kwargs.get("column", "")),
        severity=config.meta["severity"],
        success=bool(result.success),
        observed=observed,
        unexpected_count=int(found.get("unexpected_count") or 0),
        sentence=config.meta["sentence"],
    )

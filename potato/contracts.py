"""Contracts: Great Expectations suites made from the data dictionary and from rules, evaluated where the data is."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from potato import cluster, schema, spans
from potato.errors import PotatoError
from potato.manifest import Verdict, counted

# Read at import time by Great Expectations, hence before it.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
logging.getLogger("great_expectations").setLevel(logging.WARNING)

_NAMED = 8
_OF_TABLES = 2  # the first ones of `expectations` are about a table, all others about each of its rows
_MEND = {
    "bronze": "mend the raw files or the study's mapping",
    "silver": "mend the raw rows or the study's mapping",
    "gold": "change the covariates under `gold:` in params.yaml, or look at the rows that the model uses",
}


class GateFailed(PotatoError):
    """A contract or the statistical gate refused the stage's output."""


@dataclass(frozen=True)
class Rule:
    """A rule across columns, rows or tables: a number, measured for each file or person, lies within bounds.

    Attributes
    ----------
    name : what the rule is called in records.
    dataset : the dataset that it is about.
    severity : error or warning.
    sentence : the rule in words, for the reader of the report.
    measured : the number by the name of the file or person that it was measured for.
    low, high : closed bounds of the number; None where there is none.
    shown : format specification of the number; empty where the name alone says it.
    """

    name: str
    dataset: str
    severity: str
    sentence: str
    measured: Mapping[str, float]
    low: float | None = None
    high: float | None = None
    shown: str = ""


def expectations(dataset: schema.Dataset, *, at_least: int = 0) -> list[Any]:
    """Return the Great Expectations expectations of `dataset`: columns, required values, bounds, key and row count.

    Each carries its severity and a sentence for the reader in `meta`. `at_least` is how many rows there must be.
    """
    with cluster.quiet():
        import great_expectations.expectations as gxe

    made: list[Any] = [
        gxe.ExpectTableColumnsToMatchOrderedList(
            column_list=dataset.names,
            meta=_meta("error", f"{dataset.name} has the columns of the dictionary, in order."),
        ),
        gxe.ExpectTableRowCountToBeBetween(
            min_value=at_least,
            meta=_meta("error", f"{dataset.name} has {_at_least(at_least)}."),
        ),
    ]
    # Of bronze a rule tells it for each file (rules.bronze): pandas needs a tenth of a second for a million places.
    key = () if dataset in schema.BRONZE.values() else dataset.key
    if len(key) > 1:
        meta = _meta("error", f"{', '.join(key[:-1])} and {key[-1]} identify a row.")
        made.append(gxe.ExpectCompoundColumnsToBeUnique(column_list=list(key), meta=meta))
    elif key:
        meta = _meta("error", f"{key[0]} identifies a row.")
        made.append(gxe.ExpectColumnValuesToBeUnique(column=key[0], meta=meta))
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


def check(table: Any, dataset: schema.Dataset, *, at_least: int = 0) -> list[Verdict]:
    """Evaluate the contract of `dataset` on `table` and return a verdict for each expectation.

    `table` is an Arrow table, or a DataFrame of Spark, where Great Expectations asks Spark.
    """
    with cluster.quiet():
        import great_expectations as gx

    with spans.span(f"contract {dataset.name}", **{"potato.dataset": dataset.name}) as told:
        asked = expectations(dataset, at_least=at_least)
        if isinstance(table, pa.Table):
            batch = _batch(_frame(table, dataset))
            # Where there is no row, none is against what is expected of each.
            asked, held = (asked, []) if table.num_rows else (asked[:_OF_TABLES], asked[_OF_TABLES:])
        else:
            batch, held = _spark_batch(table), []
        with cluster.quiet():
            found = batch.validate(gx.ExpectationSuite(dataset.name, expectations=asked), result_format="BASIC")
        verdicts = [_verdict(dataset, result) for result in found.results] + [_held(dataset, one) for one in held]
        told |= counted(verdicts)
    return verdicts


def hold(rules: Sequence[Rule]) -> list[Verdict]:
    """Evaluate rules and return a verdict for each, in their order; what is against a rule is named in the verdict."""
    import pandas as pd

    with cluster.quiet():
        import great_expectations as gx
        import great_expectations.expectations as gxe

    if not rules:
        return []
    # One table for all, a column a rule, since most of the time goes into each validation and not into its rows.
    frame = pd.DataFrame({rule.name: pd.Series(list(rule.measured.values()), dtype="float64") for rule in rules})
    bounds = [
        gxe.ExpectColumnValuesToBeBetween(column=rule.name, min_value=rule.low, max_value=rule.high) for rule in rules
    ]
    with spans.span("contract rules", **{"potato.dataset": ",".join(sorted({rule.dataset for rule in rules}))}) as told:
        suite = gx.ExpectationSuite(name="rules", expectations=bounds)
        found = _batch(frame).validate(suite, result_format="COMPLETE")
        results = {result.expectation_config.kwargs["column"]: result for result in found.results}
        verdicts = [_verdict_of_rule(rule, results[rule.name]) for rule in rules]
        told |= counted(verdicts)
    return verdicts


def enforce(stage: str, verdicts: Sequence[Verdict]) -> None:
    """Stop at the gate: an expectation of severity error that failed keeps the stage's output from being published.

    Raises
    ------
    GateFailed : naming the first expectations that failed.
    """
    failed = failures(verdicts)
    if not failed:
        return
    first = failed[0]
    others = "".join(f"\n            {v.dataset}: {v.sentence} Found: {v.observed}" for v in failed[1:6])
    raise GateFailed(
        f"The {stage} contract is broken in {len(failed)} place{'s' if len(failed) > 1 else ''}.",
        where=f"{first.dataset}, column {first.column}" if first.column else first.dataset,
        expected=first.sentence,
        found=f"{first.observed} ({first.unexpected_count} rows){others}",
        hint=_MEND[stage] + ", then `dvc repro`; the last good output is untouched",
    )


def failures(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return the verdicts that stop a stage."""
    return [v for v in verdicts if not v.success and v.severity == "error"]


@functools.cache
def _context() -> Any:
    """Return Great Expectations' context: one a process, since making one takes time."""
    with cluster.quiet():
        import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.execution_engine import pandas_execution_engine

    # It would hash each cell of a frame to name the batch; a dataset has its fingerprint already.
    pandas_execution_engine.HASH_THRESHOLD = 0
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return context


@functools.cache
def _tables() -> Any:
    """Return where tables are handed to Great Expectations."""
    asset = _context().data_sources.add_pandas("potato").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("whole")


@functools.cache
def _spark_tables() -> Any:
    """Return where DataFrames of Spark are handed to Great Expectations."""
    source = _context().data_sources.add_spark("spark", persist=False)
    return source.add_dataframe_asset("table").add_batch_definition_whole_dataframe("whole")


def _spark_batch(frame: Any) -> Any:
    with cluster.quiet():
        return _spark_tables().get_batch({"dataframe": frame})


def _batch(frame: Any) -> Any:
    return _tables().get_batch({"dataframe": frame})


def _frame(table: pa.Table, dataset: schema.Dataset) -> Any:
    """Return what the expectations of `dataset` look at as a pandas frame.

    Bronze holds a million texts a column: those that no expectation looks at are left out and only their names are
    there, the others become categories.
    """
    import numpy as np
    import pandas as pd

    looked_at = _looked_at(dataset)
    columns: dict[str, Any] = {}
    for name in table.column_names:
        column = table[name]
        if name not in looked_at:
            columns[name] = np.zeros(len(table), dtype="int8")
        elif pa.types.is_string(column.type):
            columns[name] = column.dictionary_encode().to_pandas()
        else:
            series = column.to_pandas()
            # Great Expectations compares 64 bits at once, and anything shorter value by value.
            columns[name] = series.astype("int64") if series.dtype.kind == "i" else series
    return pd.DataFrame(columns, copy=False)


def _looked_at(dataset: schema.Dataset) -> set[str]:
    """Return the columns of which an expectation looks at the values."""
    return {c.name for c in dataset.columns if c.required or c.minimum is not None or c.maximum is not None} | {
        *dataset.key
    }


def _meta(severity: str, sentence: str) -> dict[str, str]:
    return {"severity": severity, "sentence": sentence}


def _at_least(rows: int) -> str:
    return f"at least {rows:,} row{'s' if rows > 1 else ''}" if rows else "zero or more rows"


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


def _held(dataset: schema.Dataset, expectation: Any) -> Verdict:
    return Verdict(
        dataset=dataset.name,
        expectation=expectation.expectation_type,
        column=getattr(expectation, "column", ""),
        severity=expectation.meta["severity"],
        success=True,
        observed="as expected",
        unexpected_count=0,
        sentence=expectation.meta["sentence"],
    )


def _verdict_of_rule(rule: Rule, result: Any) -> Verdict:
    names, values = list(rule.measured), list(rule.measured.values())
    against = result.result.get("unexpected_index_list") or []
    told = [f"{names[i]} ({values[i]:{rule.shown}})" if rule.shown else names[i] for i in against[:_NAMED]]
    more = f" and {len(against) - _NAMED:,} more" if len(against) > _NAMED else ""
    return Verdict(
        dataset=rule.dataset,
        expectation=rule.name,
        column="",
        severity=rule.severity,
        success=bool(result.success),
        observed=", ".join(told) + more if told else "as expected",
        unexpected_count=len(against),
        sentence=rule.sentence,
    )

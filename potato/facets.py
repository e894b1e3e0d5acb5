"""What lineage events say of runs, jobs and datasets: OpenLineage's facets, made from a stage's manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from openlineage.client import facet_v2 as facets

from potato import naming
from potato.columns import DIRECT
from potato.run import Run

Manifest = Mapping[str, Any]
Location = tuple[str, str]
RunFacets = dict[str, facets.RunFacet]
DatasetFacets = dict[str, facets.DatasetFacet]

PIPELINE_JOB = "potato.pipeline"


def parent(run: Run, namespace: str) -> RunFacets:
    """Return the pipeline's run as the parent of a stage's run, and as the root of all."""
    parts = facets.parent_run
    return {
        "parent": parts.ParentRunFacet(
            run=parts.Run(run.id),
            job=parts.Job(namespace, PIPELINE_JOB),
            root=parts.Root(run=parts.RootRun(run.id), job=parts.RootJob(namespace, PIPELINE_JOB)),
        )
    }


def trace(run: Run) -> RunFacets:
    """Return the tag that leads from the lineage of a run to its trace, metrics and logs."""
    tag = facets.tags_run.TagsRunFacetFields(key="trace_id", value=run.trace_id, source="POTATO")
    return {"tags": facets.tags_run.TagsRunFacet(tags=[tag])}


def parameters(settings: Mapping[str, Any], stage: str) -> RunFacets:
    """Return what the stage was told: study, engine and the stage's own section of params.yaml, `settings`."""
    told = {name: settings[name] for name in ("study", "engine") if name in settings}
    told |= {f"{stage}.{name}": value for name, value in _flat(settings.get(stage) or {})}
    parts = facets.execution_parameters_run
    listed = [parts.ExecutionParameter(key=name, name=name, value=_text(value)) for name, value in told.items()]
    return {"executionParameters": parts.ExecutionParametersRunFacet(parameters=listed)} if listed else {}


def error(message: str, trail: str | None = None) -> RunFacets:
    """Return what ended a run, with the Python traceback where there is one."""
    kind = facets.error_message_run.ErrorMessageRunFacet
    return {"errorMessage": kind(message=message, programmingLanguage="PYTHON", stackTrace=trail)}


def tests(manifest: Manifest) -> RunFacets:
    """Return the verdicts as the run's tests, where those of a stage that published nothing belong."""
    found = [
        facets.test_run.TestExecution(
            name=_test(verdict["dataset"], verdict["column"], verdict["expectation"]),
            status="pass" if verdict["success"] else "fail",
            severity=_severity(verdict),
            type=verdict["expectation"],
            description=verdict["sentence"],
            actual=str(verdict["observed"]),
        )
        for verdict in manifest["contracts"]
    ]
    return {"test": facets.test_run.TestRunFacet(tests=found)} if found else {}


def assertions(manifest: Manifest, dataset: str) -> DatasetFacets:
    """Return the verdicts of one dataset. The gate's are about models and terms, which are no columns of it."""
    columns = {field["name"] for field in manifest["outputs"].get(dataset, {}).get("schema", ())}
    found = [
        facets.data_quality_assertions_dataset.Assertion(
            assertion=verdict["expectation"],
            name=_test(verdict["column"], verdict["expectation"]),
            success=verdict["success"],
            column=verdict["column"] if verdict["column"] in columns else None,
            severity=_severity(verdict),
            description=verdict["sentence"],
            actual=str(verdict["observed"]),
        )
        for verdict in manifest["contracts"]
        if verdict["dataset"] == dataset
    ]
    if not found:
        return {}
    # Its schema calls it a facet of inputs; consumers read it among the facets of any dataset.
    facet: Any = facets.data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(assertions=found)
    return {"dataQualityAssertions": facet}


def source(root: Path | str) -> DatasetFacets:
    """Return the disk or bucket that the dataset is in."""
    name, uri = naming.source(root)
    return {"dataSource": facets.datasource_dataset.DatasourceDatasetFacet(name=name, uri=uri)}


def version(fingerprint: str | None) -> DatasetFacets:
    """Return the fingerprint of a dataset's content as its version."""
    if fingerprint is None:
        return {}
    return {"version": facets.dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=fingerprint)}


def schema(fields: Sequence[Mapping[str, str]]) -> DatasetFacets:
    """Return columns with name and, where they are known, type and description."""
    parts = facets.schema_dataset
    listed = [
        parts.SchemaDatasetFacetFields(
            name=field["name"], type=field.get("type"), description=field.get("description"), ordinal_position=position
        )
        for position, field in enumerate(fields, start=1)
    ]
    return {"schema": parts.SchemaDatasetFacet(fields=listed)} if listed else {}


def column_lineage(
    derived: Mapping[str, Sequence[Mapping[str, Any]]],
    deciding: Sequence[Mapping[str, Any]],
    located: Mapping[str, Location],
) -> DatasetFacets:
    """Return the columns that each column comes from, and those that decide on the rows of the whole dataset.

    `derived` and `deciding` are a dataset's column and row lineage in a manifest, `located` has namespace and name of
    each dataset in them.
    """
    if not derived and not deciding:
        return {}
    parts = facets.column_lineage_dataset

    def field(source: Mapping[str, Any]) -> facets.column_lineage_dataset.InputField:
        told = [_transformation(how) for how in source["transformations"]]
        return parts.InputField(*located[source["dataset"]], source["column"], transformations=told)

    fields = {column: parts.Fields(inputFields=[field(one) for one in sources]) for column, sources in derived.items()}
    whole = [field(source) for source in deciding]
    return {"columnLineage": parts.ColumnLineageDatasetFacet(fields=fields, dataset=whole)}


def rows(number: int) -> dict[str, facets.OutputDatasetFacet]:
    """Return how many rows were written."""
    return {
        "outputStatistics": facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=number)
    }


def _transformation(how: str) -> facets.column_lineage_dataset.Transformation:
    return facets.column_lineage_dataset.Transformation(type="DIRECT" if how in DIRECT else "INDIRECT", subtype=how)


def _test(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _severity(verdict: Mapping[str, Any]) -> str:
    return "warn" if verdict["severity"] == "warning" else str(verdict["severity"])


def _flat(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "null" if value is None else str(value)

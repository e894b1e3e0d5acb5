"""What a stage read and wrote, as OpenLineage events: into a file, and to a backend where one is set."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from openlineage.client import event_v2 as openlineage
from openlineage.client import facet_v2 as facets
from openlineage.client.serde import Serde
from openlineage.client.uuid import generate_new_uuid

from potato import backend
from potato import run as runs

PIPELINE_JOB = "potato.pipeline"
ENGINES = {"duckdb": "duckdb", "spark": "pyspark"}
"""Processing engine: the package that has its version."""

_SOURCES = {"simulate": "potato/simulate.py", "report": "reports"}
_OUTSIDE_DATA = {"site": "_site"}

Manifest = Mapping[str, Any]


class Lineage:
    """Tells one execution of one stage: one START event, then one COMPLETE, FAIL or ABORT event.

    Events are appended to lineage.jsonl in the run's folder. They are also sent where OPENLINEAGE_URL,
    another setting of the OpenLineage client, or its configuration file names a backend, unless
    OPENLINEAGE_DISABLED is "true". Sending never raises; see `backend.Backend` for what a dead backend costs.

    Datasets have the names of OpenLineage's naming specification for local files: the namespace "file" and
    the absolute path. The job's namespace is OPENLINEAGE_NAMESPACE, or "potato". Every execution has a run id
    of its own (`run_id`), whose parent and root is the pipeline's run, `Run.id`.

    Parameters
    ----------
    run : the pipeline's run.
    stage : the job is called "potato.STAGE".
    root : the project's folder.
    engine : what the stage computes with, a name in ENGINES.
    """

    def __init__(self, run: runs.Run, stage: str, root: Path, *, engine: str = "duckdb") -> None:
        self.run, self.stage, self.root = run, stage, root.resolve()
        self.run_id = str(generate_new_uuid())
        self._engine = engine
        self._git = runs.environment(self.root)
        page, commit = _web_address(self._git["git_url"] or ""), self._git["git_commit"]
        # The client names itself as the producer where nothing better is known.
        self._producer = f"{page}/tree/{commit}" if page and commit else ""
        self._inputs: list[str] = []
        self._backend = backend.Backend()
        self._namespace = backend.namespace()

    def start(self, inputs: Iterable[str] = ()) -> None:
        """Tell that the stage begins to read the datasets `inputs`, by names such as "bronze/weight"."""
        self._inputs = list(inputs)
        self._emit(openlineage.RunState.START, inputs=[self._input(name) for name in self._inputs])

    def complete(self, manifest: Manifest) -> None:
        """Tell that the outputs are published; waits until the backend has the event, within bounds."""
        versions = manifest["inputs"] or dict.fromkeys(self._inputs)
        self._emit(
            openlineage.RunState.COMPLETE,
            inputs=[self._input(name, version) for name, version in versions.items()],
            outputs=[self._output(name, entry, manifest) for name, entry in manifest["outputs"].items()],
            run_facets=_tests(manifest) | _parameters(manifest),
        )
        self._backend.close()

    def fail(self, error: BaseException, manifest: Manifest | None = None) -> None:
        """Tell that the stage ended without a result: FAIL, or ABORT when a person or a signal ended it.

        `manifest` is what the stage had written before its gate refused it. Its contract verdicts are told;
        its datasets are named without a version or a count, because they are not published.
        """
        state = openlineage.RunState.FAIL if isinstance(error, Exception) else openlineage.RunState.ABORT
        message = facets.error_message_run.ErrorMessageRunFacet(
            message=str(error) or type(error).__name__,
            programmingLanguage="PYTHON",
            stackTrace="".join(traceback.format_exception(error)),
        )
        written = manifest["outputs"] if manifest else {}
        self._emit(
            state,
            inputs=[self._input(name) for name in self._inputs],
            outputs=[
                openlineage.OutputDataset(*self._name(name), facets=_assertions(manifest or {}, name))
                for name in written
            ],
            run_facets={"errorMessage": message, **(_tests(manifest) if manifest else {})},
        )
        self._backend.close()

    def _emit(
        self,
        state: openlineage.RunState,
        *,
        inputs: Sequence[openlineage.InputDataset] = (),
        outputs: Sequence[openlineage.OutputDataset] = (),
        run_facets: Mapping[str, facets.RunFacet] | None = None,
    ) -> None:
        event = openlineage.RunEvent(
            eventType=state,
            eventTime=runs.now(),
            producer=self._producer,
            run=openlineage.Run(self.run_id, {**self._parent(), **self._processing(), **(run_facets or {})}),
            job=openlineage.Job(self._namespace, f"potato.{self.stage}", self._job_facets()),
            inputs=list(inputs),
            outputs=list(outputs),
        )
        self._backend.keep(self.run.folder / "lineage.jsonl", Serde.to_dict(event))
        self._backend.send(event)

    def _parent(self) -> dict[str, facets.RunFacet]:
        parent = facets.parent_run
        return {
            "parent": parent.ParentRunFacet(
                run=parent.Run(self.run.id),
                job=parent.Job(self._namespace, PIPELINE_JOB),
                root=parent.Root(run=parent.RootRun(self.run.id), job=parent.RootJob(self._namespace, PIPELINE_JOB)),
            )
        }

    def _processing(self) -> dict[str, facets.RunFacet]:
        return {
            "processing_engine": facets.processing_engine_run.ProcessingEngineRunFacet(
                version=_version(ENGINES.get(self._engine, self._engine)) or platform.python_version(),
                name=self._engine,
                openlineageAdapterVersion=_version("openlineage-python"),
            )
        }

    def _job_facets(self) -> dict[str, facets.JobFacet]:
        kind = facets.job_type_job.JobTypeJobFacet(
            processingType="BATCH",
            integration="POTATO",
            jobType="TASK" if self.stage in _SOURCES else "NOTEBOOK",
        )
        commit, url = self._git["git_commit"], self._git["git_url"] or self.root.as_uri()
        if commit is None:
            return {"jobType": kind}
        path = _SOURCES.get(self.stage, f"notebooks/{self.stage}.ipynb")
        page = _web_address(url)
        location = facets.source_code_location_job.SourceCodeLocationJobFacet(
            type="git",
            url=f"{page}/blob/{commit}/{path}" if page else url,
            repoUrl=url,
            path=path,
            version=commit,
            branch=self._git["git_branch"],
        )
        return {"jobType": kind, "sourceCodeLocation": location}

    def _name(self, dataset: str) -> tuple[str, str]:
        # The rule of openlineage.client.naming for local files, whose import would cost 40 ms for these two.
        return "file", str(self.root / _OUTSIDE_DATA.get(dataset, f"data/{dataset}"))

    def _input(self, name: str, version: str | None = None) -> openlineage.InputDataset:
        return openlineage.InputDataset(*self._name(name), facets=_dataset_version(version))

    def _output(self, name: str, entry: Mapping[str, Any], manifest: Manifest) -> openlineage.OutputDataset:
        described: dict[str, facets.DatasetFacet] = _dataset_version(entry["fingerprint"])
        if entry["schema"]:
            described["schema"] = facets.schema_dataset.SchemaDatasetFacet(
                fields=[
                    facets.schema_dataset.SchemaDatasetFacetFields(
                        name=field["name"],
                        type=field["type"],
                        description=field.get("description"),
                        ordinal_position=position,
                    )
                    for position, field in enumerate(entry["schema"], start=1)
                ]
            )
        if derived := manifest["column_lineage"].get(name):
            described["columnLineage"] = self._columns(derived)
        rows = facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=entry["rows"])
        return openlineage.OutputDataset(
            *self._name(name),
            facets=described | _assertions(manifest, name),
            outputFacets={"outputStatistics": rows},
        )

    def _columns(self, derived: Mapping[str, Sequence[Mapping[str, str]]]) -> facets.DatasetFacet:
        parts = facets.column_lineage_dataset
        direct = parts.Transformation(type="DIRECT")
        return parts.ColumnLineageDatasetFacet(
            fields={
                column: parts.Fields(
                    inputFields=[
                        parts.InputField(*self._name(s["dataset"]), s["column"], transformations=[direct])
                        for s in sources
                    ]
                )
                for column, sources in derived.items()
            }
        )


def _web_address(url: str) -> str | None:
    """Return where a browser finds the repository that git reaches at `url`, or None without a web host."""
    found = re.fullmatch(r"(?:https://|ssh://git@|git@)([^/:]+)[:/](.+?)(?:\.git)?/?", url)
    return f"https://{found[1]}/{found[2]}" if found else None


def _dataset_version(fingerprint: str | None) -> dict[str, facets.DatasetFacet]:
    if fingerprint is None:
        return {}
    return {"version": facets.dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=fingerprint)}


def _assertions(manifest: Manifest, dataset: str) -> dict[str, Any]:
    assertions = [
        facets.data_quality_assertions_dataset.Assertion(
            assertion=verdict["expectation"],
            success=verdict["success"],
            column=verdict["column"] or None,
            severity=_severity(verdict),
            description=verdict["sentence"],
            actual=str(verdict["observed"]),
        )
        for verdict in manifest.get("contracts", ())
        if verdict["dataset"] == dataset
    ]
    if not assertions:
        return {}
    found = facets.data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(assertions=assertions)
    return {"dataQualityAssertions": found}


def _tests(manifest: Manifest) -> dict[str, facets.RunFacet]:
    """Return the verdicts as the run's tests, where those of a stage that published nothing belong."""
    tests = [
        facets.test_run.TestExecution(
            name=" ".join(filter(None, (verdict["dataset"], verdict["column"], verdict["expectation"]))),
            status="pass" if verdict["success"] else "fail",
            severity=_severity(verdict),
            type=verdict["expectation"],
            description=verdict["sentence"],
            actual=str(verdict["observed"]),
        )
        for verdict in manifest["contracts"]
    ]
    return {"test": facets.test_run.TestRunFacet(tests=tests)} if tests else {}


def _severity(verdict: Mapping[str, Any]) -> str:
    return "warn" if verdict["severity"] == "warning" else str(verdict["severity"])


def _parameters(manifest: Manifest) -> dict[str, facets.RunFacet]:
    parts = facets.execution_parameters_run
    parameter = parts.ExecutionParameter(key="study", name="Study", value=manifest["study"])
    return {"executionParameters": parts.ExecutionParametersRunFacet(parameters=[parameter])}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None

"""What a run and its stages read and wrote, as OpenLineage events: into a file, and to a backend where one is set."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import platform
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from openlineage.client import event_v2 as openlineage
from openlineage.client import facet_v2
from openlineage.client.uuid import generate_new_uuid

from potato import backend, ending, facets, naming
from potato import run as runs
from potato.ending import Outcome
from potato.facets import PIPELINE_JOB, Manifest
from potato.manifest import LEDGERS

ENGINES = {"duckdb": "duckdb", "spark": "pyspark"}
"""Processing engine: the package that has its version."""

_SOURCES = {"simulate": "potato/simulate.py", "report": "reports"}
_ELSEWHERE = {"site": "_site"} | {f"{stage}/ledger": path for stage, path in LEDGERS.items()}
"""Dataset: its path, where that is not data/DATASET."""
_STATES = {
    "succeeded": openlineage.RunState.COMPLETE,
    "failed": openlineage.RunState.FAIL,
    "aborted": openlineage.RunState.ABORT,
}


class Lineage:
    """Tells one execution of one stage: one START event, then one COMPLETE, FAIL or ABORT event.

    Events are appended to lineage.jsonl in the run's folder. They are also sent where OPENLINEAGE_URL,
    another setting of the OpenLineage client, or its configuration file names a backend, unless
    OPENLINEAGE_DISABLED is "true". Sending never raises; see `backend.Backend` for what a dead backend costs.

    Datasets have the names of OpenLineage's naming rules (`naming`). The job's namespace is OPENLINEAGE_NAMESPACE, or
    "potato". Every execution has a run id of its own (`run_id`), whose parent and root is the pipeline's run,
    `Run.id`; the run's first stage tells the START of that one, and `run_ended` its end.

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
        self._teller = _Teller(run, self.root)
        self._inputs: list[str] = []

    def start(self, inputs: Iterable[str] = (), *, again: bool = False) -> None:
        """Tell that the stage begins to read the datasets `inputs`, by names such as "bronze/weight".

        `again` says that the pipeline starts once more under the run's id, after an end that was told.
        """
        self._inputs = list(inputs)
        first = self._is_first()
        if first or again:
            when = self.run.started if first else ""
            self._teller.tell(openlineage.RunState.START, self.run.id, PIPELINE_JOB, when=when)
        self._tell(openlineage.RunState.START, inputs=[self._input(name) for name in self._inputs])
        self._teller.backend.deliver()

    def complete(self, manifest: Manifest) -> None:
        """Tell that the outputs are published."""
        versions = manifest["inputs"] or dict.fromkeys(self._inputs)
        traced: Mapping[str, Any] = manifest["column_lineage"]
        outputs = [self._output(name, entry, manifest) for name, entry in manifest["outputs"].items()]
        outputs += [self._traced(name, manifest) for name in traced if name not in manifest["outputs"]]
        if "ledger" in manifest:
            outputs.append(self._ledger(manifest))
        self._tell(
            openlineage.RunState.COMPLETE,
            inputs=[self._input(name, version, _raw_fields(name, traced)) for name, version in versions.items()],
            outputs=outputs,
            run_facets=facets.tests(manifest),
        )
        self._teller.backend.close()

    def fail(self, error: BaseException, manifest: Manifest | None = None) -> None:
        """Tell that the stage ended without a result: FAIL, or ABORT when a person or a signal ended it.

        `manifest` is what the stage had written before its gate refused it. Its contract verdicts are told;
        its datasets are named without a version or a count, because they are not published.
        """
        ended = openlineage.RunState.FAIL if isinstance(error, Exception) else openlineage.RunState.ABORT
        told = facets.error(str(error) or type(error).__name__, "".join(traceback.format_exception(error)))
        outputs = []
        if manifest:
            told |= facets.tests(manifest)
            for name in manifest["outputs"]:
                described = facets.source(self.root) | facets.assertions(manifest, name)
                outputs.append(openlineage.OutputDataset(*self._name(name), facets=described))
        self._tell(ended, inputs=[self._input(name) for name in self._inputs], outputs=outputs, run_facets=told)
        self._teller.backend.close()

    def _tell(
        self,
        state: openlineage.RunState,
        *,
        inputs: Sequence[openlineage.InputDataset] = (),
        outputs: Sequence[openlineage.OutputDataset] = (),
        run_facets: Mapping[str, facet_v2.RunFacet] | None = None,
    ) -> None:
        told = facets.parent(self.run, self._teller.namespace) | self._processing()
        told |= facets.parameters(_settings(self.root), self.stage) | dict(run_facets or {})
        job, (path, kind) = f"potato.{self.stage}", _code(self.stage)
        self._teller.tell(state, self.run_id, job, told, inputs=inputs, outputs=outputs, path=path, kind=kind)

    def _is_first(self) -> bool:
        """Create the run's file of events and tell whether it was not there; of two processes only one creates it."""
        with contextlib.suppress(OSError):
            (self.run.folder / "lineage.jsonl").touch(exist_ok=False)
            return True
        return False

    def _processing(self) -> facets.RunFacets:
        return {
            "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet(
                version=_version(ENGINES.get(self._engine, self._engine)) or platform.python_version(),
                name=self._engine,
                openlineageAdapterVersion=_version("openlineage-python"),
            )
        }

    def _name(self, dataset: str) -> facets.Location:
        return naming.dataset(self.root, _ELSEWHERE.get(dataset, f"data/{dataset}"))

    def _input(
        self, name: str, version: str | None = None, fields: Sequence[Mapping[str, str]] = ()
    ) -> openlineage.InputDataset:
        described = facets.source(self.root) | facets.version(version) | facets.schema(fields)
        return openlineage.InputDataset(*self._name(name), facets=described)

    def _output(self, name: str, entry: Mapping[str, Any], manifest: Manifest) -> openlineage.OutputDataset:
        described = facets.source(self.root) | facets.version(entry["fingerprint"]) | facets.schema(entry["schema"])
        described |= self._columns(name, manifest) | facets.assertions(manifest, name)
        return openlineage.OutputDataset(*self._name(name), facets=described, outputFacets=facets.rows(entry["rows"]))

    def _traced(self, name: str, manifest: Manifest) -> openlineage.OutputDataset:
        """Return a fitted model, whose terms are the columns, or a table of the report, as a dataset."""
        fields = [{"name": column} for column in manifest["column_lineage"][name]]
        described = facets.source(self.root) | facets.schema(fields) | self._columns(name, manifest)
        return openlineage.OutputDataset(*self._name(name), facets=described)

    def _ledger(self, manifest: Manifest) -> openlineage.OutputDataset:
        """Return the layer's account of its rows, which the next stage and some contracts read."""
        name = f"{self.stage}/ledger"
        described = facets.source(self.root) | facets.version(manifest["ledger"]) | facets.assertions(manifest, name)
        return openlineage.OutputDataset(*self._name(name), facets=described)

    def _columns(self, dataset: str, manifest: Manifest) -> facets.DatasetFacets:
        derived, deciding = manifest["column_lineage"].get(dataset, {}), manifest["row_lineage"].get(dataset, ())
        datasets = {source["dataset"] for sources in (*derived.values(), deciding) for source in sources}
        return facets.column_lineage(derived, deciding, {name: self._name(name) for name in datasets})


def run_ended(run: runs.Run, outcome: Outcome, error: str | None = None) -> None:
    """Tell that the pipeline's run is over, and wait, within bounds, for the backend to take what is left.

    Parameters
    ----------
    run : the run, of this process.
    outcome : succeeded, failed, or aborted by a person or a signal.
    error : what ended it, in a sentence.
    """
    teller = _Teller(run, run.folder.parents[1])
    teller.tell(_STATES[outcome], run.id, PIPELINE_JOB, facets.error(error) if error else {})
    teller.backend.close(last=True)


def left_behind(run: runs.Run, outcome: Outcome, moment: int) -> None:
    """Tell, once, the end of an earlier run, and of each of its stages that was killed before it could tell its own.

    Parameters
    ----------
    run : the run; what this process delivers includes its events.
    outcome : how it ended.
    moment : when it gave its last sign of life, in nanoseconds since 1970: it ended before this run began.
    """
    teller = _Teller(run, run.folder.parents[1])
    killed = facets.error("The process was killed, or the machine went down, before it could tell its end.")
    with runs.exclusive(run.folder / ".end.lock"):
        begun, latest = _without_end(run.folder)
        # A file's time is that of the kernel's last tick, and so a little before that of an event in it.
        when = max(runs.at(moment), latest)
        for run_id, job in begun.items():
            if run_id != run.id:
                path, kind = _code(job.removeprefix("potato."))
                around = facets.parent(run, teller.namespace) | killed
                teller.tell(openlineage.RunState.ABORT, run_id, job, around, path=path, kind=kind, when=when)
        if run.id in begun:
            told = killed if outcome == "aborted" else {}
            teller.tell(_STATES[outcome], run.id, PIPELINE_JOB, told, when=when)


def close_left_open(root: Path) -> None:
    """Tell the ends of all runs that were killed, where no stage of a later run has done so yet."""
    for run, state in ending.left_open(root):
        left_behind(run, ending.outcome_left(root, run, state), ending.last_sign(run))


def _without_end(folder: Path) -> tuple[dict[str, str], str]:
    """Return the jobs that a run's events start and do not end, by the ids of their runs, and the latest time."""
    begun: dict[str, str] = {}
    latest = ""
    with contextlib.suppress(OSError):
        for line in (folder / "lineage.jsonl").read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # half a line of a process that was killed
                event = json.loads(line)
                latest = max(latest, event["eventTime"])
                if event["eventType"] == "START":
                    begun[event["run"]["runId"]] = event["job"]["name"]
                else:
                    begun.pop(event["run"]["runId"], None)
    return begun, latest


def _code(stage: str) -> tuple[str, str]:
    """Return the path and the kind of a stage's code."""
    return (_SOURCES[stage], "TASK") if stage in _SOURCES else (f"notebooks/{stage}.ipynb", "NOTEBOOK")


class _Teller:
    """What the events of a run and of its stages have in common."""

    def __init__(self, run: runs.Run, root: Path) -> None:
        self.run, self.root = run, root
        self.backend = backend.Backend(run)
        self.namespace = backend.namespace()
        self._git = runs.environment(root)
        page, commit = _web_address(self._git["git_url"] or ""), self._git["git_commit"]
        # The client names itself as the producer where nothing better is known.
        self._producer = f"{page}/tree/{commit}" if page and commit else ""

    def tell(
        self,
        state: openlineage.RunState,
        run_id: str,
        job: str,
        run_facets: Mapping[str, facet_v2.RunFacet] | None = None,
        *,
        inputs: Sequence[openlineage.InputDataset] = (),
        outputs: Sequence[openlineage.OutputDataset] = (),
        path: str = "dvc.yaml",
        kind: str = "PIPELINE",
        when: str = "",
    ) -> None:
        event = openlineage.RunEvent(
            eventType=state,
            eventTime=when or runs.now(),
            producer=self._producer,
            run=openlineage.Run(run_id, {**facets.trace(self.run), **(run_facets or {})}),
            job=openlineage.Job(self.namespace, job, self._job(path, kind)),
            inputs=list(inputs),
            outputs=list(outputs),
        )
        self.backend.keep(event)

    def _job(self, path: str, kind: str) -> dict[str, facet_v2.JobFacet]:
        told: dict[str, facet_v2.JobFacet] = {
            "jobType": facet_v2.job_type_job.JobTypeJobFacet(processingType="BATCH", integration="POTATO", jobType=kind)
        }
        commit = self._git["git_commit"]
        if commit is None:
            return told
        url = _uri(self._git["git_url"] or "", self.root)
        page = _web_address(url)
        told["sourceCodeLocation"] = facet_v2.source_code_location_job.SourceCodeLocationJobFacet(
            type="git",
            url=f"{page}/blob/{commit}/{path}" if page else url,
            repoUrl=url,
            path=path,
            version=commit,
            branch=self._git["git_branch"],
        )
        return told


def _raw_fields(dataset: str, traced: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the columns of a raw file that were read; the other datasets' columns are told by who wrote them."""
    if not dataset.startswith("raw/"):
        return []
    sources = (source for columns in traced.values() for of in columns.values() for source in of)
    names = dict.fromkeys(source["column"] for source in sources if source["dataset"] == dataset)
    return [{"name": name, "type": "string"} for name in names]


def _settings(root: Path) -> Mapping[str, Any]:
    """Return params.yaml as it stands; a stage has checked it before, and a test's project may have none."""
    with contextlib.suppress(OSError, yaml.YAMLError):
        found = yaml.load((root / "params.yaml").read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if isinstance(found, dict):
            return found
    return {}


def _web_address(url: str) -> str | None:
    """Return where a browser finds the repository that git reaches at `url`, or None without a web host."""
    found = re.fullmatch(r"(?:https://|ssh://git@|git@)([^/:]+)[:/](.+?)(?:\.git)?/?", url)
    return f"https://{found[1]}/{found[2]}" if found else None


def _uri(url: str, root: Path) -> str:
    """Return what git calls the address of a repository as a URI, which the schema asks for."""
    if "://" in url:
        return url
    if remote := re.fullmatch(r"([\w.-]+@)?([\w.-]+):(.+)", url):  # HOST:PATH, which git reads as SSH
        return f"ssh://{remote[1] or ''}{remote[2]}/{remote[3].lstrip('/')}"
    return (root / url).resolve().as_uri()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None

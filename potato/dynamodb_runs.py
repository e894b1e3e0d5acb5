"""Runs of MLflow in DynamoDB: a document each, the points of its metrics beside it."""

from __future__ import annotations

import time
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from mlflow.entities import (
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunInfo,
    RunStatus,
    RunTag,
)
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.mlflow_tags import (
    MLFLOW_RUN_NAME,
    _get_run_name_from_tags,
)
from mlflow.utils.name_utils import _generate_random_name
from mlflow.utils.search_utils import SearchUtils
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.uri import append_to_uri_path
from mlflow.utils.validation import (
    _validate_batch_log_data,
    _validate_batch_log_limits,
    _validate_metric,
    _validate_param,
    _validate_param_keys_unique,
    _validate_run_id,
    _validate_tag,
)

from potato import dynamodb_keys, dynamodb_metrics
from potato.dynamodb_documents import Document, change, create, load, load_many
from potato.dynamodb_entities import run_entity, run_info
from potato.dynamodb_errors import Conflict, refusal
from potato.dynamodb_experiments import Experiments, require_max_results
from potato.dynamodb_table import HASH, RANGE, Table, pauses

_ATTEMPTS = 20
_MOST_HOMES = 10_000  # remembered, so that logging spares a question each time
T = TypeVar("T")


class Runs(Experiments):
    """The part of the store that keeps runs."""

    def __init__(self, table: Table, root: str | None) -> None:
        super().__init__(table, root)
        self._homes: dict[str, str] = {}

    def create_run(
        self, experiment_id: str, user_id: str, start_time: int, tags: list[RunTag] | None, run_name: str | None
    ) -> Run:
        experiment = self._active_experiment(experiment_id)
        tags = [_validate_tag(tag.key, tag.value) for tag in tags or []]
        tagged = _get_run_name_from_tags(tags)
        if run_name and tagged and run_name != tagged:
            raise refusal(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
                f"(run_name='{run_name}', mlflow.runName='{tagged}')."
            )
        named = run_name or tagged or _generate_random_name()
        home, identity = experiment.key[1], uuid.uuid4().hex
        values = {
            "run_name": named,
            "status": RunStatus.to_string(RunStatus.RUNNING),
            "start_time": get_current_time_millis() if start_time is None else int(start_time),
            "user_id": user_id or "",
            "lifecycle_stage": LifecycleStage.ACTIVE,
            "artifact_uri": append_to_uri_path(experiment.values["artifact_location"], identity, "artifacts"),
        }
        told = {tag.key: _text(tag.value) for tag in tags} | {MLFLOW_RUN_NAME: named}
        document = Document((home, identity), values, {"params": {}, "metrics": {}, "tags": told})
        self._create_in(home, document, dynamodb_keys.runs(home))
        return run_entity(document)

    def _create_in(self, experiment_id: str, document: Document, listing: str) -> None:
        """Write a new run or logged model, unless its experiment is deleted at the same moment."""
        identity = document.key[1]
        partition, key = dynamodb_keys.home(identity)
        for wait in pauses(_ATTEMPTS):
            try:
                create(
                    self.table,
                    document,
                    self._while_active(experiment_id),
                    self.table.put_action({HASH: partition, RANGE: key, "experiment": experiment_id}),
                    self.table.put_action({HASH: listing, RANGE: identity}),
                )
            except Conflict:
                self._active_experiment(experiment_id)
                time.sleep(wait)
            else:
                return
        raise refusal(f"Experiment {experiment_id} is written by others without pause.", "TEMPORARILY_UNAVAILABLE")

    def get_run(self, run_id: str) -> Run:
        return run_entity(self._run(run_id))

    def update_run_info(
        self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        def edit(document: Document) -> RunInfo:
            if run_status is not None:
                document.values["status"] = RunStatus.to_string(run_status)
            if end_time is not None:
                document.values["end_time"] = int(end_time)
            if run_name:
                document.values["run_name"] = run_name
                document.maps.setdefault("tags", {})[MLFLOW_RUN_NAME] = run_name
            return run_info(document)

        return self._change_active(run_id, edit)

    def delete_run(self, run_id: str) -> None:
        self._change_run(run_id, lambda document: _set_stage(document, LifecycleStage.DELETED))

    def restore_run(self, run_id: str) -> None:
        self._change_run(run_id, lambda document: _set_stage(document, LifecycleStage.ACTIVE))

    def _set_stage_of_runs(self, experiment_id: str, stage: str) -> None:
        for document in self._runs(str(experiment_id)):
            if document.values["lifecycle_stage"] != stage:
                self._change_run(document.key[1], lambda each: _set_stage(each, stage))

    # One value alone is checked first, so that an error names it as MLflow does, not as the first of a batch.

    def log_metric(self, run_id: str, metric: Metric) -> None:
        _validate_metric(metric.key, metric.value, metric.timestamp, metric.step)
        self.log_batch(run_id, [metric], [], [])

    def log_param(self, run_id: str, param: Param) -> None:
        self.log_batch(run_id, [], [_validate_param(param.key, param.value)], [])

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        self.log_batch(run_id, [], [], [_validate_tag(tag.key, tag.value)])

    def log_batch(self, run_id: str, metrics: list[Metric], params: list[Param], tags: list[RunTag]) -> None:
        metrics, params, tags = _validate_batch_log_data(metrics, params, tags)
        _validate_batch_log_limits(metrics, params, tags)
        _validate_param_keys_unique(params)
        written = False

        def edit(document: Document) -> None:
            nonlocal written
            _add_params(document, params)
            # The points come first: what a run says of a metric is there in its history, whoever looks in between.
            if not written:
                self.table.put_many(dynamodb_metrics.point(*document.key, metric) for metric in metrics)
                written = True
            known = document.maps.setdefault("metrics", {})
            for metric in metrics:
                known[metric.key] = dynamodb_metrics.newest(known.get(metric.key), dynamodb_metrics.entry(metric))
            for tag in tags:
                document.maps.setdefault("tags", {})[tag.key] = _text(tag.value)
                if tag.key == MLFLOW_RUN_NAME:
                    document.values["run_name"] = _text(tag.value)

        self._change_active(run_id, edit)
        self._log_model_metrics(run_id, [metric for metric in metrics if metric.model_id is not None])

    @abstractmethod
    def _log_model_metrics(self, run_id: str, metrics: list[Metric]) -> None:
        """Note beside logged models what a run measured of them."""

    def delete_tag(self, run_id: str, key: str) -> None:
        def edit(document: Document) -> None:
            if document.maps.get("tags", {}).pop(key, None) is None:
                raise refusal(f"No tag with name: {key} in run with id {run_id}", "RESOURCE_DOES_NOT_EXIST")

        self._change_active(run_id, edit)

    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[Metric]:
        partition, prefix = self._home(run_id), dynamodb_keys.history(run_id, metric_key)
        after = prefix + _untoken(page_token) if page_token else None
        most = None if max_results is None else max_results + 1
        found = list(self.table.query(partition, prefix, limit=most, after=after))
        token = None
        if max_results is not None and len(found) > max_results:
            found = found[:max_results]
            token = found[-1][RANGE].removeprefix(prefix) if found else None
        return PagedList([dynamodb_metrics.entity(metric_key, point) for point in found], token)

    def _search_runs(
        self,
        experiment_ids: list[str],
        filter_string: str | None,
        run_view_type: int,
        max_results: int | None,
        order_by: list[str] | None,
        page_token: str | None,
    ) -> tuple[list[Run], str | None]:
        if max_results is not None:
            require_max_results(max_results)
        stages = LifecycleStage.view_type_to_stages(run_view_type)
        documents = [document for each in experiment_ids for document in self._runs(str(each))]
        runs = [run_entity(each) for each in documents if each.values["lifecycle_stage"] in stages]
        found = SearchUtils.sort(SearchUtils.filter(runs, filter_string), order_by)
        page, token = SearchUtils.paginate(found, page_token, len(found) if max_results is None else max_results)
        return page, token

    def _runs(self, experiment_id: str) -> Iterator[Document]:
        listed = self.table.query(dynamodb_keys.runs(experiment_id))
        yield from load_many(self.table, [(experiment_id, item[RANGE]) for item in listed])

    def _run(self, run_id: str) -> Document:
        document = load(self.table, (self._home(run_id), run_id))
        if document is None:
            raise refusal(f"Run with id={run_id} not found", "RESOURCE_DOES_NOT_EXIST")
        return document

    def _home(self, run_id: str) -> str:
        _validate_run_id(run_id)
        found = self._experiment_of(run_id)
        if found is None:
            raise refusal(f"Run with id={run_id} not found", "RESOURCE_DOES_NOT_EXIST")
        return found

    def _experiment_of(self, identity: str) -> str | None:
        """Return in which experiment a run or logged model is, which never changes, or None when there is no such."""
        home = self._homes.get(identity)
        if home is None and (found := self.table.get(dynamodb_keys.home(identity))) is not None:
            if len(self._homes) >= _MOST_HOMES:
                self._homes.clear()
            home = self._homes[identity] = str(found["experiment"])
        return home

    def _change_run(self, run_id: str, edit: Callable[[Document], T]) -> T:
        return change(self.table, lambda: self._run(run_id), edit)

    def _change_active(self, run_id: str, edit: Callable[[Document], T]) -> T:
        def checked(document: Document) -> T:
            stage = document.values["lifecycle_stage"]
            if stage != LifecycleStage.ACTIVE:
                raise refusal(f"The run {run_id} must be in the 'active' state. Current state is {stage}.")
            return edit(document)

        return self._change_run(run_id, checked)


def _set_stage(document: Document, stage: str) -> None:
    document.values["lifecycle_stage"] = stage
    if stage == LifecycleStage.DELETED:
        document.values["deleted_time"] = get_current_time_millis()
    else:
        document.values.pop("deleted_time", None)


def _add_params(document: Document, params: list[Param]) -> None:
    known = document.maps.setdefault("params", {})
    new = {param.key: _text(param.value) for param in params}
    changed = [f"{key}: {known[key]!r} to {value!r}" for key, value in new.items() if known.get(key, value) != value]
    if changed:
        raise refusal(
            f"Changing param values is not allowed. Run {document.key[1]} has logged them already: {'; '.join(changed)}"
        )
    known |= new


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _untoken(token: str | bytes) -> str:
    text = token.decode() if isinstance(token, bytes) else token
    if not text.replace("#", "").replace(".", "").replace("-", "").replace("+", "").isalnum():
        raise refusal(f"Invalid page token {text!r}")
    return text

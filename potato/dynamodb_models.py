"""Logged models of MLflow in DynamoDB: documents beside the runs of their experiment, files under models/."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from mlflow.entities import (
    LifecycleStage,
    LoggedModel,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
)
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_LOGGED_MODEL_MAX_RESULTS_DEFAULT
from mlflow.utils.name_utils import _generate_random_name
from mlflow.utils.search_utils import SearchLoggedModelsPaginationToken, SearchLoggedModelsUtils
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.uri import append_to_uri_path
from mlflow.utils.validation import _validate_logged_model_name, _validate_param, _validate_tag_name

from potato import dynamodb_keys, dynamodb_metrics
from potato.dynamodb_documents import Document, change, load, load_many
from potato.dynamodb_entities import metric_key, model_entity
from potato.dynamodb_errors import refusal
from potato.dynamodb_experiments import DEFAULT
from potato.dynamodb_inputs import Inputs
from potato.dynamodb_table import RANGE

T = TypeVar("T")


class LoggedModels(Inputs):
    """The part of the store that keeps logged models."""

    def create_logged_model(
        self,
        experiment_id: str = DEFAULT,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: list[LoggedModelTag] | None = None,
        params: list[LoggedModelParameter] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        _validate_logged_model_name(name)
        experiment = self._active_experiment(experiment_id)
        home, identity, now = experiment.key[1], f"m-{uuid.uuid4().hex}", get_current_time_millis()
        named = name or _generate_random_name()
        values = {
            "name": named,
            "artifact_location": _place(experiment, identity, model_type or named),
            "creation_timestamp": now,
            "last_updated_timestamp": now,
            "status": LoggedModelStatus.PENDING.value,
            "lifecycle_stage": LifecycleStage.ACTIVE,
            "source_run_id": source_run_id,
            "model_type": model_type,
        }
        maps = {"params": _params(params), "tags": _tags(tags), "metrics": {}}
        document = Document((home, identity), {k: v for k, v in values.items() if v is not None}, maps)
        self._create_in(home, document, dynamodb_keys.models(home))
        return model_entity(document)

    def log_logged_model_params(self, model_id: str, params: list[LoggedModelParameter]) -> None:
        new = _params(params)
        self._change_model(model_id, lambda document: document.maps.setdefault("params", {}).update(new))

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus) -> LoggedModel:
        def edit(document: Document) -> LoggedModel:
            document.values["status"] = LoggedModelStatus(status).value
            document.values["last_updated_timestamp"] = get_current_time_millis()
            return model_entity(document)

        return self._change_model(model_id, edit)

    def set_logged_model_tags(self, model_id: str, tags: list[LoggedModelTag]) -> None:
        new = _tags(tags)
        self._change_model(model_id, lambda document: document.maps.setdefault("tags", {}).update(new))

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        def edit(document: Document) -> None:
            if document.maps.get("tags", {}).pop(key, None) is None:
                raise refusal(
                    f"No tag with key {key!r} found for model with ID {model_id!r}.", "RESOURCE_DOES_NOT_EXIST"
                )

        self._change_model(model_id, edit)

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> LoggedModel:
        return model_entity(self._model(model_id, allow_deleted))

    def delete_logged_model(self, model_id: str) -> None:
        def edit(document: Document) -> None:
            document.values["lifecycle_stage"] = LifecycleStage.DELETED
            document.values["last_updated_timestamp"] = get_current_time_millis()

        self._change_model(model_id, edit)

    def search_logged_models(
        self,
        experiment_ids: list[str],
        filter_string: str | None = None,
        datasets: list[dict[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: list[dict[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        if datasets and not all(each.get("dataset_name") for each in datasets):
            raise refusal("`dataset_name` in the `datasets` clause must be specified.")
        offset, most = 0, max_results or SEARCH_LOGGED_MODEL_MAX_RESULTS_DEFAULT
        if page_token:
            token = SearchLoggedModelsPaginationToken.decode(page_token)
            token.validate(experiment_ids, filter_string, order_by)
            offset = token.offset
        models = [
            model_entity(document)
            for each in experiment_ids
            for document in self._models(str(each))
            if document.values["lifecycle_stage"] == LifecycleStage.ACTIVE
        ]
        models = SearchLoggedModelsUtils.filter_logged_models(models, filter_string, datasets)
        models = SearchLoggedModelsUtils.sort(models, order_by)
        following = None
        if len(models) > offset + most:
            following = SearchLoggedModelsPaginationToken(
                offset=offset + most, experiment_ids=experiment_ids, filter_string=filter_string, order_by=order_by
            ).encode()
        return PagedList(models[offset : offset + most], following)

    def _log_model_metrics(self, run_id: str, metrics: list[Metric]) -> None:
        """Keep the newest value of each metric with the logged model that it is about."""
        for model_id in dict.fromkeys(str(metric.model_id) for metric in metrics):
            own = [metric for metric in metrics if metric.model_id == model_id]

            def edit(document: Document, own: list[Metric] = own) -> None:
                known = document.maps.setdefault("metrics", {})
                for metric in own:
                    key = metric_key(metric, run_id)
                    known[key] = dynamodb_metrics.newest(known.get(key), dynamodb_metrics.entry(metric))

            self._change_model(model_id, edit)

    def _models(self, experiment_id: str) -> Iterator[Document]:
        listed = self.table.query(dynamodb_keys.models(experiment_id))
        yield from load_many(self.table, [(experiment_id, item[RANGE]) for item in listed])

    def _model(self, model_id: str, allow_deleted: bool = False) -> Document:
        home = self._experiment_of(model_id) if model_id else None
        document = load(self.table, (home, model_id)) if home else None
        if document is None or not (allow_deleted or document.values["lifecycle_stage"] == LifecycleStage.ACTIVE):
            raise refusal(f"Logged model with ID '{model_id}' not found.", "RESOURCE_DOES_NOT_EXIST")
        return document

    def _change_model(self, model_id: str, edit: Callable[[Document], T]) -> T:
        return change(self.table, lambda: self._model(model_id), edit)


def _params(params: list[LoggedModelParameter] | None) -> dict[str, str]:
    valid = [_validate_param(param.key, param.value) for param in params or []]
    return {param.key: "" if param.value is None else str(param.value) for param in valid}


def _tags(tags: list[LoggedModelTag] | None) -> dict[str, str]:
    for tag in tags or []:
        _validate_tag_name(tag.key)
    return {tag.key: "" if tag.value is None else str(tag.value) for tag in tags or []}


def _place(experiment: Document, model_id: str, family: str) -> str:
    """Return where a model's files go: models/FAMILY/ beside the root's experiments/, else in the experiment's own."""
    location = str(experiment.values["artifact_location"])
    beside = location.removesuffix(f"experiments/{experiment.key[1]}")
    if beside == location:
        return str(append_to_uri_path(location, "models", model_id, "artifacts"))
    folder = re.sub(r"[^\w-]+", "_", family, flags=re.ASCII)
    return str(append_to_uri_path(beside, "models", folder, model_id, "artifacts"))

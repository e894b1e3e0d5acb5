"""Runs and logged models of MLflow, read from the documents that keep them."""

from __future__ import annotations

import json
from typing import Any

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunTag,
)

from potato import dynamodb_metrics
from potato.dynamodb_documents import Document

_DATASET = ("name", "digest", "source_type", "source", "schema", "profile")


def run_info(document: Document) -> RunInfo:
    values = document.values
    return RunInfo(
        run_id=document.key[1],
        experiment_id=document.key[0],
        user_id=values["user_id"],
        status=values["status"],
        start_time=values["start_time"],
        end_time=values.get("end_time"),
        lifecycle_stage=values["lifecycle_stage"],
        artifact_uri=values["artifact_uri"],
        run_name=values["run_name"],
    )


def run_entity(document: Document) -> Run:
    maps = document.maps
    data = RunData(
        metrics=[dynamodb_metrics.entity(key, kept) for key, kept in maps.get("metrics", {}).items()],
        params=[Param(key, value) for key, value in maps.get("params", {}).items()],
        tags=[RunTag(key, value) for key, value in maps.get("tags", {}).items()],
    )
    inputs = RunInputs(
        [_dataset_input(kept) for kept in maps.get("datasets", {}).values()],
        [LoggedModelInput(model_id) for model_id in maps.get("model_inputs", {})],
    )
    outputs = RunOutputs([LoggedModelOutput(each, step) for each, step in maps.get("model_outputs", {}).items()])
    return Run(run_info(document), data, inputs, outputs)


def dataset_key(dataset: Dataset) -> str:
    """Return what tells a dataset from others: its name and digest."""
    return json.dumps([dataset.name, dataset.digest])


def dataset_entry(given: DatasetInput) -> dict[str, Any]:
    values = {name: value for name in _DATASET if (value := getattr(given.dataset, name)) is not None}
    return values | {"tags": {tag.key: tag.value for tag in given.tags}}


def _dataset_input(kept: dict[str, Any]) -> DatasetInput:
    tags = [InputTag(key, value) for key, value in kept["tags"].items()]
    told: dict[str, Any] = {name: kept.get(name) for name in _DATASET}
    return DatasetInput(Dataset(**told), tags)


def metric_key(metric: Metric, run_id: str) -> str:
    """Return what tells a logged model's metric from others: name, dataset and run."""
    return json.dumps([metric.key, metric.dataset_name, metric.dataset_digest, run_id])


def model_entity(document: Document) -> LoggedModel:
    values, maps = document.values, document.maps
    metrics = []
    for key, kept in maps.get("metrics", {}).items():
        name, dataset_name, dataset_digest, run_id = json.loads(key)
        source = {"model_id": document.key[1], "dataset_name": dataset_name, "dataset_digest": dataset_digest}
        metrics.append(dynamodb_metrics.entity(name, kept | source, run_id=run_id))
    return LoggedModel(
        experiment_id=document.key[0],
        model_id=document.key[1],
        name=values["name"],
        artifact_location=values["artifact_location"],
        creation_timestamp=values["creation_timestamp"],
        last_updated_timestamp=values["last_updated_timestamp"],
        model_type=values.get("model_type"),
        source_run_id=values.get("source_run_id"),
        status=LoggedModelStatus(values["status"]),
        tags=dict(maps.get("tags", {})),
        params=dict(maps.get("params", {})),
        metrics=metrics,
    )

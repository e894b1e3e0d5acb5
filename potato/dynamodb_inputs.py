"""What a run of MLflow read and made, in DynamoDB: datasets and logged models."""

from __future__ import annotations

import json
from typing import Any

from mlflow.entities import DatasetInput, LoggedModelInput, LoggedModelOutput, ViewType
from mlflow.entities.dataset_summary import _DatasetSummary
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_LOGGED_MODELS
from mlflow.utils.validation import _validate_dataset_inputs, _validate_tag

from potato.dynamodb_documents import Document
from potato.dynamodb_entities import dataset_entry, dataset_key
from potato.dynamodb_runs import Runs

_MOST_SUMMARIES = 1000


class Inputs(Runs):
    """The part of the store that keeps inputs and outputs of runs."""

    def log_inputs(
        self,
        run_id: str,
        datasets: list[DatasetInput] | None = None,
        models: list[LoggedModelInput] | None = None,
    ) -> None:
        _validate_dataset_inputs(datasets or [])

        def edit(document: Document) -> None:
            for given in datasets or ():
                document.maps.setdefault("datasets", {}).setdefault(dataset_key(given.dataset), dataset_entry(given))
            for model in models or ():
                document.maps.setdefault("model_inputs", {})[model.model_id] = {}

        self._change_active(run_id, edit)

    def log_outputs(self, run_id: str, models: list[LoggedModelOutput]) -> None:
        def edit(document: Document) -> None:
            for model in models or ():
                document.maps.setdefault("model_outputs", {})[model.model_id] = int(model.step)

        self._change_active(run_id, edit)

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        def edit(document: Document) -> None:
            tags = document.maps.setdefault("tags", {})
            models = [*json.loads(tags.get(MLFLOW_LOGGED_MODELS, "[]")), mlflow_model.get_tags_dict()]
            tag = _validate_tag(MLFLOW_LOGGED_MODELS, json.dumps(models))
            tags[tag.key] = tag.value

        self._change_active(run_id, edit)

    def _search_datasets(self, experiment_ids: list[str]) -> list[_DatasetSummary]:
        """Return which datasets the runs of these experiments have as inputs; MLflow's page of runs asks for it."""
        found: dict[tuple[Any, ...], _DatasetSummary] = {}
        for run in self._search_runs(experiment_ids, None, ViewType.ALL, None, None, None)[0]:
            for given in run.inputs.dataset_inputs if run.inputs else ():
                context = next((tag.value for tag in given.tags if tag.key == MLFLOW_DATASET_CONTEXT), None)
                key = (run.info.experiment_id, given.dataset.name, given.dataset.digest, context)
                found[key] = _DatasetSummary(*key)
        return list(found.values())[:_MOST_SUMMARIES]

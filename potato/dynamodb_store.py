"""MLflow's tracking store in a DynamoDB table; what it lacks, such as traces, it refuses by MLflow's error."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from mlflow.entities import LifecycleStage
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.time import get_current_time_millis

from potato import dynamodb_keys
from potato.dynamodb_errors import refusal
from potato.dynamodb_models import LoggedModels
from potato.dynamodb_table import HASH, RANGE


def _refusing(cls: type[LoggedModels]) -> type[LoggedModels]:
    """Let the methods of MLflow's interface that the class does not have say by MLflow's error what is missing.

    MLflow's own class raises Python's NotImplementedError there, which its server answers with a traceback. Methods
    that it builds from others, such as log_metric, stay as they are.
    """
    for name, method in inspect.getmembers(AbstractStore, inspect.isfunction):
        if not name.startswith("_") and getattr(cls, name) is method and not inspect.iscoroutinefunction(method):
            setattr(cls, name, _explained(name, method))
    return cls


def _explained(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except NotImplementedError:
            raise _missing(name) from None

    return call


def _missing(name: str) -> Exception:
    return refusal(
        f"MLflow's {name} is not kept in DynamoDB: its store has experiments, runs, datasets and logged models. "
        "Traces, evaluation and the gateway need a database.",
        "NOT_IMPLEMENTED",
    )


@_refusing
class DynamoDbStore(LoggedModels):
    """MLflow's tracking store on a table with the keys experiment_id and run_uuid.

    Reads are consistent: what one process has written, the next one sees. A search reads the runs of its experiments,
    then filters and orders them as MLflow's own file store does.
    """

    def link_traces_to_run(self, trace_ids: list[str], run_id: str) -> None:
        raise _missing("link_traces_to_run")

    # What follows is for `mlflow gc`, which removes what was deleted.

    def _get_deleted_runs(self, older_than: int = 0) -> list[str]:
        latest = get_current_time_millis() - older_than
        return [
            document.key[1]
            for experiment in self._experiments()
            for document in self._runs(experiment.key[1])
            if document.values["lifecycle_stage"] == LifecycleStage.DELETED
            and document.values["deleted_time"] <= latest
        ]

    def _get_deleted_logged_models(self, older_than: int = 0) -> list[str]:
        latest = get_current_time_millis() - older_than
        return [
            document.key[1]
            for experiment in self._experiments()
            for document in self._models(experiment.key[1])
            if document.values["lifecycle_stage"] == LifecycleStage.DELETED
            and document.values["last_updated_timestamp"] <= latest
        ]

    def _hard_delete_run(self, run_id: str) -> None:
        home = self._home(run_id)
        self._remove(home, run_id, dynamodb_keys.runs(home))

    def _hard_delete_logged_model(self, model_id: str) -> None:
        home = self._model(model_id, allow_deleted=True).key[0]
        self._remove(home, model_id, dynamodb_keys.models(home))

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        experiment = self._experiment(experiment_id)
        if experiment.values["lifecycle_stage"] != LifecycleStage.DELETED:
            raise refusal(f"No deleted Experiment with id={experiment_id} exists", "RESOURCE_DOES_NOT_EXIST")
        home = experiment.key[1]
        for document in self._runs(home):
            self._remove(home, document.key[1], dynamodb_keys.runs(home))
        for document in self._models(home):
            self._remove(home, document.key[1], dynamodb_keys.models(home))
        keys = [(item[HASH], item[RANGE]) for item in self.table.query(*experiment.key)]
        own = [key for key in keys if key[1] == home or key[1].startswith(f"{home}#")]
        self.table.delete_many([*own, dynamodb_keys.name(experiment.values["name"])])

    def _remove(self, home: str, identity: str, listing: str) -> None:
        """Remove a run or logged model and what belongs to it; what tells where it is goes last, for a second try."""
        self.table.delete_many((item[HASH], item[RANGE]) for item in self.table.query(home, identity))
        self.table.delete_many([(listing, identity), dynamodb_keys.home(identity)])
        self._homes.pop(identity, None)

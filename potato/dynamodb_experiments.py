"""Experiments of MLflow in DynamoDB: numbered from 1, their names unique whoever makes them at the same time."""

from __future__ import annotations

import contextlib
import time
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from mlflow.entities import Experiment, ExperimentTag, LifecycleStage, ViewType
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_MAX_RESULTS_DEFAULT, SEARCH_MAX_RESULTS_THRESHOLD
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.search_utils import SearchExperimentsUtils, SearchUtils
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.uri import append_to_uri_path, resolve_uri_if_local
from mlflow.utils.validation import (
    _validate_experiment_artifact_location_length,
    _validate_experiment_id,
    _validate_experiment_name,
    _validate_experiment_tag,
)

from potato import dynamodb, dynamodb_keys
from potato.dynamodb_documents import Document, change, create, load, load_many, save
from potato.dynamodb_errors import Conflict, refusal
from potato.dynamodb_table import RANGE, Table, pauses

DEFAULT = "0"
"""The experiment of runs that name none."""

_ATTEMPTS = 20
_IS_ACTIVE = ("lifecycle_stage = :active", {":active": LifecycleStage.ACTIVE})


class Experiments(AbstractStore):
    """The part of the store that keeps experiments.

    Parameters
    ----------
    table : where everything is kept.
    root : where the artifacts of experiments go that name no place themselves; None where nothing says it.
    """

    def __init__(self, table: Table, root: str | None) -> None:
        super().__init__()
        self.table = table
        self.root = resolve_uri_if_local(root) if root else None
        if self.root and load(table, dynamodb_keys.experiment(DEFAULT)) is None:
            self._create_default()

    def _create_default(self) -> None:
        with contextlib.suppress(Conflict):  # another process was first
            self._create(DEFAULT, "Default", append_to_uri_path(self.root, "experiments", DEFAULT), [])

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: list[ExperimentTag] | None = None
    ) -> str:
        _validate_experiment_name(name)
        for tag in tags or []:
            _validate_experiment_tag(tag.key, tag.value)
        if artifact_location:
            artifact_location = resolve_uri_if_local(artifact_location)
            _validate_experiment_artifact_location_length(artifact_location)
        elif not self.root:
            raise refusal(
                f"Nothing says where the artifacts of the experiment {name!r} go: "
                f"set {dynamodb.ARTIFACT_ROOT}=s3://BUCKET."
            )
        self._require_free(name)
        for wait in pauses(_ATTEMPTS):
            identity = str(self.table.next_number(dynamodb_keys.NUMBER))
            place = artifact_location or append_to_uri_path(self.root, "experiments", identity)
            try:
                self._create(identity, name, place, tags or [])
            except Conflict:
                self._require_free(name)
                time.sleep(wait)
            else:
                return identity
        raise refusal(f"The experiment {name!r} could not be made among other writers.", "TEMPORARILY_UNAVAILABLE")

    def _create(self, identity: str, name: str, place: str, tags: list[ExperimentTag]) -> None:
        now = get_current_time_millis()
        values = {
            "name": name,
            "artifact_location": place,
            "lifecycle_stage": LifecycleStage.ACTIVE,
            "creation_time": now,
            "last_update_time": now,
        }
        document = Document(dynamodb_keys.experiment(identity), values, {"tags": {tag.key: tag.value for tag in tags}})
        create(self.table, document, self._claim(name, identity))

    def _claim(self, name: str, identity: str) -> dict[str, Any]:
        """Return the action that keeps a name to one experiment; it fails where another one has it."""
        partition, key = dynamodb_keys.name(name)
        item = {"experiment_id": partition, RANGE: key, "name": name, "experiment": identity}
        return self.table.put_action(item, f"attribute_not_exists({RANGE})")

    def _require_free(self, name: str) -> None:
        if (found := self.get_experiment_by_name(name)) is not None:
            deleted = found.lifecycle_stage == LifecycleStage.DELETED
            state = " It is deleted; restore it, or choose another name." if deleted else ""
            raise refusal(f"Experiment(name={name}) already exists.{state}", "RESOURCE_ALREADY_EXISTS")

    def get_experiment(self, experiment_id: str) -> Experiment:
        return _entity(self._experiment(experiment_id))

    def get_experiment_by_name(self, experiment_name: str) -> Experiment | None:
        claim = self.table.get(dynamodb_keys.name(experiment_name))
        document = claim and load(self.table, dynamodb_keys.experiment(claim["experiment"]))
        return _entity(document) if document else None

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = SEARCH_MAX_RESULTS_DEFAULT,
        filter_string: str | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        require_max_results(max_results)
        stages = LifecycleStage.view_type_to_stages(view_type)
        found = [each for each in map(_entity, self._experiments()) if each.lifecycle_stage in stages]
        found = SearchExperimentsUtils.filter(found, filter_string)
        order = order_by or ["last_update_time DESC", "experiment_id ASC"]
        page, token = SearchUtils.paginate(SearchExperimentsUtils.sort(found, order), page_token, max_results)
        return PagedList(page, token)

    def _experiments(self) -> Iterator[Document]:
        keys = [(dynamodb_keys.EXPERIMENTS, item[RANGE]) for item in self.table.query(dynamodb_keys.EXPERIMENTS)]
        yield from load_many(self.table, [key for key in keys if "#" not in key[1]])

    def delete_experiment(self, experiment_id: str) -> None:
        self._set_stage(experiment_id, LifecycleStage.ACTIVE, LifecycleStage.DELETED)

    def restore_experiment(self, experiment_id: str) -> None:
        self._set_stage(experiment_id, LifecycleStage.DELETED, LifecycleStage.ACTIVE)

    def _set_stage(self, experiment_id: str, before: str, after: str) -> None:
        """Move an experiment and its runs; the experiment first, so that it gets no new runs meanwhile."""

        def edit(document: Document) -> None:
            if document.values["lifecycle_stage"] != before:
                raise refusal(f"No {before} Experiment with id={experiment_id} exists", "RESOURCE_DOES_NOT_EXIST")
            document.values |= {"lifecycle_stage": after, "last_update_time": get_current_time_millis()}

        self._change_experiment(experiment_id, edit)
        self._set_stage_of_runs(experiment_id, after)

    @abstractmethod
    def _set_stage_of_runs(self, experiment_id: str, stage: str) -> None:
        """Delete or restore the runs of an experiment with it."""

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        _validate_experiment_name(new_name)
        for wait in pauses(_ATTEMPTS):
            document = self._experiment(experiment_id)
            if document.values["lifecycle_stage"] != LifecycleStage.ACTIVE:
                raise refusal("Cannot rename a non-active experiment.", "INVALID_STATE")
            old_name = document.values["name"]
            if old_name == new_name:
                return
            self._require_free(new_name)
            document.values |= {"name": new_name, "last_update_time": get_current_time_millis()}
            free = self.table.delete_action(dynamodb_keys.name(old_name))
            try:
                save(self.table, document, self._claim(new_name, document.key[1]), free)
            except Conflict:
                time.sleep(wait)
            else:
                return
        raise refusal(f"Experiment {experiment_id} is written by others without pause.", "TEMPORARILY_UNAVAILABLE")

    def set_experiment_tag(self, experiment_id: str, tag: ExperimentTag) -> None:
        _validate_experiment_tag(tag.key, tag.value)

        def edit(document: Document) -> None:
            _require_active(document)
            document.maps.setdefault("tags", {})[tag.key] = tag.value
            document.values["last_update_time"] = get_current_time_millis()

        self._change_experiment(experiment_id, edit)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        def edit(document: Document) -> None:
            _require_active(document)
            if document.maps.get("tags", {}).pop(key, None) is None:
                raise refusal(
                    f"No tag with name: {key} in experiment with id {experiment_id}", "RESOURCE_DOES_NOT_EXIST"
                )

        self._change_experiment(experiment_id, edit)

    def _change_experiment(self, experiment_id: str, edit: Any) -> None:
        change(self.table, lambda: self._experiment(experiment_id), edit)

    def _experiment(self, experiment_id: str | int | None) -> Document:
        identity = DEFAULT if experiment_id is None else str(experiment_id)
        _validate_experiment_id(identity)
        document = load(self.table, dynamodb_keys.experiment(identity))
        if document is None:
            raise refusal(f"No Experiment with id={identity} exists", "RESOURCE_DOES_NOT_EXIST")
        return document

    def _active_experiment(self, experiment_id: str | int | None) -> Document:
        document = self._experiment(experiment_id)
        _require_active(document)
        return document

    def _while_active(self, experiment_id: str) -> dict[str, Any]:
        """Return the action that fails once the experiment is no longer active."""
        return self.table.check_action(dynamodb_keys.experiment(experiment_id), *_IS_ACTIVE)


def require_max_results(most: int | None) -> None:
    """Raise MLflow's error unless `most` is a number of results that one page may have."""
    if not isinstance(most, int) or most < 1:
        wanted = "a positive integer"
    elif most > SEARCH_MAX_RESULTS_THRESHOLD:
        wanted = f"at most {SEARCH_MAX_RESULTS_THRESHOLD}"
    else:
        return
    raise refusal(f"Invalid value {most} for parameter 'max_results' supplied. It must be {wanted}")


def _require_active(document: Document) -> None:
    if document.values["lifecycle_stage"] != LifecycleStage.ACTIVE:
        raise refusal(
            f"The experiment {document.key[1]} must be in the 'active' state. "
            f"Current state is {document.values['lifecycle_stage']}."
        )


def _entity(document: Document) -> Experiment:
    values = document.values
    return Experiment(
        document.key[1],
        values["name"],
        values["artifact_location"],
        values["lifecycle_stage"],
        [ExperimentTag(key, value) for key, value in document.maps.get("tags", {}).items()],
        creation_time=values["creation_time"],
        last_update_time=values["last_update_time"],
    )

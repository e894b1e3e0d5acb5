"""MLflow's store in DynamoDB, against a server that answers as DynamoDB does."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.entities import (
    Dataset,
    DatasetInput,
    ExperimentTag,
    InputTag,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelTag,
    Metric,
    Param,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.abstract_store import AbstractStore

from potato import dynamodb_keys, trackingstore
from potato.dynamodb import open_store
from potato.dynamodb_documents import Document, create, load
from potato.dynamodb_store import DynamoDbStore
from potato.dynamodb_table import Table, number, size

from .aws import Answer, Forward, between, client, make_table, point_at, refused
from .receivers import clean_environment

# MLflow uses what the newest SQLAlchemy calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROOT = "s3://cdp-test-mlflow-artifacts"


@pytest.fixture
def store(aws: str, monkeypatch: pytest.MonkeyPatch) -> DynamoDbStore:
    """A store in a new table."""
    clean_environment(monkeypatch)
    return open_store(f"dynamodb://{make_table()}", ROOT)


@pytest.fixture
def experiment(store: DynamoDbStore) -> str:
    return store.create_experiment("fixed_effects")


def _run(store: Any, experiment: str, name: str | None = None, start: int = 1, **tags: str) -> str:
    told = [RunTag(key, value) for key, value in tags.items()]
    return str(store.create_run(experiment, "ann", start, told, name).info.run_id)


def _log(store: Any, run: str, metrics: dict[str, float] | None = None, **params: str) -> None:
    points = [Metric(key, value, 1, 0) for key, value in (metrics or {}).items()]
    store.log_batch(run, points, [Param(key, value) for key, value in params.items()], [])


def _code(action: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(MlflowException) as raised:
        action(*arguments, **named)
    return str(raised.value.error_code)


def test_a_run_without_a_name_gets_one_of_mlflow_s(store: DynamoDbStore, experiment: str) -> None:
    for given_name in (None, ""):
        run = store.create_run(experiment, "ann", 1, [], given_name)
        assert run.info.run_name
        assert store.get_run(run.info.run_id).data.tags["mlflow.runName"] == run.info.run_name


def test_a_run_is_one_item_of_its_experiment_and_its_points_lie_beside_it(
    store: DynamoDbStore, experiment: str
) -> None:
    run = _run(store, experiment, "first", study="demo")
    _log(store, run, {"estimate/fiber": -0.5}, formula="y ~ x")
    store.update_run_info(run, 3, 2, None)
    items = list(store.table.query(experiment))
    assert [item["run_uuid"][:32] for item in items] == [run, run]
    own, point = items
    assert own["run_uuid"] == run
    kept = {name: own[name] for name in ("run_name", "status", "start_time", "end_time", "params", "tags")}
    assert kept == {
        "run_name": "first",
        "status": "FINISHED",
        "start_time": 1,
        "end_time": 2,
        "params": {"formula": "y ~ x"},
        "tags": {"study": "demo", "mlflow.runName": "first"},
    }
    assert float(own["metrics"]["estimate/fiber"]["value"]) == float(point["value"]) == -0.5


@given(st.floats())
def test_every_float_comes_back_from_dynamodb_s_numbers_as_it_was(value: float) -> None:
    from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

    kept = TypeDeserializer().deserialize(TypeSerializer().serialize(number(value)))
    assert repr(float(kept)) == repr(value)


def test_numbers_come_back_as_mlflow_types_them(store: DynamoDbStore, experiment: str) -> None:
    values = {"nan": math.nan, "inf": math.inf, "low": -math.inf, "zero": -0.0, "tiny": 5e-324, "huge": 1.7e308}
    values |= {"third": 1 / 3, "whole": 3, "big": 2**60, "sum": 0.1 + 0.2}
    run = _run(store, experiment, start=1_795_852_757_518)
    _log(store, run, values)
    found = store.get_run(run)
    assert {key: repr(value) for key, value in found.data.metrics.items()} == {
        key: repr(float(value)) for key, value in values.items()
    }
    assert type(found.info.start_time) is int
    (point,) = store.get_metric_history(run, "big")
    assert (type(point.timestamp), type(point.step), point.value) == (int, int, 2.0**60)


def test_a_metric_s_history_comes_in_the_order_of_time_and_in_pages(store: DynamoDbStore, experiment: str) -> None:
    run = _run(store, experiment)
    points = [Metric("loss", i / 7, 1000 + i, i - 5) for i in range(40)]
    store.log_batch(run, list(reversed(points)), [], [])
    store.log_batch(run, points[:3], [], [])  # sent again, as after a lost answer
    store.log_batch(run, [Metric("loss/2", 1.0, 1, 1)], [], [])
    whole = store.get_metric_history(run, "loss")
    assert [(m.step, m.value) for m in whole] == [(m.step, m.value) for m in points]
    pages, token = [], None
    while True:
        page = store.get_metric_history(run, "loss", max_results=15, page_token=token)
        pages.append(list(page))
        if (token := page.token) is None:
            break
    assert [len(page) for page in pages] == [15, 15, 10]
    assert [m.step for page in pages for m in page] == [m.step for m in points]
    assert _code(store.get_metric_history, run, "loss", 5, "'; drop") == "INVALID_PARAMETER_VALUE"


def test_the_value_of_a_metric_is_the_one_of_the_last_step(store: DynamoDbStore, experiment: str) -> None:
    run = _run(store, experiment)
    for value, timestamp, step in [(1.0, 9, 1), (2.0, 5, 2), (3.0, 7, 2), (math.nan, 7, 2), (2.5, 7, 2), (9.0, 99, 0)]:
        store.log_metric(run, Metric("loss", value, timestamp, step))
    assert store.get_run(run).data.metrics == {"loss": 3.0}
    assert len(store.get_metric_history(run, "loss")) == 6


@pytest.fixture(scope="module")
def both(
    aws_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[list[tuple[Any, str]], dict[str, str]]]:
    """The same runs in this store and in MLflow's own for SQL, and their names by id."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    database = tmp_path_factory.mktemp("sql") / "mlflow.db"
    trackingstore._prepare(database)
    with pytest.MonkeyPatch.context() as patch:
        point_at(aws_server, patch)
        stores = [open_store(f"dynamodb://{make_table()}", ROOT), SqlAlchemyStore(f"sqlite:///{database}", ROOT)]
        yield _searched(stores)


def _searched(empty: list[Any]) -> tuple[list[tuple[Any, str]], dict[str, str]]:
    stores, names = [], {}
    for each in empty:
        experiment = each.create_experiment("searched")
        for i in range(12):
            tags = {"colour": ("red", "Green", "blue")[i % 3]} if i % 4 else {}
            run = _run(each, experiment, f"run {i:02}", 1000 - i % 5, **tags)
            names[run] = f"run {i:02}"
            metrics = {"r2": i / 3, "gap": (math.nan, math.inf, -1.0)[i % 3]}
            _log(each, run, {key: value for key, value in metrics.items() if i % 5}, alpha=str(i % 4), **{"a b": "c%_"})
            if i % 3 == 0:
                each.update_run_info(run, 3, 2000 + i, None)
            if i % 6 == 1:
                given_to = Dataset(f"silver/{i}", f"d{i}", "local", "{}")
                each.log_inputs(run, [DatasetInput(given_to, [InputTag("mlflow.data.context", "training")])])
            if i % 7 == 2:
                each.delete_run(run)
        stores.append((each, experiment))
    return stores, names


SEARCHES = [
    "",
    "metrics.r2 > 1",
    "metrics.r2 >= 1 and metrics.r2 < 3 and params.alpha != '2'",
    "params.alpha = '1'",
    "datasets.name IN ('silver/1', 'silver/2')",
    "params.`a b` LIKE 'c%'",
    "tags.colour = 'red'",
    "tags.colour ILIKE 'gr%'",
    "tags.colour LIKE 'gr%'",
    "tags.colour != 'blue'",
    "tags.colour IS NULL",
    "tags.colour IS NOT NULL",
    "attributes.status = 'FINISHED'",
    "attributes.run_name LIKE '%1'",
    "attributes.start_time >= 998",
    "attributes.end_time > 2003",
    "attributes.user_id = 'ann'",
    "datasets.name = 'silver/7'",
    "datasets.context = 'training'",
    "datasets.digest IN ('d1', 'd7')",
]
VIEWS = (ViewType.ALL, ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY)
ORDERS = [
    ["attributes.run_name DESC"],
    ["metrics.r2 ASC", "attributes.run_name ASC"],
    ["metrics.r2 DESC", "attributes.run_name ASC"],
    ["params.alpha DESC", "attributes.run_name ASC"],
    ["tags.colour ASC", "attributes.run_name ASC"],
    ["attributes.end_time ASC", "attributes.run_name ASC"],
]


def test_a_search_finds_what_mlflow_s_own_store_finds(both: tuple[list[tuple[Any, str]], dict[str, str]]) -> None:
    stores, names = both

    def found(store: Any, experiment: str, text: str, view: int) -> list[str]:
        runs = store.search_runs([experiment], text, view, 50, ["attributes.run_name"])
        return [names[run.info.run_id] for run in runs]

    for text in SEARCHES:
        for view in VIEWS if text in SEARCHES[:2] else VIEWS[:1]:
            here, there = (found(store, experiment, text, view) for store, experiment in stores)
            assert here == there, (text, view)
    assert found(*stores[0], "metrics.r2 > 1", ViewType.ACTIVE_ONLY), "a search that finds nothing would prove nothing"


def test_runs_come_in_the_order_of_mlflow_s_own_store(both: tuple[list[tuple[Any, str]], dict[str, str]]) -> None:
    stores, names = both
    for order in ORDERS:
        orders = []
        for store, experiment in stores:
            runs = store.search_runs([experiment], "", ViewType.ACTIVE_ONLY, 50, order)
            orders.append([names[run.info.run_id] for run in runs])
        assert orders[0] == orders[1], order


def test_pages_of_a_search_hold_every_run_once(store: DynamoDbStore, experiment: str) -> None:
    made = [_run(store, experiment, start=i) for i in range(7)]
    found: list[str] = []
    token = None
    while True:
        page = store.search_runs([experiment], "", ViewType.ACTIVE_ONLY, 3, page_token=token)
        assert len(page) <= 3
        found += [run.info.run_id for run in page]
        if (token := page.token) is None:
            break
    assert found == list(reversed(made)), "the newest first"
    for wrong in ("attributes.colour = 'red'", "params.a > 'b'", "a run"):
        assert _code(store.search_runs, [experiment], wrong, ViewType.ALL) == "INVALID_PARAMETER_VALUE"
    assert _code(store.search_runs, [experiment], "", ViewType.ALL, 50_001) == "INVALID_PARAMETER_VALUE"
    assert list(store.search_runs(["99"], "", ViewType.ALL)) == []


def test_a_deleted_run_is_kept_and_can_be_restored(store: DynamoDbStore, experiment: str) -> None:
    run = _run(store, experiment)
    store.delete_run(run)
    assert store.get_run(run).info.lifecycle_stage == "deleted"
    assert _code(_log, store, run, {"a": 1.0}) == "INVALID_PARAMETER_VALUE"
    assert list(store.search_runs([experiment], "", ViewType.ACTIVE_ONLY)) == []
    store.restore_run(run)
    _log(store, run, {"a": 1.0})
    assert [found.info.run_id for found in store.search_runs([experiment], "", ViewType.ACTIVE_ONLY)] == [run]


def test_an_experiment_takes_its_runs_along_when_it_is_deleted_and_restored(
    store: DynamoDbStore, experiment: str
) -> None:
    run = _run(store, experiment)
    store.delete_experiment(experiment)
    assert store.get_experiment(experiment).lifecycle_stage == store.get_run(run).info.lifecycle_stage == "deleted"
    assert _code(store.create_run, experiment, "ann", 1, [], None) == "INVALID_PARAMETER_VALUE"
    assert _code(store.create_experiment, "fixed_effects") == "RESOURCE_ALREADY_EXISTS"
    assert _code(store.delete_experiment, experiment) == "RESOURCE_DOES_NOT_EXIST"
    store.restore_experiment(experiment)
    assert store.get_run(run).info.lifecycle_stage == "active"


def test_experiments_are_numbered_renamed_tagged_and_searched(store: DynamoDbStore) -> None:
    made = [store.create_experiment(name, tags=[ExperimentTag("kind", name)]) for name in ("ols", "mixed", "fixed")]
    assert made == ["1", "2", "3"]
    assert store.get_experiment("2").artifact_location == f"{ROOT}/experiments/2"
    store.rename_experiment("2", "mixed_effects")
    assert store.get_experiment_by_name("mixed") is None
    assert _code(store.rename_experiment, "1", "fixed") == "RESOURCE_ALREADY_EXISTS"
    assert store.create_experiment("mixed") == "4", "a name that was given up is free"
    store.set_experiment_tag("2", ExperimentTag("kind", "random"))
    store.delete_experiment_tag("3", "kind")
    assert _code(store.delete_experiment_tag, "3", "kind") == "RESOURCE_DOES_NOT_EXIST"
    found = store.search_experiments(filter_string="tags.kind = 'random'")
    assert [each.name for each in found] == ["mixed_effects"]
    first = store.search_experiments(max_results=3, order_by=["name ASC"])
    rest = store.search_experiments(max_results=3, order_by=["name ASC"], page_token=first.token)
    assert [each.name for each in [*first, *rest]] == ["Default", "fixed", "mixed", "mixed_effects", "ols"]


def test_one_of_many_writers_gets_an_experiment_s_name(store: DynamoDbStore) -> None:
    def make(each: DynamoDbStore) -> str:
        try:
            return each.create_experiment("wanted")
        except MlflowException as error:
            return str(error.error_code)

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(make, [open_store(f"dynamodb://{store.table.name}", ROOT) for _ in range(3)] * 4))
    assert Counter(told)["RESOURCE_ALREADY_EXISTS"] == len(told) - 1
    assert len(store.search_experiments(filter_string="name = 'wanted'")) == 1


def test_what_many_writers_log_to_one_run_is_all_there(store: DynamoDbStore, experiment: str) -> None:
    run = _run(store, experiment)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: _log(store, run, {"loss": i, f"m{i}": i}, **{f"p{i}": str(i)}), range(16)))
    data = store.get_run(run).data
    assert data.params == {f"p{i}": str(i) for i in range(16)}
    assert data.metrics == {f"m{i}": i for i in range(16)} | {"loss": 15}
    assert len(store.get_metric_history(run, "loss")) == 16


def test_a_param_does_not_change_and_a_refused_batch_leaves_nothing(store: DynamoDbStore, experiment: str) -> None:
    run = _run(store, experiment)
    _log(store, run, alpha="1")
    _log(store, run, alpha="1")
    assert _code(_log, store, run, {"loss": 1.0}, beta="2", alpha="3") == "INVALID_PARAMETER_VALUE"
    assert store.get_run(run).data.params == {"alpha": "1"}
    assert list(store.get_metric_history(run, "loss")) == []
    assert _code(_log, store, run, {"a|b": 1.0}) == "INVALID_PARAMETER_VALUE"
    with pytest.raises(MlflowException, match="parameter 'value'"):
        store.log_metric(run, Metric("loss", None, 1, 0))
    with pytest.raises(MlflowException, match="maximum length of 250"):
        store.log_param(run, Param("x" * 251, "1"))
    assert _code(_log, store, "0" * 32) == "RESOURCE_DOES_NOT_EXIST"


def test_tags_are_set_and_deleted_and_the_name_follows_its_tag(store: DynamoDbStore, experiment: str) -> None:
    run = _run(store, experiment, "first")
    store.set_tag(run, RunTag("mlflow.runName", "second"))
    assert store.get_run(run).info.run_name == "second"
    store.update_run_info(run, None, None, "third")
    assert store.get_run(run).data.tags == {"mlflow.runName": "third"}
    store.set_tag(run, RunTag("note", ""))
    store.delete_tag(run, "note")
    assert _code(store.delete_tag, run, "note") == "RESOURCE_DOES_NOT_EXIST"
    assert _code(store.create_run, experiment, "ann", 1, [RunTag("mlflow.runName", "a")], "b")


def test_the_largest_batch_that_mlflow_allows_is_logged(store: DynamoDbStore, experiment: str) -> None:
    run = _run(store, experiment)
    metrics = {f"estimate/{'é' * 200}{i}": i / 3 for i in range(400)}
    _log(store, run, metrics, **{f"p{i}": "x" * 6000 for i in range(100)})
    data = store.get_run(run).data
    assert data.metrics == metrics
    assert len(data.params) == 100
    (own,) = [item for item in store.table.query(experiment, run) if item["run_uuid"] == run]
    assert own["pages"] > 0, "it has more than DynamoDB's 400 KB"
    store.set_tag(run, RunTag("after", "all"))
    (found,) = store.search_runs([experiment], "tags.after = 'all' and params.p99 LIKE 'x%'", ViewType.ACTIVE_ONLY)
    assert found.data.params == data.params


def test_an_entry_that_dynamodb_can_t_keep_is_refused_with_its_size(store: DynamoDbStore, experiment: str) -> None:
    run = _run(store, experiment)
    large = DatasetInput(Dataset("silver", "d", "local", "{}", schema="x" * 500_000), [])
    with pytest.raises(MlflowException, match=r"500,\d\d\d bytes"):
        store.log_inputs(run, [large])
    assert store.get_run(run).inputs.dataset_inputs == []


def test_pages_of_a_document_go_when_it_shrinks(store: DynamoDbStore) -> None:
    from potato.dynamodb_documents import change

    key = ("9", "big")
    create(store.table, Document(key, {}, {"tags": {f"t{i}": "x" * 9000 for i in range(80)}}))
    grown = load(store.table, key)
    assert grown is not None
    assert grown.pages == 2

    def find() -> Document:
        found = load(store.table, key)
        assert found is not None
        return found

    change(store.table, find, lambda document: document.maps["tags"].clear())
    assert [item["run_uuid"] for item in store.table.query("9")] == ["big"]


@settings(max_examples=30)
@given(st.recursive(st.text() | st.integers(-(10**30), 10**30), lambda each: st.dictionaries(st.text(), each)))
def test_the_size_of_a_value_is_at_least_that_of_its_texts(value: Any) -> None:
    def texts(value: Any) -> int:
        if isinstance(value, dict):
            return sum(len(key.encode("utf-8", "replace")) + texts(each) for key, each in value.items())
        return len(str(value).encode()) // (1 if isinstance(value, str) else 2)

    assert size(value) >= texts(value)


def test_a_query_of_more_than_a_megabyte_gives_every_item(aws: str, store: DynamoDbStore) -> None:
    asked: Counter[str] = Counter()

    def count(operation: str, request: dict[str, Any], forward: Forward) -> None:
        asked[operation] += 1

    store.table.put_many({"experiment_id": "7", "run_uuid": f"{i:03}", "text": "x" * 60_000} for i in range(40))
    with between(aws, count) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        table = Table(store.table.name)
        assert [item["run_uuid"] for item in table.query("7")] == [f"{i:03}" for i in range(40)]
        assert asked["Query"] > 1
        assert len(table.get_many([("7", f"{i:03}") for i in range(-70, 40)])) == 40
        assert asked["BatchGetItem"] == 2, "100 items at a time"
    store.table.delete_many(("7", f"{i:03}") for i in range(40))
    assert list(store.table.query("7")) == []


@pytest.fixture
def slow(
    aws: str, monkeypatch: pytest.MonkeyPatch, store: DynamoDbStore
) -> Iterator[tuple[DynamoDbStore, Counter[str]]]:
    """A store behind a DynamoDB that is short of capacity: it does half of each batch and refuses one call in five."""
    asked: Counter[str] = Counter()

    def answer(operation: str, request: dict[str, Any], forward: Forward) -> Answer | None:
        asked[operation] += 1
        if sum(asked.values()) % 5 == 0:
            return refused("ProvisionedThroughputExceededException", "Rate exceeded")
        field, rest = {
            "BatchWriteItem": ("RequestItems", "UnprocessedItems"),
            "BatchGetItem": ("RequestItems", "UnprocessedKeys"),
        }.get(operation, ("", ""))
        if not field:
            return None
        ((table, wanted),) = request[field].items()
        listed = wanted["Keys"] if operation == "BatchGetItem" else wanted
        half = (len(listed) + 1) // 2
        now, later = listed[:half], listed[half:]

        def pack(each: list[Any]) -> Any:
            return {table: wanted | {"Keys": each} if operation == "BatchGetItem" else each} if each else {}

        status, told = forward(request | {field: pack(now)})
        return status, told | {rest: pack(later)}

    with between(aws, answer) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield open_store(f"dynamodb://{store.table.name}", ROOT), asked


def test_nothing_is_lost_when_dynamodb_is_short_of_capacity(slow: tuple[DynamoDbStore, Counter[str]]) -> None:
    store, asked = slow
    experiment = store.create_experiment("throttled")
    runs = [_run(store, experiment) for _ in range(5)]
    _log(store, runs[0], {f"m{i}": i for i in range(60)}, alpha="1")
    assert asked["BatchWriteItem"] > 3, "60 points are three batches of 25"
    found = store.search_runs([experiment], "", ViewType.ACTIVE_ONLY)
    assert {run.info.run_id for run in found} == set(runs)
    assert store.get_run(runs[0]).data.metrics == {f"m{i}": i for i in range(60)}
    assert [m.value for m in store.get_metric_history(runs[0], "m59")] == [59]


def test_inputs_and_outputs_of_a_run_are_kept(store: DynamoDbStore, experiment: str) -> None:
    run = _run(store, experiment)
    dataset = Dataset("silver/modeling_dataset", "abc", "local", '{"uri": "data"}', '{"s": 1}', '{"sha256": "x"}')
    given_to = DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
    store.log_inputs(run, [given_to, given_to])
    model = store.create_logged_model(experiment, "potato-demo", run, model_type="fixed_effects")
    store.log_outputs(run, [LoggedModelOutput(model.model_id, 0)])
    found = store.get_run(run)
    assert [dict(each.dataset) for each in found.inputs.dataset_inputs] == [dict(dataset)]
    assert [(tag.key, tag.value) for tag in found.inputs.dataset_inputs[0].tags] == [
        ("mlflow.data.context", "training")
    ]
    assert [(each.model_id, each.step) for each in found.outputs.model_outputs] == [(model.model_id, 0)]
    (summary,) = store._search_datasets([experiment])
    assert (summary.name, summary.digest, summary.context) == ("silver/modeling_dataset", "abc", "training")


def test_a_logged_model_has_params_tags_metrics_and_a_place_under_models(store: DynamoDbStore, experiment: str) -> None:
    run = _run(store, experiment)
    params, tags = [LoggedModelParameter("alpha", "1")], [LoggedModelTag("study", "demo")]
    made = store.create_logged_model(experiment, "potato-demo", run, tags, params, "fixed_effects")
    assert made.artifact_location == f"{ROOT}/models/fixed_effects/{made.model_id}/artifacts"
    points = [Metric("r2", value, 1, step, made.model_id, "silver", "d") for step, value in enumerate((0.1, 0.2))]
    store.log_batch(run, points, [], [])
    store.set_logged_model_tags(made.model_id, [LoggedModelTag("more", "x")])
    store.delete_logged_model_tag(made.model_id, "study")
    assert store.finalize_logged_model(made.model_id, "READY").status == "READY"
    found = store.get_logged_model(made.model_id)
    assert (found.params, found.tags, found.source_run_id) == ({"alpha": "1"}, {"more": "x"}, run)
    assert [(m.key, m.value, m.dataset_name, m.run_id) for m in found.metrics] == [("r2", 0.2, "silver", run)]
    other = store.create_logged_model(experiment, "other")
    order = [{"field_name": "metrics.r2", "ascending": True}]
    page = store.search_logged_models([experiment], max_results=1, order_by=order)
    rest = store.search_logged_models([experiment], max_results=1, order_by=order, page_token=page.token)
    assert [each.model_id for each in [*page, *rest]] == [made.model_id, other.model_id]
    assert len(store.search_logged_models([experiment], "metrics.r2 > 0.1 AND params.alpha = '1'")) == 1
    store.delete_logged_model(made.model_id)
    assert _code(store.get_logged_model, made.model_id) == "RESOURCE_DOES_NOT_EXIST"
    assert [each.name for each in store.search_logged_models([experiment])] == ["other"]


def test_mlflow_gc_removes_what_was_deleted_and_nothing_else(store: DynamoDbStore, experiment: str) -> None:
    gone, stays = _run(store, experiment), _run(store, experiment)
    for run in (gone, stays):
        _log(store, run, {"loss": 1.0})
    model = store.create_logged_model(experiment, "gone").model_id
    store.delete_run(gone)
    store.delete_logged_model(model)
    assert store._get_deleted_runs(older_than=10**6) == []
    assert (store._get_deleted_runs(), store._get_deleted_logged_models()) == ([gone], [model])
    store._hard_delete_run(gone)
    store._hard_delete_logged_model(model)
    assert {item["run_uuid"][:32] for item in store.table.query(experiment)} == {stays}
    assert _code(store.get_run, gone) == "RESOURCE_DOES_NOT_EXIST"
    store.delete_experiment(experiment)
    store._hard_delete_experiment(experiment)
    assert store.create_experiment("fixed_effects") == "2"
    left = client("dynamodb").scan(TableName=store.table.name)["Items"]
    partitions = {item["experiment_id"]["S"] for item in left}
    assert partitions == {dynamodb_keys.EXPERIMENTS, "#names", "#numbers"}


def test_what_the_store_lacks_it_refuses_by_mlflow_s_error(store: DynamoDbStore, experiment: str) -> None:
    import inspect

    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    lacking = {
        name
        for name, method in inspect.getmembers(AbstractStore, inspect.isfunction)
        if not name.startswith("_")
        and name in SqlAlchemyStore.__dict__
        and not any(
            name in each.__dict__ for each in DynamoDbStore.__mro__[1:-1] if each.__module__.startswith("potato")
        )
        and "NotImplementedError" in inspect.getsource(method)
    }
    assert {"search_traces", "start_trace", "register_scorer", "create_dataset"} <= lacking
    for name in lacking - {"link_traces_to_run"}:
        method = getattr(store, name)
        needed = [
            None
            for each in inspect.signature(method).parameters.values()
            if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
        ]
        keywords = {
            key: None
            for key, each in inspect.signature(method).parameters.items()
            if each.default is each.empty and each.kind is each.KEYWORD_ONLY
        }
        assert _code(method, *needed, **keywords) == "NOT_IMPLEMENTED", name
    assert _code(store.link_traces_to_run, ["t"], "r") == "NOT_IMPLEMENTED"

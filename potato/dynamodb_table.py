"""One DynamoDB table: its items as Python values, DynamoDB's limits and refusals, and errors that say what to do."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from potato.dynamodb_errors import explain, refusal

HASH, RANGE = "experiment_id", "run_uuid"
"""The table's keys, both strings."""

T = TypeVar("T")
Item = dict[str, Any]
Key = tuple[str, str]

_MOST_PUTS, _MOST_GETS = 25, 100  # DynamoDB's limits for one request
_ROUNDS = 12  # how often what DynamoDB left undone is sent again; with the pauses, about 20 seconds


class Table:
    """A table with the keys experiment_id and run_uuid.

    Parameters
    ----------
    name : of the table.

    Raises
    ------
    MlflowException : the table can't be reached, is not there, or has other keys.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        # boto3 itself reads AWS_DEFAULT_REGION only; every other AWS tool reads AWS_REGION first.
        self.region = os.environ.get("AWS_REGION") or None
        self._session: Any = None
        self._client: Any = self._connect(attempts=2, seconds=2)  # a table that can't be used is told soon
        self._require_keys()
        self._client = self._connect(attempts=8, seconds=5)
        self._serializer, self._deserializer = TypeSerializer(), TypeDeserializer()

    def _connect(self, attempts: int, seconds: int) -> Any:
        config = Config(
            connect_timeout=2,
            read_timeout=seconds,
            max_pool_connections=32,  # the threads of a server share the client
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        try:
            # A session of its own: the default one must not be used by several threads.
            self._session = self._session or Session()
            return self._session.client("dynamodb", region_name=self.region, config=config)
        except (BotoCoreError, ValueError) as error:
            raise explain(error, "describe_table", self.name, self.region) from error

    def _require_keys(self) -> None:
        described = self.call("describe_table")["Table"]
        types = {each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]}
        keys = {each["KeyType"]: each["AttributeName"] for each in described["KeySchema"]}
        found = {kind: f"{name} ({types[name]})" for kind, name in keys.items()}
        expected = {"HASH": f"{HASH} (S)", "RANGE": f"{RANGE} (S)"}
        if found != expected:
            raise refusal(
                f"The table {self.name} has other keys than MLflow's runs need: "
                f"expected {', '.join(expected.values())}, found {', '.join(found.values())}."
            )

    def call(self, operation: str, **arguments: Any) -> Any:
        """Call one operation of DynamoDB on this table, and return its answer.

        Raises
        ------
        Conflict : a condition did not hold, or another writer was there at the same time.
        MlflowException : anything else that AWS refuses; the text names the permission or the variable.
        """
        if operation not in ("batch_get_item", "batch_write_item", "transact_write_items"):
            arguments["TableName"] = self.name
        try:
            return getattr(self._client, operation)(**arguments)
        except (BotoCoreError, ClientError) as error:
            raise explain(error, operation, self.name, self._client.meta.region_name) from error

    def get(self, key: Key) -> Item | None:
        """Return the item as it is now, or None."""
        found = self.call("get_item", Key=self._key(key), ConsistentRead=True).get("Item")
        return None if found is None else self._decode(found)

    def get_many(self, keys: Iterable[Key]) -> list[Item]:
        """Return the items that are there, in the order of `keys`."""
        wanted = list(dict.fromkeys(keys))
        found: dict[Key, Item] = {}
        for batch in _batches(wanted, _MOST_GETS):

            def ask(left: list[Any]) -> list[Any]:
                answer = self.call("batch_get_item", RequestItems={self.name: {"Keys": left, "ConsistentRead": True}})
                for item in answer["Responses"].get(self.name, ()):
                    decoded = self._decode(item)
                    found[decoded[HASH], decoded[RANGE]] = decoded
                return answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])

            self._until_done([self._key(key) for key in batch], ask, "BatchGetItem")
        return [found[key] for key in wanted if key in found]

    def query(
        self, partition: str, prefix: str = "", *, limit: int | None = None, after: str | None = None
    ) -> Iterator[Item]:
        """Yield the items of a partition whose range key begins with `prefix`, in its order.

        Parameters
        ----------
        limit : how many at most.
        after : the range key of the last item that is already known.
        """
        condition, values = f"{HASH} = :h", {":h": partition}
        if prefix:
            condition, values = f"{condition} AND begins_with({RANGE}, :r)", values | {":r": prefix}
        arguments: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": self.encode(values),
            "ConsistentRead": True,
        }
        if after is not None:
            arguments["ExclusiveStartKey"] = self._key((partition, after))
        left = limit
        while left is None or left > 0:
            if left is not None:
                arguments["Limit"] = left
            answer = self.call("query", **arguments)  # at most 1 MB
            yield from map(self._decode, answer["Items"])
            left = None if left is None else left - len(answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def put(self, item: Item, condition: str | None = None, values: Mapping[str, Any] | None = None) -> None:
        """Write one item; with a condition, only if it holds of the item that is there."""
        self.call("put_item", Item=self.encode(item), **self._condition(condition, values))

    def put_many(self, items: Iterable[Item]) -> None:
        """Write items without conditions; of several with one key, the last."""
        self._write_many({(item[HASH], item[RANGE]): {"PutRequest": {"Item": self.encode(item)}} for item in items})

    def delete_many(self, keys: Iterable[Key]) -> None:
        """Delete items; one that is not there is no error."""
        self._write_many({key: {"DeleteRequest": {"Key": self._key(key)}} for key in keys})

    def _write_many(self, requests: Mapping[Key, Any]) -> None:
        for batch in _batches(requests.values(), _MOST_PUTS):

            def ask(left: list[Any]) -> list[Any]:
                answer = self.call("batch_write_item", RequestItems={self.name: left})
                return answer.get("UnprocessedItems", {}).get(self.name, [])

            self._until_done(batch, ask, "BatchWriteItem")

    def transact(self, *actions: dict[str, Any]) -> None:
        """Do all of the actions, made by `put_action` and so on, or none of them."""
        self.call("transact_write_items", TransactItems=list(actions))

    def put_action(
        self, item: Item, condition: str | None = None, values: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return {"Put": {"TableName": self.name, "Item": self.encode(item), **self._condition(condition, values)}}

    def delete_action(self, key: Key) -> dict[str, Any]:
        return {"Delete": {"TableName": self.name, "Key": self._key(key)}}

    def check_action(self, key: Key, condition: str, values: Mapping[str, Any]) -> dict[str, Any]:
        return {"ConditionCheck": {"TableName": self.name, "Key": self._key(key), **self._condition(condition, values)}}

    def next_number(self, key: Key) -> int:
        """Return 1, then 2, and so on, never twice the same."""
        answer = self.call(
            "update_item",
            Key=self._key(key),
            UpdateExpression="ADD last_number :one",
            ExpressionAttributeValues=self.encode({":one": 1}),
            ReturnValues="UPDATED_NEW",
        )
        return int(self._decode(answer["Attributes"])["last_number"])

    def _condition(self, condition: str | None, values: Mapping[str, Any] | None) -> dict[str, Any]:
        if condition is None:
            return {}
        given = {"ExpressionAttributeValues": self.encode(values)} if values else {}
        return {"ConditionExpression": condition, **given}

    def _until_done(self, requests: list[Any], ask: Callable[[list[Any]], list[Any]], operation: str) -> None:
        left = ask(requests)
        for wait in pauses(_ROUNDS):
            if not left:
                return
            time.sleep(wait)
            left = ask(left)
        if left:
            raise refusal(
                f"DynamoDB did not get to {len(left)} items of a {operation} on the table {self.name}: "
                "it is throttled. Try again later, or give the table more capacity.",
                "RESOURCE_EXHAUSTED",
            )

    def _key(self, key: Key) -> dict[str, Any]:
        return {HASH: {"S": key[0]}, RANGE: {"S": key[1]}}

    def encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._serializer.serialize(value) for name, value in values.items()}

    def _decode(self, item: Mapping[str, Any]) -> Item:
        return {name: _plain(self._deserializer.deserialize(value)) for name, value in item.items()}


def _batches(values: Iterable[T], most: int) -> Iterator[list[T]]:
    rest = iter(values)
    while batch := list(islice(rest, most)):
        yield batch


def pauses(rounds: int, longest: float = 4.0) -> Iterator[float]:
    """Yield so many seconds to wait, twice as long each time and never quite as long as those of another writer."""
    for attempt in range(rounds):
        yield random.uniform(0, min(longest, 0.02 * 2**attempt))


def number(value: float) -> Decimal | str:
    """Return a float as DynamoDB can keep it without loss: as a number where one of its 38 digits can, else as text.

    Its numbers are zero without a sign, or between 1e-130 and 1e126; there are no infinities and no NaN.
    """
    if (value == 0 and not str(value).startswith("-")) or 1e-125 < abs(value) < 1e125:
        return Decimal(repr(value))
    return repr(value)


def _plain(value: Any) -> Any:
    """Return what boto3 made of an item with whole numbers as int; what is no whole number stays a Decimal."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else value
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def size(value: Any) -> int:
    """Return at most how many bytes a value takes of the 400 KB of an item, by DynamoDB's own rules."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping):
        return 3 + sum(1 + len(name.encode()) + size(each) for name, each in value.items())
    if isinstance(value, list | tuple):
        return 3 + sum(1 + size(each) for each in value)
    return 21  # the most that a number takes

"""Whether an event is what OpenLineage's schemas ask for: by the client's own classes, and by the official schemas."""

from __future__ import annotations

import datetime
import enum
import functools
import importlib
import json
import os
import pkgutil
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attr
from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client import event_v2, generated
from referencing import Registry, Resource

SPEC = os.environ.get("OPENLINEAGE_SPEC", "")
"""The folder `spec` of OpenLineage's repository, where the official schemas are; the project holds no copy of them."""

_formats = FormatChecker(["uuid"])


@_formats.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return datetime.datetime.fromisoformat(str(value)).tzinfo is not None


@_formats.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    return bool(urlsplit(str(value)).scheme)


def facets(event: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and content of each facet of an event."""
    holders = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    for holder in holders:
        for kind in ("facets", "inputFacets", "outputFacets"):
            yield from (holder.get(kind) or {}).items()


def by_classes(event: dict[str, Any]) -> list[str]:
    """Return what the client's classes, which are generated from the schemas, would not have taken."""
    classes = _facet_classes()
    wrong = list(_misfits(event_v2.RunEvent, event, "event"))
    for name, facet in facets(event):
        if facet["_schemaURL"] not in classes:
            wrong.append(f"{name}: no such schema: {facet['_schemaURL']}")
        else:
            wrong += _misfits(classes[facet["_schemaURL"]], facet, name)
    return wrong


def by_schemas(event: dict[str, Any]) -> list[str]:
    """Return what the official schemas have against an event and each of its facets."""

    def errors(url: str, content: Any) -> list[str]:
        validator = Draft202012Validator({"$ref": url}, registry=_registry(), format_checker=_formats)
        return [f"{url}: {error.json_path}: {error.message}" for error in validator.iter_errors(content)]

    wrong = errors(event["schemaURL"], event)
    for _, facet in facets(event):
        wrong += errors(facet["_schemaURL"], facet)
    return wrong


@functools.cache
def _registry() -> Registry[Any]:
    paths = [Path(SPEC) / "OpenLineage.json", *(Path(SPEC) / "facets").glob("*.json")]
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return Registry().with_resources((found["$id"], Resource.from_contents(found)) for found in contents).crawl()


@functools.cache
def _facet_classes() -> dict[str, type]:
    found = {}
    for module in pkgutil.iter_modules(generated.__path__):
        for member in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values():
            if isinstance(member, type) and attr.has(member) and hasattr(member, "_get_schema"):
                found[member._get_schema()] = member
    return found


def _misfits(expected: Any, value: Any, where: str) -> Iterator[str]:
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if expected is Any or isinstance(expected, typing.TypeVar):
        return
    if origin in (typing.Union, types.UnionType):
        each = [list(_misfits(one, value, where)) for one in arguments]
        if all(each):
            yield from min(each, key=len)
    elif origin in (list, typing.List):  # noqa: UP006
        if not isinstance(value, list):
            yield f"{where} is no list"
            return
        for number, item in enumerate(value):
            yield from _misfits(arguments[0], item, f"{where}[{number}]")
    elif origin in (dict, typing.Dict):  # noqa: UP006
        for name, item in value.items():
            if not attr.has(arguments[1]) or not hasattr(arguments[1], "_get_schema"):  # facets are checked apart
                yield from _misfits(arguments[1], item, f"{where}.{name}")
    elif attr.has(expected):
        yield from _of_class(expected, value, where)
    elif issubclass(expected, enum.Enum):
        if value not in [member.value for member in expected]:
            yield f"{where} is {value!r}, which is none of the values of {expected.__name__}"
    elif not isinstance(value, expected):
        yield f"{where} is {value!r}, and not a {expected.__name__}"


def _of_class(expected: Any, value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no object"
        return
    hints = typing.get_type_hints(expected)
    fields = {field.name: field for field in attr.fields(expected)}
    for name in value.keys() - fields.keys():
        yield f"{where}.{name} is unknown"
    for name, field in fields.items():
        if name in value:
            yield from _misfits(hints[name], value[name], f"{where}.{name}")
        elif field.default is attr.NOTHING and field.init:
            yield f"{where}.{name} is missing"

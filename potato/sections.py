"""Files of settings: read strictly, checked against typed sections, and explained where they are wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from potato.errors import PotatoError, nearest

Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key that stands twice: the first would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
            if isinstance(key, str):
                seen.add(key)
        return super().construct_mapping(node, deep)


class Section(BaseModel):
    """A part of a settings file; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read(model: type[Model], path: Path, root: Path) -> Model:
    """Read the file at `path`, below `root`, as `model`.

    Raises
    ------
    PotatoError
        for a missing file, text that is no YAML, or a misspelt or ill-typed setting.
    """
    shown = path.relative_to(root).as_posix()
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise PotatoError(
            f"{shown} is missing.", where=str(path), hint=f"restore it: `git checkout -- {shown}`"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PotatoError(
            f"{shown} is not readable YAML.", where=shown, found=" ".join(str(error).split()), hint=f"mend {shown}"
        ) from None
    if not isinstance(content, dict):
        raise PotatoError(
            f"{shown} holds no settings.",
            where=shown,
            expected="`name: value` lines",
            found="nothing" if content is None else type(content).__name__,
            hint=f"restore it: `git checkout -- {shown}`",
        )
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _explain(error, model, content, shown) from None


def _explain(error: ValidationError, model: type[BaseModel], content: dict[str, Any], shown: str) -> PotatoError:
    """Turn the first of pydantic's complaints into ours; the others are counted."""
    problems = error.errors()
    # A name that is not known explains the name that is missing, not the other way round.
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    path = [str(part) for part in first["loc"]]
    where = f"{shown}, {'.'.join(path)}" if path else shown
    more = f" ({len(problems) - 1} more after this one)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _keys(model, path[:-1])
        guess = nearest(path[-1], known)
        return PotatoError(
            f"{shown} has a setting that does not exist: {'.'.join(path)}.{more}",
            where=where,
            expected=f"one of {', '.join(sorted(known))}" if known else None,
            found=path[-1],
            nearest=guess,
            hint=f"write {guess} instead of {path[-1]} in {shown}" if guess else f"remove {path[-1]} from {shown}",
        )
    if first["type"] == "missing":
        return PotatoError(
            f"{shown} lacks the setting {'.'.join(path)}.{more}", where=where, hint=f"add {path[-1]}: to {shown}"
        )
    message = str(first["msg"]).removeprefix("Value error, ")
    found = first.get("input")
    guess = None
    if first["type"] == "value_error":
        where = f"{shown}, {'.'.join([*path, message.split(':')[0]])}"
        told = re.search(r"nearest: (\w+)", message)
        guess = told.group(1) if told else None
    elif first["type"] == "literal_error":
        guess = nearest(str(found), re.findall(r"'([^']*)'", message))
    return PotatoError(
        f"{shown} has a setting with a value that can't be: {'.'.join(path) or message.split(':')[0]}.{more}",
        where=where,
        expected=message,
        found=None if isinstance(found, dict) else repr(found),
        nearest=guess,
        hint=f"write {guess} there in {shown}" if guess else f"correct it in {shown}",
    )


def _keys(model: type[BaseModel], path: list[str]) -> list[str]:
    """Return the setting names that `model` knows below `path`; none below a free mapping."""
    steps = iter(path)
    for part in steps:
        field = model.model_fields.get(part)
        annotation = field.annotation if field else None
        arguments = getattr(annotation, "__args__", ())
        nested = [c for c in (annotation, *arguments) if isinstance(c, type) and issubclass(c, BaseModel)]
        if not nested:
            return []
        if getattr(annotation, "__origin__", None) is dict:
            next(steps, None)  # the name that the mapping gives its entry
        model = nested[0]
    return list(model.model_fields)


def nearest_of(name: str, known: Iterable[str]) -> str:
    """Return the end of a complaint about `name`, which names the nearest of `known`; `read` takes it as advice."""
    guess = nearest(name, known)
    return f"; nearest: {guess}" if guess else ""

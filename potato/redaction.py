"""Secrets of the environment: what must not be seen in anything that a run writes, shows or sends.

A secret is the value of an environment variable whose name says so (token, password, ...), a value under such a name
inside a variable that holds JSON, what comes after "=" in a variable of headers, and the user name and password inside
an address.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

MARK = "[redacted]"
_SHORTEST = 4
_NAMES = re.compile(
    r"secret|token|passw(or)?d|passphrase|api[_-]?key|access[_-]?key|credential|private|authorization", re.IGNORECASE
)
# Such a variable names a place; what lies there is read by nobody here.
_PLACES = re.compile(r"(_FILE|_PATH|_DIR|_DIRECTORY|_URI|_URL|_ENDPOINT)S?$", re.IGNORECASE)
_USERINFO = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#\s@]+)@", re.IGNORECASE)
# Words that switch something on or off; redacting them would hide nothing and spoil sentences.
_NO_SECRETS = {"true", "false", "none", "null"}


def redact(text: str) -> str:
    """Return `text` with every secret of the environment replaced by MARK."""
    pattern = _pattern(tuple(os.environ.items()))
    return pattern.sub(MARK, text) if pattern else text


def clean(value: Any) -> Any:
    """Return a value of JSON with `redact` applied to every text in it, names included."""
    pattern = _pattern(tuple(os.environ.items()))
    return _cleaned(value, pattern) if pattern else value


def _cleaned(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(MARK, value)
    if isinstance(value, Mapping):
        return {_cleaned(key, pattern): _cleaned(item, pattern) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item, pattern) for item in value]
    return value


def _found(name: str, text: str) -> Iterator[str]:
    if "://" in text:
        for userinfo in _USERINFO.findall(text):
            yield userinfo
            # A user name alone is only a secret where it stands in for the password, as a token does.
            user, colon, password = userinfo.partition(":")
            yield from (password, unquote(password)) if colon else (unquote(user),)
    if text.lstrip().startswith("{") and _NAMES.search(text):
        with contextlib.suppress(ValueError):
            yield from _inside(json.loads(text))
    if name.upper().endswith("_HEADERS"):
        for part in text.split(","):
            value = unquote(part.partition("=")[2]).strip()
            yield from (value, value.split()[-1] if value else "")
    elif _NAMES.search(name) and not _PLACES.search(name):
        yield text.strip()
        # Of a key with many lines each is shown alone in a listing.
        yield from (line.strip() for line in text.splitlines() if len(line.strip()) >= 4 * _SHORTEST)


def _inside(value: Any, secret: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _inside(item, bool(_NAMES.search(key)))
    elif isinstance(value, list):
        for item in value:
            yield from _inside(item, secret)
    elif secret and isinstance(value, str):
        yield value


@lru_cache(maxsize=8)
def _pattern(environment: tuple[tuple[str, str], ...]) -> re.Pattern[str] | None:
    """Return what finds the secrets as they are, inside an address, and with a string's escapes; the longest first."""
    forms = set()
    for secret in {value for name, text in environment for value in _found(name, text)}:
        if len(secret) >= _SHORTEST and secret.lower() not in _NO_SECRETS:
            forms |= {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    ordered = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None

"""Which values of the environment are secrets: told by a variable's name, and by what its value looks like.

A secret is the value of a variable whose name says so, a value under such a name in JSON, in a connection string or in
an address's query, what an address holds before its host, a webhook's path, and the values of a variable of headers.
A value that is too short or too common is none: redacting it would hide nothing and spoil sentences.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

SHORTEST = 6
"""Characters of the shortest value that is taken for a secret; a value of letters alone needs two more."""

_ALWAYS = re.compile(
    r"secret|token(?!ize)|passw(or)?d|passphrase|credential|private|authorization|apikey|accesskey|accountkey"
)
_AT_THE_END = {"key", "keys", "pwd", "pass", "auth", "pat", "jwt", "cookie", "cookies", "bearer", "sig", "signature"}
_NO_SECRET_KEY = {"public", "primary", "foreign", "sort", "partition", "cache", "index", "group", "join"}
# A variable that ends so tells something about a secret: where it is, how long it lasts, what kind it is.
_ABOUT = re.compile(
    r"files?|paths?|dir|directory|folder|names?|type|kind|ids?|urls?|uri|endpoint|host|port|user|username|sock|socket"
    r"|agent|method|mode|algorithm|provider|issuer|audience|scheme|format|version|length|size|limits?|count|ttl|age"
    r"|expiry|expires|expiration|timeout|enabled|disabled|required|policy|domain|location"
)
_SECRET_IDS = ("accesskeyid", "secretid")
_AMOUNTS = {"max", "min", "num"}
_VARIANTS = {"prod", "production", "dev", "test", "live", "staging", "default", "value", "pem", "base64", "b64", "hex"}

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ASSIGNED = re.compile(r"([\w.-]+)\s*=\s*")
_VALUE = re.compile(r"""(?:"([^"]*)"|'((?:[^'\\]|\\.)*)'|([^;\s]+))""")
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://(\S+)", re.IGNORECASE)
_QUOTED_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://([^\s\"'<>]+)", re.IGNORECASE)
_USERINFO = re.compile(r"([^/?#@]+)@")
# A password may hold what an address should have escaped; a port is no password.
_LOOSE_USERINFO = re.compile(r"([^/?#@:]*:(?!\d{1,5}(?:[/?#]|$))(?:(?!://).)*)@")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?")
_NUMBER = re.compile(r"[+-]?[\d.,_]+(?:[eE][+-]?\d+)?%?")


@dataclass(frozen=True)
class Known:
    """What an environment holds.

    Attributes
    ----------
    values : the secrets, each once.
    spared : variables whose name says secret and whose value is not taken for one, and why.
    """

    values: frozenset[str]
    spared: Mapping[str, str]


def known(environment: Mapping[str, str]) -> Known:
    """Return the secrets of an environment, and which of its variables were passed over."""
    values, spared = set(), {}
    for name, text in environment.items():
        values |= {value for value in set(_found(name, text)) if doubt(value) is None}
        if is_secret(name) and text.strip() and (why := doubt(text.strip())):
            spared[name] = why
    return Known(frozenset(values), spared)


def is_secret(name: str) -> bool:
    """Tell whether a name says that its value is a secret: DB_PASSWORD, apiKey and GH_PAT do, MAX_TOKENS does not."""
    words = [word.lower() for word in _WORDS.findall(name)]
    while words and (words[-1].isdigit() or words[-1] in _VARIANTS):
        words.pop()
    if not words or words == ["pwd"] or _AMOUNTS & set(words):  # PWD is the shell's working directory
        return False
    joined = "".join(words)
    if joined.endswith(_SECRET_IDS):
        return True
    if _ABOUT.fullmatch(words[-1]):
        return False
    return bool(_ALWAYS.search(joined)) or (words[-1] in _AT_THE_END and not _NO_SECRET_KEY & set(words))


def doubt(value: str) -> str | None:
    """Return why a value is not taken for a secret whatever its variable is called, or None for one that is."""
    if len(value) < SHORTEST or (value.isalpha() and len(value) < SHORTEST + 2):
        return f"{len(value)} characters are too few to tell it from other text"
    if len(set(value)) < 4:
        return "it repeats less than four characters"
    if _TIME.fullmatch(value) or (_NUMBER.fullmatch(value) and sum(map(str.isdigit, value)) < 12):
        return "it is a number or a date"
    if _is_place(value):
        return "it names a file or folder of this machine"
    if value.lower() in _own_code():
        return "it is a word of the pipeline's own code"
    return None


def _is_place(value: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return value.startswith("/") and Path(value).exists()
    return False


@cache
def _own_code() -> str:
    """Return the package's code in lower case: what stands in it is public."""
    return "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py")).lower()


def _found(name: str, text: str) -> Iterator[str]:
    structured = text.lstrip().startswith(("{", "["))
    for scheme, rest in (_QUOTED_ADDRESS if structured else _ADDRESS).findall(text) if "://" in text else ():
        yield from _in_address(scheme.lower(), rest, hook="webhook" in name.lower())
    if structured:
        with contextlib.suppress(ValueError, RecursionError):
            yield from _inside(json.loads(text))
    for pair in _ASSIGNED.finditer(text) if "=" in text else ():
        if is_secret(pair[1]) and (value := _VALUE.match(text, pair.end())):
            yield from _spelled(value[1] or re.sub(r"\\(.)", r"\1", value[2] or "") or value[3] or "")
    if name.upper().endswith("_HEADERS"):
        for part in text.split(","):
            yield from _header(unquote(part.partition("=")[2]).strip())
    elif is_secret(name) or (_opaque(name) and "=" not in text and "://" not in text):
        yield text.strip()
        yield from _header(text.strip())


def _in_address(scheme: str, rest: str, *, hook: bool) -> Iterator[str]:
    for userinfo in {found[1] for pattern in (_USERINFO, _LOOSE_USERINFO) if (found := pattern.match(rest))}:
        user, colon, password = userinfo.partition(":")
        if colon:
            yield from (userinfo, password, unquote(password))
            # What reads the address wrongly shows the parts.
            yield from re.split(r"[/?#]", password)
        elif scheme in ("http", "https"):  # a user name alone stands in for the password, as a token does
            yield from (user, unquote(user))
    if hook and "/" in rest:
        path = rest[rest.index("/") :]
        yield from (path, path.split("?")[0].rstrip("/").rpartition("/")[2])


def _inside(value: Any, secret: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _inside(item, is_secret(key))
    elif isinstance(value, list):
        for item in value:
            yield from _inside(item, secret)
    elif secret and isinstance(value, str):
        yield value.strip()


def _spelled(value: str) -> Iterator[str]:
    """Yield a value that stands among others: where it ends depends on who reads it."""
    for end in ("", "&", ","):
        part = value.split(end)[0] if end else value
        yield from (part, unquote(part))


def _header(value: str) -> Iterator[str]:
    """Yield the value of a header: "Bearer TOKEN", "Basic" and a name with a password in base64, or a key alone."""
    scheme, _, rest = value.partition(" ")
    yield value
    if scheme.lower() in ("bearer", "basic", "token") and rest:
        yield rest.strip()
        with contextlib.suppress(ValueError):
            if scheme.lower() == "basic":
                pair = base64.b64decode(rest.strip(), validate=True).decode()
                yield from (pair, pair.partition(":")[2])


def _opaque(name: str) -> bool:
    joined = "".join(_WORDS.findall(name)).lower()
    return joined.endswith(("connectionstring", "connstr", "dsn"))

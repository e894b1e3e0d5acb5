"""Secrets of the environment are taken out of whatever a run writes, shows or sends.

`credentials` says which values are secrets. Here each is found as it is and as it is written: with the escapes of
Python, JSON, HTML and addresses, nested or mixed, in base64, line by line, and cut off. What is redacted is text;
keys, ids, times and the names that the pipeline makes stay as they are, because what reads a record relies on them.
"""

from __future__ import annotations

import base64
import os
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property, lru_cache
from html.entities import codepoint2name
from typing import Any, TypeVar

from potato import credentials

MARK = "[redacted]"
_CUT_OFF = 8
"""Characters of a secret's beginning that are redacted where the text was cut off after them."""
_SHORTEST_LINE = 4
_CUT = re.compile(r"(?:[\\&%][\w#]{0,8})?(?:\.\.|…|&hellip;|\\*u2026|\Z)")

MADE = frozenset({"stage", "study", "dataset", "model", "outcome", "run_id", "trace_id", "gold", "model_fingerprint"})
"""Attributes and tags called "potato." and one of these hold names that the pipeline makes."""
FORM = frozenset(
    {"ts", "level", "stage", "study", "status", "run_id", "trace_id", "span_id", "parent_span_id", "start", "end"}
    | {"metric", "unit", "kind", "fingerprint", "name", "dataset", "expectation", "column", "severity", "verdict"}
    | {"outcome", "process", "family", "reason", "model", "term"}
    | {"eventTime", "eventType", "runId", "namespace", "producer", "_producer", "schemaURL", "_schemaURL", "field"}
    | {"jobType", "processingType", "integration", "datasetVersion", "assertion", "type", "subtype"}
)
"""What a line of a run's records, its own or OpenLineage's, has under these is its form and not text."""

T = TypeVar("T")
Span = tuple[int, int]


def redact(text: str) -> str:
    """Return `text` with every secret of the environment replaced by MARK."""
    return _redacted(text, _finders(tuple(os.environ.items())))


def clean(value: T, form: frozenset[str] = frozenset()) -> T:
    """Return a value of JSON with `redact` applied to every text in it.

    Keys stay, and so do the names that the pipeline makes (MADE) and what stands under a key in `form`.
    """
    finders = _finders(tuple(os.environ.items()))
    return _cleaned(value, finders, form) if finders else value


def _cleaned(value: Any, finders: Iterable[_Finder | _Lines], form: frozenset[str]) -> Any:
    if isinstance(value, str):
        return _redacted(value, finders)
    if isinstance(value, Mapping):
        return {
            key: item if isinstance(item, str) and _stays(key, form) else _cleaned(item, finders, form)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_cleaned(item, finders, form) for item in value]
    return value


def _stays(key: object, form: frozenset[str]) -> bool:
    name = str(key)
    return name in form or (name.startswith("potato.") and name.removeprefix("potato.") in MADE)


def _redacted(text: str, finders: Iterable[_Finder | _Lines]) -> str:
    spans = sorted(span for finder in finders if finder.anchor in text for span in finder.find(text))
    parts: list[str] = []
    done = 0
    for start, end in spans:
        if start > done or not parts:
            parts += [text[done:start], MARK]
        done = max(done, end)
    return "".join(parts) + text[done:] if parts else text


class _Finder:
    """Finds one text in all its spellings."""

    def __init__(self, secret: str) -> None:
        self._secret, self._parts = secret, re.findall(r"\\+|\s+|.", secret, re.DOTALL)
        head = self._parts[:_CUT_OFF]
        self._may_be_cut = len(head) == _CUT_OFF
        # Letters and digits are written as themselves everywhere: looking for some first is a hundred times faster.
        self.anchor = max("".join(part if _is_plain(part) else " " for part in head).split(), key=len, default="")

    @cached_property
    def _head(self) -> re.Pattern[str]:
        return re.compile("".join(f"(?:{'|'.join(_spellings(part))})" for part in self._parts[:_CUT_OFF]))

    def find(self, text: str) -> Iterator[Span]:
        """Yield where the secret stands in `text`, also where only its beginning is left of it."""
        at = 0
        while self.anchor in text and (head := self._head.search(text, at)):
            end = self._end(text, head.start())
            if end is not None:
                yield head.start(), end
            at = max(head.start() + 1, end or 0)

    def _end(self, text: str, start: int) -> int | None:
        """Return where the secret that begins at `start` ends, or where it was cut off; None if it goes on otherwise.

        A spelling can be read in two ways (`&amp;` is "&", or "&" before "amp;"), so that all are followed.
        """
        if text.startswith(self._secret, start):
            return start + len(self._secret)
        ends = {start}
        for number, part in enumerate(self._parts):
            further = {end for at in ends for end in _ends(part, text, at)}
            if not further:
                cut = number >= _CUT_OFF and next((at for at in sorted(ends) if _CUT.match(text, at)), None)
                return cut or None
            ends = further
        return min(ends)


class _Lines:
    """Finds the lines of a secret: a long one wherever it is, a short one beside another one."""

    anchor = ""

    def __init__(self, secret: str) -> None:
        lines = dict.fromkeys(line.strip() for line in secret.splitlines())
        self._lines = {line: _Finder(line) for line in lines if len(line) >= _SHORTEST_LINE}
        self._sure = {line for line in self._lines if credentials.doubt(line) is None}

    def find(self, text: str) -> Iterator[Span]:
        """Yield where lines of the secret stand in `text`."""
        near = {line: finder for line, finder in self._lines.items() if finder.anchor in text}
        found = {line: spans for line, finder in near.items() if (spans := list(finder.find(text)))}
        for line, spans in found.items():
            if (line in self._sure and len(line) >= _CUT_OFF) or (self._sure & set(found)) - {line}:
                yield from spans


@lru_cache(maxsize=8)
def _finders(environment: tuple[tuple[str, str], ...]) -> tuple[_Finder | _Lines, ...]:
    finders: list[_Finder | _Lines] = []
    for secret in sorted(credentials.known(dict(environment)).values):
        finders.append(_Finder(secret))
        finders += map(_Finder, sorted(_base64(secret)))
        if len(secret.splitlines()) > 1:
            finders.append(_Lines(secret))
    return tuple(finders)


def _base64(secret: str) -> set[str]:
    """Return what base64 makes of the secret alone or behind other bytes, without what depends on its neighbours."""
    found, content = set(), secret.encode(errors="surrogateescape")
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + content).decode()
        encoded = encoded[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]
        found |= {encoded, encoded.translate(str.maketrans("+/", "-_"))} if len(encoded) >= _CUT_OFF else set()
    return found


def _is_plain(part: str) -> bool:
    return part.isascii() and part.isalnum()


def _ends(part: str, text: str, at: int) -> Iterator[int]:
    """Yield where a spelling of `part` ends that begins at `at`."""
    if _is_plain(part):
        if text.startswith(part, at):
            yield at + 1
        return
    for spelling in _compiled(part):
        if found := spelling.match(text, at):
            yield found.end()
            if part[0] == text[at] == "\\":  # those behind may belong to the next character's escape
                yield from range(at + len(part), found.end())


@cache
def _compiled(part: str) -> tuple[re.Pattern[str], ...]:
    return tuple(map(re.compile, _spellings(part)))


@cache
def _spellings(part: str) -> tuple[str, ...]:
    """Return patterns for a character, a run of backslashes or a run of white space."""
    if _is_plain(part):
        return (part,)
    if part.isspace():  # it is folded and broken as well
        escaped = "|".join(each for character in sorted({*part, *string.whitespace}) for each in _escapes(character))
        plain = rf"\s+|\\++[nrtvf]|(?i:<br ?/?>)|{escaped}"
        return plain, rf"(?:{plain})+", rf"(?:\+|{plain})+"
    if part[0] == "\\":
        return rf"\\{{{len(part)},}}", rf"(?:{'|'.join(_escapes(part[0]))}){{{len(part)}}}"
    ways = [rf"\\*{re.escape(part)}", *_escapes(part)]
    if part in "\"'":
        ways.append(part * 2)  # as SQL and CSV write it
    if part == "'":
        ways += [r"""'"'"'""", r"'\\''"]  # as shells do
    return tuple(ways)


def _escapes(character: str) -> list[str]:
    """Return patterns of what stands for a character in an address, in HTML, and in Python's and JSON's texts."""
    code, content = ord(character), character.encode(errors="surrogateescape")
    names = {39: ["apos"], 38: ["amp"]}.get(code, [codepoint2name[code]] if code in codepoint2name else [])
    entities = "|".join([*names, f"#0*{code}", f"#[xX]0*{_hex(f'{code:x}')}"])
    if code > 0xFFFF:
        high, low = divmod(code - 0x10000, 0x400)
        escapes = [
            f"U{_hex(f'{code:08x}')}",
            f"u{_hex(f'{0xD800 + high:x}')}" + r"\\+" + f"u{_hex(f'{0xDC00 + low:x}')}",
        ]
    else:
        escapes = [f"u{_hex(f'{code:04x}')}", *([f"x{_hex(f'{code:02x}')}"] if code < 256 else [])]
    escapes += {"\a": ["a"], "\b": ["b"]}.get(character, [])
    quoted = "".join(f"%(?:25)*{_hex(f'{byte:02x}')}" for byte in content)
    raw = "".join(rf"\\+x{_hex(f'{byte:02x}')}" for byte in content)
    return [quoted, raw, rf"\\+(?:{'|'.join(escapes)})", rf"&(?:amp;)*(?:{entities});"]


def _hex(digits: str) -> str:
    return re.sub("[a-f]", lambda found: f"[{found[0]}{found[0].upper()}]", digits)

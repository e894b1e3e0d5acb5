"""Text of a study inside a page: shown as it is, whatever it would mean to Markdown, to HTML or to the report."""

from __future__ import annotations

import re
from html import escape

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#$@|~^\"'])")
# What the verifier of the site takes for something that nothing resolved.
_OPEN_END = re.compile(r"\{\{(?=<)|\?(?=@(?:fig|tbl)-|var:)")
_ENTITIES = str.maketrans({character: f"&#{ord(character)};" for character in "{}@`"})


def plain(text: str) -> str:
    """Return `text` so that Markdown, and a shortcode, show it as it is."""
    return _SPECIAL.sub(r"\\\1", _inert(text)).replace(":::", "\\:\\:\\:")


def html(text: str) -> str:
    """Return `text` as a raw block of HTML shows it, inside an element or an attribute."""
    return escape(_inert(text)).translate(_ENTITIES)


def listing(text: str) -> str:
    """Return `text` as a raw block of HTML shows it, inside <pre>: with its lines and its spaces."""
    return escape(_OPEN_END.sub(r"\g<0> ", text)).translate(_ENTITIES)


def code(text: str) -> str:
    """Return `text` as a piece of code within a paragraph of Markdown."""
    return f"`<code>{html(text)}</code>`{{=html}}"


def _inert(text: str) -> str:
    """Return `text` on one line, with a space in what would read as a shortcode or a broken reference."""
    return _OPEN_END.sub(r"\g<0> ", " ".join(text.split()))

"""Text of a study inside a page: shown as it is, whatever it would mean to Markdown."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#$@|~^\"'])")


def plain(text: str) -> str:
    """Return `text` so that Markdown, and a shortcode, show it as it is."""
    # The verifier of the site takes a shortcode that it finds on a page for one that nothing resolved.
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()).replace("{{<", "{{ <"))

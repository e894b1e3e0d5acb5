"""The one error that people read: what went wrong, where, what was expected and found, and what to type next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PotatoError(Exception):
    """A problem that the person at the keyboard can mend.

    Parameters
    ----------
    what : one sentence that names the problem.
    where : file, row, column or setting.
    expected, found : both sides of the mismatch, as text.
    nearest : the closest valid name, where a name was misspelt.
    hint : what to type or change next.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        nearest: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found
        self.nearest = nearest
        self.hint = hint

    def lines(self) -> list[tuple[str, str]]:
        """Return (label, text) pairs in reading order, without the empty ones."""
        pairs = [
            ("where", self.where),
            ("expected", self.expected),
            ("found", self.found),
            ("nearest", self.nearest),
            ("next", self.hint),
        ]
        return [(label, text) for label, text in pairs if text]

    def __str__(self) -> str:
        return "\n".join([self.what, *(f"  {label}: {text}" for label, text in self.lines())])


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that looks most like `name`, or None when none is close."""
    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.55)
    return by_folded[matches[0]] if matches else None

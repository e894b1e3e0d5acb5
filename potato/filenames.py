"""Whether the names of files or folders are those of people, or of the parts of an export."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable

from potato.synonyms import COUNTED_WORDS, END_WORDS, START_WORDS, key


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Before a number these make it a person's: P01, sub-01, participant 3.
_PEOPLE = _set(
    "sub subj subject participant person patient user id pid sid case proband probandin teilnehmer patientin vp tn"
    " respondent volunteer member client sujet participante sujeto paciente deelnemer proefpersoon"
)
_PERIODS = {word for words in COUNTED_WORDS.values() for word in words} | START_WORDS | END_WORDS
_PERIODS |= _set(
    "part parts teil partie parte deel phase period periode session visit v t q batch chunk page copy kopie copie of"
    " export exports log version run file new old intervention control washout quarter kw cw"
)
_PERIODS |= {name.casefold() for names in (calendar.month_name, calendar.month_abbr) for name in names}
_PERIODS |= {name.casefold() for names in (calendar.day_name, calendar.day_abbr) for name in names}
_CODE_LETTERS = 2  # P01 and LC01 are people's codes
_CODE_DIGITS = 3  # 101.csv is a person's code, 2.csv a second part


def person(name: str) -> str:
    """Return a file's name without what may number the parts of one person's files: weeks, parts, dates, copies."""
    tokens = re.findall(r"[^\W\d_]+|\d+", key(name))
    kept: list[str] = []
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else ""
        code = 1 <= len(before) <= _CODE_LETTERS and before.isalpha() and before not in _PERIODS
        alone = len(tokens) == 1 and len(token) >= _CODE_DIGITS
        if not token.isdecimal() or before in _PEOPLE or code or alone:
            kept.append(token)
    return " ".join(token for token in kept if token not in _PERIODS)


def people(names: Iterable[str]) -> bool:
    """Tell whether each of the names is another person's, beyond numbers, weeks and copies."""
    told = [person(name) for name in names]
    return len(set(told)) == len(told)


def one(names: Iterable[str]) -> bool:
    """Tell whether the names differ in nothing but numbers, weeks and copies."""
    return len({person(name) for name in names}) == 1

"""The models' formula in params.yaml: what is explained, by what, and what is held equal.

`outcome ~ covariates + C(study_week) + weight_kg` is read as in R and patsy. The word `covariates` stands for the
list of that name, whose effects are reported; `C(name)` is a control with a level for each value, and a name alone is
a control that acts in a straight line. An intercept is always there, and people's own levels belong to the models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from potato.errors import PotatoError, nearest

OUTCOME = "next_week_change_kg"
DEFAULT = f"{OUTCOME} ~ covariates + C(study_week) + C(group)"
COVARIATES = "covariates"
WHERE = "params.yaml, gold.formula"
_NAME = re.compile(r"[A-Za-z_]\w*")
_LEVELS = re.compile(r"C\(\s*(.*?)\s*\)")


@dataclass(frozen=True)
class Formula:
    """A formula that was read.

    Attributes
    ----------
    outcome : the column that is explained.
    controls : columns that enter with a level for each value, in order.
    numeric_controls : columns that enter as they are, in order.
    """

    outcome: str
    controls: tuple[str, ...]
    numeric_controls: tuple[str, ...]


def columns() -> dict[str, str]:
    """Return the columns of the modelling dataset that a formula can name, each with its kind.

    Kinds: number, whole (a number that can have levels, too), text.
    """
    # Imported here: settings, which every command reads, need a formula, and the dictionary needs Arrow.
    import pyarrow as pa

    from potato.schema import MODELING_DATASET

    kinds = {}
    for column in MODELING_DATASET.columns:
        if column.name in ("subject_id", OUTCOME):
            continue
        kinds[column.name] = (
            "text" if pa.types.is_string(column.type) else "whole" if pa.types.is_integer(column.type) else "number"
        )
    return kinds


def covariates() -> list[str]:
    """Return the columns of the modelling dataset that can be a covariate: numbers, other than the study week."""
    return [name for name, kind in columns().items() if kind != "text" and name != "study_week"]


def read(text: str, listed: Sequence[str]) -> Formula:
    """Read `text`, whose word `covariates` stands for `listed`.

    Raises
    ------
    PotatoError
        for a formula that can't be read, or that names what the modelling dataset does not hold.
    """
    sides = [side.strip() for side in text.split("~")]
    if len(sides) != 2 or not all(sides):
        raise _error(
            "The formula has no two sides.",
            "the outcome, one ~, and what explains it",
            text,
            f"write `formula: {DEFAULT}`",
        )
    outcome, right = sides
    if outcome != OUTCOME:
        raise _error(
            "The formula explains what this project has no models for.",
            f"{OUTCOME} before the ~",
            outcome,
            f"write `{OUTCOME} ~ {right}`",
            nearest(outcome, [OUTCOME]),
        )
    terms = [term.strip() for term in right.split("+")]
    if COVARIATES not in terms:
        guess = next((term for term in terms if nearest(term, [COVARIATES]) and term not in columns()), None)
        mended = " + ".join([COVARIATES if term == guess else term for term in terms])
        raise _error(
            "The formula does not say where the covariates stand.",
            f"the word `{COVARIATES}`, which stands for the list below the formula",
            right,
            f"write `{outcome} ~ {mended if guess else ' + '.join([COVARIATES, *terms])}`",
            COVARIATES if guess else None,
        )
    read_terms = [_term(term) for term in terms if term != COVARIATES]
    named = [COVARIATES for term in terms if term == COVARIATES] + [name for name, _ in read_terms]
    for name in named:
        if named.count(name) > 1 or name in listed:
            also = "in the list of covariates and in the formula" if name in listed else "more than once in the formula"
            raise _error(f"{name} stands {also}.", "each column once", text, f"remove one {name}")
    levels = tuple(name for name, with_levels in read_terms if with_levels)
    return Formula(outcome, levels, tuple(name for name, with_levels in read_terms if not with_levels))


def check_covariates(listed: Sequence[str], random_slope: str | None) -> None:
    """Raise PotatoError unless each covariate is a numeric column, each stands once, and the slope is one of them."""
    known = covariates()
    for name in listed:
        if name not in known:
            raise _unknown("The list of covariates names a column that can't be one.", "covariates", name, known)
        if listed.count(name) > 1:
            raise PotatoError(
                f"{name} stands twice in the list of covariates.",
                where="params.yaml, gold.covariates",
                expected="each column once",
                found=", ".join(listed),
                hint=f"remove one {name} in params.yaml",
            )
    if random_slope is not None and random_slope not in listed:
        raise _unknown("The random slope is that of no covariate.", "random_slope", random_slope, listed)


def _term(term: str) -> tuple[str, bool]:
    """Return a control's name and whether it enters with levels."""
    kinds = columns()
    in_levels = _LEVELS.fullmatch(term)
    name = in_levels[1] if in_levels else term
    if not _NAME.fullmatch(name):
        raise _error(
            "The formula has a term that it can't have.",
            "`covariates`, a column, or C(column), with + between them; an intercept is always there",
            term or "nothing between two +",
            f"remove {term!r} from the formula in params.yaml" if term else "remove one + from the formula",
        )
    if name == "subject_id":
        raise _error(
            "The formula has a level for each person.",
            "other controls: fixed_effects and mixed_effects give each person a level themselves",
            term,
            f"remove {term} from the formula in params.yaml",
        )
    if name not in kinds:
        possible = [n for n, kind in kinds.items() if kind != "number"] if in_levels else list(kinds)
        guess = nearest(name, possible)
        raise _error(
            f"The formula names a column that the modelling dataset does not have: {name}.",
            f"one of {', '.join(possible)}",
            term,
            f"write {f'C({guess})' if kinds[guess] == 'text' or in_levels else guess} instead of {term}"
            if guess
            else "see the columns of silver/modeling_dataset in docs/dictionary.md",
            guess,
        )
    if in_levels and kinds[name] == "number":
        raise _error(f"{name} has no levels.", "a text or a whole number in C()", term, f"write {name} without C()")
    if not in_levels and kinds[name] == "text":
        raise _error(f"{name} is a text, which has levels and no line.", f"C({name})", term, f"write C({name})")
    return name, bool(in_levels)


def _error(what: str, expected: str, found: str, hint: str, guess: str | None = None) -> PotatoError:
    return PotatoError(what, where=WHERE, expected=expected, found=found, nearest=guess, hint=hint)


def _unknown(what: str, setting: str, name: str, known: Iterable[str]) -> PotatoError:
    known = list(known)
    guess = nearest(name, known)
    return PotatoError(
        what,
        where=f"params.yaml, gold.{setting}",
        expected=f"one of {', '.join(known)}",
        found=name,
        nearest=guess,
        hint=f"write {guess} instead of {name} in params.yaml" if guess else f"correct {setting}: in params.yaml",
    )

"""The formula in params.yaml: what it can say, and what a wrong one is told."""

from __future__ import annotations

import pytest

from potato import formula, schema, words
from potato.errors import PotatoError
from potato.settings import GoldSettings

COVARIATES = ["potato_energy_share", "energy_kcal_per_day"]


def test_controls_have_levels_or_are_straight_lines() -> None:
    read = formula.read("next_week_change_kg ~ covariates + C(group) + study_week+ C( condition )", COVARIATES)
    assert read == formula.Formula("next_week_change_kg", ("group", "condition"), ("study_week",))


def test_the_default_is_what_the_committed_parameters_say() -> None:
    assert GoldSettings().terms.controls == ("study_week", "group")


@pytest.mark.parametrize(
    ("text", "what", "found", "nearest", "hint"),
    [
        ("weight", "no two sides", "weight", None, "write `formula: next_week_change_kg ~ covariates"),
        ("next_week_change_kg ~", "no two sides", "next_week_change_kg ~", None, "write `formula:"),
        ("a ~ covariates ~ b", "no two sides", "a ~ covariates ~ b", None, "write `formula:"),
        (
            "next_week_change ~ covariates",
            "no models for",
            "next_week_change",
            "next_week_change_kg",
            "write `next_week",
        ),
        ("next_week_change_kg ~ covariate", "where the covariates stand", "covariate", "covariates", "~ covariates`"),
        ("next_week_change_kg ~ C(group)", "where the covariates stand", "C(group)", None, "~ covariates + C(group)`"),
        (
            "next_week_change_kg ~ covariates + C(study_weak)",
            "study_weak",
            "C(study_weak)",
            "study_week",
            "C(study_week)",
        ),
        ("next_week_change_kg ~ covariates + groop", "groop", "groop", "group", "write C(group) instead of groop"),
        ("next_week_change_kg ~ covariates + group", "is a text", "group", None, "write C(group)"),
        ("next_week_change_kg ~ covariates + C(weight_kg)", "no levels", "C(weight_kg)", None, "without C()"),
        (
            "next_week_change_kg ~ covariates + C(group) - 1",
            "can't have",
            "C(group) - 1",
            None,
            "remove 'C(group) - 1'",
        ),
        ("next_week_change_kg ~ covariates + ", "can't have", "nothing between two +", None, "remove one +"),
        ("next_week_change_kg ~ covariates + C(subject_id)", "for each person", "C(subject_id)", None, "remove C(sub"),
        ("next_week_change_kg ~ covariates + covariates", "more than once", "", None, "remove one covariates"),
        ("next_week_change_kg ~ covariates + energy_kcal_per_day", "list of covariates and", "", None, "remove one"),
    ],
)
def test_a_wrong_formula_says_what_where_and_what_to_type(
    text: str, what: str, found: str, nearest: str | None, hint: str
) -> None:
    with pytest.raises(PotatoError, match=what) as caught:
        GoldSettings(formula=text, covariates=COVARIATES)
    error = caught.value
    assert error.where == "params.yaml, gold.formula"
    assert found in str(error.found)
    assert error.nearest == nearest
    assert error.expected
    assert hint in str(error.hint)


@pytest.mark.parametrize("setting", ["covariates", "random_slope"])
def test_a_name_that_is_no_covariate_is_told_the_nearest(setting: str) -> None:
    wrong = "potato_energy_shares"
    with pytest.raises(PotatoError) as caught:
        GoldSettings(**{"covariates": COVARIATES, setting: [wrong] if setting == "covariates" else wrong})
    assert caught.value.where == f"params.yaml, gold.{setting}"
    assert caught.value.nearest == "potato_energy_share"


def test_every_column_that_can_be_a_covariate_is_spoken_of_in_words_of_its_own() -> None:
    for name in formula.covariates():
        term = words.term(name)
        told = (term.label, term.step_text, term.step_short, term.axis)
        assert not any("_" in text or "unit" in text for text in told), name
        assert term.step > 0
    labels = [words.term(name).label for name in schema.MODELING_DATASET.names if name != "study_week"]
    assert len(set(labels)) == len(labels)

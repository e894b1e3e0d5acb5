"""The gate as a whole: what a study gets of it, in datasets, tables and figures that a reader can use."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from potato import gate, gate_figures, gate_tables, models, results, trajectories, words
from potato.gate import Gate
from tests import silver_frames
from tests.silver_frames import PROJECT, TRUTH


def examined(people: int, *, leavers: int = 0, weeks: int = 4) -> Gate:
    """Return the gate of a study of four weeks in which the first `leavers` people stopped after two of them."""
    changes = silver_frames.modeling(people=people, weeks=weeks, groups=(None,))
    weights = silver_frames.trajectories(people=people, weeks=weeks + 1, groups=(None,))
    left = [f"s{i:03d}" for i in range(leavers)]
    changes = changes[~changes["subject_id"].isin(left) | (changes["study_week"] < 2)].reset_index(drop=True)
    weights = weights[~weights["subject_id"].isin(left) | (weights["study_week"] <= 2)].reset_index(drop=True)
    trained = models.train(
        changes, outcome="next_week_change_kg", covariates=list(TRUTH), controls=["study_week", "group"]
    )
    frames = {"weekly_features": weights, "subject_trajectories": weights, "modeling_dataset": changes}
    grouped, _ = trajectories.with_groups(weights)
    return gate.examine(trained, frames, grouped, confidence=0.95, weeks_planned=weeks, truth=TRUTH)


@pytest.fixture(scope="module")
def whole() -> Gate:
    return examined(80, leavers=25)


def test_every_check_that_the_code_can_make_has_a_place_and_a_name() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in Path(PROJECT, "potato").glob("*.py"))
    made = set(re.findall(r'Finding\(\s*"(\w+)"', source))
    made |= {"unrelated_weeks", "normal_levels"}  # their names stand in variables
    assert made == set(gate_tables.CHECKS)


def test_every_dataset_of_the_gate_has_the_columns_of_the_dictionary(whole: Gate) -> None:
    for name, frame in whole.frames.items():
        assert list(frame.columns) == results.GOLD[name].names, name
        assert len(frame), name
        key = list(results.GOLD[name].key)
        assert not frame.duplicated(key).any(), name


def test_a_study_with_everything_fails_nothing_and_is_asked_about_everything(whole: Gate) -> None:
    assert "fail" not in {f.verdict for f in whole.findings}
    parts = {gate_tables.CHECKS[f.check][0] for f in whole.findings}
    assert parts == {part for part, _ in gate_tables.CHECKS.values()}


def test_what_calls_for_caution_stands_in_a_table_of_its_own(whole: Gate) -> None:
    cautions, everything = gate_tables.diagnostics(whole.frames["diagnostics"])
    doubted = [f for f in whole.findings if f.verdict == "caution"]
    assert doubted
    assert list(cautions.frame["sentence"]) == [f.sentence for f in doubted]
    assert len(everything.frame) == len(whole.findings)
    assert everything.frame["part"].ne(everything.frame["part"].shift()).sum() == everything.frame["part"].nunique()


def test_sentences_are_short_and_name_no_column(whole: Gate) -> None:
    for finding in whole.findings:
        assert len(finding.sentence) < 230, finding.sentence
        assert not re.search(r"[a-z]_[a-z]", finding.sentence), finding.sentence


def test_the_table_of_weeks_goes_from_all_to_those_used(whole: Gate) -> None:
    shown = gate_tables.weeks_used(whole.weeks).frame.set_index("what")
    rest = shown.drop(index=["All weeks of the study", "Used"])
    pd.testing.assert_series_equal(
        shown.loc["All weeks of the study"] - rest.sum(), shown.loc["Used"], check_names=False
    )


def test_a_figure_of_influence_names_who_moves_each_estimate_most(whole: Gate) -> None:
    figure = gate_figures.influence(whole.influence)
    for (model, term), rows in whole.influence.groupby(["model", "term"]):
        most = rows.loc[rows["dfbeta"].abs().idxmax()]
        told = f"{words.MODELS[str(model)]}, {words.term(str(term)).label.lower()}: {most['subject_id']}"
        assert told in figure.alt
    assert set(figure.files) == {"svg", "png"}


def test_a_figure_of_those_who_left_says_each_result_in_its_alternative_text(whole: Gate) -> None:
    figure = gate_figures.attrition(whole.attrition.table, 0.95)
    for name in ("All with data", "Completers", "Completers, weighted", "Back to the start"):
        assert f"{name}: " in figure.alt
    assert set(figure.files) == {"svg", "png"}


def test_where_nobody_left_there_is_neither_table_nor_figure_of_it() -> None:
    made = examined(40)
    assert "attrition" not in {figure.id for figure in made.figures()}
    assert {"attrition", "completion"}.isdisjoint(table.id for table in made.tables())
    assert "influence" in {figure.id for figure in made.figures()}


def test_one_persons_diary_has_checks_and_no_question_about_other_people() -> None:
    made = examined(1, weeks=60)
    checks = {f.check for f in made.findings}
    assert {"share_used", "unrelated_weeks", "even_spread"} <= checks
    assert {"single_people", "who_left", "weeks_and_people", "direction"}.isdisjoint(checks)
    assert {table.id for table in made.tables()} >= {"diagnostics", "weeks-used"}
    assert made.figures() == []

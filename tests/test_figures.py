"""Figures: the same bytes every time, legible without colour, and described in words from the data."""

from __future__ import annotations

import struct
import subprocess
import sys
from xml.etree import ElementTree

import pandas as pd
import pytest

from potato import (
    calendars,
    diet_figures,
    figures,
    model_figures,
    models,
    predictions,
    trajectories,
    weight_figures,
)
from potato.figures import Figure
from tests import silver_frames
from tests.silver_frames import GROUPS, PROJECT, TRUTH

ALL = list(GROUPS)


def change() -> Figure:
    people = trajectories.people(silver_frames.trajectories())
    return weight_figures.change_by_group(people, ALL, 0.95)


@pytest.fixture(scope="module")
def every() -> dict[str, Figure]:
    weights, changes = silver_frames.trajectories(), silver_frames.modeling()
    conditions = silver_frames.trajectories(people=12, groups=(None,), conditions={"rest": -0.1, "diet": -0.6})
    slopes = trajectories.person_slopes(conditions)
    trained = models.train(
        changes, outcome="next_week_change_kg", covariates=list(TRUTH), controls=["study_week", "group"]
    )
    by_week = trajectories.summarise(weights, "weight_change_kg", ["group", "study_week"], 0.95)
    made = [
        change(),
        weight_figures.cohort_flow(weights, ALL),
        weight_figures.courses(weights, ALL),
        weight_figures.weekly_change(by_week, ALL, 0.95),
        weight_figures.conditions(slopes, trajectories.condition_slopes(slopes, 0.95), 0.95),
        diet_figures.intake_weekly(changes, ALL, list(TRUTH)),
        diet_figures.dose_response(changes, "potato_energy_share", "next_week_change_kg", 0.95),
        model_figures.forest(trained.coefficients, 0.95, TRUTH),
        model_figures.partial_residuals(trained, "fixed_effects", 0.95),
        model_figures.calibration(predictions.held_out(trained)),
        calendars.adherence(silver_frames.days(changes), trajectories.people(weights), ALL),
    ]
    return {figure.id: figure for figure in made}


def test_the_same_data_give_the_same_bytes() -> None:
    assert change().files == change().files


def test_another_process_gives_the_same_bytes() -> None:
    program = (
        "import hashlib; from tests.test_figures import change; "
        "print([hashlib.sha256(change().files[kind]).hexdigest() for kind in ('svg', 'png')])"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_no_figure_carries_a_date_or_a_program(every: dict[str, Figure]) -> None:
    for figure in every.values():
        assert b"dc:date" not in figure.files["svg"]
        assert b"tEXt" not in figure.files["png"][:200]


def test_text_is_drawn_as_paths_and_needs_no_font(every: dict[str, Figure]) -> None:
    for figure in every.values():
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(figure.files["svg"]).iter()}
        assert "path" in tags
        assert "text" not in tags


def test_pictures_are_as_large_as_they_say(every: dict[str, Figure]) -> None:
    for figure in every.values():
        width, height = struct.unpack(">II", figure.files["png"][16:24])
        entry = figure.entry("abc")
        assert width / height == pytest.approx(entry["width"] / entry["height"], rel=0.01)
        assert width >= 2 * 390, "a phone with a fine screen needs two dots a pixel"


def test_every_figure_has_a_caption_and_an_alternative_text_with_its_numbers(
    every: dict[str, Figure],
) -> None:
    for figure in every.values():
        assert figure.caption.endswith(".")
        assert figure.alt.endswith(".")
        assert any(character.isdigit() for character in figure.alt), figure.id


def test_the_alternative_text_follows_the_data() -> None:
    people = trajectories.people(silver_frames.trajectories(slope=-2.0, groups=("A", "B")))
    text = weight_figures.change_by_group(people, ["A", "B"], 0.95).alt
    mean = people.loc[people["group"] == "A", "change_kg"].mean()
    assert f"A: −{abs(mean):.1f} kg on average (20 people)" in text


def test_the_forest_says_when_it_shows_the_truth(every: dict[str, Figure]) -> None:
    assert "simulation was made with" in every["forest"].caption
    trained = models.train(silver_frames.modeling(), outcome="next_week_change_kg", covariates=list(TRUTH), controls=[])
    assert "simulation" not in model_figures.forest(trained.coefficients, 0.95, {}).caption


def test_the_palette_can_be_told_apart_in_grey() -> None:
    def luminance(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    # Where two greys are close, shape and line still differ.
    signs = list(zip(figures.PALETTE, figures.SHAPES, strict=True))
    assert len({shape for _, shape in signs}) == len(signs)
    first = [luminance(colour) for colour in figures.PALETTE[:2]]
    assert abs(first[0] - first[1]) > 10


def test_a_swarm_keeps_equal_values_apart_and_near_the_middle() -> None:
    values = pd.Series([1.0, 1.0, 1.0, 2.0])
    offsets = figures.swarm(values, 0.3)
    assert len(set(offsets[:3])) == 3
    assert max(map(abs, offsets)) <= 0.3


def test_one_group_and_one_week_are_drawn_too() -> None:
    weights, groups = trajectories.with_groups(silver_frames.trajectories(people=2, weeks=1, groups=(None,)))
    made = [
        weight_figures.change_by_group(trajectories.people(weights), groups, 0.95),
        weight_figures.cohort_flow(weights, groups),
        weight_figures.courses(weights, groups),
    ]
    assert all(figure.files["svg"].startswith(b"<?xml") for figure in made)


def test_more_groups_than_colours_are_drawn_too() -> None:
    names = tuple(f"group {i}" for i in range(9))
    weights = silver_frames.trajectories(people=90, groups=names)
    assert weight_figures.cohort_flow(weights, list(names)).files["png"]

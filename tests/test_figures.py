"""Figures: the same bytes every time, legible without colour, and described in words from the data."""

from __future__ import annotations

import hashlib
import itertools
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from potato import (
    calendars,
    cohort_figures,
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
        cohort_figures.cohort_flow(trajectories.people(weights), ALL),
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
    told = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == str([hashlib.sha256(change().files[kind]).hexdigest() for kind in ("svg", "png")])


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


# Machado, Oliveira and Fernandes (2009), severity 1: what is left of linear red, green and blue.
VISION = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
# Linear sRGB to CIE XYZ (IEC 61966-2-1), relative to the white D65.
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = XYZ.sum(axis=1)
APART, APART_IN_GREY = 15.0, 10.0  # CIELAB; 2.3 is just noticed side by side


def lab(colour: str, vision: str = "full") -> Any:
    """Return CIELAB of a colour on white paper, as it is seen with a kind of colour vision."""
    *rgb, alpha = mpl.colors.to_rgba(colour)
    coded = alpha * np.array(rgb) + 1 - alpha
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    ratio = XYZ @ np.clip(np.array(VISION[vision]) @ linear, 0, 1) / WHITE
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


Panel = list[tuple[str, tuple[str, ...]]]


@pytest.fixture(scope="module")
def panels(every: dict[str, Figure]) -> dict[str, list[Panel]]:
    """What stands side by side in the panels of each figure."""
    return {name: list(coloured(figure)) for name, figure in every.items()}


def coloured(figure: Figure) -> Iterator[Panel]:
    """Yield what stands side by side in a panel of a layer: a colour with what else tells it from the others."""
    plot = deepcopy(figure.plot)
    plot._build()
    for layer in plot.layers:
        data = layer.data
        for kind in {"color", "fill"} & {*data} if len(data) else ():
            data = data[data[kind].notna()]
            signs = data[["PANEL", kind, *[name for name in ("shape", "linetype") if name in data]]].astype(str)
            opaque = data["alpha"].astype(float) if "alpha" in data else pd.Series(1.0, data.index)
            seen = zip(data[kind], opaque, strict=True)
            signs[kind] = [str(mpl.colors.to_hex((colour, alpha), keep_alpha=True)) for colour, alpha in seen]
            for _, panel in signs.drop_duplicates().groupby("PANEL"):
                yield [(row[1], tuple(row[2:])) for row in panel.itertuples(index=False)]


def test_vision_without_a_kind_of_cone_still_sees_white_and_grey() -> None:
    for vision in VISION:
        assert lab("#ffffff", vision) == pytest.approx([100, 0, 0], abs=0.1)
        assert lab("#808080", vision) == pytest.approx(lab("#808080"), abs=0.1)
    # Red and green of equal lightness fall together for eyes without the cones of the long waves, blue does not.
    assert np.linalg.norm(lab("#c05040", "deuteranopia") - lab("#707030", "deuteranopia")) < 15
    assert np.linalg.norm(lab("#c05040") - lab("#707030")) > 40


@pytest.mark.parametrize("vision", VISION)
def test_what_a_figure_tells_apart_by_colour_is_told_apart_by_every_eye(
    vision: str, panels: dict[str, list[Panel]]
) -> None:
    compared = 0
    for name, found in panels.items():
        for panel in found:
            for (one, signs), (other, others) in itertools.combinations(panel, 2):
                compared += 1
                apart = np.linalg.norm(lab(one, vision) - lab(other, vision))
                assert apart >= APART or signs != others, f"{name}: {one} and {other}, {apart:.1f}"
    assert compared > 10


def test_what_a_figure_tells_apart_by_colour_is_told_apart_in_grey(panels: dict[str, list[Panel]]) -> None:
    for name, found in panels.items():
        for panel in found:
            for (one, signs), (other, others) in itertools.combinations(panel, 2):
                apart = abs(lab(one)[0] - lab(other)[0])
                assert apart >= APART_IN_GREY or signs != others, f"{name}: {one} and {other}, {apart:.1f}"


def test_every_shade_of_the_calendar_is_told_apart_in_grey_and_by_every_eye() -> None:
    shades = ["#ffffff", *calendars.INKS.values()]
    lightness = [lab(shade)[0] for shade in shades]
    assert np.diff(lightness).max() <= -APART_IN_GREY
    for vision in VISION:
        for one, other in itertools.combinations(shades, 2):
            assert np.linalg.norm(lab(one, vision) - lab(other, vision)) >= APART_IN_GREY, (vision, one, other)


def test_no_two_of_twenty_groups_have_the_same_signs() -> None:
    for second in ("shape", "linetype"):
        signs = {(figures.sign("color", place), figures.sign(second, place)) for place in range(20)}
        assert len(signs) == 20


Letters = tuple[list[tuple[mpl.text.Text, Any]], tuple[float, float]]


@pytest.fixture(scope="module")
def written(every: dict[str, Figure]) -> dict[str, Letters]:
    """The texts of each figure as it is drawn."""
    return {name: letters(figure) for name, figure in every.items()}


def letters(figure: Figure) -> Letters:
    """Return the texts of a drawn figure that can be seen, with their boxes in pixels, and the figure's size."""
    with mpl.rc_context({"font.family": "DejaVu Sans"}):
        drawn = figure.drawn()
        drawn.draw_without_rendering()
        texts = [t for t in drawn.findobj(mpl.text.Text) if t.get_text().strip() and t.get_visible()]
        # Ticks beyond the axis keep their labels and are not drawn.
        axis = {id(t) for axes in drawn.axes for t in _outside(axes)}
        made = [(t, t.get_window_extent()) for t in texts if id(t) not in axis]
    plt.close(drawn)
    return made, (drawn.bbox.width, drawn.bbox.height)


def _outside(axes: Any) -> Iterator[Any]:
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        slack = 1e-9 * (high - low)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low - slack <= tick.get_loc() <= high + slack:
                yield from (tick.label1, tick.label2)


def test_letters_are_nine_pixels_high_on_a_phone_at_least(
    every: dict[str, Figure], written: dict[str, Letters]
) -> None:
    for figure in every.values():
        for text, _ in written[figure.id][0]:
            pixels = text.get_fontsize() * 96 / 72 * 390 / figure.entry("")["width"]
            assert pixels >= 9, f"{figure.id}: {text.get_text()} has {pixels:.1f} px"


def legible(figure: Figure, drawn: Letters | None = None) -> None:
    """Fail where a text is cut at the figure's edge, or where two texts cover one another."""
    made, (width, height) = drawn or letters(figure)
    for text, box in made:
        assert box.x0 >= -1, f"{figure.id}: {text.get_text()!r} is cut"
        assert box.y0 >= -1, f"{figure.id}: {text.get_text()!r} is cut"
        assert box.x1 <= width + 1, f"{figure.id}: {text.get_text()!r} is cut"
        assert box.y1 <= height + 1, f"{figure.id}: {text.get_text()!r} is cut"
    for (one, a), (other, b) in itertools.combinations(made, 2):
        over = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(over) < 3, f"{figure.id}: {one.get_text()!r} covers {other.get_text()!r}"


def test_no_text_is_cut_and_none_covers_another(every: dict[str, Figure], written: dict[str, Letters]) -> None:
    for figure in every.values():
        legible(figure, written[figure.id])


def test_estimates_of_one_person_are_drawn_without_anything_cut() -> None:
    diary = silver_frames.modeling(people=1, weeks=60, groups=(None,), null_share=0)
    options = {"covariates": list(TRUTH), "controls": ["study_week"]}
    trained = models.train(diary, outcome="next_week_change_kg", **options)  # type: ignore[arg-type]
    assert set(trained.fits) == {"n_of_1"}
    legible(model_figures.forest(trained.coefficients, 0.95, {}))


def numbers(text: str) -> list[tuple[float, float]]:
    """Return each number of a text with half a unit of its last digit; a share in percent is a share."""
    found = []
    for sign, digits, percent in re.findall(r"(?<![\w.])([−+]?)(\d[\d,]*(?:\.\d+)?)(%?)", text):
        plain = digits.replace(",", "").rstrip(".")
        scale = 0.01 if percent else 1
        half = 0.5 * 10.0 ** -len(plain.partition(".")[2]) * scale
        found.append((float(plain) * scale * (-1 if sign == "−" else 1), half))
    return found


def drawn_numbers(figure: Figure) -> Any:
    """Return every number that the figure draws, counts of its rows, and how many of each thing it shows."""
    plot = figure.plot
    frames = [plot.data, *(layer._data for layer in plot.layers if isinstance(layer._data, pd.DataFrame))]
    known: list[float] = []
    for frame in frames:
        known += [len(frame), *(frame[name].nunique() for name in frame)]
        for name in frame.columns:
            if pd.api.types.is_numeric_dtype(frame[name]):
                known += [*frame[name].dropna().astype(float)]
            else:
                counts = frame[name].value_counts()
                # The names of groups and levels may hold numbers of their own.
                known += [*counts, *(n for text in counts.index for n, _ in numbers(str(text)))]
        known.append(len(frame.dropna()))
    return np.array(known)


def test_each_number_of_an_alternative_text_is_in_what_is_drawn(every: dict[str, Figure]) -> None:
    for figure in every.values():
        known = drawn_numbers(figure)
        told = numbers(figure.alt)
        assert told, figure.id
        for number, half in told:
            assert np.abs(known - number).min() <= half * 1.001, f"{figure.id}: {number} of {figure.alt!r}"


def test_negative_numbers_have_a_real_minus_sign(every: dict[str, Figure], written: dict[str, Letters]) -> None:
    for figure in every.values():
        for text in (figure.alt, figure.caption, *(text.get_text() for text, _ in written[figure.id][0])):
            assert not re.search(r"(?<!\w)-\d", text), f"{figure.id}: {text}"


def test_a_swarm_keeps_equal_values_apart_and_near_the_middle() -> None:
    values = pd.Series([1.0, 1.0, 1.0, 2.0])
    offsets = figures.swarm(values, 0.3)
    assert len(set(offsets[:3])) == 3
    assert max(map(abs, offsets)) <= 0.3


def test_one_group_and_one_week_are_drawn_too() -> None:
    weights, groups = trajectories.with_groups(silver_frames.trajectories(people=2, weeks=1, groups=(None,)))
    made = [
        weight_figures.change_by_group(trajectories.people(weights), groups, 0.95),
        cohort_figures.cohort_flow(trajectories.people(weights), groups),
        weight_figures.courses(weights, groups),
    ]
    assert all(figure.files["svg"].startswith(b"<?xml") for figure in made)


def test_more_groups_than_colours_are_drawn_too() -> None:
    names = tuple(f"group {i}" for i in range(9))
    weights = silver_frames.trajectories(people=90, groups=names)
    assert cohort_figures.cohort_flow(trajectories.people(weights), list(names)).files["png"]


@pytest.mark.parametrize(
    ("people", "groups", "weeks"),
    [(1, (None,), 6), (2, (None,), 4), (5, ("A", "B"), 5), (150, GROUPS, 5), (1000, GROUPS, 5), (12, (None,), 30)],
)
def test_figures_are_legible_with_few_and_many_people(people: int, groups: tuple[str | None, ...], weeks: int) -> None:
    weights, names = trajectories.with_groups(silver_frames.trajectories(people=people, groups=groups, weeks=weeks))
    changes = silver_frames.modeling(people=people, groups=groups, weeks=weeks)
    weekly, _ = trajectories.with_groups(changes)
    everybody = trajectories.people(weights)
    by_week = trajectories.summarise(weights, "weight_change_kg", ["group", "study_week"], 0.95)
    made = [
        cohort_figures.cohort_flow(everybody, names),
        weight_figures.change_by_group(everybody, names, 0.95),
        weight_figures.courses(weights, names, weights.iloc[:1]),
        weight_figures.weekly_change(by_week, names, 0.95),
        diet_figures.intake_weekly(weekly, names, list(TRUTH)),
        calendars.adherence(silver_frames.days(changes), weekly[["subject_id", "group"]].drop_duplicates(), names),
    ]
    for figure in made:
        legible(figure)
        assert len(figure.files["svg"]) < 2_000_000, figure.id


def test_long_names_of_many_groups_are_neither_cut_nor_on_top_of_each_other() -> None:
    when = ("first", "second", "third", "last")
    names = tuple(f"people who began in the {place} of ten long weeks" for place in when)
    weights = silver_frames.trajectories(people=80, groups=names)
    everybody = trajectories.people(weights)
    by_week = trajectories.summarise(weights, "weight_change_kg", ["group", "study_week"], 0.95)
    legible(cohort_figures.cohort_flow(everybody, sorted(names)))
    legible(weight_figures.change_by_group(everybody, sorted(names), 0.95))
    legible(weight_figures.courses(weights, sorted(names)))
    legible(weight_figures.weekly_change(by_week, sorted(names), 0.95))


def test_a_bar_of_the_cohort_holds_who_came_again_and_who_did_not() -> None:
    people = pd.DataFrame({"group": ["A"] * 4 + ["B"], "last_week": [1, 3, 3, 2, 3]})
    drawn = cohort_figures.cohort_flow(people, ["A", "B"]).plot.data
    found = {(row.group, row.study_week, row.what[:4]): row.n for row in drawn.itertuples()}
    assert found == {
        ("A", 1, "last"): 1,
        ("A", 1, "weig"): 3,
        ("A", 2, "last"): 1,
        ("A", 2, "weig"): 2,
        ("A", 3, "last"): 2,
        ("B", 1, "weig"): 1,
        ("B", 2, "weig"): 1,
        ("B", 3, "last"): 1,
    }


def a_day(who: str, day: int, entries: int, share: float | None) -> dict[str, Any]:
    kcal = 2000.0 if entries else None
    return {"subject_id": who, "study_day": day, "study_week": (day - 1) // 7 + 1, "n_weights": 1} | {
        "entries": entries,
        "energy_kcal": kcal,
        "potato_energy_share": share,
    }


def test_a_calendar_puts_those_who_stayed_longest_and_ate_most_potato_on_top() -> None:
    days = pd.DataFrame(
        [
            *(a_day("short", day, 3, 1.0) for day in (1, 2)),
            *(a_day("little", day, 3, 0.3) for day in (1, 2, 4)),
            *(a_day("much", day, 3, 0.9) for day in (1, 2, 4)),
            a_day("little", 3, 0, None),
        ]
    )
    people = pd.DataFrame({"subject_id": ["short", "little", "much"], "group": trajectories.EVERYONE})
    figure = calendars.adherence(days, people, [trajectories.EVERYONE])
    drawn = figure.plot.data
    places = drawn.dropna().groupby("subject_id")["y"].first()
    assert list(places.sort_values(ascending=False).index) == ["much", "little", "short"]
    cells = drawn.set_index(["subject_id", "x"])["level"]
    assert (cells["much", 1], cells["little", 3]) == ("75% or more", "weigh-in alone")
    assert drawn[(drawn["y"] == places["much"]) & (drawn["x"] == 3)]["level"].isna().all()
    assert "grey day there was a weigh-in and no diary" in figure.caption


def test_a_long_diary_is_drawn_by_weeks_whose_share_is_weighted_by_energy() -> None:
    days = pd.DataFrame([a_day(who, day, 3, 0.2 if day % 7 else 1.0) for who in "ab" for day in range(1, 141)])
    days.loc[days["study_day"] % 7 == 0, "energy_kcal"] = 10_000.0
    people = pd.DataFrame({"subject_id": ["a", "b"], "group": trajectories.EVERYONE})
    figure = calendars.adherence(days, people, [trajectories.EVERYONE])
    assert figure.plot.data["x"].max() == 20
    # (6 x 0.2 x 2,000 + 10,000) / 22,000 = 0.56
    assert set(figure.plot.data["level"]) == {"50 to 75%"}


def test_one_person_has_a_calendar_of_weeks_and_a_diary_without_foods_no_shares() -> None:
    days = pd.DataFrame([a_day("a", day, 2, None) for day in range(1, 31)])
    people = pd.DataFrame({"subject_id": ["a"], "group": [trajectories.EVERYONE]})
    figure = calendars.adherence(days, people, [trajectories.EVERYONE])
    assert (figure.plot.data["x"].max(), figure.plot.data["y"].min()) == (5, -7)
    assert "30 days: diary, share not known" in figure.alt
    assert "darker" not in figure.caption

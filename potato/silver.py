"""Silver: cleaned rows, weekly features, and a place for every row that can't be used."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import ibis
import pyarrow as pa

from potato import (
    accounts,
    cleaning,
    cluster,
    columns,
    conflicts,
    engine,
    evidence,
    features,
    jumps,
    lake,
    marks,
    people,
    repeats,
    rules,
    schema,
    settings,
    spans,
    thresholds,
)
from potato.families import FAMILIES, NUTRITION, Family
from potato.features import Cleaned
from potato.manifest import Manifest, Verdict

_PLACE = ["source_file", "source_row"]


@dataclass
class FeatureEngineer:
    """Turns bronze's raw text into weekly features, and sets aside what can't be used.

    Parameters
    ----------
    study : the name of a file in studies/, without its ending.
    """

    study: str
    tables: dict[str, pa.Table] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    typed: dict[str, ibis.Table] = field(default_factory=dict)
    _steps: dict[str, ibis.Table] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = settings.load(lake.root(), self.study)
        self.connection = engine.connect(self.settings)

    def load_from_bronze(self) -> dict[str, ibis.Table]:
        """Open bronze's datasets on the engine; nothing is read yet."""
        self.bronze = {
            family: engine.table(self.connection, lake.input(f"data/bronze/{family}"), family) for family in FAMILIES
        }
        self.read: dict[str, dict[str, Any]] = lake.read_json(lake.input("data/bronze/ledger.json"))["files"]
        return self.bronze

    def clean_data(self) -> pa.Table:
        """Type every row, set aside the unusable ones, and return a count of rows by family, raw file and reason."""
        study = self.settings.study
        self.evidence = evidence.gather(self.bronze, study)
        judged = {name: self._judge(family) for name, family in FAMILIES.items()}
        days = self._step("days_named", repeats.days(judged))
        lone = self._isolated(days, judged)
        families = {name: self._settle(name, rows, lone) for name, rows in judged.items()}
        self.families = families
        if lone is not None:
            days = self._step("days", days.anti_join(lone, days.columns))
        self.cleaned = Cleaned(**families, days=days)
        self.jumps = self._jumps(families["weight"])
        counted = {name: families[name] for name in study.families()}
        with spans.making(schema.FLAGS.name):
            marked = self._step("marked", marks.every(self._flagged()))
            tallied = accounts.tally(counted)
            self.tables["flags"], flagged = marks.listed(marked)
        with spans.making(schema.QUARANTINE.name):
            self.tables["quarantine"] = accounts.quarantine(counted, tallied[0])
        for name in self.typed:
            engine.drop(self.connection, f"typed_{name}")
        self.accounts = accounts.count(counted, tallied, self.tables["quarantine"], flagged)
        self._publish("subjects", people.subjects(families, self._units(), self.jumps))
        reasons = self.accounts.of_family("weight")
        people.refuse_what_cannot_be_meant(self.tables["subjects"], reasons, study, self.study)
        people.refuse_changing_groups(families["weight"], self.study)
        return self.accounts.table()

    def _judge(self, family: Family) -> ibis.Table:
        """Type and judge each row by itself."""
        study = self.settings.study
        mapping, simple = study.mapping(family.name), self.evidence.simple(family.name)
        typed = cleaning.typed(self.bronze[family.name], family, mapping, study, self.evidence)
        if cleaning.needs_care(family, mapping, simple):
            # As one query the rules would read each text again and again.
            typed = self.typed[family.name] = self._step(f"typed_{family.name}", typed)
        today = ((study.collected_until or dt.date.today()) - dt.date(1970, 1, 1)).days
        return self._step(f"judged_{family.name}", cleaning.judged(typed, family, mapping, study, today, simple))

    def _isolated(self, days: ibis.Table, judged: dict[str, ibis.Table]) -> ibis.Table | None:
        """Return the days that lie far from all others of the person; None where there are none."""
        if (repeats.longest(days).to_pyarrow().as_py() or 0) <= thresholds.ISOLATED_GAP:
            return None
        lone = self._step("days_isolated", repeats.isolated(days, judged))
        return lone if _has_rows(lone) else None

    def _jumps(self, weight: ibis.Table) -> ibis.Table:
        weighed = weight.filter(weight.reason.isnull())
        suspects = self._step("suspects", jumps.suspects(weighed))
        theirs = weighed.semi_join(suspects, "subject_id").select(*weighed.columns)
        return self._step("jumps", jumps.found(theirs))

    def _settle(self, name: str, rows: ibis.Table, lone: ibis.Table | None) -> ibis.Table:
        """Set aside what the other rows rule out, and write each group in one way."""
        if name not in self.settings.study.families():
            return rows
        mapping = self.settings.study.mapping(name)
        when = "date" if "date" in mapping.columns else "day"
        files = sum(file["family"] == name for file in self.read.values())
        aside = None
        # Two rows that say the same are of one day.
        alone = not _has_rows(repeats.crowded(rows)) if name in repeats.ONE_ROW_A_DAY else files == 1
        if lone is not None or not alone:
            expression = repeats.set_aside(rows, FAMILIES[name], when, lone, self.bronze[name], files=files)
            aside = self._step(f"aside_{name}", expression)
        labels = people.one_spelling(rows, "group", "condition") if name == "weight" else {}
        rows = rows.mutate(**labels) if labels else rows
        if aside is None or not _has_rows(aside):
            return self._step(f"clean_{name}", rows.order_by(_PLACE)) if labels else rows
        joined = rows.left_join(aside, _PLACE)
        told = {column: ibis.coalesce(joined[column], joined[f"{column}_right"]) for column in cleaning.JUDGED}
        kept = [column for column in rows.columns if column not in cleaning.JUDGED]
        # A join and a window leave rows in any order, and the order in which a sum adds up is seen in its last digit.
        return self._step(f"clean_{name}", joined.select(*kept, **told).order_by(_PLACE))

    def _flagged(self) -> dict[str, list[ibis.Table]]:
        """Return the kept rows that deserve a second look, by family."""
        study, cleaned = self.settings.study, self.cleaned
        kept = {name: rows.filter(rows.reason.isnull()) for name, rows in self.families.items()}
        flagged = {"weight": marks.of_weigh_ins(self.jumps, self.bronze["weight"])}
        if "nutrition" in study.families():
            mapping = study.mapping("nutrition")
            alike = self._step("alike", repeats.alike(self.families["nutrition"], NUTRITION, mapping.fields))
            flagged["nutrition"] = marks.of_entries(kept["nutrition"], alike, mapping)
        if "fiber" in study.families():
            off = conflicts.fiber_off(kept["fiber"], kept["nutrition"], conflicts.incomplete_days(cleaned.nutrition))
            with engine.one_thread(self.connection):
                flagged["fiber"] = marks.of_totals(self._step("fiber_off", off))
        for name, typed in self.typed.items():
            simple = self.evidence.simple(name)
            remarks = cleaning.remarks(typed, FAMILIES[name], study.mapping(name), study, simple)
            flagged[name].append(marks.of_kept(remarks, self.families[name]))
        return flagged

    def _units(self) -> ibis.Table:
        """Return what evidence.gather found of each person's unit of weight as a table: subject_id, unit, evidence."""
        names = ("subject_id", "unit", "evidence")
        found = [{name: getattr(unit, name) for name in names} for unit in self.evidence.units]
        arrow = pa.schema([(name, pa.string()) for name in names])
        return engine.keep(self.connection, "units", ibis.memtable(pa.Table.from_pylist(found, arrow)))

    def _step(self, name: str, expression: ibis.Table) -> ibis.Table:
        """Run an expression into a temporary table; the expression is kept for the column lineage."""
        self._steps[name] = expression
        return engine.keep(self.connection, name, expression)

    def _publish(self, name: str, expression: ibis.Table) -> None:
        """Run the expression of a silver dataset, or take its step, and hold its rows in the order of its key."""
        dataset = schema.SILVER[name]
        rows = expression.select(dataset.names)
        self._steps.setdefault(name, rows)
        with spans.making(dataset.name):
            self.tables[name] = rows.order_by(list(dataset.key)).to_pyarrow().cast(dataset.arrow())

    def ledger(self) -> dict[str, dict[str, Any]]:
        """Return, for each raw file, rows read by bronze, kept, quarantined by reason and flagged, and the evidence.

        Raises
        ------
        PotatoError
            when a file's rows are not all either kept or quarantined, once each.
        """
        read = lake.read_json(lake.input("data/bronze/ledger.json"))["files"]
        with spans.making("silver/ledger"):
            return self.accounts.ledger(read, self.evidence.files)

    def engineer_features(self) -> dict[str, pa.Table]:
        """Compute silver's datasets, and once more without the jumps of the scales where there are any."""
        # With more than one thread, the order in which a sum adds up, and so its last digit, differs from run to run.
        with engine.one_thread(self.connection):
            self._publish("study_days", features.study_days(self.cleaned))
            weekly = self._step("weekly_features", features.weekly_features(self.cleaned))
            self._publish("weekly_features", weekly)
            self._weigh(self.cleaned, weekly, "subject_trajectories", "modeling_dataset")
            if self.jumps.count().to_pyarrow().as_py():
                calm = self._step("weight_without_jumps", jumps.set_aside(self.cleaned.weight, self.jumps))
                calmed = replace(self.cleaned, weight=calm)
                self._weigh(calmed, weekly, "trajectories_without_jumps", "modeling_without_jumps")
            else:
                for twin, name in _TWINS.items():
                    self.tables[twin] = self.tables[name].cast(schema.SILVER[twin].arrow())
                    self._steps[twin] = self._steps[name]
        return {name: self.tables[name] for name in schema.SILVER}

    def _weigh(self, cleaned: Cleaned, weekly: ibis.Table, trajectories: str, modeling: str) -> None:
        weighed = self._step(trajectories, features.subject_trajectories(cleaned))
        self._publish(trajectories, weighed)
        self._publish(modeling, features.modeling_dataset(weekly, weighed, self.settings.silver))

    def lineage(self) -> dict[str, columns.Traced]:
        """Return where each silver dataset and the quarantine come from in bronze, column by column."""
        # What evidence.gather finds goes through Python; it reads each person's weights and their units.
        told = {("bronze/weight", column, "AGGREGATION") for column in ("unit", "weight")}
        found = frozenset({*told, ("bronze/weight", "subject_id", "GROUP_BY")})
        person = frozenset({("bronze/weight", "subject_id", "IDENTITY")})
        units = columns.Traced({"subject_id": person, "unit": found, "evidence": found})
        known: dict[str, str | columns.Traced] = {family: f"bronze/{family}" for family in FAMILIES} | {"units": units}
        for name, expression in self._steps.items():
            known[name] = columns.trace(expression, known)
        traced = {dataset.name: known[name] for name, dataset in schema.SILVER.items() if name in known}
        traced[schema.FLAGS.name] = known["marked"]
        aside = [accounts.set_aside(family, self.families[family]) for family in self.settings.study.families()]
        traced[schema.QUARANTINE.name] = columns.merged(columns.trace(part, known) for part in aside)
        return {name: one for name, one in traced.items() if isinstance(one, columns.Traced)}

    def validate_schema(self) -> list[Verdict]:
        """Evaluate silver's contract; at least one person must have a weight."""
        self.verdicts = rules.silver(self.tables, self.ledger(), partial(cluster.frame, self.settings))
        return self.verdicts

    def save(self) -> Manifest:
        """Write the datasets, the quarantine, the ledger and the manifest into the stage's staging folder."""
        manifest = Manifest("silver", self.study, contracts=self.verdicts)
        for name, traced in self.lineage().items():
            manifest.column_lineage[name], manifest.row_lineage[name] = traced.by_column(), traced.of_rows()
        for family in FAMILIES:
            manifest.add_input(f"bronze/{family}", lake.input(f"data/bronze/{family}"))
        for name in (*schema.SILVER, "quarantine"):
            dataset = schema.SILVER.get(name, schema.QUARANTINE)
            path = lake.output(f"data/{dataset.name}")
            with manifest.output(dataset.name, path, self.tables[name], dataset):
                lake.write(self.tables[name], path)
        cluster.share(self.settings, "silver", self.tables, _SHARED_BY)
        ledger = self.ledger()
        lake.write_json(lake.output("data/silver/ledger.json"), {"files": ledger})
        read, kept = (sum(file[name] for file in ledger.values()) for name in ("rows_read", "rows_kept"))
        manifest.metrics |= {"rows_read": read, "rows_kept": kept, "rows_quarantined": read - kept}
        manifest.write()
        return manifest


def _has_rows(table: ibis.Table) -> bool:
    return bool(table.count().to_pyarrow().as_py())


# What is read by study week is found by it; the others are small, or read by person.
_SHARED_BY = {"weekly_features": "study_week", "subject_trajectories": "study_week", "modeling_dataset": "study_week"}
_TWINS = {"trajectories_without_jumps": "subject_trajectories", "modeling_without_jumps": "modeling_dataset"}

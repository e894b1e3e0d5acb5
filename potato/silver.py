"""Silver: cleaned rows, weekly features, and a place for every row that can't be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from potato import cleaning, columns, contracts, engine, features, lake, schema, settings
from potato.errors import PotatoError, nearest
from potato.features import Cleaned
from potato.manifest import Manifest, Verdict

_MOST_SET_ASIDE = 0.05


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
    _steps: dict[str, ibis.Table] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = settings.load(lake.root(), self.study)
        self.connection = engine.connect()

    def load_from_bronze(self) -> dict[str, ibis.Table]:
        """Open bronze's datasets on the engine; nothing is read yet."""
        self.bronze = {
            family: engine.table(self.connection, lake.input(f"data/bronze/{family}"), family)
            for family in schema.FAMILIES
        }
        return self.bronze

    def clean_data(self) -> pa.Table:
        """Type every row, set aside the unusable ones, and return a count of rows by raw file and reason."""
        study = self.settings.study
        weight = self.bronze["weight"]
        for name, mapping in study.families().items():
            if "date" in mapping.columns:
                where = f"studies/{self.study}.yaml"
                cleaning.refuse_wrong_date_order(self.bronze[name], where, study.date_order)
        cleaning.refuse_untold_units(
            cleaning.weight_units(weight, study.weight).order_by("subject_id").to_pyarrow().to_pylist(),
            [u for u in weight.select(u=cleaning.stated_unit(weight.unit)).distinct().u.to_pyarrow().to_pylist() if u],
            self.study,
        )
        self.cleaned = Cleaned(**{name: self._clean(family) for name, family in schema.FAMILIES.items()})
        self.tables["quarantine"] = self._quarantine()
        counts = self._counts()
        self._refuse_what_cannot_be_meant()
        return counts

    def _refuse_what_cannot_be_meant(self) -> None:
        """Stop at data that would run through and give a wrong answer."""
        people = {name: self._people(getattr(self.cleaned, name)) for name in schema.FAMILIES}
        where = f"studies/{self.study}.yaml"
        if not people["weight"]:
            reasons = [f"{row['rows']} {row['reason']}" for row in self.counts.to_pylist() if row["family"] == "weight"]
            raise PotatoError(
                "No weight of the study can be used.",
                where=f"{where}, weight",
                expected="rows with a person, a day and a weight",
                found=", ".join(reasons) or "no row at all",
                hint="compare the mapping with the raw file",
            )
        for name in ("nutrition", "fiber"):
            if people[name] and not people[name] & people["weight"]:
                theirs, ours = sorted(people[name]), sorted(people["weight"])
                raise PotatoError(
                    f"Nobody in the {name} files is in the weight files.",
                    where=f"{where}, {name}.columns.subject_id",
                    expected=f"people such as {', '.join(ours[:4])}",
                    found=f"people such as {', '.join(theirs[:4])}",
                    nearest=nearest(theirs[0], ours),
                    hint="map the column that names people in the same way in both",
                )
        unknown = sorted(self.settings.study.weight.unit_by_subject.keys() - people["weight"])
        if unknown:
            raise PotatoError(
                f"Nobody in the weight files is called {unknown[0]!r}.",
                where=f"{where}, weight.unit_by_subject",
                expected=f"one of {', '.join(sorted(people['weight'])[:8])}",
                found=unknown[0],
                nearest=nearest(unknown[0], people["weight"]),
                hint=f"correct unit_by_subject in {where}",
            )
        weight = self.cleaned.weight
        groups = weight.group_by("subject_id").aggregate(low=weight.group.min(), high=weight.group.max())
        moved = groups.filter(groups.low != groups.high).order_by("subject_id").to_pyarrow().to_pylist()
        if moved:
            raise PotatoError(
                "Some people change their group during the study.",
                where=f"{where}, weight.columns.group",
                expected="one group for each person",
                found=", ".join(f"{row['subject_id']} ({row['low']}, {row['high']})" for row in moved[:6]),
                hint="map the column as `condition`, which may change, or correct the raw file",
            )

    @staticmethod
    def _people(table: ibis.Table) -> set[str]:
        usable = table.filter(table.reason.isnull() & table.subject_id.notnull())
        return set(usable.select("subject_id").distinct().to_pyarrow()["subject_id"].to_pylist())

    def _clean(self, family: schema.Family) -> ibis.Table:
        """Run the cleaning of one family in two steps: as one query its rules would read each text again and again."""
        mapping = self.settings.study.mapping(family.name)
        typed = cleaning.typed(self.bronze[family.name], family, mapping, self.settings.study)
        rows = self._step(f"typed_{family.name}", typed)
        return self._step(f"clean_{family.name}", cleaning.judged(rows, family, mapping, self.settings.study))

    def _step(self, name: str, expression: ibis.Table) -> ibis.Table:
        """Run an expression into a temporary table; the expression is kept for the column lineage."""
        self._steps[name] = expression
        return self.connection.create_table(name, expression, temp=True)

    def column_lineage(self) -> dict[str, columns.Lineage]:
        """Return for each silver dataset and column the bronze columns that its values come from."""
        tables = {family: f"bronze/{family}" for family in schema.FAMILIES} | {name: name for name in self._steps}
        resolved: dict[str, columns.Lineage] = {}
        for name, expression in self._steps.items():
            resolved[name] = columns.through(columns.column_lineage(expression, tables), resolved)
        return {dataset.name: resolved[name] for name, dataset in schema.SILVER.items()}

    def _quarantine(self) -> pa.Table:
        parts = []
        for name in schema.FAMILIES:
            table = getattr(self.cleaned, name)
            broken = table.filter(table.reason.notnull()).mutate(family=ibis.literal(name))
            parts.append(broken.select(schema.QUARANTINE.names))
        rows = ibis.union(*parts).order_by(["source_file", "source_row"])
        return rows.to_pyarrow().cast(schema.QUARANTINE.arrow())

    def _counts(self) -> pa.Table:
        parts = []
        for name in schema.FAMILIES:
            table = getattr(self.cleaned, name)
            parts.append(
                table.group_by(["source_file", "reason"])
                .aggregate(rows=table.count())
                .mutate(family=ibis.literal(name))
            )
        counts = ibis.union(*parts).select("family", "source_file", "reason", "rows")
        self.counts: pa.Table = counts.order_by(["source_file", "reason"]).to_pyarrow()
        return self.counts

    def ledger(self) -> dict[str, dict[str, Any]]:
        """Return, for each raw file, rows read by bronze, kept and quarantined by reason.

        Raises
        ------
        PotatoError
            when a file's rows are not all either kept or quarantined.
        """
        files: dict[str, dict[str, Any]] = {}
        for name, read in lake.read_json(lake.input("data/bronze/ledger.json"))["files"].items():
            source = {"source_file": read["file"], "family": read["family"]}
            of_file = [row for row in self.counts.to_pylist() if source.items() <= row.items()]
            kept = sum(row["rows"] for row in of_file if row["reason"] is None)
            reasons = {row["reason"]: row["rows"] for row in of_file if row["reason"]}
            if read["rows_read"] != kept + sum(reasons.values()):
                raise PotatoError(
                    f"Rows of {name} were lost on the way.",
                    where="data/silver/ledger.json",
                    expected=f"{read['rows_read']} rows read",
                    found=f"{kept} kept and {sum(reasons.values())} quarantined",
                    hint="this is a fault of the pipeline: please report it with the raw file",
                )
            files[name] = {
                "file": read["file"],
                "family": read["family"],
                "rows_read": read["rows_read"],
                "rows_kept": kept,
                "rows_quarantined": reasons,
            }
        return files

    def engineer_features(self) -> dict[str, pa.Table]:
        """Compute the three silver datasets."""
        weekly = self._feature("weekly_features", features.weekly_features(self.cleaned))
        trajectories = self._feature("subject_trajectories", features.subject_trajectories(self.cleaned))
        self._feature("modeling_dataset", features.modeling_dataset(weekly, trajectories, self.settings.silver))
        return {name: self.tables[name] for name in schema.SILVER}

    def _feature(self, name: str, expression: ibis.Table) -> ibis.Table:
        dataset = schema.SILVER[name]
        step = self._step(name, expression.select(dataset.names))
        self.tables[name] = step.order_by(list(dataset.key)).to_pyarrow().cast(dataset.arrow())
        return step

    def validate_schema(self) -> list[Verdict]:
        """Evaluate the data contract of each silver dataset; at least one person must have a weight."""
        for name, dataset in schema.SILVER.items():
            at_least = 1 if name == "subject_trajectories" else 0
            self.verdicts += contracts.check(self.tables[name], dataset, at_least=at_least)
        self.verdicts += [_few_set_aside(name, file) for name, file in self.ledger().items()]
        return self.verdicts

    def save(self) -> Manifest:
        """Write the datasets, the quarantine, the ledger and the manifest into the stage's staging folder."""
        manifest = Manifest("silver", self.study, contracts=self.verdicts, column_lineage=self.column_lineage())
        for family in schema.FAMILIES:
            manifest.add_input(f"bronze/{family}", lake.input(f"data/bronze/{family}"))
        for name in (*schema.SILVER, "quarantine"):
            dataset = schema.SILVER.get(name, schema.QUARANTINE)
            path = lake.output(f"data/{dataset.name}")
            lake.write(self.tables[name], path)
            manifest.add_output(dataset.name, path, self.tables[name], dataset)
        ledger = self.ledger()
        lake.write_json(lake.output("data/silver/ledger.json"), {"files": ledger})
        kept = pc.sum(self.counts.filter(pc.is_null(self.counts["reason"]))["rows"]).as_py() or 0
        read = pc.sum(self.counts["rows"]).as_py() or 0
        manifest.metrics |= {"rows_read": read, "rows_kept": kept, "rows_quarantined": read - kept}
        manifest.write()
        return manifest


def _few_set_aside(name: str, file: dict[str, Any]) -> Verdict:
    """Return a warning when a file loses many rows that do hold a value: what is left may not be typical."""
    unusable = {reason: n for reason, n in file["rows_quarantined"].items() if reason not in cleaning.NOT_RECORDED}
    share = sum(unusable.values()) / max(file["rows_read"], 1)
    return Verdict(
        dataset=f"raw/{name}",
        expectation="share_of_rows_set_aside",
        column="",
        severity="warning",
        success=share <= _MOST_SET_ASIDE,
        observed=f"{share:.1%}" + "".join(f", {n} {reason.replace('_', ' ')}" for reason, n in unusable.items()),
        unexpected_count=sum(unusable.values()),
        sentence=f"At most {_MOST_SET_ASIDE:.0%} of the rows with a value are set aside.",
    )

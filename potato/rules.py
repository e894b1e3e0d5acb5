"""The contracts of a layer: each dataset against the dictionary, and rules across columns, rows and tables.

`bronze` and `silver` are called where the layer is made, and again by `potato validate` on what is published. A rule
measures one number for each file or person; Great Expectations holds the numbers against the rule's bounds.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from potato import contracts, filerows, schema, shares
from potato.contracts import Rule
from potato.families import FAMILIES
from potato.manifest import Verdict
from potato.shares import Files, by_file

Tables = Mapping[str, pa.Table]

MOST_FAULTY = 0.05  # of a file's rows
_BODY_KG = (45, 160)
_DAY_KCAL = (500, 5_000)
_ROUNDING_KG = 1e-6
_TWINS = {without: name for name, without in schema.WITHOUT_JUMPS.items()}


def _as_it_is(table: pa.Table) -> pa.Table:
    return table


def bronze(tables: Tables, files: Files, frame: Callable[[pa.Table], Any] = _as_it_is) -> list[Verdict]:
    """Return a verdict for each expectation on bronze; there must be a weight.

    Parameters
    ----------
    tables : bronze's tables by family.
    files : the files of bronze's ledger.
    frame : makes of a table what the engine holds, on which the contracts of the datasets are evaluated.
    """
    verdicts: list[Verdict] = []
    for family, table in tables.items():
        verdicts += contracts.check(frame(table), schema.BRONZE[family], at_least=1 if family == "weight" else 0)
    if not _as_in_the_dictionary(tables, schema.BRONZE):
        return verdicts
    there, again, faulty = filerows.of_bronze(tables)
    known = {filerows.place(file) for file in files.values()}
    strange = {f"{file} ({family})": n for (family, file), n in there.items() if (family, file) not in known}
    return verdicts + contracts.hold(
        [
            Rule(
                "rows_of_the_ledger",
                "bronze/ledger",
                "error",
                "Each raw file has as many rows in the tables as the ledger says were read.",
                by_file(files, lambda file: abs(file["rows_read"] - there[filerows.place(file)])) | strange,
                high=0,
                shown=",.0f",
            ),
            Rule(
                "a_raw_row_stands_once",
                "bronze/ledger",
                "error",
                "source_file and source_row identify a row: each row of a raw file stands in its table once.",
                by_file(files, lambda file: again[filerows.place(file)]),
                high=0,
                shown=",.0f",
            ),
            Rule(
                "a_file_has_rows",
                "bronze/ledger",
                "warning",
                "Each raw file holds at least one row.",
                by_file(files, lambda file: file["rows_read"]),
                low=1,
            ),
            Rule(
                "share_of_faulty_rows",
                "bronze/ledger",
                "warning",
                f"At most {MOST_FAULTY:.0%} of a file's rows are broken as rows, such as rows with too few or too many"
                " cells or a quote that never closes.",
                by_file(files, lambda file: faulty[filerows.place(file)] / max(file["rows_read"], 1)),
                high=MOST_FAULTY,
                shown=".1%",
            ),
        ]
    )


def silver(tables: Tables, files: Files, frame: Callable[[pa.Table], Any] = _as_it_is) -> list[Verdict]:
    """Return a verdict for each expectation on silver and its quarantine; one person at least must have a weight.

    Parameters
    ----------
    tables : silver's tables by name, and `quarantine`.
    files : the files of silver's ledger.
    frame : as of `bronze`.
    """
    verdicts: dict[str, list[Verdict]] = {}
    datasets = {**schema.SILVER, "quarantine": schema.QUARANTINE}
    for name, dataset in datasets.items():
        twin = _TWINS.get(name)
        if twin and tables[name].equals(tables[twin]):
            # Where nothing jumped the two are one table: what holds for the one holds for the other.
            verdicts[name] = [_renamed(verdict, dataset.name) for verdict in verdicts[twin]]
        else:
            verdicts[name] = contracts.check(frame(tables[name]), dataset, at_least=int(name == "subject_trajectories"))
    found = [verdict for of_dataset in verdicts.values() for verdict in of_dataset]
    if not _as_in_the_dictionary(tables, datasets):
        return found
    made = [
        *_balance(tables, files),
        *_weeks(tables),
        *shares.of_files(tables["weekly_features"], files),
        *_people(tables),
        *_typical(tables),
    ]
    return found + contracts.hold(made)


def _as_in_the_dictionary(tables: Tables, datasets: Mapping[str, schema.Dataset]) -> bool:
    """Whether the rules can be asked at all: data of another version lack columns, which their contracts have told."""
    return all(set(datasets[name].names) <= {*table.column_names} for name, table in tables.items())


def _balance(tables: Tables, files: Files) -> list[Rule]:
    """No row is lost, and none stands in two places."""
    quarantine, flags = tables["quarantine"], tables["flags"]
    keys = ["family", "source_file", "source_row"]
    aside = filerows.counted(quarantine)
    twice = filerows.counted(quarantine.select(keys).join(flags.select(keys), keys, join_type="left semi"))
    return [
        Rule(
            "rows_read_are_kept_or_set_aside",
            "silver/ledger",
            "error",
            "In each raw file, the rows read are the rows kept and the rows set aside.",
            by_file(files, lambda f: abs(f["rows_read"] - f["rows_kept"] - sum(f["rows_quarantined"].values()))),
            high=0,
            shown=",.0f",
        ),
        Rule(
            "quarantine_holds_what_the_ledger_counts",
            "quarantine",
            "error",
            "Quarantine holds as many rows of each raw file as the ledger says were set aside.",
            by_file(files, lambda f: abs(aside[filerows.place(f)] - sum(f["rows_quarantined"].values()))),
            high=0,
            shown=",.0f",
        ),
        Rule(
            "a_flagged_row_is_kept",
            "silver/flags",
            "error",
            "A row that is kept with a remark is not set aside as well.",
            by_file(files, lambda f: twice[filerows.place(f)]),
            high=0,
            shown=",.0f",
        ),
    ]


def _weeks(tables: Tables) -> list[Rule]:
    """A person's weeks follow each other, and what is said of a week fits together."""
    weekly = tables["weekly_features"]
    known = set(_person_weeks(weekly))
    made = [
        Rule(
            "weeks_follow_each_other",
            "silver/weekly_features",
            "error",
            "Each person's weeks are numbered from 1, without a gap.",
            _by_person(
                weekly.group_by("subject_id").aggregate([("study_week", "max"), ("study_week", "count_distinct")]),
                lambda row: row["study_week_max"] - row["study_week_count_distinct"],
            ),
            high=0,
            shown=",.0f",
        )
    ]
    for name in ("subject_trajectories", schema.WITHOUT_JUMPS["subject_trajectories"]):
        made.append(
            Rule(
                f"mean_within_range_of_{name}",
                f"silver/{name}",
                "error",
                "A week's mean and last weight lie between its lowest and its highest.",
                _count_people(tables[name], _out_of_its_range(tables[name])),
                high=0,
                shown=",.0f",
            )
        )
    for name in ("modeling_dataset", schema.WITHOUT_JUMPS["modeling_dataset"]):
        table = tables[name]
        unknown = pa.array([week not in known for week in _person_weeks(table)], pa.bool_())
        made.append(
            Rule(
                f"weeks_of_{name}_are_known",
                f"silver/{name}",
                "error",
                "Each week that the models use is a week of the weekly features.",
                _count_people(table, unknown),
                high=0,
                shown=",.0f",
            )
        )
    return made


def _people(tables: Tables) -> list[Rule]:
    """Everybody is known in all families of the study, and everybody's unit is told."""
    people = tables["subjects"]["subject_id"].to_pylist()
    absent, untold = absent_families(tables["subjects"]), units_not_told(tables["quarantine"])
    return [
        Rule(
            "names_differ_in_more_than_case",
            "silver/subjects",
            "warning",
            "No two people's names differ in capital letters or blanks alone: such names are often one person's, who"
            " then counts as two.",
            {" and ".join(names): len(names) > 1 for names in _alike(people)},
            high=0,
        ),
        Rule(
            "people_known_in_every_family",
            "silver/subjects",
            "warning",
            "Everybody has usable rows in each kind of file that the study has: diary, weights, fibre.",
            {f"{who}: no {' and no '.join(absent[who])}" if who in absent else who: who in absent for who in people},
            high=0,
        ),
        Rule(
            "unit_told",
            "silver/subjects",
            "warning",
            "The unit of everybody's weights is told by the rows, the study file or the values.",
            {who: untold[who] for who in people},
            high=0,
            shown=",.0f",
        ),
    ]


def _typical(tables: Tables) -> list[Rule]:
    """The study as a whole weighs and eats what people do; in the wrong unit it does not."""
    weights = tables["subject_trajectories"].group_by("subject_id").aggregate([("weight_kg", "approximate_median")])
    energy = tables["weekly_features"]["energy_kcal_per_day"]
    return [
        Rule(
            "weights_are_those_of_people",
            "silver/subject_trajectories",
            "warning",
            f"The median weight of the study's people lies between {_BODY_KG[0]} and {_BODY_KG[1]} kg; otherwise the"
            " unit that the study file or the rows state may be wrong.",
            _median(weights["weight_kg_approximate_median"], "kg"),
            low=_BODY_KG[0],
            high=_BODY_KG[1],
            shown=",.0f",
        ),
        Rule(
            "energy_is_that_of_people",
            "silver/weekly_features",
            "warning",
            f"The median energy of a day lies between {_DAY_KCAL[0]:,} and {_DAY_KCAL[1]:,} kcal; otherwise its unit"
            " may be another one, such as kJ.",
            _median(energy, "kcal"),
            low=_DAY_KCAL[0],
            high=_DAY_KCAL[1],
            shown=",.0f",
        ),
    ]


def _median(numbers: pa.ChunkedArray, unit: str) -> dict[str, float]:
    known = numbers.drop_null().to_pylist()
    return {f"the median in {unit}": statistics.median(known)} if known else {}


def _alike(people: list[str]) -> list[list[str]]:
    """Return the names in groups that are equal but for case and blanks."""
    groups: dict[str, list[str]] = {}
    for who in people:
        groups.setdefault("".join(who.split()).casefold(), []).append(who)
    return list(groups.values())


def absent_families(subjects: pa.Table) -> dict[str, list[str]]:
    """Return for each person without a usable row in some of the study's families which these are."""
    people = subjects.to_pylist()
    recorded = [family for family in FAMILIES if any(person[f"{family}_rows"] for person in people)]
    missing = {who["subject_id"]: [family for family in recorded if not who[f"{family}_rows"]] for who in people}
    return {who: families for who, families in missing.items() if families}


def units_not_told(quarantine: pa.Table) -> Counter[str]:
    """Return how many weights of each person were set aside since nothing tells their unit."""
    untold = quarantine.filter(pc.equal(quarantine["reason"], "unit_not_told"))
    return Counter(untold["subject_id"].to_pylist())


def _out_of_its_range(table: pa.Table) -> pa.Array:
    """Return for each week whether its mean or last weight is beyond its lowest or highest, but for rounding."""
    low = pc.subtract(table["min_weight_kg"], _ROUNDING_KG)
    high = pc.add(table["max_weight_kg"], _ROUNDING_KG)
    of_week = ("weight_kg", "closing_weight_kg")
    beyond = [pc.or_(pc.less(table[name], low), pc.greater(table[name], high)) for name in of_week]
    return pc.fill_null(pc.or_(*beyond), False).combine_chunks()


def _count_people(table: pa.Table, against: pa.Array) -> dict[str, float]:
    """Return for each person how many of the rows of `table` are `against`."""
    counted = pa.table({"subject_id": table["subject_id"], "rows": pc.cast(against, pa.int64())})
    return _by_person(counted.group_by("subject_id").aggregate([("rows", "sum")]), lambda row: row["rows_sum"])


def _by_person(table: pa.Table, number: Callable[[dict[str, Any]], float]) -> dict[str, float]:
    return {row["subject_id"]: number(row) for row in table.sort_by("subject_id").to_pylist()}


def _person_weeks(table: pa.Table) -> list[tuple[str, int]]:
    return list(zip(table["subject_id"].to_pylist(), table["study_week"].to_pylist(), strict=True))


def _renamed(verdict: Verdict, dataset: str) -> Verdict:
    return replace(verdict, dataset=dataset, sentence=verdict.sentence.replace(verdict.dataset, dataset))

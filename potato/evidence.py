"""What the raw files themselves tell: each file's decimal mark and order of dates, each person's unit of weight.

Nothing is guessed. Where the values of a file do not tell, or contradict each other, it stays untold, and cleaning
reads only what needs no telling. What the study file states comes before all evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import ibis
import ibis.expr.types as ir

from potato import decimals, orders, plain, quantities, reasons
from potato.families import FAMILIES
from potato.orders import Row, fetch
from potato.quantities import UNDECIDED, one_of
from potato.study import Study, WeightMapping
from potato.units import KG_BELOW, KG_PER_LB, LB_ABOVE, MOST_CHANGE, WEIGHT_UNITS

_BODY = (25.0, 700.0)  # of kg or lb: what lies outside is mistyped and tells nothing of a unit


@dataclass(frozen=True)
class FileEvidence:
    """How one file of a family is read: None where nothing decides; each *_evidence is a sentence.

    doubted says that the file's dates with a four-digit year in front may be year, day, month.
    """

    family: str
    source_file: str
    date_order: str | None
    date_evidence: str
    decimal: str | None
    decimal_evidence: str
    doubted: bool = False


@dataclass(frozen=True)
class UnitEvidence:
    """One person's unit for weights that state none, and what tells it: row, subject, study, values or None.

    median, lightest and heaviest are of the weights that state no unit, as written; None where there are none.
    """

    subject_id: str
    unit: str | None
    evidence: str | None
    median: float | None
    lightest: float | None
    heaviest: float | None


@dataclass(frozen=True)
class Evidence:
    """All that was found out before a row is read; `plain` has by family the fields whose texts a cast can read."""

    files: list[FileEvidence]
    units: list[UnitEvidence]
    plain: dict[str, frozenset[str]] = field(default_factory=dict)

    def orders(self, family: str) -> dict[str, str]:
        """Return {file: order of dates or UNDECIDED} of a family."""
        return {f.source_file: f.date_order or UNDECIDED for f in self.files if f.family == family}

    def doubted(self, family: str) -> list[str]:
        """Return the files of a family whose dates with a four-digit year in front may be year, day, month."""
        return [f.source_file for f in self.files if f.family == family and f.doubted]

    def decimals(self, family: str) -> dict[str, str]:
        """Return {file: decimal mark or UNDECIDED} of a family."""
        return {f.source_file: f.decimal or UNDECIDED for f in self.files if f.family == family}

    def simple(self, family: str) -> frozenset[str]:
        """Return the plain fields of a family."""
        return self.plain.get(family, frozenset())

    def subject_units(self) -> dict[str, str]:
        """Return {person: kg or lb} for everyone whose unit is told."""
        return {u.subject_id: u.unit for u in self.units if u.unit}


def gather(bronze: Mapping[str, ir.Table], study: Study) -> Evidence:
    """Look at the bronze tables, and decide what they decide.

    Raises
    ------
    PotatoError
        when the study file states an order in which clearly fewer dates can be read than in another.
    """
    files = []
    simples, names = plain.columns(bronze, study)
    tables = {name: bronze[name].filter(bronze[name].fault.isnull()) for name in study.families()}
    glances = decimals.glance(tables, study)
    plains = {name: frozenset(family.names) for name, family in FAMILIES.items()}  # without rows all is plain
    for name, mapping in study.families().items():
        table, simple = tables[name], simples[name]
        marks = decimals.of_files(table, FAMILIES[name], mapping, simple, names[name], glances[name])
        # Where a comma may mark the decimals, a point may not.
        pointed = all(mark == "." for mark, _ in marks.values())
        plains[name] = simple if pointed else simple.difference(decimals.numeric(FAMILIES[name], mapping))
        told: dict[str, orders.Told] = {}
        if "date" in mapping.columns:
            told = orders.of_files(table, marks, study.date_order, name, plain="date" in simple)
        no_dates = orders.Told(None, reasons.DAY_NUMBERS)
        for source_file in sorted(marks):
            of_dates = told.get(source_file, no_dates)
            mark, because = marks[source_file]
            files.append(FileEvidence(name, source_file, of_dates.order, of_dates.why, mark, because, of_dates.doubted))
    of_files = Evidence(files, [], plains)
    return replace(of_files, units=_units(tables["weight"], study.weight, of_files))


def stated_unit(table: ir.Table) -> ir.StringValue:
    """Return kg or lb as a row states it, null where it states none, else the text itself.

    A unit beside the number, in a table of quantities.taken_apart with the weight, comes before the unit column.
    """
    folded = quantities.text(table.unit).lower()
    stones = []
    if "weight_unit" in table.columns:
        beside = table.weight_unit
        folded = ibis.ifelse(one_of(beside, WEIGHT_UNITS["kg"] + WEIGHT_UNITS["lb"]), beside, folded)
        stones = [(quantities.is_stones(table.weight), "lb")]
    return ibis.cases(
        *stones,
        (one_of(folded, WEIGHT_UNITS["kg"]), "kg"),
        (one_of(folded, WEIGHT_UNITS["lb"]), "lb"),
        else_=folded,
    )


def contradicted(table: ir.Table) -> ir.BooleanValue:
    """Return whether the unit beside a weight and the unit column say kg and lb of one row; `table` is taken apart."""
    beside, column = table.weight_unit, quantities.text(table.unit).lower()
    kg, lb = WEIGHT_UNITS["kg"], WEIGHT_UNITS["lb"]
    pounds = one_of(beside, lb) | quantities.is_stones(table.weight)
    return ((one_of(beside, kg) & one_of(column, lb)) | (pounds & one_of(column, kg))).fill_null(False)


def _units(table: ir.Table, mapping: WeightMapping, known: Evidence) -> list[UnitEvidence]:
    """Return for each person the unit of weights that state none.

    The evidence, in order: what the study file says of the person, the one unit that the person's other rows state,
    the study's unit, and the median of the person's unstated values against KG_BELOW and LB_ABOVE. What rows or values
    tell counts only where MOST_CHANGE holds among the unstated values, and between them and the stated ones.
    """
    simple = known.simple("weight")
    marks = known.decimals("weight")
    table = quantities.taken_apart(table, {"weight"} - simple, marks)
    rows = table.select(
        subject_id=quantities.text(table.subject_id, plain="subject_id" in simple),
        value=quantities.weight(table, marks),
        stated=stated_unit(table),
    )
    rows = rows.filter(rows.subject_id.notnull())
    unstated = ibis.ifelse((rows.value > 0) & rows.stated.isnull(), rows.value, ibis.null("float64"))
    rows = rows.mutate(unstated=unstated)
    body = ibis.ifelse(rows.unstated.between(*_BODY), rows.unstated, ibis.null("float64"))
    people = rows.group_by("subject_id").aggregate(
        median=rows.unstated.median(),
        lightest=rows.unstated.min(),
        heaviest=rows.unstated.max(),
        low=body.min(),
        high=body.max(),
        **{unit: (rows.stated == unit).fill_null(False).sum() for unit in WEIGHT_UNITS},
        stated_kg=ibis.cases((rows.stated == "kg", rows.value), (rows.stated == "lb", rows.value * KG_PER_LB)).median(),
    )
    return [_unit(person, mapping) for person in fetch(people.order_by("subject_id"))]


def _unit(person: Row, mapping: WeightMapping) -> UnitEvidence:
    who, median = person["subject_id"], person["median"]
    stated = [unit for unit in WEIGHT_UNITS if person[unit]]
    unit: str | None
    evidence: str | None
    if who in mapping.unit_by_subject:
        unit, evidence = mapping.unit_by_subject[who], "subject"
    elif len(stated) == 1:
        # Values that speak of the other unit are not what the other rows state: nothing is told.
        against = median is not None and _unit_of_values(person) not in (None, stated[0])
        unit, evidence = (None, None) if against or not _fits(person, stated[0]) else (stated[0], "row")
    elif mapping.unit in WEIGHT_UNITS:
        unit, evidence = mapping.unit, "study"
    elif median is None:
        unit, evidence = None, "row" if stated else None
    else:
        unit = _unit_of_values(person) if mapping.unit == "detect" else None
        unit = unit if unit and _fits(person, unit) else None
        evidence = "values" if unit else None
    return UnitEvidence(who, unit, evidence, median, person["lightest"], person["heaviest"])


def _fits(person: Row, unit: str) -> bool:
    """Return whether a person's unstated weights, read in a unit, fit each other and the stated ones."""
    if person["low"] is not None and person["high"] > MOST_CHANGE * person["low"]:
        return False
    if person["median"] is None or not person["stated_kg"]:
        return True
    ratio = person["median"] * (KG_PER_LB if unit == "lb" else 1) / person["stated_kg"]
    return bool(1 / MOST_CHANGE <= ratio <= MOST_CHANGE)


def _unit_of_values(person: Row) -> str | None:
    # A person with values of both kinds has changed the unit on the way: no single one is right.
    if person["median"] < KG_BELOW and person["heaviest"] <= LB_ABOVE:
        return "kg"
    if person["median"] > LB_ABOVE and person["lightest"] >= KG_BELOW:
        return "lb"
    return None

"""What the raw files themselves tell: each file's decimal mark and order of dates, each person's unit of weight.

Nothing is guessed. Where the values of a file do not tell, or contradict each other, it stays untold, and cleaning
reads only what needs no telling. What the study file states comes before all evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir

from potato import orders, plain, quantities, reasons
from potato.families import FAMILIES, Family
from potato.orders import Row, fetch
from potato.quantities import UNDECIDED, one_of
from potato.study import FamilyMapping, Study, WeightMapping
from potato.units import KG_BELOW, KG_PER_LB, LB_ABOVE, MOST_CHANGE, WEIGHT_UNITS

_THREE_DIGITS = r"^\s*[-+]?[1-9]\d{0,2}\.\d{3}\b"
_DECIMALS = r"^\s*[-+~]?(\d*\.(\d{1,2}|\d{4,})|0*\.\d+|(0|[1-9]\d{3})\d*\.\d+)\b"
_OVER_99 = r"^\s*[-+]?[1-9]\d{2,}\s*([A-Za-z].*)?$"

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
    plains = {name: frozenset(family.names) for name, family in FAMILIES.items()}  # without rows all is plain
    for name, mapping in study.families().items():
        table = bronze[name].filter(bronze[name].fault.isnull())
        simple = plain.columns(bronze[name], FAMILIES[name], mapping)
        decimals = _decimals(table, FAMILIES[name], mapping, simple)
        # Where a comma may mark the decimals, a point may not.
        pointed = all(mark == "." for mark, _ in decimals.values())
        plains[name] = simple if pointed else simple.difference(_numeric(FAMILIES[name], mapping))
        told: dict[str, orders.Told] = {}
        if "date" in mapping.columns:
            told = orders.of_files(table, decimals, study.date_order, name, plain="date" in simple)
        no_dates = orders.Told(None, reasons.DAY_NUMBERS)
        for source_file in sorted(decimals):
            of_dates = told.get(source_file, no_dates)
            mark, because = decimals[source_file]
            files.append(FileEvidence(name, source_file, of_dates.order, of_dates.why, mark, because, of_dates.doubted))
    of_files = Evidence(files, [], plains)
    weights = bronze["weight"].filter(bronze["weight"].fault.isnull())
    return replace(of_files, units=_units(weights, study.weight, of_files))


def _numeric(family: Family, mapping: FamilyMapping) -> list[str]:
    return [f.name for f in family.fields if f.kind in ("number", "weight") and f.name in mapping.columns]


def _decimals(
    table: ir.Table, family: Family, mapping: FamilyMapping, simple: frozenset[str]
) -> dict[str, tuple[str | None, str]]:
    """Return for each file its decimal mark and the sentence that says why; `simple` are columns without commas."""
    names = _numeric(family, mapping)
    if simple.issuperset(names):
        files = fetch(table.select("source_file").distinct())
        why = "no number has a comma" if names else "no column of numbers is used"
        stated = (mapping.decimal, "stated in the study file") if mapping.decimal and names else None
        told: dict[str, tuple[str | None, str]] = {row["source_file"]: stated or (".", why) for row in files}
        return told if mapping.decimal else {**told, **_maybe_thousands(table, names)}
    totals = table.group_by("source_file").aggregate(
        # Most files have no comma in a number: nothing else has to be looked at.
        odd=_any([_may_have_comma(table[name]) for name in names if name not in simple]).any(),
    )
    listed = fetch(totals)
    if mapping.decimal:
        return {row["source_file"]: (mapping.decimal, "stated in the study file") for row in listed}
    odd = [row["source_file"] for row in listed if row["odd"]]
    counted = _counted_marks(table, names, odd) if odd else {}
    found: dict[str, tuple[str | None, str]] = {}
    for row in listed:
        if row["source_file"] in counted:
            found[row["source_file"]] = _mark(counted[row["source_file"]])
        else:
            found[row["source_file"]] = (".", "no number has a comma")
    pointed = [name for name, (mark, _) in found.items() if mark == "."]
    thousands = _maybe_thousands(table, names)
    return found | {name: told for name, told in thousands.items() if name in pointed}


def _maybe_thousands(table: ir.Table, names: list[str]) -> dict[str, tuple[None, str]]:
    """Return the files whose points may set thousands apart: three digits after each, beside whole numbers over 99.

    1.850 beside 950 is 1850 as well as 1.85.
    """
    if not names:
        return {}
    # In most files a glance finds one or two decimals; words such as n.a. sort after the digits.
    some = [table[name] for name in names]
    clear = _any([(text < ":") & (text.like("%._") | text.like("%.__")) for text in some])
    pointed = _any([text.contains(".") for text in some])
    looked = table.group_by("source_file").aggregate(clear=clear.any(), pointed=pointed.any())
    files = [row["source_file"] for row in fetch(looked) if row["pointed"] and not row["clear"]]
    if not files:
        return {}
    table = table.filter(table.source_file.isin(files))
    texts = [table[name] for name in names]
    alike = [ibis.ifelse(text.re_search(_THREE_DIGITS), text, ibis.null(str)) for text in texts]
    found = table.group_by("source_file").aggregate(
        clear=_any([text.re_search(_DECIMALS) for text in texts]).any(),
        whole=_any([text.re_search(_OVER_99) for text in texts]).any(),
        example=ibis.coalesce(*alike).min(),
    )
    return {
        row["source_file"]: (None, f"decimals or thousands, nothing tells which: such as {row['example'].strip()[:40]}")
        for row in fetch(found)
        if row["example"] and row["whole"] and not row["clear"]
    }


def _any(values: list[ir.BooleanValue]) -> ir.BooleanValue:
    return reduce(or_, values, ibis.literal(False)).fill_null(False)


def _may_have_comma(column: ir.StringValue) -> ir.BooleanValue:
    return (column.contains(",") | column.like("%.%.%")).fill_null(False)


def _counted_marks(table: ir.Table, names: list[str], files: list[str]) -> dict[str, Row]:
    """Return for each of `files` how many numbers read in one way alone, how many in both, and an example of each."""
    some = table.filter(table.source_file.isin(files))
    marked = [
        some.select("source_file", raw=some[name]).filter(lambda t: t.raw.contains(",") | t.raw.contains("."))
        for name in names
    ]
    texts = reduce(lambda a, b: a.union(b), marked).group_by(["source_file", "raw"]).aggregate(n=lambda t: t.count())
    texts = texts.mutate(core=quantities.core(texts.raw))
    point, comma = quantities.readings(texts.core)
    kind = ibis.cases(
        (point.notnull() & comma.isnull(), "point"),
        (comma.notnull() & point.isnull(), "comma"),
        (comma.notnull() & (point != comma), "either"),
        else_=ibis.null(str),
    )
    kinds = texts.mutate(kind=kind).filter(lambda t: t.kind.notnull()).group_by(["source_file", "kind"])
    counts: dict[str, Row] = {name: {} for name in files}
    for row in fetch(kinds.aggregate(n=lambda t: t.n.sum(), example=lambda t: t.raw.min())):
        counts[row["source_file"]][row["kind"]] = row
    return counts


def _mark(kinds: Row) -> tuple[str | None, str]:
    def shown(kind: str) -> str:
        return f"{kinds[kind]['n']:,} such as {kinds[kind]['example'].strip()[:40]}"

    if "point" in kinds and "comma" in kinds:
        both = f"decimal points ({shown('point')}) and decimal commas ({shown('comma')})"
        return None, f"{both}: only numbers that read in one way are read"
    if "point" in kinds:
        return ".", f"decimal points or thousands with commas: {shown('point')}"
    if "comma" in kinds:
        return ",", f"decimal commas or thousands with points: {shown('comma')}"
    if "either" in kinds:
        return None, f"decimals or thousands, nothing tells which: {shown('either')}"
    return ".", "all numbers are whole"


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
    decimals = known.decimals("weight")
    table = quantities.taken_apart(table, {"weight"} - simple, decimals)
    rows = table.select(
        subject_id=quantities.text(table.subject_id, plain="subject_id" in simple),
        value=quantities.weight(table, decimals),
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

"""What names don't tell: the unit of weights, the order of dates and the decimal mark, from the values themselves."""

from __future__ import annotations

import re
import statistics

import ibis
import pyarrow as pa

from potato import evidence, reasons, schema, units
from potato.families import FAMILIES
from potato.plans import Answers, Plan, Question
from potato.recognise import value_unit

_ORDERED = re.compile(
    r"^\D*(\d{1,2} ?[-/. ] ?\d{1,2} ?[-/. ] ?(\d{4}|\d{1,2})|\d\d[-/. ]*[a-z]{3,9}[-/. ]*\d\d)(\D.*)?$", re.IGNORECASE
)
_LONG_YEAR = re.compile(r"\d{4}")
_UNITS_LINE = re.compile(r"\bunits?\W+(kg|kilograms?|lbs?|pounds?)\b", re.IGNORECASE)
_EITHER_WAY = re.compile(r"^\d{1,3},\d{3}$")
_LIGHT_IN_LB = 70  # 32 kg: where a person weighs less, no grown-up's weight in lb is meant
_HEAVY_IN_KG = 230  # from 160 to this a grown-up may weigh kilograms, though few do
_LARGE = 50  # numbers of this size beside 1,100 say that its comma sets thousands apart


def tables(plan: Plan) -> dict[str, pa.Table]:
    """Return the rows that were looked at as bronze tables, by family."""
    made = {}
    for family in FAMILIES:
        columns: dict[str, list[object]] = {name: [] for name in schema.BRONZE[family].names}
        planned = plan.families.get(family)
        mapped = plan.columns(family) if planned else {}
        for member in planned.layout.members if planned else []:
            who = planned.who(member.file.name) if planned else None
            size = max((len(column.texts) for column in member.file.columns), default=0)
            columns["source_file"] += [member.file.name] * size
            columns["source_row"] += list(range(member.file.header_row + 1, member.file.header_row + 1 + size))
            for name in columns.keys() - {"source_file", "source_row"}:
                column = member.file.column(mapped[name]) if name in mapped else None
                if column is not None:
                    columns[name] += column.texts
                else:
                    columns[name] += [who if name == "subject_id" else None] * size
        made[family] = pa.table(columns, schema=schema.BRONZE[family].arrow())
    return made


def settle(plan: Plan, answers: Answers) -> None:
    """Conclude the weight's unit and the order of dates from the values; what they don't tell becomes a question."""
    draft = plan.study("draft")
    bronze = {name: ibis.memtable(table) for name, table in tables(plan).items()}
    told = evidence.gather(bronze, draft)
    _settle_unit(plan, answers, told)
    _settle_decimals(plan, answers, told)
    if plan.when == "date":
        _settle_order(plan, answers, told)


def _settle_unit(plan: Plan, answers: Answers, told: evidence.Evidence) -> None:
    layout = plan.families["weight"].layout
    weight = layout.fields["weight"]
    above = {
        found[1][:1].casefold() for m in layout.members for found in _UNITS_LINE.finditer(" ".join(m.file.preamble))
    }
    written = sorted({unit for m in layout.members for unit in value_unit(m.file, weight.column)})
    if others := [unit for unit in written if weight.unit and unit != weight.unit]:
        plan.remarks.append(
            f"values of {weight.column!r} state {' and '.join(others)}, which contradicts the header's {weight.unit};"
            f" what stands beside a value counts: those are read as {' and '.join(others)}"
        )
    if answers.weight_unit:
        plan.unit, plan.unit_evidence = answers.weight_unit, "as you stated"
    elif weight.unit:
        plan.unit, plan.unit_evidence = weight.unit, f"the column is called {weight.column!r}"
    elif "unit" in layout.fields:
        plan.unit, plan.unit_evidence = "detect", f"each row states it in {layout.fields['unit'].column!r}"
    elif len(above) == 1:
        plan.unit = "kg" if above == {"k"} else "lb"
        plan.unit_evidence = "a line above the header states it"
    elif written:
        plan.unit, plan.unit_evidence = "detect", f"values state it: {' and '.join(written)}"
    else:
        _unit_by_values(plan, told)


def _unit_by_values(plan: Plan, told: evidence.Evidence) -> None:
    people = [person for person in told.units if person.median is not None]
    by_unit = {unit: [p for p in people if p.unit == unit] for unit in ("kg", "lb")}
    known = len(by_unit["kg"]) + len(by_unit["lb"])
    single = [unit for unit, members in by_unit.items() if members]
    if len(single) == 1 and 2 * known >= len(people):
        plan.unit = single[0]
        plan.unit_evidence = (
            f"the values of {known} of {len(people)} people can only be {single[0]}, nobody's the other"
        )
        medians = [person.median for person in people if person.median is not None]
        if single == ["kg"] and min(medians) >= _LIGHT_IN_LB:
            low, high = (bound * units.KG_PER_LB for bound in (min(medians), max(medians)))
            plan.remarks.append(
                f"if these weights were lb, the people would weigh {low:.0f} to {high:.0f} kg; in a study of people"
                " so light, say `--weight-unit lb`"
            )
        if single == ["lb"] and min(medians) <= _HEAVY_IN_KG:
            plan.remarks.append(
                f"if these weights were kg, the people would weigh {min(medians):.0f} to {max(medians):.0f} kg; in a"
                " study of people so heavy, say `--weight-unit kg`"
            )
    elif known == len(people) and people:
        plan.unit, plan.unit_evidence = "detect", "each person's values tell, and not everybody's the same"
    else:
        lightest = min((p.lightest for p in people if p.lightest is not None), default=0)
        heaviest = max((p.heaviest for p in people if p.heaviest is not None), default=0)
        plan.questions.append(
            Question(
                "weight_unit",
                f"Are the weights in kg or in lb? They lie between {lightest:g} and {heaviest:g}, which could be both.",
                "--weight-unit kg",
                ("kg", "lb", "detect") if known else ("kg", "lb"),
            )
        )


def _settle_order(plan: Plan, answers: Answers, told: evidence.Evidence) -> None:
    alike = {f.source_file for f in told.files if f.date_evidence in reasons.NEEDLESS_ORDERS}
    ambiguous: dict[str, str] = {}
    for planned in plan.families.values():
        for member in planned.layout.members:
            column = member.file.column(planned.layout.fields["date"].column)
            example = next((t for t in column.values if _ORDERED.match(t)), None) if column else None
            if example and member.file.name not in alike:
                ambiguous[member.file.name] = example
    if answers.date_order:
        plan.date_order, plan.date_evidence = answers.date_order, "as you stated"
        return
    if not ambiguous:
        doubted = [f.date_evidence for f in told.files if f.doubted]
        plan.date_evidence = doubted[0] if doubted else "the year comes first, or the month is named"
        return
    decided = {f.source_file: (f.date_order, f.date_evidence) for f in told.files if f.source_file in ambiguous}
    found = {order for order, _ in decided.values() if order}
    untold = [example for name, example in ambiguous.items() if not decided.get(name, (None, ""))[0]]
    # What a file with years of four digits tells says nothing of one with years of two, which may come first.
    kinds = {bool(_LONG_YEAR.search(example)) for name, example in ambiguous.items() if example not in untold}
    if len(found) == 1 and kinds.issuperset(bool(_LONG_YEAR.search(example)) for example in untold):
        plan.date_order = found.pop()
        plan.date_evidence = next(why or "" for order, why in decided.values() if order)
    elif found and not untold:
        plan.date_evidence = "each file's own dates tell it, and they differ between files"
    else:
        example = min(untold or ambiguous.values(), key=lambda text: bool(_LONG_YEAR.search(text)))
        long = _LONG_YEAR.search(example)
        first = "the day (dmy) or the month (mdy)" if long else "the day (dmy), the month (mdy) or the year (ymd)"
        plan.questions.append(
            Question(
                "date_order",
                f"Which comes first in dates such as {example}, {first}?",
                "--date-order dmy",
                ("dmy", "mdy") if long else ("dmy", "mdy", "ymd"),
            )
        )


def _settle_decimals(plan: Plan, answers: Answers, told: evidence.Evidence) -> None:
    """Say what the comma in 1,100 is where no value of a file does: its neighbours' size tells."""
    for family, planned in plan.families.items():
        undecided = {f.source_file for f in told.files if f.family == family and f.decimal is None}
        example, thousands = None, True
        for member in planned.layout.members:
            for match in planned.layout.fields.values():
                column = member.file.column(match.column) if member.file.name in undecided else None
                written = [text for text in column.values if _EITHER_WAY.match(text)] if column else []
                if column and written and column.kind == "number":
                    example = example or written[0]
                    plain = [float(text) for text in column.values if text.isdecimal()]
                    # Nobody notes meals of one kilocalorie and some thousandths.
                    large = statistics.median(plain) >= _LARGE if plain else match.field == "energy_kcal"
                    thousands &= large
        if answers.decimal and undecided:
            planned.decimal, planned.decimal_evidence = answers.decimal, "as you stated"
        elif example and thousands:
            planned.decimal = "."
            planned.decimal_evidence = f"in {example} the comma sets thousands apart, by the size of the others"
        elif example and not any(question.key == "decimal" for question in plan.questions):
            plan.questions.append(
                Question(
                    "decimal",
                    f"Is the comma in numbers such as {example} ({family}) a decimal comma (,), or are thousands set"
                    " apart by it (.)?",
                    "--decimal ,",
                    (",", "."),
                )
            )

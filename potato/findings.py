"""What was found in a folder, on the screen: conclusions with their evidence, and what they can answer."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from potato import nof1
from potato.families import FAMILIES
from potato.plans import Plan


def show(plan: Plan, console: Console) -> None:
    """Show what was concluded with its evidence, what stays unused, and what was worth a remark."""
    for family, planned in plan.families.items():
        files = planned.layout.names
        listed = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        pattern = planned.layout.pattern
        title = Text(f"{family}: {pattern}" if files == [pattern] else f"{family}: {pattern} ({listed})")
        table = Table(title=title, title_justify="left")
        for heading in ("field", "column", "unit", "evidence"):
            table.add_column(heading, overflow="fold")
        own = {f.name: f.unit for f in FAMILIES[family].fields}
        for name, column in plan.columns(family).items():
            match = planned.layout.fields[name]
            unit = (plan.unit or "?") if name == "weight" else match.unit or own[name]
            # A column may be called Weight [kg], which is no markup.
            table.add_row(*map(Text, (name, column, unit, match.evidence)))
        if planned.subject or planned.subject_from:
            who = planned.subject or f"the {planned.subject_from}'s name"
            table.add_row(*map(Text, ("subject_id", f"({who})", "", planned.subject_evidence)))
        console.print(table)
        first = planned.layout.members[0].file
        sharing = [name for name, other in plan.families.items() if first.name in other.layout.names]
        mapped = {column for name in sharing for column in plan.columns(name).values()}
        spare = [c.name for c in first.columns if c.name not in mapped]
        if spare:
            console.print(f"  columns not used: {', '.join(spare)}", markup=False)
    if plan.unit:
        console.print(f"  unit of weights: {plan.unit}, {plan.unit_evidence}", markup=False)
    if plan.when == "date" and plan.date_evidence:
        console.print(f"  order of dates: {plan.date_order or 'told by each date'}, {plan.date_evidence}", markup=False)
    for name, reason in sorted(plan.unused.items()):
        console.print(f"  not used: {name}: {reason}", markup=False)
    for remark in dict.fromkeys(plan.remarks):
        console.print(f"  note: {remark}", markup=False)


def answerable(plan: Plan, min_subjects: int) -> list[str]:
    """Return what a study like this can answer and what it can't, a sentence each.

    `min_subjects` is how many people the models need, as params.yaml has it.
    """
    people = set(plan.families["weight"].people)
    nutrition = plan.families.get("nutrition")
    fields = nutrition.layout.fields if nutrition else {}
    lines = ["This study can answer:", "  how each person's weight changed, with its uncertainty"]
    cannot = []
    if nutrition and "energy_kcal" in fields and len(people) < min_subjects:
        lines.append("  what was eaten, week by week, beside the weight")
    elif nutrition and "energy_kcal" in fields:
        lines.append("  how weight went with what was eaten, week by week")
    elif nutrition:
        lines.append("  how often each kind of food was noted")
        cannot.append("what energy did to weight: no column of energy was recognised")
    elif "fiber" in plan.families:
        lines.append("  how weight went with fibre, week by week")
        cannot.append("what food and energy did to weight: there is no food diary")
    else:
        cannot.append("what food did to weight: there is no food diary")
    if nutrition and "fiber_g" not in fields and "fiber" not in plan.families:
        cannot.append("what fibre did to weight: no column of fibre was recognised")
    if len(people) == 1:
        cannot.append("how people differ, and what food does to others than the one person")
        if nutrition and "energy_kcal" in fields:
            cannot.append(f"what food does where the diary has fewer than {nof1.MIN_WEEKS} weeks with food and weights")
    elif nutrition and len(people) < min_subjects:
        cannot.append(f"what food does on average: the models need {min_subjects} people, and there are {len(people)}")
    if plan.when == "day":
        cannot.append("at which time of the year it was: there are day numbers and no dates")
    others = {p for name, planned in plan.families.items() if name != "weight" for p in planned.people}
    if nutrition and people.isdisjoint(others):
        cannot.append(f"anything that joins food and weight: no person has both ({', '.join(sorted(others)[:3])} ...)")
    return [*lines, *(["It can't answer:", *(f"  {line}" for line in cannot)] if cannot else [])]

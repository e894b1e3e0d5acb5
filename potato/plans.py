"""A plan for a study file: what a folder's files are taken for, why, and what only the person at the keyboard knows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from potato import layouts
from potato.errors import PotatoError
from potato.families import FAMILIES
from potato.layouts import Layout
from potato.recognise import Maps, Recognised
from potato.study import FamilyMapping, Study

DEFAULT_SUBJECT = "me"


@dataclass(frozen=True)
class Answers:
    """What the person states, by flags or when asked."""

    subject: str | None = None
    weight_unit: str | None = None
    date_order: str | None = None
    decimal: str | None = None
    maps: Maps = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    days: dict[str, int | None] = field(default_factory=dict)  # of columns of weights; None leaves one out


@dataclass(frozen=True)
class Question:
    """Something that the files do not tell: `key` is the answer's name, `flag` what to type instead of being asked."""

    key: str
    text: str
    flag: str
    choices: tuple[str, ...] = ()
    default: str | None = None


@dataclass
class FamilyPlan:
    """One family: its layout, and who its rows are about where no column says it."""

    layout: Layout
    subject: str | None = None
    subject_from: str | None = None
    subject_evidence: str = ""
    group_from: str | None = None
    decimal: str | None = None
    decimal_evidence: str = ""

    @property
    def told(self) -> dict[str, object]:
        """What the study file says of the files, beside their columns."""
        said = {"files": self.layout.pattern, "subject": self.subject, "subject_from": self.subject_from}
        return said | {"rows": self.rows}

    @property
    def rows(self) -> dict[str, list[str]]:
        """The columns that leave out rows, with their texts in the others."""
        columns = dict.fromkeys(name for member in self.layout.members for name in member.skipped)
        texts = {name: [t for m in self.layout.members for t in m.rows.get(name, ())] for name in columns}
        return {name: list(dict.fromkeys(listed)) for name, listed in texts.items()}

    def who(self, name: str) -> str | None:
        """Return who all rows of a file are about; None where a column says it."""
        return FamilyMapping.model_validate(self.told | {"columns": {}}).who(Path(name))

    @property
    def people(self) -> list[str]:
        """The names of the people in the rows that were looked at, sorted."""
        if "subject_id" not in self.layout.fields:
            return sorted({self.who(name) or "" for name in self.layout.names})
        column = self.layout.fields["subject_id"].column
        texts = (member.file.column(column) for member in self.layout.members)
        return sorted({text for found in texts if found for text in found.distinct})


@dataclass
class Plan:
    """A whole study: its families, what is open, and what is worth saying."""

    families: dict[str, FamilyPlan]
    when: str
    unit: str | None = None
    unit_evidence: str = ""
    date_order: str | None = None
    date_evidence: str = ""
    questions: list[Question] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    unused: dict[str, str] = field(default_factory=dict)

    def columns(self, family: str) -> dict[str, str]:
        """Return the dictionary's fields of a family with the files' columns, in the dictionary's order."""
        fields = self.families[family].layout.fields
        other = "day" if self.when == "date" else "date"
        return {n: fields[n].column for n in FAMILIES[family].names if n in fields and n != other}

    def units(self, family: str) -> dict[str, str]:
        """Return the units that are not the dictionary's own."""
        fields = self.families[family].layout.fields
        own = {f.name: f.unit for f in FAMILIES[family].fields}
        return {
            name: match.unit
            for name, match in fields.items()
            if name in self.columns(family) and name != "weight" and match.unit and match.unit != own[name]
        }

    def study(self, title: str) -> Study:
        """Return the plan as a study; raises what pydantic finds wrong with it."""
        made: dict[str, object] = {}
        for family, planned in self.families.items():
            told = planned.told | {"columns": self.columns(family), "units": self.units(family)}
            told["decimal"] = planned.decimal
            weight = {"unit": self.unit or "detect", "group_from": planned.group_from}
            made[family] = told | (weight if family == "weight" else {})
        return Study.model_validate({"title": title, "description": title, "date_order": self.date_order, **made})


def make(found: list[Recognised], folder: Path, answers: Answers) -> Plan:
    """Plan the families of a folder: which files, who, and when.

    The unit and the order of dates are left to `settle`, which needs the values.
    """
    plan = Plan({}, "date")
    for remark in dict.fromkeys(remark for item in found for remark in item.remarks):
        names = [item.file.name for item in found if remark in item.remarks]
        plan.remarks.append(f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {remark}")
    for family in ("nutrition", "weight", "fiber"):
        chosen = _choose(plan, layouts.layouts(found, family, folder), family, folder, answers)
        if chosen:
            plan.families[family] = FamilyPlan(chosen)
            _ask_for_columns(
                plan, chosen.members, f"{family}.date", "These dates differ. On which was the row recorded"
            )
    if "weight" not in plan.families:
        _ask_for_columns(plan, found, "weight.weight", "By its values alone this could be a body weight. Which is it")
    _refuse_unused_maps(plan, found, answers)
    used = {name for planned in plan.families.values() for name in planned.layout.names}
    for item in found:
        if item.file.name not in used:
            plan.unused.setdefault(item.file.name, item.trouble or _passed_over(plan, item))
    _who(plan, answers)
    if plan.families and not all("date" in p.layout.fields for p in plan.families.values()):
        plan.when = "day" if all("day" in p.layout.fields for p in plan.families.values()) else "mixed"
    for name, planned in plan.families.items():
        for trait in ("group", "condition"):
            if trait in planned.layout.fields:
                kind = layouts.varies(planned.layout, trait)
                match = planned.layout.fields.pop(trait)
                if kind and kind not in planned.layout.fields:
                    seldom = "does not change within a person" if kind == "group" else "changes within a person"
                    planned.layout.fields[kind] = replace(match, field=kind, evidence=f"its name; it {seldom}")
        if planned.layout.left_out:
            listed = ", ".join(planned.layout.left_out)
            plan.remarks.append(f"{name}: not all files have the columns {listed}; left out")
    return plan


def _passed_over(plan: Plan, item: Recognised) -> str:
    """Return why a file without trouble of its own is of no use: its layout was not chosen, or it holds nothing."""
    words = {"weight": "weights", "nutrition": "food", "fiber": "daily fibre"}
    chosen = [(words[name], plan.families[name].layout.pattern) for name in item.families if name in plan.families]
    if not chosen:
        return "no column that a study needs was recognised"
    return "; ".join(f"another layout of {what}; {pattern} was chosen" for what, pattern in chosen)


def _ask_for_columns(plan: Plan, found: list[Recognised], field: str, text: str) -> None:
    names = tuple(dict.fromkeys(name for item in found for name in item.choices.get(field, ())))
    if names:
        listed = ", ".join(map(repr, names))
        plan.questions.append(Question(f"map.{field}", f"{text}: {listed}?", f"--map {field}=COLUMN", names))


def _refuse_unused_maps(plan: Plan, found: list[Recognised], answers: Answers) -> None:
    """Refuse columns that the person states for a family which no file can make even with them.

    Raises
    ------
    PotatoError
        that says what the family's files need besides.
    """
    needs = {"nutrition": "food, energy or two nutrients", "fiber": "fibre"}  # without weights there is no study
    for family, need in needs.items():
        named = {name: column for name, column in answers.maps.get(family, {}).items() if column}
        if named and not any(family in item.families for item in found):
            raise PotatoError(
                f"The columns that you name make no {family} data.",
                where=f"--map {family}.{next(iter(named))}={next(iter(named.values()))}",
                expected=f"a file with a date or a day number, and {need}",
                found=f"only {', '.join(named)} by your word, and no file with the others",
                hint=f"name the others too, such as `--map {family}.date=COLUMN`, or leave this --map out",
            )


def _choose(plan: Plan, options: list[Layout], family: str, folder: Path, answers: Answers) -> Layout | None:
    """Return the layout of a family; where several could be meant, the choice is a question."""
    stated = answers.files.get(family)
    if stated is not None:
        meant = set(layouts.matched(folder, stated))
        options = [option for option in options if meant & set(option.names)]
        for option in options:
            option.members = [member for member in option.members if member.file.name in meant]
            option.pattern = stated
    if family == "nutrition" and len(options) > 1 and any(option.has_food for option in options):
        # Entries and totals of the same days would count twice.
        for option in (option for option in options if not option.has_food):
            for name in option.names:
                plan.unused[name] = "daily totals beside a diary of single foods: the same would count twice"
        options = [option for option in options if option.has_food]
    if len(options) > 1:
        patterns = tuple(option.pattern for option in options)
        plan.questions.append(
            Question(
                f"files.{family}",
                f"Several kinds of files could be the {family} files: {', '.join(patterns)}. Which?",
                f"--files {family}=PATTERN",
                patterns,
                patterns[0],
            )
        )
    return options[0] if options else None


def _who(plan: Plan, answers: Answers) -> None:
    """Say for each family without such a column who its rows are about."""
    known = sorted({name for p in plan.families.values() if "subject_id" in p.layout.fields for name in p.people})
    for family, planned in plan.families.items():
        if "subject_id" in planned.layout.fields:
            continue
        named = layouts.one_person_each(planned.layout)
        if answers.subject:
            planned.subject, planned.subject_evidence = answers.subject, "as you stated"
        elif named:
            planned.subject_from, planned.subject_evidence = named
            if family == "weight" and "group" not in planned.layout.fields and layouts.a_group_each(planned.layout):
                planned.group_from = "folder"
        elif names := layouts.parts_or_people(planned.layout):
            plan.questions.append(
                Question(
                    "subject",
                    f"The {family} files {names} may be the parts of one person's diary, or a person each. If they are"
                    " several people's, name each file or folder after its person (P01.csv, ann.csv); else, whose are"
                    " they?",
                    "--subject NAME",
                    default=known[0] if len(known) == 1 else DEFAULT_SUBJECT,
                )
            )
        elif len(known) > 1:
            listed = ", ".join(known[:5])
            plan.questions.append(
                Question(
                    "subject",
                    f"No column of the {family} files says who a row is about. Whose are they? (others: {listed})",
                    "--subject NAME",
                    default=known[0],
                )
            )
        elif family == "weight" and (crowded := layouts.rows_of_one_day(planned.layout)):
            plan.questions.append(
                Question(
                    "subject",
                    f"No column of the weight files says who a row is about, and {crowded}. If they are several"
                    " people's, name their column with --map weight.subject_id=COLUMN; else, whose are they?",
                    "--map weight.subject_id=COLUMN, or --subject NAME for one person",
                )
            )
        else:
            planned.subject = known[0] if known else DEFAULT_SUBJECT
            planned.subject_evidence = "no column says who: one person"

"""A study's description as text: what a plan concluded, with the evidence as comments."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import yaml

from potato.errors import PotatoError
from potato.plans import Plan

_PLAIN = re.compile(r"[^\W\d_][\w .()&/-]*[\w)]|[^\W\d_]")


def text(plan: Plan, title: str, folder: Path, raw: str | None) -> str:
    """Return studies/NAME.yaml for a plan; `raw` is None where the files are at data/raw/NAME."""
    lines = [
        "# Written by `potato describe-study` from the files themselves; the comments say by what evidence.",
        "# Correct what is wrong: a run reads this file and nothing else about the study.",
        f"title: {scalar(title)}",
        f"description: {scalar(_description(plan, folder))}",
    ]
    if raw:
        lines.append(f"raw: {scalar(raw)} # where the raw files are; they are never changed")
    if plan.date_order:
        lines.append(f"date_order: {plan.date_order} # {_comment(plan.date_evidence)}")
    elif plan.when == "date":
        lines.append(f"# date_order: not stated, {_comment(plan.date_evidence)}")
    for family in plan.families:
        lines += ["", *_family(plan, family)]
    lines += _codes(plan)
    unused = [f"#   {name}: {_comment(reason)}" for name, reason in sorted(plan.unused.items())]
    if unused:
        lines += ["", "# Files that are not used:", *unused]
    return "\n".join(lines) + "\n"


def _family(plan: Plan, family: str) -> list[str]:
    planned = plan.families[family]
    files = f"{len(planned.layout.names)} file{'s' if len(planned.layout.names) > 1 else ''}"
    lines = [f"{family}:", f"  files: {scalar(planned.layout.pattern)} # {files}"]
    if planned.rows:
        lines.append("  rows: # only rows with one of these texts are meant; the others are set aside")
        lines += [f"    {scalar(name)}: [{', '.join(map(scalar, texts))}]" for name, texts in planned.rows.items()]
    if planned.subject:
        lines.append(f"  subject: {scalar(planned.subject)} # {_comment(planned.subject_evidence)}")
    if planned.subject_from:
        lines.append(f"  subject_from: {planned.subject_from} # {_comment(planned.subject_evidence)}")
    if planned.group_from:
        lines.append(f"  group_from: {planned.group_from} # each folder holds the files of several people")
    if family == "weight":
        lines.append(f"  unit: {plan.unit} # {_comment(plan.unit_evidence)}")
    if planned.decimal:
        lines.append(f"  decimal: {json.dumps(planned.decimal)} # {_comment(planned.decimal_evidence)}")
    units = plan.units(family)
    if units:
        lines.append(f"  units: {{ {', '.join(f'{name}: {unit}' for name, unit in units.items())} }}")
    lines.append("  columns:")
    for name, column in plan.columns(family).items():
        lines.append(f"    {name}: {scalar(column)} # {_comment(planned.layout.fields[name].evidence)}")
    return lines


def _codes(plan: Plan) -> list[str]:
    """Return, as a comment, where to say what the numbers mean that stand for a group, a condition or a sex."""
    fields = plan.families["weight"].layout.fields
    members = plan.families["weight"].layout.members
    lines = []
    for trait in ("group", "condition", "sex"):
        columns = [member.file.column(fields[trait].column) for member in members] if trait in fields else []
        values = sorted({text for column in columns if column for text in column.distinct})
        if values and all(value.isdecimal() for value in values):
            lines.append(f"#   {trait}: {{ {', '.join(f'{json.dumps(value)}: ...' for value in values)} }}")
    return (
        ["", "# Say what these numbers stand for, without the sign #, and the report will too:", "# codes:", *lines]
        if lines
        else []
    )


def _description(plan: Plan, folder: Path) -> str:
    people = {person for planned in plan.families.values() for person in planned.people}
    what = " and ".join({"weight": "weights", "nutrition": "food", "fiber": "daily fibre"}[f] for f in plan.families)
    return f"{what.capitalize()} of {len(people)} {'person' if len(people) == 1 else 'people'}, from {folder.name}."


def scalar(value: str) -> str:
    """Return a text as a YAML value on one line, in quotes where it would be read as something else."""
    try:
        plain = bool(_PLAIN.fullmatch(value)) and yaml.safe_load(value) == value
    except yaml.YAMLError:
        plain = False
    if plain:
        return value
    quoted = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10**9)
    return quoted.strip()


def _comment(evidence: str) -> str:
    return " ".join(evidence.split())[:160]


def raw_setting(root: Path, folder: Path, name: str) -> str | None:
    """Return what `raw:` says: None for data/raw/NAME, a relative path beside the project, else an absolute one.

    Raises
    ------
    PotatoError
        when data/raw/NAME is a folder of its own: the stages would read that one.
    """
    own = root / "data" / "raw" / name
    folder = folder.resolve()
    if own.is_dir() and own.resolve() == folder and not own.is_symlink():
        return None
    if own.is_dir() and not own.is_symlink():
        raise PotatoError(
            f"data/raw/{name} is another folder than the one to describe.",
            where=f"data/raw/{name}",
            expected=str(folder),
            found="a folder of its own, which every stage would read",
            hint="choose another name with `--study`, or describe that folder",
        )
    if folder.is_relative_to(root.resolve().parent):
        return Path(os.path.relpath(folder, root.resolve())).as_posix()
    return str(folder)

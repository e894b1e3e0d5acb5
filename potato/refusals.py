"""Why a folder can't be described as it is, for the person who reads it: what it needs, and what to type next."""

from __future__ import annotations

from pathlib import Path

from potato.errors import PotatoError
from potato.plans import Plan, Question
from potato.recognise import Recognised
from potato.shapes import wide_columns


def untold(questions: list[Question]) -> PotatoError:
    return PotatoError(
        "The files do not tell everything." if len(questions) > 1 else questions[0].text,
        expected="; ".join(f"{q.flag.split()[0]} {' or '.join(q.choices)}" if q.choices else q.flag for q in questions),
        found="; ".join(question.text for question in questions) if len(questions) > 1 else None,
        hint=f"add {_with_choices(questions)}",
    )


def _with_choices(questions: list[Question]) -> str:
    return " and ".join(
        " or ".join(f"`{_flag(q, choice)}`" for choice in q.choices) if q.choices else f"`{q.flag}`" for q in questions
    )


def _flag(question: Question, choice: str) -> str:
    start = question.flag.rsplit("=", 1)[0] + "=" if "=" in question.flag else question.flag.split()[0] + " "
    return f"{start}'{choice}'" if "*" in choice else f"{start}{choice}"


def no_weight(found: list[Recognised], plan: Plan, folder: Path) -> PotatoError:
    for item in found:
        wide = wide_columns(item.file)
        if wide:
            who = next((c.name for c in item.file.columns if c.name not in wide), "subject")
            return PotatoError(
                f"{item.file.name} has one row a person and one weight column for each time.",
                where=item.file.name,
                expected="one row for each person and day, such as: subject,day,weight",
                found=f"the columns {', '.join(wide)}",
                hint=f"write for each person ({who}) one row for each of these columns, with the day of the weight (as"
                f" day 0 for {wide[0]}), into a new CSV file, and describe a folder with that file alone",
            )
    troubles = [f"{name}: {reason}" for name, reason in sorted(plan.unused.items())]
    columns = list(dict.fromkeys(column.name for item in found for column in item.file.columns))
    return PotatoError(
        "No file with weights was recognised, and a study needs weights.",
        where=str(folder),
        expected="a file with a date or a day number, and a weight in kg or lb",
        found=f"the columns {', '.join(columns[:15])}" + "".join(f"\n            {line}" for line in troubles[:5])
        if columns
        else "no file with a header line that names its columns",
        hint="mend what is said of the files above, or name the columns: `--map weight.weight=COLUMN`"
        if columns and any(item.trouble for item in found)
        else "say which column it is: `--map weight.weight=COLUMN --map weight.date=COLUMN`"
        if columns
        else "write a header such as `date,weight` into the first line of each file",
    )


def mixed(plan: Plan) -> PotatoError:
    told = "; ".join(
        f"{family}: " + ("a date" if "date" in planned.layout.fields else "a day number")
        for family, planned in plan.families.items()
    )
    return PotatoError(
        "Some files have calendar dates and others day numbers: they can't be put on one calendar.",
        expected="dates in all families, or day numbers in all",
        found=told,
        hint="add a column of dates (or of day numbers) to the files that lack it, or describe a folder without them",
    )

"""Why a folder can't be described as it is, for the person who reads it: what it needs, and what to type next."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from potato.errors import PotatoError
from potato.layouts import LITTER
from potato.plans import Plan, Question
from potato.recognise import Recognised

_WORKBOOKS = (".xlsx", ".xls", ".xlsm")


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


def workbooks(folder: Path) -> list[str]:
    """Return the names of the workbooks below a folder, sorted, without what spreadsheet programs leave behind."""
    books = (p for p in folder.rglob("*") if p.suffix.lower() in _WORKBOOKS)
    return sorted(p.name for p in books if not p.name.startswith(LITTER))


def no_weight(found: list[Recognised], plan: Plan, folder: Path) -> PotatoError:
    troubles = [f"{name}: {reason}" for name, reason in sorted(plan.unused.items())]
    columns = list(dict.fromkeys(column.name for item in found for column in item.file.columns))
    books = workbooks(folder)
    return PotatoError(
        "No file with weights was recognised, and a study needs weights.",
        where=str(folder),
        expected="a file with a date or a day number, and a weight in kg or lb",
        found=f"the columns {', '.join(columns[:15])}" + "".join(f"\n            {line}" for line in troubles[:5])
        if columns
        else "no file with a header line that names its columns",
        hint=f"the folder has workbooks ({', '.join(books[:3])}): for a trial's, type `potato import-workbooks {folder}"
        " --study NAME` first; save others as CSV"
        if books
        else "mend what is said of the files above, or name the columns: `--map weight.weight=COLUMN`"
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


def no_wide(columns: Iterable[str]) -> PotatoError:
    return PotatoError(
        "No file has one row a person and a weight column for each time.",
        where="--days",
        expected="two or more columns of weights, such as `weight_week0,weight_week4`",
        found=", ".join(columns),
        hint="leave out --days: it says on which day such a column was weighed",
    )

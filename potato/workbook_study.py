"""A study made of a trial's workbooks: its raw CSV files, its description, and a summary of what was read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

import yaml

from potato import lake, madestudies, settings, workbook_folders
from potato.errors import PotatoError, nearest
from potato.workbook_folders import Found, Participant, Trial
from potato.workbooks import HORIZON, RATINGS

Row = dict[str, str]
Track = Callable[[Sequence[Found]], Iterable[Found]]

_WHAT = ("participant", "date", "day", "weight", "unit", "group")
_WHERE = ("workbook", "cell")
COLUMNS: dict[str, tuple[str, ...]] = {
    "weight/daily.csv": (*_WHAT, *RATINGS, "date_from", *_WHERE),
    "weight/phases.csv": (*_WHAT, "phase", *_WHERE),
    "beyond_horizon.csv": (*_WHAT, *RATINGS, "date_from", *_WHERE),
    "summary.csv": ("participant", "group", "label", "value", "missing", *_WHERE),
}
_LEDGER = "import.json"
_OURS = {*COLUMNS, _LEDGER}


def import_workbooks(folder: Path, name: str, root: Path, *, force: bool, track: Track) -> Trial:
    """Read a trial's workbooks and write data/raw/NAME and studies/NAME.yaml.

    Parameters
    ----------
    folder : the folder with the trial's folders, or one of them.
    name : what to call the study.
    root : the project's folder.
    force : replace an earlier import of that name.
    track : passes the workbooks on one by one, and may show how far it is.

    Raises
    ------
    PotatoError
        when there is nothing to read, when no workbook can be read, or when something else would be overwritten.
    """
    _refuse_overwriting(folder, name, root, force)
    found, passed = workbook_folders.find(folder)
    if not found:
        raise PotatoError(
            "There are no workbooks.",
            where=str(folder),
            expected=f"a file for each participant in {', '.join(workbook_folders.GROUPS)}: 'ID rest.xlsx'",
            found=", ".join(list(passed)[:8]) or "an empty folder",
            hint="name the folder that holds the trial's folders",
        )
    trial = workbook_folders.read(found, passed, track)
    tables = tables_of(trial)
    if not any(row["weight"] for name_ in ("weight/daily.csv", "weight/phases.csv") for row in tables[name_]):
        reasons = [f"{workbook}: {reason}" for workbook, reason in trial.unreadable.items()]
        raise PotatoError(
            "No workbook could be read." if not trial.participants else "No workbook holds a weight.",
            where=str(folder),
            expected="a sheet with the label 'Weight in the Morning' in column C and values from column E on",
            found="; ".join(reasons[:5]) or f"{len(trial.participants)} workbooks without a single weight",
            hint="open one of them in a spreadsheet program and compare",
        )
    description = described(trial, tables, name)
    settings.Study.model_validate(yaml.safe_load(description))
    _publish(trial, tables, description, name, root)
    return trial


def tables_of(trial: Trial) -> dict[str, list[Row]]:
    """Return the rows of each CSV file, in the order of people and of time."""
    tables: dict[str, list[Row]] = {name: [] for name in COLUMNS}
    for person in sorted(trial.participants, key=lambda one: (one.subject_id, one.name)):
        who = {"participant": person.subject_id, "group": person.group, "workbook": person.name}
        for table, readings in (("weight/daily.csv", person.book.readings), ("beyond_horizon.csv", person.book.late)):
            for reading in readings:
                told = {key: getattr(reading, key) for key in ("weight", "unit", "cell", *RATINGS)}
                when = {"date": reading.when.date, "day": str(reading.when.day), "date_from": reading.when.date_from}
                tables[table].append(who | told | when)
        unit = next((reading.unit for reading in person.book.readings), "")
        for entry in person.phases():
            row = {"date": _date_of(person, entry.day or 1), "day": str(entry.day), "phase": entry.label}
            row |= {"weight": entry.value, "unit": entry.unit or unit, "cell": entry.cell}
            tables["weight/phases.csv"].append(who | row)
        for entry in person.book.summary:
            row = {"label": entry.label, "value": entry.value, "cell": entry.cell}
            tables["summary.csv"].append(who | row | {"missing": "yes" if entry.missing else "no"})
    return tables


def _date_of(person: Participant, day: int) -> str:
    first = person.book.first
    try:
        return (first + timedelta(days=day - 1)).isoformat() if first else ""
    except OverflowError:
        return ""


def described(trial: Trial, tables: dict[str, list[Row]], name: str) -> str:
    """Return the text of studies/NAME.yaml."""
    weighed = [row for table in ("weight/daily.csv", "weight/phases.csv") for row in tables[table] if row["weight"]]
    undated = [row["participant"] for row in weighed if not _is_date(row["date"])]
    people = [f"{n} in {group}" for group, n in Counter(person.group for person in trial.participants).items()]
    untold = sorted(p.subject_id for p in trial.participants if p.weights and p.unit[0] is None)
    about = (
        f"Morning weights of {len(trial.participants)} people, from their workbooks ({', '.join(people)})."
        " What they ate was not recorded; energy and mood are ratings."
    )
    if undated:
        few = ", ".join(sorted(set(undated))[:5]) + (" and others" if len(set(undated)) > 5 else "")
        when = [
            f"# {len(set(undated))} people have weights whose date nothing tells ({few}),",
            "# so that everybody's days are counted by number. With their dates, write `date: date` instead.",
            "day: day",
        ]
    else:
        when = ["date: date # yyyy-mm-dd; where the workbook has none, from the columns beside it (date_from)"]
    lines = [
        "# Written by `potato import-workbooks`; change what you know better.",
        *_scalar("title", name),
        *_scalar("description", about),
        *([] if undated else ["date_order: ymd"]),
        "",
        "weight:",
        "  files: weight/*.csv # daily.csv, and phases.csv for weights that only a Summary sheet has",
        "  unit: detect # what the label states (column `unit`), else each person's own values",
        *_comment(untold),
        "  columns:",
        "    subject_id: participant",
        *(f"    {line}" for line in when),
        "    weight: weight",
        "    unit: unit",
        "    group: group",
    ]
    return "\n".join(lines) + "\n"


def _comment(untold: list[str]) -> list[str]:
    if not untold:
        return []
    inner = yaml.safe_dump(dict.fromkeys(untold, "lb"), default_flow_style=True, allow_unicode=True, width=10**6)
    return [
        "  # Neither says it for these people. Their weights are set aside until you do: kg or lb, without the sign #",
        f"  # unit_by_subject: {' '.join(inner.split())}",
    ]


def _scalar(key: str, text: str) -> list[str]:
    return yaml.safe_dump({key: text}, allow_unicode=True, width=110).rstrip("\n").split("\n")


def _is_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def ledger(trial: Trial, tables: dict[str, list[Row]]) -> dict[str, object]:
    """Return what import.json says: each workbook with what was read of it, and each file that was not read."""
    return {
        "rows": {name: len(rows) for name, rows in tables.items()},
        "groups": trial.groups,
        "workbooks": {
            person.name: {
                "participant": person.subject_id,
                "group": person.group,
                "sha256": person.sha256,
                "sheet": person.book.sheet,
                "extra_sheets": person.book.extra_sheets,
                "problems": person.problems,
                **person.count(),
            }
            for person in trial.participants
        },
        "unreadable": trial.unreadable,
        "left_alone": trial.passed,
        "horizon_days": HORIZON,
    }


def _refuse_overwriting(folder: Path, name: str, root: Path, force: bool) -> None:
    if not re.fullmatch(r"\w[\w-]*", name):
        raise PotatoError(
            f"{name!r} can't be the name of a study.", expected="letters, digits, - and _", hint="type --study NAME"
        )
    if not folder.is_dir():
        beside = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
        raise PotatoError(
            "The folder of the workbooks is not there.",
            where=str(folder),
            expected="a folder",
            found="a file" if folder.exists() else "nothing",
            nearest=nearest(folder.name, beside),
            hint="name the folder that holds the trial's folders",
        )
    madestudies.refuse_overwriting(folder, name, root, _OURS, force=force)


def _publish(trial: Trial, tables: dict[str, list[Row]], description: str, name: str, root: Path) -> None:
    def write(folder: Path) -> None:
        for table, rows in tables.items():
            if rows or table == "weight/daily.csv":
                lake.write_text(folder / table, madestudies.csv_text(COLUMNS[table], rows))
        lake.write_json(folder / _LEDGER, ledger(trial, tables))

    madestudies.publish(name, root, description, write)

"""A study made of a trial's workbooks: its raw CSV files, its description, and a summary of what was read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

import yaml

from potato import lake, madestudies, workbook_folders
from potato.errors import PotatoError, nearest
from potato.madestudies import IMPORTED
from potato.study import Study
from potato.workbook_blocks import RATINGS
from potato.workbook_days import NO_DAY
from potato.workbook_folders import Found, Participant, Trial, is_weight
from potato.workbooks import HORIZON

Row = dict[str, str]
Track = Callable[[Sequence[Found]], Iterable[Found]]

_WHAT = ("participant", "date", "day", "weight", "unit", "group")
_WHERE = ("workbook", "cell")
COLUMNS: dict[str, tuple[str, ...]] = {
    "weight/daily.csv": (*_WHAT, *RATINGS, "date_from", "date_in_cell", *_WHERE),
    "weight/phases.csv": (*_WHAT, "phase", *_WHERE),
    "beyond_horizon.csv": (*_WHAT, *RATINGS, "date_from", "date_in_cell", *_WHERE),
    "summary.csv": ("participant", "group", "label", "value", "missing", *_WHERE),
}
_OURS = {*COLUMNS, IMPORTED}


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
    Study.model_validate(yaml.safe_load(description))
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
                at = reading.when
                day_number = "" if at.date_from == NO_DAY else str(at.day)
                when = {"date": at.date, "day": day_number, "date_from": at.date_from, "date_in_cell": at.in_cell}
                tables[table].append(who | told | when)
        unit = next((reading.unit for reading in person.book.readings), "")
        for entry in person.phases():
            # A start is the sheet's first day, which some count as 0.
            day = person.book.first_day if entry.day == 1 else entry.day or 0
            row = {"date": _date_of(person, day), "day": str(day), "phase": entry.label}
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
    read = [row for table in ("weight/daily.csv", "weight/phases.csv") for row in tables[table]]
    undated = [
        row["participant"]
        for row in read
        if is_weight(row["weight"]) and not _is_date(row["date"]) and row.get("date_from") != NO_DAY
    ]
    untold = sorted(person.subject_id for person in trial.participants if person.untold)
    if undated:
        few = ", ".join(sorted(set(undated))[:5]) + (" and others" if len(set(undated)) > 5 else "")
        when = [
            f"# Nothing tells the date of some weights of {few},",
            "# so that everybody's days are counted by number. With their dates, write `date: date` instead.",
            "day: day",
        ]
    else:
        counted = any(row.get("date_from") in ("day", "position") for row in read)
        where = "; where the workbook has none, from the columns beside it (date_from)" if counted else ""
        when = [f"date: date # yyyy-mm-dd{where}"]
    lines = [
        "# Written by `potato import-workbooks`; change what you know better.",
        *_scalar("title", name),
        *_scalar("description", _about(trial, read)),
        *([] if undated else ["date_order: ymd"]),
        "",
        "weight:",
        f"  files: weight/*.csv # {_files(tables)}",
        "  unit: detect # what the workbook states (column `unit`), else each person's own values",
        *_comment(untold),
        "  columns:",
        "    subject_id: participant",
        *(f"    {line}" for line in when),
        "    weight: weight",
        "    unit: unit",
        "    group: group",
    ]
    return "\n".join(lines) + "\n"


def _files(tables: dict[str, list[Row]]) -> str:
    daily = "daily.csv, a row for each day"
    return (
        f"{daily}, and phases.csv for weights that only a Summary sheet has" if tables["weight/phases.csv"] else daily
    )


def _about(trial: Trial, read: list[Row]) -> str:
    """Return what the study is, and what an overview must not leave out, in some sentences."""
    weighed = {row["participant"] for row in read if is_weight(row["weight"])}
    counted = Counter(person.group for person in trial.participants if person.subject_id in weighed)
    groups = ", ".join(f"{n} in {group}" for group, n in counted.items())
    people = "1 person, from a workbook" if len(weighed) == 1 else f"{len(weighed)} people, from their workbooks"
    names = {"energy_rating": "energy", "mood_rating": "mood"}
    rated = [name for key, name in names.items() if any(row.get(key) for row in read)]
    ratings = "; energy and mood are ratings" if len(rated) == 2 else f"; {rated[0]} is a rating" if rated else ""
    remarks = trial.remarks()
    more = f" Of the workbooks: {'; '.join(remarks)}; see {IMPORTED}." if remarks else ""
    return f"Morning weights of {people} ({groups}). What they ate was not recorded{ratings}.{more}"


def _comment(untold: list[str]) -> list[str]:
    if not untold:
        return []
    inner = yaml.safe_dump(dict.fromkeys(untold, "..."), default_flow_style=True, allow_unicode=True, width=10**6)
    blank = " ".join(inner.split()).replace("'...'", "...")
    return [
        "  # Neither says it for these people. Their weights are set aside until you do: write kg or lb for each ...,",
        "  # and take away the sign # before",
        f"  # unit_by_subject: {blank}",
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
        "remarks": trial.remarks(),
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
        lake.write_json(folder / IMPORTED, ledger(trial, tables))

    madestudies.publish(name, root, description, write)

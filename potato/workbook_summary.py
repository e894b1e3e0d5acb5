"""What an import of workbooks read, folder by folder, and what a person should look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean, median

from rich.table import Table
from rich.text import Text

from potato.workbook_folders import GROUPS, Trial
from potato.workbooks import HORIZON

_SHOWN = 40


@dataclass(frozen=True)
class Summary:
    """One folder in numbers; `change` holds, by unit, the mean change from first to last weigh-in and of how many."""

    group: str
    workbooks: int
    participants: int
    weigh_ins: int
    days: float | None
    zeros: int
    texts: int
    blanks: int
    change: dict[str, tuple[float, int]]
    problems: int


def summaries(trial: Trial) -> list[Summary]:
    """Return each folder in numbers, in the order in which the folders were read."""
    result = []
    for group, names in trial.groups.items():
        people = [person for person in trial.participants if person.group == group]
        counts = [person.count() for person in people]
        weighed = [person for person in people if person.weights]
        changes: dict[str, list[float]] = {}
        for person in weighed:
            if len(person.weights) > 1 and (unit := person.unit[0]):
                changes.setdefault(unit, []).append(person.weights[-1][1] - person.weights[0][1])
        unread = sum(name in trial.unreadable for name in names)
        result.append(
            Summary(
                group=group,
                workbooks=len(names),
                participants=len(weighed),
                weigh_ins=sum(count["weigh_ins"] for count in counts),
                days=median(person.weights[-1][0] for person in weighed) if weighed else None,
                zeros=sum(count["zeros"] for count in counts),
                texts=sum(count["texts"] for count in counts),
                blanks=sum(count["blanks"] for count in counts),
                change={unit: (mean(values), len(values)) for unit, values in sorted(changes.items())},
                problems=sum(len(person.problems) for person in people) + unread,
            )
        )
    return result


def table(trial: Trial) -> Table:
    """Return the summaries as a table for the terminal; days are people's median last day."""
    shown = Table(box=None, pad_edge=False, collapse_padding=True)
    shown.add_column("folder", min_width=max(map(len, GROUPS)))
    for heading in ("files", "people", "weights", "days", "zero", "text", "blank"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("mean change", no_wrap=True)
    shown.add_column("check", justify="right", no_wrap=True)
    for one in summaries(trial):
        change = "\n".join(f"{value:+.1f} {unit} ({people})" for unit, (value, people) in one.change.items())
        numbers = (one.workbooks, one.participants, one.weigh_ins, "–" if one.days is None else f"{one.days:g}")
        shown.add_row(
            Text(printable(one.group)),
            *(f"{number:,}" if isinstance(number, int) else number for number in numbers),
            *(f"{number:,}" for number in (one.zeros, one.texts, one.blanks)),
            change or "–",
            f"{one.problems:,}",
        )
    return shown


def closing(trial: Trial, name: str) -> Iterator[str]:
    """Yield the lines below the table: what to look at, where the files are, and what to type next."""
    problems = list(trial.problems())
    if problems:
        yield "to look at:"
    for problem in problems[:_SHOWN]:
        yield f"- {printable(problem)}"
    if len(problems) > _SHOWN:
        yield f"- and {len(problems) - _SHOWN} more, in data/raw/{name}/import.json"
    if any(person.count()["from_summary"] for person in trial.participants):
        yield f"{trial.remarks()[-1]}: data/raw/{name}/weight/phases.csv"
    late = sum(person.count()["beyond_horizon"] for person in trial.participants)
    if late:
        yield f"{late:,} weights after day {HORIZON} are no part of the series: data/raw/{name}/beyond_horizon.csv"
    yield f"written: data/raw/{name}/ and studies/{name}.yaml"
    yield f"next: look at studies/{name}.yaml, then type `dvc exp run -S study={name}`"


def printable(text: str) -> str:
    """Return the text in one line, with a sign in place of what a terminal would take for a command."""
    return "".join(sign if sign.isprintable() else "�" for sign in " ".join(text.split()))

"""A trial's folders of workbooks: who is in which group, what could be read, and what has to be looked at."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median

from potato import lake, looks, workbooks
from potato.spreadsheets import Unreadable
from potato.units import KG_BELOW, LB_ABOVE
from potato.workbook_days import NO_DAY
from potato.workbook_units import EITHER
from potato.workbooks import Entry, Reading, Workbook

GROUPS = ("4 Weeks", "Closed Early", "Dropped")
ENDINGS = (".xlsx", ".xls", ".xlsm")
_STONES = re.compile(r"\d+(\.\d+)?\s*(st|stones?)\b", re.IGNORECASE)
_NAMED = 3  # IDs that are told one by one
_NEAR_DAYS = 3  # a daily weigh-in so near says what the Summary's weight of a phase says


@dataclass(frozen=True)
class Found:
    """One workbook that is there: `name` is its path below the folder, with slashes, and `group` who it belongs to."""

    path: Path
    name: str
    group: str


@dataclass
class Participant:
    """One person: the workbook that says it, and how its weight cells can be counted.

    `named` is the ID that the file's name says, which `subject_id` is unless another workbook has it.
    """

    subject_id: str
    named: str
    group: str
    name: str
    sha256: str
    book: Workbook
    problems: list[str]

    @property
    def weights(self) -> list[tuple[int, float]]:
        """(day, weight) of each weigh-in up to the horizon, by day, in the workbook's own unit."""
        told = ((reading.when.day, as_number(reading.weight)) for reading in self._days)
        return sorted((day, value) for day, value in told if value)

    @property
    def unit(self) -> tuple[str | None, str | None]:
        """(kg, lb or None, what tells it: label, values or None), by silver's own bounds."""
        phases = [entry for entry in self.phases() if as_number(entry.value)]
        stated = {unit for unit in (*(r.unit for r in self._days), *(e.unit for e in phases)) if unit}
        if stated:
            return (stated.pop(), "label") if len(stated) == 1 and not self.contradicted else (None, None)
        values = self.values
        if values and median(values) < KG_BELOW and max(values) <= LB_ABOVE:
            return "kg", "values"
        if values and median(values) > LB_ABOVE and min(values) >= KG_BELOW:
            return "lb", "values"
        return None, None

    @property
    def _days(self) -> list[Reading]:
        return [reading for reading in self.book.readings if reading.when.date_from != NO_DAY]

    @property
    def untold(self) -> bool:
        """Whether it has weights of which neither the workbook nor their values say the unit."""
        if not self.values or self.unit[0] or self.contradicted:
            return False
        return any(reading.weight and not reading.unit for reading in self._days) or not self.weights

    @property
    def contradicted(self) -> bool:
        """Whether the workbook states two units for the same weights."""
        return EITHER in {*(r.unit for r in self.book.readings), *(e.unit for e in self.book.summary)}

    @property
    def values(self) -> list[float]:
        """All its weights as numbers, the daily ones and the Summary's that count beside them."""
        told = (as_number(entry.value) for entry in self.phases())
        return [value for _, value in self.weights] + [value for value in told if value]

    def count(self) -> dict[str, int]:
        """Return how many of its weight cells are what: weigh-ins, zeros, texts, blanks, late ones, the Summary's."""
        cells = [reading.weight for reading in self._days]
        values = [as_number(cell) for cell in cells if cell]
        return {
            "weigh_ins": sum(bool(value) for value in values),
            "zeros": sum(value == 0 for value in values),
            "texts": sum(value is None for value in values),
            "blanks": self.book.gaps,
            "no_days": sum(bool(r.weight) for r in self.book.readings if r.when.date_from == NO_DAY),
            "beyond_horizon": sum(bool(reading.weight) for reading in self.book.late),
            "from_summary": len(self.values) - len(self.weights),
        }

    def phases(self) -> list[Entry]:
        """Return the Summary's weights of phases that have no daily weigh-in near them."""
        weighed = [r.when.day for r in self._days if any(c.isdigit() and c != "0" for c in r.weight)]
        return [
            entry
            for entry in self.book.summary
            if entry.measure == "weight" and entry.value and entry.day is not None
            if all(abs(entry.day - day) > _NEAR_DAYS for day in weighed) and not self._other_unit(entry)
        ]

    def _other_unit(self, entry: Entry) -> bool:
        """Tell whether a weight of the Summary is the daily weights' in the other unit, and does not say so."""
        value, daily = as_number(entry.value), [weight for _, weight in self.weights]
        same = not entry.unit or entry.unit in {reading.unit for reading in self._days}
        return bool(value and daily and same and _doubled(value, median(daily)))

    def doubts(self) -> list[str]:
        """Return sentences on weights that seem to be in another unit than those beside them."""
        said = [
            f"{entry.cell}, {entry.label!r}, says {entry.value}, about 2.2 times off the daily weights: kg and lb may"
            " be mixed, and it does not count"
            for entry in self.book.summary
            if entry.measure == "weight" and self._other_unit(entry)
        ]
        stated = all(reading.unit for reading in self._days)
        for (_, before), (day, after) in pairwise([] if stated else self.weights):
            if before and after and _doubled(before, after):
                said.append(f"on day {day} its weights go from {before:g} to {after:g}: kg and lb may be mixed")
        return said[:_NAMED]


@dataclass
class Trial:
    """What an import found: participants in order, workbooks that can't be read, and files that were left alone."""

    participants: list[Participant] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    passed: dict[str, str] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)

    def remarks(self) -> list[str]:
        """Return what the report's reader has to know: what was not read, was found twice, or is no daily weight."""
        said = []
        if self.unreadable:
            many = len(self.unreadable)
            said.append(f"{many} workbook{'s' if many > 1 else ''} could not be read")
        counted = Counter(person.named for person in self.participants)
        twice = {named: count for named, count in sorted(counted.items()) if count > 1}
        if len(twice) <= _NAMED:
            said += [f"the ID {named} occurs in {count} workbooks" for named, count in twice.items()]
        else:
            said.append(f"{len(twice)} IDs occur in several workbooks")
        if summed := sum(person.count()["from_summary"] for person in self.participants):
            alone = sum(bool(person.values and not person.weights) for person in self.participants)
            without = f" (for {alone} {'person' if alone == 1 else 'people'} without daily weights)" if alone else ""
            said.append(f"{summed} weight{'s come' if summed > 1 else ' comes'} from Summary sheets{without}")
        return said

    def problems(self) -> Iterator[str]:
        """Yield what a person should look at, one sentence each, with the file that it is about."""
        for name, reason in self.unreadable.items():
            yield f"{name}: not read: {reason}"
        for name, reason in self.passed.items():
            yield f"{name}: left alone: {reason}"
        for group in self.groups:
            if group not in GROUPS:
                yield f"{group}: none of the trial's folders ({', '.join(GROUPS)}); taken as a group of that name"
        for participant in self.participants:
            for problem in participant.problems:
                yield f"{participant.name}: {problem}"


def _doubled(one: float, other: float) -> bool:
    """Tell whether one number is the other in pounds, by a fifth either way."""
    return 1.8 < max(one, other) / min(one, other) < 2.65 if min(one, other) > 0 else False


def is_weight(text: str) -> bool:
    """Tell whether a cell's text holds a weight: a number above zero, also beside a unit or a word such as about."""
    return bool(looks.number(text)[0] or _STONES.match(text.strip()))


def as_number(text: str) -> float | None:
    """Return what a cell's text says as a plain number, None where it is none."""
    plain = text.strip()
    try:
        value = float(plain)
    except ValueError:
        return None
    # Python also reads nan, inf and 1_000 as numbers.
    return value if plain.lstrip("+-")[:1] in tuple("0123456789.") and "_" not in plain else None


def find(folder: Path) -> tuple[list[Found], dict[str, str]]:
    """Return the workbooks below `folder`, in order of group and name, and why other files are left alone.

    A link is never followed: its target may be anything, and may be in the folder already.
    """
    found: list[Found] = []
    passed: dict[str, str] = {}
    for below, folders, files in os.walk(folder):
        here = Path(below)
        for name in [*folders, *files]:
            shown = _shown((here / name).relative_to(folder))
            if (here / name).is_symlink():
                inside = (here / name).resolve().is_relative_to(folder.resolve())
                passed[shown] = f"a link {'within' if inside else 'out of'} the folder; put the file itself there"
            elif name in files and name.lower().endswith(ENDINGS) and not _litter(name):
                found.append(Found(here / name, shown, _group(folder, here)))
            elif name in files and not _litter(name):
                passed[shown] = f"no workbook ({', '.join(ENDINGS)})"
            elif name.startswith("~$"):
                passed[shown] = "the mark of a workbook that is open in a spreadsheet program"
        folders[:] = sorted(name for name in folders if not _litter(name) and not (here / name).is_symlink())
    order = {group: number for number, group in enumerate(GROUPS)}
    found.sort(key=lambda one: (order.get(one.group, len(GROUPS)), one.group, one.name))
    return found, dict(sorted(passed.items()))


def read(found: Sequence[Found], passed: dict[str, str], track: Callable[[Sequence[Found]], Iterable[Found]]) -> Trial:
    """Read all workbooks; `track` passes them on and may show how far it is."""
    trial = Trial(passed=passed)
    taken: dict[str, Participant] = {}
    spelt: dict[str, str] = {}
    for one in track(found):
        trial.groups.setdefault(one.group, []).append(one.name)
        try:
            who = unicodedata.normalize("NFC", _shown(one.path.stem)).split()
            if not who:
                raise Unreadable("its name does not begin with an ID")
            book = workbooks.read(one.path)
            sha256 = lake.file_sha256(one.path)
        except Unreadable as reason:
            trial.unreadable[one.name] = str(reason)
            continue
        except OSError as error:
            trial.unreadable[one.name] = f"it can't be opened: {error.strerror}"
            continue
        participant = Participant(who[0], who[0], one.group, one.name, sha256, book, list(book.problems))
        _tell_apart(participant, taken)
        _compare_id(participant, who[0])
        alike = spelt.setdefault(who[0].lstrip("0").casefold(), who[0])
        if alike != who[0]:
            participant.problems.append(f"its ID {who[0]} may be the {alike} of another workbook; they are two people")
        participant.problems += participant.doubts()
        if participant.untold:
            values = participant.values
            participant.problems.append(
                f"kg or lb is not told ({min(values):g} to {max(values):g}, median {median(values):g});"
                f" say it under `unit_by_subject`: {participant.subject_id}"
            )
        taken[participant.subject_id] = participant
        trial.participants.append(participant)
    return trial


def _tell_apart(participant: Participant, taken: dict[str, Participant]) -> None:
    """Give a second workbook of the same ID an ID of its own: one person or two, nobody can tell from here."""
    first = taken.get(participant.subject_id)
    if first is None:
        return
    said = participant.subject_id
    for other in (f"{said} ({participant.group})", f"{said} ({participant.name})"):
        participant.subject_id = other
        if other not in taken:
            break
    same = ", a file with the same content" if first.sha256 == participant.sha256 else ""
    participant.problems.append(f"the ID {said} is that of {first.name}, too{same}; this one is called {other!r}")


def _compare_id(participant: Participant, named: str) -> None:
    stated = participant.book.stated_id
    if stated is None:
        return
    if unicodedata.normalize("NFC", stated).strip().casefold() == named.casefold():
        return
    # A spreadsheet drops the zeros in front of a number.
    if stated.isdecimal() and named.isdecimal() and int(stated) == int(named):
        return
    participant.problems.append(f"its Summary says Subject ID {stated!r}; the file name's {named!r} is used")


def _group(folder: Path, here: Path) -> str:
    """Return the nearest of the trial's folders that a workbook is in, by its usual name, else the folder it is in."""
    usual = {"".join(group.casefold().split()): group for group in GROUPS}
    above = [here, *here.parents][: len(here.relative_to(folder).parts) + 1]
    names = [_shown((one if one != folder else folder.resolve()).name) for one in above]
    known = [usual[key] for name in names if (key := "".join(name.casefold().split())) in usual]
    return known[0] if known else unicodedata.normalize("NFC", names[0])


def _litter(name: str) -> bool:
    """Say whether a name is of what systems and spreadsheet programs leave behind."""
    return name.startswith((".", "~$")) or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def _shown(path: Path | str) -> str:
    """Return a path with slashes, and with a sign for each byte that is no text."""
    text = path.as_posix() if isinstance(path, Path) else path
    return os.fsencode(text).decode("utf-8", errors="replace")

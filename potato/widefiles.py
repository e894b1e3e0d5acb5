"""A file with one row a person and a column of weights for each time, made into one row for each weighing."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from potato import decoding, layouts, looks, madestudies, matches, rawrows, timepoints
from potato.errors import PotatoError
from potato.looks import FileLook
from potato.matches import Match
from potato.plans import Answers
from potato.recognise import Recognised, traits
from potato.shapes import changes_little
from potato.timepoints import TimePoint

LONG = "weight/long.csv"
_WHO, _WHEN, _WHAT, _UNIT = "participant", "day", "weight", "unit"
_WHERE = ("source_file", "source_row", "source_column")
_TWICE = 0.2  # share of rows with a name that another row has: more are no slips


@dataclass(frozen=True)
class Wide:
    """A wide file: who its rows are about (None: the row's number), and its columns of weights."""

    look: FileLook
    who: str | None
    who_evidence: str
    points: tuple[TimePoint, ...]


@dataclass(frozen=True)
class Long:
    """The same as long rows: the text of the CSV file, its look, and what its columns are."""

    text: str
    look: FileLook
    fields: dict[str, Match]
    unused: dict[str, str]

    def recognised(self, maps: Mapping[str, str]) -> Recognised:
        """Return what the columns are; what is stated of the person's traits comes first."""
        fields = {m.field: m for m in traits(self.look, self.fields)} | self.fields
        for field, name in maps.items():
            column = self.look.column(name)
            if field in ("group", "condition", "sex") and column:
                fields[field] = Match(field, column.name, None, "as you stated")
        return Recognised(self.look, {"weight": {f: m for f, m in fields.items() if maps.get(f) != "" or f in _KEPT}})


_KEPT = ("subject_id", "day", "weight")


def find(found: list[Recognised], folder: Path, answers: Answers) -> Wide | None:
    """Return the wide file of a folder without other weights; None when there is none.

    Raises
    ------
    PotatoError
        for several of them, for food beside them, and for columns of lost weight instead of weights.
    """
    if any("weight" in item.families and not _one_row_a_person(item.file) for item in found):
        return None
    meant = set(layouts.matched(folder, answers.files["weight"])) if "weight" in answers.files else None
    looked = [(item.file, timepoints.find(item.file)) for item in found if meant is None or item.file.name in meant]
    wide = [(file, seen.points) for file, seen in looked if seen.points]
    if not wide:
        unknown = {item.file.name for item in found if not item.families and item.trouble is None}
        changes = next(((file, seen.others) for file, seen in looked if seen.others and file.name in unknown), None)
        if changes:
            raise _no_weights(*changes)
        return None
    if len(wide) > 1:
        names = [file.name for file, _ in wide]
        raise PotatoError(
            "Several files have one row a person and a weight column for each time.",
            where=str(folder),
            expected="one such file for a study",
            found=", ".join(names[:8]),
            hint=f"choose one with `--files weight={shlex.quote(names[0])}`, or put all people into one file",
        )
    file, points = wide[0]
    diary = next((item.file.name for item in found if item.families and item.file is not file), None)
    if diary:
        raise PotatoError(
            f"{file.name} has one row a person and has to be made long, which {diary} beside it has not.",
            where=str(folder),
            expected=f"{file.name} in a folder of its own",
            found=f"{file.name} and {diary}",
            hint=f"describe a folder with {file.name} alone; then put {diary}, with the same people and day numbers,"
            " into data/raw/NAME and type `potato describe-study data/raw/NAME --study NAME --force`",
        )
    return _whose(file, points, answers.maps.get("weight", {}))


def _one_row_a_person(file: FileLook) -> bool:
    """Tell whether a table that has dates is one of people all the same: the day on which each of them came."""
    points, who = timepoints.find(file).points, matches.best(file, "subject_id", ("text", "number"))
    if not points or who is None or len(who[0].distinct) < len(who[0].texts):
        return False
    # From row to row one person's weights are steady, and those of many people are not.
    weights = file.column(points[0].column)
    return weights is not None and not changes_little(file, weights, None)


def _no_weights(file: FileLook, columns: tuple[str, ...]) -> PotatoError:
    spreads = [column.spread for name in columns if (column := file.column(name)) and column.spread]
    low, high = min((low for low, _ in spreads), default=0), max((high for _, high in spreads), default=0)
    return PotatoError(
        f"{file.name} has no weights: {', '.join(columns[:5])} can only be changes of weight, or something else.",
        where=file.name,
        expected="the weights themselves, in kg or lb: a change does not tell the weight that it changed",
        found=f"numbers from {low:g} to {high:g}",
        hint="add the columns of weights from which these were made, such as `weight_week0,weight_week4`",
    )


def _whose(file: FileLook, points: tuple[TimePoint, ...], stated: Mapping[str, str]) -> Wide:
    if stated.get("subject_id"):
        column = file.column(stated["subject_id"])
        if column:
            return Wide(file, column.name, f"{column.name!r}, as you stated", points)
    best = matches.best(file, "subject_id", ("text", "number"))
    free = [c for c in file.columns if c.kind == "text" and len(set(c.texts)) == len(c.texts) == len(c.values)]
    told = next((c for c in (best[0] if best else None, *free) if c), None)
    if told is None or "subject_id" in stated:
        return Wide(file, None, "no column names the person, so the number of the row does", points)
    why = "its name" if best else "each row has another"
    return Wide(file, told.name, f"{told.name!r}, by {why}" if best else f"{told.name!r}: {why}", points)


def reshaped(wide: Wide, folder: Path) -> Long:
    """Return one row for each person and time point, in the order of the file; a blank cell is a row as well.

    Each row has the person, the day, the text of the cell, the person's other columns, and where the cell stands.

    Raises
    ------
    PotatoError
        for a row with more cells than the header, and for people who have several rows.
    """
    name = wide.look.name
    rows = _rows(folder / name, wide.look)
    header = next(cells for number, cells in rows if number == wide.look.header_row)
    header = _distinct([cell.strip().lstrip("#").strip() for cell in header])
    body = [(number, cells) for number, cells in rows if number > wide.look.header_row]
    for number, cells in body:
        if any(cell.strip() for cell in cells[len(header) :]):
            raise PotatoError(
                f"Row {number} of {name} has more cells than the header.",
                where=f"{name}, row {number}",
                expected=f"{len(header)} cells",
                found=f"{len(cells)}: {wide.look.separator.join(cells)[:80]}",
                hint="put quotes around a cell that has the separator in it, or add a column to the header",
            )
    at = {column.name: column.position for column in reversed(wide.look.columns)}
    points = {point.column: at[point.column] for point in wide.points}
    unit = matches.best(wide.look, "unit", ("text",))
    mine = {*points.values(), *([at[wide.who]] if wide.who else []), *([unit[0].position] if unit else [])}
    units = any(point.unit for point in wide.points) or unit is not None
    ours = (_WHO, _WHEN, _WHAT, *([_UNIT] if units else []))
    kept = {i: f"{title} of {name}" if title in (*ours, *_WHERE) else title for i, title in enumerate(header)}
    kept = {i: title for i, title in kept.items() if i not in mine}
    people = [_cell(cells, at[wide.who]) if wide.who else f"row {number}" for number, cells in body]
    _refuse_repeated(name, wide, people)
    long = []
    for person, (number, cells) in zip(people, body, strict=True):
        constant = {title: _cell(cells, i) for i, title in kept.items()}
        for point in wide.points:
            row = {
                _WHO: person,
                _WHEN: str(point.day),
                _WHAT: _cell(cells, points[point.column], as_it_stands=True),
                **constant,
            }
            if units:
                row[_UNIT] = point.unit or (_cell(cells, unit[0].position) if unit else "")
            long.append(row | dict(zip(_WHERE, (name, str(number), point.column), strict=True)))
    columns = (*ours, *kept.values(), *_WHERE)
    numbered = enumerate([list(columns), *([row[c] for c in columns] for row in long)], start=1)
    look = looks.lay_out(LONG, "utf-8", ",", list(numbered))
    assert look is not None  # it has the header that was just written
    unused = {other: f"{name} is described alone" for other in layouts.data_files(folder) if other != name}
    return Long(madestudies.csv_text(columns, long), look, _fields(wide, units), unused)


def _rows(path: Path, look: FileLook) -> list[tuple[int, list[str]]]:
    content = decoding.decode(path.read_bytes()).content
    found = enumerate(rawrows.records(rawrows.text_lines(content), look.separator), start=1)
    return [(number, cells) for number, (cells, _, _) in found if any(cell.strip() for cell in cells)]


def _cell(cells: list[str], position: int, *, as_it_stands: bool = False) -> str:
    text = cells[position] if position < len(cells) else ""
    return text if as_it_stands else text.strip()


def _distinct(titles: list[str]) -> list[str]:
    """Return the header with a name for each column: an empty one has its number, a second of a name its count."""
    named = [title or f"column {i}" for i, title in enumerate(titles, start=1)]
    return [f"{title} ({n})" if (n := named[: i + 1].count(title)) > 1 else title for i, title in enumerate(named)]


def _refuse_repeated(name: str, wide: Wide, people: list[str]) -> None:
    known = Counter(person for person in people if person)
    again = [person for person, count in known.items() if count > 1]
    if known.total() - len(known) > _TWICE * known.total():
        raise PotatoError(
            f"{name} has several rows for one person.",
            where=f"{name}, column {wide.who}",
            expected="one row a person",
            found=f"{len(again)} of {len(known)} names stand in several rows, such as {', '.join(again[:3])}",
            hint="give each person a name of their own; if the rows are the same people's in several conditions, keep"
            " one condition, or write one row for each weighing with its day",
        )


def _fields(wide: Wide, units: bool) -> dict[str, Match]:
    times = "; ".join(f"{point.column} is {point.evidence}" for point in wide.points)
    cells = f"the cells of {', '.join(point.column for point in wide.points)} in {wide.look.name}"
    said = {"subject_id": (_WHO, wide.who_evidence), "day": (_WHEN, times), "weight": (_WHAT, cells)}
    if units:
        said["unit"] = (_UNIT, "what the header or the row states")
    return {field: Match(field, column, None, why) for field, (column, why) in said.items()}

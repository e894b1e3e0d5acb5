"""How the files of a folder make up a study: which belong together, by which pattern, and who each is about."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

from potato import filenames
from potato.errors import PotatoError
from potato.matches import Match
from potato.recognise import Recognised
from potato.shapes import by_person
from potato.synonyms import key

ENDINGS = (".csv", ".tsv", ".txt")
# Files that spreadsheets and systems leave behind.
LITTER = ("._", ".~lock", "~$", ".")
_YEAR = re.compile(r"(?<!\d)(19|20)\d{2}(?!\d)|(?<!\d)(19|20)\d{6}(?!\d)")


@dataclass
class Layout:
    """Files of one family that are written alike: the fields that all of them have, and the pattern that means them."""

    family: str
    members: list[Recognised]
    fields: dict[str, Match]
    pattern: str
    left_out: list[str]

    @property
    def names(self) -> list[str]:
        return [member.file.name for member in self.members]

    @property
    def has_food(self) -> bool:
        return "food" in self.fields


def data_files(folder: Path) -> list[str]:
    """Return the names of all files below a folder that may hold separated values, sorted; without hidden ones."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS
        and not any(part.startswith(LITTER) for part in path.relative_to(folder).parts)
    )


def layouts(found: list[Recognised], family: str, folder: Path) -> list[Layout]:
    """Group the files that hold a family by what their columns are called.

    Files belong together when the columns of who, when and what have equal names; a field that some of them lack is
    left out.
    """
    groups: dict[tuple[tuple[str, str], ...], list[Recognised]] = {}
    for item in found:
        if family in item.families:
            groups.setdefault(_core(family, item.families[family], item.rows), []).append(item)
    made = []
    for members in groups.values():
        fields, left_out = _common(family, members)
        pattern = smallest_pattern(folder, [member.file.name for member in members])
        made.append(Layout(family, members, fields, pattern, left_out))
    return sorted(made, key=lambda layout: (-len(layout.members), layout.names))


def _core(family: str, fields: dict[str, Match], rows: Iterable[str]) -> tuple[tuple[str, str], ...]:
    values = {"weight": ("weight",), "fiber": ("fiber_g",), "nutrition": ("food", "energy_kcal")}[family]
    wanted = ("subject_id", "date", *(() if "date" in fields else ("day",)), *values)
    return (*((name, key(fields[name].column)) for name in wanted if name in fields), *(("rows", key(r)) for r in rows))


def _common(family: str, members: list[Recognised]) -> tuple[dict[str, Match], list[str]]:
    alike = dict(members[0].families[family])
    left_out: set[str] = set()
    for member in members[1:]:
        # What a column is called decides: the same one may change within one person and not within another.
        theirs = {key(match.column) for match in member.families[family].values()}
        for name in [name for name, match in alike.items() if key(match.column) not in theirs]:
            left_out.add(alike.pop(name).column)
    return alike, sorted(left_out)


def smallest_pattern(folder: Path, names: list[str]) -> str:
    """Return the simplest pattern below `folder` that means exactly the named files.

    Raises
    ------
    PotatoError
        when no pattern does: the files lie between others.
    """
    if len(names) == 1:
        return glob.escape(names[0])
    paths = [PurePosixPath(name) for name in names]
    files = [path.name for path in paths]
    folders = {path.parent.as_posix() for path in paths}
    start, end = "".join(_shared(files)), "".join(_shared([name[::-1] for name in files]))[::-1]
    ending = paths[0].suffix
    shortest = min(len(name) for name in files)
    # A prefix and a suffix that overlap would not match the shorter name.
    end = end[-(shortest - len(start)) :] if len(start) + len(end) > shortest else end
    # A letter that all names happen to share is no part of the pattern where a mark sets the shared words apart.
    marked = re.search(r"[\W_].*", end)
    ends = [marked[0] if marked else end, end]
    before = re.match(r".*[\W_]", start)
    starts = [before[0] if before else start, start]
    insides = [f"*{glob.escape(e)}" for e in (ending, *ends)]
    insides += [f"{glob.escape(s)}*{glob.escape(e)}" for s in starts for e in (ending, *ends)]
    if len(set(files)) == 1:
        insides.insert(0, glob.escape(files[0]))
    top = glob.escape(folders.copy().pop()) if len(folders) == 1 else None
    roots = [f"{top}/" if top != "." else ""] if top else []
    shared = _common_folder(folders)
    roots += [f"{glob.escape(shared)}/" if shared else ""]
    for above in list(dict.fromkeys(roots)):
        deeper = [""] if top else ["*/", "**/"]
        for step in deeper:
            for inside in dict.fromkeys(insides):
                if matched(folder, above + step + inside) == sorted(names):
                    return above + step + inside
    raise PotatoError(
        "No pattern means exactly the files that belong together.",
        where=str(folder),
        expected="files of one kind in a folder of their own, or with a part of their names in common",
        found=", ".join(names[:8]),
        hint="move these files into a folder of their own, then describe the study again",
    )


def matched(folder: Path, pattern: str) -> list[str]:
    """Return the files that a pattern means, as names below the folder, sorted; hidden ones are none."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.glob(pattern)
        if not any(part.startswith(LITTER) for part in path.relative_to(folder).parts)
    )


def _shared(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the items with which all rows start."""
    return [items[0] for items in takewhile(lambda items: len(set(items)) == 1, zip(*rows, strict=False))]


def _common_folder(folders: Iterable[str]) -> str:
    return "/".join(part for part in _shared([PurePosixPath(folder).parts for folder in folders]) if part != ".")


def one_person_each(layout: Layout) -> tuple[str, str] | None:
    """Tell whether the names of files or of folders say who the rows are about.

    Returns
    -------
    (file or folder, evidence); None where the names may be those of parts, such as the weeks of an export.
    """
    paths = [PurePosixPath(name) for name in layout.names]
    if len(paths) < 2:
        return None
    stems, parents = [path.stem for path in paths], [path.parent.name for path in paths]
    if len(set(stems)) == len(stems) and filenames.people(stems):
        return "file", f"{len(paths)} files of equal columns, named {', '.join(stems[:3])}"
    alike = len(set(stems)) < len(stems) or filenames.one(stems)
    if alike and len(set(parents)) > 1 and all(parents) and filenames.people(set(parents)):
        return "folder", f"{len(set(parents))} folders with equal files, named {', '.join(sorted(set(parents))[:3])}"
    return None


def parts_or_people(layout: Layout) -> str | None:
    """Return names that may be of the parts of one person's files or of several people; None where they are parts."""
    names = [PurePosixPath(name).with_suffix("").as_posix() for name in layout.names]
    dated = all(_YEAR.search(name) for name in names)
    if len(names) < 2 or (dated and filenames.one(names)):
        return None
    return ", ".join(names[:4])


def a_group_each(layout: Layout) -> bool:
    """Tell whether several folders hold several files each, as where a trial keeps a folder for each of its groups."""
    parents = [PurePosixPath(name).parent.as_posix() for name in layout.names]
    return len(set(parents)) > 1 and all(parents.count(parent) > 1 for parent in parents)


def rows_of_one_day(layout: Layout) -> str | None:
    """Return in words that most days have several rows, as the rows of several people do; None where they don't."""
    when = layout.fields["date" if "date" in layout.fields else "day"].column
    for member in layout.members:
        column = member.file.column(when)
        if column and len(set(column.days)) <= 0.5 * len(column.days):
            return f"{member.file.name} has {len(column.days)} rows for {len(set(column.days))} days"
    return None


def varies(layout: Layout, field: str) -> str | None:
    """Return group or condition: what a column of few values is over all files; None where it has one value only."""
    match = layout.fields[field]
    who = layout.fields["subject_id"].column if "subject_id" in layout.fields else None
    seen: set[str] = set()
    constant = True
    for member in layout.members:
        column = member.file.column(match.column)
        if column:
            for rows in by_person(member.file, column, who).values():
                texts = {text for text, _ in rows if text}
                seen |= texts
                constant &= len(texts) <= 1
    return None if len(seen) < 2 else "group" if constant else "condition"

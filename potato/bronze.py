"""Bronze: every raw row as it came, as text, with the file and the row that it came from."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from potato import cluster, headers, lake, rawfiles, rules, schema, settings, spans, unmapped
from potato.columns import Lineage, source
from potato.errors import PotatoError, nearest
from potato.families import FAMILIES
from potato.manifest import Manifest, Verdict
from potato.rawfiles import RawFile
from potato.study import FamilyMapping, WeightMapping

# What office programs and file systems leave beside a file, under its name.
_LEFT_BESIDE = re.compile(r"\._|\.~lock|~\$")
_ROWS_OF_A_BLOCK = 65_536


@dataclass
class CSVLoader:
    """Reads a study's raw files, checks that they can be read at all, and keeps every row as text.

    Parameters
    ----------
    study : the name of a file in studies/, without its ending.
    """

    study: str
    files: list[RawFile] = field(default_factory=list)
    files_not_used: list[str] = field(default_factory=list)
    tables: dict[str, pa.Table] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    _encoding: dict[str, tuple[pa.Table, Future[list[pa.Buffer]]]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.settings = settings.load(lake.root(), self.study)

    def read_nutrition_files(self) -> list[RawFile]:
        """Read the files of every family that the study describes (nutrition, weight and fiber)."""
        raw = self.settings.raw
        if not raw.is_dir():
            raise PotatoError(
                f"The raw files of {self.study} are not there.",
                where=f"data/raw/{self.study}",
                expected="a folder with the study's raw files, or a link to one",
                found="nothing",
                hint=f"put the files into data/raw/{self.study}, or say `raw:` in studies/{self.study}.yaml",
            )
        present = _present(raw)
        found: list[tuple[Path, str, str, FamilyMapping]] = []
        for family, mapping in self.settings.study.families().items():
            paths = {_name(p, raw): p for p in _matching(raw, mapping.files) if not _LEFT_BESIDE.match(p.name)}
            if not paths:
                raise PotatoError(
                    f"The study has no {family} file.",
                    where=f"studies/{self.study}.yaml, {family}.files",
                    expected=f"data/raw/{self.study}/{mapping.files}",
                    found=", ".join(present[:8]) or "an empty folder",
                    nearest=nearest(mapping.files.replace("*", ""), present),
                    hint=f"put the file there, or correct {family}.files in studies/{self.study}.yaml",
                )
            _refuse_two_of_a_name(paths, mapping, f"studies/{self.study}.yaml, {family}.subject_from")
            for name, path in sorted(paths.items()):
                _refuse_link_out(path, raw, name)
                found.append((path, name, family, mapping))
        self.files += cluster.each(self.settings, _read, found)
        self.files_not_used = sorted(set(present) - {file.name for file in self.files})
        return self.files

    def basic_validation(self) -> dict[str, pa.Table]:
        """Check that each mapped column is there, and lay the rows out in the dictionary's columns, still as text."""
        for family, dataset in schema.BRONZE.items():
            with spans.making(dataset.name) as told:
                parts = [self._laid_out(file) for file in self.files if file.family == family]
                empty = dataset.arrow().empty_table()
                self.tables[family] = pa.concat_tables([empty, *(part.cast(empty.schema) for part in parts)])
                told["potato.rows"] = self.tables[family].num_rows
        self._encode()
        return self.tables

    def _encode(self) -> None:
        """Begin to encode what `save` will write: a contract is evaluated on one core."""
        pool = ThreadPoolExecutor(1)
        for family, table in self.tables.items():
            self._encoding[family] = table, pool.submit(lake.encoded, table)
        pool.shutdown(wait=False)

    def _encoded(self, family: str) -> list[pa.Buffer]:
        table, encoding = self._encoding[family]
        # A table that was put in the place of the one laid out is the one to save.
        return encoding.result() if table is self.tables[family] else lake.encoded(self.tables[family])

    def _laid_out(self, file: RawFile) -> pa.Table:
        mapping = self.settings.study.mapping(file.family)
        rows, count = file.rows, file.rows.num_rows
        used = {field_: self._position(file, field_, name) for field_, name in mapping.columns.items() if file.header}
        columns = {"source_file": _repeated(file.name, count), "source_row": rows["source_row"]}
        for name in FAMILIES[file.family].names:
            columns[name] = rows[str(used[name])] if name in used else _repeated(None, count)
        for name, said in _said_by_path(self.settings.raw / file.name, mapping).items():
            columns[name] = _repeated(said, count)
        columns["extra"] = unmapped.as_json(rows, _not_used(file.header, set(used.values())))
        columns["fault"] = self._with_not_chosen(file, mapping)
        return pa.table(columns)

    def _with_not_chosen(self, file: RawFile, mapping: FamilyMapping) -> pa.ChunkedArray:
        """Return the fault of each row; a whole row that the study's `rows` does not choose has one as well."""
        faults = file.rows["fault"]
        for column, texts in mapping.chosen().items() if file.header else ():
            cells = file.rows[str(self._position(file, column, column, "rows"))]
            folded = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(cells, "")))
            other = pc.and_(pc.is_null(faults), pc.invert(pc.is_in(folded, pa.array(texts, pa.string()))))
            faults = pc.if_else(other, "not_chosen", faults)
        return faults

    def _position(self, file: RawFile, field_: str, name: str, part: str = "columns") -> int:
        found = headers.positions(file.header, name)
        if len(found) == 1:
            return found[0]
        where = f"studies/{self.study}.yaml, {file.family}.{part}.{field_}"
        if found:
            raise PotatoError(
                f"{file.name} has the column {name!r} more than once.",
                where=where,
                expected="one column of that name",
                found=_listed(file.header),
                hint="give the columns of the raw file different names",
            )
        raise PotatoError(
            f"{file.name} has no column {name!r}.",
            where=where,
            expected=name,
            found=_listed(file.header),
            nearest=nearest(name, file.header),
            hint=f"correct {file.family}.{part}.{field_} in studies/{self.study}.yaml",
        )

    def validate_schema(self) -> list[Verdict]:
        """Evaluate the contract of each bronze table; there must be a weight."""
        self.verdicts = rules.bronze(self.tables, self.ledger(), partial(cluster.frame, self.settings))
        return self.verdicts

    def ledger(self) -> dict[str, dict[str, Any]]:
        """Return how each raw file was read: family, rows, sha256, encoding, separator, header and columns not used.

        A file that holds two families is read twice, once for each, and its key says which.
        """
        families = Counter(file.name for file in self.files)
        with spans.making("bronze/ledger"):
            return {
                file.name if families[file.name] == 1 else f"{file.name} ({file.family})": self._entry(file)
                for file in self.files
            }

    def _entry(self, file: RawFile) -> dict[str, Any]:
        mapping = self.settings.study.mapping(file.family)
        used = {i for name in (*mapping.columns.values(), *mapping.rows) for i in headers.positions(file.header, name)}
        return {
            "file": file.name,
            "family": file.family,
            "rows_read": file.rows.num_rows,
            "sha256": file.sha256,
            "encoding": file.encoding,
            "separator": file.separator,
            "header_row": file.header_row,
            "columns_not_used": list(_not_used(file.header, used).values()),
        }

    def save(self) -> Manifest:
        """Write the three datasets, the ledger and the manifest into the stage's staging folder."""
        manifest = Manifest("bronze", self.study, contracts=self.verdicts)
        mapped = self.settings.study.families()
        for file in self.files:
            manifest.inputs[f"raw/{self.study}/{file.name}"] = file.sha256
        for family, table in self.tables.items():
            dataset = schema.BRONZE[family]
            path = lake.output(f"data/{dataset.name}")
            with manifest.output(dataset.name, path, table, dataset):
                lake.write_parts(self._encoded(family), path)
            manifest.column_lineage[dataset.name] = self._sources(mapped[family], family) if family in mapped else {}
            manifest.metrics[f"rows_{family}"] = table.num_rows
        cluster.share(self.settings, "bronze", self.tables, dict.fromkeys(self.tables, "source_file"))
        content = {"files": self.ledger(), "files_not_used": self.files_not_used}
        lake.write_json(lake.output("data/bronze/ledger.json"), content)
        manifest.write()
        return manifest

    def _sources(self, mapping: FamilyMapping, family: str) -> Lineage:
        """Return the raw columns that each field of a family comes from."""
        files = [f"raw/{self.study}/{file.name}" for file in self.files if file.family == family]
        found = {name: [source(file, column, "IDENTITY") for file in files] for name, column in mapping.columns.items()}
        if mapping.rows:
            # A row that the study does not choose has that as its fault.
            found["fault"] = [source(file, name, "CONDITIONAL") for file in files for name in mapping.rows]
        return found


def _read(file: tuple[Path, str, str, FamilyMapping]) -> RawFile:
    path, name, family, _ = file
    with spans.span(f"read {name}", **{"potato.file": name, "potato.family": family}) as told:
        read = rawfiles.read_raw(*file)
        told |= {"potato.rows": read.rows.num_rows, "potato.bytes": path.stat().st_size}
    return read


def _name(path: Path, raw: Path) -> str:
    """Return a file's name below the raw folder, with / on every platform; bytes that are no text are spelt out."""
    return os.fsencode(path.relative_to(raw).as_posix()).decode("utf-8", "backslashreplace")


def _matching(raw: Path, pattern: str) -> list[Path]:
    # A pattern without a wildcard finds no link that leads nowhere, and that link is what has to be said.
    named = raw / pattern
    return [named] if named.is_symlink() else list(raw.glob(pattern))


def _present(raw: Path) -> list[str]:
    """Return the names of all files below the raw folder; a linked folder that leads out of it is refused."""

    def refuse(error: OSError) -> None:
        name = _name(Path(error.filename), raw)
        raise PotatoError(
            f"The folder {name} can't be read.",
            where=name,
            expected="a folder that you may look into",
            found=str(error.strerror),
            hint="give yourself the right to read it, or move it out of the study's folder",
        ) from None

    found = []
    for folder, folders, files in os.walk(raw, onerror=refuse):
        found += [_name(Path(folder, name), raw) for name in files]
        for path in (Path(folder, name) for name in folders):
            if path.is_symlink():
                _refuse_link_out(path, raw, _name(path, raw))
    return sorted(found)


def _refuse_link_out(path: Path, raw: Path, name: str) -> None:
    # The raw folder itself may be a link; what counts is where it leads. DVC's cache may hold the files themselves.
    target, *homes = (Path(os.path.realpath(place)) for place in (path, raw, lake.root() / ".dvc" / "cache"))
    if not any(target.is_relative_to(home) for home in homes):
        raise PotatoError(
            f"{name} is a link that leads out of the study's raw folder.",
            where=name,
            expected="a file or folder of the study",
            found=f"a link to {target}",
            hint="copy what it points to into the study's folder, in its place",
        )


def _refuse_two_of_a_name(paths: Mapping[str, Path], mapping: FamilyMapping, where: str) -> None:
    """Raise when two files, or folders, of one name stand for a person: these may be two people."""
    if mapping.subject_from is None:
        return
    seen: dict[str | None, tuple[Path, str]] = {}
    for name, path in sorted(paths.items()):
        place = path if mapping.subject_from == "file" else path.parent
        first, known = seen.setdefault(mapping.who(path), (place, name))
        if first != place:
            raise PotatoError(
                f"{known} and {name} both name the person {mapping.who(path)!r}.",
                where=where,
                expected=f"one {mapping.subject_from} for each person",
                found=f"{known}, {name}",
                hint="rename one of them, or give each person a folder of their own and say `subject_from: folder`",
            )


def _said_by_path(path: Path, mapping: FamilyMapping) -> dict[str, str]:
    """Return the fields that are not a column's to say: whose the file is, and which group its folder means."""
    who = mapping.who(path)
    group = path.parent.name if isinstance(mapping, WeightMapping) and mapping.group_from else None
    return {name: said for name, said in (("subject_id", who), ("group", group)) if said is not None}


def _repeated(text: str | None, count: int) -> pa.ChunkedArray:
    """Return a text `count` times, in blocks that are one and the same piece of memory."""
    block = pa.repeat(pa.scalar(text, pa.string()), min(count, _ROWS_OF_A_BLOCK))
    whole, rest = divmod(count, _ROWS_OF_A_BLOCK)
    return pa.chunked_array([*[block] * whole, block.slice(0, rest)], pa.string())


def _not_used(header: list[str], used: set[int]) -> dict[int, str]:
    """Return the name of each column without a use, by position; equal names are told apart."""
    names = {i: name or f"column {i + 1}" for i, name in enumerate(header) if i not in used}
    listed = Counter(names.values())
    return {i: name if listed[name] == 1 else f"{name} (column {i + 1})" for i, name in names.items()}


def _listed(header: list[str]) -> str:
    """Return column names for the screen, where a file without lines or with NULs must not fill it."""
    shown = [re.sub(r"[\x00-\x1f\x7f]", "·", name)[:40] for name in header]
    more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
    return ", ".join(shown[:20]) + more

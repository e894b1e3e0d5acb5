"""Bronze: every raw row as it came, as text, with the file and the row that it came from."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from potato import contracts, lake, schema, settings
from potato.errors import PotatoError, nearest
from potato.manifest import Manifest, Verdict

SEPARATORS = (",", ";", "\t", "|")
_FIELD_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True)
class RawFile:
    """One decoded raw file: where it is, how it was read, and its rows as lists of text.

    `rows` holds (row number, cells); row 1 is the first line of the file, so a header makes data start at 2.
    """

    name: str
    family: str
    sha256: str
    encoding: str
    separator: str
    header: list[str]
    rows: list[tuple[int, list[str]]]


def decode(content: bytes) -> tuple[str, str]:
    """Return (text, encoding): a byte order mark decides, else UTF-8 where it is valid, else Windows-1252."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace"), encoding
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), "windows-1252"


def tell_separator(header: str) -> str:
    """Return the separator that splits the header line into the most columns; a comma when none does."""
    return max(SEPARATORS, key=header.count)


def read_raw(path: Path, name: str, family: str, separator: str | None) -> RawFile:
    """Read one CSV file without interpreting a single value.

    Raises
    ------
    PotatoError
        when `path` is no readable file or has no header line.
    """
    try:
        # A pipe or a device would be waited for.
        content = path.read_bytes() if path.is_file() else None
        problem = "no regular file"
    except OSError as error:
        content, problem = None, str(error.strerror)
    if content is None:
        raise PotatoError(
            f"The raw file {name} can't be read.",
            where=name,
            expected="a file",
            found=problem,
            hint="check that it is a file and that you may read it",
        )
    text, encoding = decode(content)
    first_line = text.split("\n", 1)[0]
    separator = separator or tell_separator(first_line)
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows: list[tuple[int, list[str]]] = []
    header: list[str] | None = None
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            if header is None:
                header = [cell.strip() for cell in cells]
            elif cells:
                _refuse_swallowed_rows(name, number, cells, separator, len(header))
                rows.append((number, cells))
    except csv.Error as error:
        raise PotatoError(
            f"The raw file {name} is not readable as CSV.",
            where=f"{name}, row {number + 1}",
            found=str(error),
            hint="mend that row, or take the file out of the folder",
        ) from None
    if not header or not any(header):
        raise PotatoError(
            f"The raw file {name} has no header line.",
            where=name,
            expected="column names in the first line",
            found="an empty file" if not content else "an empty first line",
            hint=f"write the header into {name}, or take the file out of the folder",
        )
    return RawFile(name, family, lake.file_sha256(path), encoding, separator, header, rows)


def _refuse_swallowed_rows(name: str, number: int, cells: list[str], separator: str, width: int) -> None:
    """Stop at a cell that holds whole rows: a quote in it opens and does not close where it was meant to."""
    for cell in cells:
        if "\n" in cell:
            rows = sum(line.count(separator) >= width - 1 for line in cell.splitlines()[1:])
            if width > 1 and rows:
                raise PotatoError(
                    f"A quote in {name} swallows the rows after it.",
                    where=f"{name}, row {number}",
                    expected="a quote that closes in its own cell",
                    found=f"a cell of {cell.count(chr(10)) + 1} lines that starts with {cell[:40]!r}",
                    hint="take out or close the quote in that row",
                )


@dataclass
class CSVLoader:
    """Reads a study's raw files, checks that they can be read at all, and keeps every row as text.

    Parameters
    ----------
    study : the name of a file in studies/, without its ending.
    """

    study: str
    files: list[RawFile] = field(default_factory=list)
    tables: dict[str, pa.Table] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)

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
        for family, mapping in self.settings.study.families().items():
            paths = sorted(p for p in raw.glob(mapping.files))
            if not paths:
                present = sorted(p.relative_to(raw).as_posix() for p in raw.rglob("*") if p.is_file())
                raise PotatoError(
                    f"The study has no {family} file.",
                    where=f"studies/{self.study}.yaml, {family}.files",
                    expected=f"data/raw/{self.study}/{mapping.files}",
                    found=", ".join(present[:8]) or "an empty folder",
                    nearest=nearest(mapping.files.replace("*", ""), present),
                    hint=f"put the file there, or correct {family}.files in studies/{self.study}.yaml",
                )
            for path in paths:
                name = path.relative_to(raw).as_posix()
                self.files.append(read_raw(path, name, family, mapping.separator))
        return self.files

    def basic_validation(self) -> dict[str, pa.Table]:
        """Check that each mapped column is there, and lay the rows out in the dictionary's columns, still as text."""
        for family in schema.FAMILIES:
            columns: dict[str, list[str | int | None]] = {name: [] for name in schema.BRONZE[family].names}
            for file in (f for f in self.files if f.family == family):
                self._append(columns, file)
            self.tables[family] = pa.table(columns, schema=schema.BRONZE[family].arrow())
        return self.tables

    def _append(self, columns: dict[str, list[str | int | None]], file: RawFile) -> None:
        mapping = self.settings.study.families()[file.family]
        positions = {field_: self._position(file, field_, name) for field_, name in mapping.columns.items()}
        width = len(file.header)
        extras = [(i, name) for i, name in enumerate(file.header) if i not in positions.values()]
        columns["source_file"] += [file.name] * len(file.rows)
        columns["source_row"] += [number for number, _ in file.rows]
        padded: list[list[str | None]] = [[*cells, *[None] * (width - len(cells))] for _, cells in file.rows]
        for name in schema.FAMILIES[file.family].names:
            position = positions.get(name)
            columns[name] += [None] * len(padded) if position is None else [cells[position] for cells in padded]
        columns["extra"] += [_extra(cells, extras, width) for cells in padded]

    def _position(self, file: RawFile, field_: str, name: str) -> int:
        folded = [h.casefold() for h in file.header]
        if folded.count(name.casefold()) > 1:
            raise PotatoError(
                f"{file.name} has the column {name!r} more than once.",
                where=f"studies/{self.study}.yaml, {file.family}.columns.{field_}",
                expected="one column of that name",
                found=", ".join(file.header),
                hint="give the columns of the raw file different names",
            )
        if name.casefold() not in folded:
            raise PotatoError(
                f"{file.name} has no column {name!r}.",
                where=f"studies/{self.study}.yaml, {file.family}.columns.{field_}",
                expected=name,
                found=", ".join(file.header),
                nearest=nearest(name, file.header),
                hint=f"correct {file.family}.columns.{field_} in studies/{self.study}.yaml",
            )
        return folded.index(name.casefold())

    def validate_schema(self) -> list[Verdict]:
        """Evaluate the contract of each bronze table; there must be a weight."""
        for family, table in self.tables.items():
            at_least = 1 if family == "weight" else 0
            self.verdicts += contracts.check(table, schema.BRONZE[family], at_least=at_least)
        return self.verdicts

    def ledger(self) -> dict[str, dict[str, object]]:
        """Return what was read from each raw file: family, rows_read, sha256, encoding and separator."""
        names = [file.name for file in self.files]
        return {
            # A file that holds two families is read twice, once for each.
            file.name if names.count(file.name) == 1 else f"{file.name} ({file.family})": {
                "file": file.name,
                "family": file.family,
                "rows_read": len(file.rows),
                "sha256": file.sha256,
                "encoding": file.encoding,
                "separator": file.separator,
            }
            for file in self.files
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
            lake.write(table, path)
            manifest.add_output(dataset.name, path, table, dataset)
            names = mapped[family].columns if family in mapped else {}
            manifest.column_lineage[dataset.name] = {
                field_: [
                    {"dataset": f"raw/{self.study}/{file.name}", "column": name}
                    for file in self.files
                    if file.family == family
                ]
                for field_, name in names.items()
            }
            manifest.metrics[f"rows_{family}"] = table.num_rows
        lake.write_json(lake.output("data/bronze/ledger.json"), {"files": self.ledger()})
        manifest.write()
        return manifest


def _extra(cells: list[str | None], extras: list[tuple[int, str]], width: int) -> str | None:
    found = {name or f"column {i + 1}": cells[i] for i, name in extras if cells[i] is not None}
    found |= {f"column {i + 1}": cell for i, cell in enumerate(cells[width:], start=width)}
    return json.dumps(found, ensure_ascii=False) if found else None

"""What the page Data quality shows: how each raw file was read, and where each of its rows went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from potato import lake, reasons, rules
from potato.families import FAMILIES
from potato.madestudies import IMPORTED, LISTS
from potato.markdown import code
from potato.snippets import EMPTY, cell, folded, html_table, numbered_table

MOST_ROWS = 50
_FOLDED_FROM = 20
_EXAMPLES = 3
_VALUE = 40
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_ORDERS = {"ymd": "year, month, day", "dmy": "day, month, year", "mdy": "month, day, year"}
_MARKS = {".": "point", ",": "comma"}

Header = Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class Findings:
    """What bronze and silver say of the raw files: both ledgers, and the rows and people that need a second look.

    `drift` is what the run that made silver found against the data before; None where its records are gone.
    """

    bronze: Mapping[str, Any]
    silver: Mapping[str, Any]
    quarantine: pa.Table
    flags: pa.Table
    subjects: pa.Table
    drift: Mapping[str, Any] | None = field(default=None)

    @classmethod
    def read(cls, root: Path, run: Mapping[str, Any]) -> Findings:
        """Read the published layers, and the drift from the run that, as `run` has it, made silver."""
        made_by = next((stage.get("run_id") for stage in run["stages"] if stage["stage"] == "silver"), None)
        drift = root / "runs" / str(made_by) / "contracts" / "drift.json"
        return cls(
            bronze=lake.read_json(root / "data/bronze/ledger.json"),
            silver=lake.read_json(root / "data/silver/ledger.json"),
            quarantine=lake.read(root / "data/quarantine"),
            flags=lake.read(root / "data/silver/flags"),
            subjects=lake.read(root / "data/silver/subjects"),
            drift=lake.read_json(drift) if drift.is_file() else None,
        )


def parts(findings: Findings) -> dict[str, str]:
    """Return the Markdown of the page's tables by name; a table without a row is left out."""
    made = {
        "ledger": _ledger(findings),
        "reading": _reading(findings),
        "values": _values(findings),
        "quarantine-reasons": _reasons(findings.quarantine, "reason"),
        "quarantine-examples": _examples(findings.quarantine),
        "flags": _reasons(findings.flags, "flag"),
        "people": _people(findings),
        "drift": _drift(findings),
        "drift-rows": _drift_rows(findings),
    }
    return {name: part for name, part in made.items() if part}


def variables(findings: Findings) -> dict[str, str]:
    """Return the sentences that the page names: files.not_used and drift.sentence."""
    drift = findings.drift or {"sentence": "The records of the run that made these data are not here any more."}
    return {
        "files.not_used": _not_used(findings.bronze.get("files_not_used", [])),
        "drift.sentence": drift["sentence"],
    }


def table(name: str, header: Header, rows: Sequence[Sequence[str]], label: str, caption: str, rest: str) -> str:
    """Return a numbered table of at most MOST_ROWS rows, folded where it is long; empty without a row.

    `rest` says where the rows are that are not shown.
    """
    if not rows:
        return ""
    cut = f" The first {MOST_ROWS} of {len(rows):,} are shown; all are in {rest}." if len(rows) > MOST_ROWS else ""
    block = numbered_table(name, html_table(header, rows[:MOST_ROWS], label), caption + cut)
    return folded(f"{label}: {len(rows):,} rows", block) if len(rows) > _FOLDED_FROM else block


def _ledger(findings: Findings) -> str:
    files = findings.silver["files"]

    def lost(name: str) -> int:
        return sum(files[name]["rows_quarantined"].values())

    # Of many files, those that lost the most are shown.
    names = sorted(files) if len(files) <= MOST_ROWS else sorted(files, key=lambda name: (-lost(name), name))
    rows = [
        [
            name,
            files[name]["family"],
            cell(files[name]["rows_read"], ",d"),
            cell(files[name]["rows_kept"], ",d"),
            cell(lost(name), ",d"),
            ", ".join(_counted(*entry) for entry in sorted(files[name]["rows_quarantined"].items())) or EMPTY,
            cell(sum(files[name].get("rows_flagged", {}).values()), ",d"),
        ]
        for name in names
    ]
    header = [("File", False), ("Holds", False), ("Rows read", True), ("Kept", True), ("Set aside", True)]
    header += [("Why", False), ("Remarks", True)]
    caption = "Rows read are rows kept plus rows set aside, in every file. A row that is kept may have remarks."
    return table("ledger", header, rows, "Rows by file", caption, "data/silver/ledger.json")


def _counted(reason: str, rows: int) -> str:
    return f"{rows:,} {reason.replace('_', ' ')}"


def _reading(findings: Findings) -> str:
    """Return how the bytes of the files were read."""
    rows = _alike(
        (
            name,
            read["family"],
            read["encoding"],
            _SEPARATORS.get(read["separator"], read["separator"] or EMPTY),
            cell(read.get("header_row"), ",d"),
            ", ".join(_short(column) for column in read.get("columns_not_used", [])) or EMPTY,
        )
        for name, read in sorted(findings.bronze["files"].items())
    )
    header = [("Files", False), ("Hold", False), ("Encoding", False), ("Separator", False), ("Header in row", True)]
    header += [("Columns not used", False)]
    caption = "How the files were read. Columns that are not used are kept in bronze."
    return table("reading", header, rows, "How files were read", caption, "data/bronze/ledger.json")


def _values(findings: Findings) -> str:
    """Return in which order the dates are, and what stands before decimals, with what tells it."""
    rows = _alike(
        (name, file["family"], *_told(file, "date_order", "date", _ORDERS), *_told(file, "decimal", "decimal", _MARKS))
        for name, file in sorted(findings.silver["files"].items())
        if file.get("date_evidence") or file.get("decimal_evidence")
    )
    header = [("Files", False), ("Hold", False), ("Date", False), ("Told by", False), ("Decimal", False)]
    header += [("Told by", False)]
    caption = "The order of the parts of a date and the mark before decimals, and what tells them."
    return table("values", header, rows, "How dates and numbers were read", caption, "data/silver/ledger.json")


def _told(file: Mapping[str, Any], what: str, evidence: str, names: Mapping[str, str]) -> tuple[str, str]:
    why = file.get(f"{evidence}_evidence")
    untold = reasons.NEEDLESS_ORDERS.get(why, "not told") if why else EMPTY
    return names.get(file.get(what) or "", untold), why or EMPTY


def _alike(rows: Iterable[tuple[str, ...]]) -> list[list[str]]:
    """Return the rows with the names of all files (the first cell) that are otherwise alike in one."""
    names: dict[tuple[str, ...], list[str]] = {}
    for name, *rest in rows:
        names.setdefault(tuple(rest), []).append(name)
    return [[_files(files), *rest] for rest, files in names.items()]


def _files(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _reasons(rows: pa.Table, kind: str) -> str:
    """Return how many rows of quarantine (`kind` reason) or of the flags (flag) have each reason, and an example."""
    keys = ["family", "column", kind, "rule"]
    # One thread, so that `first` is the first in the order of files and rows.
    grouped = rows.group_by(keys, use_threads=False).aggregate(
        [([], "count_all"), ("source_file", "count_distinct"), ("source_file", "first"), ("source_row", "first")]
    )
    found = sorted(grouped.to_pylist(), key=lambda row: (row["family"], -row["count_all"], row[kind], row["column"]))
    shown = [
        [
            row["family"],
            row[kind].replace("_", " "),
            row["rule"].replace("`", ""),
            row["column"],
            cell(row["count_all"], ",d"),
            cell(row["source_file_count_distinct"], ",d"),
            f"{row['source_file_first']}, row {row['source_row_first']}",
        ]
        for row in found
    ]
    header = [("Holds", False), ("Reason" if kind == "reason" else "Remark", False), ("Rule", False)]
    header += [("Column", False), ("Rows", True), ("Files", True), ("First", False)]
    if kind == "reason":
        caption = "Rows that were set aside, by reason, with the rule that they break and the first place."
        return table("quarantine-reasons", header, shown, "Reasons", caption, "data/quarantine")
    caption = "Rows that are kept and deserve a second look, by remark, with the rule and the first place."
    return table("flags", header, shown, "Remarks", caption, "data/silver/flags")


def _examples(quarantine: pa.Table) -> str:
    """Return the first rows of each reason."""
    rows = []
    for row in _first_of_each(quarantine):
        place = [row["source_file"], cell(row["source_row"], "d"), _short(row["subject_id"])]
        rows.append([*place, row["column"], _short(row["value"]), row["reason"].replace("_", " ")])
    header = [("File", False), ("Row", True), ("Who", False), ("Column", False), ("Text", False), ("Reason", False)]
    caption = f"Up to {_EXAMPLES} rows for each reason, with the text that the file has in that column."
    return table("quarantine-examples", header, rows, "Examples", caption, "data/quarantine")


def _first_of_each(quarantine: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    pairs = quarantine.group_by(["family", "reason"]).aggregate([]).to_pylist()
    for pair in sorted(pairs, key=lambda pair: (pair["family"], pair["reason"])):
        of_reason = pc.and_(*(pc.equal(quarantine[name], pair[name]) for name in ("family", "reason")))
        rows += quarantine.filter(of_reason).slice(0, _EXAMPLES).to_pylist()
    return rows


def _people(findings: Findings) -> str:
    """Return who is not in every family, and whose unit nothing tells."""
    absent = rules.absent_families(findings.subjects)
    untold = rules.units_not_told(findings.quarantine)
    held = {file["family"] for file in findings.silver["files"].values()}
    used = [family for family in FAMILIES if family in held]
    rows = []
    for person in findings.subjects.to_pylist():
        who = person["subject_id"]
        said = [f"no {family}" for family in absent.get(who, ())]
        said += ["the unit of their weights is not told"] if untold.get(who) else []
        if said:
            counts = [cell(person[f"{family}_rows"], ",d") for family in used]
            rows.append([_short(who), "; ".join(said), *counts, cell(person["quarantined_rows"], ",d")])
    header = [("Who", False), ("What is missing", False), *((f"Rows of {family}", True) for family in used)]
    header += [("Set aside", True)]
    caption = "People who have no usable row in one of the study's kinds of files, or whose weights have no known unit."
    return table("people", header, rows, "People with something missing", caption, "data/silver/subjects")


def _drift(findings: Findings) -> str:
    """Return how the numbers of silver moved against the last accepted data, those that did first."""
    found = findings.drift["columns"] if findings.drift else []
    order = {verdict: place for place, verdict in enumerate(("shifted", "moved", "stable", "too few"))}
    rows = [
        [
            entry["column"],
            entry["dataset"].removeprefix("silver/"),
            entry["verdict"],
            cell(entry["mean_before"], ",.3g"),
            cell(entry["mean"], ",.3g"),
            entry["unit"] or EMPTY,
            cell(entry["psi"], ".2f"),
            cell(entry["psi_by_chance"], ".2f"),
            cell(entry["ks"], ".2f"),
            cell(entry["p_holm"], "p"),
            cell(entry["n_before"], ",d"),
            cell(entry["n"], ",d"),
            cell(entry["missing_before"], ".0%"),
            cell(entry["missing"], ".0%"),
        ]
        for entry in sorted(found, key=lambda entry: order[entry["verdict"]])
    ]
    header = [("Column", False), ("Dataset", False), ("Verdict", False), ("Mean before", True), ("Mean now", True)]
    header += [("Unit", False), ("PSI", True), ("PSI by chance", True), ("KS", True), ("p", True)]
    header += [("Values before", True), ("Now", True), ("Missing before", True), ("Now", True)]
    caption = (
        "Each numeric column against the last accepted data. PSI is the population stability index over the"
        " deciles of the data before, beside what chance alone gives with so few values; KS is the largest distance of"
        " the two distributions, with its p-value corrected for the number of columns."
    )
    return table("drift", header, rows, "Columns compared", caption, "the run's contracts/drift.json")


def _drift_rows(findings: Findings) -> str:
    counts = findings.drift["rows"] if findings.drift else {}
    rows = [[what.replace("_", " "), cell(before, ",d"), cell(now, ",d")] for what, (before, now) in counts.items()]
    header = [("Rows", False), ("Before", True), ("Now", True)]
    caption = "Rows kept, and rows set aside by reason, in the last accepted data and in these."
    return table("drift-rows", header, rows, "Rows before and now", caption, "the run's contracts/drift.json")


def _not_used(names: Sequence[str]) -> str:
    own = [name for name in names if name in LISTS] if IMPORTED in names else []
    names = [name for name in names if name not in own]
    listed = " and ".join(", ".join(f"`{name}`" for name in own).rsplit(", ", 1))
    told = f"{listed} {'is' if len(own) == 1 else 'are'} what the import of workbooks lists beside its weights."
    if not names:
        return told if own else ""
    more = f" and {len(names) - MOST_ROWS:,} more" if len(names) > MOST_ROWS else ""
    counted = "1 file of the study's folder is" if len(names) == 1 else f"{len(names):,} files of the folder are"
    return (
        f"{counted} not used: {', '.join(code(name) for name in names[:MOST_ROWS])}{more}.{f' {told}' if own else ''}"
    )


def _short(text: str | None) -> str:
    """Return a text of a raw file on one line of at most _VALUE letters; a dash where there is none."""
    if not text:
        return EMPTY
    flat = " ".join(text[: 4 * _VALUE].split()) or repr(text[:_VALUE])
    return flat if len(flat) <= _VALUE and len(text) <= 4 * _VALUE else f"{flat[: _VALUE - 1]}…"

"""What became of each raw row: counts by file and reason, flags by file, and the proof that no row was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from potato import conflicts, filerows, schema
from potato.errors import PotatoError
from potato.evidence import FileEvidence
from potato.filerows import Place

Reasons = dict[Place, dict[str | None, int]]
"""Rows of a file by the reason why they are set aside, the kept ones under None."""

COUNTS = pa.schema(
    [("family", pa.string()), ("source_file", pa.string()), ("reason", pa.string()), ("rows", pa.int64())]
)


@dataclass(frozen=True)
class Accounts:
    """What silver counted of each (family, source file), to be held against what bronze read.

    Attributes
    ----------
    reasons : rows by reason, the kept ones under None.
    distinct : different raw rows that the cleaned rows speak of.
    quarantined : rows of the file in the quarantine.
    flagged : rows by flag.
    days_left_out : person-days that the intake averages leave out because a row of the file is set aside.
    """

    reasons: Reasons
    distinct: dict[Place, int]
    quarantined: dict[Place, int]
    flagged: dict[Place, dict[str, int]]
    days_left_out: dict[Place, int]

    def table(self) -> pa.Table:
        """Return family, source_file, reason (missing where kept) and rows, sorted."""
        rows = [
            {"family": family, "source_file": file, "reason": reason, "rows": n}
            for (family, file), reasons in sorted(self.reasons.items())
            for reason, n in sorted(reasons.items(), key=lambda item: item[0] or "")
        ]
        return pa.Table.from_pylist(rows, COUNTS)

    def of_family(self, family: str) -> dict[str, int]:
        """Return how many rows of a family each reason set aside, sorted by reason."""
        found: Counter[str] = Counter()
        for (name, _), reasons in self.reasons.items():
            if name == family:
                found.update({reason: n for reason, n in reasons.items() if reason})
        return dict(sorted(found.items()))

    def ledger(self, read: dict[str, dict[str, Any]], told: list[FileEvidence]) -> dict[str, dict[str, Any]]:
        """Return, by the names of bronze's ledger `read`, what became of each file's rows and how they were read.

        Raises
        ------
        PotatoError
            when a file's rows are not all either kept or quarantined, once each.
        """
        evidence = {(file.family, file.source_file): asdict(file) for file in told}
        files = {}
        for name, source in read.items():
            place = filerows.place(source)
            reasons = self.reasons.get(place, {})
            found = {
                "file": source["file"],
                "family": source["family"],
                "rows_read": source["rows_read"],
                "rows_kept": reasons.get(None, 0),
                "rows_quarantined": {reason: n for reason, n in reasons.items() if reason},
                "rows_flagged": self.flagged.get(place, {}),
                "days_left_out": self.days_left_out.get(place, 0),
            }
            self._prove(name, place, found)
            hows = ("date_order", "date_evidence", "decimal", "decimal_evidence")
            files[name] = found | {how: evidence.get(place, {}).get(how) for how in hows}
        return files

    def _prove(self, name: str, place: Place, file: dict[str, Any]) -> None:
        read, kept, quarantined = file["rows_read"], file["rows_kept"], sum(file["rows_quarantined"].values())
        distinct, held = self.distinct.get(place, 0), self.quarantined.get(place, 0)
        if not read == kept + quarantined == distinct or quarantined != held:
            raise PotatoError(
                f"Rows of {name} were lost on the way.",
                where="data/silver/ledger.json",
                expected=f"{read} rows read, each of them once",
                found=f"{kept} kept and {quarantined} quarantined, of {distinct} different rows; {held} in quarantine",
                hint="this is a fault of the pipeline: please report it with the raw file",
            )


@ibis.udf.agg.builtin(name="bit_or")  # type: ignore[untyped-decorator]
def _bit_or(bits: int) -> int:  # type: ignore[empty-body]
    """Return the engine's own bit_or: Ibis has one too, but no rule that writes it for Spark."""


def tally(families: Mapping[str, ir.Table]) -> tuple[Reasons, dict[Place, int]]:
    """Return the cleaned rows of each file by reason, and how many different raw rows they speak of.

    Each of 32 raw rows in a row is a bit: an engine that counts different values keeps each of them, and here nearly
    all are different.
    """
    reasons: Reasons = {}
    distinct: dict[Place, int] = {}
    for name, rows in families.items():
        bit = ibis.literal(1, "int64") << (rows.source_row & 31).cast("int64")
        by = ["source_file", "reason"]
        blocks = rows.group_by(*by, block=rows.source_row >> 5).aggregate(rows=rows.count(), seen=_bit_or(bit))
        found = blocks.to_pyarrow().sort_by([("source_file", "ascending"), ("block", "ascending")])
        counted = found.group_by(by).aggregate([("rows", "sum")]).sort_by([(column, "ascending") for column in by])
        for row in counted.to_pylist():
            reasons.setdefault((name, row["source_file"]), {})[row["reason"]] = row["rows_sum"]
        distinct |= {(name, file): n for file, n in _bits(found).items()}
    return reasons, distinct


def _bits(blocks: pa.Table) -> dict[str, int]:
    """Return for each file how many bits are set in its blocks, which are sorted; a block stands once for a reason."""
    if not blocks.num_rows:
        return {}
    files = blocks["source_file"].combine_chunks().dictionary_encode()
    place = np.stack([files.indices.to_numpy(), blocks["block"].to_numpy()])
    first = np.flatnonzero(np.any(np.diff(place, axis=1, prepend=-1), axis=0))
    counts = np.bitwise_count(np.bitwise_or.reduceat(blocks["seen"].to_numpy(), first))
    return dict(
        zip(files.dictionary.to_pylist(), np.bincount(place[0, first], counts).astype(int).tolist(), strict=True)
    )


def _days_left_out(nutrition: ir.Table) -> dict[str, int]:
    entries = nutrition.filter(nutrition.reason.isnull())
    days = conflicts.incomplete_days(nutrition).semi_join(entries, ["subject_id", "day_number"])
    counted = days.group_by("source_file").aggregate(days=days.count()).to_pyarrow().to_pylist()
    return {row["source_file"]: row["days"] for row in counted}


def count(
    families: Mapping[str, ir.Table],
    tallied: tuple[Reasons, dict[Place, int]],
    quarantined: pa.Table,
    flagged: dict[Place, dict[str, int]],
) -> Accounts:
    """Count the cleaned rows of each file.

    `tallied` is the result of `tally`, `quarantined` the quarantine; `flagged` counts the flags.
    """
    reasons, distinct = tallied
    left_out = _days_left_out(families["nutrition"]) if "nutrition" in _with_reasons(reasons) else {}
    return Accounts(
        reasons=reasons,
        distinct=distinct,
        quarantined=filerows.counted(quarantined),
        flagged=flagged,
        days_left_out={("nutrition", file): days for file, days in left_out.items()},
    )


def _with_reasons(reasons: Reasons) -> list[str]:
    """Return the families of which a row is set aside."""
    return sorted({family for (family, _), counts in reasons.items() if counts.keys() - {None}})


def quarantine(families: Mapping[str, ir.Table], reasons: Reasons) -> pa.Table:
    """Return schema.QUARANTINE: the rows with a reason, in the order of files and rows.

    `reasons` is of the result of `tally`: a family without any is not looked through.
    """
    parts = [set_aside(name, families[name]) for name in _with_reasons(reasons)]
    if not parts:
        return schema.QUARANTINE.arrow().empty_table()
    every = ibis.union(*parts).order_by(["source_file", "source_row", "family"])
    return every.to_pyarrow().cast(schema.QUARANTINE.arrow())


def set_aside(family: str, rows: ir.Table) -> ir.Table:
    """Return the rows of a family that have a reason, in the columns of schema.QUARANTINE."""
    return rows.filter(rows.reason.notnull()).mutate(family=ibis.literal(family)).select(schema.QUARANTINE.names)

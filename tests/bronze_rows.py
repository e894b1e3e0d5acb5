"""Bronze tables from a few rows, and what cleaning makes of them, without files and stages in between."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import ibis
import pyarrow as pa

from potato import cleaning, evidence, schema
from potato.families import FAMILIES
from potato.study import Study

WEIGHT: dict[str, Any] = {"files": "*", "unit": "kg", "columns": {"subject_id": "s", "date": "d", "weight": "w"}}
NUTRITION: dict[str, Any] = {
    "files": "*",
    "columns": {"subject_id": "s", "date": "d", "food": "f", "amount_g": "g", "energy_kcal": "e"},
}
TODAY = 20_000  # 2024-10-04


@dataclass(frozen=True)
class Cleaned:
    """What cleaning says of one family: the evidence, the judged rows in file order, and the remarks."""

    evidence: evidence.Evidence
    rows: list[dict[str, Any]]
    remarks: list[dict[str, Any]]

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]

    @property
    def dates(self) -> list[str | None]:
        first = dt.date(1970, 1, 1)
        return [None if n is None else str(first + dt.timedelta(n)) for n in self.column("day_number")]


def study(**changes: Any) -> Study:
    return Study.model_validate({"title": "t", "description": "d", "weight": WEIGHT} | changes)


def bronze(connection: ibis.BaseBackend, **families: list[dict[str, Any]]) -> dict[str, ibis.Table]:
    """Return bronze's tables; a row says what it needs to, and is otherwise a good row of f.csv."""
    tables = {}
    for name, dataset in schema.BRONZE.items():
        rows = []
        for number, row in enumerate(families.get(name, []), start=2):
            good = {"source_file": "f.csv", "source_row": number, "subject_id": "a", "date": "2022-05-01", "day": "1"}
            good |= {"weight": "80"} if name == "weight" else {"energy_kcal": "100"} if name == "nutrition" else {}
            rows.append(dict.fromkeys(dataset.names) | good | row)
        found = pa.Table.from_pylist(rows, schema=pa.schema([pa.field(f.name, f.type) for f in dataset.arrow()]))
        tables[name] = connection.create_table(name, ibis.memtable(found))
    return tables


def clean(description: Study, family: str, rows: list[dict[str, Any]], today: int = TODAY) -> Cleaned:
    """Take the rows of one family through evidence and cleaning."""
    connection = ibis.duckdb.connect(threads=1)
    tables = bronze(connection, **{family: rows})
    told = evidence.gather(tables, description)
    of, mapping = FAMILIES[family], description.mapping(family)
    typed = connection.create_table("typed", cleaning.typed(tables[family], of, mapping, description, told))
    judged = cleaning.judged(typed, of, mapping, description, today)
    remarks = cleaning.remarks(typed, of, mapping, description)
    by = ["source_file", "source_row"]
    return Cleaned(
        told, judged.order_by(by).to_pyarrow().to_pylist(), remarks.order_by([*by, "flag"]).to_pyarrow().to_pylist()
    )


def clean_each(description: Study, family: str, cases: Sequence[list[dict[str, Any]]]) -> list[Cleaned]:
    """Take cases through cleaning at once; files and people of their own keep each from telling of another."""
    rows = [
        row
        | {"source_file": f"{n:03}/{row.get('source_file', 'f.csv')}", "subject_id": f"{n}{row.get('subject_id', 'a')}"}
        for n, case in enumerate(cases)
        for row in case
    ]
    found = clean(description, family, rows)
    return [
        Cleaned(
            replace(found.evidence, files=[f for f in found.evidence.files if f.source_file.startswith(f"{n:03}/")]),
            [row for row in found.rows if row["source_file"].startswith(f"{n:03}/")],
            [row for row in found.remarks if row["source_file"].startswith(f"{n:03}/")],
        )
        for n in range(len(cases))
    ]


def weights(*texts: object, **changes: Any) -> Cleaned:
    """Clean one person's weights of successive days."""
    first = dt.date(2022, 5, 1)
    rows = [{"date": str(first + dt.timedelta(n)), "weight": text} for n, text in enumerate(texts)]
    return clean(study(weight=WEIGHT | changes), "weight", rows)


def entries(*texts: object, column: str = "energy_kcal", **changes: Any) -> Cleaned:
    """Clean diary entries of one person and day, by what one column says."""
    rows = [{"food": "rice", column: text} for text in texts]
    return clean(study(nutrition=NUTRITION | changes), "nutrition", rows)


def dated(*texts: object, **changes: Any) -> Cleaned:
    """Clean one person's weights of these dates."""
    return clean(study(**changes), "weight", [{"date": text} for text in texts])

"""What a stage's kernel tells the stage: one deterministic JSON file, published with the layer that it describes."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from potato import lake, redaction, schema, spans

PATHS = {
    "bronze": "data/bronze/manifest.json",
    "silver": "data/silver/manifest.json",
    "gold": "data/gold/reports/manifest.json",
}
MISSED = "potato.missed"
"""The attribute of a contract's span that tells which expectations missed: for each a line of `told`."""
LEDGERS = {"bronze": "data/bronze/ledger.json", "silver": "data/silver/ledger.json"}


@dataclass(frozen=True)
class Verdict:
    """What one expectation of a contract found.

    `severity` error stops the stage, warning passes and shows; `sentence` is for the reader of the report.
    """

    dataset: str
    expectation: str
    column: str
    severity: str
    success: bool
    observed: str
    unexpected_count: int
    sentence: str


def counted(verdicts: Sequence[Verdict]) -> dict[str, int | str]:
    """Return what the span of a contract says of its verdicts: how many there are, how many missed, and which."""
    missed = [verdict for verdict in verdicts if not verdict.success]
    which = {MISSED: "\n".join(told(v.dataset, v.sentence, v.observed) for v in missed)} if missed else {}
    return which | {
        "potato.expectations": len(verdicts),
        "potato.warnings": sum(verdict.severity == "warning" for verdict in missed),
        "potato.failures": sum(verdict.severity == "error" for verdict in missed),
    }


def told(dataset: str, sentence: str, observed: str) -> str:
    """Return what an expectation asked and what was found instead, on one line."""
    return " ".join(f"{dataset}: {sentence} Found: {observed}".split())


def code_fingerprint(root: Path, stage: str) -> str:
    """Return the sha256 over the modules and the notebook that dvc.yaml lists as the stage's dependencies."""
    deps = yaml.safe_load((root / "dvc.yaml").read_text())["stages"][stage]["deps"]
    digest = hashlib.sha256()
    for dep in sorted(d for d in deps if d.endswith((".py", ".ipynb"))):
        digest.update(f"{dep}\0{lake.file_sha256(root / dep)}\n".encode())
    return digest.hexdigest()


@dataclass
class Manifest:
    """Datasets read and written, their schemas and sources, contract verdicts and metrics of one stage.

    `column_lineage` has for each dataset and column the sources of its values, `row_lineage` for each dataset those
    that decide on which rows it has; see potato.columns.
    """

    stage: str
    study: str
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    column_lineage: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    row_lineage: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    contracts: list[Verdict] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)

    def add_input(self, name: str, path: Path) -> None:
        """Note that the stage read `name`, with the fingerprint of what it read."""
        self.inputs[name] = lake.fingerprint(path)

    @contextlib.contextmanager
    def output(self, name: str, path: Path, table: pa.Table, dataset: schema.Dataset | None = None) -> Iterator[None]:
        """Note that the stage writes `table` as `name` to `path`, which the block does."""
        meanings = {column.name: column.meaning for column in dataset.columns} if dataset else {}
        with spans.span(f"save {name}", **{"potato.dataset": name, "potato.rows": table.num_rows}) as told:
            yield
            fingerprint = lake.fingerprint(path)
            told["potato.bytes"] = lake.size(path)
        self.outputs[name] = {
            "rows": table.num_rows,
            "fingerprint": fingerprint,
            "schema": [
                {"name": f.name, "type": str(f.type), "description": meanings.get(f.name, "")} for f in table.schema
            ],
        }

    def write(self) -> Path:
        """Write the manifest where the stage looks for it and return its path; the layer's ledger is written before.

        The ledger is what proves that no row was lost: its fingerprint is kept as those of the datasets are.
        """
        path = lake.output(PATHS[self.stage])
        content = redaction.clean(asdict(self), redaction.FORM) | {"code": code_fingerprint(lake.root(), self.stage)}
        if self.stage in LEDGERS:
            content["ledger"] = lake.fingerprint(lake.output(LEDGERS[self.stage]))
        lake.write_json(path, content)
        return path

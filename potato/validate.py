"""The contracts alone, on the data that are published: `potato validate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from potato import contracts, lake, manifest, redaction, rules, run, schema
from potato.contracts import Rule
from potato.errors import PotatoError, nearest
from potato.manifest import Verdict
from potato.shares import Files

_LAYERS: dict[str, tuple[list[schema.Dataset], Callable[[rules.Tables, Files], list[Verdict]]]] = {
    "bronze": (list(schema.BRONZE.values()), rules.bronze),
    "silver": ([*schema.SILVER.values(), schema.QUARANTINE], rules.silver),
}


@dataclass(frozen=True)
class Validation:
    """What the contracts found: verdicts by layer, and the folder in which they are kept as JSON."""

    verdicts: Mapping[str, list[Verdict]]
    folder: Path

    @property
    def failed(self) -> bool:
        """Whether an expectation of severity error does not hold."""
        return any(contracts.failures(found) for found in self.verdicts.values())


def validate(root: Path, layer: str | None = None) -> Validation:
    """Evaluate the contracts of one layer, or of bronze and silver, on what is published.

    The verdicts are kept in runs/RUN_ID/contracts/, under a run of its own which runs/latest does not point at.

    Raises
    ------
    PotatoError
        for a layer that has no contract, and where the data are missing or can't be read.
    """
    if layer is not None and layer not in _LAYERS:
        raise PotatoError(
            f"There is no contract of {layer!r}.",
            expected=f"one of {', '.join(_LAYERS)}",
            found=layer,
            nearest=nearest(layer, _LAYERS),
            hint="type `potato validate`, which checks both",
        )
    verdicts = {name: _layer(root, name) for name in ([layer] if layer else _LAYERS)}
    folder = run.current(root, latest=False).folder / "contracts"
    for name, found in verdicts.items():
        lake.write_json(
            folder / f"{name}.json", redaction.clean([asdict(verdict) for verdict in found], redaction.FORM)
        )
    return Validation(verdicts, folder)


def tables(validation: Validation) -> list[Table]:
    """Return for the terminal how many checks hold and, where some don't, which."""
    counts = Table(title="Contracts", title_justify="left")
    for heading in ("layer", "checks", "passed", "warnings", "failed"):
        counts.add_column(heading, justify="left" if heading == "layer" else "right")
    missed = Table(title="What did not pass", title_justify="left", show_lines=True)
    for heading in ("result", "dataset", "what is checked", "found"):
        missed.add_column(heading, overflow="fold")
    for layer, found in validation.verdicts.items():
        failed = contracts.failures(found)
        against = sorted((v for v in found if not v.success), key=lambda v: v.severity != "error")
        warned = len(against) - len(failed)
        counts.add_row(layer, *(f"{n:,}" for n in (len(found), len(found) - len(against), warned, len(failed))))
        for v in against:
            result = "failed" if v.severity == "error" else "warning"
            count = f" ({v.unexpected_count:,})" if v.unexpected_count else ""
            # A value of a raw file may hold brackets, which rich would take for markup.
            missed.add_row(result, v.dataset, Text(v.sentence), Text(f"{v.observed}{count}"))
    return [counts, missed] if missed.rows else [counts]


def _layer(root: Path, layer: str) -> list[Verdict]:
    datasets, check = _LAYERS[layer]
    ledger = root / manifest.LEDGERS[layer]
    if not ledger.is_file():
        raise PotatoError(
            f"There are no {layer} data yet.",
            where=f"data/{layer}",
            expected="what a run of the pipeline published",
            found="nothing",
            hint=f"type `dvc repro {layer}`, or `make run` for the whole report",
        )
    content = {dataset.name.rpartition("/")[2]: lake.read(_path(root, dataset.name)) for dataset in datasets}
    made = [_as_made(root, layer), *([_rows_of_bronze(root)] if layer == "silver" else [])]
    return check(content, lake.read_json(ledger)["files"]) + contracts.hold(made)


def _as_made(root: Path, layer: str) -> Rule:
    """Return the rule that nothing was changed since the stage wrote it."""
    said: dict[str, Any] = lake.read_json(root / manifest.PATHS[layer])
    changed = {
        name: float(lake.fingerprint(_path(root, name)) != out["fingerprint"]) for name, out in said["outputs"].items()
    }
    ledger = lake.fingerprint(root / manifest.LEDGERS[layer])
    changed[f"{layer}/ledger"] = float(ledger != said.get("ledger"))
    sentence = "The data and the ledger are, byte for byte, those that the stage wrote."
    return Rule("data_as_made", f"{layer}/manifest", "error", sentence, changed, high=0)


def _rows_of_bronze(root: Path) -> Rule:
    """Return the rule that silver took up each row that bronze read."""
    read, taken = (
        {name: int(file["rows_read"]) for name, file in lake.read_json(root / path)["files"].items()}
        for path in (manifest.LEDGERS["bronze"], manifest.LEDGERS["silver"])
    )
    apart = {name: float(abs(read.get(name, 0) - taken.get(name, 0))) for name in sorted({*read, *taken})}
    sentence = "Silver counts as many rows of each raw file as bronze read."
    return Rule("silver_reads_what_bronze_read", "silver/ledger", "error", sentence, apart, high=0, shown=",.0f")


def _path(root: Path, dataset: str) -> Path:
    return root / "data" / dataset

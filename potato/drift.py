"""Drift: how the numbers of silver moved against the last accepted data of the same study. Reported, never a stop.

Two measures are taken for each numeric column. The population stability index (PSI) compares the shares of values in
the bins between the reference's deciles, sum((now - before) * ln(now / before)); half a value is added to each bin, so
that an empty one gives a number (as in credit scoring, e.g. N. Siddiqi, Credit Risk Scorecards, 2006, which calls more
than 0.25 a shift). The two-sample Kolmogorov-Smirnov test asks whether both could be drawn from one distribution; its
p-values are corrected for the number of columns by Holm's method. Without any change PSI is about
(bins - 1) * (1 / n before + 1 / n now), so that small samples alone give large values: that number stands beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from potato import lake, schema
from potato.errors import PotatoError

if TYPE_CHECKING:
    import numpy as np

    Values = np.ndarray[tuple[int], np.dtype[np.float64]]

COMPARED = (schema.WEEKLY_FEATURES, schema.SUBJECT_TRAJECTORIES, schema.MODELING_DATASET)
PSI_SHIFTED = 0.25
P_SHIFTED = 0.01
LEAST_VALUES = 10  # fewer on either side tell nothing of a distribution
_SMOOTHING = 0.5
_BEYOND_CHANCE = 2.0


def against_published(published: Path, staged: Path, study: str) -> dict[str, Any]:
    """Compare a new silver layer with the one that it replaces, and return what drift.json holds.

    `status` is first (no data before), other_study, unreadable, unchanged or compared; with compared come `columns`,
    one entry for each numeric column with its verdict (shifted, moved, stable or too few), and `rows`: the counts of
    rows kept and of rows quarantined by reason, before and now.

    Parameters
    ----------
    published, staged : the folder data/silver as it is published, and as the stage has just written it.
    study : the study that the stage ran on.
    """
    if not (published / "manifest.json").is_file():
        return _without("first", "These are the first data of the study here: there is nothing to compare them with.")
    try:
        before, now = lake.read_json(published / "manifest.json"), lake.read_json(staged / "manifest.json")
        if before["study"] != study:
            said = f"The data before these were of the study {before['study']}: there is nothing to compare with."
            return _without("other_study", said)
        if _fingerprints(before) == _fingerprints(now):
            return _without("unchanged", "The data are the same as the last accepted ones, byte for byte.")
        columns = compare(_tables(published), _tables(staged))
        rows = _rows(lake.read_json(published / "ledger.json"), lake.read_json(staged / "ledger.json"))
    except (PotatoError, KeyError) as error:
        return _without("unreadable", f"The data before these can't be compared: {str(error).splitlines()[0]}")
    return {"status": "compared", "sentence": _sentence(columns), "columns": columns, "rows": rows}


def compare(before: dict[str, pa.Table], now: dict[str, pa.Table]) -> list[dict[str, Any]]:
    """Return for each numeric column of the compared datasets how it moved, in the dictionary's order."""
    found = []
    for dataset in COMPARED:
        old, new = before[dataset.name], now[dataset.name]
        for column in dataset.columns:
            if column.type != pa.string() and {column.name} <= {*old.column_names} & {*new.column_names}:
                entry = _measure(_numbers(old[column.name]), _numbers(new[column.name]))
                missing = {"missing_before": _missing(old[column.name]), "missing": _missing(new[column.name])}
                found.append({"dataset": dataset.name, "column": column.name, "unit": column.unit} | entry | missing)
    _judge(found)
    return found


def psi(before: Values, now: Values) -> tuple[float, float]:
    """Return the population stability index and what chance alone gives; both in natural units of information."""
    import numpy as np

    edges = np.unique(np.quantile(before, np.arange(0.1, 0.95, 0.1)))
    bins = len(edges) + 1
    shares = []
    for values in (before, now):
        counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=bins)
        shares.append((counts + _SMOOTHING) / (len(values) + _SMOOTHING * bins))
    index = float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))
    return index, (bins - 1) * (1 / len(before) + 1 / len(now))


def _measure(before: Values, now: Values) -> dict[str, Any]:
    entry: dict[str, Any] = {"n_before": len(before), "n": len(now)}
    entry |= {"mean_before": float(before.mean()) if len(before) else None}
    entry |= {"mean": float(now.mean()) if len(now) else None}
    entry |= dict.fromkeys(("psi", "psi_by_chance", "ks", "p", "p_holm"))
    if min(len(before), len(now)) >= LEAST_VALUES:
        from scipy import stats

        # The exact p-value takes seconds at some thousand values; the asymptotic one is close from a few dozen on.
        test = stats.ks_2samp(before, now, method="asymp")
        index, chance = psi(before, now)
        entry |= {"psi": index, "psi_by_chance": chance, "ks": float(test.statistic), "p": float(test.pvalue)}
    return entry


def _judge(columns: list[dict[str, Any]]) -> None:
    """Add Holm's p-values and the verdicts."""
    tested = sorted((entry for entry in columns if entry["p"] is not None), key=lambda entry: entry["p"])
    largest = 0.0
    for rank, entry in enumerate(tested):
        largest = max(largest, min(1.0, entry["p"] * (len(tested) - rank)))
        entry["p_holm"] = largest
    for entry in columns:
        if entry["p"] is None:
            entry["verdict"] = "too few"
            continue
        unlike = entry["p_holm"] < P_SHIFTED
        far = entry["psi"] > PSI_SHIFTED
        beyond_chance = far and entry["psi"] > _BEYOND_CHANCE * entry["psi_by_chance"]
        entry["verdict"] = "shifted" if unlike and far else "moved" if unlike or beyond_chance else "stable"


def _sentence(columns: list[dict[str, Any]]) -> str:
    shifted = [f"{e['column']} ({e['dataset'].removeprefix('silver/')})" for e in columns if e["verdict"] == "shifted"]
    tested = sum(entry["p"] is not None for entry in columns)
    if not tested:
        return f"There are fewer than {LEAST_VALUES} values a column: too few to compare."
    if not shifted:
        return f"None of {tested} columns shifted against the last accepted data."
    named = ", ".join(shifted[:4]) + (f" and {len(shifted) - 4} more" if len(shifted) > 4 else "")
    return f"{len(shifted)} of {tested} columns shifted against the last accepted data: {named}."


def _without(status: str, sentence: str) -> dict[str, Any]:
    return {"status": status, "sentence": sentence, "columns": [], "rows": {}}


def _fingerprints(document: dict[str, Any]) -> dict[str, str]:
    return {name: out["fingerprint"] for name, out in document["outputs"].items()}


def _tables(folder: Path) -> dict[str, pa.Table]:
    return {dataset.name: lake.read(folder / dataset.name.removeprefix("silver/")) for dataset in COMPARED}


def _numbers(column: pa.ChunkedArray) -> Values:
    values: Values = column.drop_null().to_numpy().astype("float64")
    return values[values == values]  # without NaN, which is no number to compare


def _missing(column: pa.ChunkedArray) -> float | None:
    return column.null_count / len(column) if len(column) else None


def _rows(before: dict[str, Any], now: dict[str, Any]) -> dict[str, list[int]]:
    """Return {what: [before, now]}: rows kept, and rows set aside by reason."""
    counts: dict[str, list[int]] = {"kept": [0, 0]}
    for place, ledger in enumerate((before, now)):
        for file in ledger["files"].values():
            counts["kept"][place] += file["rows_kept"]
            for reason, rows in sorted(file["rows_quarantined"].items()):
                counts.setdefault(reason, [0, 0])[place] += rows
    return counts

"""What flagged one-day jumps do to the results: every result with and without them.

Silver flags a weigh-in that stands far off a person's weigh-ins around it, and keeps it: no rule can know whether
the scales erred. A reader is told instead how much hangs on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from potato import trajectories, words
from potato.markdown import plain
from potato.tables import Column, Table, build

JUMP = "jump"
_NAMED = 3  # people
_ROWS = 8
_SHOWN = 0.005  # below it a difference shows as 0.00


@dataclass(frozen=True)
class Results:
    """The results that a jump can move, each with its unit: columns result, unit, value."""

    frame: pd.DataFrame

    @classmethod
    def of(cls, weights: pd.DataFrame, coefficients: pd.DataFrame, confidence: float) -> Results:
        """Gather the results of one version of the data.

        Parameters
        ----------
        weights : subject trajectories with a group on each row.
        coefficients : the models' coefficients; no rows where no model was fitted.
        """
        people = trajectories.people(weights)
        one = len(people) == 1
        change = "Change from first to last weigh-in" if one else "Mean change from first to last weigh-in"
        rows = [(change, "kg", people["change_kg"].mean())]
        if people["group"].nunique() > 1:
            by_group = people.groupby("group")["change_kg"].mean()
            rows += [(f"Mean change in “{group}”", "kg", value) for group, value in by_group.items()]
        slopes = weights.groupby("subject_id")["slope_kg_per_week"].first()
        rows.append(("Slope" if one else "Mean slope", "kg per week", slopes.mean()))
        if weights["condition"].notna().any():
            by_condition = trajectories.condition_slopes(trajectories.person_slopes(weights), confidence)
            rows += [(f"Slope under “{r.condition}”", "kg per week", r.mean) for r in words.rows(by_condition)]
        for row in words.rows(coefficients):
            term, model = words.term(row.term), words.MODELS.get(row.model, row.model)
            rows.append((f"{model}: {term.label}, {term.step_short}", "kg per week", row.estimate * term.step))
        return cls(pd.DataFrame(rows, columns=["result", "unit", "value"]))


def flagged(flags: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of silver's flags that are one-day jumps."""
    return flags[flags["flag"] == JUMP].sort_values(["source_file", "source_row"]).reset_index(drop=True)


def weeks(weights: pd.DataFrame, without: pd.DataFrame) -> pd.DataFrame:
    """Return the weeks that hold a flagged weigh-in: the rows of `weights` that count more weigh-ins than `without`."""
    key = ["subject_id", "study_week"]
    left = without.set_index(key)["n_weights"]
    kept = left.reindex(pd.MultiIndex.from_frame(weights[key])).fillna(0).to_numpy()
    return weights[weights["n_weights"].to_numpy() > kept].reset_index(drop=True)


def compare(before: Results, after: Results) -> pd.DataFrame:
    """Return each result with and without the jumps: result, unit, with, without, difference."""
    frame = before.frame.rename(columns={"value": "with"})
    frame["without"] = frame["result"].map(after.frame.set_index("result")["value"]).astype(float)
    return frame.assign(difference=frame["without"] - frame["with"])


def table(compared: pd.DataFrame) -> Table:
    """Show each result with and without the flagged weigh-ins."""
    columns = (
        Column("result", "Result"),
        Column("unit", "Unit"),
        Column("with", "With", "+.3f"),
        Column("without", "Without", "+.3f"),
        Column("difference", "Difference", "+.3f"),
    )
    caption = (
        "Each result of this report with the flagged weigh-ins, as it stands on the other pages, and without them."
    )
    title, dataset = "What the flagged weigh-ins do to the results", "silver/trajectories_without_jumps"
    return build("sensitivity", "trajectories", title, caption, dataset, columns, compared)


def sentence(jumps: pd.DataFrame, compared: pd.DataFrame | None) -> str:
    """Return how many weigh-ins were flagged, whose they are, and the result that moves most without them."""
    n = len(jumps)
    if not n:
        return "No weigh-in was flagged as a one-day jump."
    flagged_as = "was flagged as a one-day jump" if n == 1 else "were flagged as one-day jumps"
    what = f"{words.count(n, 'weigh-in')} {flagged_as}"
    told = [_told(part) for _, part in jumps.groupby(["subject_id", "source_file"], sort=True)]
    text = f"{what}: {words.some(told, _NAMED)}. All results include {'it' if n == 1 else 'them'}."
    if compared is None or not len(compared):
        return text
    it = "it" if n == 1 else "them"
    known = compared.dropna(subset=["difference"])
    moved = known.iloc[int(known["difference"].abs().to_numpy().argmax())] if len(known) else None
    if moved is None or abs(moved["difference"]) < _SHOWN:
        return f"{text} Without {it} every result stays the same to two decimals."
    change = (
        f"{words.number(moved['without'], '+.2f')} instead of {words.number(moved['with'], '+.2f')} {moved['unit']}"
    )
    result = plain(moved["result"][:1].lower() + moved["result"][1:])
    most = f"{words.number(abs(moved['difference']), '.2f')} {moved['unit']}"
    return f"{text} Without {it} the largest difference is {most}: {result}, {change}."


def _told(part: pd.DataFrame) -> str:
    """Return whose weigh-ins of one file were flagged, and where they stand in it."""
    first = part.iloc[0]
    who, where = plain(str(first["subject_id"])), plain(str(first["source_file"]))
    rows = words.some([f"{row:,}" for row in part["source_row"]], _ROWS)
    if len(part) == 1:
        return f"{plain(str(first['value']))} of “{who}” ({where}, row {rows})"
    return f"{len(part)} of “{who}” ({where}, rows {rows})"

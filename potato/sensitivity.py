"""What flagged one-day jumps do to the results: each mean, slope and estimate with and without them.

Silver flags a weigh-in that stands far off a person's weigh-ins around it, and keeps it: no rule can know whether
the scales erred. A reader is told instead how much hangs on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from potato import trajectories, words
from potato.markdown import plain
from potato.tables import Column, Table, build

JUMP = "jump"
_NAMED = 3  # people
_ROWS = 8
_SHOWN = 0.005  # below it a difference shows as 0.00
_LEAST = 0.0005  # below it a difference shows as 0.000
_MOST_ROWS = 15
_MEAN_CHANGE = "Mean change from first to last weigh-in"


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
        grouped = people["group"].nunique() > 1
        rows = [
            *_means(people, "baseline_weight_kg", "First weight" if one else "Mean first weight", grouped),
            *_means(people, "change_kg", "Change from first to last weigh-in" if one else _MEAN_CHANGE, grouped),
        ]
        if people["change_kg"].notna().sum() > 2:
            rows.append(("The middle person's change", "kg", people["change_kg"].median()))
        change = "Change" if one else "Mean change"
        for week, part in weights.groupby("study_week"):
            rows += _means(part, "weight_change_kg", f"{change} into week {week}", grouped)
            rows += _means(part, "change_from_baseline_kg", f"{change} from the first weigh-in by week {week}", grouped)
        slopes = weights.groupby("subject_id")["slope_kg_per_week"].first()
        rows.append(("Slope" if one else "Mean slope", "kg per week", slopes.mean()))
        if weights["condition"].notna().any():
            by_condition = trajectories.condition_slopes(trajectories.person_slopes(weights), confidence)
            rows += [(f"Slope under “{r.condition}”", "kg per week", r.mean) for r in words.rows(by_condition)]
        for row in words.rows(coefficients):
            term, model = words.term(row.term), words.MODELS.get(row.model, row.model)
            rows.append((f"{model}: {term.label}, {term.step_short}", "kg per week", row.estimate * term.step))
        found = pd.DataFrame(rows, columns=["result", "unit", "value"])
        return cls(found.dropna(subset=["value"]).reset_index(drop=True))


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
    """Return each result with and without the jumps: result, unit, with, without, difference.

    What moves most stands first; then what has a value in one of the two only, then what stays the same.
    """
    key = ["result", "unit"]
    left, right = (found.frame.set_index(key)["value"].astype(float) for found in (before, after))
    frame = pd.concat([left, right], axis=1, keys=["with", "without"], sort=False).reset_index()
    frame["difference"] = frame["without"] - frame["with"]
    # A missing difference counts as just not nothing.
    size = frame["difference"].abs().round(9)
    order = size.where(size >= _LEAST, 0.0)
    order = order.mask(frame["difference"].isna(), _LEAST / 2)
    return frame.loc[order.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def table(compared: pd.DataFrame) -> Table:
    """Show the results that differ most with and without the flagged weigh-ins."""
    columns = (
        Column("result", "Result"),
        Column("unit", "Unit"),
        Column("with", "With", ".3f"),
        Column("without", "Without", ".3f"),
        Column("difference", "Difference", "+.3f"),
    )
    shown, left_out = compared.iloc[:_MOST_ROWS], compared.iloc[_MOST_ROWS:]
    # A reader who subtracts what is shown gets what is shown.
    shown = shown.assign(difference=(shown["without"].round(3) - shown["with"].round(3)).round(3))
    modelled = compared["result"].str.startswith(tuple(f"{model}: " for model in words.MODELS.values())).any()
    what = "Weights, changes, slopes and the models' estimates" if modelled else "Weights, changes and slopes"
    caption = (
        f"{what} with the flagged weigh-ins, which all pages count, and without them. What differs most stands first."
    )
    if len(left_out):
        rest = words.count(len(left_out), "more result")
        caption += f" {rest} {'is' if len(left_out) == 1 else 'are'} left out, {_at_most(left_out)}."
    if shown["difference"].isna().any():
        caption += " A dash stands where there is no such result."
    title, dataset = "What the flagged weigh-ins do to the results", "silver/trajectories_without_jumps"
    return build("sensitivity", "trajectories", title, caption, dataset, columns, shown)


def sentence(jumps: pd.DataFrame, compared: pd.DataFrame | None) -> str:
    """Return how many weigh-ins were flagged, whose they are, and the result that moves most without them.

    `compared` is what `compare` returns; None where the flagged weigh-ins are in no week's numbers.
    """
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
    lost = int(compared["without"].isna().sum())
    gone = f" Without {it} {words.count(lost, 'result')} can't be told." if lost else ""
    known = compared.dropna(subset=["difference"])
    moved = known.iloc[0] if len(known) else None
    if moved is None or abs(moved["difference"]) < _SHOWN:
        same = f" Without {it} every result in the table stays the same to two decimals."
        return f"{text}{gone or same}"
    spec = _spec(moved["with"], moved["without"])
    before, after = (words.number(moved[name], spec) for name in ("with", "without"))
    result = plain(moved["result"][:1].lower() + moved["result"][1:])
    most = f"{abs(float(format(moved['without'], spec)) - float(format(moved['with'], spec))):{spec}} {moved['unit']}"
    return f"{text} Without {it} the largest difference is {most}: {result}, {after} instead of {before}.{gone}"


def _means(frame: pd.DataFrame, value: str, name: str, grouped: bool) -> list[tuple[str, str, float]]:
    """Return the mean of a column in kg over everybody, and over each group where there are several."""
    rows = [(name, "kg", float(frame[value].mean()))]
    if grouped:
        rows += [
            (f"{name} in “{group}”", "kg", float(mean)) for group, mean in frame.groupby("group")[value].mean().items()
        ]
    return rows


def _at_most(left_out: pd.DataFrame) -> str:
    """Return how far the results that a page has no room for differ."""
    difference = left_out["difference"]
    most = math.ceil(round(float(difference.abs().max()) * 1000, 6)) / 1000 if difference.notna().any() else 0.0
    told = f"with a difference of at most {most:.3f}" if difference.abs().ge(_LEAST).any() else "with no difference"
    return f"{told} or with nothing to compare with" if difference.isna().any() else told


def _spec(with_: float, without: float) -> str:
    """Return the decimals at which the rounded values differ by the rounded difference: two, or else three."""
    shown = round(without, 2) - round(with_, 2)
    return ".2f" if abs(shown - round(without - with_, 2)) < _SHOWN else ".3f"


def _told(part: pd.DataFrame) -> str:
    """Return whose weigh-ins of one file were flagged, and where they stand in it."""
    first = part.iloc[0]
    who, where = plain(str(first["subject_id"])), plain(str(first["source_file"]))
    rows = words.some([f"{row:,}" for row in part["source_row"]], _ROWS)
    if len(part) == 1:
        return f"{plain(str(first['value']))} of “{who}” ({where}, row {rows})"
    return f"{len(part)} of “{who}” ({where}, rows {rows})"

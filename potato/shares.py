"""Shares of a file's rows: how many may be set aside or kept with a remark before the file itself is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from potato import food, reasons
from potato.contracts import Rule

Files = Mapping[str, Mapping[str, Any]]

MOST_SET_ASIDE = 0.05
MOST_OFF = 0.05
MOST_APPROXIMATE = 0.05
MOST_JUMPS = 0.05


def of_files(weekly: pa.Table, files: Files) -> list[Rule]:
    """Return the rules on few rows being set aside or remarkable: where many are, the file or its mapping is wrong.

    A check that the columns of `weekly`, the weekly features, don't allow is left out.
    """

    def share(flag: str, family: str | None = None) -> dict[str, float]:
        chosen = {name: file for name, file in files.items() if family in (None, file["family"])}
        return by_file(chosen, lambda file: file["rows_flagged"].get(flag, 0) / max(file["rows_kept"], 1))

    factors = ", ".join(f"{kcal:g} for {name.removesuffix('_g')}" for name, kcal in food.KCAL_PER_G.items())
    (kcal, part), (grams, of_day) = food.ENERGY_OFF, food.FIBER_OFF
    recorded = {name for name in weekly.column_names if weekly[name].null_count < len(weekly)}
    made = [
        Rule(
            "few_rows_set_aside",
            "silver/ledger",
            "warning",
            f"At most {MOST_SET_ASIDE:.0%} of a file's rows are set aside although they hold a value.",
            by_file(files, _share_set_aside),
            high=MOST_SET_ASIDE,
            shown=".1%",
        ),
        Rule(
            "few_approximate_values",
            "silver/flags",
            "warning",
            f"At most {MOST_APPROXIMATE:.0%} of a file's rows hold a value that is marked as approximate.",
            share("approximate_number"),
            high=MOST_APPROXIMATE,
            shown=".1%",
        ),
        Rule(
            "few_jumps",
            "silver/flags",
            "warning",
            f"At most {MOST_JUMPS:.0%} of a file's weigh-ins jump away from the days around them and back.",
            share("jump", "weight"),
            high=MOST_JUMPS,
            shown=".1%",
        ),
    ]
    # A check that a study's columns don't allow is not among those that passed.
    if {"energy_kcal_per_day", *(f"{name}_per_day" for name in food.KCAL_PER_G)} <= recorded:
        made.append(
            Rule(
                "energy_fits_macronutrients",
                "silver/flags",
                "warning",
                f"In at least {1 - MOST_OFF:.0%} of a file's food entries the energy is what the nutrients give"
                f" (kcal per g: {factors}), to within {kcal:g} kcal or {part:.0%}.",
                share("energy_off_macronutrients", "nutrition"),
                high=MOST_OFF,
                shown=".1%",
            )
        )
    if {"fiber_g_per_day", "fiber_rollup_g_per_day"} <= recorded:
        made.append(
            Rule(
                "fiber_agrees",
                "silver/flags",
                "warning",
                f"On at least {1 - MOST_OFF:.0%} of a file's days the fibre of the day agrees with the sum of the day's"
                f" food entries, to within {grams:g} g or {of_day:.0%}.",
                share("fiber_conflict", "fiber"),
                high=MOST_OFF,
                shown=".1%",
            )
        )
    return made


def by_file(files: Files, number: Callable[[Mapping[str, Any]], float]) -> dict[str, float]:
    """Return a number of each file of a ledger by the file's name, sorted."""
    return {name: number(file) for name, file in sorted(files.items())}


def _share_set_aside(file: Mapping[str, Any]) -> float:
    valued = {reason: n for reason, n in file["rows_quarantined"].items() if reason not in reasons.NOT_RECORDED}
    return sum(valued.values()) / max(file["rows_read"], 1)

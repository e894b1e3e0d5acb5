"""One-day jumps of the scales: a weigh-in that leaves the level of the weeks on both sides and comes back.

The method is Hampel's identifier on a moving window: a value is suspect when it lies further from the window's median
than a multiple of the median absolute deviation (F. R. Hampel, The influence curve and its role in robust estimation,
J. Am. Stat. Assoc. 69, 1974; R. K. Pearson, Outliers in process modeling and identification, IEEE Trans. Control
Syst. Technol. 10, 2002). What is added here is the return: after new scales, or in a week of a steep loss, a weigh-in
differs from one side only.
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

_PERSON = "subject_id"
WINDOW_DAYS = 7  # on each side: a fault of the scales lasts a few days, a change of level lasts longer
SCALES = 5.0  # how many of the person's own scales a jump is away
MAD_TO_SD = 1.4826  # makes the median absolute deviation of normal noise its standard deviation
LEAST_SCALE_KG = 0.3  # below the day-to-day noise of any scales
LEAST_KG = 2.0  # nobody's body changes so much in a day and back
LEAST_WEIGH_INS = 5

FLAG = "jump"
RULE = (
    f"a weigh-in lies within {LEAST_KG:g} kg, or {SCALES:g} times the person's own scatter, of the medians of the"
    f" {WINDOW_DAYS} days before and after; kept, and the results are also given without it"
)


def suspects(weighed: ir.Table) -> ir.Table:
    """Return (subject_id) of the people with a weigh-in further than LEAST_KG from the median around it.

    `weighed` is as of `found`, which finds a jump of nobody else.
    """
    rows = weighed.select(_PERSON, residual=weighed.weight_kg - weighed.weight_kg.median().over(_around()))
    return rows.filter(rows.residual.abs() > LEAST_KG).select(_PERSON).distinct()


def _around() -> Any:
    return ibis.range_window(preceding=WINDOW_DAYS, following=WINDOW_DAYS, group_by=_PERSON, order_by="day_number")


def found(weighed: ir.Table) -> ir.Table:
    """Return (source_file, source_row, subject_id) of the weigh-ins that are jumps.

    `weighed` holds the kept weigh-ins, at most one a person and day, with day_number and weight_kg. People with fewer
    than LEAST_WEIGH_INS weigh-ins have no jump: nothing says what is usual for them. At the ends of a record, and
    beside a gap, a jump is outside all that the person weighed in the days of the one side.
    """
    person = _PERSON
    before = ibis.range_window(preceding=(WINDOW_DAYS, 1), group_by=person, order_by="day_number")
    after = ibis.range_window(following=(1, WINDOW_DAYS), group_by=person, order_by="day_number")
    kg = weighed.weight_kg
    rows = weighed.select(
        "source_file",
        "source_row",
        person,
        residual=kg - kg.median().over(_around()),
        from_before=kg - kg.median().over(before),
        from_after=kg - kg.median().over(after),
        above=kg - ibis.greatest(kg.max().over(before), kg.max().over(after)),
        below=kg - ibis.least(kg.min().over(before), kg.min().over(after)),
    )
    middles = rows.group_by(person).aggregate(middle=rows.residual.median(), n=rows.count())
    centred = rows.join(middles, person)
    spread = centred.group_by(person).aggregate(mad=(centred.residual - centred.middle).abs().median())
    judged = centred.join(spread, person)
    threshold = ibis.greatest(SCALES * ibis.greatest(MAD_TO_SD * judged.mad, LEAST_SCALE_KG), LEAST_KG)
    both = judged.from_before.notnull() & judged.from_after.notnull()
    up = ibis.ifelse(both, ibis.least(judged.from_before, judged.from_after), judged.above)
    down = ibis.ifelse(both, ibis.greatest(judged.from_before, judged.from_after), judged.below)
    jumped = (up > threshold) | (down < -threshold)
    far = judged.residual.abs() > threshold
    return judged.filter(jumped & far & (judged.n >= LEAST_WEIGH_INS)).select("source_file", "source_row", person)


def set_aside(weight: ir.Table, jumps: ir.Table) -> ir.Table:
    """Return the cleaned weight rows with the jumps as rows that can't be used, in the order of files and rows."""
    place = ["source_file", "source_row"]
    joined = weight.left_join(jumps.select(*place, reason=ibis.literal(FLAG)), place)
    told = ibis.coalesce(joined.reason, joined.reason_right)
    return joined.select(*(name for name in weight.columns if name != "reason"), reason=told).order_by(place)

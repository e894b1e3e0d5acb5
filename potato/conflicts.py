"""Where kept values contradict each other: energy against macronutrients, a day's fibre total against its entries."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from potato import food, reasons, repeats
from potato.study import FamilyMapping

ENERGY_FLAG, FIBER_FLAG = "energy_off_macronutrients", "fiber_conflict"
RULES = {
    ENERGY_FLAG: "energy lies within {:g} kcal or {:.0%} of what the entry's nutrients give (".format(*food.ENERGY_OFF)
    + ", ".join(f"{kcal:g} for {name.removesuffix('_g')}" for name, kcal in food.KCAL_PER_G.items())
    + " kcal per g); kept as it is",
    FIBER_FLAG: "a day's fibre lies within {:g} g or {:.0%} of the sum of the day's entries".format(*food.FIBER_OFF)
    + "; kept, and the models use the entries",
}

_DAY = ["subject_id", "day_number"]


def incomplete_days(nutrition: ir.Table) -> ir.Table:
    """Return (source_file, subject_id, day_number), distinct, of entries that are set aside and did hold a value.

    The rest of such a day would understate what was eaten, so that the whole day stays out of the intake averages.
    A copy of another row takes nothing away, and an entry without a value has none to lose.
    """
    harmless = (*reasons.NOT_RECORDED, *repeats.COPIES)
    lost = nutrition.filter(
        nutrition.reason.notnull()
        & ~nutrition.reason.isin(harmless)
        & nutrition.subject_id.notnull()
        & nutrition.day_number.notnull()
    )
    return lost.select("source_file", *_DAY).distinct()


def energy_off(kept: ir.Table, mapping: FamilyMapping) -> ir.Table | None:
    """Return the entries whose energy is not what their macronutrients give; None where the study lacks one of them.

    Columns: source_file, source_row, subject_id, column, value.
    """
    if not {"energy_kcal", *food.KCAL_PER_G} <= mapping.columns.keys():
        return None
    given = sum((kept[name] * factor for name, factor in food.KCAL_PER_G.items()), start=ibis.literal(0.0))
    kcal, share = food.ENERGY_OFF
    tolerance = ibis.greatest(kcal, kept.energy_kcal * share)
    off = kept.filter((kept.energy_kcal - given).abs() > tolerance)
    return off.select(
        "source_file",
        "source_row",
        "subject_id",
        column=ibis.literal("energy_kcal"),
        value=_shown(off.energy_kcal) + " kcal; macronutrients: " + _shown(given) + " kcal",
    )


def fiber_off(totals: ir.Table, entries: ir.Table, incomplete: ir.Table) -> ir.Table:
    """Return the kept daily totals that contradict the day's kept entries, of days of which no entry is set aside.

    Columns: source_file, source_row, subject_id, column, value.
    """
    whole = entries.filter(entries.fiber_g.notnull()).semi_join(totals, _DAY).anti_join(incomplete, _DAY)
    sums = whole.group_by(_DAY).aggregate(entries_g=whole.fiber_g.sum())
    both = totals.join(sums, _DAY)
    grams, share = food.FIBER_OFF
    tolerance = ibis.greatest(grams, ibis.greatest(both.fiber_g, both.entries_g) * share)
    off = both.filter((both.fiber_g - both.entries_g).abs() > tolerance)
    return off.select(
        "source_file",
        "source_row",
        "subject_id",
        column=ibis.literal("fiber_g"),
        value=_shown(off.fiber_g) + " g; entries: " + _shown(off.entries_g) + " g",
    )


def _shown(number: ir.FloatingValue) -> ir.StringValue:
    return number.round(1).cast("string")

"""The numbers of silver's rules over several rows, and all of its numbers as the methods page says them.

They stand here and not beside the rules, so that gold, which only says them, imports no engine.
"""

from __future__ import annotations

from potato import food, units
from potato.families import WEIGHT

# One-day jumps of the scales.
WINDOW_DAYS = 7  # on each side: a fault of the scales lasts a few days, a change of level lasts longer
SCALES = 5.0  # how many of the person's own scales a jump is away
MAD_TO_SD = 1.4826  # makes the median absolute deviation of normal noise its standard deviation
LEAST_SCALE_KG = 0.3  # below the day-to-day noise of any scales
LEAST_KG = 2.0  # nobody's body changes so much in a day and back
LEAST_WEIGH_INS = 5

# Days that lie apart from all others of a person.
ISOLATED_GAP = 300  # days; a mistyped year moves a date by more, a holiday of the scales by less
ISOLATED_FROM = 5  # a person's other days that there must be


def texts() -> dict[str, str]:
    """Return methods.*: ready-formatted numbers, the amounts without their units."""
    energy_kcal, energy_share = food.ENERGY_OFF
    fiber_g, fiber_share = food.FIBER_OFF
    weight = WEIGHT.field("weight")
    return {
        "kg_per_lb": f"{units.KG_PER_LB}",
        "kg_below": f"{units.KG_BELOW:g}",
        "lb_above": f"{units.LB_ABOVE:g}",
        "most_change": f"{units.MOST_CHANGE:g}",
        "weight_min": f"{weight.minimum:g}",
        "weight_max": f"{weight.maximum:g}",
        "jump_days": f"{WINDOW_DAYS}",
        "jump_scales": f"{SCALES:g}",
        "jump_mad": f"{MAD_TO_SD}",
        "jump_least_scale": f"{LEAST_SCALE_KG:g}",
        "jump_least": f"{LEAST_KG:g}",
        "jump_weigh_ins": f"{LEAST_WEIGH_INS}",
        "isolated_gap": f"{ISOLATED_GAP}",
        "isolated_from": f"{ISOLATED_FROM}",
        "energy_kcal": f"{energy_kcal:g}",
        "energy_share": f"{energy_share:.0%}",
        "kcal_per_g": ", ".join(
            f"{kcal:g} for {name.removesuffix('_g').replace('fiber', 'fibre')}"
            for name, kcal in food.KCAL_PER_G.items()
        ),
        "fiber_g": f"{fiber_g:g}",
        "fiber_share": f"{fiber_share:.0%}",
    }

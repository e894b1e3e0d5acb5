"""The numbers of silver's rules as the methods page says them, each from the module that applies it."""

from __future__ import annotations

from potato import food, jumps, repeats, units
from potato.families import WEIGHT


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
        "jump_days": f"{jumps.WINDOW_DAYS}",
        "jump_scales": f"{jumps.SCALES:g}",
        "jump_mad": f"{jumps.MAD_TO_SD}",
        "jump_least_scale": f"{jumps.LEAST_SCALE_KG:g}",
        "jump_least": f"{jumps.LEAST_KG:g}",
        "jump_weigh_ins": f"{jumps.LEAST_WEIGH_INS}",
        "isolated_gap": f"{repeats.ISOLATED_GAP}",
        "isolated_from": f"{repeats.ISOLATED_FROM}",
        "energy_kcal": f"{energy_kcal:g}",
        "energy_share": f"{energy_share:.0%}",
        "kcal_per_g": ", ".join(
            f"{kcal:g} for {name.removesuffix('_g').replace('fiber', 'fibre')}"
            for name, kcal in food.KCAL_PER_G.items()
        ),
        "fiber_g": f"{fiber_g:g}",
        "fiber_share": f"{fiber_share:.0%}",
    }

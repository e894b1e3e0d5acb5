"""A trial reading: the first rows of each file go through silver's own rules, before anybody waits for a run."""

from __future__ import annotations

import datetime

import ibis

from potato import cleaning, evidence, undecided
from potato.families import FAMILIES
from potato.plans import Plan
from potato.study import Study

_EPOCH = datetime.date(1970, 1, 1)


def told(plan: Plan, study: Study) -> str:
    """Return how many of the looked-at rows of each family silver can use, and why not the others."""
    tables = {name: ibis.memtable(table) for name, table in undecided.tables(plan).items()}
    known = evidence.gather(tables, study)
    today = (datetime.datetime.now(tz=datetime.UTC).date() - _EPOCH).days
    lines = []
    for name, mapping in study.families().items():
        family = FAMILIES[name]
        rows = cleaning.typed(tables[name], family, mapping, study, known)
        judged = cleaning.judged(rows, family, mapping, study, today, known.simple(name))
        counts = judged.group_by("reason").aggregate(rows=lambda t: t.count()).to_pyarrow().to_pylist()
        by_reason = {row["reason"]: row["rows"] for row in counts}
        good = by_reason.pop(None, 0)
        why = ", ".join(f"{reason} {n:,}" for reason, n in sorted(by_reason.items(), key=lambda item: -item[1]))
        total = good + sum(by_reason.values())
        lines.append(f"  {name}: {good:,} of {total:,} rows can be used" + (f"; set aside: {why}" if why else ""))
        if total and good < total / 2:
            lines.append(f"  look into studies/*.yaml: most {name} rows can't be used as it stands")
    return "\n".join(["A trial reading of the first rows of each file:", *lines])

"""One-day jumps of the scales are looked for among a few people, and found as if all were looked at."""

from __future__ import annotations

import random

import ibis
import pyarrow as pa
import pytest

from potato import jumps


@pytest.fixture(scope="module")
def weighed() -> ibis.Table:
    """The weigh-ins of 40 people, of whom every fifth has one that is 7 kg off, and one has scales that scatter."""
    dice = random.Random(5)
    rows = []
    for person in range(40):
        off = dice.randrange(10, 25) if person % 5 == 0 else None
        for day in range(0, 40, 1 + person % 3):
            kg = 80 - day / 20 + dice.gauss(0, 2.5 if person == 7 else 0.4) + (7 if day == off else 0)
            place = {"source_file": "w.csv", "source_row": len(rows) + 2}
            rows.append(place | {"subject_id": f"P{person:02}", "day_number": day, "weight_kg": kg})
    return ibis.duckdb.connect(threads=1).create_table("weighed", ibis.memtable(pa.Table.from_pylist(rows)))


def test_the_people_with_a_suspect_weigh_in_have_all_the_jumps(weighed: ibis.Table) -> None:
    found = {row["source_row"] for row in jumps.found(weighed).to_pyarrow().to_pylist()}
    suspects = jumps.suspects(weighed)
    theirs = weighed.semi_join(suspects, "subject_id").select(*weighed.columns)
    assert found == {row["source_row"] for row in jumps.found(theirs).to_pyarrow().to_pylist()}
    assert len(found) >= 3


def test_who_has_steady_scales_is_no_suspect(weighed: ibis.Table) -> None:
    suspects = set(jumps.suspects(weighed).to_pyarrow()["subject_id"].to_pylist())
    assert "P07" in suspects
    assert {"P01", "P02", "P03"}.isdisjoint(suspects)

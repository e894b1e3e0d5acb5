from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potato import columns
from potato.columns import column_lineage
from potato.errors import PotatoError

# Ibis calls parts of pandas and DuckDB that their newest versions call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ibis", "ignore:The 'future.infer_string'")

SOURCES = {"weight": "bronze/weight", "nutrition": "bronze/nutrition"}


@pytest.fixture
def weight() -> ibis.Table:
    return ibis.table({"subject_id": "string", "day": "int64", "kg": "float64"}, name="weight")


@pytest.fixture
def nutrition() -> ibis.Table:
    return ibis.table({"subject_id": "string", "day": "int64", "food": "string", "kcal": "float64"}, name="nutrition")


def _short(expression: ibis.Table) -> dict[str, list[str]]:
    found = column_lineage(expression, SOURCES)
    return {name: [f"{s['dataset']}.{s['column']}" for s in sources] for name, sources in found.items()}


def test_an_aggregate_comes_from_its_column_and_a_count_from_none(weight: ibis.Table) -> None:
    found = _short(weight.group_by("subject_id").aggregate(mean_kg=weight.kg.mean(), n=weight.count()))
    assert found == {"subject_id": ["bronze/weight.subject_id"], "mean_kg": ["bronze/weight.kg"], "n": []}


def test_a_ratio_across_a_join_comes_from_both_tables(weight: ibis.Table, nutrition: ibis.Table) -> None:
    energy = nutrition.group_by("subject_id").aggregate(kcal=nutrition.kcal.sum())
    joined = weight.join(energy, "subject_id").mutate(kcal_per_kg=lambda t: t.kcal / t.kg)
    found = _short(joined.select("subject_id", "kcal_per_kg"))
    assert found["kcal_per_kg"] == ["bronze/nutrition.kcal", "bronze/weight.kg"]


def test_a_window_comes_from_what_orders_it_too(weight: ibis.Table) -> None:
    window = ibis.window(group_by="subject_id", order_by="day")
    found = _short(weight.select(previous=weight.kg.lag().over(window)))
    assert found["previous"] == ["bronze/weight.day", "bronze/weight.kg", "bronze/weight.subject_id"]


def test_a_filter_and_a_join_key_are_no_sources_of_values(weight: ibis.Table, nutrition: ibis.Table) -> None:
    kept = weight.filter(weight.day > 3).semi_join(nutrition, "subject_id")
    assert _short(kept.select("kg")) == {"kg": ["bronze/weight.kg"]}


def test_a_union_comes_from_all_of_its_parts(weight: ibis.Table, nutrition: ibis.Table) -> None:
    both = weight.select(value=weight.kg).union(nutrition.select(value=nutrition.kcal))
    assert _short(both) == {"value": ["bronze/nutrition.kcal", "bronze/weight.kg"]}


def test_a_constant_and_a_table_of_constants_have_no_source(nutrition: ibis.Table) -> None:
    categories = ibis.memtable({"food": ["spuds"], "category": ["potato"]})
    found = _short(nutrition.join(categories, "food").mutate(one=1).select("food", "category", "one"))
    assert found == {"food": ["bronze/nutrition.food"], "category": [], "one": []}


def test_columns_dropped_by_a_star_are_followed(weight: ibis.Table) -> None:
    wide = weight.mutate(**{f"c{n}": weight.kg * n for n in range(30)})
    found = _short(wide.drop("day"))
    assert "day" not in found
    assert found["c29"] == ["bronze/weight.kg"]
    assert list(found) == [name for name in wide.columns if name != "day"]


def test_names_keep_their_case_and_their_spaces() -> None:
    table = ibis.table({"Subject": "string", "Body weight (kg)": "float64", 'a"b.c': "float64"}, name="weight")
    found = _short(table.select(Total=table["Body weight (kg)"] + table['a"b.c'], Who=table.Subject))
    assert found == {
        "Total": ["bronze/weight.Body weight (kg)", 'bronze/weight.a"b.c'],
        "Who": ["bronze/weight.Subject"],
    }


def test_a_parquet_file_behind_a_connection_is_a_source(tmp_path: Path) -> None:
    pq.write_table(pa.table({"kg": [80.0]}), tmp_path / "part-0.parquet")
    connection = ibis.duckdb.connect()
    table = connection.read_parquet(str(tmp_path / "*.parquet"), table_name="weight")
    assert _short(table.select(lb=table.kg * 2.2)) == {"lb": ["bronze/weight.kg"]}


def test_a_table_without_a_dataset_is_refused_with_the_nearest_name() -> None:
    stray = ibis.table({"kg": "float64"}, name="weights")
    with pytest.raises(PotatoError) as caught:
        column_lineage(stray, SOURCES)
    assert (caught.value.found, caught.value.nearest) == ("weights", "weight")


def test_a_step_in_between_is_replaced_by_its_own_sources(weight: ibis.Table) -> None:
    step = column_lineage(weight.select(pounds=weight.kg * 2.2, one=ibis.literal(1)), SOURCES)
    stones = ibis.table({"pounds": "float64", "one": "int8"}, name="step")
    found = column_lineage(stones.select(stones=stones.pounds / 14 + stones.one), {"step": "step"})
    assert columns.through(found, {"step": step}) == {"stones": [{"dataset": "bronze/weight", "column": "kg"}]}


def test_the_module_needs_no_openlineage() -> None:
    heavy = "{'openlineage', 'ibis', 'sqlglot'}"
    program = f"import sys; import potato.columns; print(sorted({heavy} & set(sys.modules)))"
    project = Path(columns.__file__).parents[1]
    answer = subprocess.run([sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"

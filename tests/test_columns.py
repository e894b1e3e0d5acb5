from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ibis
import ibis.expr.operations
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
import sqlglot.lineage
from sqlglot.optimizer import build_scope
from sqlglot.optimizer.qualify import qualify

from potato import columns, schema
from potato.columns import column_lineage
from potato.errors import PotatoError

from .conftest import WEIGHT
from .test_silver import DIARY, silver

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


def test_rows_of_several_tables_come_from_all_of_them(weight: ibis.Table, nutrition: ibis.Table) -> None:
    parts = [
        column_lineage(weight.select(who=weight.subject_id, what=weight.kg), SOURCES),
        column_lineage(nutrition.select(who=nutrition.subject_id, what=ibis.literal("food")), SOURCES),
    ]
    assert columns.merged(parts) == {
        "who": [{"dataset": f"bronze/{name}", "column": "subject_id"} for name in ("nutrition", "weight")],
        "what": [{"dataset": "bronze/weight", "column": "kg"}],
    }


def test_what_decides_on_rows_is_what_is_filtered_and_matched_in_every_step(
    weight: ibis.Table, nutrition: ibis.Table
) -> None:
    late = weight.filter(weight.day > 3).select("subject_id")
    step = ibis.table({"subject_id": "string"}, name="late")
    eaten = nutrition.semi_join(step, "subject_id").select("food")
    found = columns.deciding([eaten], {"late": late}, SOURCES | {"late": "late"})
    assert found == [
        {"dataset": "bronze/nutrition", "column": "subject_id"},
        {"dataset": "bronze/weight", "column": "day"},
        {"dataset": "late", "column": "subject_id"},
    ]


def test_a_column_of_constants_comes_from_what_decides_on_its_rows() -> None:
    conditions = [{"dataset": "bronze/weight", "column": "day"}]
    found = {"kg": [{"dataset": "bronze/weight", "column": "kg"}], "flag": []}
    assert columns.labelled(found, conditions) == {
        "kg": [{"dataset": "bronze/weight", "column": "kg"}],
        "flag": [{"dataset": "bronze/weight", "column": "day", "kind": columns.INDIRECT}],
    }


def _by_sqlglot(expression: ibis.Table) -> dict[str, set[tuple[str, str]]]:
    """Return what SQLGlot reads out of the SQL that the expression is compiled to, constant tables left out."""
    tables = expression.op().find(ibis.expr.operations.PhysicalTable)
    known = {table.name: dict.fromkeys(table.schema.names, "text") for table in tables}
    text = str(ibis.to_sql(expression, dialect="duckdb"))
    tree = qualify(sqlglot.parse_one(text, dialect="duckdb"), schema=known, dialect="duckdb", identify=True)
    scope = build_scope(tree)
    found = {}
    for column in expression.columns:
        node = sqlglot.lineage.lineage(column, tree, schema=known, dialect="duckdb", scope=scope, trim_selects=False)
        leaves = [leaf for leaf in node.walk() if not leaf.downstream and isinstance(leaf.source, sqlglot.exp.Table)]
        pairs = {(leaf.source.name, sqlglot.exp.to_column(leaf.name, dialect="duckdb").name) for leaf in leaves}
        found[column] = {(table, name) for table, name in pairs if not table.startswith("ibis_")}
    return found


def _one_of_everything(study: Callable[..., str]) -> str:
    """Write a study in which silver takes every step that it knows, and return its name."""
    days = [f"2022-05-{day:02d}" for day in range(1, 29)]
    weights = [f"{who},{day},{80 + n / 10},{team}" for who, team in (("a", "Diet"), ("b", "diet"))
               for n, day in enumerate(days)]  # fmt: skip
    weights += ["a,2022-05-05,95,Diet", "a,2022-05-06,95,Diet", "b,2022-05-07,,Diet"]
    weights[9] = "a,2022-05-10,97,Diet"
    weights[15] = "a,2012-05-16,80,Diet"
    entries = [f'{who},{day},"{food}","1{n},5",{n % 5}' for who in "ab" for n, day in enumerate(days)
               for food in ("rice, fried", "potato", "potato")]  # fmt: skip
    entries += ["a,2022-05-03,rice,many,1"]
    fiber = [f"a,{day},{n}" for n, day in enumerate(days)]
    return study(
        {
            "weight.csv": "\n".join(["who,date,weight,team", *weights]) + "\n",
            "nutrition.csv": "\n".join(["who,date,food,kcal,fiber", *entries]) + "\n",
            "fiber.csv": "\n".join(["who,date,fiber", *fiber]) + "\n",
        },
        weight=WEIGHT | {"columns": WEIGHT["columns"] | {"group": "team"}},
        nutrition=DIARY | {"decimal": ","},
        fiber={"files": "fiber.csv", "columns": {"subject_id": "who", "date": "date", "fiber_g": "fiber"}},
    )


# SQLGlot's optimizer warns of what it cannot type, which lineage does not need.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_step_of_silver_has_the_lineage_that_sqlglot_reads_from_its_sql(
    study: Callable[..., str], project: Path
) -> None:
    engineer = silver(_one_of_everything(study), project)
    steps = engineer._steps
    assert {"jumps", "aside_weight", "clean_weight", "alike", "fiber_off", "typed_nutrition", "days"} <= steps.keys()
    assert {name.removeprefix("silver/") for name in schema.SILVER} - {"flags"} <= steps.keys()
    for name, expression in steps.items():
        tables = {table.name for table in expression.op().find(ibis.expr.operations.PhysicalTable)}
        ours = column_lineage(expression, {table: table for table in tables})
        followed = {column: {(s["dataset"], s["column"]) for s in sources} for column, sources in ours.items()}
        assert followed == _by_sqlglot(expression), name


def test_every_column_of_silver_and_quarantine_names_bronze_columns_that_exist(
    study: Callable[..., str], project: Path
) -> None:
    found = silver(_one_of_everything(study), project).column_lineage()
    datasets = {dataset.name: dataset for dataset in (*schema.SILVER.values(), schema.QUARANTINE)}
    bronze = {dataset.name: dataset for dataset in schema.BRONZE.values()}
    assert found.keys() == datasets.keys()
    for name, lineage in found.items():
        assert list(lineage) == datasets[name].names
        for column, sources in lineage.items():
            assert sources, f"{name}.{column}"
            assert all(source["column"] in bronze[source["dataset"]].names for source in sources)

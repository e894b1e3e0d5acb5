from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import ibis
import ibis.expr.operations
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
import sqlglot.lineage
from sqlglot import exp
from sqlglot.optimizer import build_scope, traverse_scope
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import ensure_schema

from potato import columns, schema
from potato.columns import trace
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
    """Return the sources of each column, with how in front where a value is not just taken or computed."""
    return {name: _told(sources) for name, sources in _listed(expression).items()}


def _listed(expression: ibis.Table) -> dict[str, list[columns.Source]]:
    return {name: columns.listed(pairs) for name, pairs in trace(expression, SOURCES).columns.items()}


def _rows(expression: ibis.Table) -> list[str]:
    return _told(trace(expression, SOURCES).of_rows())


def _told(sources: list[columns.Source]) -> list[str]:
    return [f"{' '.join(s['transformations'])} {s['dataset']}.{s['column']}" for s in sources]


def test_a_value_is_taken_computed_or_gathered_from_its_column(weight: ibis.Table) -> None:
    found = _short(weight.group_by("subject_id").aggregate(pounds=(weight.kg * 2.2).mean()))
    assert found == {"subject_id": ["IDENTITY bronze/weight.subject_id"], "pounds": ["AGGREGATION bronze/weight.kg"]}
    assert _short(weight.select(pounds=weight.kg * 2.2)) == {"pounds": ["TRANSFORMATION bronze/weight.kg"]}


def test_a_count_of_rows_comes_from_what_decides_on_them(weight: ibis.Table) -> None:
    counted = weight.filter(weight.kg > 40).group_by("subject_id").aggregate(n=lambda t: t.count())
    assert _short(counted)["n"] == []
    assert _told(trace(counted, SOURCES).by_column()["n"]) == [
        "FILTER bronze/weight.kg",
        "GROUP_BY bronze/weight.subject_id",
    ]


def test_a_ratio_across_a_join_comes_from_both_tables(weight: ibis.Table, nutrition: ibis.Table) -> None:
    energy = nutrition.group_by("subject_id").aggregate(kcal=nutrition.kcal.sum())
    joined = weight.join(energy, "subject_id").mutate(kcal_per_kg=lambda t: t.kcal / t.kg)
    found = _short(joined.select("subject_id", "kcal_per_kg"))
    assert found["kcal_per_kg"] == ["AGGREGATION bronze/nutrition.kcal", "TRANSFORMATION bronze/weight.kg"]


def test_a_window_decides_and_its_value_is_computed(weight: ibis.Table) -> None:
    window = ibis.window(group_by="subject_id", order_by="day")
    found = _short(weight.select(previous=weight.kg.lag().over(window)))
    assert found["previous"] == [
        "WINDOW bronze/weight.day",
        "TRANSFORMATION bronze/weight.kg",
        "WINDOW bronze/weight.subject_id",
    ]


def test_the_first_weight_is_found_by_the_day_and_is_no_day(weight: ibis.Table) -> None:
    first = weight.group_by("subject_id").aggregate(kg=weight.kg.argmin(weight.day))
    assert _short(first)["kg"] == ["SORT bronze/weight.day", "AGGREGATION bronze/weight.kg"]


def test_a_condition_decides_and_its_branches_are_values(weight: ibis.Table) -> None:
    chosen = weight.select(
        kg=ibis.ifelse(weight.day > 3, weight.kg, 0.0),
        who=ibis.coalesce(weight.subject_id, weight.day.cast(str)),
        some=weight.kg.sum(where=weight.day > 3),
        kind=ibis.cases((weight.day == 1, weight.subject_id), else_="none"),
    )
    assert _short(chosen) == {
        "kg": ["CONDITIONAL bronze/weight.day", "IDENTITY bronze/weight.kg"],
        "who": ["TRANSFORMATION bronze/weight.day", "IDENTITY CONDITIONAL bronze/weight.subject_id"],
        "some": ["FILTER bronze/weight.day", "AGGREGATION bronze/weight.kg"],
        "kind": ["CONDITIONAL bronze/weight.day", "IDENTITY bronze/weight.subject_id"],
    }


def test_filters_joins_groups_and_sorts_decide_on_all_rows(weight: ibis.Table, nutrition: ibis.Table) -> None:
    kept = weight.filter(weight.day > 3).semi_join(nutrition, "subject_id").select("kg")
    assert _short(kept) == {"kg": ["IDENTITY bronze/weight.kg"]}
    assert _rows(kept) == [
        "JOIN bronze/nutrition.subject_id",
        "FILTER bronze/weight.day",
        "JOIN bronze/weight.subject_id",
    ]
    assert _rows(weight.group_by("day").aggregate(kg=weight.kg.max()).order_by("kg")) == [
        "GROUP_BY bronze/weight.day",
        "SORT bronze/weight.kg",
    ]
    assert _rows(weight.select("day").distinct()) == ["GROUP_BY bronze/weight.day"]


def test_the_second_table_of_a_left_join_decides_on_its_own_columns(weight: ibis.Table, nutrition: ibis.Table) -> None:
    rice = nutrition.filter(nutrition.food == "rice").select("subject_id", "kcal")
    found = _short(weight.left_join(rice, "subject_id").select("kg", "kcal"))
    assert found == {
        "kg": ["IDENTITY bronze/weight.kg"],
        "kcal": ["FILTER bronze/nutrition.food", "IDENTITY bronze/nutrition.kcal"],
    }
    joined = ["JOIN bronze/nutrition.subject_id", "JOIN bronze/weight.subject_id"]
    assert _rows(weight.left_join(rice, "subject_id").select("kg", "kcal")) == joined
    assert _rows(weight.join(rice, "subject_id").select("kg")) == ["FILTER bronze/nutrition.food", *joined]


def test_a_table_inside_a_condition_decides_by_its_column_and_its_rows(
    weight: ibis.Table, nutrition: ibis.Table
) -> None:
    ate = nutrition.filter(nutrition.kcal > 0).subject_id
    assert _rows(weight.filter(weight.subject_id.isin(ate))) == [
        "FILTER bronze/nutrition.kcal",
        "FILTER bronze/nutrition.subject_id",
        "FILTER bronze/weight.subject_id",
    ]


def test_a_union_comes_from_all_of_its_parts(weight: ibis.Table, nutrition: ibis.Table) -> None:
    both = weight.select(value=weight.kg).union(nutrition.select(value=nutrition.kcal))
    assert _short(both) == {"value": ["IDENTITY bronze/nutrition.kcal", "IDENTITY bronze/weight.kg"]}


def test_a_constant_and_a_table_of_constants_have_no_source(nutrition: ibis.Table) -> None:
    categories = ibis.memtable({"food": ["spuds"], "category": ["potato"]})
    found = _short(nutrition.join(categories, "food").mutate(one=1).select("food", "category", "one"))
    assert found == {"food": ["IDENTITY bronze/nutrition.food"], "category": [], "one": []}


def test_columns_dropped_by_a_star_are_followed(weight: ibis.Table) -> None:
    wide = weight.mutate(**{f"c{n}": weight.kg * n for n in range(30)})
    found = _short(wide.drop("day"))
    assert "day" not in found
    assert found["c29"] == ["TRANSFORMATION bronze/weight.kg"]
    assert list(found) == [name for name in wide.columns if name != "day"]


def test_names_keep_their_case_and_their_spaces() -> None:
    table = ibis.table({"Subject": "string", "Body weight (kg)": "float64", 'a"b.c': "float64"}, name="weight")
    found = _short(table.select(Total=table["Body weight (kg)"] + table['a"b.c'], Who=table.Subject))
    assert found == {
        "Total": ["TRANSFORMATION bronze/weight.Body weight (kg)", 'TRANSFORMATION bronze/weight.a"b.c'],
        "Who": ["IDENTITY bronze/weight.Subject"],
    }


def test_a_parquet_file_behind_a_connection_is_a_source(tmp_path: Path) -> None:
    pq.write_table(pa.table({"kg": [80.0]}), tmp_path / "part-0.parquet")
    connection = ibis.duckdb.connect()
    table = connection.read_parquet(str(tmp_path / "*.parquet"), table_name="weight")
    assert _short(table.select(lb=table.kg * 2.2)) == {"lb": ["TRANSFORMATION bronze/weight.kg"]}


def test_a_table_without_a_dataset_is_refused_with_the_nearest_name() -> None:
    stray = ibis.table({"kg": "float64"}, name="weights")
    with pytest.raises(PotatoError) as caught:
        trace(stray, SOURCES)
    assert (caught.value.found, caught.value.nearest) == ("weights", "weight")


@pytest.mark.parametrize(
    ("last", "first", "composed"),
    [
        ("IDENTITY", "IDENTITY", "IDENTITY"),
        ("IDENTITY", "AGGREGATION", "AGGREGATION"),
        ("AGGREGATION", "TRANSFORMATION", "AGGREGATION"),
        ("TRANSFORMATION", "JOIN", "JOIN"),
        ("FILTER", "AGGREGATION", "FILTER"),
        ("FILTER", "WINDOW", "FILTER"),
    ],
)
def test_two_steps_are_direct_where_both_are_and_else_the_later_decision(last: str, first: str, composed: str) -> None:
    assert columns._composed(last, first) == composed


def test_a_step_in_between_is_replaced_by_where_it_comes_from(weight: ibis.Table) -> None:
    late = weight.filter(weight.day > 3)
    step = trace(late.group_by("subject_id").aggregate(kg=late.kg.mean(), one=ibis.literal(1)), SOURCES)
    made = ibis.table({"subject_id": "string", "kg": "float64", "one": "int8"}, name="step")
    heavy = made.filter(made.kg > 100).select(stones=made.kg / 6 + made.one, who=made.subject_id)
    found = trace(heavy, {"step": step})
    assert _told(found.by_column()["stones"]) == ["AGGREGATION bronze/weight.kg"]
    assert _told(found.by_column()["who"]) == ["IDENTITY bronze/weight.subject_id"]
    assert _told(found.of_rows()) == [
        "FILTER bronze/weight.day",
        "FILTER bronze/weight.kg",
        "GROUP_BY bronze/weight.subject_id",
    ]


def test_the_module_needs_no_openlineage() -> None:
    heavy = "{'openlineage', 'ibis', 'sqlglot'}"
    program = f"import sys; import potato.columns; print(sorted({heavy} & set(sys.modules)))"
    project = Path(columns.__file__).parents[1]
    answer = subprocess.run([sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_rows_of_several_tables_come_from_all_of_them(weight: ibis.Table, nutrition: ibis.Table) -> None:
    late = nutrition.filter(nutrition.day > 3)
    parts = [
        trace(weight.select(who=weight.subject_id, what=weight.kg), SOURCES),
        trace(late.select(who=late.subject_id, what=ibis.literal("food")), SOURCES),
    ]
    found = columns.merged(parts)
    assert {name: _told(sources) for name, sources in found.by_column().items()} == {
        "who": [f"IDENTITY bronze/{name}.subject_id" for name in ("nutrition", "weight")],
        "what": ["IDENTITY bronze/weight.kg"],
    }
    assert _told(found.of_rows()) == ["FILTER bronze/nutrition.day"]


Names = set[tuple[str, str]]


def _parsed(expression: ibis.Table) -> tuple[exp.Expression, dict[str, dict[str, str]]]:
    """Return the SQL that the expression is compiled to, each column with its table, and the columns of the tables."""
    tables = expression.op().find(ibis.expr.operations.PhysicalTable)
    known = {table.name: dict.fromkeys(table.schema.names, "text") for table in tables}
    text = str(ibis.to_sql(expression, dialect="duckdb"))
    return qualify(sqlglot.parse_one(text, dialect="duckdb"), schema=known, dialect="duckdb", identify=True), known


def _values_only(tree: exp.Expression) -> exp.Expression:
    """Return the SQL without what only decides on a value: conditions, windows, and the key of a first or last."""
    tree = tree.copy()
    for node in list(tree.find_all(exp.If, exp.Case, exp.Window, exp.Filter, exp.Order)):
        if isinstance(node, exp.If):
            node.set("this", exp.true())
        elif isinstance(node, exp.Case):
            node.set("this", None)
        elif isinstance(node, exp.Window):
            node.set("partition_by", None)
            node.set("order", None)
        elif isinstance(node, exp.Filter):
            node.set("expression", exp.Where(this=exp.true()))
        elif node.this:
            node.replace(node.this)
    return tree


def _leaves(node: sqlglot.lineage.Node) -> Names:
    """Return the columns of real tables that a node of SQLGlot's lineage comes from."""
    leaves = [leaf for leaf in node.walk() if not leaf.downstream and isinstance(leaf.source, exp.Table)]
    pairs = {(leaf.source.name, exp.to_column(leaf.name, dialect="duckdb").name) for leaf in leaves}
    return {(table, name) for table, name in pairs if not table.startswith("ibis_")}


def _by_sqlglot(tree: exp.Expression, known: dict[str, dict[str, str]], names: Sequence[str]) -> dict[str, Names]:
    scope, told = build_scope(tree), {"schema": known, "dialect": "duckdb", "trim_selects": False}
    return {name: _leaves(sqlglot.lineage.lineage(name, tree, scope=scope, **told)) for name in names}


def _deciding_by_sqlglot(tree: exp.Expression, known: dict[str, dict[str, str]]) -> Names:
    """Return the columns behind each WHERE, ON, GROUP BY, DISTINCT, FILTER and UNNEST."""
    found: Names = set()
    told = {"schema": ensure_schema(known, dialect="duckdb"), "dialect": "duckdb", "trim_selects": False}
    for scope in traverse_scope(tree):
        select = scope.expression
        if not isinstance(select, exp.Select):
            continue
        asked = [select.args.get("where"), select.args.get("group"), select.args.get("qualify")]
        asked += [join.args.get("on") for join in select.args.get("joins") or ()]
        asked += list(select.expressions) if select.args.get("distinct") else []
        asked += [one.expression for one in select.find_all(exp.Filter)] + list(select.find_all(exp.Unnest))
        for column in (column for part in asked if part for column in part.find_all(exp.Column)):
            source = scope.sources.get(column.table)
            if isinstance(source, exp.Table):
                found |= {(source.name, column.name)} if not source.name.startswith("ibis_") else set()
            elif source is not None:
                found |= _leaves(sqlglot.lineage.to_node(column.name, source, **told))
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
        ours = trace(expression, {table: table for table in tables})
        tree, known = _parsed(expression)

        def of(pairs: columns.Pairs, *hows: str) -> Names:
            return {(table, column) for table, column, how in pairs if how in hows}

        direct = {column: of(pairs, *columns.DIRECT) for column, pairs in ours.columns.items()}
        assert direct == _by_sqlglot(_values_only(tree), known, expression.columns), name
        decides = _deciding_by_sqlglot(tree, known)
        assert of(ours.rows.union(*ours.columns.values()), "FILTER", "JOIN", "GROUP_BY") == decides, name
        for column, pairs in _by_sqlglot(tree, known, expression.columns).items():
            both = of(ours.columns[column], *columns.DIRECT, *columns.INDIRECT)
            # What decides on the rows of a table that is joined from the left is no part of the values in SQL.
            assert pairs <= both <= pairs | decides, f"{name}.{column}"


def test_every_column_of_silver_and_quarantine_names_bronze_columns_that_exist(
    study: Callable[..., str], project: Path
) -> None:
    found = silver(_one_of_everything(study), project).lineage()
    datasets = {dataset.name: dataset for dataset in (*schema.SILVER.values(), schema.QUARANTINE)}
    bronze = {dataset.name: dataset for dataset in schema.BRONZE.values()}
    assert found.keys() == datasets.keys()
    for name, traced in found.items():
        assert list(traced.columns) == datasets[name].names
        for column, sources in traced.by_column().items():
            assert sources, f"{name}.{column}"
            assert all(source["column"] in bronze[source["dataset"]].names for source in sources)
        assert traced.of_rows(), name
        assert not any(columns.is_direct(source) for source in traced.of_rows())


def test_a_weight_is_computed_from_weights_and_decided_by_days_and_faults(
    study: Callable[..., str], project: Path
) -> None:
    traced = silver(_one_of_everything(study), project).lineage()["silver/subject_trajectories"]
    for name in ("weight_kg", "baseline_weight_kg", "closing_weight_kg"):
        direct = {source["column"] for source in traced.by_column()[name] if columns.is_direct(source)}
        assert direct == {"weight"}, name
    assert {"subject_id", "date", "fault"} <= {source["column"] for source in traced.of_rows()}

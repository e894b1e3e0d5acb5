"""Silver on Spark is silver on DuckDB: every table equal, row for row, whatever the raw files say.

One session serves all tests of this file, which pytest keeps in one process.
"""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potato import cluster, contracts, doctor, engine, lake, schema, settings, simulate
from potato.bronze import CSVLoader
from potato.errors import PotatoError
from potato.manifest import Verdict
from potato.silver import FeatureEngineer

from .conftest import HERE, without_spark
from .layer_frames import changed, filled
from .test_conservation import MAPPINGS

LACKING = without_spark()
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)

Study = Callable[..., str]
Tables = dict[str, pa.Table]

BLANKS = ("", " ", "\u00a0", "\u202f", "\u2003", "\t", "\x0b", "\x0c", "\x85", "\ufeff")
NUMBERS = [
    *("80", "80.5", "80,5", "176", "176 lb", "80 kg", "80kg.", "12 st 4 lb", "12st", "0", "-0", "+80", "-3", "080.50"),
    *("~8.5", "≈ 80", "ca. 80", "12 g", "3-4", "3 – 4", "1.234,5", "1,234.5", "1 234,5", "1'234", "1,100", "1.100"),
    *("1e3", "1E+1", "1e400", "-1e400", "1e-400", "1e", ".5", "5.", ".", "..", "0x10", "0x1p3", "10d", "10f", "80D"),
    *("nan", "NaN", "-nan", "+nan", "inf", "Inf", "+inf", "-infinity", "infinity", "INFINITY", "infinit", "1_000"),
    *("1__0", "_1", "1_", "1_0.5_5", "NA", "n/a", "#N/A", "-", "–", "...", "?", "eighty", "9" * 400, "１２", "٨٠", "²"),
    *(
        "80\n",
        "80\r",
        "8 0",
        "80.5.1",
        "80..5",
        "--80",
        "80-",
        "true",
        "80 Kg",
        "80 \u212ag",
        "1046 kJ",
        "1 MJ",
        "5 µg",
    ),
    *("5 μg", "1,5 g", "80é", "1.100é", "12345678.9", "0.05", "19999.95", "0.25", "8.45", "1,23", "null", "None"),
]
DATES = [
    *("2022-05-01", "2022-5-1", "2022/05/01", "2022.05.01", "2022 05 01", "2022-05", "2022", "20220501", "2022-05-01Z"),
    *("2022-05-01T06:00", "2022-05-01 06:00:00", "2022-05-01 23:00", "2022-05-01T21:35:10.5+02:00", "2022-02-30"),
    *(
        "1/5/2022",
        "5/1/2022",
        "13/5/2022",
        "5/13/2022",
        "01.05.22",
        "22-05-01",
        "1 May 2022",
        "May 1, 2022",
        "1-May-22",
    ),
    *("22-May-01", "Sun, 1 May 2022", "sunday 1 may 2022 7:24 pm", "44682", "44682.25", "44682,5", "60000", "60001"),
    *("1651363200", "2999-01-01", "1830-01-01", "0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01", "epoch"),
    *(
        "infinity",
        "-infinity",
        "now",
        "today",
        "tomorrow",
        "yesterday",
        "12:30",
        "2022-13-05",
        "2022-05-32",
        "30.02.2022",
    ),
    *("2022-05-01\n", "2022-05-01\x0b", "-2022-05-01", "+2022-05-01", "2022-005-001", "1/1/68", "1/1/69", "29.2.2023"),
    *("", "-", "NA", "nan", "1 Mai 2022", "1er mai 2022", "2nd of June 2022", "3 SEPT 2022", "4 ſept 2022"),
]
PEOPLE = ["a", "A", " a ", "", "NA", "é", "É", "İ", "ΟΔΟΣ", "Ann, B", "good", "x\u00a0y", "x y"]
FOODS = [
    "potato",
    "Rice, brown",
    "POTATOES ",
    "mashed",
    "4  weeks",
    "",
    "\t",
    "🥔",
    "N/A",
    "pear's",
    "crème",
    "oat\x0bmeal",
]
UNITS = ["kg", "lb", "LBS", "", "stone", "?", " Kg ", "\u212ag"]
GROUPS = ["A", " a", "A", "", "a "]


def csv(header: str, rows: list[tuple[str, ...]]) -> str:
    quoted = (",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    return header + "\n" + "\n".join(quoted) + "\n"


def hostile() -> dict[str, str]:
    """Return files in which each text stands in each column that reads such texts, alone and between blanks."""
    who, day = itertools.cycle(PEOPLE), itertools.cycle(f"2022-05-{n:02d}" for n in range(1, 29))
    foods, units = itertools.cycle(FOODS), itertools.cycle(UNITS)
    padded = [*NUMBERS, *(f"{blank}80{n % 10}.5{blank}" for n, blank in enumerate(BLANKS))]
    weights = [(next(who), next(day), text, next(units), "") for text in padded]
    weights += [(f"p{n % 5}", text, f"{70 + n % 9}.5", "kg", "") for n, text in enumerate(DATES)]
    weights += [("grouped", f"2022-06-{n + 1:02d}", "80", "kg", group) for n, group in enumerate(GROUPS)]
    weights += [("again", "2022-05-01 21:00", "81", "kg", ""), ("again", "2022-05-01 07:00", "80", "kg", "")] * 2
    weights += [
        ("jumper", f"2022-05-{n:02d}", f"{95 if n == 12 else 80 + n % 3 / 10:.1f}", "kg", "") for n in range(1, 29)
    ]
    weights += [(f"pounds{n % 2}", f"2022-05-{n + 1:02d}", f"{180 - n / 2:g}", "", "") for n in range(20)]
    lonely = [f"2022-05-{n:02d}" for n in range(1, 15)]
    weights += [("lonely", when, "77", "kg", "") for when in [*lonely, "2012-05-20", "2022-05-16"]]
    diary = [(next(who), next(day), next(foods), text, "4", "44", "0.5", "1") for text in padded]
    diary += [(next(who), next(day), next(foods), "200", text, "44", text, text) for text in padded]
    diary += [(f"p{n % 5}", text, next(foods), "210.25", "4.05", "44", "0.5", "1") for n, text in enumerate(DATES)]
    diary += [
        ("good", f"2022-05-{n % 7 + 1:02d}", FOODS[n % 4], f"{n % 3}00", "4", "44", "0.5", "1") for n in range(40)
    ]
    totals = [(next(who), next(day), text) for text in padded]
    totals += [(f"p{n % 5}", text, "12") for n, text in enumerate(DATES)]
    totals += [("good", f"2022-05-{n:02d}", f"{n}.5") for n in range(1, 9)]
    clear = [("good", f"2022-05-{n:02d}", f"{80 - n / 10:.2f}", "kg", "A") for n in range(1, 20)]
    commas = [("good", f"{n}.5.22", f"{80 - n / 10:.2f}".replace(".", ","), "kg", "A") for n in range(15, 28)]
    heads = {"weight": "who,date,weight,unit,group", "fiber": "who,date,fiber"}
    heads["nutrition"] = "who,date,food,kcal,protein,carbs,fat,fiber"
    return {
        "weight/1.csv": csv(heads["weight"], weights),
        "weight/2.csv": csv(heads["weight"], clear),
        "weight/3.csv": csv(heads["weight"], commas),
        "nutrition/1.csv": csv(heads["nutrition"], diary),
        "nutrition/2.csv": csv(heads["nutrition"], diary[-50:]),
        "fiber/1.csv": csv(heads["fiber"], totals),
    }


def choose(project: Path, engine: str) -> None:
    """Write the engine into the project's params.yaml."""
    text = (HERE / "params.yaml").read_text()
    # What compiles less is ready sooner; the tests are over before it would be slower.
    few = (
        "{ spark.driver.extraJavaOptions: -XX:TieredStopAtLevel=1 -XX:+UseSerialGC,"
        " spark.sql.codegen.wholeStage: false, spark.sql.codegen.factoryMode: NO_CODEGEN }"
    )
    for old, new in (
        ("engine: duckdb", f"engine: {engine}"),
        ("local[*]", "local[2]"),
        ("options: {}", f"options: {few}"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (project / "params.yaml").write_text(text)


def bronze(name: str, project: Path) -> CSVLoader:
    loader = CSVLoader(name)
    loader.read_nutrition_files()
    loader.basic_validation()
    for family, table in loader.tables.items():
        lake.write(table, project / "data" / "bronze" / family)
    lake.write_json(project / "data" / "bronze" / "ledger.json", {"files": loader.ledger()})
    return loader


def silver(name: str) -> FeatureEngineer:
    engineer = FeatureEngineer(name)
    engineer.load_from_bronze()
    engineer.clean_data()
    engineer.engineer_features()
    return engineer


def both(name: str, project: Path) -> tuple[FeatureEngineer, FeatureEngineer]:
    """Return silver of a study whose bronze is there, made by DuckDB and by Spark."""
    choose(project, "duckdb")
    one = silver(name)
    choose(project, "spark")
    return one, silver(name)


def differences(one: pa.Table, other: pa.Table) -> list[Any]:
    """Return what differs between two tables: texts and whole numbers at all, fractions by more than 1e-9."""
    if one.schema != other.schema or one.num_rows != other.num_rows:
        missing = [r for r in one.to_pylist() if r not in other.to_pylist()]
        more = [r for r in other.to_pylist() if r not in one.to_pylist()]
        return [(one.num_rows, other.num_rows), missing[:20], more[:20]]
    found: list[Any] = []
    for name in one.column_names:
        left, right = one[name].combine_chunks(), other[name].combine_chunks()
        if pa.types.is_floating(left.type):
            a, b = (side.to_numpy(zero_copy_only=False).astype(float) for side in (left, right))
            same = left.is_null().equals(right.is_null()) and np.allclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True)
        else:
            same = left.equals(right)
        if not same:
            pairs = zip(left.to_pylist(), right.to_pylist(), one.to_pylist(), strict=True)
            found.append((name, [(a, b, row) for a, b, row in pairs if a != b][:20]))
    return found


def assert_equal(one: FeatureEngineer, other: FeatureEngineer) -> None:
    assert (one.evidence.files, one.evidence.plain) == (other.evidence.files, other.evidence.plain)
    for here, there in zip(one.evidence.units, other.evidence.units, strict=True):
        told, also = asdict(here), asdict(there)
        medians = [evidence.pop("median") or 0.0 for evidence in (told, also)]
        assert medians[0] == pytest.approx(medians[1], rel=1e-9)
        assert told == also
    assert one.ledger() == other.ledger()
    assert one.accounts.table().equals(other.accounts.table())
    for name in one.tables:
        assert differences(one.tables[name], other.tables[name]) == [], name


def test_a_study_of_hostile_texts_gives_equal_tables_on_both_engines(study: Study, project: Path) -> None:
    name = study(hostile(), **MAPPINGS)
    bronze(name, project)
    one, other = both(name, project)
    quarantine, flags = one.tables["quarantine"], one.tables["flags"]
    assert quarantine.num_rows > 100
    assert len(set(quarantine["reason"].to_pylist())) > 10
    assert len(set(flags["flag"].to_pylist())) > 3
    assert_equal(one, other)


@pytest.fixture
def demo(project: Path) -> Path:
    """The project with the raw files of the demo study."""
    simulate.simulate(settings.load(project, "demo").simulate, project / "data" / "raw" / "demo")
    return project


def made(name: str, project: Path) -> tuple[CSVLoader, FeatureEngineer]:
    """Run bronze and silver with their contracts and all that they write, on the engine in params.yaml."""
    loader = CSVLoader(name)
    loader.read_nutrition_files()
    loader.basic_validation()
    loader.validate_schema()
    loader.save()
    shutil.copytree(
        project / "data" / ".interactive" / "data" / "bronze", project / "data" / "bronze", dirs_exist_ok=True
    )
    engineer = silver(name)
    engineer.validate_schema()
    engineer.save()
    return loader, engineer


def verdicts(found: list[Verdict]) -> list[tuple[object, ...]]:
    """Return what has to be equal of verdicts; which of the values out of bounds are named first is the engine's."""
    return [(v.dataset, v.expectation, v.column, v.severity, v.success, v.unexpected_count, v.sentence) for v in found]


def test_the_demo_study_gives_equal_layers_and_verdicts_on_both_engines(
    demo: Path, recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    choose(demo, "duckdb")
    raw, one = made("demo", demo)
    written = lake.fingerprint(demo / "data" / ".interactive" / "data" / "bronze")
    choose(demo, "spark")
    shared = demo / "shared"
    path = demo / "params.yaml"
    path.write_text(path.read_text().replace("lake: null", f"lake: {shared.as_uri()}", 1))
    capfd.readouterr()
    recwarn.clear()
    spread, other = made("demo", demo)
    assert capfd.readouterr().err == ""
    assert [str(warning.message) for warning in recwarn] == []
    assert lake.fingerprint(demo / "data" / ".interactive" / "data" / "bronze") == written
    assert_equal(one, other)
    assert verdicts(raw.verdicts) == verdicts(spread.verdicts)
    assert verdicts(one.verdicts) == verdicts(other.verdicts)
    weeks = pq.read_table(shared / "demo" / "silver" / "weekly_features", partitioning="hive")
    assert weeks.num_rows == other.tables["weekly_features"].num_rows
    assert (shared / "demo" / "silver" / "weekly_features" / "study_week=1").is_dir()
    raws = {entry.name for entry in (shared / "demo" / "bronze" / "weight").iterdir() if entry.is_dir()}
    assert len(raws) == len({name for name, file in raw.ledger().items() if file["family"] == "weight"})


def test_a_contract_on_spark_finds_what_it_finds_in_arrow(project: Path) -> None:
    choose(project, "spark")
    chosen = settings.load(project, "demo")
    weeks = filled(schema.WEEKLY_FEATURES, [{"subject_id": "ann", "study_week": week} for week in range(1, 31)])
    broken = changed(changed(changed(weeks, 3, days_logged=8), 5, subject_id=None), 9, entries_potato=-1)
    broken = changed(changed(broken, 1, study_week=1), 12, energy_kcal_per_day=20_001.0)
    for table in (weeks, broken, broken.select(broken.column_names[::-1]), weeks.slice(0, 0)):
        here = contracts.check(table, schema.WEEKLY_FEATURES, at_least=1)
        there = contracts.check(cluster.frame(chosen, table), schema.WEEKLY_FEATURES, at_least=1)
        assert verdicts(here) == verdicts(there)
    assert not all(
        verdict.success for verdict in contracts.check(cluster.frame(chosen, broken), schema.WEEKLY_FEATURES)
    )


def test_what_is_wrong_with_a_raw_file_is_said_as_without_spark(study: Study, project: Path) -> None:
    name = study({"weight.csv": bytes(2000)})
    said = []
    for chosen in ("duckdb", "spark"):
        choose(project, chosen)
        with pytest.raises(PotatoError, match="no text file") as caught:
            CSVLoader(name).read_nutrition_files()
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_spark_without_its_package_says_what_to_type(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(project, "spark")
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(PotatoError, match="not installed") as caught:
        cluster.session(settings.load(project, "demo").spark)
    assert "make spark" in str(caught.value.hint)
    (missing,) = [check for check in doctor.examine(project) if not check.good and check.name == "engine"]
    assert missing.found == "Spark is not installed."


def test_spark_without_java_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(PotatoError, match="needs Java 17") as caught:
        cluster.require_java()
    assert "JAVA_HOME" in str(caught.value.found)
    assert "openjdk-17" in str(caught.value.hint)
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n")
    old.chmod(0o755)
    with pytest.raises(PotatoError) as caught:
        cluster.require_java()
    assert caught.value.found == "Java 8"


@pytest.mark.parametrize(
    ("re2", "text", "found"),
    [
        (r"^\d+$", "80\n", False),
        (r"^\s$", "\x0b", False),
        (r"^[\s\d]+$", "1 \n", True),
        (r"(?i:^kg$)", "\u212aG", True),
        (r"\.\d{3}\b", "1.100é", True),
        (r"^\$[$]\]$", "$$]", True),
    ],
)
def test_a_pattern_finds_in_spark_what_it_finds_in_duckdb(project: Path, re2: str, text: str, found: bool) -> None:
    choose(project, "spark")
    for engine_ in (duckdb_settings(project), settings.load(project, "demo")):
        column = ibis.memtable(pa.table({"text": [text]}))
        rows = engine.connect(engine_).to_pyarrow(column.select(found=column.text.re_search(re2)))
        assert rows["found"].to_pylist() == [found]


def duckdb_settings(project: Path) -> settings.Settings:
    return settings.load(project, "demo").model_copy(update={"engine": "duckdb"})

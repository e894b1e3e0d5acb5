"""Does Spark give what DuckDB gives on a million rows, and how long does it take?

Generates the study of benchmarks.ingest, whose bronze is read by each engine, runs silver on DuckDB and on Spark on all
cores, each in a process of its own, and holds every table of the two against each other: texts, dates and whole
numbers have to be equal, fractions to 1e-9. Prints each engine's seconds and what differs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.ingest import PEOPLE, ROWS, generate
from benchmarks.overhead import copy

ENGINES = ("duckdb", "spark")
TOLERANCE = 1e-9


def run(folder: Path, engine: str) -> dict[str, float]:
    """Run bronze and silver on an engine; leave the tables in the folder and return the seconds of each step."""
    os.environ |= {"POTATO_ROOT": str(folder), "POTATO_STAGING": str(folder)}
    parameters = folder / "params.yaml"
    text = parameters.read_text(encoding="utf-8")
    for other in ENGINES:
        text = text.replace(f"engine: {other}", f"engine: {engine}")
    parameters.write_text(text, encoding="utf-8")
    from potato import cluster, lake, settings
    from potato.bronze import CSVLoader
    from potato.silver import FeatureEngineer

    seconds: dict[str, float] = {}
    last = time.perf_counter()

    def done(step: str) -> None:
        nonlocal last
        seconds[step], last = time.perf_counter() - last, time.perf_counter()

    if engine == "spark":
        cluster.session(settings.load(folder, "big").spark)
        done("start")
    loader = CSVLoader("big")
    loader.read_nutrition_files()
    loader.basic_validation()
    done("bronze: read")
    loader.validate_schema()
    done("bronze: contracts")
    loader.save()
    done("bronze: save")
    engineer = FeatureEngineer("big")
    engineer.load_from_bronze()
    engineer.clean_data()
    done("silver: clean")
    engineer.engineer_features()
    done("silver: features")
    engineer.validate_schema()
    done("silver: contracts")
    for name, table in (*loader.tables.items(), *engineer.tables.items()):
        lake.write_file(table, folder / engine / f"{name}.parquet")
    lake.write_json(folder / engine / "ledger.json", engineer.ledger())
    return seconds


def differences(one: pa.Table, other: pa.Table) -> tuple[list[str], float]:
    """Return the columns that differ, and the largest difference of a fraction, relative to numbers over 1."""
    if one.schema != other.schema or one.num_rows != other.num_rows:
        return [f"{one.num_rows:,} rows and {other.num_rows:,}, or other columns"], 0.0
    found, worst = [], 0.0
    for name in one.column_names:
        left, right = one[name].combine_chunks(), other[name].combine_chunks()
        same = left.is_null().equals(right.is_null())
        if pa.types.is_floating(left.type) and same:
            a, b = (side.drop_null().to_numpy(zero_copy_only=False) for side in (left, right))
            off = float(np.max(np.abs(a - b) / np.maximum(np.abs(a), 1), initial=0.0))
            worst, same = max(worst, off), off <= TOLERANCE
        else:
            same = left.equals(right)
        if not same:
            found.append(name)
    return found, worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.engine:
        print(json.dumps(run(told.folder, told.engine)))
        return
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        print("left out: it needs PySpark and Java (docs/spark.md)")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"generating {ROWS:,} diary entries of {PEOPLE:,} people ...", flush=True)
        copy(folder)
        generate(folder)
        for engine in ENGINES:
            command = [sys.executable, "-m", "benchmarks.spark", "--engine", engine, "--folder", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(done.stderr[-3000:])
                sys.exit(f"{engine} failed; where PySpark or Java is missing, see docs/spark.md")
            seconds = json.loads(done.stdout.splitlines()[-1])
            steps = ", ".join(f"{step} {taken:.1f}" for step, taken in seconds.items())
            print(f"{engine}: {sum(seconds.values()):.1f} s ({steps})", flush=True)
            if done.stderr:
                print(f"{engine} said on the terminal:\n{done.stderr[-2000:]}")
        failed = False
        for path in sorted((folder / "duckdb").glob("*.parquet")):
            one, other = pq.read_table(path), pq.read_table(folder / "spark" / path.name)
            columns, worst = differences(one, other)
            failed |= bool(columns)
            says = f"differs in {', '.join(columns)}" if columns else f"equal, fractions within {worst:.0e}"
            print(f"  {path.stem:28} {one.num_rows:>9,} rows: {says}")
        ledgers = [(folder / engine / "ledger.json").read_bytes() for engine in ENGINES]
        failed |= ledgers[0] != ledgers[1]
        print(f"  the ledgers are {'equal' if ledgers[0] == ledgers[1] else 'different'}")
        sys.exit(failed)


if __name__ == "__main__":
    main()

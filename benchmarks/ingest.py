"""How much longer than reading does an ingest take that loses nothing?

Generates a million diary entries and the weights of the people who wrote them. In turn, each in a process of its own
with imports left out: DuckDB reads and types that CSV; bronze and silver read it, keep every row with its place, write
bronze, clean the rows, set aside what can't be used, and hold the rows against their contracts. Prints each step's
median, the ratio, and the peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from benchmarks.overhead import copy

ROWS, PEOPLE, DAYS = 1_000_000, 1_000, 27
LIMIT = 5.0
MOST_MEGABYTES = 1_500
FOODS = ('"Potatoes, boiled"', "Milk 1%", "Apple", "Hash browns", '"Bread, whole wheat"', "Chicken breast")
HEADER = "participant,date,meal,food,amount_g,energy_kcal,protein_g,carbohydrate_g,fat_g,fiber_g\n"
DIARY = "data/raw/big/nutrition/n.csv"
TYPES = {
    "participant": "VARCHAR",
    "date": "DATE",
    "meal": "VARCHAR",
    "food": "VARCHAR",
    **dict.fromkeys(("amount_g", "energy_kcal", "protein_g", "carbohydrate_g", "fat_g", "fiber_g"), "DOUBLE"),
}


def generate(folder: Path) -> None:
    """Write the study `big`; the energy of an entry is what its macronutrients have."""
    dice = random.Random(1)
    diary, scales = folder / DIARY, folder / "data/raw/big/weight/w.csv"
    diary.parent.mkdir(parents=True)
    scales.parent.mkdir(parents=True)
    with diary.open("w", encoding="utf-8") as stream:
        stream.write(HEADER)
        for entry in range(ROWS):
            protein, carbohydrate, fat, fiber = (dice.uniform(0, most) for most in (30, 60, 20, 9))
            energy = 4 * protein + 4 * carbohydrate + 9 * fat + 2 * fiber
            stream.write(
                f"P{entry % PEOPLE:04d},2022-05-{dice.randrange(DAYS) + 1:02d},lunch,{dice.choice(FOODS)},"
                f"{dice.randrange(10, 500)},{energy:.1f},{protein:.1f},{carbohydrate:.1f},{fat:.1f},{fiber:.1f}\n"
            )
    with scales.open("w", encoding="utf-8") as stream:
        stream.write("participant,date,weight,unit,group\n")
        for person in range(PEOPLE):
            for day in range(1, DAYS + 1):
                stream.write(f"P{person:04d},2022-05-{day:02d},{dice.gauss(80, 0.5):.1f},kg,all\n")
    demo = yaml.safe_load((folder / "studies/demo.yaml").read_text(encoding="utf-8"))
    study = {key: demo[key] for key in ("nutrition", "weight")} | {"title": "Big", "description": "A benchmark."}
    (folder / "studies/big.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")


def duckdb_alone(folder: Path) -> dict[str, float]:
    import duckdb

    connection = duckdb.connect()
    started = time.perf_counter()
    connection.execute("CREATE TABLE diary AS SELECT * FROM read_csv(?, columns = ?)", [str(folder / DIARY), TYPES])
    return {"DuckDB reads and types": time.perf_counter() - started}


def ours(folder: Path) -> dict[str, float]:
    os.environ |= {"POTATO_ROOT": str(folder), "POTATO_STAGING": str(folder)}
    # What is imported on its first use is left out, as all imports are.
    import great_expectations.expectations  # noqa: F401
    import ibis.backends.duckdb.converter  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.dataset  # noqa: F401

    from potato import contracts, schema
    from potato.bronze import CSVLoader
    from potato.silver import FeatureEngineer

    steps: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = step()
        steps[name] = time.perf_counter() - started
        return result

    loader = CSVLoader("big")
    timed("bronze: read", loader.read_nutrition_files)
    timed("bronze: lay out", loader.basic_validation)
    timed("bronze: contracts", loader.validate_schema)
    timed("bronze: save", loader.save)
    engineer = FeatureEngineer("big")
    timed("silver: open", engineer.load_from_bronze)
    timed("silver: clean", engineer.clean_data)
    ledger = timed("silver: ledger", engineer.ledger)
    rows = {"quarantine": schema.QUARANTINE, "flags": schema.FLAGS}
    timed("silver: contracts", lambda: [contracts.check(engineer.tables[name], rows[name]) for name in rows])
    read = sum(file["rows_read"] for file in ledger.values())
    if read != ROWS + PEOPLE * DAYS:
        sys.exit(f"{read} rows were read of {ROWS + PEOPLE * DAYS}")
    return steps


WORK = {"duckdb": duckdb_alone, "ours": ours}


def measured(work: str, folder: Path) -> tuple[dict[str, float], float]:
    """Run one piece of work in a new process; return the seconds of its steps and its peak memory in MB."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--work", work, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{work} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    steps, megabytes = json.loads(done.stdout.splitlines()[-1])
    return steps, megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--work", choices=list(WORK), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.work:
        steps = WORK[told.work](told.folder)
        unit = 1e6 if sys.platform == "darwin" else 1e3  # getrusage counts bytes there, kilobytes elsewhere
        print(json.dumps([steps, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"generating {ROWS:,} diary entries ...", flush=True)
        copy(folder)
        generate(folder)
        alone, whole, peaks = [], [], []
        steps_of: dict[str, list[float]] = {}
        for repeat in range(1, told.repeats + 1):
            seconds, _ = measured("duckdb", folder)
            alone.append(sum(seconds.values()))
            for layer in ("bronze", "silver", "quarantine"):
                shutil.rmtree(folder / "data" / layer, ignore_errors=True)
            seconds, megabytes = measured("ours", folder)
            whole.append(sum(seconds.values()))
            peaks.append(megabytes)
            for step, taken in seconds.items():
                steps_of.setdefault(step, []).append(taken)
            found = f"DuckDB {alone[-1]:.2f} s, ingest and contracts {whole[-1]:.2f} s, {megabytes:.0f} MB"
            print(f"repeat {repeat}: {found}", flush=True)
    for step, taken in steps_of.items():
        print(f"  {step:18} {statistics.median(taken):5.2f} s")
    ratio = statistics.median(whole) / statistics.median(alone)
    for layer, meaning in (("bronze", "reads, keeps and checks every row"), ("silver", "cleans and accounts for them")):
        medians = [statistics.median(taken) for step, taken in steps_of.items() if step.startswith(layer)]
        print(f"{layer} {meaning}: {sum(medians) / statistics.median(alone):.1f} times DuckDB alone")
    print(f"ingest and contracts take {ratio:.1f} times as long as DuckDB alone (at most {LIMIT:.0f} is wanted)")
    print(f"peak memory {max(peaks):.0f} MB (at most {MOST_MEGABYTES} is wanted)")
    sys.exit(ratio > LIMIT or max(peaks) > MOST_MEGABYTES)


if __name__ == "__main__":
    main()

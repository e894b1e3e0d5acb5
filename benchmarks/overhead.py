"""What does it cost to run notebooks like production software?

Runs the whole pipeline (`dvc repro`: five stages, contracts enforced, lineage, telemetry, MLflow, the site) and, in
turn with it, the same three notebooks under plain papermill, on the same data, and prints the ratio pair by pair.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
NEEDED = ("params.yaml", "dvc.yaml", "notebooks", "potato", "studies", "reports", ".dvc/config", ".dvcignore")
LIMIT = 1.5


def copy(destination: Path) -> None:
    for name in NEEDED:
        source, target = ROOT / name, destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    (destination / ".dvc/config.local").write_text("[core]\n    no_scm = True\n")


def seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return time.perf_counter() - started


def pipeline(folder: Path, environment: dict[str, str]) -> float:
    return seconds([sys.executable, "-m", "dvc", "repro", "--force", "--quiet"], folder, environment)


def plain(folder: Path, environment: dict[str, str]) -> float:
    # Without a stage to publish what they wrote, the notebooks write where the next one reads.
    written = environment | {"POTATO_STAGING": str(folder), "POTATO_ROOT": str(folder)}
    return sum(
        seconds(
            [sys.executable, "-m", "papermill", f"notebooks/{name}.ipynb", f"{name}.out.ipynb", "--no-progress-bar"],
            folder,
            written,
        )
        for name in ("bronze", "silver", "gold")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "OPENLINEAGE_", "MLFLOW_"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        copy(folder)
        print("warm-up (also makes the data and the MLflow store) ...", flush=True)
        pipeline(folder, environment)
        plain(folder, environment)
        ratios = []
        for pair in range(1, pairs + 1):
            whole, notebooks = pipeline(folder, environment), plain(folder, environment)
            ratios.append(whole / notebooks)
            print(
                f"pair {pair}: pipeline {whole:5.1f} s, plain papermill {notebooks:5.1f} s, ratio {ratios[-1]:.2f}",
                flush=True,
            )
    ratio = statistics.median(ratios)
    print(f"the pipeline takes {ratio:.2f} times as long as its notebooks alone (at most {LIMIT} is wanted)")
    sys.exit(ratio > LIMIT)


if __name__ == "__main__":
    main()

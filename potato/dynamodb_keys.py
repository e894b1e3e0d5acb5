"""Where each thing is in the table of MLflow's runs: partitions (experiment_id) and range keys (run_uuid).

A run and all that belongs to it is in the partition of its experiment, under range keys that begin with the run's id.
Partitions that begin with # answer what the keys alone can't: which experiments and runs there are, and where a run is.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from potato.dynamodb_table import Key

EXPERIMENTS = "#experiments"
"""The partition of all experiments, by id."""

NUMBER: Key = ("#numbers", "experiments")
"""The item that counts experiments."""


def experiment(identity: str) -> Key:
    return EXPERIMENTS, identity


def name(text: str) -> Key:
    """Return the key of the item that keeps a name to one experiment; names may be longer than a key can be."""
    return "#names", hashlib.sha256(text.encode()).hexdigest()


def home(identity: str) -> Key:
    """Return the key of the item that tells in which experiment a run or logged model is."""
    return f"#home/{identity}", identity


def runs(experiment_id: str) -> str:
    """Return the partition that lists an experiment's runs: its own holds every point of every metric besides."""
    return f"#runs/{experiment_id}"


def models(experiment_id: str) -> str:
    """Return the partition that lists an experiment's logged models."""
    return f"#models/{experiment_id}"


def history(run_id: str, metric: str) -> str:
    """Return what the range keys of a metric's points begin with."""
    return f"{run_id}#metric#{hashlib.sha256(metric.encode()).hexdigest()[:32]}#"


def point(run_id: str, metric: str, timestamp: int, step: int, value: float) -> str:
    """Return the range key of one point: by time and step; the same point has the same key, so it is there once."""
    return f"{history(run_id, metric)}{timestamp:019d}#{step + 2**63:020d}#{value!r}"

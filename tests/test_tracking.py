from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potato import run, settings, tracking

from .receivers import DEAD, clean_environment, dead_backend

# MLflow uses what the newest SQLAlchemy calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PROJECT = Path(tracking.__file__).parents[1]
IN_A_PROCESS = """
import json, pathlib, sys
from potato import run, settings, tracking
assert "mlflow" not in sys.modules, "importing tracking must not import MLflow"
root, project = map(pathlib.Path, sys.argv[1:])
given = settings.load(project, "demo").model_copy(update={"root": root})
tracking.prefetch(root)
here = run.current(root)
print(tracking.log_gold(here, given, root / "data/gold", {"silver/modeling_dataset": "abc123"}))
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    clean_environment(monkeypatch)


def _settings(root: Path) -> settings.Settings:
    return settings.load(PROJECT, "demo").model_copy(update={"root": root})


def _write_gold(root: Path) -> Path:
    gold = root / "data" / "gold"
    for folder in ("models", "figures", "reports"):
        (gold / folder).mkdir(parents=True)
    terms = ["Intercept", "C(group)[T.Dropped]"]
    columns: dict[str, Any] = {"model": ["ols_cluster"] * 2, "term": terms, "estimate": [-0.5, float("nan")]}
    columns |= {name: [0.1, None] for name in ("std_error", "p_value", "conf_low", "conf_high")}
    pq.write_table(pa.table(columns), gold / "models" / "coefficients.parquet")
    (gold / "figures" / "forest.svg").write_text("<svg/>")
    metrics = {"subjects": 150, "mean change (kg)": -3.6, "models": {"ols": {"r2": 0.2}}, "converged": "yes"}
    (gold / "reports" / "metrics.json").write_text(json.dumps(metrics))
    (gold / "reports" / "numbers.json").write_text(json.dumps({"models": {"formula": "y ~ x"}}))
    return gold


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str, Any]:
    """Log one gold in a process of its own; return the root, both ids and a client."""
    root = tmp_path_factory.mktemp("project")
    _write_gold(root)
    run_id = str(uuid.uuid4())
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "POTATO_"))}
    answer = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, str(root), str(PROJECT)],
        env={**environment, "PYTHONPATH": str(PROJECT), "POTATO_RUN_ID": run_id},
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert (answer.returncode, answer.stderr) == (0, ""), "MLflow is quiet"
    import mlflow

    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    client = mlflow.MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    return root, run_id, answer.stdout.strip(), client


def test_a_run_of_mlflow_leads_to_the_run_s_folder_and_trace(tracked: tuple[Path, str, str, Any]) -> None:
    _, run_id, identity, client = tracked
    tags = client.get_run(identity).data.tags
    assert tags["potato.run_id"] == run_id
    assert tags["potato.trace_id"] == uuid.UUID(run_id).hex
    assert tags["potato.stage"] == "gold"
    assert len(tags["potato.fingerprint"]) == 64
    assert tags["silver/modeling_dataset"] == "abc123"
    (found,) = client.search_runs(
        [client.get_experiment_by_name("potato/demo").experiment_id], f"tags.`potato.run_id` = '{run_id}'"
    )
    assert found.info.run_id == identity
    assert found.info.status == "FINISHED"


def test_metrics_are_flat_and_finite_and_have_names_that_mlflow_allows(
    tracked: tuple[Path, str, str, Any],
) -> None:
    _, _, identity, client = tracked
    metrics = client.get_run(identity).data.metrics
    assert metrics["subjects"] == 150
    assert metrics["mean change _kg"] == -3.6
    assert metrics["models.ols.r2"] == 0.2
    assert metrics["ols_cluster/Intercept/estimate"] == -0.5
    assert "converged" not in metrics
    assert not any(name.endswith("Dropped_/estimate") for name in metrics), "the estimate was not a number"


def test_parameters_are_what_gold_was_told(tracked: tuple[Path, str, str, Any]) -> None:
    _, _, identity, client = tracked
    given = settings.load(PROJECT, "demo").gold
    params = client.get_run(identity).data.params
    assert params["covariates"] == ", ".join(given.covariates)
    assert params["confidence"] == str(given.confidence)
    assert (params["study"], params["formula"]) == ("demo", "y ~ x")


def test_coefficients_and_figures_are_artifacts_in_the_project_s_folder(
    tracked: tuple[Path, str, str, Any],
) -> None:
    root, _, identity, client = tracked
    names = [artifact.path for folder in ("models", "figures") for artifact in client.list_artifacts(identity, folder)]
    assert names == ["models/coefficients.parquet", "figures/forest.svg"]
    assert client.get_run(identity).info.artifact_uri.startswith((root / "mlruns").as_uri())


def test_a_second_run_joins_the_experiment(
    tracked: tuple[Path, str, str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _, identity, client = tracked
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("POTATO_RUN_ID", str(uuid.uuid4()))
    again = tracking.log_gold(run.current(root), _settings(root), root / "data" / "gold")
    assert again not in (None, identity)
    assert client.get_run(again).info.experiment_id == client.get_run(identity).info.experiment_id


def test_a_study_without_models_is_tracked_with_what_it_has(
    tracked: tuple[Path, str, str, Any], tmp_path: Path
) -> None:
    root, _, _, client = tracked
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "metrics.json").write_text('{"subjects": 12}')
    identity = tracking.log_gold(run.current(root), _settings(root), tmp_path)
    assert client.get_run(identity).data.metrics == {"subjects": 12}


@pytest.mark.parametrize("kind", DEAD)
@pytest.mark.parametrize("prefetched", [True, False])
def test_a_broken_server_is_one_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    prefetched: bool,
) -> None:
    gold = _write_gold(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with dead_backend(kind) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        if prefetched:
            tracking.prefetch(tmp_path)
        assert tracking.log_gold(run.current(tmp_path), _settings(tmp_path), gold) is None
    assert [record.name for record in caplog.records] == ["potato.tracking"]
    assert url in caplog.text


def test_a_store_that_is_no_database_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gold = _write_gold(tmp_path)
    (tmp_path / "mlflow.db").write_text("this is no database")
    assert tracking.log_gold(run.current(tmp_path), _settings(tmp_path), gold) is None
    assert [record.name for record in caplog.records] == ["potato.tracking"]

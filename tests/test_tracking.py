from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from potato import lake, modelruns, registry, run, settings, tracking

from .receivers import DEAD, clean_environment, dead_backend

# MLflow uses what the newest SQLAlchemy calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PROJECT = Path(tracking.__file__).parents[1]
IN_A_PROCESS = """
import json, pathlib, sys
from potato import lake, modelruns, registry, run, settings, tracking
assert "mlflow" not in sys.modules, "importing tracking must not import MLflow"
root, project = map(pathlib.Path, sys.argv[1:])
given = settings.load(project, "demo").model_copy(update={"root": root})
tracking.prefetch(root)
here = run.current(root)
print(json.dumps(tracking.log_gold(here, given, root / "data/gold", {"silver/modeling_dataset": "abc123" * 10})))
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    clean_environment(monkeypatch)


def _settings(root: Path) -> settings.Settings:
    return settings.load(PROJECT, "demo").model_copy(update={"root": root})


MODELS = ("fixed_effects", "mixed_effects", "ols_cluster")
FINGERPRINT = {"silver/modeling_dataset": "abc123" * 10}


def _write_gold(root: Path, *, estimate: float = -0.5, verdict: str = "pass") -> Path:
    """Write a gold folder as the stage leaves it, small; `verdict` is of one check of the fixed effects."""
    gold = root / "data" / "gold"
    reported: list[dict[str, Any]] = []
    for model in MODELS:
        row = {"model": model, "term": "fiber", "estimate": estimate, "std_error": 0.1, "statistic": -5.0}
        row |= {"p_value": 0.01, "conf_low": -0.7, "conf_high": -0.3, "n_obs": 296, "n_subjects": 99}
        other = row | {"term": "C(group)[T.Dropped]", "estimate": float("nan"), "p_value": None}
        reported += [row, other]
        folder = gold / "models" / model
        lake.write_file(
            pa.Table.from_pylist([row, other, row | {"term": "Intercept"}]), folder / "coefficients.parquet"
        )
        lake.write_file(pa.table({"term": ["fiber"], "fiber": [0.01]}), folder / "covariance.parquet")
        described = {
            "model": model,
            "formula": f"y ~ x | {model}",
            "df": 98,
            "details": {"r_squared": 0.2, "note": "n"},
        }
        lake.write_json(folder / "model.json", described)
    lake.write_file(pa.Table.from_pylist(reported), gold / "models" / "coefficients.parquet")
    checks = [{"check": "finite", "model": "fixed_effects", "verdict": verdict}]
    checks += [{"check": name, "model": "mixed_effects", "verdict": "caution"} for name in ("converged", "finite")]
    lake.write_file(pa.Table.from_pylist(checks), gold / "models" / "diagnostics.parquet")
    sources = {"forest": "gold/models/coefficients", "dose": "silver/modeling_dataset", "flow": "silver/subjects"}
    lake.write_json(
        gold / "figures" / "figures.json", [{"id": k, "source": {"dataset": v}} for k, v in sources.items()]
    )
    for name in sources:
        lake.write_text(gold / "figures" / f"{name}.svg", "<svg/>")
    metrics = {"n_subjects": 150, "mean change (kg)": -3.6, "fixed_effects_fiber": 1.0, "a": {"b": 2}, "c": "yes"}
    lake.write_json(gold / "reports" / "metrics.json", metrics)
    lake.write_json(gold / "reports" / "numbers.json", {"answer": {"diet": "Fibre went with loss."}})
    return gold


def _log(root: Path, gold: Path | None = None) -> dict[str, str]:
    return tracking.log_gold(run.current(root), _settings(root), gold or root / "data" / "gold", FINGERPRINT)


def _client(root: Path) -> Any:
    import mlflow

    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    return mlflow.MlflowClient(f"sqlite:///{root / 'mlflow.db'}")


Tracked = tuple[Path, str, dict[str, str], Any]


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    """Log one gold in a process of its own; return the root, the run's id, MLflow's ids by model and a client."""
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
    return root, run_id, json.loads(answer.stdout), _client(root)


@pytest.fixture
def store(tracked: Tracked, tmp_path: Path) -> Path:
    """A project with an empty store; the tables are copied, since MLflow takes seconds to make them."""
    shutil.copy(tracked[0] / "mlflow.db", tmp_path / "mlflow.db")
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        for table in set(tables) - {"alembic_version", "workspaces"}:
            connection.execute(f"delete from {table}")
    connection.close()
    return tmp_path


def test_each_model_is_a_run_in_the_experiment_of_its_family(tracked: Tracked) -> None:
    _, _, logged, client = tracked
    assert tuple(logged) == MODELS, "the model that the report answers with comes first"
    for model, identity in logged.items():
        (found,) = client.search_runs([client.get_experiment_by_name(model).experiment_id], "params.study = 'demo'")
        assert (found.info.run_id, found.info.status) == (identity, "FINISHED")
        assert found.data.tags["potato.model"] == model
        assert found.info.run_name.startswith("demo ")


def test_a_run_of_mlflow_leads_to_the_run_s_folder_and_trace(tracked: Tracked) -> None:
    _, run_id, logged, client = tracked
    tags = client.get_run(logged["mixed_effects"]).data.tags
    assert tags["potato.run_id"] == run_id
    assert tags["potato.trace_id"] == uuid.UUID(run_id).hex
    assert (tags["potato.stage"], tags["potato.study"]) == ("gold", "demo")
    assert len(tags["potato.gold"]) == 64
    assert tags["silver/modeling_dataset"] == "abc123" * 10
    assert f"runs/{run_id}/" in tags["mlflow.note.content"]


def test_a_secret_is_in_no_tag_and_in_no_file(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_gold(store)
    monkeypatch.setenv("LAB_TOKEN", "seven-potatoes")
    told = {"silver/subjects": "seven-potatoes"}
    logged = tracking.log_gold(run.current(store), _settings(store), store / "data" / "gold", FINGERPRINT | told)
    assert logged
    files = [path for path in store.rglob("*") if path.is_file()]
    assert [str(path) for path in files if b"seven-potatoes" in path.read_bytes()] == []


def test_the_git_commit_is_a_tag(store: Path) -> None:
    _write_gold(store)
    git = ["git", "-C", str(store), "-c", "user.name=n", "-c", "user.email=e"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    tags = _client(store).get_run(_log(store)["ols_cluster"]).data.tags
    assert tags["mlflow.source.git.commit"] == commit
    assert tags["potato.git_dirty"] in ("true", "false")


def test_metrics_are_finite_and_named_alike_in_each_family(tracked: Tracked) -> None:
    _, _, logged, client = tracked
    found = {model: client.get_run(identity).data.metrics for model, identity in logged.items()}
    assert len({tuple(sorted(metrics)) for metrics in found.values()}) == 1
    metrics = found["mixed_effects"]
    assert (metrics["estimate/fiber"], metrics["std_error/fiber"]) == (-0.5, 0.1)
    assert (metrics["n_obs"], metrics["n_subjects"], metrics["study/n_subjects"]) == (296, 99, 150)
    assert (metrics["fit/df"], metrics["fit/r_squared"]) == (98, 0.2)
    assert [metrics[f"gate/{verdict}"] for verdict in ("pass", "caution", "fail")] == [0, 2, 0]
    assert (metrics["study/mean change _kg"], metrics["study/a.b"]) == (-3.6, 2)
    assert not {"estimate/C_group__T.Dropped", "study/c", "fit/note", "study/fixed_effects_fiber"} & metrics.keys()


def test_parameters_are_what_silver_and_gold_were_told(tracked: Tracked) -> None:
    _, _, logged, client = tracked
    given = settings.load(PROJECT, "demo")
    params = client.get_run(logged["ols_cluster"]).data.params
    assert (params["study"], params["formula"]) == ("demo", "y ~ x | ols_cluster")
    assert params["covariates"] == ", ".join(given.gold.covariates)
    assert params["gold.confidence"] == str(given.gold.confidence)
    assert params["silver.min_days_logged"] == str(given.silver.min_days_logged)


def test_a_run_keeps_its_model_as_json_and_parquet_and_the_figures_that_show_it(tracked: Tracked) -> None:
    root, _, logged, client = tracked
    identity = logged["fixed_effects"]
    names = [a.path for folder in ("model", "figures") for a in client.list_artifacts(identity, folder)]
    assert names == [
        "model/coefficients.parquet",
        "model/covariance.parquet",
        "model/model.json",
        "figures/dose.svg",
        "figures/forest.svg",
    ]
    assert client.get_run(identity).info.artifact_uri.startswith((root / "mlruns").as_uri())
    kept = Path(client.download_artifacts(identity, "model/model.json"))
    assert not kept.is_symlink()
    assert kept.read_bytes() == (root / "data/gold/models/fixed_effects/model.json").read_bytes()


def test_the_coefficients_are_a_table_that_mlflow_reads(tracked: Tracked, monkeypatch: pytest.MonkeyPatch) -> None:
    root, _, logged, client = tracked
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")  # it asks the default store
    identity = logged["fixed_effects"]
    table = client.load_table(client.get_run(identity).info.experiment_id, modelruns.TABLE, run_ids=[identity])
    assert list(table["term"]) == ["fiber", "C(group)[T.Dropped]", "Intercept"]
    assert table["estimate"].isna().tolist() == [False, True, False]


def test_the_dataset_that_a_model_was_fitted_to_is_its_input(tracked: Tracked) -> None:
    _, _, logged, client = tracked
    (given,) = client.get_run(logged["fixed_effects"]).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("silver/modeling_dataset", ("abc123" * 10)[:36])
    assert json.loads(given.dataset.profile) == {"sha256": "abc123" * 10}
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "training")]


def test_a_run_shows_its_logged_model(tracked: Tracked) -> None:
    _, _, logged, client = tracked
    (output,) = client.get_run(logged["fixed_effects"]).outputs.model_outputs
    found = client.get_logged_model(output.model_id)
    assert (found.name, found.model_type, found.status) == ("potato-demo", "fixed_effects", "READY")
    assert {metric.key: metric.value for metric in found.metrics}["estimate/fiber"] == -0.5
    names = [artifact.path for artifact in client.list_logged_model_artifacts(output.model_id)]
    assert names == ["coefficients.parquet", "covariance.parquet", "model.json"]


def test_nothing_that_is_kept_is_a_pickle(tracked: Tracked) -> None:
    kept = [path for path in (tracked[0] / "mlruns").rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} == {".json", ".parquet", ".svg"}


def _versions(client: Any) -> tuple[list[int], dict[str, str]]:
    """Return the versions of the demo's registered model and what its aliases point at."""
    found = client.search_model_versions("name = 'potato-demo'")
    aliases = client.get_registered_model("potato-demo").aliases
    return sorted(int(v.version) for v in found), {name: str(version) for name, version in aliases.items()}


def test_the_model_that_the_report_answers_with_is_the_accepted_version(tracked: Tracked) -> None:
    root, run_id, logged, client = tracked
    version = client.get_model_version_by_alias("potato-demo", "accepted")
    assert (int(version.version), version.run_id) == (1, logged["fixed_effects"])
    assert version.description == "Fibre went with loss."
    assert (version.tags["potato.run_id"], version.tags["potato.study"]) == (run_id, "demo")
    place = Path(client.get_model_version_download_uri("potato-demo", "1").removeprefix("file://"))
    assert (place / "model.json").read_bytes() == (root / "data/gold/models/fixed_effects/model.json").read_bytes()
    accepted = {model: client.get_run(identity).data.tags["potato.accepted"] for model, identity in logged.items()}
    assert accepted == {"fixed_effects": "true", "mixed_effects": "false", "ols_cluster": "false"}


def test_the_alias_moves_to_a_model_that_differs_and_back_and_equal_models_share_a_version(store: Path) -> None:
    client = _client(store)
    _write_gold(store)
    first, again = _log(store), _log(store)
    assert not set(first.values()) & set(again.values()), "each run of gold is tracked"
    assert _versions(client) == ([1], {"accepted": "1"})
    _write_gold(store, estimate=-0.4)
    _log(store)
    assert _versions(client) == ([1, 2], {"accepted": "2"})
    _write_gold(store)
    _log(store)
    assert _versions(client) == ([1, 2], {"accepted": "1"})


def test_a_model_that_the_gate_failed_is_not_accepted(store: Path) -> None:
    _write_gold(store, verdict="fail")
    assert tuple(_log(store)) == MODELS
    assert _client(store).search_registered_models() == []


def test_gold_without_the_models_own_files_is_tracked_and_not_registered(store: Path) -> None:
    gold = _write_gold(store)
    for path in gold.glob("models/*/*"):
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    logged, client = _log(store), _client(store)
    assert tuple(logged) == MODELS
    assert client.get_run(logged["fixed_effects"]).data.metrics["estimate/fiber"] == -0.5
    assert client.search_registered_models() == []


def test_a_study_without_models_has_no_runs(store: Path) -> None:
    lake.write_json(store / "gold" / "reports" / "metrics.json", {"subjects": 12})
    assert _log(store, store / "gold") == {}
    assert [experiment.name for experiment in _client(store).search_experiments()] in ([], ["Default"])


@pytest.mark.parametrize("study", ["a/b:c", "o'brien", "v1.2", "größe"])
def test_every_study_has_a_name_that_the_registry_and_logged_models_allow(study: str) -> None:
    from mlflow.utils.validation import _validate_logged_model_name, _validate_model_name

    name = registry.name(study)
    _validate_model_name(name)
    _validate_logged_model_name(name)
    assert "'" not in name


def test_a_process_that_ends_while_the_store_is_made_leaves_no_broken_store(tmp_path: Path) -> None:
    _write_gold(tmp_path)
    code = "import sys, pathlib; from potato import tracking; tracking.prefetch(pathlib.Path(sys.argv[1])); input()"
    draft = tmp_path / "mlflow.db.new"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(PROJECT), "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdin=subprocess.PIPE,
    ) as process:
        while not (draft.exists() and draft.stat().st_size > 10_000):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert not (tmp_path / "mlflow.db").exists()
    assert tuple(_log(tmp_path)) == MODELS
    assert not draft.exists()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of MLflow's own tracking server."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder / 'server.db'}",
        "--artifacts-destination",
        str(folder / "a"),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            while not _is_up(f"http://127.0.0.1:{port}/health"):
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _is_up(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5):
            return True
    except OSError:
        return False


def test_a_server_gets_the_same_as_the_project_s_own_store(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    _write_gold(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")  # the machine that tests may be busy
    logged = _log(tmp_path)
    client = mlflow.MlflowClient(server)
    assert sorted(logged) == sorted(MODELS)
    assert not (tmp_path / "mlflow.db").exists()
    found = client.get_run(logged["fixed_effects"])
    assert found.data.metrics["estimate/fiber"] == -0.5
    assert len(found.outputs.model_outputs) == len(found.inputs.dataset_inputs) == 1
    names = [artifact.path for artifact in client.list_artifacts(found.info.run_id)]
    assert names == ["coefficients.json", "figures", "model"]
    version = client.get_model_version_by_alias("potato-demo", "accepted")
    assert (version.run_id, version.status) == (logged["fixed_effects"], "READY")
    _log(tmp_path)
    assert _versions(client) == ([1], {"accepted": "1"})


@pytest.mark.parametrize("kind", DEAD)
def test_a_registry_that_is_down_is_one_warning_and_the_runs_stay(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    _write_gold(store)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with dead_backend(kind) as url:
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", url)
        logged = _log(store)
    assert [record.name for record in caplog.records] == ["potato.tracking"]
    assert "fixed_effects is not registered" in caplog.text
    client = _client(store)
    assert {client.get_run(identity).info.status for identity in logged.values()} == {"FINISHED"}
    assert tuple(logged) == MODELS


@pytest.mark.parametrize("kind", DEAD)
@pytest.mark.parametrize("prefetched", [True, False])
def test_a_broken_server_is_one_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    prefetched: bool,
) -> None:
    _write_gold(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with dead_backend(kind) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        if prefetched:
            tracking.prefetch(tmp_path)
        assert _log(tmp_path) == {}
    assert [record.name for record in caplog.records] == ["potato.tracking"]
    assert url in caplog.text


def test_a_store_that_is_no_database_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _write_gold(tmp_path)
    (tmp_path / "mlflow.db").write_text("this is no database")
    assert _log(tmp_path) == {}
    assert [record.name for record in caplog.records] == ["potato.tracking"]


def test_a_password_in_the_store_s_address_stays_out_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _write_gold(tmp_path)
    with dead_backend("refused") as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url.replace("://", "://somebody:geheim@"))
        assert _log(tmp_path) == {}
    assert len(caplog.records) == 1
    assert not {"somebody", "geheim"} & set(caplog.text.replace(":", " ").replace("@", " ").replace("/", " ").split())


def test_a_store_that_another_process_holds_is_one_warning(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    _write_gold(store)
    holder = sqlite3.connect(store / "mlflow.db")
    holder.execute("begin exclusive")
    assert _log(store) == {}
    holder.close()
    assert "locked" in caplog.text

"""A secret of the environment is in nothing that a run writes, shows or sends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from potato import redaction, run
from potato.telemetry import Telemetry

from .receivers import clean_environment, receiver

SECRET = "korrekt-pferd/batterie+heftklammer"


@pytest.mark.parametrize(
    "name",
    [
        "LAB_TOKEN",
        "MLFLOW_TRACKING_PASSWORD",
        "aws_secret_access_key",
        "AWS_ACCESS_KEY_ID",
        "OPENLINEAGE_API_KEY",
        "DB_PASSWD",
        "PRIVATE_NOTE",
        "GOOGLE_CREDENTIAL",
        "LAB_CREDENTIALS",
        "HTTP_AUTHORIZATION",
        "ApiKey",
    ],
)
def test_a_variable_whose_name_says_so_is_a_secret(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, SECRET)
    assert redaction.redact(f"asked with {SECRET}!") == "asked with [redacted]!"


@pytest.mark.parametrize("form", [SECRET, quote(SECRET, safe=""), json.dumps(SECRET)[1:-1], repr(SECRET)])
def test_a_secret_is_found_in_the_forms_in_which_it_is_written(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    assert "batterie" not in redaction.redact(f"https://lab.example/?key={form}&x=1")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://anna:hunter2hunter2@lab.example/x", "https://[redacted]@lab.example/x"),
        ("https://ghp_abcdef123456@lab.example", "https://[redacted]@lab.example"),
        ("postgresql+psycopg://anna:p%40sswort@db:5432/mlflow", "postgresql+psycopg://[redacted]@db:5432/mlflow"),
        ("https://lab.example/x", "https://lab.example/x"),
    ],
)
def test_what_an_address_holds_before_the_host_is_a_secret(
    monkeypatch: pytest.MonkeyPatch, address: str, shown: str
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", address)
    assert redaction.redact(f"no answer from {address}") == f"no answer from {shown}"


def test_the_password_of_an_address_is_a_secret_by_itself_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://anna:p%40sswort@db/mlflow")
    assert redaction.redact("p@sswort is wrong for anna") == "[redacted] is wrong for anna"


def test_headers_and_settings_in_json_hold_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abcdef123,x-lab=seven-potatoes")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT", json.dumps({"type": "http", "auth": {"apiKey": "lineage-key-1"}}))
    found = redaction.redact("Bearer abcdef123, abcdef123, seven-potatoes, lineage-key-1, http")
    assert found == "[redacted], [redacted], [redacted], [redacted], http"


def test_each_line_of_a_key_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ("-----BEGIN KEY-----", "MIIEpAIBAAKCAQEA7bq98nwq", "q09u3n4vq09834nvq0394vn9")
    monkeypatch.setenv("DEPLOY_PRIVATE_KEY", "\n".join(lines))
    assert all(line not in redaction.redact(f"  2 | {line}") for line in lines)


@pytest.mark.parametrize(("name", "value"), [("USE_TOKEN", "true"), ("TOKEN_FILE", "/run/lab"), ("PIN_TOKEN", "12")])
def test_what_is_no_secret_stays_readable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert redaction.redact(f"found {value}") == f"found {value}"


def test_everything_inside_a_record_is_cleaned_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    record = {"a": [SECRET, {"b": f"x{SECRET}"}], SECRET: 1, "n": 2.5, "none": None}
    assert redaction.clean(record) == {
        "a": ["[redacted]", {"b": "x[redacted]"}],
        "[redacted]": 1,
        "n": 2.5,
        "none": None,
    }


def test_nothing_that_is_written_or_sent_holds_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean_environment(monkeypatch)
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    with receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with pytest.raises(ValueError, match="batterie"):
            tell_the_secret(run.current(tmp_path))
    assert len(collector.requests) == 3
    sent = b"".join(body for _, _, body in collector.requests)
    assert SECRET.encode() not in sent
    assert b"[redacted]" in sent
    assert found_in(tmp_path) == []


def tell_the_secret(found: run.Run) -> None:
    with Telemetry(found, "gold", "demo") as telemetry:
        telemetry.log("info", f"asked with {SECRET}", header=SECRET)
        telemetry.record("potato.dataset.rows", 1, dataset=f"s3://{SECRET}/x", outcome="written")
        with telemetry.span(f"GET {SECRET}", url=SECRET):
            raise ValueError(f"refused: {SECRET}")


def found_in(folder: Path) -> list[str]:
    """Return the files below `folder` that hold the secret, as it is or escaped."""
    forms = [form.encode() for form in (SECRET, quote(SECRET, safe=""), json.dumps(SECRET)[1:-1])]
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in files if any(form in path.read_bytes() for form in forms)]


def test_a_run_that_prints_and_raises_a_secret_shows_it_nowhere(
    project: Path, study: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clean_environment(monkeypatch)
    study({"weight.csv": "who,date,weight\na,2022-05-01,80.5\n"})
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("study: demo", "study: small"))
    notebook = project / "notebooks" / "bronze.ipynb"
    content = json.loads(notebook.read_text())
    content["cells"][5]["source"] = "import os\nprint(os.environ['LAB_TOKEN'])\nos.environ['LAB_TOKEN']"
    content["cells"][7]["source"] = "raise ValueError('refused: ' + os.environ['LAB_TOKEN'])"
    notebook.write_text(json.dumps(content))
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    monkeypatch.setenv("POTATO_ROOT", str(project))
    done = subprocess.run(
        [sys.executable, "-m", "potato.cli", "run", "bronze"], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "refused: [redacted]" in done.stderr
    assert "batterie" not in done.stdout + done.stderr
    executed = (project / "runs/latest/notebooks/bronze.ipynb").read_text()
    assert executed.count("[redacted]") >= 3, "printed, shown as a result, and in the traceback"
    assert found_in(project) == []

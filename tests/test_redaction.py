"""A secret of the environment is in nothing that a run writes, shows or sends."""

from __future__ import annotations

import base64
import html
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import nbformat
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potato import credentials, redaction, run
from potato.stage import _sentence
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


WRITERS: dict[str, Callable[[str], str]] = {
    "print": str,
    "repr": repr,
    "ascii": ascii,
    "repr of a repr": lambda text: repr([repr(text)]),
    "repr beside quotes": lambda text: repr("\"'" + text),
    "repr of bytes": lambda text: repr(text.encode()),
    "JSON": json.dumps,
    "JSON as UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"a": text})),
    "HTML": html.escape,
    "a DataFrame's HTML": lambda text: pd.DataFrame({"v": [text]}).to_html(),
    "quote": quote,
    "quote of all": lambda text: quote(text, safe=""),
    "quote_plus": quote_plus,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 behind a name": lambda text: base64.urlsafe_b64encode(b"user:" + text.encode()).decode(),
    "one line": lambda text: " ".join(text.split()),
    "shell": shlex.quote,
}
NASTY = (
    st.text(
        st.one_of(
            st.sampled_from("\\\"'<>&%+/=# \n\t;:@?.$^*()[]{}|`~-_nuxrt0\u00e4\u20ac\U0001f600\u2028\x85"),
            st.characters(codec="utf-8"),
        ),
        min_size=8,
        max_size=100,
    )
    .map(str.strip)
    .filter(lambda text: "\0" not in text and credentials.doubt(text) is None)
)


@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=40, deadline=None)
@given(secret=NASTY)
def test_no_eight_characters_of_a_secret_are_left_however_it_is_written(writer: str, secret: str) -> None:
    write = WRITERS[writer]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAB_TOKEN", secret)
        left = redaction.redact(f"a {write(secret)} b")
    assert redaction.MARK in left
    around = f"a {write('~')} b"  # what the writer itself puts around it, and what the mark is made of
    pieces = {secret[i : i + 8] for i in range(len(secret) - 7)}
    assert [piece for piece in pieces if piece in left and piece not in around + redaction.MARK] == []


@pytest.mark.parametrize("cut", ["...", "…", ""])
def test_the_beginning_of_a_secret_is_redacted_where_the_text_was_cut_off(
    monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    monkeypatch.setenv("LAB_TOKEN", SECRET * 3)
    assert redaction.redact(f"asked with {(SECRET * 3)[:47]}{cut}") == f"asked with [redacted]{cut}"


def test_a_beginning_that_goes_on_otherwise_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    assert redaction.redact("korrekt-pferde are fast") == "korrekt-pferde are fast"


def test_the_short_lines_of_a_secret_are_redacted_beside_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_PRIVATE_KEY", "-----BEGIN X-----\nZZZZYYYYXXXX\nb3Q=\n-----END X-----")
    assert (
        redaction.redact("['-----BEGIN X-----', 'ZZZZYYYYXXXX', 'b3Q=']")
        == "['[redacted]', '[redacted]', '[redacted]']"
    )
    assert redaction.redact("ZZZZYYYYXXXX") == "ZZZZYYYYXXXX"


def test_an_exceptions_first_line_holds_nothing_of_a_secret_with_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_SECRET", "ab-one\ncd-two\nef-three")
    assert _sentence(ValueError("refused: ab-one\ncd-two\nef-three")) == "refused: [redacted]"


HARMLESS = st.one_of(
    st.integers(-99999999, 99999999).map(str),
    st.dates().map(str),
    st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=7),
    st.sampled_from(["succeeded", "trace_id", "eventTime", "markdown", "completed", "weekly_features"]),
)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(HARMLESS, max_size=4))
def test_harmless_values_under_the_names_of_secrets_change_no_record(values: list[str]) -> None:
    entry = {"ts": "2026-11-28T10:10:00.000Z", "event": f"stage ran {' '.join(values)}", "seconds": 2026}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        run.append(Path(folder) / "without", entry)
        for number, value in enumerate(values):
            environment.setenv(f"LAB_{number}_TOKEN", value)
        run.append(Path(folder) / "with", entry)
        assert (Path(folder) / "with").read_bytes() == (Path(folder) / "without").read_bytes()


def test_a_records_form_stays_whatever_a_secret_is_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number, value in enumerate(["lab-2024-study", "2f1d9c0a", "10:10:00.123Z", "potato.lab-2024-study"]):
        monkeypatch.setenv(f"LAB_{number}_TOKEN", value)
    entry = {
        "ts": "2026-11-28T10:10:00.123Z",
        "run_id": "2f1d9c0a-0000-7000-8000-000000000000",
        "study": "lab-2024-study",
        "attributes": {"potato.study": "lab-2024-study", "lab-2024-study": 1},
    }
    run.append(tmp_path / "x.jsonl", entry | {"message": "lab-2024-study"})
    assert json.loads((tmp_path / "x.jsonl").read_text()) == entry | {"message": "[redacted]"}


def test_a_sites_texts_and_golds_numbers_hold_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    numbers = {"study": {"title": f"About {SECRET}", "name": "demo"}}
    assert redaction.clean(numbers, redaction.FORM) == {"study": {"title": "About [redacted]", "name": "demo"}}


def test_everything_inside_a_record_is_cleaned_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    record = {"a": [SECRET, {"b": f"x{SECRET}"}], SECRET: 1, "n": 2.5, "none": None}
    assert redaction.clean(record) == {
        "a": ["[redacted]", {"b": "x[redacted]"}],
        SECRET: 1,
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
        telemetry.record("potato.dataset.rows", 1, dataset="bronze/weight", outcome="written")
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
    content["cells"][5]["source"] = (
        "import json, os, pandas\nprint(os.environ['LAB_TOKEN'])\nprint(repr(os.environ['DB_PWD']))\n"
        "print(json.dumps(os.environ['DB_PWD']))\n"
        "pandas.DataFrame({'v': [os.environ[v] for v in ('DB_PWD', 'LAB_TOKEN')]})"
    )
    content["cells"][7]["source"] = "raise ValueError('refused: ' + os.environ['LAB_TOKEN'])"
    notebook.write_text(json.dumps(content))
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    monkeypatch.setenv("DB_PWD", "p&ss<w>rd\\b\"q'9\nzweite Zeile\u00e4")
    # Values that are keys and enumerations of what is written: a run must not stumble over them.
    for number, value in enumerate(["name", "error", "data", "code", "2026", "potato", "source", "cells", "small"]):
        monkeypatch.setenv(f"HARMLESS_{number}_TOKEN", value)
    monkeypatch.setenv("POTATO_ROOT", str(project))
    done = subprocess.run(
        [sys.executable, "-m", "potato.cli", "run", "bronze"], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "refused: [redacted]" in done.stderr
    assert "batterie" not in done.stdout + done.stderr
    executed = (project / "runs/latest/notebooks/bronze.ipynb").read_text()
    assert executed.count("[redacted]") >= 6, "printed, shown as a result, and in the traceback"
    assert not [part for part in ("ss<w>", "ss&lt;w", "zweite", "w>rd") if part in executed]
    nbformat.validate(nbformat.reads(executed, as_version=4))
    assert found_in(project) == []

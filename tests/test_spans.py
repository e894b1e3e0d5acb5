"""Library code tells its spans where a stage listens, and costs nothing elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from potato import contracts, engine, models, schema, settings, spans

from .conftest import HERE


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "spans.jsonl"
    monkeypatch.setenv(spans.FILE_VARIABLE, str(path))
    return path


def names(found: list[dict[str, Any]]) -> list[str]:
    return [span["name"] for span in found]


def test_without_a_stage_nothing_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(spans.FILE_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    with spans.span("fit", rows=1) as told:
        told["more"] = 2
    assert not spans.recording()
    assert list(tmp_path.iterdir()) == []


def test_spans_nest_and_carry_what_is_known_later(recorded: Path) -> None:
    with spans.span("outer", nothing=None) as outer:
        with spans.span("inner", rows=np.int64(3)):
            pass
        outer["converged"] = True
        outer["name"] = "renamed"
    found = {span["name"]: span for span in spans.taken(recorded)}
    assert found.keys() == {"renamed", "inner"}
    assert found["inner"]["parent_span_id"] == found["renamed"]["span_id"]
    assert found["renamed"]["parent_span_id"] is None
    assert found["inner"]["attributes"] == {"rows": 3}
    assert found["renamed"]["attributes"] == {"converged": True}
    assert found["renamed"]["start"] <= found["inner"]["start"] <= found["inner"]["end"] <= found["renamed"]["end"]
    assert not recorded.exists(), "taken once"


def test_an_error_ends_the_span_with_its_message_and_goes_on(recorded: Path) -> None:
    with pytest.raises(ZeroDivisionError), spans.span("fit"):
        raise ZeroDivisionError("nothing to divide by")
    (span,) = spans.taken(recorded)
    assert span["error"] == "ZeroDivisionError: nothing to divide by"


def test_half_a_line_hides_no_other(recorded: Path) -> None:
    with spans.span("whole"):
        pass
    with recorded.open("a") as stream:
        stream.write('{"name": "ha')
    assert names(spans.taken(recorded)) == ["whole"]


def test_a_query_is_a_span_with_its_text_and_rows(recorded: Path) -> None:
    connection = engine.connect(settings.load(HERE))
    made = connection.create_table("weights", ibis.memtable(pa.table({"kg": [80.0, 81.0]})), temp=True)
    rows = made.filter(made.kg > 80.5).to_pyarrow()
    doubled = connection.create_table("doubled", made.mutate(twice=made.kg * 2), temp=True)
    assert doubled.count().to_pyarrow().as_py() == 2
    created, selected, again, counted = spans.taken(recorded)
    assert names([created, selected, again, counted]) == [
        "CREATE TABLE weights",
        "SELECT weights",
        "CREATE TABLE doubled",
        "SELECT doubled",
    ]
    assert rows.num_rows == selected["attributes"]["db.response.returned_rows"] == 1
    assert again["attributes"]["db.response.returned_rows"] == 2
    assert again["attributes"]["db.query.text"].startswith("INSERT INTO")
    assert '"kg" * 2' in again["attributes"]["db.query.text"]
    assert "80.5" in selected["attributes"]["db.query.text"]
    assert selected["attributes"]["db.system.name"] == "duckdb"


def test_a_query_that_fails_is_a_span_too(recorded: Path) -> None:
    connection = engine.connect(settings.load(HERE))
    made = connection.create_table("words", ibis.memtable(pa.table({"word": ["x"]})), temp=True)
    with pytest.raises(Exception, match="Conversion"):
        made.word.cast("int64").to_pyarrow()
    failed = spans.taken(recorded)[-1]
    assert "Conversion" in failed["error"]
    assert "CAST" in failed["attributes"]["db.query.text"]


def test_a_contract_is_a_span_with_its_counts(recorded: Path) -> None:
    table = schema.SUBJECTS.arrow().empty_table()
    verdicts = contracts.check(table, schema.SUBJECTS, at_least=1)
    (span,) = spans.taken(recorded)
    assert span["name"] == f"contract {schema.SUBJECTS.name}"
    assert span["attributes"]["potato.expectations"] == len(verdicts)
    missed = sum(not verdict.success for verdict in verdicts)
    assert span["attributes"]["potato.failures"] + span["attributes"]["potato.warnings"] == missed > 0


def test_each_fit_is_a_span_that_says_what_it_was_fitted_to(recorded: Path) -> None:
    training = models.train(
        _panel(),
        outcome="y",
        covariates=["x"],
        controls=[],
    )
    found = {span["attributes"]["potato.model"]: span["attributes"] for span in spans.taken(recorded)}
    assert found.keys() == training.fits.keys() == {"ols_cluster", "fixed_effects", "mixed_effects"}
    for name, fit in training.fits.items():
        assert found[name]["potato.model.n_obs"] == fit.n_obs
        assert found[name]["potato.model.converged"] is True


def _panel() -> pd.DataFrame:

    rng = np.random.default_rng(5)
    people = np.repeat([f"P{n:02}" for n in range(20)], 6)
    x = rng.normal(size=120)
    own = np.repeat(rng.normal(size=20), 6)
    return pd.DataFrame(
        {
            "subject_id": people,
            "study_week": np.tile(np.arange(6), 20),
            "days_logged": 7,
            "x": x,
            "y": 0.5 * x + own + rng.normal(size=120),
        }
    )


def test_spans_import_nothing_heavy() -> None:
    code = (
        "import sys, potato.spans, json; print(json.dumps([m for m in sys.modules if m in ('opentelemetry','ibis')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

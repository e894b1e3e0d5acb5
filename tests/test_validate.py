"""`potato validate` holds the published data against their contracts, and says what is broken in them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from potato import cli, lake, manifest, run, schema, validate
from potato.errors import PotatoError

from . import layer_frames
from .layer_frames import changed


@pytest.fixture
def published(project: Path) -> Path:
    """A project whose bronze and silver hold two people."""
    for layer, (tables, files) in {"bronze": layer_frames.bronze(), "silver": layer_frames.silver()}.items():
        outputs = {}
        for name, table in tables.items():
            dataset = "quarantine" if name == "quarantine" else f"{layer}/{name}"
            publish(project, dataset, table)
            outputs[dataset] = {"fingerprint": lake.fingerprint(project / "data" / dataset), "rows": len(table)}
        ledger = project / manifest.LEDGERS[layer]
        lake.write_json(ledger, {"files": files})
        said = {"study": "demo", "outputs": outputs, "ledger": lake.fingerprint(ledger)}
        lake.write_json(project / manifest.PATHS[layer], said)
    return project


def publish(project: Path, dataset: str, table: pa.Table) -> None:
    lake.write(table, project / "data" / dataset)


def typed(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, ["validate", *arguments], env={"COLUMNS": "200"})
    return done.exit_code, done.output


def test_good_data_pass_and_the_verdicts_are_kept(published: Path) -> None:
    found = validate.validate(published)
    assert not found.failed
    for layer in ("bronze", "silver"):
        kept = lake.read_json(found.folder / f"{layer}.json")
        assert all(verdict["success"] for verdict in kept)
        assert {verdict["dataset"] for verdict in kept} > {d.name for d in getattr(schema, layer.upper()).values()}


def test_a_validation_is_not_the_newest_run(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POTATO_RUN_ID", "01930000-0000-7000-8000-00000000abcd")
    pipeline = run.current(published)
    monkeypatch.setenv("POTATO_RUN_ID", "01930000-0000-7000-8000-00000000abce")
    assert validate.validate(published, "bronze").folder.parent.name.endswith("abce")
    newest = run.latest(published)
    assert newest is not None
    assert newest.id == pipeline.id


def test_one_layer_is_checked_when_it_is_named(published: Path) -> None:
    assert list(validate.validate(published, "silver").verdicts) == ["silver"]


def test_a_broken_datum_ends_with_exit_code_1_and_is_shown(published: Path) -> None:
    table = layer_frames.silver()[0]["subject_trajectories"]
    publish(published, "silver/subject_trajectories", changed(table, 0, weight_kg=900.0))
    code, screen = typed("silver")
    assert code == 1
    assert "weight_kg lies within 25 to 350 kg" in screen
    assert "900" in screen


def test_a_warning_is_shown_and_ends_with_exit_code_0(published: Path) -> None:
    table = layer_frames.silver()[0]["modeling_dataset"]
    publish(published, "silver/modeling_dataset", changed(table, 0, next_week_change_kg=-30.0))
    # So that only the contract speaks, and not the fingerprint.
    said = lake.read_json(published / manifest.PATHS["silver"])
    lake.write_json(published / manifest.PATHS["silver"], said | {"outputs": {}})
    code, screen = typed("silver")
    assert code == 0
    assert "warning" in screen
    assert "-30" in screen


def test_data_that_were_changed_after_the_stage_are_an_error(published: Path) -> None:
    table = layer_frames.bronze()[0]["weight"]
    publish(published, "bronze/weight", changed(table, 0, weight="81"))
    (found,) = [v for v in validate.validate(published, "bronze").verdicts["bronze"] if not v.success]
    assert (found.expectation, found.severity, found.observed) == ("data_as_made", "error", "bronze/weight")


@pytest.mark.parametrize("layer", ["bronze", "silver"])
def test_a_ledger_that_was_changed_after_the_stage_is_an_error(published: Path, layer: str) -> None:
    path = published / manifest.LEDGERS[layer]
    lake.write_json(path, lake.read_json(path) | {"note": "changed"})
    (found,) = [v for v in validate.validate(published, layer).verdicts[layer] if not v.success]
    assert (found.expectation, found.severity, found.observed) == ("data_as_made", "error", f"{layer}/ledger")


def test_silver_that_counts_other_rows_than_bronze_read_is_an_error(published: Path) -> None:
    path, told = published / manifest.LEDGERS["silver"], published / manifest.PATHS["silver"]
    ledger = lake.read_json(path)
    for name in ("rows_read", "rows_kept"):
        ledger["files"]["weight/a.csv"][name] += 1000
    lake.write_json(path, ledger)
    lake.write_json(told, lake.read_json(told) | {"ledger": lake.fingerprint(path)})
    (found,) = [v for v in validate.validate(published).verdicts["silver"] if not v.success]
    assert (found.expectation, found.severity) == ("silver_reads_what_bronze_read", "error")
    assert "weight/a.csv" in found.observed
    assert "1,000" in found.observed


def test_data_with_columns_of_another_version_fail_and_do_not_crash(published: Path) -> None:
    table = layer_frames.bronze()[0]["weight"]
    publish(published, "bronze/weight", table.drop_columns(["source_row", "fault"]))
    failed = [v for v in validate.validate(published, "bronze").verdicts["bronze"] if not v.success]
    assert "expect_table_columns_to_match_ordered_list" in {verdict.expectation for verdict in failed}
    assert "the expectation could not be evaluated" in {verdict.observed for verdict in failed}


def test_without_data_the_next_command_is_named(project: Path) -> None:
    with pytest.raises(PotatoError, match="no bronze data yet") as caught:
        validate.validate(project)
    assert "dvc repro bronze" in str(caught.value)


def test_an_unknown_layer_names_the_nearest(project: Path) -> None:
    with pytest.raises(PotatoError, match="no contract of 'sliver'") as caught:
        validate.validate(project, "sliver")
    assert caught.value.nearest == "silver"

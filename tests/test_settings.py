"""params.yaml and studies/*.yaml are checked before anything runs, and say what to type."""

from __future__ import annotations

from pathlib import Path

import pytest

from potato import settings
from potato.errors import PotatoError


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_committed_settings_are_valid_for_each_committed_study(project: Path) -> None:
    for name in settings.study_names(project):
        assert settings.load(project, name).study_name == name


@pytest.mark.parametrize(
    ("old", "new", "found", "nearest"),
    [
        ("confidence:", "confidnce:", "confidnce", "confidence"),
        ("silver:\n", "sliver:\n", "sliver", "silver"),
        ("min_days_logged:", "min_day_logged:", "min_day_logged", "min_days_logged"),
        ("  seed: 20220215", "  sead: 20220215", "sead", "seed"),
    ],
)
def test_a_misspelt_parameter_names_its_nearest_match(
    project: Path, old: str, new: str, found: str, nearest: str
) -> None:
    change(project / "params.yaml", old, new)
    with pytest.raises(PotatoError) as caught:
        settings.load(project)
    assert caught.value.found == found
    assert caught.value.nearest == nearest
    assert caught.value.hint is not None
    assert nearest in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "nearest"),
    [
        ("      participants: 67", "      particpants: 67", "participants"),
        ("C(study_week)", "C(study_weak)", "study_week"),
        ("engine: duckdb", "engine: ducktb", "duckdb"),
    ],
)
def test_the_nearest_match_is_found_at_every_depth(project: Path, old: str, new: str, nearest: str) -> None:
    change(project / "params.yaml", old, new)
    with pytest.raises(PotatoError) as caught:
        settings.load(project)
    assert caught.value.nearest == nearest


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('master: "local[*]"', "master: nowhere", "spark.master"),
        ("options: {}", "options: {driver.memory: 8g}", "spark.options.driver.memory"),
        ("options: {}", "options: [spark.ui.enabled]", "spark.options"),
    ],
)
def test_what_spark_cannot_be_told_is_refused_before_it_starts(project: Path, old: str, new: str, where: str) -> None:
    change(project / "params.yaml", old, new)
    with pytest.raises(PotatoError) as caught:
        settings.load(project)
    assert caught.value.where == f"params.yaml, {where}"


def test_options_of_spark_are_texts_as_spark_writes_them(project: Path) -> None:
    change(project / "params.yaml", "options: {}", "options: {spark.ui.enabled: true, spark.task.cpus: 2}")
    assert settings.load(project).spark.options == {"spark.ui.enabled": "true", "spark.task.cpus": "2"}


def test_a_key_that_stands_twice_is_refused(project: Path) -> None:
    change(project / "studies" / "krone2020.yaml", "  unit: kg\n", "  unit: kg\n  unit: lb\n")
    with pytest.raises(PotatoError, match="not readable YAML") as caught:
        settings.load(project, "krone2020")
    assert "'unit' stands twice" in str(caught.value.found)


@pytest.mark.parametrize("files", ["/etc/*.csv", "../*.csv", "", "**.csv"])
def test_files_are_named_below_the_raw_folder(project: Path, files: str) -> None:
    change(project / "studies" / "krone2020.yaml", '"*.csv"', f'"{files}"')
    with pytest.raises(PotatoError, match="files"):
        settings.load(project, "krone2020")


def test_an_unknown_study_lists_the_ones_that_there_are(project: Path) -> None:
    with pytest.raises(PotatoError, match="no study called 'krone'") as caught:
        settings.load(project, "krone")
    assert caught.value.nearest == "krone2020"
    assert "demo" in str(caught.value.expected)


def test_a_covariate_that_is_no_column_names_the_nearest_column(project: Path) -> None:
    change(project / "params.yaml", "covariates: [potato_energy_share", "covariates: [potato_energy_shares")
    with pytest.raises(PotatoError, match="covariates") as caught:
        settings.load(project)
    assert caught.value.where == "params.yaml, gold.covariates"
    assert caught.value.nearest == "potato_energy_share"


def test_a_value_of_the_wrong_type_says_what_was_found(project: Path) -> None:
    change(project / "params.yaml", "confidence: 0.95", "confidence: sure")
    with pytest.raises(PotatoError) as caught:
        settings.load(project)
    assert caught.value.where == "params.yaml, gold.confidence"
    assert caught.value.found == "'sure'"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("  unit: kg\n", "", "say kg, lb or detect"),
        ("    weight: body_weight\n", "", "map the column that holds the weight"),
        ("    subject_id: subject\n", "", "every family says who a row is about"),
        ("    day: day\n", "", "map either date or day"),
        ("    condition: condition\n", "    conditon: condition\n", "nearest: condition"),
    ],
)
def test_a_study_that_cannot_be_read_says_what_to_map(project: Path, old: str, new: str, says: str) -> None:
    change(project / "studies" / "krone2020.yaml", old, new)
    with pytest.raises(PotatoError) as caught:
        settings.load(project, "krone2020")
    assert says in str(caught.value)


def test_a_file_that_is_no_yaml_says_where_it_breaks(project: Path) -> None:
    (project / "params.yaml").write_text("study: [demo\n")
    with pytest.raises(PotatoError, match="not readable YAML") as caught:
        settings.load(project)
    assert "line" in str(caught.value.found)


def test_a_missing_params_file_says_how_to_get_it_back(project: Path) -> None:
    (project / "params.yaml").unlink()
    with pytest.raises(PotatoError, match=r"params\.yaml is missing") as caught:
        settings.load(project)
    assert caught.value.hint == "restore it: `git checkout -- params.yaml`"

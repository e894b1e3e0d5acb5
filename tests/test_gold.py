"""The gold layer from silver to files: what a study gets, what it does not get and why, and equal bytes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from potato import lake, models, results, sensitivity, trajectories
from potato.columns import source
from potato.gold import ModelingPipeline
from tests import silver_frames
from tests.silver_frames import PROJECT, TRUTH

CONDITIONS = {"control": -0.2, "diet": -0.4, "activity": 0.0}


def run(root: Path, study: str, staging: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POTATO_ROOT", str(root))
        patch.setenv("POTATO_STAGING", str(staging))
        pipeline = ModelingPipeline(study)
        pipeline.load_features()
        pipeline.train_models()
        pipeline.validate_models()
        pipeline.generate_reports()
        pipeline.save_artifacts()
    return staging / "data/gold"


@pytest.fixture(scope="module")
def demo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    return silver_frames.project(folder, "demo", silver_frames.trajectories(), silver_frames.modeling())


@pytest.fixture(scope="module")
def demo(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(demo_root, "demo", tmp_path_factory.mktemp("staging"))


@pytest.fixture(scope="module")
def weights_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights = silver_frames.trajectories(people=12, groups=(None,), conditions=CONDITIONS)
    root = tmp_path_factory.mktemp("krone")
    silver_frames.project(root, "krone2020", weights, silver_frames.without_intake(weights))
    return run(root, "krone2020", tmp_path_factory.mktemp("staging"))


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def ids(gold: Path, kind: str) -> set[str]:
    name = "figures/figures.json" if kind == "figures" else "reports/tables.json"
    return {entry["id"] for entry in load(gold / name)}


def test_every_listed_figure_and_table_is_there_and_nothing_else(demo: Path) -> None:
    figures = {path.stem for path in (demo / "figures").glob("*.svg")}
    assert figures == ids(demo, "figures") == {path.stem for path in (demo / "figures").glob("*.png")}
    assert {path.stem for path in (demo / "reports/tables").iterdir()} == ids(demo, "tables")


def test_a_study_with_diaries_gets_every_figure_and_table(demo: Path) -> None:
    assert ids(demo, "figures") == {
        *("change-by-group", "cohort-flow", "trajectories", "weekly-change"),
        *("intake-weekly", "adherence", "dose-response", "forest", "partial-residuals", "calibration", "influence"),
    }
    assert ids(demo, "tables") == {
        "bootstrap",  # some effects rest on fewer than thirty equal people
        *("cohort-groups", "weekly-change", "group-weeks", "intake-weekly", "food-categories"),
        *("coefficients", "associations", "diagnostics", "cautions", "weeks-used", "food-effects"),
    }
    assert {name for name, page in load(demo / "reports/pages.json").items() if not page["shown"]} == {"attrition"}


def test_coefficients_have_the_columns_and_types_of_the_dictionary(demo: Path) -> None:
    table = pq.read_table(demo / "models/coefficients.parquet")
    assert table.schema.equals(results.COEFFICIENTS.arrow())
    assert table.num_rows == 9


def test_each_fitted_model_can_be_read_back_whole(demo: Path) -> None:
    table = pd.read_parquet(demo / "models/coefficients.parquet")
    folders = sorted(path.name for path in (demo / "models").iterdir() if path.is_dir())
    assert folders == sorted(models.MODELS)
    for name in folders:
        document = load(demo / "models" / name / "model.json")
        terms = pd.read_parquet(demo / "models" / name / "coefficients.parquet").set_index("term")
        covariance = pd.read_parquet(demo / "models" / name / "covariance.parquet")
        # Within people the intercept is zero by construction.
        estimated = [term for term in document["terms"] if (name, term) != ("fixed_effects", "intercept")]
        assert list(terms.index) == estimated
        assert document["model"] == name
        assert document["formula"].startswith("next_week_change_kg ~ potato_energy_share")
        square = covariance.pivot(index="term", columns="other", values="covariance").loc[terms.index, terms.index]
        np.testing.assert_allclose(np.sqrt(np.diag(square)), terms["std_error"], rtol=1e-12)
        reported = table[table["model"] == name].set_index("term")
        assert list(reported.index) == document["reported"]
        assert (reported["n_obs"] == document["n_obs"]).all()
        pd.testing.assert_frame_equal(terms.loc[reported.index], reported)


def test_shown_estimates_are_the_stored_ones_times_a_step(demo: Path) -> None:
    stored = pd.read_parquet(demo / "models/coefficients.parquet")
    shown = pd.read_parquet(demo / "reports/tables/coefficients.parquet")
    steps = {"potato_energy_share": 0.1, "fiber_g_per_1000_kcal": 1.0, "energy_kcal_per_day": 100.0}
    expected = stored["estimate"] * stored["term"].map(steps)
    pd.testing.assert_series_equal(shown["estimate"], expected, check_names=False)


def test_a_simulated_study_shows_the_truth_and_says_that_it_is_simulated(demo: Path) -> None:
    shown = pd.read_parquet(demo / "reports/tables/coefficients.parquet")
    assert shown["truth"].iloc[0] == pytest.approx(0.1 * TRUTH["potato_energy_share"])
    numbers = load(demo / "reports/numbers.json")
    assert "A program made these data" in numbers["study"]["notice"]
    assert "simulated" in numbers["answer"]["headline"]
    assert numbers["methods"]["assumptions"].startswith("- Effect of 10 percentage points more")


def test_weights_without_diaries_give_everything_about_weight(weights_only: Path) -> None:
    assert ids(weights_only, "figures") == {
        *("change-by-group", "cohort-flow", "trajectories", "weekly-change", "conditions")
    }
    assert ids(weights_only, "tables") == {*("cohort-groups", "weekly-change", "condition-slopes")}


def test_weights_without_diaries_say_why_intake_is_left_out(weights_only: Path) -> None:
    pages = load(weights_only / "reports/pages.json")
    hidden = {name for name, page in pages.items() if not page["shown"]}
    assert hidden == {"intake", "models", "attrition"}
    assert "recorded no intake" in pages["intake"]["reason"]
    numbers = load(weights_only / "reports/numbers.json")
    assert "recorded no intake" in numbers["answer"]["diet"]
    assert numbers["study"]["notice"] == ""
    assert numbers["methods"]["assumptions"] == ""
    assert pq.read_table(weights_only / "models/coefficients.parquet").num_rows == 0


def test_conditions_that_everybody_met_in_the_same_weeks_are_not_told_apart_from_time(
    weights_only: Path,
) -> None:
    assert "passing of time" in load(weights_only / "reports/numbers.json")["answer"]["caveat"]


def test_numbers_have_the_same_names_in_every_study(demo: Path, weights_only: Path) -> None:
    def names(gold: Path) -> set[tuple[str, str]]:
        return {(part, name) for part, values in load(gold / "reports/numbers.json").items() for name in values}

    assert names(demo) == names(weights_only)


def test_the_headline_states_the_mean_of_the_data(demo: Path) -> None:
    weights = silver_frames.trajectories()
    mean = weights.groupby("subject_id")["change_from_baseline_kg"].last().mean()
    headline = load(demo / "reports/numbers.json")["answer"]["headline"]
    assert f"lost {abs(mean):.1f} kg ({abs(mean) / 0.45359237:.1f} lb)" in headline
    assert "40 of 40 lost weight" in headline


def test_sentences_hold_no_number_that_is_none(demo: Path, weights_only: Path) -> None:
    for gold in (demo, weights_only):
        text = (gold / "reports/numbers.json").read_text(encoding="utf-8")
        assert "nan" not in text.lower().replace("finance", "")
        assert "-0." not in text, "a minus sign is no hyphen"


def test_the_gate_is_in_the_manifest(demo: Path) -> None:
    manifest = load(demo / "reports/manifest.json")
    assert {verdict["dataset"] for verdict in manifest["contracts"]} == {"gold/models/coefficients"}
    assert len(manifest["contracts"]) == pq.read_table(demo / "models/diagnostics.parquet").num_rows
    assert not [v for v in manifest["contracts"] if v["severity"] == "error"]


def test_the_manifest_names_inputs_outputs_and_where_estimates_come_from(demo: Path, demo_root: Path) -> None:
    manifest = load(demo / "reports/manifest.json")
    silver = demo_root / "data/silver"
    assert manifest["inputs"]["silver/modeling_dataset"] == lake.fingerprint(silver / "modeling_dataset")
    assert manifest["outputs"]["gold/models/coefficients"]["rows"] == 9
    sources = manifest["column_lineage"]["gold/models/coefficients"]["estimate"]
    assert source("silver/modeling_dataset", "next_week_change_kg", "AGGREGATION") in sources


def test_every_figure_names_the_fingerprint_of_what_it_shows(demo: Path) -> None:
    manifest = load(demo / "reports/manifest.json")
    known = manifest["inputs"] | {name: output["fingerprint"] for name, output in manifest["outputs"].items()}
    for entry in (*load(demo / "figures/figures.json"), *load(demo / "reports/tables.json")):
        assert entry["source"]["fingerprint"] == known[entry["source"]["dataset"]]


def test_metrics_are_flat_numbers(demo: Path) -> None:
    metrics = load(demo / "reports/metrics.json")
    assert metrics["n_subjects"] == 40
    assert all(isinstance(value, int | float) for value in metrics.values())


def test_two_runs_write_the_same_bytes(demo: Path, demo_root: Path, tmp_path: Path) -> None:
    again = run(demo_root, "demo", tmp_path)
    assert lake.fingerprint(again) == lake.fingerprint(demo)


def test_one_person_is_a_study_without_models_and_without_a_crash(tmp_path: Path) -> None:
    weights = silver_frames.trajectories(people=1, weeks=8, groups=(None,))
    changes = silver_frames.modeling(people=1, weeks=7, groups=(None,), null_share=0)
    root = tmp_path / "project"
    root.mkdir()
    gold = run(silver_frames.project(root, "demo", weights, changes), "demo", tmp_path / "staging")
    pages = load(gold / "reports/pages.json")
    assert pages["intake"]["shown"]
    assert not pages["models"]["shown"]
    assert "1 person" in pages["models"]["reason"]
    assert "The one person of this study lost" in load(gold / "reports/numbers.json")["answer"]["headline"]


def test_a_table_has_an_interval_only_over_enough_people_and_says_so(tmp_path: Path) -> None:
    weights = silver_frames.trajectories(people=10, weeks=4, groups=(*["Many"] * 7, *["Few"] * 3))
    root = tmp_path / "project"
    root.mkdir()
    gold = run(
        silver_frames.project(root, "demo", weights, silver_frames.without_intake(weights)), "demo", tmp_path / "s"
    )
    captions = {entry["id"]: entry["caption"] for entry in load(gold / "reports/tables.json")}
    for name in ("cohort-groups", "weekly-change", "group-weeks"):
        table = pd.read_parquet(gold / f"reports/tables/{name}.parquet")
        assert set(table["n"] < trajectories.MIN_PEOPLE) == {True, False}, name
        assert list(table["low"].notna()) == list(table["n"] >= trajectories.MIN_PEOPLE), name
        assert "A mean over fewer than 5 people is shown without an interval." in captions[name]


def test_a_study_that_lasted_one_week_is_reported(tmp_path: Path) -> None:
    weights = silver_frames.trajectories(people=6, weeks=1)
    root = tmp_path / "project"
    root.mkdir()
    project = silver_frames.project(root, "demo", weights, silver_frames.modeling().iloc[:0])
    gold = run(project, "demo", tmp_path / "staging")
    assert "weekly-change" not in ids(gold, "figures")
    assert "two weeks in a row" in load(gold / "reports/numbers.json")["trajectories"]["sentence"]


def moved_for_one(frame: pd.DataFrame, column: str, change: float) -> pd.DataFrame:
    """Return the frame with `column` moved for one person: what a flagged weigh-in of hers would do."""
    moved = frame.copy()
    moved.loc[moved["subject_id"] == "s000", column] += change
    return moved


@pytest.fixture(scope="module")
def jumped_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study in which two weigh-ins of one person, in her second week, are flagged as a jump."""
    weights, changes = silver_frames.trajectories(), silver_frames.modeling()
    without = moved_for_one(weights, "change_from_baseline_kg", -2.0)
    second = (without["subject_id"] == "s000") & (without["study_week"] == 2)
    without.loc[second, "weight_change_kg"] -= 168.0
    without.loc[second, "n_weights"] -= 2
    root = tmp_path_factory.mktemp("jumped")
    silver_frames.project(
        root,
        "demo",
        weights,
        changes,
        trajectories_without_jumps=without,
        modeling_without_jumps=moved_for_one(changes, "next_week_change_kg", -0.5),
        flags=silver_frames.jumps(("s000", "88.1", 12), ("s000", "88.3", 13)),
    )
    return root


@pytest.fixture(scope="module")
def jumped(jumped_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(jumped_root, "demo", tmp_path_factory.mktemp("staging"))


@pytest.fixture(scope="module")
def compared(jumped_root: Path) -> pd.DataFrame:
    """Return every compared result: the page shows those that differ most."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POTATO_ROOT", str(jumped_root))
        pipeline = ModelingPipeline("demo")
        pipeline.load_features()
        pipeline.train_models()
    assert pipeline.compared is not None
    return pipeline.compared


def test_what_flagged_jumps_do_is_compared_for_every_mean_slope_and_estimate(
    jumped: Path, compared: pd.DataFrame
) -> None:
    found = compared.set_index("result")
    whole = "Mean change from first to last weigh-in"
    assert found.loc[whole, "difference"] == pytest.approx(-2 / 40)
    assert found.loc[f"{whole} in “4 Weeks”", "difference"] == pytest.approx(-2 / 14)
    assert found.loc[f"{whole} in “Dropped”", "difference"] == 0
    assert found.loc["Mean slope", "difference"] == 0
    shown = {
        ("cohort-groups", "baseline"): "Mean first weight",
        ("cohort-groups", "mean"): whole,
        ("weekly-change", "mean"): "Mean change into week {week}",
        ("group-weeks", "mean"): "Mean change from the first weigh-in by week {week}",
    }
    for (table, column), name in shown.items():
        for row in pd.read_parquet(jumped / f"reports/tables/{table}.parquet").to_dict("records"):
            where = "" if row["group"] == "All" else f" in “{row['group']}”"
            result = name.format(week=row.get("study_week")) + where
            assert found.loc[result, "with"] == pytest.approx(row[column]), result
    estimates = pd.read_parquet(jumped / "reports/tables/coefficients.parquet")
    of_models = found[found.index.str.contains(": ")].reset_index()
    names = [f"{row.model}: {row.term}" for row in estimates.itertuples()]
    of_models = of_models.set_index("result").loc[names]
    assert list(of_models["with"]) == pytest.approx(list(estimates["estimate"]))
    # The same shift in all weeks of a person is part of her own level: the comparison within people does not move.
    within = of_models.index.str.startswith("Within people")
    assert of_models["difference"][within].abs().max() < 1e-9 < of_models["difference"][~within].abs().min()


def test_the_sentence_on_jumps_names_them_and_the_largest_difference_with_its_unit(jumped: Path) -> None:
    text = load(jumped / "reports/numbers.json")["trajectories"]["jumps"]
    assert text.startswith(
        "2 weigh-ins were flagged as one-day jumps: 2 of “s000” (weight/weight.csv, rows 12 and 13)."
    )
    assert "the largest difference is 12.00 kg: mean change into week 2 in “4 Weeks”" in text


def test_the_largest_difference_is_the_largest_of_every_mean_that_the_pages_show(jumped: Path) -> None:
    shown = pd.read_parquet(jumped / "reports/tables/sensitivity.parquet")
    assert len(shown) == 15
    sizes = shown["difference"].abs()
    assert list(sizes) == sorted(sizes, reverse=True)
    assert shown["result"][0] == "Mean change into week 2 in “4 Weeks”"
    listed = next(entry for entry in load(jumped / "reports/tables.json") if entry["id"] == "sensitivity")
    assert "What differs most stands first." in listed["caption"]
    assert "Each result" not in listed["caption"]
    assert re.search(r"\d+ more results are left out, with a difference of at most \d\.\d{3}", listed["caption"])


@pytest.mark.parametrize(
    ("with_", "without", "told"),
    [
        (-0.2449, -0.2751, "0.030 kg: a mean, −0.275 instead of −0.245."),
        (-0.2449, -0.2849, "0.04 kg: a mean, −0.28 instead of −0.24."),
        (10.0, -0.6, "10.60 kg: a mean, −0.60 instead of 10.00."),
    ],
)
def test_the_told_difference_is_that_of_the_told_numbers(with_: float, without: float, told: str) -> None:
    frame = pd.DataFrame({"result": ["A mean"], "unit": ["kg"]})
    compared = sensitivity.compare(
        sensitivity.Results(frame.assign(value=with_)), sensitivity.Results(frame.assign(value=without))
    )
    text = sensitivity.sentence(silver_frames.jumps(("s000", "88.1", 12)), compared)
    assert text.endswith(told)
    most, after, before = re.findall(r"[−\d][\d.]*\d", text.split("largest difference is ")[1])
    assert abs(float(after.replace("−", "-")) - float(before.replace("−", "-"))) == pytest.approx(float(most))
    assert float(most) == pytest.approx(abs(without - with_), abs=0.005)


def test_a_result_that_rests_on_a_jump_alone_is_told_and_stands_before_what_stays_the_same() -> None:
    frame = pd.DataFrame({"result": ["Same", "Gone", "Moved"], "unit": "kg", "value": [1.0, 2.0, 3.0]})
    compared = sensitivity.compare(
        sensitivity.Results(frame), sensitivity.Results(frame.drop(1).assign(value=[1.0, 3.5]))
    )
    assert list(compared["result"]) == ["Moved", "Gone", "Same"]
    text = sensitivity.sentence(silver_frames.jumps(("s000", "88.1", 12)), compared)
    assert text.endswith("moved, 3.50 instead of 3.00. Without it 1 result can't be told.")


def test_a_jump_has_a_star_in_its_week_and_nowhere_else(jumped: Path, demo: Path) -> None:
    def course(gold: Path) -> dict[str, str]:
        return next(f for f in load(gold / "figures/figures.json") if f["id"] == "trajectories")

    assert "A star marks 1 week that holds a flagged one-day jump." in course(jumped)["alt"]
    assert "star" not in course(demo)["alt"] + course(demo)["caption"]
    assert (jumped / "figures/trajectories.svg").read_bytes() != (demo / "figures/trajectories.svg").read_bytes()


def test_without_a_jump_there_is_a_sentence_and_no_table(demo: Path) -> None:
    assert "sensitivity" not in ids(demo, "tables")
    assert load(demo / "reports/numbers.json")["trajectories"]["jumps"] == "No weigh-in was flagged as a one-day jump."


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    notebook = load(PROJECT / "notebooks/gold.ipynb")
    return list(notebook["cells"])


def test_the_notebook_keeps_no_outputs(cells: list[dict[str, Any]]) -> None:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)


def test_the_notebook_says_before_each_step_what_it_is_for(cells: list[dict[str, Any]]) -> None:
    kinds = [cell["cell_type"] for cell in cells]
    parameters = next(i for i, cell in enumerate(cells) if "parameters" in cell["metadata"].get("tags", []))
    for i, kind in enumerate(kinds):
        if kind == "code" and i != parameters:
            assert kinds[i - 1] == "markdown", cells[i]["id"]

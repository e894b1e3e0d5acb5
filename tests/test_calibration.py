"""The simulated trials, what is counted over them, and the page that says so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import calibration, calibration_page, coverage, trials
from potato import design, models, settings
from potato.settings import GoldSettings, Settings

ROOT = Path(__file__).parent.parent
MODELS = ("ols_cluster", "fixed_effects", "mixed_effects")


@pytest.fixture(scope="module")
def present() -> Settings:
    return settings.load(ROOT, "demo")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("POTATO_ROOT", "POTATO_STAGING"):
        monkeypatch.setenv(name, "")  # so that what the workspace sets is undone
    return trials.workspace(tmp_path)


def over(
    present: Settings, count: int, spread: trials.Spread | None = None, fit: trials.Fit = trials.gold_models
) -> pd.DataFrame:
    """Return the estimates of many trials of the scenario `model`."""
    rows = []
    for number in range(count):
        frame, truth = trials.drawn(present.simulate, present.gold, number, spread)
        found = trials.estimates(frame, truth, present.gold, fit)
        rows += [{"scenario": "model", "trial": number, **row} for row in found]
    return pd.DataFrame(rows)


def clustered(frame: pd.DataFrame, gold: GoldSettings) -> pd.DataFrame:
    """Return gold's pooled model alone."""
    terms = gold.terms
    controls = {"controls": terms.controls, "numeric_controls": terms.numeric_controls}
    found = models.fit("ols_cluster", frame, outcome=terms.outcome, covariates=gold.covariates, **controls)
    return found.coefficients(trials.CONFIDENCE)


def unclustered(frame: pd.DataFrame, gold: GoldSettings) -> pd.DataFrame:
    """Return gold's pooled model with the standard errors of independent rows: wrong where people have levels."""
    terms = gold.terms
    sample = design.sample(frame, terms.outcome, gold.covariates, terms.controls, terms.numeric_controls)
    made = design.pooled(sample, "ols_cluster")
    inverse = np.linalg.inv(made.x.T @ made.x)
    params = inverse @ made.x.T @ made.y
    rest = made.y - made.x @ params
    error = np.sqrt(np.diag(inverse) * (rest @ rest) / (len(made.y) - len(params)))
    table = pd.DataFrame({"model": "ols_cluster", "term": made.names, "estimate": params, "std_error": error})
    reach = 1.96 * table["std_error"]
    return table.assign(conf_low=table["estimate"] - reach, conf_high=table["estimate"] + reach)


def made_up(covered: float, n: int, model: str = "ols_cluster", scenario: str = "model") -> pd.DataFrame:
    """Return estimates of n trials and one term of which this share of intervals covers the truth of 1."""
    hits = np.arange(n) < round(covered * n)
    table = pd.DataFrame({"trial": range(n), "estimate": np.where(hits, 1.0, 3.0)})
    table = table.assign(scenario=scenario, model=model, term="potato_energy_share", truth=1.0, std_error=0.5)
    return table.assign(conf_low=table["estimate"] - 1, conf_high=table["estimate"] + 1)


def test_where_all_models_are_right_their_intervals_hold_and_nothing_is_biased(present: Settings) -> None:
    estimates = over(present, 24)
    judgements = coverage.judge(estimates, {"model": 24})
    assert [(found.model, found.verdict) for found in judgements] == [(model, "pass") for model in MODELS]
    terms = coverage.by_term(estimates)
    assert (terms["bias"].abs() < 4 * terms["bias_error"]).all()
    assert (terms["power"] > 0).all()


def test_the_demo_study_with_another_seed_goes_through_bronze_and_silver_to_the_models(workspace: Settings) -> None:
    found = [trials.run(workspace, "trial", number) for number in (0, 1)]
    assert found[0] != found[1]
    for estimates in found:
        assert [row["model"] for row in estimates] == [model for model in MODELS for _ in range(3)]
        assert {row["term"]: row["truth"] for row in estimates} == workspace.simulate.effects.model_dump()
        assert all(abs(row["estimate"] - row["truth"]) < 5 * row["std_error"] for row in estimates)


def test_what_silver_makes_of_a_trial_has_what_its_diaries_say(workspace: Settings) -> None:
    from potato import diary

    frame, _ = trials.ingested(workspace, 3)
    raw = pd.read_csv(workspace.root / "data/raw/demo/nutrition/nutrition.csv")
    week = frame[frame["days_logged"] > 0].iloc[0]
    mine = raw[raw["participant"] == week["subject_id"]].assign(date=lambda t: pd.to_datetime(t["date"]))
    weights = pd.read_csv(workspace.root / "data/raw/demo/weight/weight.csv", parse_dates=["date"])
    first = weights[weights["participant"] == week["subject_id"]]["date"].min()
    mine = mine[(mine["date"] - first).dt.days // 7 + 1 == week["study_week"]]
    potatoes = mine[mine["food"].isin(diary.NAMES[: diary.N_POTATO_FOODS])]["energy_kcal"].sum()
    assert week["potato_energy_share"] == pytest.approx(potatoes / mine["energy_kcal"].sum(), rel=1e-9)


def test_errors_that_ignore_whose_week_it_is_fail_the_gate(present: Settings) -> None:
    spread = trials.Spread(person=1.5, week=0.3)
    right = over(present, 60, spread, clustered)
    wrong = over(present, 60, spread, unclustered)
    assert right["estimate"].to_numpy() == pytest.approx(wrong["estimate"].to_numpy(), rel=1e-6)
    assert coverage.judge(right, {"model": 60})[0].verdict == "pass"
    failed = coverage.judge(wrong, {"model": 60})[0]
    assert failed.verdict == "fail"
    assert "pooled coverage" in failed.why


@pytest.mark.parametrize(
    ("covered", "n", "verdict"),
    [
        (0.95, 200, "pass"),
        (0.93, 200, "pass"),
        (0.925, 200, "fail"),
        (0.975, 200, "fail"),
        (0.90, 40, "pass"),
        (0.70, 40, "fail"),
        (1.00, 3, "pass"),
        (1.00, 400, "fail"),
    ],
)
def test_a_coverage_outside_of_the_band_fails_unless_the_trials_are_too_few_to_tell(
    covered: float, n: int, verdict: str
) -> None:
    assert coverage.judge(made_up(covered, n), {"model": n})[0].verdict == verdict


def test_one_bad_term_fails_a_model_whose_pooled_coverage_is_good() -> None:
    terms = [made_up(0.97, 200).assign(term=name) for name in ("a", "b", "c")]
    bad = made_up(0.86, 200).assign(term="energy_kcal_per_day")
    found = coverage.judge(pd.concat([*terms, bad]), {"model": 200})[0]
    assert coverage.LOW <= found.coverage <= coverage.HIGH
    assert (found.verdict, found.why) == ("fail", "the coverage of energy_kcal_per_day is 86.0%")


def test_a_model_that_often_gives_no_estimate_fails_and_one_that_is_not_right_there_is_not_judged() -> None:
    assert "only 180 of 200" in coverage.judge(made_up(0.95, 180), {"model": 200})[0].why
    assert coverage.judge(made_up(0.5, 200, "mixed_effects", "trial"), {"trial": 200})[0].verdict == "not judged"
    nothing = coverage.judge(made_up(0.95, 200), {"model": 200, "trial": 200})
    missing = [(found.model, found.why) for found in nothing if found.scenario == "trial"]
    assert missing == [(model, "no trial gave an estimate") for model in coverage.RIGHT["trial"]]


def test_what_is_counted_is_what_a_hand_would_count() -> None:
    table = pd.DataFrame(
        {
            "scenario": "model",
            "trial": range(4),
            "model": "ols_cluster",
            "term": "energy_kcal_per_day",
            "truth": 1.0,
            "estimate": [0.5, 1.0, 1.5, 3.0],
            "std_error": [1.0, 1.0, 1.0, 2.0],
            "conf_low": [-0.5, 0.2, 0.5, 2.0],
            "conf_high": [1.5, 1.8, 2.5, 4.0],
        }
    )
    row = coverage.by_term(table).iloc[0]
    assert row["bias"] == pytest.approx(0.5)
    assert row["spread"] == pytest.approx(np.std([0.5, 1.0, 1.5, 3.0], ddof=1))
    assert row["bias_error"] == pytest.approx(row["spread"] / 2)
    assert row["std_error"] == pytest.approx(np.sqrt(7 / 4))
    assert (row["coverage"], row["power"]) == (0.75, 0.75)
    assert row["power_error"] == pytest.approx(np.sqrt(0.75 * 0.25 / 4))


def test_the_interval_of_a_share_is_wilsons() -> None:
    from statsmodels.stats.proportion import proportion_confint

    for hits, n in ((0, 10), (38, 40), (200, 200)):
        assert coverage.wilson(hits / n, n) == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-12)


def test_a_trials_seed_depends_on_nothing_but_its_scenario_and_number() -> None:
    seeds = {tuple(trials.seed(s, n).generate_state(2)) for s in trials.SCENARIOS for n in range(300)}
    assert len(seeds) == 600
    assert (trials.seed("trial", 7).generate_state(2) == trials.seed("trial", 7).generate_state(2)).all()


def run(results: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.calibration", "--results", str(results), "--workers", "2", *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def lines(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in results.glob("*/trials.jsonl") for line in path.read_bytes().splitlines()]


def whole_lines(results: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in results.glob("*/trials.jsonl"))


def end(process: subprocess.Popen[bytes], how: int) -> None:
    process.send_signal(how)
    process.communicate(timeout=60)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_ended_goes_on_where_it_was_and_gives_what_a_whole_run_gives(tmp_path: Path, how: int) -> None:
    ask = ("--scenario", "model", "--trials", "20")
    ended = run(tmp_path, *ask)
    deadline = time.monotonic() + 120
    while whole_lines(tmp_path) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    end(ended, how)
    before = whole_lines(tmp_path)
    assert 3 <= before < 20
    (path,) = tmp_path.glob("*/trials.jsonl")
    with path.open("ab") as stream:
        stream.write(b'{"scenario": "model", "trial": 19, "esti')  # as if it had been ended in the middle of a write
    kept = path.read_bytes()[: -len(b'{"scenario": "model", "trial": 19, "esti')]
    again = run(tmp_path, *ask)
    told, _ = again.communicate(timeout=240)
    assert again.returncode == 0, told.decode()
    assert path.read_bytes().startswith(kept)
    done = lines(tmp_path)
    assert sorted(line["trial"] for line in done) == list(range(20))
    present = settings.load(ROOT, "demo")
    for line in done:
        assert line["estimates"] == trials.run(present, "model", line["trial"])


def test_two_calibrations_do_not_write_into_one_file(tmp_path: Path) -> None:
    with calibration.Results(tmp_path), pytest.raises(SystemExit, match="another calibration is running"):
        calibration.Results(tmp_path)


@pytest.mark.parametrize("option", ["--trials", "--workers"])
def test_a_number_that_makes_no_sense_is_told_without_a_traceback(tmp_path: Path, option: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.calibration", "--results", str(tmp_path), option, "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 2
    assert "0 is too few: give 1 or more" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_line_that_is_no_trial_and_a_place_that_is_no_folder_are_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").write_text('{"scenario": "model", "trial": 0, "estimates": []}\n{"scenario": "mo\n')
    with pytest.raises(SystemExit, match=r"line 2 of .* delete that line"):
        calibration.Results(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="--results"):
        calibration.Results(tmp_path / "file" / "folder")


def test_changed_settings_and_changed_code_start_anew(present: Settings, tmp_path: Path) -> None:
    defined = calibration.definition(present)
    first = calibration.fingerprint(defined, calibration.code_files())
    assert first == calibration.fingerprint(calibration.definition(present), calibration.code_files())
    other = present.model_copy(update={"gold": present.gold.model_copy(update={"covariates": ["energy_kcal_per_day"]})})
    assert calibration.fingerprint(calibration.definition(other)) != calibration.fingerprint(defined)
    code = tmp_path / "models.py"
    code.write_text("a = 1")
    before = calibration.fingerprint(defined, [code])
    code.write_text("a = 2")
    assert calibration.fingerprint(defined, [code]) != before
    assert ROOT / "potato/models.py" in calibration.code_files()
    reseeded = present.simulate.model_copy(update={"seed": present.simulate.seed + 1})
    changed = present.model_copy(update={"simulate": reseeded})
    assert calibration.definition(changed) == defined


def test_the_page_and_its_figure_say_what_was_found(present: Settings, tmp_path: Path) -> None:
    estimates = pd.concat([over(present, 4), made_up(0.5, 4, scenario="trial")], ignore_index=True)
    judgements = coverage.judge(estimates, {"model": 4, "trial": 4})
    calibration_page.write(tmp_path, estimates, judgements, "0123456789ab")
    text = (tmp_path / "calibration.md").read_text(encoding="utf-8")
    assert "0123456789ab" in text
    assert coverage.RULE in text
    assert text.count("| ols_cluster | ") == 2 + 3 + 1
    assert "| fixed_effects | 0 of 4 | 0 | – | fail: no trial gave an estimate |" in text
    assert calibration_page.read_stamp(tmp_path / "calibration.md")["trials"] == {"model": 4, "trial": 4}
    drawn = (tmp_path / "calibration.svg").read_bytes()
    assert drawn == calibration_page.figure(coverage.by_term(estimates)).files["svg"]


def test_all_models_of_gold_are_calibrated() -> None:
    assert tuple(models.MODELS) == coverage.RIGHT["model"] == MODELS

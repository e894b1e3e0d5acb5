"""Do the models tell one story: directions, distances, and weeks against people (Mundlak)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from potato import design, models, regressions, stability
from potato.models import Training
from tests import silver_frames
from tests.silver_frames import TRUTH

OUTCOME = "next_week_change_kg"


def train(frame: pd.DataFrame) -> Training:
    return models.train(frame, outcome=OUTCOME, covariates=list(TRUTH), controls=["study_week", "group"])


def least_squares(frame: pd.DataFrame) -> Training:
    """Fit without the mixed model, whose optimiser takes far longer than all that a test of many data sets asks."""
    sample = design.sample(frame, OUTCOME, list(TRUTH), ["study_week", "group"])
    fits = {name: models.MODELS[name](sample)[0] for name in ("ols_cluster", "fixed_effects")}
    tables = [fit.coefficients(0.95) for fit in fits.values()]
    return Training(sample, fits, pd.concat(tables, ignore_index=True), ())


def verdicts(frame: pd.DataFrame) -> dict[tuple[str, str], str]:
    trained = train(frame)
    found = stability.findings(trained.coefficients, regressions.of(trained))
    return {(f.check, f.model): f.verdict for f in found}


def told_by_people(frame: pd.DataFrame, size: float, people_sd: float = 0.12) -> pd.DataFrame:
    """Let people who eat more potatoes all along change by `size` times as much more, whatever the week."""
    codes = pd.factorize(frame["subject_id"])[0]
    own = np.random.default_rng(8).normal(0, people_sd, codes.max() + 1)[codes] if people_sd else 0.0
    share = frame["potato_energy_share"] + own
    mean = share.groupby(codes).transform("mean")
    change = frame[OUTCOME] + TRUTH["potato_energy_share"] * own + size * (mean - 0.65)
    return frame.assign(potato_energy_share=share, **{OUTCOME: change})


@pytest.mark.parametrize("model", ["ols_cluster", "mixed_effects"])
def test_with_each_persons_means_a_model_gives_the_estimates_within_people(model: str) -> None:
    # Mundlak's result, here with gaps: people have different weeks.
    found = regressions.of(train(silver_frames.modeling(people=60, weeks=6, null_share=0.2)))
    with_means = stability.with_means(found[model])
    assert with_means is not None
    within = found["fixed_effects"].fit
    here, there = found[model].fit.terms, within.terms
    for term in TRUTH:
        assert with_means[0][here.index(term)] == pytest.approx(within.params[there.index(term)], rel=1e-7)


def test_the_joint_test_is_that_of_statsmodels_on_the_same_columns() -> None:
    from statsmodels.regression.linear_model import OLS

    regression = regressions.of(train(silver_frames.modeling(people=60, null_share=0.1)))["ols_cluster"]
    x, who = regression.design.x, regression.subjects
    means = pd.DataFrame(x).groupby(who).transform("mean").to_numpy()
    weeks = [i for i, name in enumerate(regression.design.names) if name.startswith("study_week")]
    columns = np.column_stack([x, means[:, 1:4], means[:, weeks]])
    theirs = OLS(regression.design.y, columns).fit(
        cov_type="cluster", cov_kwds={"groups": who, "df_correction": True}, use_t=True
    )
    contrast = np.zeros((3, columns.shape[1]))
    contrast[range(3), range(x.shape[1], x.shape[1] + 3)] = 1
    n, k = columns.shape
    # Statsmodels' factor for the number of columns is left out of ours.
    statistic = float(theirs.wald_test(contrast, scalar=True).statistic) * (n - 1) / (n - k)
    p = float(stats.f.sf(statistic, 3, regression.fit.n_subjects - 1))
    finding = stability.mundlak(regression, None)
    assert finding is not None
    assert finding.value == pytest.approx(p, rel=1e-6)


def test_people_and_weeks_that_tell_the_same_pass() -> None:
    found = verdicts(told_by_people(silver_frames.modeling(people=200), 0.0))
    assert found["weeks_and_people", "ols_cluster"] == found["weeks_and_people", "mixed_effects"] == "pass"


def test_people_who_tell_something_else_than_weeks_call_for_caution() -> None:
    found = verdicts(told_by_people(silver_frames.modeling(people=200), -3.0))
    assert found["weeks_and_people", "ols_cluster"] == "caution"
    assert found["distance", "potato_energy_share"] == "caution"


def test_a_small_difference_between_people_and_weeks_is_no_caution_however_sure() -> None:
    # In many weeks people are much alike on average, so that what their averages tell moves the estimate little.
    frame = told_by_people(silver_frames.modeling(people=150, weeks=25, null_share=0, person_sd=0), 0.45, people_sd=0)
    trained = least_squares(frame)
    (told,) = [f for f in stability.findings(trained.coefficients, regressions.of(trained)) if f.model == "ols_cluster"]
    assert told.value is not None
    assert told.value < 0.05
    assert told.verdict == "pass"


def test_under_the_null_the_test_is_not_surprised_more_often_than_it_says() -> None:
    values = []
    for seed in range(60):
        frame = silver_frames.modeling(people=30, weeks=3, seed=1000 + seed, null_share=0)
        finding = stability.mundlak(regressions.of(least_squares(frame))["ols_cluster"], None)
        assert finding is not None
        assert finding.value is not None
        values.append(finding.value)
    # Of 60 p-values under 0.25 fifteen are expected; 26 or more come about once in five hundred times.
    assert sum(p < 0.25 for p in values) < 26


def test_where_nothing_is_estimated_within_people_nobody_is_sent_to_it() -> None:
    frame = told_by_people(silver_frames.modeling(people=60, weeks=6, null_share=0), 3.0)
    finding = stability.mundlak(regressions.of(train(frame))["ols_cluster"], None)
    assert finding is not None
    assert finding.verdict == "caution"
    assert "no estimate within people stands beside" in finding.sentence
    assert "inf" not in finding.sentence.split()
    assert "trust" not in finding.sentence


def test_models_that_disagree_on_a_direction_call_for_caution() -> None:
    trained = train(silver_frames.modeling())
    table = trained.coefficients.copy()
    flipped = (table["model"] == "mixed_effects") & (table["term"] == "energy_kcal_per_day")
    table.loc[flipped, ["estimate", "conf_low", "conf_high"]] *= -1
    found = {(f.check, f.model): f.verdict for f in stability.findings(table, {})}
    assert found["direction", "energy_kcal_per_day"] == found["distance", "energy_kcal_per_day"] == "caution"
    assert found["direction", "potato_energy_share"] == found["distance", "potato_energy_share"] == "pass"


def test_a_distance_is_measured_in_halves_of_the_wider_interval() -> None:
    rows = pd.DataFrame(
        {
            "model": ["ols_cluster", "fixed_effects"],
            "term": "energy_kcal_per_day",
            "estimate": [1.0, 2.5],
            "conf_low": [0.5, 0.5],
            "conf_high": [1.5, 4.5],
        }
    )
    (finding,) = [f for f in stability.findings(rows, {}) if f.check == "distance"]
    assert finding.value == pytest.approx(1.5 / 2.0)


def test_one_model_alone_is_compared_with_nothing() -> None:
    trained = train(silver_frames.modeling())
    alone = trained.coefficients[trained.coefficients["model"] == "ols_cluster"]
    assert stability.findings(alone, {}) == []

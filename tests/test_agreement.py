"""The models against pyfixest, linearmodels, lme4 and published estimates, on generated and on real panels.

pyfixest and linearmodels are held to 1e-6 under the small-sample correction that the report states, lme4 to 1e-4.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import warnings

import numpy as np
import pandas as pd
import pytest

from potato import models
from potato.fits import Fit
from tests.agreement_data import Panel, panel

CLUSTERED = ["even", "missing", "singletons", "few people", "ragged", "wages", "grunfeld", "feed"]


def fit(model: str, data: Panel, **options: str) -> Fit:
    return models.fit(model, data.frame, **data.options, **options)


def table(fitted: Fit) -> pd.DataFrame:
    return fitted.coefficients(0.95).set_index("term")


def close(ours: pd.Series[float], theirs: pd.Series[float], rtol: float) -> None:
    np.testing.assert_allclose(ours.to_numpy(float), theirs.loc[ours.index].to_numpy(float), rtol=rtol)


@pytest.mark.parametrize("name", CLUSTERED)
@pytest.mark.parametrize("model", ["ols_cluster", "fixed_effects"])
def test_estimates_and_clustered_errors_are_those_of_pyfixest(model: str, name: str) -> None:
    data = panel(name)
    levels = f" | {data.subject}" if model == "fixed_effects" else ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyfixest

        theirs = pyfixest.feols(f"{data.outcome} ~ {data.right}{levels}", data.complete, vcov={"CRV1": data.subject})
        found = theirs.tidy()
    ours = table(fit(model, data))
    assert list(ours.index) == list(data.covariates)
    assert int(ours["n_obs"].iloc[0]) == theirs._N
    close(ours["estimate"], found["Estimate"], 1e-6)
    close(ours["std_error"], found["Std. Error"], 1e-6)
    close(ours["p_value"], found["Pr(>|t|)"], 1e-6)
    close(ours["conf_low"], found["2.5%"], 1e-6)
    close(ours["conf_high"], found["97.5%"], 1e-6)


@pytest.mark.parametrize("name", CLUSTERED)
@pytest.mark.parametrize("model", ["ols_cluster", "fixed_effects"])
def test_estimates_and_clustered_errors_are_those_of_linearmodels_under_the_same_correction(
    model: str, name: str
) -> None:
    data = panel(name)
    complete = data.complete.assign(constant=1.0)
    within = model == "fixed_effects"
    if within:
        complete = complete[complete.groupby(data.subject)[data.subject].transform("size") > 1]
    for control in data.controls:
        dummies = pd.get_dummies(complete[control].astype(str), prefix=control, drop_first=True, dtype=float)
        changes = complete.groupby(data.subject)[control].nunique().gt(1).any()
        complete = complete.join(dummies if changes or not within else dummies.iloc[:, :0])
    added = [name for name in complete.columns if name.startswith(tuple(f"{c}_" for c in data.controls))]
    added = [name for name in added if name not in data.frame.columns]
    names = [*data.covariates, *data.numeric_controls, *added, *([] if within else ["constant"])]
    complete["row"] = complete.groupby(data.subject).cumcount()
    indexed = complete.set_index([data.subject, "row"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from linearmodels import PanelOLS, PooledOLS

        keywords = {"cov_type": "clustered", "cluster_entity": True, "debiased": False, "group_debias": True}
        made = (
            PanelOLS(indexed[data.outcome], indexed[names], entity_effects=True, drop_absorbed=True)
            if within
            else PooledOLS(indexed[data.outcome], indexed[names])
        )
        theirs = made.fit(**keywords)
    ours = table(fit(model, data))
    # Without its debiasing linearmodels uses G/(G-1) x (N-1)/N; the correction that the report states is
    # G/(G-1) x (N-1)/(N-K), where K also counts the intercept.
    n, k = len(complete), len(theirs.params) + int(within)
    close(ours["estimate"], theirs.params, 1e-6)
    close(ours["std_error"], theirs.std_errors * np.sqrt(n / (n - k)), 1e-6)


def test_a_control_that_people_never_change_is_not_counted_among_the_columns_within_them() -> None:
    data = panel("even")
    without = Panel(data.frame, data.outcome, data.covariates, ("study_week",))
    pd.testing.assert_frame_equal(table(fit("fixed_effects", data)), table(fit("fixed_effects", without)))


def test_people_with_one_week_change_nothing_within_people() -> None:
    data = panel("singletons")
    several = data.frame[data.frame.groupby("subject_id")["subject_id"].transform("size") > 1]
    without = Panel(several, data.outcome, data.covariates, data.controls)
    pd.testing.assert_frame_equal(table(fit("fixed_effects", data)), table(fit("fixed_effects", without)))


def test_the_mixed_model_of_pigs_has_the_published_estimates() -> None:
    """Weight ~ Time with a random intercept for each pig of dietox, as in the documentation of statsmodels."""
    found = fit("mixed_effects", panel("dietox"))
    assert found.params == pytest.approx([15.724, 6.943], abs=5e-4)
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx([0.788, 0.033], abs=5e-4)
    assert found.details["group_variance"] == pytest.approx(40.394, abs=5e-4)
    assert found.details["residual_variance"] == pytest.approx(11.367, abs=5e-4)


MIXED = [
    ("dietox", None),
    ("dietox", "Time"),
    ("feed", None),
    ("sleep", None),
    ("sleep", "Days"),
    ("missing", None),
    ("singletons", None),
    ("ragged", None),
    ("slopes", None),
    ("slopes", "fiber_g_per_1000_kcal"),
    ("wages", None),
    ("no differences", None),
]
# lme4's own optimiser stops at some 3e-4 of the covariance that it seeks on dietox; this one goes on.
R = """
suppressMessages(library(lme4))
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5),
                       check.conv.singular = "ignore", check.conv.grad = "ignore", check.conv.hess = "ignore")
C <- factor
for (case in readLines("cases")) {
  parts <- strsplit(case, "\\t")[[1]]
  model <- suppressWarnings(suppressMessages(
    lmer(as.formula(parts[3]), read.csv(parts[2], stringsAsFactors = TRUE), control = control)))
  fixed <- summary(model)$coef
  for (term in rownames(fixed))
    writeLines(paste(c(parts[1], "fixed", term, sprintf("%.15g", fixed[term, 1:2])), collapse = "\t"))
  random <- as.data.frame(VarCorr(model))
  random[is.na(random)] <- ""
  names <- paste(random$var1, random$var2)
  for (i in seq_len(nrow(random)))
    writeLines(paste(c(parts[1], "random", names[i], sprintf("%.15g", random$vcov[i]), "0"), collapse = "\t"))
}
"""


def _named(name: str, slope: str | None) -> str:
    return f"{name} by {slope}" if slope else name


@pytest.fixture(scope="module")
def lme4(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, tuple[float, float]]]]:
    """Return for each case lme4's fixed effects with their errors, and its variances, by name."""
    if not shutil.which("Rscript"):
        pytest.skip("R is not installed: `apt-get install r-base-core r-cran-lme4` as root, then again")
    folder = tmp_path_factory.mktemp("lme4")
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    asked = subprocess.run(["Rscript", "-e", "library(lme4)"], capture_output=True, env=environment, check=False)
    if asked.returncode:
        pytest.skip("R has no lme4: `apt-get install r-cran-lme4` as root, then again")
    cases = []
    for i, (name, slope) in enumerate(MIXED):
        data = panel(name)
        data.complete.to_csv(folder / f"{i}.csv", index=False)
        formula = f"{data.outcome} ~ {data.right} + ({'1 + ' + slope if slope else '1'} | {data.subject})"
        cases.append(f"{_named(name, slope)}\t{i}.csv\t{formula}")
    (folder / "cases").write_text("\n".join(cases) + "\n")
    (folder / "fit.R").write_text(R)
    said = subprocess.run(
        ["Rscript", "fit.R"], cwd=folder, capture_output=True, text=True, env=environment, check=False, timeout=300
    )
    assert said.returncode == 0, said.stderr
    found: dict[str, dict[str, dict[str, tuple[float, float]]]] = {}
    for line in said.stdout.splitlines():
        case, kind, term, value, error = line.split("\t")
        found.setdefault(case, {}).setdefault(kind, {})[term.strip()] = (float(value), float(error))
    return found


@pytest.mark.parametrize(("name", "slope"), MIXED)
def test_the_mixed_model_is_that_of_lme4(
    lme4: dict[str, dict[str, dict[str, tuple[float, float]]]], name: str, slope: str | None
) -> None:
    data, theirs = panel(name), lme4[_named(name, slope)]
    ours = fit("mixed_effects", data, **({"random_slope": slope} if slope else {}))
    errors = np.sqrt(np.diag(ours.covariance))
    for term in ("intercept", *data.covariates, *data.numeric_controls):
        estimate, error = theirs["fixed"]["(Intercept)" if term == "intercept" else term]
        at = ours.terms.index(term)
        assert ours.params[at] == pytest.approx(estimate, rel=1e-4), term
        assert errors[at] == pytest.approx(error, rel=1e-4), term
    random = {term: value for term, (value, _) in theirs["random"].items()}
    assert ours.details["residual_variance"] == pytest.approx(random[""], rel=1e-4)
    # A variance of zero has no relative distance.
    assert ours.details["group_variance"] == pytest.approx(random["(Intercept)"], rel=1e-4, abs=1e-6)
    if slope:
        assert ours.details["slope_variance"] == pytest.approx(random[slope], rel=1e-4)
        together = random[f"(Intercept) {slope}"]
        assert ours.details["intercept_slope_covariance"] == pytest.approx(together, rel=2e-4)


def test_the_estimates_of_the_mixed_model_are_those_of_statsmodels_own_formula_interface() -> None:
    data = panel("missing")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import statsmodels.formula.api as smf

        # On another scale of energy, which its optimiser can also cope with.
        rescaled = data.complete.assign(energy_kcal_per_day=data.complete["energy_kcal_per_day"] / 1000)
        theirs = smf.mixedlm(f"{data.outcome} ~ {data.right}", rescaled, groups="subject_id").fit(reml=True)
    ours = table(fit("mixed_effects", data))["estimate"]
    close(ours * np.array([1, 1, 1000]), theirs.fe_params, 1e-4)


def test_the_order_of_rows_and_the_names_of_subjects_change_nothing() -> None:
    data = panel("feed")
    other = data.frame.sample(frac=1, random_state=4)
    other = other.assign(**{data.subject: "pig " + other[data.subject].astype(str)})
    for model in models.MODELS:
        ours, theirs = (table(models.fit(model, frame, **data.options)) for frame in (data.frame, other))
        np.testing.assert_allclose(ours["estimate"], theirs["estimate"], rtol=1e-8)
        np.testing.assert_allclose(ours["std_error"], theirs["std_error"], rtol=1e-8)


def test_what_a_fit_leaves_in_a_file_is_plain_json() -> None:
    data = panel("dietox")
    document = fit("mixed_effects", data).document("Weight ~ Time + (1 | Pig)", "none")
    assert json.loads(json.dumps(document)) == document

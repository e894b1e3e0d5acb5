"""The mixed model: each person has a level of their own, and on request a slope, drawn from a normal distribution.

statsmodels' MixedLM estimates it by restricted maximum likelihood. Its optimiser works on an open space and does not
come to rest where people do not differ at all, or where level and slope go together perfectly. So the same criterion
is first minimised in the parametrisation of Bates et al. (2015), whose bounds hold these cases: that gives MixedLM its
start, and is the estimate where the optimum lies on a bound.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from potato import design, words
from potato.design import INTERCEPT, Array, Design, Finding, Sample
from potato.fits import Fit

CORRECTION = (
    "Standard errors of mixed_effects (restricted maximum likelihood) are those of generalised least squares at the"
    " estimated variances, without a small-sample correction, and its intervals use the normal distribution."
)
_TIGHT = 1e-9
_MIDDLE = 1.96  # standard deviations to each side that hold 95% of a normal distribution
_PERFECT = 1e-12  # of the outcome's variance; below it, what is left unexplained is rounding
_LEAST_SHARE = 1e-4  # of the variance; below it people do not differ beyond noise
_MOST_CORRELATION = 0.9999
_STILL = 1e-7  # of the criterion; a step to a neighbouring point that gains less is no descent


def mixed_effects(sample: Sample, random_slope: str | None = None) -> tuple[Fit, list[Finding]]:
    """Fit a random intercept for each person, and a random slope of one covariate, correlated with it.

    Covariates are centred and scaled inside, the outcome is scaled, and everything is put back on the original
    scale; the likelihood is the same.

    Parameters
    ----------
    random_slope : a covariate; where the sample does not have it, people have a level only, and a finding says so.

    Raises
    ------
    ArithmeticError
        when no optimiser comes to rest, or the data can't tell the variances apart.
    """
    made = design.pooled(sample, "mixed_effects")
    findings = list(made.findings)
    slope = random_slope if random_slope in sample.covariates else None
    if random_slope and not slope:
        text = f"{words.term(random_slope).label} has no effect in these data that could differ between people."
        findings.append(Finding("random_slope", "mixed_effects", "caution", text))
    if len(made.y) <= made.n_subjects * (1 if slope is None else 2):
        raise ArithmeticError(
            "people's own levels and slopes need more than two weeks a person"
            if slope
            else "people's own levels need more than one week a person"
        )
    problem = _Problem.of(made, sample, slope)
    theta = problem.minimise()
    estimate = problem.by_statsmodels(theta) or problem.at(theta)
    findings += _boundaries(estimate, slope)
    fitted = _fit(made, problem, estimate, slope)
    if slope and not any(found.check == "random_slope" for found in findings):
        spread = math.sqrt(fitted.details["slope_variance"])
        text = f"The effect of {words.term(slope).label.lower()} differs between people {differs(fitted, slope)}."
        findings.append(Finding("random_slope", "mixed_effects", "pass", text, spread))
    return fitted, findings


def differs(fitted: Fit, slope: str) -> str:
    """Return by how much an effect differs between people: a standard deviation, and where 95% of effects lie."""
    term = words.term(slope)
    spread = math.sqrt(fitted.details["slope_variance"]) * term.step
    middle = float(fitted.params[fitted.terms.index(slope)]) * term.step
    ends = words.interval(middle - _MIDDLE * spread, middle + _MIDDLE * spread, "+.3f")
    return f"by a standard deviation of {words.kg(spread, '.3f')} {term.step_short} (in 95% of people it is {ends} kg)"


@dataclass(frozen=True)
class _Estimate:
    """On the scaled data: coefficients, their covariance, the random effects' covariance, the residual variance."""

    params: Array
    covariance: Array
    random: Array
    residual: float


@dataclass(frozen=True)
class _Problem:
    """The scaled regression with its cross-products for each person; `theta` is the lower triangle of a Cholesky
    factor of the random effects' covariance in units of the residual variance, column by column."""

    y: Array
    x: Array
    z: Array
    subjects: NDArray[np.int64]
    size: float
    back: Array
    random_back: Array
    zz: Array
    za: Array
    aa: Array

    @classmethod
    def of(cls, made: Design, sample: Sample, slope: str | None) -> _Problem:
        numeric = {*sample.covariates, *sample.numeric_controls}
        centre, spread = np.zeros(len(made.names)), np.ones(len(made.names))
        for i, name in enumerate(made.names):
            if name in numeric:
                spread[i] = made.x[:, i].std()
                if INTERCEPT in made.names:
                    centre[i] = made.x[:, i].mean()
        back = np.diag(1 / spread)
        if INTERCEPT in made.names:
            back[made.names.index(INTERCEPT)] -= centre / spread
        x = (made.x - centre) / spread
        z, random_back = np.ones((len(x), 1)), np.eye(1)
        if slope:
            values = sample.frame[slope].to_numpy(float)
            middle, width = values.mean(), values.std()
            z = np.column_stack([z, (values - middle) / width])
            random_back = np.array([[1, -middle / width], [0, 1 / width]])
        size = float(made.y.std()) or 1.0
        y = made.y / size
        a = np.column_stack([x, y])
        zz, za = (_sums(z, other, made.subjects, made.n_subjects) for other in (z, a))
        return cls(y, x, z, made.subjects, size, back, random_back, zz, za, a.T @ a)

    @property
    def n_theta(self) -> int:
        q = self.z.shape[1]
        return q * (q + 1) // 2

    @property
    def bounds(self) -> Sequence[tuple[float | None, float | None]]:
        return [(0, None)] if self.n_theta == 1 else [(0, None), (None, None), (0, None)]

    def factor(self, theta: Array) -> Array:
        if self.n_theta == 1:
            return np.array([[theta[0]]])
        return np.array([[theta[0], 0], [theta[1], theta[2]]])

    def reduced(self, theta: Array) -> tuple[Array, float]:
        """Return [x y]' V⁻¹ [x y], with V in units of the residual variance, and log det V."""
        factor = self.factor(theta)
        inner = np.eye(len(factor)) + factor.T @ self.zz @ factor
        whole = factor.T @ self.za
        lower = np.linalg.cholesky(inner)
        half = np.linalg.solve(lower, whole)
        taken = np.einsum("gqa,gqb->ab", half, half)
        return self.aa - taken, 2 * float(np.log(np.diagonal(lower, axis1=1, axis2=2)).sum())

    def criterion(self, theta: Array) -> float:
        """Return minus twice the restricted log-likelihood, profiled (Bates et al. 2015, equation 39), less constants.

        Infinite where it can't be evaluated.
        """
        try:
            cross, log_det = self.reduced(np.asarray(theta, float))
            lower = np.linalg.cholesky(cross)
        except np.linalg.LinAlgError:
            return float("inf")
        n, k = self.x.shape
        log_det += 2 * float(np.log(np.diag(lower)[:k]).sum())
        return log_det + (n - k) * float(np.log(lower[k, k] ** 2 / (n - k)))

    def minimise(self) -> Array:
        """Return the theta with the least criterion; ArithmeticError when a neighbouring point is lower."""
        from scipy import optimize

        if self.n_theta == 1:
            starts = [np.array([v]) for v in (1.0, 0.1, 0.0)]
        else:
            starts = [np.array(v) for v in ((1.0, 0.0, 1.0), (0.3, 0.0, 0.1), (1.0, 0.5, 0.0), (1.0, -0.5, 0.0))]
        tries = [optimize.minimize(self.criterion, s, method="L-BFGS-B", bounds=self.bounds) for s in starts]
        best = min(tries, key=lambda found: found.fun)
        options = {"xatol": _TIGHT, "fatol": 1e-11, "maxiter": 4000, "maxfev": 4000}
        # A simplex needs no gradient: near a bound, differences of the criterion are poor ones.
        for _ in range(3):
            found = optimize.minimize(self.criterion, best.x, method="Nelder-Mead", bounds=self.bounds, options=options)
            gained = best.fun - found.fun
            best = found if found.fun <= best.fun else best
            if gained < 1e-9:
                break
        theta = np.asarray(best.x, float)
        if not np.isfinite(best.fun) or not self.is_still(theta, float(best.fun)):
            raise ArithmeticError("the optimisers did not converge")
        return theta

    def is_still(self, theta: Array, least: float) -> bool:
        """Tell whether no step along a parameter, of a thousandth or less, lowers the criterion."""
        steps = np.concatenate([sign * size * np.eye(self.n_theta) for sign in (1, -1) for size in (1e-3, 1e-5)])
        low = np.array([-np.inf if bound[0] is None else bound[0] for bound in self.bounds])
        around = [np.maximum(theta + step, low) for step in steps]
        return all(self.criterion(point) > least - _STILL * max(1.0, abs(least)) for point in around)

    def at(self, theta: Array) -> _Estimate:
        """Return the estimates at `theta`: generalised least squares."""
        cross, _ = self.reduced(theta)
        n, k = self.x.shape
        inverse = np.linalg.inv(cross[:k, :k])
        params = inverse @ cross[:k, k]
        residual = float(cross[k, k] - cross[k, :k] @ params) / (n - k)
        if not residual > _PERFECT or not np.isfinite(inverse).all():
            raise ArithmeticError("the covariates and people's own levels explain the outcome to the last digit")
        factor = self.factor(theta)
        return _Estimate(params, inverse * residual, factor @ factor.T * residual, residual)

    def by_statsmodels(self, theta: Array) -> _Estimate | None:
        """Return MixedLM's estimates, started at `theta`; None on a bound, or where MixedLM does not come to rest."""
        start = self.at(theta)
        if _on_bound(start.random, start.residual):
            return None
        from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

        model = MixedLM(self.y, self.x, groups=self.subjects, exog_re=self.z)
        relative = start.random / start.residual
        with warnings.catch_warnings():
            # Whether it came to rest is asked below; on a console its warnings would only be noise.
            warnings.simplefilter("ignore")
            try:
                result = model.fit(
                    start_params=MixedLMParams.from_components(start.params, relative),
                    reml=True,
                    method=["bfgs", "powell"],
                    gtol=1e-7,
                )
            except (np.linalg.LinAlgError, ValueError):
                return None
        random, residual = np.asarray(result.cov_re), float(result.scale)
        if not result.converged or not np.isfinite(random).all() or not residual > 0:
            return None
        try:
            lower = np.asarray(np.linalg.cholesky(random / residual), float)
        except np.linalg.LinAlgError:
            return None
        # Its own errors come from the Hessian of all parameters; these are those of generalised least squares.
        found = self.at(lower[np.tril_indices(len(lower))])
        return replace(found, params=np.asarray(result.fe_params), random=random, residual=residual)


def _sums(left: Array, right: Array, subjects: NDArray[np.int64], n: int) -> Array:
    """Return left' right for each person: (n, columns of left, columns of right)."""
    products = left[:, :, None] * right[:, None, :]
    sums = np.zeros((n, left.shape[1], right.shape[1]))
    np.add.at(sums, subjects, products)
    return sums


def _on_bound(random: Array, residual: float) -> bool:
    if len(random) == 1:
        return bool(random[0, 0] < _LEAST_SHARE * (random[0, 0] + residual))
    spread = np.sqrt(np.diag(random))
    least = np.sqrt(_LEAST_SHARE * residual)
    return bool((spread < least).any() or abs(random[0, 1]) > _MOST_CORRELATION * spread.prod())


def _boundaries(estimate: _Estimate, slope: str | None) -> list[Finding]:
    """Return a finding for each variance that is zero, and for a correlation of ±1."""
    shares = np.diag(estimate.random) / (np.diag(estimate.random) + estimate.residual)
    findings = []
    if shares[0] < _LEAST_SHARE:
        text = "People do not differ in their usual weekly change beyond noise: "
        text += "their levels are estimated as equal." if slope else "this model equals a pooled regression."
        finding = Finding("random_intercept", "mixed_effects", "caution", text, float(shares[0]), _LEAST_SHARE)
        findings.append(finding)
    if slope is None:
        return findings
    label = words.term(slope).label.lower()
    if shares[1] < _LEAST_SHARE:
        text = f"The effect of {label} does not differ between people beyond noise."
        findings.append(Finding("random_slope", "mixed_effects", "caution", text, float(shares[1]), _LEAST_SHARE))
    elif shares[0] >= _LEAST_SHARE:
        r = float(estimate.random[0, 1] / np.sqrt(estimate.random[0, 0] * estimate.random[1, 1]))
        if abs(r) > _MOST_CORRELATION:
            text = f"People's usual change and the effect of {label} go together perfectly in the mixed model: these"
            text += " data are too few to tell the two apart."
            findings.append(Finding("random_correlation", "mixed_effects", "caution", text, r, _MOST_CORRELATION))
    return findings


def _fit(made: Design, problem: _Problem, estimate: _Estimate, slope: str | None) -> Fit:
    params = problem.back @ estimate.params * problem.size
    covariance = problem.back @ estimate.covariance @ problem.back.T * problem.size**2
    random = problem.random_back @ estimate.random @ problem.random_back.T * problem.size**2
    residual = estimate.residual * problem.size**2
    # The share at the covariate's mean, where level and slope are about as far apart as data can tell them.
    middle = float(estimate.random[0, 0]) * problem.size**2
    details = {
        "group_variance": float(random[0, 0]),
        "residual_variance": residual,
        "intraclass_correlation": middle / (middle + residual),
    }
    if slope:
        spread = float(np.sqrt(random[0, 0] * random[1, 1]))
        details |= {
            "slope_variance": float(random[1, 1]),
            "intercept_slope_covariance": float(random[0, 1]),
            "intercept_slope_correlation": float(random[0, 1]) / spread if spread else 0.0,
        }
    fitted = made.x @ params
    return Fit(
        "mixed_effects",
        made.names,
        made.estimable,
        params,
        covariance,
        None,
        len(made.y),
        made.n_subjects,
        made.y - fitted,
        fitted,
        details,
    )

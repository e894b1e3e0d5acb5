"""What a fitted model leaves: estimates with their covariance, and the table that is made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from potato import results, schema
from potato.design import INTERCEPT, Array

_COLUMNS = results.COEFFICIENTS.names


@dataclass(frozen=True)
class Fit:
    """A fitted model: every coefficient on the original scale, with the covariance that goes with it.

    Attributes
    ----------
    terms : names of `params`, in order; `reported` are those that the coefficients table shows.
    params : (k,) estimates, in the outcome's unit per unit of the term.
    covariance : (k, k) of `params`.
    df : degrees of freedom of the t distribution; None means the normal distribution.
    residuals, fitted : (n_obs,) in the outcome's unit, in the order of the sample's rows. Those of mixed_effects
        leave people's own levels and slopes in the residuals.
    details : what else the model estimated, such as the variance of the random intercept.
    effective : the number of equal people who would tell as much of each reported term (`leverage`).
    """

    model: str
    terms: tuple[str, ...]
    reported: tuple[str, ...]
    params: Array
    covariance: Array
    df: float | None
    n_obs: int
    n_subjects: int
    residuals: Array
    fitted: Array
    details: dict[str, float] = field(default_factory=dict)
    effective: dict[str, float] = field(default_factory=dict)

    @property
    def reference(self) -> Any:
        """The distribution that a statistic is held against: Student's t, or the normal one."""
        from scipy import stats

        return stats.norm() if self.df is None else stats.t(self.df)

    def width(self, confidence: float) -> float:
        """Return how many standard errors the interval of this coverage reaches to each side."""
        return float(self.reference.ppf(0.5 + confidence / 2))

    def coefficients(self, confidence: float, *, all_terms: bool = False) -> pd.DataFrame:
        """Return the reported terms, or all, in the columns of data/gold/models/coefficients.parquet."""
        reference, width = self.reference, self.width(confidence)
        rows = []
        # Within people the intercept is zero by construction, and no estimate.
        whole = [term for term in self.terms if (self.model, term) != ("fixed_effects", INTERCEPT)]
        for term in whole if all_terms else self.reported:
            i = self.terms.index(term)
            estimate, error = float(self.params[i]), float(math.sqrt(max(self.covariance[i, i], 0.0)))
            statistic = estimate / error if error else math.nan
            p_value = 2 * float(reference.sf(abs(statistic)))
            ends = (estimate - width * error, estimate + width * error)
            n = (self.n_obs, self.n_subjects)
            rows.append((self.model, term, estimate, error, statistic, p_value, *ends, unit(term), *n))
        return pd.DataFrame(rows, columns=_COLUMNS)

    def covariances(self) -> pd.DataFrame:
        """Return `covariance` in the columns of data/gold/models/MODEL/covariance.parquet, a row a pair of terms."""
        pairs = [(row, column) for row in self.terms for column in self.terms]
        return pd.DataFrame(
            [(row, column, value) for (row, column), value in zip(pairs, self.covariance.ravel(), strict=True)],
            columns=results.COVARIANCE.names,
        )

    def document(self, formula: str, correction: str) -> dict[str, Any]:
        """Return data/gold/models/MODEL/model.json: what the numbers in the two tables beside it belong to."""
        details: Mapping[str, float] = {name: float(value) for name, value in self.details.items()}
        return {
            "model": self.model,
            "formula": formula,
            "terms": list(self.terms),
            "reported": list(self.reported),
            "correction": correction,
            "distribution": "normal" if self.df is None else "t",
            "df": self.df,
            "n_obs": self.n_obs,
            "n_subjects": self.n_subjects,
            "details": details,
        }


def unit(term: str) -> str:
    """Return the unit of a term's estimate, such as `kg per week per kcal/day`."""
    if term == INTERCEPT or "[" in term:
        return "kg per week"
    if term in schema.MODELING_DATASET.names:
        return f"kg per week per {schema.MODELING_DATASET.column(term).unit}"
    return f"outcome per {term}"

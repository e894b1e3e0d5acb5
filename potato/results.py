"""Gold's part of the data dictionary: every column of every table of results, once."""

from __future__ import annotations

import pyarrow as pa

from potato.schema import Column, Dataset

TEXT, INT, FLOAT = pa.string(), pa.int32(), pa.float64()

COEFFICIENTS = Dataset(
    "gold/models/coefficients",
    "What each model says each term does to weight",
    (
        Column("model", TEXT, "ols_cluster, fixed_effects, mixed_effects, or n_of_1 for one person", required=True),
        Column("term", TEXT, "Column of the modelling dataset", required=True),
        Column("estimate", FLOAT, "Estimated effect", required=True),
        Column("std_error", FLOAT, "Standard error", minimum=0, required=True),
        Column("statistic", FLOAT, "Estimate over its standard error", required=True),
        Column("p_value", FLOAT, "Two-sided p-value", minimum=0, maximum=1, required=True),
        Column("conf_low", FLOAT, "Lower end of the confidence interval", required=True),
        Column("conf_high", FLOAT, "Upper end of the confidence interval", required=True),
        Column("unit", TEXT, "Unit of the estimate", required=True),
        Column("n_obs", INT, "Subject-weeks in the model", minimum=1, required=True),
        Column("n_subjects", INT, "People in the model", minimum=1, required=True),
    ),
    ("model", "term"),
)

ASSOCIATIONS = Dataset(
    "gold/models/associations",
    "Rank tests over people, one value a person",
    (
        Column("test", TEXT, "spearman or mann_whitney", required=True),
        Column("variable", TEXT, "Column of the modelling dataset, or change_kg", required=True),
        Column("group_a", TEXT, "First group of a comparison of groups"),
        Column("group_b", TEXT, "Second group of it"),
        Column("estimate", FLOAT, "Rank correlation, or the median difference group_a minus group_b", required=True),
        Column("statistic", FLOAT, "The test's statistic", required=True),
        Column("p_value", FLOAT, "Two-sided p-value of this test alone", minimum=0, maximum=1, required=True),
        Column(
            "p_holm", FLOAT, "The same after Holm's correction within the test", minimum=0, maximum=1, required=True
        ),
        Column("n", INT, "People in the test", minimum=1, required=True),
        Column("unit", TEXT, "Unit of the estimate", required=True),
        Column("sentence", TEXT, "The test in words", required=True),
    ),
    ("test", "variable", "group_a", "group_b"),
)

DIAGNOSTICS = Dataset(
    "gold/models/diagnostics",
    "What was checked about the models, and what came out",
    (
        Column("check", TEXT, "What was checked", required=True),
        Column("model", TEXT, "Model, term or other part that it was checked for; all for the data", required=True),
        Column("verdict", TEXT, "pass, caution or fail", required=True),
        Column("value", FLOAT, "What was measured, where it is a number"),
        Column("threshold", FLOAT, "What it was held against"),
        Column("sentence", TEXT, "The check in words", required=True),
    ),
    ("check", "model"),
)

BOOTSTRAP = Dataset(
    "gold/models/bootstrap",
    "Wild cluster bootstrap of the clustered models, in a study of few people",
    (
        Column("model", TEXT, "ols_cluster or fixed_effects", required=True),
        Column("term", TEXT, "Column of the modelling dataset", required=True),
        Column("p_value", FLOAT, "Two-sided p-value of no effect", minimum=0, maximum=1, required=True),
        Column("conf_low", FLOAT, "Lower end of the confidence interval; missing where it has none"),
        Column("conf_high", FLOAT, "Upper end of the confidence interval; missing where it has none"),
        Column("n_subjects", INT, "People in the model", minimum=2, required=True),
        Column("draws", INT, "Sets of weights, one a bootstrap sample", minimum=1, required=True),
        Column("weights", TEXT, "rademacher or webb, and whether all sets were used or drawn", required=True),
    ),
    ("model", "term"),
)

# A file for each fitted model, in a folder of its name, beside a table of all its terms.
COVARIANCE = Dataset(
    "gold/models/covariance",
    "Covariance of the estimates of one model",
    (
        Column("term", TEXT, "Row of the covariance", required=True),
        Column("other", TEXT, "Column of the covariance", required=True),
        Column("covariance", FLOAT, "Covariance of the two estimates, in the product of their units", required=True),
    ),
    ("term", "other"),
)

GOLD: dict[str, Dataset] = {
    dataset.name.removeprefix("gold/models/"): dataset
    for dataset in (COEFFICIENTS, ASSOCIATIONS, DIAGNOSTICS, BOOTSTRAP)
}

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

INFLUENCE = Dataset(
    "gold/models/influence",
    "What each person does to each estimate: the model again without that person",
    (
        Column("model", TEXT, "ols_cluster, fixed_effects or mixed_effects (its variances held)", required=True),
        Column("term", TEXT, "Column of the modelling dataset", required=True),
        Column("subject_id", TEXT, "Who is left out", required=True),
        Column("estimate_without", FLOAT, "Estimate without the person; missing where nobody else tells it"),
        Column(
            "dfbeta",
            FLOAT,
            "Estimate with everybody minus that without the person, in standard errors without the person's part",
        ),
    ),
    ("model", "term", "subject_id"),
)

FOOD_CATEGORIES = Dataset(
    "gold/models/food_categories",
    "What each kind of food, alone, says about the next week's weight change within people",
    (
        Column("category", TEXT, "Kind of food", required=True),
        Column("estimate", FLOAT, "Effect of one more entry a logged day", "kg per week", required=True),
        Column("std_error", FLOAT, "Standard error, clustered by person", "kg per week", 0, required=True),
        Column("conf_low", FLOAT, "Lower end of the confidence interval", "kg per week", required=True),
        Column("conf_high", FLOAT, "Upper end of the confidence interval", "kg per week", required=True),
        Column("p_value", FLOAT, "Two-sided p-value of this kind of food alone", "", 0, 1, required=True),
        Column("p_holm", FLOAT, "The same after Holm's correction over all kinds of food", "", 0, 1, required=True),
        Column("n_obs", INT, "Subject-weeks in the model", "", 1, required=True),
        Column("n_subjects", INT, "People in the model", "", 1, required=True),
    ),
    ("category",),
)

WEEKS = Dataset(
    "gold/models/weeks",
    "All subject-weeks of the study: how many each model uses, and why it lacks the others",
    (
        Column("model", TEXT, "ols_cluster, fixed_effects or mixed_effects", required=True),
        Column("outcome", TEXT, "used, or why the week is not in the model", required=True),
        Column("weeks", INT, "Subject-weeks", minimum=0, required=True),
    ),
    ("model", "outcome"),
)

ATTRITION = Dataset(
    "gold/models/attrition",
    "Results over those who stayed, over all with data, and over all by weighting those who stayed",
    (
        Column("quantity", TEXT, "change_kg, or a term of the pooled model", required=True),
        Column("method", TEXT, "all_with_data, completers, weighted or back_to_start", required=True),
        Column("n", INT, "People that the result is made from", minimum=1, required=True),
        Column("estimate", FLOAT, "Mean weight change by the end, or effect", required=True),
        Column("std_error", FLOAT, "Standard error", minimum=0, required=True),
        Column("conf_low", FLOAT, "Lower end of the confidence interval", required=True),
        Column("conf_high", FLOAT, "Upper end of the confidence interval", required=True),
        Column("unit", TEXT, "Unit of the estimate", required=True),
        Column("assumption", TEXT, "What has to be true for the result to hold for everybody", required=True),
    ),
    ("quantity", "method"),
)

COMPLETION = Dataset(
    "gold/models/completion",
    "What was known early of everybody, of those who stayed, and of those after weighting",
    (
        Column("variable", TEXT, "What was known early", required=True),
        Column("everybody", FLOAT, "Mean over everybody", required=True),
        Column("completers", FLOAT, "Mean over those who stayed", required=True),
        Column("leavers", FLOAT, "Mean over those who left", required=True),
        Column("weighted", FLOAT, "Weighted mean over those who stayed; missing without weights"),
        Column("difference", FLOAT, "Those who stayed minus everybody, in standard deviations over everybody"),
        Column("difference_weighted", FLOAT, "The same after weighting; missing without weights"),
        Column("unit", TEXT, "Unit of the means", required=True),
    ),
    ("variable",),
)

GOLD: dict[str, Dataset] = {
    dataset.name.removeprefix("gold/models/"): dataset
    for dataset in (
        COEFFICIENTS,
        ASSOCIATIONS,
        DIAGNOSTICS,
        BOOTSTRAP,
        INFLUENCE,
        FOOD_CATEGORIES,
        WEEKS,
        ATTRITION,
        COMPLETION,
    )
}

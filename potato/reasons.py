"""Reasons that one layer gives and another one reads, each with its sentence."""

from __future__ import annotations

# What can be wrong with a raw row as a whole, and the rule that it breaks. Bronze keeps such a row; silver sets it
# aside.
FAULTS: dict[str, str] = {
    "not_chosen": "a row is one that `rows` in the study file chooses",
    "too_few_cells": "a row has a cell for each column that the study uses",
    "too_many_cells": "a row has no more cells than the header names",
    "header_again": "a header is not data",
    "above_header": "a row stands below the header",
    "unclosed_quote": "a quote closes in its own row",
    "damaged_text": "a row holds neither NUL bytes nor bytes that no encoding explains",
}

# Reasons of rows in quarantine that hold no value to lose.
NOT_RECORDED = ("missing_value", "zero_means_missing", "not_chosen")

# Why the order of a file's dates needs no telling: the sentence, and the word for a table.
YEAR_FIRST = "each date begins with its year, as in 2022-05-01"
NOT_NEEDED = "each date tells its own order: it begins with the year, names the month or is a serial number"
DAY_NUMBERS = "the study counts days"
ALIKE = "every order reads each date alike"
NEEDLESS_ORDERS: dict[str, str] = {
    YEAR_FIRST: "year first",
    NOT_NEEDED: "each date tells",
    ALIKE: "each date tells",
    DAY_NUMBERS: "day numbers",
}

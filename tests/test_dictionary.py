"""The dictionary in words says all that the schema says, and docs/ holds the same."""

from __future__ import annotations

import pytest

from potato import dictionary, reasons, results, schema
from potato.families import FAMILIES, Family

from .conftest import HERE

DATASETS = [*schema.BRONZE.values(), *schema.SILVER.values(), schema.QUARANTINE, *results.GOLD.values()]


def test_the_document_is_the_dictionary_of_the_schema() -> None:
    assert (HERE / dictionary.FILE).read_text() == dictionary.markdown(), "type `python -m potato.dictionary`"


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_every_dataset_has_a_section_with_all_its_columns_or_names_one_that_has(dataset: schema.Dataset) -> None:
    sections = {section.title: section for section in dictionary.sections()}
    section = sections[dataset.name]
    if not section.rows:
        (twin,) = [title for title in sections if f"`{title}`" in section.text]
        section = sections[twin]
    assert [row[0] for row in section.rows] == dataset.names


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_every_family_has_a_section_with_all_its_fields(family: Family) -> None:
    section = next(s for s in dictionary.sections() if s.title == family.name)
    assert [row[0] for row in section.rows] == family.names


def test_a_row_says_type_unit_bounds_and_meaning() -> None:
    section = next(s for s in dictionary.sections() if s.title == "silver/subject_trajectories")
    row = next(row for row in section.rows if row[0] == "weight_change_kg")
    assert row[1:] == ("Mean weight minus the week before's", "double", "kg/week", "-12 to 12 (warns)", "yes")


def test_every_fault_stands_with_its_rule() -> None:
    rows = [row for section in dictionary.sections() for row in section.rows]
    assert set(reasons.FAULTS.items()) <= set(rows)

"""The costs that the pages tell: of what Terraform makes, and reckoned from the rules of the lifecycle."""

from __future__ import annotations

import re

import pytest

from ops import costs

from .cloud import INFRA
from .conftest import HERE


def test_the_pages_tell_the_costs_that_the_numbers_give() -> None:
    for page in costs.PAGES:
        text = (HERE / page).read_text()
        assert costs.written(text) == text, f"type: python ops/costs.py ({page})"
    together = "".join((HERE / page).read_text() for page in costs.PAGES)
    marked = re.findall(r"<!-- costs: ([\w-]+) -->", together)
    assert sorted(marked) == sorted(costs.facts()), "each part is on one page"


def test_another_price_is_another_page(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (HERE / "ops/disaster-recovery.md").read_text()
    monkeypatch.setattr(costs, "INFREQUENT", 1.0)
    assert costs.written(text) != text


def test_bronze_costs_what_it_costs_when_each_month_of_it_is_followed_through_the_lifecycle() -> None:
    rules = (INFRA / "modules/lake/main.tf").read_text()
    days = [int(number) for number in re.findall(r"days = (\d+)", rules)]
    assert len(days) == 2

    def price(age: int) -> float:
        return costs.STANDARD if age < days[0] else costs.INFREQUENT if age < days[1] else costs.GLACIER

    followed = sum(costs.BRONZE * price(30 * month) for month in range(costs.MONTHS))
    assert costs.bronze_moved() == pytest.approx(followed)


def test_the_rows_of_the_example_add_up_to_its_last() -> None:
    for rows in (costs.example(), costs.recovery()):
        *parts, (what, total) = rows
        assert what.startswith("together")
        assert float(total) == pytest.approx(sum(float(price) for _, price in parts), abs=0.005 * len(parts))

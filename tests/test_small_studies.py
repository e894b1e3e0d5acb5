"""Small and odd studies: each ends in a report that says what it can't answer, in whole and true sentences."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from potato import lake, pages, site
from potato.bronze import CSVLoader
from potato.gold import ModelingPipeline
from potato.silver import FeatureEngineer
from tests.conftest import WEIGHT, copy_project
from tests.small_studies import STUDIES

ROOT = Path(__file__).parents[1]


GOLD = {"study", "cohort", "change", "answer", "trajectories", "intake", "models", "attrition", "methods"}


class Anything(dict[str, str]):
    """What the site knows of the run and of data quality: a page may name any of it."""

    def __missing__(self, name: str) -> str:
        return ""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or str(name).split(".")[0] not in GOLD


@dataclass(frozen=True)
class Report:
    """What gold gave for one study, and the pages' text that is made from it."""

    gold: Path

    @property
    def numbers(self) -> dict[str, str]:
        return pages.flatten(lake.read_json(self.gold / "reports/numbers.json"))

    @property
    def metrics(self) -> dict[str, float]:
        found: dict[str, float] = lake.read_json(self.gold / "reports/metrics.json")
        return found

    @property
    def figures(self) -> dict[str, dict[str, Any]]:
        return {entry["id"]: entry for entry in lake.read_json(self.gold / "figures/figures.json")}

    @property
    def hidden(self) -> set[str]:
        return {name for name, page in lake.read_json(self.gold / "reports/pages.json").items() if not page["shown"]}

    @property
    def tables(self) -> set[str]:
        return {entry["id"] for entry in lake.read_json(self.gold / "reports/tables.json")}

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.gold / f"reports/tables/{name}.parquet")

    def page(self, name: str) -> str:
        """Return a page's text with gold's numbers in it; a variable, figure or table that gold lacks is an error."""
        parts = {f"figure-{one}": f"![]({one}.svg){{#fig-{one}}}" for one in self.figures}
        parts |= {f"table-{one}": f"{{#tbl-{one}}}" for one in self.tables}
        shown = {f"page.{page}" for page in site.PAGES if page not in self.hidden}
        shown |= {part.replace("-", ".", 1) for part in parts}
        variables = Anything(self.numbers)
        context = pages.Context(variables, parts | {"contents": ""}, frozenset(shown))
        return pages.expand(name, (ROOT / "reports" / name).read_text(encoding="utf-8"), context)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Report]:
    """Write a study of small_studies, take it once through bronze, silver and gold, and return its report."""

    @cache
    def make(name: str) -> Report:
        root = copy_project(tmp_path_factory.mktemp(name) / "project")
        small = STUDIES[name]
        for file, text in small.files.items():
            lake.write_text(root / "data/raw/small" / file, text)
        content = {"title": "Small", "description": "A test.", "weight": WEIGHT} | small.description
        lake.write_text(root / "studies/small.yaml", yaml.safe_dump(content))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("POTATO_ROOT", str(root))
            patch.setenv("POTATO_STAGING", str(root))
            run("small")
        return Report(root / "data/gold")

    return make


def run(study: str) -> None:
    loader = CSVLoader(study)
    loader.read_nutrition_files()
    loader.basic_validation()
    loader.validate_schema()
    loader.save()
    engineer = FeatureEngineer(study)
    engineer.load_from_bronze()
    engineer.clean_data()
    engineer.engineer_features()
    assert not [v for v in engineer.validate_schema() if not v.success and v.severity == "error"]
    engineer.save()
    pipeline = ModelingPipeline(study)
    pipeline.load_features()
    pipeline.train_models()
    pipeline.validate_models()
    pipeline.generate_reports()
    pipeline.save_artifacts()


ONE_PERSON = {"change-by-group", "cohort-flow"}
DIET = {"intake-weekly", "dose-response", "forest"}
# For each study: the pages that it lacks, figures that it must not have, and what its first page says.
EXPECTED: dict[str, tuple[set[str], set[str], tuple[str, ...]]] = {
    "only_weights": (
        {"intake", "models", "attrition"},
        DIET,
        ("**6** people with a weight", "Whether food goes along with weight: no intake was recorded."),
    ),
    "one_person_weights": (
        {"intake", "models", "attrition"},
        DIET | ONE_PERSON,
        ("The one person of this study lost", "**1** person with a weight", "it is the record of one person"),
    ),
    "one_person_diary": (
        {"models", "attrition"},
        ONE_PERSON | {"forest", "dose-response"},
        ("What one person wrote down about their food, over 35 days.", "with fewer than 5 people no estimate is made"),
    ),
    "foods_without_nutrients": (
        {"models", "attrition"},
        DIET,
        ("How much energy or fibre the food held: the diaries do not say.", "were not recorded"),
    ),
    "two_people": (
        {"intake", "models", "attrition"},
        DIET,
        ("two people are too few for a narrow interval", "**2** people with a weight"),
    ),
    "only_in_the_diary": (
        {"attrition"},
        set(),
        ("How the weight of “Gus” changed: no usable weight is there.", "1 more person has records"),
    ),
    "day_numbers": ({"intake", "models", "attrition"}, DIET, ("6 people have at least one usable weight",)),
    "three_hundred_weeks": (
        {"intake", "models", "attrition"},
        DIET | ONE_PERSON,
        ("in study week 300", "over 300 weeks"),
    ),
    "group_of_one": (
        {"intake", "models", "attrition"},
        DIET,
        ("What is typical of “Single”: one person's change is all there is.", "5 in “Many” and 1 in “Single”"),
    ),
    "daily_totals": (
        {"attrition"},
        set(),
        ("Which foods were eaten, and the share of potatoes among them: no entry names a food by a known word",),
    ),
    "one_person_totals": (
        {"models", "attrition"},
        ONE_PERSON | {"forest", "dose-response"},
        ("no entry names a food by a known word",),
    ),
    "one_jump": ({"intake", "models", "attrition"}, DIET, ("**6** people with a weight",)),
    "some_left": ({"intake", "models"}, DIET, ("**12** people with a weight",)),
    "one_person_long": (
        {"attrition"},
        ONE_PERSON | {"dose-response"},
        (
            "Comparing the weeks of one person, with a straight trend over time taken off,",
            "say nothing about anyone else",
        ),
    ),
}


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_a_small_study_says_on_its_first_page_what_it_can_and_cannot_answer(
    name: str, report: Callable[[str], Report]
) -> None:
    made = report(name)
    hidden, absent, told = EXPECTED[name]
    assert made.hidden == hidden
    assert not absent & set(made.figures)
    first = " ".join(made.page("index.qmd").replace("**1**\n", "**1** ").split())
    for sentence in told:
        assert sentence in first
    assert "They can tell:" in first
    assert "They can't tell:" in first
    for page in sorted(set(site.PAGES) - hidden - {"data-quality", "lineage", "run", "dictionary"}):
        text = made.page(f"{site.PAGES[page]}.qmd")
        assert not re.search(r"(?<![\d,.])1 (people|weeks|days|entries|rows|weigh-ins)\b", text), page
        assert not re.search(r"\bnan\b|\*\* *\*\*|– to –", text), page
    for figure in made.figures.values():
        assert not re.search(r"(?<![\d,.])1 people|\bnan\b", figure["caption"] + figure["alt"])


def test_daily_totals_leave_the_share_of_potatoes_open_and_the_models_without_it(
    report: Callable[[str], Report],
) -> None:
    made = report("daily_totals")
    weekly = pd.read_parquet(made.gold.parent / "silver/weekly_features")
    assert weekly[["potato_energy_share", "entries_potato", "entries_rice"]].isna().all().all()
    assert weekly["energy_kcal_per_day"].notna().all()
    assert "food-categories" not in made.tables
    assert "potato_energy_share" not in made.table("intake-weekly")
    assert made.metrics["n_obs"] == 42
    diagnostics = made.table("diagnostics")
    assert "Energy from potatoes was never recorded: the models leave it out." in set(diagnostics["sentence"])
    assert "potato" not in made.page("intake.qmd").split("@fig-dose-response")[1].split("\n")[0]


def test_foods_without_nutrients_are_shown_as_counts_of_kinds(report: Callable[[str], Report]) -> None:
    made = report("foods_without_nutrients")
    assert "Most often they name potato" in made.numbers["intake.sentence"]
    assert made.table("food-categories").set_index("food")["entries"]["Potato"] > 0
    assert set(made.table("intake-weekly")) == {"study_week", "n", "days_logged"}


def test_three_hundred_weeks_fit_on_a_page(report: Callable[[str], Report]) -> None:
    made = report("three_hundred_weeks")
    weeks = made.table("group-weeks")["study_week"]
    assert len(weeks) <= 31
    assert (weeks.min(), weeks.max()) == (1, 300)
    assert "Of 300 weeks" in next(
        entry["caption"] for entry in lake.read_json(made.gold / "reports/tables.json") if entry["id"] == "group-weeks"
    )


def test_one_person_has_no_interval_and_no_table_column_without_a_value(report: Callable[[str], Report]) -> None:
    made = report("one_person_weights")
    assert made.numbers["change.ci_kg"] == made.numbers["change.n_lost"] == ""
    assert "interval" not in made.page("index.qmd")
    for name in ("cohort-groups", "weekly-change", "group-weeks"):
        assert {"low", "high", "group"}.isdisjoint(made.table(name))


@pytest.mark.parametrize("name", ["one_person_weights", "one_person_diary"])
def test_tables_of_one_person_count_no_people_and_speak_of_no_mean(name: str, report: Callable[[str], Report]) -> None:
    made = report(name)
    for entry in lake.read_json(made.gold / "reports/tables.json"):
        labels = {column["label"] for column in entry["columns"]}
        assert labels.isdisjoint({"People", "Mean", "Lost weight"}), entry["id"]
        assert entry["id"] not in ("weekly-change", "group-weeks") or "Change" in labels
        assert not re.search(r"\bmeans over\b|\binterval", entry["caption"], re.IGNORECASE), entry["id"]


def test_without_models_nothing_is_said_of_what_models_leave_out(report: Callable[[str], Report]) -> None:
    made = report("one_person_totals")
    assert made.hidden == {"models", "attrition"}
    first = made.page("index.qmd")
    assert "the models leave it out" not in first
    assert "Whether food and weight went together can't be said." in first
    assert "with fewer than 5 people no estimate is made" in first


def test_a_long_diary_of_one_person_has_a_model_of_its_own(report: Callable[[str], Report]) -> None:
    made = report("one_person_long")
    stored = pd.read_parquet(made.gold / "models/coefficients.parquet")
    assert set(stored["model"]) == {"n_of_1"}
    assert (stored["n_subjects"] == 1).all()
    assert stored["n_obs"].eq(59).all()
    assert "study_week" in made.numbers["models.formula"]
    models = made.page("models.qmd")
    assert "## One person's weeks" in models
    assert "Three models" not in models
    methods = made.page("methods.qmd")
    assert "## The model of one person" in methods
    assert "Newey and West" in methods
    assert "## The three models" not in methods
    assert made.numbers["models.sentence"].startswith("One model was fitted to 59 weeks of one person.")
    assert pd.read_parquet(made.gold / "models/bootstrap.parquet").empty


def test_a_short_diary_of_one_person_says_from_how_many_weeks_on_there_is_a_model(
    report: Callable[[str], Report],
) -> None:
    first = report("one_person_totals").page("index.qmd")
    assert "One person's weeks are compared with one another from 30 weeks on; this diary has 7" in first


def test_few_people_with_diaries_have_bootstrap_intervals_beside_the_models(report: Callable[[str], Report]) -> None:
    made = report("daily_totals")
    stored = pd.read_parquet(made.gold / "models/bootstrap.parquet")
    assert set(stored["model"]) <= {"ols_cluster", "fixed_effects"}
    assert (stored["n_subjects"] == 6).all()
    assert "{#tbl-bootstrap}" in made.page("models.qmd")
    assert "With 6 people the intervals" in made.numbers["models.bootstrap"]


def test_a_few_people_have_means_and_no_intervals_in_tables_and_figures(report: Callable[[str], Report]) -> None:
    made = report("two_people")
    captions = {entry["id"]: entry["caption"] for entry in lake.read_json(made.gold / "reports/tables.json")}
    for name in ("cohort-groups", "weekly-change", "group-weeks"):
        assert {"low", "high"}.isdisjoint(made.table(name))
        assert "A mean over fewer than 5 people is shown without an interval." in captions[name]
    assert "interval" not in "".join(figure["caption"] for figure in made.figures.values())
    assert "interval" not in made.numbers["trajectories.sentence"]


def test_a_jump_is_marked_and_its_effect_is_told(report: Callable[[str], Report]) -> None:
    made = report("one_jump")
    assert "A star marks" in made.figures["trajectories"]["caption"]
    assert "A star marks 1 week" in made.figures["trajectories"]["alt"]
    rows = made.table("sensitivity").set_index("result")
    assert rows.index[0] == "Mean change from first to last weigh-in"
    moved = rows.loc["Mean change from first to last weigh-in"]
    # Seven kilograms on the last morning of one of six people, whose morning before stands in for it.
    assert moved["with"] - moved["without"] == pytest.approx(7 / 6, abs=0.2)
    sentence = made.numbers["trajectories.jumps"]
    assert "1 weigh-in was flagged as a one-day jump: 8" in sentence
    assert "largest difference" in sentence
    assert "{#tbl-sensitivity}" in made.page("trajectories.qmd")


def test_without_a_jump_there_is_a_sentence_and_no_table(report: Callable[[str], Report]) -> None:
    made = report("only_weights")
    assert made.numbers["trajectories.jumps"] == "No weigh-in was flagged as a one-day jump."
    assert "sensitivity" not in made.tables
    assert "star" not in made.figures["trajectories"]["caption"]


def test_those_who_left_have_a_page_that_says_what_is_assumed_of_them(report: Callable[[str], Report]) -> None:
    made = report("some_left")
    shown = made.table("attrition").set_index("way")
    assert list(shown.index) == ["All with data", "Completers", "Back to the start"]
    assert shown.loc["Completers", "n"] == 8
    assert shown["assumption"].str.startswith("Those who left").all()
    page = made.page("attrition.qmd")
    assert "8 of 12 people were still weighed at the end." in page
    assert "It is taken to be 4 weeks: 8 of 12 people last weighed in during week 4." in page
    assert "No weighting was possible: 4 people left, too few to learn from whom staying depends on." in page
    assert "[Who left]" not in page


def test_who_left_is_not_asked_where_nobody_did(report: Callable[[str], Report]) -> None:
    first = report("only_weights").gold / "reports/pages.json"
    reason = lake.read_json(first)["attrition"]["reason"]
    assert reason == "Everybody weighed in to the end of the 4 weeks: nobody left."
    alone = lake.read_json(report("one_person_weights").gold / "reports/pages.json")["attrition"]["reason"]
    assert alone == "One person's record has nobody who could have left."

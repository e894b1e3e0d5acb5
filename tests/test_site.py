"""The report: what its pages must hold, what must stop it, and that both renderers tell the same story."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pypandoc
import pytest
from bs4 import BeautifulSoup, Tag

from potato import (
    anchors,
    dictionary,
    drawing,
    links,
    pages,
    quality,
    records,
    renderers,
    schema,
    site,
    snippets,
    thresholds,
    trails,
)
from potato.columns import source
from potato.errors import PotatoError
from potato.markdown import code, plain
from potato.snippets import html_table

from . import layer_frames

ROOT = Path(__file__).parents[1]
QUARTO = shutil.which(os.environ.get(renderers.QUARTO_VARIABLE) or "quarto")
RUN_ID = "01930000-0000-7000-8000-00000000abcd"
FINGERPRINT = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
LINE = '<path d="M0 400 640 0" stroke="black"/>'
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 400">{LINE}</svg>'

FIGURES = {
    "change-by-group": "overview",
    "cohort-flow": "cohort",
    "trajectories": "trajectories",
    "weekly-change": "trajectories",
    "intake-weekly": "intake",
    "dose-response": "intake",
    "forest": "models",
    "influence": "models",
    "attrition": "attrition",
}
TABLES = {
    "cohort-groups": "cohort",
    "weekly-change": "trajectories",
    "intake-weekly": "intake",
    "food-categories": "intake",
    "coefficients": "models",
    "associations": "models",
    "diagnostics": "models",
    "cautions": "models",
    "weeks-used": "models",
    "food-effects": "models",
    "attrition": "attrition",
    "attrition-effects": "attrition",
    "completion": "attrition",
}
NUMBERS: dict[str, Any] = {
    "study": {
        "title": "A small study",
        "name": "small",
        "description": "Ten people made up for a test.",
        "notice": "Every person and every meal here was made up.",
        "citation": "",
    },
    "cohort": {
        "n_subjects": "10",
        "n_subjects_label": "people with a weight",
        "n_weights": "212",
        "n_weeks_max": "4",
        "held": "The study holds 212 weights of 10 people over at most 4 weeks.",
        "alone": "",
        "groups": "yes",
        "sentence": "Ten people took part: 6 in 4 Weeks and 4 in Dropped.",
    },
    "change": {
        "mean_kg": "−3.6 kg",
        "mean_label": "mean change from first to last weigh-in",
        "mean_lb": "−8.0 lb",
        "ci_kg": "−4.1 to −3.2 kg",
        "ci_label": "is where the mean plausibly lies (95% interval)",
        "median_kg": "−3.1 kg",
        "n_lost": "9 of 10",
        "sentence": "From first to last weigh-in people changed by −3.6 kg on average.",
    },
    "answer": {
        "headline": "People lost 3.6 kg on average, and 9 of 10 lost something.",
        "diet": "More potato in a week went with a larger loss into the next.",
        "caveat": "Nobody was assigned to a diet by chance.",
        "can": "- How weight moved.",
        "cannot": "- What caused what.",
    },
    "trajectories": {
        "sentence": "Most of the loss came in the first week.",
        "jumps": "No weigh-in was flagged as a one-day jump.",
    },
    "intake": {
        "sentence": "Potatoes gave 80% of the energy.",
        "unknown": "",
        "dose_title": "More potato, more loss?",
        "dose_sentence": "the share of energy that came from potatoes against the weight change",
    },
    "models": {
        "sentence": "A tenth more of energy from potatoes went with −0.05 kg.",
        "formula": "next_week_change_kg ~ potato_energy_share + C(group)",
        "n_obs": "30",
        "n_subjects": "10",
        "dropped_sentence": "2 person-weeks without intake were left out.",
        "correction": "The small-sample correction is G/(G−1).",
    },
    "attrition": {
        "sentence": "6 of 10 people were still weighed at the end.",
        "rule": "The study was planned for 4 weeks, as its description says.",
        "weights": "A logistic regression tells how likely each person was to stay.",
        "weighted": "yes",
        "effects": "The link between diet and weight is estimated from weeks.",
    },
    "quality": {
        "rows_read": "1,000",
        "rows_kept": "990",
        "rows_quarantined": "10",
        "sentence": "990 of 1,000 rows were kept.",
    },
    "methods": {"assumptions": "- The share of potatoes is assumed.\n- Its effect is assumed.", **thresholds.texts()},
}


def source_of(dataset: str) -> dict[str, str]:
    return {"dataset": dataset, "fingerprint": FINGERPRINT}


def write_gold(folder: Path, *, hidden: tuple[str, ...] = (), numbers: dict[str, Any] | None = None) -> Path:
    """Write what the report reads of a gold layer, without the pages in `hidden` and what is on them."""
    figures, tables = folder / "figures", folder / "reports" / "tables"
    figures.mkdir(parents=True)
    tables.mkdir(parents=True)
    listed = []
    for name, page in FIGURES.items():
        if page in hidden:
            continue
        (figures / f"{name}.svg").write_text(SVG)
        (figures / f"{name}.png").write_bytes(b"\x89PNG")
        listed.append(
            {
                "id": name,
                "title": name,
                "caption": f"What {name} shows, at p < 0.05 *for now*.",
                "alt": f'A line for {name}, "rising".',
                "page": page,
                "source": source_of("silver/subject_trajectories"),
                "width": 640,
                "height": 400,
            }
        )
    (figures / "figures.json").write_text(json.dumps(listed))
    columns = [
        {"name": "term", "label": "Term", "unit": "", "format": ""},
        {"name": "estimate", "label": "Estimate", "unit": "kg", "format": ".2f"},
        {"name": "p_value", "label": "p", "unit": None, "format": "p"},
        {"name": "n", "label": "People", "unit": "", "format": ",d"},
    ]
    content = pa.table(
        {
            "term": ["potato_energy_share <b>", "fiber", None],
            "estimate": [-0.512, 1.0, None],
            "p_value": [0.0001, 0.25, None],
            "n": [1234, 10, None],
        }
    )
    entries = []
    for name, page in TABLES.items():
        if page in hidden:
            continue
        pq.write_table(content, tables / f"{name}.parquet")
        entry = {
            "id": name,
            "title": name,
            "caption": f"What {name} counts.",
            "page": page,
            "columns": columns,
        }
        entries.append(entry | {"source": source_of(f"gold/tables/{name}")})
    (folder / "reports" / "tables.json").write_text(json.dumps(entries))
    (folder / "reports" / "numbers.json").write_text(json.dumps(numbers or NUMBERS))
    told = {
        name: {
            "shown": name not in hidden,
            "reason": "This study recorded no intake." if name in hidden else None,
        }
        for name in site.PAGES
    }
    (folder / "reports" / "pages.json").write_text(json.dumps(told))
    return folder


def some_run() -> dict[str, Any]:
    return {
        "run_id": RUN_ID,
        "trace_id": RUN_ID.replace("-", ""),
        "started": "2026-05-01T10:00:00.123Z",
        "study": "small",
        "engine": "duckdb",
        "environment": {
            "git_commit": "0123456789abcdef0123456789abcdef01234567",
            "git_dirty": False,
            "python": "3.11.9",
            "platform": "Linux x86_64",
            "packages": {"ibis-framework": "12.0.0", "statsmodels": "0.15.0"},
        },
        "stages": [
            {
                "stage": "bronze",
                "status": "cached",
                "run_id": RUN_ID[:-1] + "e",
                "seconds": None,
                "rows_in": 1000,
            },
            {
                "stage": "silver",
                "status": "ran",
                "run_id": RUN_ID,
                "seconds": 2.5,
                "rows_in": 1000,
                "rows_out": 40,
            },
            {
                "stage": "gold",
                "status": "ran",
                "run_id": RUN_ID,
                "seconds": 6.0,
                "rows_in": 40,
                "rows_out": 12,
            },
        ],
        "mlflow": "experiment potato/small, run 0a1b2c",
    }


def a_manifest(stage: str, inputs: list[str], outputs: list[str], **more: Any) -> dict[str, Any]:
    described = {name: {"rows": 40, "fingerprint": FINGERPRINT, "schema": []} for name in outputs}
    read = dict.fromkeys(inputs, FINGERPRINT)
    base = {"stage": stage, "study": "small", "inputs": read, "outputs": described, "column_lineage": {}}
    return base | {"row_lineage": {}, "contracts": [], "metrics": {}} | more


def some_manifests() -> dict[str, dict[str, Any]]:
    verdict = {
        "dataset": "silver/weekly_features",
        "expectation": "expect_column_values_to_be_between",
        "column": "energy_kcal_per_day",
        "severity": "warning",
        "success": False,
        "observed": "3 above 6,000",
        "unexpected_count": 3,
        "sentence": "Energy lies between 200 and 6,000 kcal a day.",
    }
    lineage = {
        "silver/weekly_features": {
            "energy_kcal_per_day": [source("bronze/nutrition", "energy_kcal", "AGGREGATION")],
            "subject_id": [source("bronze/nutrition", "subject_id", "IDENTITY")],
        },
        "silver/modeling_dataset": {"weight_kg": [source("silver/weekly_features", "subject_id", "IDENTITY")]},
    }
    return {
        "bronze": a_manifest("bronze", ["raw/nutrition", "raw/weight"], ["bronze/nutrition", "bronze/weight"]),
        "silver": a_manifest(
            "silver",
            ["bronze/nutrition", "bronze/weight"],
            ["silver/weekly_features", "silver/subject_trajectories", "silver/modeling_dataset"],
            column_lineage=lineage,
            contracts=[verdict, verdict | {"success": True, "unexpected_count": 0}],
        ),
        "gold": a_manifest(
            "gold",
            ["silver/modeling_dataset"],
            [
                "gold/models/coefficients",
                *(f"gold/figures/{n}" for n in FIGURES),
                *(f"gold/tables/{n}" for n in TABLES),
            ],
        ),
    }


def some_findings() -> quality.Findings:
    """Return what the layers of two people say of their files, with one weight marked as approximate."""
    (_, read), (silver, kept) = layer_frames.bronze(), layer_frames.silver()
    told = {"encoding": "utf-8", "separator": ",", "header_row": 1, "columns_not_used": []}
    return quality.Findings(
        bronze={"files": {name: file | told for name, file in read.items()}, "files_not_used": ["notes.txt"]},
        silver={"files": kept},
        quarantine=silver["quarantine"],
        flags=layer_frames.flagged("weight", "approximate_number", 3),
        subjects=silver["subjects"],
    )


def build(
    folder: Path,
    *,
    root: Path = ROOT,
    manifests: dict[str, dict[str, Any]] | None = None,
    findings: quality.Findings | None = None,
    **gold: Any,
) -> tuple[Path, list[str]]:
    destination = folder / "_site"
    if not (folder / "gold").exists():
        write_gold(folder / "gold", **gold)
    written = site.build(
        root,
        gold=folder / "gold",
        destination=destination,
        run=some_run(),
        manifests=manifests or some_manifests(),
        findings=findings or some_findings(),
    )
    return destination, written


def a_root_with(folder: Path, page: str, text: str) -> Path:
    """Return a copy of the project's pages in which `page` ends with `text`."""
    root = folder / "root"
    shutil.copytree(ROOT / "reports", root / "reports")
    path = root / "reports" / page
    path.write_text(path.read_text() + text)
    return root


def soup(folder: Path, page: str) -> BeautifulSoup:
    return BeautifulSoup((folder / page).read_text(), "html.parser")


@pytest.fixture(autouse=True)
def through_pandoc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(renderers.QUARTO_VARIABLE, "none")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(renderers.QUARTO_VARIABLE, "none")
        return build(tmp_path_factory.mktemp("whole"))[0]


ALL_PAGES = sorted(f"{stem}.html" for stem in site.PAGES.values())


def test_a_study_with_everything_has_every_page(built: Path) -> None:
    assert sorted(path.name for path in built.glob("*.html")) == ALL_PAGES


@pytest.mark.parametrize("page", ALL_PAGES)
def test_every_page_names_its_run_and_commit_at_its_foot(built: Path, page: str) -> None:
    foot = soup(built, page).footer
    assert RUN_ID in foot.text
    assert "0123456789" in foot.text
    assert foot.a["href"] == "run.html"


@pytest.mark.parametrize("page", ALL_PAGES)
def test_every_page_marks_itself_and_no_other_in_the_navigation(built: Path, page: str) -> None:
    links_in_menu = soup(built, page).select(".navbar-nav a")
    assert [link["href"] for link in links_in_menu if "active" in link["class"]] == [page]
    assert len(links_in_menu) == len(ALL_PAGES)


@pytest.mark.parametrize("page", ALL_PAGES)
def test_every_page_asks_a_question_before_it_answers(built: Path, page: str) -> None:
    main = soup(built, page).main
    assert main.select_one(".description").text.strip().endswith("?")
    assert main.select_one(".answer").text.strip()


@pytest.mark.parametrize("page", ALL_PAGES)
def test_a_browser_fetches_nothing_but_the_reports_own_files(built: Path, page: str) -> None:
    document = soup(built, page)
    fetched = [tag.get("src") or tag.get("href") for tag in document.select("[src], link[href]")]
    assert fetched
    assert all(name.startswith("data:") or (built / name).is_file() for name in fetched)
    assert not document.select("script")


@pytest.mark.parametrize("page", ALL_PAGES)
def test_figures_and_tables_are_numbered_from_one_on_each_page(built: Path, page: str) -> None:
    captions = [caption.text.split(":")[0].strip() for caption in soup(built, page).select("main figcaption")]
    for word in ("Figure", "Table"):
        numbers = [caption for caption in captions if caption.startswith(word)]
        assert numbers == [f"{word}\N{NO-BREAK SPACE}{n + 1}" for n in range(len(numbers))]


def test_a_reference_reads_as_the_number_of_what_it_points_to(built: Path) -> None:
    page = soup(built, "models.html")
    reference = page.select_one('a[href="#tbl-diagnostics"]')
    assert reference.text == "Table\N{NO-BREAK SPACE}3"
    assert page.select_one("#tbl-diagnostics figcaption").text.strip().startswith(reference.text)


def test_a_figure_has_its_words_and_says_where_it_comes_from(built: Path) -> None:
    page = soup(built, "models.html")
    figure = page.select_one("#fig-forest")
    assert figure.img["alt"] == 'A line for forest, "rising".'
    assert "at p < 0.05 *for now*." in figure.figcaption.text
    source = figure.find_next(class_="source")
    assert "silver/subject_trajectories" in source.text
    assert FINGERPRINT[:10] in source.text
    assert "commit 0123456789" in source.text
    links = {"figures/forest.svg", "figures/forest.png", "lineage.html#of-silver-subject-trajectories"}
    links.add("run.html#made-silver-subject-trajectories")
    assert {link["href"] for link in source.select("a")} == links


def test_a_table_shows_formatted_cells_and_a_dash_for_what_is_missing(built: Path) -> None:
    table = soup(built, "models.html").select_one("#tbl-coefficients table")
    assert [cell.text for cell in table.select("th")] == ["Term", "Estimate (kg)", "p", "People"]
    rows = [[cell.text for cell in row.select("td")] for row in table.select("tbody tr")]
    assert rows == [
        ["potato_energy_share <b>", "\N{MINUS SIGN}0.51", "<0.001", "1,234"],
        ["fiber", "1.00", "0.250", "10"],
        ["–", "–", "–", "–"],
    ]


def test_the_first_screen_says_that_a_simulated_study_is_simulated(built: Path) -> None:
    notice = soup(built, "index.html").select_one(".callout-warning")
    assert "Every person and every meal here was made up." in notice.text
    assert not notice.find_previous("h2")


def test_a_real_study_has_no_notice_and_no_assumptions(tmp_path: Path) -> None:
    real = {**NUMBERS, "study": {**NUMBERS["study"], "notice": "", "citation": "Somebody (2020)."}}
    real["methods"] = NUMBERS["methods"] | {"assumptions": ""}
    folder, _ = build(tmp_path, numbers=real)
    assert not soup(folder, "index.html").select(".callout-warning")
    assert "assumes" not in {heading.text for heading in soup(folder, "methods.html").select("h2")}
    assert "Somebody (2020)." in soup(folder, "methods.html").main.text


def test_a_secret_that_gold_was_told_is_on_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", "p&ss<w>rd-77")
    folder, _ = build(
        tmp_path, numbers={**NUMBERS, "study": {**NUMBERS["study"], "citation": "By p&ss<w>rd-77 (2020)."}}
    )
    pages = {path.name: path.read_text() for path in folder.glob("*.html")}
    assert [name for name, text in pages.items() if "ss<w>rd-77" in text or "w&gt;rd-77" in text] == []
    assert any("By [redacted] (2020)." in soup(folder, name).text for name in pages)


def test_a_page_that_is_not_shown_is_in_neither_navigation_nor_folder(tmp_path: Path) -> None:
    bare = {name: value for name, value in NUMBERS.items() if name not in ("intake", "models")}
    folder, written = build(tmp_path, hidden=("intake", "models"), numbers=bare)
    assert "intake.html" not in written
    assert not (folder / "intake.html").exists()
    for page in written:
        assert not [link for link in soup(folder, page).select("a[href]") if "intake.html" in link["href"]]
    assert "This study recorded no intake." in soup(folder, "index.html").select_one(".callout-note").text


def test_an_unknown_variable_stops_the_build_and_names_page_variable_and_nearest(tmp_path: Path) -> None:
    root = a_root_with(tmp_path, "cohort.qmd", "\n{{< var cohort.n_subjcts >}}\n")
    with pytest.raises(PotatoError) as caught:
        build(tmp_path, root=root)
    assert "cohort.qmd" in caught.value.what
    assert "cohort.n_subjcts" in caught.value.what
    assert caught.value.nearest == "cohort.n_subjects"


def test_a_figure_that_gold_lacks_stops_the_build(tmp_path: Path) -> None:
    root = a_root_with(tmp_path, "models.qmd", "\n{{< include _parts/figure-forrest.md >}}\n")
    with pytest.raises(PotatoError, match=r"models\.qmd shows the figure forrest") as caught:
        build(tmp_path, root=root)
    assert caught.value.nearest == "figure-forest"


def test_a_reference_to_a_figure_of_another_page_stops_the_build(tmp_path: Path) -> None:
    root = a_root_with(tmp_path, "models.qmd", "\nSee @fig-trajectories.\n")
    with pytest.raises(PotatoError, match=r"models\.qmd refers to @fig-trajectories"):
        build(tmp_path, root=root)


@pytest.mark.parametrize(
    "text",
    [
        "[gone](nowhere.html)",
        "[gone](methods.qmd#no-such-heading)",
        "![gone](figures/gone.svg)",
        "![spy](https://example.org/pixel.png)",
        '```{=html}\n<script src="//example.org/x.js"></script>\n```',
        "```{=html}\n<style>@import url(https://example.org/font.css)</style>\n```",
    ],
)
def test_a_link_that_leads_nowhere_or_fetches_from_the_network_stops_the_build(tmp_path: Path, text: str) -> None:
    root = a_root_with(tmp_path, "cohort.qmd", f"\n{text}\n")
    with pytest.raises(PotatoError) as caught:
        build(tmp_path, root=root)
    assert caught.value.where == "cohort.html"


def test_a_failed_build_leaves_the_old_site_and_no_litter(tmp_path: Path) -> None:
    folder, _ = build(tmp_path)
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    root = a_root_with(tmp_path, "cohort.qmd", "\n[gone](nowhere.html)\n")
    with pytest.raises(PotatoError):
        build(tmp_path, root=root)
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"_site", "gold", "root"}


def test_a_second_build_replaces_pages_that_are_no_longer_shown(tmp_path: Path) -> None:
    folder, _ = build(tmp_path)
    shutil.rmtree(tmp_path / "gold")
    build(tmp_path, hidden=("intake",))
    assert not (folder / "intake.html").exists()
    assert not (folder / "figures" / "dose-response.svg").exists()


def test_a_value_that_its_format_does_not_fit_is_named_by_table_column_and_row(tmp_path: Path) -> None:
    gold = write_gold(tmp_path / "gold")
    wrong = pa.table({"term": ["a", "b"], "estimate": ["1", "x"], "p_value": [0.1, 0.2], "n": [1, 2]})
    pq.write_table(wrong, gold / "reports" / "tables" / "cohort-groups.parquet")
    with pytest.raises(PotatoError, match="cohort-groups") as caught:
        build(tmp_path)
    assert "column estimate, row 1" in str(caught.value)


def test_a_named_quarto_that_is_not_there_is_an_error_and_not_a_silent_pandoc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(renderers.QUARTO_VARIABLE, str(tmp_path / "quarto"))
    with pytest.raises(PotatoError, match="cannot be run"):
        build(tmp_path)


def test_a_failed_check_stands_in_the_open_and_those_that_passed_are_folded(built: Path) -> None:
    page = soup(built, "data-quality.html")
    missed = page.select_one("[aria-label='Checks that did not pass']")
    assert missed.find_parent("details") is None
    cells = [cell.text for cell in missed.select("tbody td")]
    assert cells[:4] == ["warning", "Energy lies between 200 and 6,000 kcal a day.", "3 above 6,000", "3"]
    (folded,) = page.select("details:not([open])")
    assert folded.summary.text == "silver/weekly_features: 1 of 2 checks passed"
    assert [row.td.text for row in folded.select("tbody tr")] == ["warning", "passed"], "what missed stands first"
    assert folded.find(id=anchors.checks("silver/weekly_features")), "a link to it opens what is folded"


def test_the_lineage_page_leads_from_a_dataset_to_its_cell_and_checks_and_from_a_column_to_its_sources(
    built: Path,
) -> None:
    page = soup(built, "lineage.html")
    place = page.find(id=anchors.columns("silver/weekly_features"))
    table = place.find_parent("details")
    links_ = [link["href"] for link in table.select(".source a")]
    assert links_ == ["run.html#made-silver-weekly-features", "data-quality.html#checks-silver-weekly-features"]
    assert page.find(id=anchors.column("silver/weekly_features", "energy_kcal_per_day")).text == "energy_kcal_per_day"
    modelled = page.find(id=anchors.columns("silver/modeling_dataset")).find_parent("details")
    assert modelled.select_one("td a")["href"] == f"#{anchors.columns('silver/weekly_features')}"


def test_the_quality_page_counts_each_file_and_names_what_is_not_used(built: Path) -> None:
    page = soup(built, "data-quality.html")
    rows = [[cell.text for cell in row("td")] for row in page.select("#tbl-ledger tbody tr")]
    assert rows[-1] == ["weight/a.csv", "weight", "21", "20", "1", "1 missing value", "0"]
    assert "1 file of the study's folder is not used: notes.txt" in page.main.text.replace("’", "'")
    assert page.select_one("#tbl-flags tbody td:nth-of-type(2)").text == "approximate number"


def test_the_dictionary_page_holds_a_table_for_every_dataset_with_columns_of_its_own(built: Path) -> None:
    page = soup(built, "dictionary.html")
    headings = {heading.text for heading in page.select("main h3")}
    assert {dataset.name for dataset in schema.SILVER.values()} <= headings
    assert len(page.select("main table")) == sum(bool(section.rows) for section in dictionary.sections())


def test_the_run_page_tells_what_ran_and_which_run_made_what_was_cached(built: Path) -> None:
    rows = soup(built, "run.html").select("#tbl-stages tbody tr")
    cells = [[cell.text for cell in row.select("td")] for row in rows]
    assert cells[0][:3] == ["bronze", "cached", RUN_ID[:-1] + "e"]
    assert cells[1] == ["silver", "ran", RUN_ID, "2.5", "1,000", "40"]


def traced_manifests() -> dict[str, dict[str, Any]]:
    """Return manifests of three layers in which columns, a fitted model and an empty table of results are traced."""
    raw, modelled = "raw/small/a.csv", "silver/modeling_dataset"
    share = [source(modelled, "share", "AGGREGATION"), source(modelled, "study_week", "GROUP_BY")]
    bronze = {"day": [source(raw, "When", "IDENTITY")], "food": [source(raw, "What", "IDENTITY")]}
    silver = {
        "study_week": [source("bronze/nutrition", "day", "TRANSFORMATION")],
        "share": [source("bronze/nutrition", "food", "AGGREGATION")],
        "entries": [source("bronze/nutrition", "day", "FILTER")],
    }
    kept = {modelled: [source("bronze/nutrition", "day", "FILTER")]}
    made = {
        "bronze": a_manifest("bronze", [raw], ["bronze/nutrition"], column_lineage={"bronze/nutrition": bronze}),
        "silver": a_manifest(
            "silver", ["bronze/nutrition"], [modelled], column_lineage={modelled: silver}, row_lineage=kept
        ),
        "gold": a_manifest(
            "gold",
            [modelled],
            ["gold/models/coefficients", "gold/models/bootstrap"],
            column_lineage={
                "gold/models/coefficients": {"estimate": share},
                "gold/models/ols_cluster": {"share": share},
                "gold/models/mixed_effects": {"share": share},
            },
        ),
    }
    made["gold"]["outputs"]["gold/models/bootstrap"]["rows"] = 0
    return made


def test_the_picture_of_the_datasets_points_downwards_and_folds_many_files() -> None:
    boxes = {box.name: box for box in drawing.nodes(some_manifests())}
    assert "gold/tables" in boxes
    assert len(boxes["gold/tables"].members) == len(TABLES)
    made_from = drawing.edges(some_manifests())
    assert made_from["silver/weekly_features"] == {"bronze/nutrition"}
    assert made_from["silver/subject_trajectories"] == {"bronze/nutrition", "bronze/weight"}
    picture = BeautifulSoup(drawing.draw(some_manifests()), "html.parser")
    assert len(picture.select("rect:not(.frame)")) == len(boxes)


def test_the_picture_goes_from_raw_files_to_the_report_and_leaves_out_empty_results() -> None:
    made_from = drawing.edges(traced_manifests())
    assert made_from["bronze/nutrition"] == {"raw/small/a.csv"}
    assert made_from["gold/models/ols_cluster"] == {"silver/modeling_dataset"}
    assert "gold/models/coefficients" in made_from[drawing.REPORT]
    boxes = [box.name for box in drawing.nodes(traced_manifests())]
    assert boxes[0] == "raw/small/a.csv"
    assert boxes[-1] == drawing.REPORT
    assert "gold/models/bootstrap" not in boxes
    assert "gold/models/mixed_effects" in boxes


def many_manifests() -> dict[str, dict[str, Any]]:
    """Return manifests of a study with many raw files of long names, in which datasets are made within a layer, too."""
    raw = [f"raw/small/{family}/person {n:03d}, second half.csv" for family in ("weight", "diary") for n in range(20)]
    families = ("weight", "diary")
    silver = [f"silver/{name}" for name in ("days_of_everybody", "weeks_of_a_really_very_long_name_indeed", "people")]
    of_raw = {
        f"bronze/{family}": {"what": [source(name, "What", "IDENTITY") for name in raw if family in name]}
        for family in families
    }
    made = {
        silver[0]: {"day": [source("bronze/weight", "what", "IDENTITY")]},
        silver[1]: {"week": [source(silver[0], "day", "TRANSFORMATION"), source("bronze/diary", "what", "FILTER")]},
        silver[2]: {"people": [source("bronze/diary", "what", "AGGREGATION")]},
    }
    models = {
        f"gold/models/{name}": {
            "estimate": [source(silver[number % 3], "week", "AGGREGATION") for number in range(most)]
        }
        for name, most in (("one", 1), ("two", 2), ("three", 3), ("other", 1))
    }
    return {
        "bronze": a_manifest("bronze", raw, list(of_raw), column_lineage=of_raw),
        "silver": a_manifest("silver", list(of_raw), [*silver, "quarantine"], column_lineage=made),
        "gold": a_manifest("gold", silver, list(models), column_lineage=models),
    }


Segment = tuple[tuple[float, float], tuple[float, float]]


def corners(path: str) -> list[Segment]:
    """Return the pieces of a path of straight lines across and down."""
    kind_and_numbers = re.findall(r"([MHV])(-?[\d.]+)(?: (-?[\d.]+))?", path)
    assert "".join(kind + first + (f" {second}" if second else "") for kind, first, second in kind_and_numbers) == path
    points: list[tuple[float, float]] = []
    for kind, first, second in kind_and_numbers:
        x, y = points[-1] if points else (0.0, 0.0)
        points.append({"M": (float(first), float(second or 0)), "H": (float(first), y), "V": (x, float(first))}[kind])
    return list(itertools.pairwise(points))


def drawn(manifests: dict[str, dict[str, Any]]) -> tuple[BeautifulSoup, dict[str, tuple[float, ...]]]:
    """Return the picture, and the edges (left, top, right, bottom) of each box by its name."""
    picture = BeautifulSoup(drawing.draw(manifests), "html.parser")
    return picture, {str(box.title.text): edges_of(box.rect) for box in picture.select("g") if box.title and box.rect}


def edges_of(box: Tag) -> tuple[float, ...]:
    x, y, width, height = (float(str(box[name])) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


PICTURES = pytest.mark.parametrize("manifests", [some_manifests, traced_manifests, many_manifests])


@PICTURES
def test_no_box_of_the_picture_lies_on_another_or_outside(manifests: Callable[[], dict[str, dict[str, Any]]]) -> None:
    picture, boxes = drawn(manifests())
    assert picture.svg is not None
    _, _, width, height = map(float, str(picture.svg["viewbox"]).split())
    for left, top, right, bottom in boxes.values():
        assert left >= 0
        assert right <= width
        assert top >= 0
        assert bottom <= height
    for (left, top, right, bottom), (x1, y1, x2, y2) in itertools.combinations(boxes.values(), 2):
        assert right <= x1 or x2 <= left or bottom <= y1 or y2 <= top


@PICTURES
def test_no_line_of_the_picture_runs_over_a_box_or_a_frame(manifests: Callable[[], dict[str, dict[str, Any]]]) -> None:
    picture, _ = drawn(manifests())
    areas = [edges_of(box) for box in picture.select("rect")]
    pieces = [piece for path in picture.select("path.line") for piece in corners(str(path["d"]))]
    assert pieces
    for (x1, y1), (x2, y2) in pieces:
        for left, top, right, bottom in areas:
            beside = max(x1, x2) <= left or min(x1, x2) >= right
            assert beside or max(y1, y2) <= top or min(y1, y2) >= bottom, (x1, y1, x2, y2)


@PICTURES
def test_two_lines_of_the_picture_never_lie_on_each_other(manifests: Callable[[], dict[str, dict[str, Any]]]) -> None:
    picture, _ = drawn(manifests())
    pieces = [piece for path in picture.select("path.line") for piece in corners(str(path["d"]))]
    for (a, b), (c, d) in itertools.combinations(pieces, 2):
        for along in (0, 1):
            on_one_line = a[1 - along] == b[1 - along] == c[1 - along] == d[1 - along]
            apart = max(a[along], b[along]) <= min(c[along], d[along]) or max(c[along], d[along]) <= min(
                a[along], b[along]
            )
            assert not on_one_line or apart


@PICTURES
def test_the_lines_of_the_picture_lead_from_what_a_box_is_made_of_to_the_box(
    manifests: Callable[[], dict[str, dict[str, Any]]],
) -> None:
    picture, boxes = drawn(manifests())
    frames = [edges_of(frame) for frame in picture.select("rect.frame")]

    def at(x: float, y: float) -> set[str]:
        """Return the boxes at whose side, or at the side of whose frame, a line has its end."""
        around = [one for one in (*frames, *boxes.values()) if x in (one[0], one[2]) and one[1] < y < one[3]]
        return {
            name
            for name, (left, top, right, bottom) in boxes.items()
            for one in around
            if one[0] <= left and right <= one[2] and one[1] <= top and bottom <= one[3]
        }

    trunks: dict[float, list[tuple[float, float, set[str], set[str]]]] = {}
    stubs = []
    for path in picture.select("path.line"):
        pieces = corners(str(path["d"]))
        if len(pieces) == 1 and pieces[0][0][0] == pieces[0][1][0]:
            (x, top), (_, bottom) = pieces[0]
            trunks.setdefault(x, []).append((top, bottom, set(), set()))
        else:
            stubs.append((pieces, path.has_attr("marker-end")))
    made_from = drawing.edges(manifests())
    owner = {member: box.name for box in drawing.nodes(manifests()) for member in box.members}
    told: dict[str, set[str]] = {name: set() for name in boxes}
    into_report: set[str] = set()
    for pieces, arrow in stubs:
        (x1, y1), (x2, y2) = pieces[0][0], pieces[-1][1]
        if len(pieces) == 1 and (arrow or (x2, y1) != (x1, y2)):
            x = x1 if arrow else x2
            met = [trunk for trunk in trunks.get(x, ()) if trunk[0] <= y1 <= trunk[1]]
            for _, _, starts, ends in met:
                (ends if arrow else starts).update(at(x2, y2) if arrow else at(x1, y1))
            if not met:
                into_report |= at(x1, y1)
    for lanes in trunks.values():
        for _, _, starts, ends in lanes:
            for end in ends:
                told[end] |= starts
    for box in drawing.nodes(manifests()):
        expected = {owner[one] for member in box.members for one in made_from.get(member, ()) if one in owner}
        found = into_report if box.name == drawing.REPORT else told[box.name]
        assert found == expected - {box.name}, box.name


@PICTURES
def test_every_name_of_the_picture_is_whole_and_fits_into_its_box(
    manifests: Callable[[], dict[str, dict[str, Any]]],
) -> None:
    picture, boxes = drawn(manifests())
    for box in picture.select("g"):
        assert box.title is not None
        left, top, right, bottom = boxes[box.title.text]
        lines = box.select("text:not(.small)")
        assert "".join(line.text for line in lines) == box.title.text.rpartition("/")[2]
        for line in lines:
            # A letter of 13.5 px is at most 0.62 of that wide on the average.
            assert float(str(line["x"])) + 8.4 * len(line.text.rstrip()) <= right
            assert top < float(str(line["y"])) < bottom
        for small in box.select("text.small"):
            beside = [line for line in lines if line["y"] == small["y"]]
            taken = max((float(str(line["x"])) + 8.4 * len(line.text) for line in beside), default=left)
            assert taken < float(str(small["x"])) - 7.4 * len(small.text)


def test_a_box_leads_to_its_columns_and_a_source_line_leads_to_its_dataset(built: Path) -> None:
    page = soup(built, "lineage.html")
    targets = {str(link["href"]) for link in page.select("svg.lineage a")}
    assert "#of-silver-weekly-features" in targets
    for target in targets - {"index.html"}:
        place = page.select_one(f"details {target}")
        assert place is not None, target
    link = soup(built, "trajectories.html").select_one("figure ~ .source a, .source a")
    assert link is not None
    assert str(link["href"]).startswith("lineage.html#of-")


def test_each_estimate_is_shown_with_its_columns_and_the_raw_ones_behind_them(tmp_path: Path) -> None:
    table = BeautifulSoup(records.term_lineage(traced_manifests()), "html.parser")
    rows = [[list(cell.stripped_strings) for cell in row.select("td")] for row in table.select("tbody tr")]
    way = ["computed from silver/modeling_dataset: share", "out of a.csv: What"]
    assert rows == [
        [["share", "in ols_cluster, mixed_effects"], [*way, "decided by silver/modeling_dataset: study_week"]]
    ]
    assert records.term_lineage(some_manifests()) == "No model was fitted."


def test_the_lineage_of_a_column_tells_what_it_is_computed_from_and_what_decides_on_it() -> None:
    told = records.column_lineage(traced_manifests(), trails.gather(traced_manifests(), gate=True))
    assert "Which rows there are is decided by bronze/nutrition: day." in told.replace("\\", "")
    found = {}
    for row in BeautifulSoup(told.replace("<br>", "\n"), "html.parser").select("tr"):
        found |= {cells[0].text: cells[1].text.splitlines() for cells in [row.select("td")] if cells}
    assert 'id="of-silver-modeling-dataset--share"' in told, "another page can lead to a column"
    assert 'computed from <a href="#of-silver-modeling-dataset">silver/modeling_dataset</a>: share' in told
    assert found["estimate"] == [
        "computed from silver/modeling_dataset: share",
        "decided by silver/modeling_dataset: study_week",
    ]
    assert found["entries"] == ["counted, decided by bronze/nutrition: day"]


@pytest.mark.parametrize(
    ("value", "spec", "shown"),
    [
        (-1.26, ".1f", "\N{MINUS SIGN}1.3"),
        (1.26, "+.1f", "+1.3"),
        (-0.001, ".1f", "0.0"),
        (3.0, ",d", "3"),
        (0.0009, "p", "<0.001"),
        (0.05, "p", "0.050"),
        (0.256, ".0%", "26%"),
        (float("nan"), ".1f", "–"),
        (None, "", "–"),
        (True, "", "yes"),
        ("4 Weeks", "", "4 Weeks"),
    ],
)
def test_a_cell_is_shown_as_its_format_says(value: object, spec: str, shown: str) -> None:
    assert snippets.cell(value, spec) == shown


def test_a_condition_inside_another_block_closes_where_it_was_opened() -> None:
    text = '::: {.answer}\na\n::: {.content-visible when-meta="figure.x"}\nb\n:::\nc\n:::\n'
    without = pages.expand("p.qmd", text, pages.Context({}))
    with_figure = pages.expand("p.qmd", text, pages.Context({}, shown=frozenset({"figure.x"})))
    assert without == "::: {.answer}\na\nc\n:::\n"
    assert with_figure == "::: {.answer}\na\nb\nc\n:::\n"


def test_what_gold_says_is_never_read_as_a_shortcode_of_the_page() -> None:
    context = pages.Context({"a": "{{< var b >}}", "b": "secret"})
    with pytest.raises(PotatoError, match="shortcode"):
        pages.expand("p.qmd", "{{< var a >}}", context)


HOSTILE = [
    "{{< var x >}}",
    "{{< include x >}}",
    "{{< include _parts/contents.md >}}",
    "@fig-q",
    "?@fig-q",
    "?var:x",
    "<script>alert(1)</script>",
    "::: {.x}",
    "`a` *b* $c$",
    "```\n\n# d",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_study_is_shown_and_means_nothing_to_the_page(text: str) -> None:
    context = pages.Context({"a": plain(text), "b": code(text)}, {"c": html_table([(text, False)], [[text]], text)})
    page = "{{< var a >}}\n\n{{< var b >}}\n\n{{< include _parts/c.md >}}\n"
    made = pypandoc.convert_text(pages.expand("p.qmd", page, context), "html", renderers._READER)
    document = BeautifulSoup(made, "html.parser")
    places = [document.p, document.code, document.th, document.td]
    shown = [" ".join(place.text.split()) for place in places]
    known = " ".join(text.split())
    assert set(shown) <= {known, known.replace("{{<", "{{ <").replace("?", "? ")}
    assert not document.select("script, h1, div.x")


def test_a_study_whose_every_name_is_markup_has_a_report(tmp_path: Path) -> None:
    findings, manifests = some_findings(), some_manifests()
    held = schema.QUARANTINE.arrow()
    rows = [
        {name: text for name in held.names if held.field(name).type == pa.string()} | {"source_row": 2}
        for text in HOSTILE
    ]
    for layer in (findings.bronze, findings.silver):
        (entry,) = [entry for name, entry in layer["files"].items() if name.startswith("weight")]
        layer["files"].update({text: entry | {"file": text} for text in HOSTILE})
    findings = replace(
        findings,
        bronze={**findings.bronze, "files_not_used": HOSTILE},
        quarantine=pa.Table.from_pylist(rows, schema=held),
        subjects=layer_frames.filled(schema.SUBJECTS, [{"subject_id": text, "weight_rows": 1} for text in HOSTILE]),
    )
    manifests["bronze"]["inputs"] |= {f"raw/s/{text}": FINGERPRINT for text in HOSTILE}
    (verdict, _) = manifests["silver"]["contracts"]
    manifests["silver"]["contracts"] += [verdict | {"observed": text} for text in HOSTILE]
    gold = write_gold(tmp_path / "gold")
    for name in TABLES:
        count = len(HOSTILE)
        content = {"term": HOSTILE, "estimate": [1.0] * count, "p_value": [0.5] * count, "n": [1] * count}
        pq.write_table(pa.table(content), gold / "reports" / "tables" / f"{name}.parquet")
    folder, written = build(tmp_path, manifests=manifests, findings=findings)
    assert written == ALL_PAGES
    assert "{{ < var x >}}" in soup(folder, "data-quality.html").main.text


def test_a_site_that_lacks_a_page_is_not_published(built: Path) -> None:
    with pytest.raises(PotatoError, match="did not make the pages"):
        links.verify(built, [*ALL_PAGES, "another.html"])


def outline(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Return what a reader meets on each page: headings, figures, captions, cells, links, words."""
    told = {}
    for page in sorted(folder.glob("*.html")):
        document = BeautifulSoup(page.read_text(), "html.parser")
        main = document.main
        told[page.name] = {
            "title": [document.title.text],
            "menu": [link.text.strip() for link in document.select(".navbar-nav a.nav-link")],
            "headings": [heading.text.strip() for heading in main.select("h1, h2, h3")],
            "figures": [image["src"] for image in main.select("img")],
            "alternatives": [image["alt"] for image in main.select("img")],
            "captions": [" ".join(caption.text.split()) for caption in main.select("figcaption")],
            "cells": [cell.text for cell in main.select("td, th")],
            "paragraphs": [" ".join(text.text.split()) for text in main.select("p, li") if not text.find_parent("nav")],
            "foot": [" ".join(document.select_one(".nav-footer-left").text.split())],
        }
    return told


def test_quarto_and_pandoc_tell_the_same_story(tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if QUARTO is None:
        pytest.skip("quarto is neither on PATH nor named by POTATO_QUARTO; the pandoc path alone was tested")
    monkeypatch.setenv(renderers.QUARTO_VARIABLE, QUARTO)
    through_quarto, _ = build(tmp_path)
    expected = outline(built)
    found = outline(through_quarto)
    assert found.keys() == expected.keys()
    for page in expected:
        assert found[page] == expected[page], page

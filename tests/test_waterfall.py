"""The waterfall shows when each part ran, and leads from a dataset to what made it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag

from potato import anchors, manifest, screen, spans, timeline, waterfall
from potato.trails import Trail

RUN = "01930000-0000-7000-8000-00000000abcd"
SQL = 'INSERT INTO weekly SELECT "kg" < 3 AND "x" FROM "memory"."main"."clean_weight" AS "t" WHERE "a" = \' FROM it\''
CODE = "features = engineer.engineer_features()\nif features:\n    print('{{< var x >}}')"


MISSED = "silver/weekly_features: It is so. Found: 3"


def trail(name: str, **more: Any) -> Trail:
    about = {
        "shown": name,
        "rows": 4,
        "traced": True,
        "asked": 2,
        "checks": f"data-quality.html#{anchors.checks(name)}",
    }
    return Trail(name, **(about | more))


TRAILS = {
    one.name: one
    for one in (
        trail(
            "silver/weekly_features",
            sources=("bronze/x",),
            missed=("It is so. Found: 3",),
            raw=frozenset({("raw/demo/weight.csv", "kilos")}),
        ),
        trail("silver/flags"),
        trail("bronze/x"),
    )
}


def span(name: str, span_id: str, parent: str | None, start: float, end: float, **attributes: Any) -> dict[str, Any]:
    def moment(seconds: float) -> str:
        return f"2026-11-28T08:00:{seconds:09.6f}Z"

    return {
        "name": name,
        "span_id": span_id,
        "parent_span_id": parent,
        "start": moment(start),
        "end": moment(end),
        "status": "unset",
        "message": None,
        "stage": "silver",
        "attributes": attributes,
    }


def log(span_id: str, second: float, event: str, **fields: Any) -> dict[str, Any]:
    about = {"level": "info", "stage": "silver", "study": "demo", "run_id": RUN}
    return {"ts": f"2026-11-28T08:00:{second:06.3f}Z", "event": event, "span_id": span_id, **about, **fields}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / RUN
    (folder / "notebooks").mkdir(parents=True)
    told = [
        span("Clean the rows", "c0", "s", 0.5, 1.5, **{"cell.index": 0}),
        span("CREATE TABLE clean_weight", "w0", "c0", 0.6, 0.7, **{"db.query.text": "INSERT INTO x"}),
        span("Compute the features", "c1", "s", 2, 6, **{"cell.index": 1}),
        span(
            "CREATE TABLE weekly_features",
            "q",
            "c1",
            3,
            5,
            **{"db.query.text": SQL, "db.response.returned_rows": 1486, "db.collection.name": "weekly_features"},
        ),
        span(
            "contract silver/weekly_features",
            "k",
            "c1",
            5.5,
            5.9,
            **{
                "potato.dataset": "silver/weekly_features",
                "potato.expectations": 2,
                "potato.failures": 0,
                "potato.warnings": 1,
                manifest.MISSED: MISSED,
            },
        ),
        span("save silver/weekly_features", "w", "c2", 7, 7.1, **{"potato.dataset": "silver/weekly_features"}),
        span("save silver/flags", "f", "c2", 7, 7.1, **{"potato.dataset": "silver/flags", "potato.rows": 4}),
        span("Compute the features", "c2", "s", 7, 8, **{"cell.index": 2}),
        span("stage silver", "s", "root", 0, 10),
    ]
    logs = [
        log("s", 0, "stage started"),
        log("s", 1.99, "cell started", cell="Compute the features", number=1, of=2),
        log("s", 9.9, "stage ran", seconds=9.9),
        log(
            "k",
            5.9,
            f"expectation missed: {MISSED}",
            dataset="silver/weekly_features",
            sentence="It is so.",
            observed="3",
        ),
    ]
    cells = [{"source": "# Silver"}, {"source": CODE}, {"source": "engineer.save()"}]
    (folder / "traces.jsonl").write_text("".join(json.dumps(one) + "\n" for one in told) + '{"half')
    (folder / "logs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in logs))
    (folder / "notebooks/silver.ipynb").write_text(json.dumps({"cells": cells}))
    return tmp_path


def drawn(runs: Path, status: str = "ran", run_id: str | None = RUN) -> Tag:
    stages = timeline.gather(runs, [{"stage": "silver", "status": status, "run_id": run_id}])
    page = BeautifulSoup(waterfall.draw(stages, TRAILS), "html.parser")
    found = page.find(class_="waterfall")
    assert isinstance(found, Tag)
    return found


def cell_of(page: Tag, dataset: str) -> Tag:
    place = page.find(id=anchors.cell(dataset))
    assert place is not None
    cell = place.find_parent("details", class_="cell")
    assert isinstance(cell, Tag)
    return cell


def words(tag: Tag | None) -> str:
    assert tag is not None
    return " ".join(tag.get_text(" ").split())


def test_a_dataset_leads_into_the_cell_that_computed_it_and_not_the_one_that_saved_it(runs: Path) -> None:
    cell = cell_of(drawn(runs), "silver/weekly_features")
    code, query = cell.select_one("pre"), cell.select_one(".inner pre")
    assert code is not None and query is not None  # noqa: PT018
    assert code.text == CODE.replace("{{<", "{{ <"), "its lines stay, and no shortcode is left open"
    assert "1,486 rows" in cell.text
    assert query.text.split() == SQL.split(), "the query is whole"
    assert query.text.splitlines()[1:] == [
        'SELECT "kg" < 3 AND "x"',
        'FROM "memory"."main"."clean_weight" AS "t"',
        "WHERE \"a\" = ' FROM it'",
    ], "each clause has a line, and a text in quotes stays whole"


def test_a_cell_leads_from_its_dataset_to_query_columns_checks_sources_and_raw_columns(runs: Path) -> None:
    page = drawn(runs)
    cell = cell_of(page, "silver/weekly_features")
    line, source = cell.select(".made li")[:2]
    assert [link["href"] for link in line.select("a")] == [
        "#query-silver-weekly-features",
        "lineage.html#of-silver-weekly-features",
        "data-quality.html#checks-silver-weekly-features",
    ]
    query = page.find(id="query-silver-weekly-features")
    assert query is not None
    assert "CREATE TABLE weekly_features" in words(query.find_parent("details"))
    assert "2 checks, 1 missed . It is so. Found: 3" in words(line)
    assert "bronze/x" in source.text
    assert "Raw columns behind: weight.csv: kilos." in words(cell)


def test_a_query_leads_to_the_query_of_the_step_that_it_reads(runs: Path) -> None:
    page = drawn(runs)
    (link,) = cell_of(page, "silver/weekly_features").select(".inner .made a[href*=clean]")
    step = page.find(id=str(link["href"]).removeprefix("#"))
    assert step is not None
    assert "CREATE TABLE clean_weight" in words(step.find_parent("details"))


def test_a_contract_says_which_expectations_missed_and_where_all_are(runs: Path) -> None:
    contract = drawn(runs).select(".inner")[2]
    assert "2 expectations, 1 missed: silver/weekly_features: It is so. Found: 3" in words(contract)
    assert contract.select_one("a[href='data-quality.html#checks-silver-weekly-features']")


def test_a_contract_whose_checks_no_page_lists_names_those_that_were_met(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "silver/weekly_features"
    monkeypatch.setitem(TRAILS, name, trail(name, checks="", met=("It is so, too.",)))
    contract = drawn(runs).select(".inner")[2]
    assert [line.text for line in contract.select("ul")[0].select("li")] == [MISSED, "It is so, too."]


def test_a_dataset_without_a_query_leads_to_the_cell_that_saved_it(runs: Path) -> None:
    assert "engineer.save()" in cell_of(drawn(runs), "silver/flags").text


def test_a_span_of_making_leads_to_its_cell_before_the_one_that_saved(runs: Path) -> None:
    path = runs / RUN / "traces.jsonl"
    making = span(f"{spans.MAKING}silver/flags", "m", "c1", 5, 5.1, **{"potato.dataset": "silver/flags"})
    path.write_text(json.dumps(making) + "\n" + path.read_text())
    page = drawn(runs)
    assert cell_of(page, "silver/flags") is cell_of(page, "silver/weekly_features")


def test_a_dataset_that_nothing_is_known_of_still_has_its_place_with_its_columns_and_checks(runs: Path) -> None:
    for page in (drawn(runs), drawn(runs, run_id=None)):
        place = page.find(id=anchors.cell("bronze/x"))
        assert isinstance(place, Tag)
        assert [link["href"] for link in place.select("a")] == [
            "lineage.html#of-bronze-x",
            "data-quality.html#checks-bronze-x",
        ]
    assert drawn(runs, run_id=None).find(id=anchors.cell("silver/flags")) is not None


def test_bars_lie_where_the_part_ran_within_what_it_belongs_to(runs: Path) -> None:
    page = drawn(runs)
    styles = {str(row.text): row.select_one(".bar") for row in page.select(".row")}
    found = {name.split("  ")[0]: str(bar["style"]) for name, bar in styles.items() if bar}
    assert [
        style for name, style in found.items() if name.startswith(("silver", "Compute the features4", "CREATE TABLE w"))
    ] == [
        "left:0.00%;width:100.00%",
        "left:20.00%;width:40.00%",
        "left:25.00%;width:50.00%",
    ]


def test_cells_under_one_heading_are_counted(runs: Path) -> None:
    names = [name.text for name in drawn(runs).select(".stage > .cell > summary .name")]
    assert names == ["Clean the rows", "Compute the features", "Compute the features (2)"]


def test_log_lines_stand_in_the_cell_that_said_them_in_the_order_of_their_times(runs: Path) -> None:
    page = drawn(runs)
    (log_of_cell,) = cell_of(page, "silver/weekly_features").select(".log")
    lines = log_of_cell.text.splitlines()
    assert ["1/2" in lines[0], "It is so." in lines[1]] == [True, True]
    assert lines == sorted(lines)
    (of_stage,) = page.select(".stage > .log")
    assert "done in 9.9 s" in of_stage.text


def test_many_raw_files_are_folded(runs: Path) -> None:
    path = runs / RUN / "traces.jsonl"
    read = [
        span(
            f"read {n}.csv", f"r{n}", "c1", 2.5, 2.6, **{"potato.file": f"{n}.csv", "potato.rows": n, "potato.bytes": 9}
        )
        for n in range(20)
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in read) + path.read_text())
    folded = cell_of(drawn(runs), "silver/weekly_features").select_one(".inner")
    assert folded is not None
    assert words(folded).startswith("read 20 files read 0.csv")
    assert "19 rows, 9 bytes." in words(folded)


def test_a_cached_stage_names_the_run_that_made_its_output(runs: Path) -> None:
    page = drawn(runs, status="cached")
    summary = page.select_one(".stage > summary")
    assert summary is not None
    assert RUN[:13] in summary.text
    assert not summary.select(".bar")


def test_a_stage_whose_run_is_gone_says_so(runs: Path) -> None:
    assert "no trace is left" in drawn(runs, run_id="01930000-0000-7000-8000-000000000000").text


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"event": "cell started", "number": 2, "of": 9, "cell": "Read"}, "silver    2/9  Read"),
        ({"event": "stage ran", "seconds": 2.04}, "silver   done in 2.0 s"),
        ({"event": "stage failed: No.", "level": "error", "seconds": 2.0}, "silver   failed after 2.0 s"),
        ({"event": "a week has\n8 days", "level": "warning", "logger": "x"}, "silver   warning: a week has 8 days"),
        (
            {"event": "cell failed: Read: No\nfile.", "level": "error", "cell": "Read", "traceback": "T"},
            "silver   error: Read: No file.",
        ),
        ({"event": "exception: KeyError: 'x'", "level": "error"}, None),
        ({"event": "rows: some", "rows": 3}, "silver   rows: some rows=3"),
        ({"event": "detail", "level": "debug"}, None),
    ],
)
def test_a_log_line_reads_well_on_the_terminal(entry: dict[str, Any], shown: str | None) -> None:
    about = {
        "ts": "t",
        "level": "info",
        "run_id": RUN,
        "trace_id": "t",
        "span_id": "s",
        "stage": "silver",
        "study": "d",
    }
    assert screen.line(about | entry) == shown

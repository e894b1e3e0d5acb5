"""The waterfall shows when each part ran, and leads from a dataset to what made it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag

from potato import screen, timeline, waterfall

RUN = "01930000-0000-7000-8000-00000000abcd"
SQL = 'INSERT INTO weekly SELECT "kg" < 3 AND "x" FROM "clean"'
CODE = "features = engineer.engineer_features()\nif features:\n    print('{{< var x >}}')"


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
    spans = [
        span("Compute the features", "c1", "s", 2, 6, **{"cell.index": 1}),
        span(
            "CREATE TABLE weekly_features",
            "q",
            "c1",
            3,
            5,
            **{"db.query.text": SQL, "db.response.returned_rows": 1486, "db.collection.name": "weekly_features"},
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
        log("q", 8.1, "expectation missed: silver/x: It is so. Found: 3", dataset="silver/x", sentence="It is so."),
    ]
    cells = [{"source": "# Silver"}, {"source": CODE}, {"source": "engineer.save()"}]
    (folder / "traces.jsonl").write_text("".join(json.dumps(one) + "\n" for one in spans) + '{"half')
    (folder / "logs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in logs))
    (folder / "notebooks/silver.ipynb").write_text(json.dumps({"cells": cells}))
    return tmp_path


def drawn(runs: Path, status: str = "ran", run_id: str | None = RUN) -> Tag:
    stages = timeline.gather(runs, [{"stage": "silver", "status": status, "run_id": run_id}])
    page = BeautifulSoup(waterfall.draw(stages, ["silver/weekly_features", "silver/flags", "bronze/x"]), "html.parser")
    found = page.find(class_="waterfall")
    assert isinstance(found, Tag)
    return found


def cell_of(page: Tag, dataset: str) -> Tag:
    place = page.find(id=waterfall.anchor(dataset))
    assert place is not None
    cell = place.find_next("details")
    assert isinstance(cell, Tag)
    return cell


def test_a_dataset_leads_to_the_cell_that_computed_it_and_not_to_the_one_that_saved_it(runs: Path) -> None:
    cell = cell_of(drawn(runs), "silver/weekly_features")
    code, query = cell.select_one("pre"), cell.select_one(".inner pre")
    assert code is not None and query is not None  # noqa: PT018
    assert code.text == CODE.replace("{{<", "{{ <"), "its lines stay, and no shortcode is left open"
    assert query.text == SQL
    assert "1,486 rows" in cell.text


def test_a_dataset_without_a_query_leads_to_the_cell_that_saved_it(runs: Path) -> None:
    assert "engineer.save()" in cell_of(drawn(runs), "silver/flags").text


def test_a_dataset_that_nothing_is_known_of_still_has_its_place(runs: Path) -> None:
    assert drawn(runs).find(id=waterfall.anchor("bronze/x")) is not None
    assert drawn(runs, run_id=None).find(id=waterfall.anchor("silver/flags")) is not None


def test_bars_lie_where_the_part_ran_within_what_it_belongs_to(runs: Path) -> None:
    page = drawn(runs)
    styles = [bar["style"] for bar in page.select(".bar")]
    assert styles[:3] == ["left:0.00%;width:100.00%", "left:20.00%;width:40.00%", "left:25.00%;width:50.00%"]


def test_cells_under_one_heading_are_counted(runs: Path) -> None:
    names = [name.text for name in drawn(runs).select(".cell > summary .name")]
    assert names == ["Compute the features", "Compute the features (2)"]


def test_a_log_line_is_with_the_span_that_it_names_or_the_cell_of_its_time(runs: Path) -> None:
    page = drawn(runs)
    inner, cell = page.select_one(".inner .log"), page.select_one(".cell > .log")
    assert inner is not None and cell is not None  # noqa: PT018
    assert "silver/x: It is so. Found: 3" in inner.text
    assert "1/2 Compute the features" in cell.text
    (of_stage,) = page.select(".stage > .log")
    assert "done in 9.9 s" in of_stage.text


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

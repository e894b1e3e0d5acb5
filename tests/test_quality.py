"""The page Data quality: every file, reason, remark and person, and no more than a phone can show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from bs4 import BeautifulSoup

from potato import lake, quality, reasons, schema
from potato.markdown import code

from .layer_frames import aside, bronze, changed, filled, flagged, silver


@pytest.fixture
def findings() -> quality.Findings:
    (_, read), (tables, kept) = bronze(), silver()
    told = {"encoding": "windows-1252", "separator": ";", "header_row": 3, "columns_not_used": ["Mood", "Notes"]}
    evidence = {"date_order": "dmy", "date_evidence": "12 dates have a first part over 12"}
    return quality.Findings(
        bronze={"files": {name: file | told for name, file in read.items()}, "files_not_used": []},
        silver={"files": {name: file | evidence | {"rows_flagged": {"jump": 2}} for name, file in kept.items()}},
        quarantine=tables["quarantine"],
        flags=tables["flags"],
        subjects=tables["subjects"],
    )


def cells(part: str) -> list[list[str]]:
    return [[cell.text for cell in row("td")] for row in BeautifulSoup(part, "html.parser").select("tbody tr")]


def many(findings: quality.Findings, number: int) -> quality.Findings:
    """Return the findings with `number` more weight files, of which number 7 lost the most."""
    name = "weight/a.csv"
    names = [f"weight/{n:03d}.csv" for n in range(number)]
    read, kept = dict(findings.bronze["files"]), dict(findings.silver["files"])
    for n, file in enumerate(names):
        read[file] = read[name] | {"file": file}
        kept[file] = kept[name] | {"file": file, "rows_quarantined": {"missing_value": 9 if n == 7 else 1}}
    return replace(findings, bronze=findings.bronze | {"files": read}, silver={"files": kept})


def test_each_file_has_its_rows_read_kept_set_aside_and_flagged(findings: quality.Findings) -> None:
    rows = cells(quality.parts(findings)["ledger"])
    assert rows[0] == ["fiber/a.csv", "fiber", "21", "20", "1", "1 missing value", "2"]
    assert len(rows) == 3


def test_hundreds_of_files_are_cut_to_those_that_lost_most_and_folded(findings: quality.Findings) -> None:
    part = quality.parts(many(findings, 300))["ledger"]
    rows = cells(part)
    assert len(rows) == quality.MOST_ROWS
    assert rows[0][0] == "weight/007.csv"
    assert "The first 50 of 303 are shown; all are in data/silver/ledger.json" in part
    assert "<details>" in part


def test_files_that_were_read_alike_share_a_row(findings: quality.Findings) -> None:
    rows = cells(quality.parts(many(findings, 30))["reading"])
    assert len(rows) == 3
    files, family, *how = rows[-1]
    assert (files, family) == ("weight/000.csv, weight/001.csv, weight/002.csv and 28 more", "weight")
    assert how == ["windows-1252", "semicolon", "3", "Mood, Notes"]


def test_the_order_of_dates_and_the_decimal_mark_stand_with_what_tells_them(findings: quality.Findings) -> None:
    row = cells(quality.parts(findings)["values"])[0]
    assert row == ["fiber/a.csv", "fiber", "day, month, year", "12 dates have a first part over 12", "–", "–"]
    files = dict(findings.silver["files"])
    untold = {"date_order": None, "date_evidence": "no part is over 12", "decimal": ",", "decimal_evidence": "80,5"}
    files["fiber/a.csv"] = files["fiber/a.csv"] | untold
    row = cells(quality.parts(replace(findings, silver={"files": files}))["values"])[0]
    assert row[2:] == ["not told", "no part is over 12", "comma", "80,5"]


def test_a_reason_has_its_rule_count_and_first_place(findings: quality.Findings) -> None:
    rows = [aside("weight", row, "out_of_bounds") for row in (4, 5)]
    found = replace(findings, quarantine=filled(schema.QUARANTINE, rows))
    expected = ["weight", "out of bounds", "it is recorded", "weight", "2", "1", "weight/a.csv, row 4"]
    assert cells(quality.parts(found)["quarantine-reasons"]) == [expected]


def test_a_remark_has_its_rule_count_and_first_place(findings: quality.Findings) -> None:
    found = replace(findings, flags=flagged("weight", "approximate_number", 7, 9))
    expected = ["weight", "approximate number", "a rule", "weight", "2", "1", "weight/a.csv, row 7"]
    assert cells(quality.parts(found)["flags"]) == [expected]


def test_examples_are_a_few_of_each_reason_with_long_texts_shortened(findings: quality.Findings) -> None:
    rows = [aside("weight", row, reason) for reason in ("number_range", "out_of_bounds") for row in range(2, 12)]
    table = changed(filled(schema.QUARANTINE, rows), 0, value="3 to\n 4 <b>" + "x" * 10_000_000)
    found = cells(quality.parts(replace(findings, quarantine=table))["quarantine-examples"])
    assert [row[-1] for row in found] == ["number range"] * 3 + ["out of bounds"] * 3
    assert found[0][4].startswith("3 to 4 <b>x")
    assert len(found[0][4]) == 40


def test_people_with_something_missing_are_listed_with_what_it_is(findings: quality.Findings) -> None:
    untold = filled(schema.QUARANTINE, [aside("weight", 3, "unit_not_told", "bob")])
    subjects = changed(findings.subjects, 1, nutrition_rows=0, quarantined_rows=1)
    found = replace(findings, subjects=subjects, quarantine=untold)
    said = "no nutrition; the unit of their weights is not told"
    assert cells(quality.parts(found)["people"]) == [["bob", said, "0", "10", "10", "1"]]


def test_a_study_of_weights_has_no_columns_of_diaries(findings: quality.Findings) -> None:
    weights = {name: file for name, file in findings.silver["files"].items() if file["family"] == "weight"}
    untold = filled(schema.QUARANTINE, [aside("weight", 3, "unit_not_told", "bob")])
    part = quality.parts(replace(findings, silver={"files": weights}, quarantine=untold))["people"]
    assert [th.text for th in BeautifulSoup(part, "html.parser")("th")][2:] == ["Rows of weight", "Set aside"]


def test_dates_that_need_no_order_are_not_called_untold(findings: quality.Findings) -> None:
    shown = []
    for why in reasons.NEEDLESS_ORDERS:
        files = {n: f | {"date_order": None, "date_evidence": why} for n, f in findings.silver["files"].items()}
        shown.append(cells(quality.parts(replace(findings, silver={"files": files}))["values"])[0][2])
    assert shown == list(reasons.NEEDLESS_ORDERS.values())


def test_what_is_not_there_is_left_out(findings: quality.Findings) -> None:
    clean = replace(findings, quarantine=findings.quarantine.slice(0, 0))
    assert set(quality.parts(clean)) == {"ledger", "reading", "values"}
    assert quality.variables(clean)["files.not_used"] == ""


def test_files_that_are_not_used_are_named(findings: quality.Findings) -> None:
    one = replace(findings, bronze={"files": {}, "files_not_used": ["notes.txt"]})
    assert quality.variables(one)["files.not_used"] == f"1 file of the study's folder is not used: {code('notes.txt')}."
    own = replace(findings, bronze={"files": {}, "files_not_used": ["import.json", "summary.csv"]})
    said = "`import.json` and `summary.csv` are what the import of workbooks lists beside its weights."
    assert quality.variables(own)["files.not_used"] == said
    several = replace(findings, bronze={"files": {}, "files_not_used": [f"{n}.txt" for n in range(60)]})
    assert quality.variables(several)["files.not_used"].endswith(f"{code('49.txt')} and 10 more.")


def drifted(verdict: str, column: str) -> dict[str, Any]:
    entry = {"dataset": "silver/subject_trajectories", "column": column, "unit": "kg", "verdict": verdict}
    entry |= {"n_before": 100, "n": 120, "mean_before": 81.25, "mean": 66.5, "missing_before": 0.0, "missing": 0.1}
    return entry | {"psi": 2.5, "psi_by_chance": 0.16, "ks": 0.7, "p": 1e-9, "p_holm": 1e-8}


def test_columns_that_shifted_stand_first(findings: quality.Findings) -> None:
    columns = [drifted("stable", "n_weights"), drifted("shifted", "weight_kg")]
    drift = {"sentence": "1 of 2 columns shifted.", "columns": columns, "rows": {"kept": [1000, 1200]}}
    found = replace(findings, drift=drift)
    rows = cells(quality.parts(found)["drift"])
    assert rows[0][:5] == ["weight_kg", "subject_trajectories", "shifted", "81.2", "66.5"]
    assert rows[1][0] == "n_weights"
    assert cells(quality.parts(found)["drift-rows"]) == [["kept", "1,000", "1,200"]]
    assert quality.variables(found)["drift.sentence"] == "1 of 2 columns shifted."


def test_the_drift_comes_from_the_run_that_made_silver(tmp_path: Path) -> None:
    (_, read), (tables, kept) = bronze(), silver()
    for name, files in {"bronze": read, "silver": kept}.items():
        lake.write_json(tmp_path / f"data/{name}/ledger.json", {"files": files})
    for name in ("quarantine", "silver/flags", "silver/subjects"):
        lake.write(tables[name.removeprefix("silver/")], tmp_path / "data" / name)
    lake.write_json(tmp_path / "runs/earlier/contracts/drift.json", {"sentence": "Nothing moved."})
    made = {"stages": [{"stage": "silver", "status": "cached", "run_id": "earlier"}]}
    assert quality.Findings.read(tmp_path, made).drift == {"sentence": "Nothing moved."}
    gone = quality.Findings.read(tmp_path, {"stages": [{"stage": "silver", "status": "cached", "run_id": None}]})
    assert "not here any more" in quality.variables(gone)["drift.sentence"]
    assert isinstance(gone.flags, pa.Table)

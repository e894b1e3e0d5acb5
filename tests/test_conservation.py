"""Whatever the raw files hold, each row is either kept or in quarantine, once, or one clear error says why."""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from potato import lake
from potato.errors import PotatoError
from potato.families import FAMILIES
from potato.silver import FeatureEngineer

from .test_silver import silver

Study = Callable[..., str]
Files = dict[str, bytes]

MAPPINGS = {
    "weight": {
        "files": "weight/*.csv",
        "unit": "detect",
        "columns": {"subject_id": "who", "date": "date", "weight": "weight", "unit": "unit", "group": "group"},
    },
    "nutrition": {
        "files": "nutrition/*.csv",
        "columns": {
            "subject_id": "who",
            "date": "date",
            "food": "food",
            "energy_kcal": "kcal",
            "protein_g": "protein",
            "carbohydrate_g": "carbs",
            "fat_g": "fat",
            "fiber_g": "fiber",
        },
    },
    "fiber": {"files": "fiber/*.csv", "columns": {"subject_id": "who", "date": "date", "fiber_g": "fiber"}},
}
# A person with a good record in each family, so that most messes reach the end and are not refused as a whole.
GOOD = {
    "weight/good.csv": b"who,date,weight,unit,group\n"
    + b"".join(b"good,2022-05-%02d,80.5,kg,\n" % d for d in range(1, 9)),
    "nutrition/good.csv": b"who,date,food,kcal,protein,carbs,fat,fiber\ngood,2022-05-01,rice,200,4,44,0.5,1\n",
    "fiber/good.csv": b"who,date,fiber\ngood,2022-05-01,1\n",
}

WHO = st.sampled_from(["a", "b", "good", " a ", "", "NA", "é", "a;b", "Ann, B"])
DATE = st.sampled_from(
    [
        *("2022-05-01", "2022-05-02", "2022-05-03T06:00", "1/5/2022", "13/5/2022", "5/13/2022", "1 May 2022", "44682"),
        *("", "-", "2012-05-01", "2999-01-01", "1830-01-01", "30.02.2022", "yesterday", "20220501", "1651363200"),
    ]
)
NUMBER = st.sampled_from(
    [
        *("80", "80.5", "80,5", "176", "176 lb", "80 kg", "12 st 4 lb", "0", "", "NA", "n/a", "-", "~8.5", "3-4"),
        *("12 g", "1,100", "1.100", "1e400", "-3", "nan", "inf", "1046 kJ", "eighty", "9" * 400, "１２", "0x10"),
    ]
)
UNIT = st.sampled_from(["kg", "lb", "LBS", "", "stone", "?"])
TEXT = st.sampled_from(
    ["potato", "Rice, brown", 'a "quoted" word', "4 Weeks", "4  weeks", "", "\t", "line\nbreak", "🥔", "N/A"]
)
CELLS = {"who": WHO, "date": DATE, "unit": UNIT, "group": st.sampled_from(["", "A", " a"]), "food": TEXT, "note": TEXT}


@st.composite
def tables(draw: st.DrawFn, family: str) -> list[list[str]]:
    """Return a header and rows of well-formed cells: columns in any order, one of them perhaps unknown."""
    names = draw(st.permutations([*MAPPINGS[family]["columns"].values(), *draw(st.sampled_from([[], ["note"]]))]))
    rows = draw(st.lists(st.tuples(*(CELLS.get(name, NUMBER) for name in names)), max_size=8))
    again = draw(st.lists(st.sampled_from(rows), max_size=3)) if rows else []
    return [list(names), *map(list, rows), *map(list, again)]


def written(table: list[list[str]], separator: str, newline: str, quoting: int) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator, lineterminator=newline, quoting=quoting).writerows(table)
    return stream.getvalue()


GOOD_ROWS = {"weight/good.csv": 8, "nutrition/good.csv": 1, "fiber/good.csv": 1}
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])
STYLES = st.tuples(st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]), st.sampled_from([0, 1]))


@st.composite
def well_formed(draw: st.DrawFn) -> tuple[Files, Counter[str]]:
    """Return files that a CSV writer wrote, and how many rows csv.reader finds below the header of each."""
    files: Files = {}
    rows: Counter[str] = Counter()
    for family in MAPPINGS:
        for number in range(draw(st.integers(1, 2))):
            style = draw(STYLES)
            text = written(draw(tables(family)), *style)
            name = f"{family}/{number}.csv"
            files[name] = text.encode(draw(ENCODINGS), errors="replace")
            rows[name] = sum(1 for row in csv.reader(io.StringIO(text, newline=""), delimiter=style[0]) if row) - 1
    return files, rows


BREAKS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from(
            [
                b'"',
                b"\n",
                b"\r",
                b"\n\n",
                b"\0",
                b"\xff",
                b"\x81",
                b",",
                b";",
                b'""',
                b",,,,,,,,,\n",
                b"x\n",
                b"who",
                b"\xef\xbb\xbf",
            ]
        ),
    ),
    max_size=4,
)


@st.composite
def messes(draw: st.DrawFn) -> Files:
    """Return files whose bytes are broken in places, and perhaps twice, cut short or empty."""
    files, _ = draw(well_formed())
    for name in sorted(files):
        content = files[name]
        for place, broken in draw(BREAKS):
            at = int(place * len(content))
            content = content[:at] + broken + content[at:]
        content = content[: int(draw(st.sampled_from([1, 1, 1, 0.7, 0])) * len(content))]
        files[name] = content
        if draw(st.booleans()):
            files[name.replace(".csv", " copy.csv")] = content
    return files


def run(study: Study, project: Path, files: Files) -> FeatureEngineer:
    shutil.rmtree(project / "data" / "raw" / "small", ignore_errors=True)
    return silver(study(GOOD | files, collected_until="2022-12-31", **MAPPINGS), project)


def assert_balanced(engineer: FeatureEngineer, project: Path) -> None:
    kept, read = [], []
    for family in FAMILIES:
        cleaned = getattr(engineer.cleaned, family)
        usable = cleaned.filter(cleaned.reason.isnull()).select("source_file", "source_row").to_pyarrow().to_pylist()
        kept += [(family, row["source_file"], row["source_row"]) for row in usable]
        bronze = lake.read(project / "data" / "bronze" / family).to_pylist()
        read += [(family, row["source_file"], row["source_row"]) for row in bronze]
    aside = [(r["family"], r["source_file"], r["source_row"]) for r in engineer.tables["quarantine"].to_pylist()]
    assert sorted([*kept, *aside]) == sorted(set(read))
    for file in engineer.ledger().values():
        assert file["rows_read"] == file["rows_kept"] + sum(file["rows_quarantined"].values())
        assert file["rows_kept"] == sum(row[:2] == (file["family"], file["file"]) for row in kept)
        assert file["rows_read"] == sum(row[:2] == (file["family"], file["file"]) for row in read)
    flagged = {(r["family"], r["source_file"], r["source_row"]) for r in engineer.tables["flags"].to_pylist()}
    assert flagged <= set(kept)


# An example takes a second or two: what fails is shown as it was drawn, since making it smaller would take minutes.
FEW = hypothesis_settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FEW
@given(files=messes())
def test_no_row_is_lost_whatever_the_bytes_are(study: Study, project: Path, files: Files) -> None:
    try:
        engineer = run(study, project, files)
    except PotatoError:
        return
    assert_balanced(engineer, project)


@FEW
@given(drawn=well_formed())
def test_as_many_rows_are_read_as_the_csv_module_finds(
    study: Study, project: Path, drawn: tuple[Files, Counter[str]]
) -> None:
    files, rows = drawn
    engineer = run(study, project, files)
    assert_balanced(engineer, project)
    assert {file["file"]: file["rows_read"] for file in engineer.ledger().values()} == {**GOOD_ROWS, **rows}

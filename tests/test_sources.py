"""Each number of a page has a line that says where it comes from, and the line is true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from potato import origins, pages, site, sources, trails
from potato.columns import source
from potato.gold import ModelingPipeline
from potato.schema import MODELING_DATASET, SUBJECT_TRAJECTORIES, WEEKLY_FEATURES
from potato.sources import Sources
from potato.trails import Trail

from . import silver_frames

RUN = {"run_id": "01930000", "study": "small", "stages": [{"stage": "silver", "run_id": "01930001"}]}
REPORTS = Path(__file__).parents[1] / "reports"


def numbers_of(folder: Path, frames: dict[str, pd.DataFrame]) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return gold's texts by name, and the datasets of silver behind each of gold's datasets."""
    folder.mkdir()
    names = (SUBJECT_TRAJECTORIES.name, MODELING_DATASET.name, WEEKLY_FEATURES.name)
    silver_frames.project(folder, "demo", *(frames[name] for name in names))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POTATO_ROOT", str(folder))
        pipeline = ModelingPipeline("demo")
        pipeline.load_features()
        pipeline.train_models()
        pipeline.validate_models()
        pipeline.generate_reports()
    frames = {"coefficients": pipeline.training.coefficients, "bootstrap": pipeline.bootstrap}
    frames |= {"associations": pipeline.associations, **pipeline.gate.frames}
    traced = origins.of_tables(pipeline.training.fits, pipeline.training.sample, frames)
    behind = {
        name: {source["dataset"] for column in columns.values() for source in column}
        for name, columns in traced.items()
    }
    return pages.flatten(pipeline.numbers), behind


def named(variable: str) -> tuple[str, ...]:
    return sources.VARIABLES.get(variable, sources.VARIABLES.get(variable.partition(".")[0], ()))


def test_a_sentence_changes_only_with_the_datasets_that_its_line_names(tmp_path: Path) -> None:
    changes = silver_frames.modeling(people=24)
    weights = silver_frames.trajectories(people=24)
    left = weights["subject_id"].str[1:].astype(int) % 3 == 2
    frames = {
        SUBJECT_TRAJECTORIES.name: weights[~left | (weights["study_week"] <= 2)].reset_index(drop=True),
        MODELING_DATASET.name: changes,
        WEEKLY_FEATURES.name: changes[WEEKLY_FEATURES.names],
    }
    before, behind = numbers_of(tmp_path / "before", frames)
    random, moved = np.random.default_rng(3), 0
    for number, (dataset, frame) in enumerate(frames.items()):
        other = frame.copy()
        for name in frame.select_dtypes("number").columns.drop("study_week"):
            other[name] = (frame[name] + random.integers(1, 5, len(frame))).astype(frame[name].dtype)
        after, _ = numbers_of(tmp_path / str(number), frames | {dataset: other})
        changed = [name for name, text in before.items() if after[name] != text]
        moved += len(changed)
        for name in changed:
            told = {known for one in named(name) for known in behind.get(one, {one})}
            assert dataset in told, f"{name} comes from {dataset}, too"
    assert moved > 12


def test_every_variable_of_a_page_that_can_hold_a_number_has_a_source() -> None:
    texts = [path.read_text(encoding="utf-8") for path in REPORTS.glob("*.qmd")]
    used = {name for text in texts for name in pages._VARIABLE.findall(text)}
    # What names something, or is about the run itself.
    names = {"study.title", "study.notice", "study.citation", "intake.dose_title", "report.left_out"}
    without = {name for name in used if not named(name)} - names
    assert without == {
        "run.id", "run.trace_id", "run.started", "run.engine", "run.commit", "run.study", "run.mlflow",
    }  # fmt: skip


def some_sources() -> Sources:
    known = [
        Trail("silver/a", "silver/a", rows=3, traced=True, asked=2, checks="data-quality.html#checks-silver-a"),
        Trail("silver/b", "silver/b", rows=3, traced=True),
        Trail(sources.COEFFICIENTS.name, sources.COEFFICIENTS.name, rows=0, traced=True),
        Trail("silver/contract", "the contract of silver", asked=2, checks="data-quality.html#what-was-checked"),
    ]
    return Sources({trail.name: trail for trail in known}, RUN)


def test_a_line_names_each_dataset_with_its_columns_and_its_cell() -> None:
    assert some_sources().line(["silver/a", "silver/contract"]) == (
        "[Source: [`silver/a`](lineage.html#of-silver-a), made by [this cell](run.html#made-silver-a);"
        " [the contract of silver](data-quality.html#what-was-checked), asked in"
        " [this cell](run.html#made-silver-contract).]{.source}"
    )


def test_what_no_cell_makes_leads_to_what_the_page_of_the_run_says_of_it() -> None:
    line = some_sources().line([sources.STUDY, sources.DRIFT, sources.PARAMETERS])
    assert "[`studies/small.yaml`](run.html#make-it-again)" in line
    assert "[`runs/01930001/contracts/drift.json`](run.html#stage-silver)" in line
    assert "[`params.yaml`](run.html#make-it-again)" in line


def test_a_text_without_a_number_has_no_source_and_one_without_models_names_their_data() -> None:
    made = some_sources()
    assert made.of("change.mean_label", "mean change from first to last weigh-in") == ()
    assert made.of("change.mean_kg", "−3.6 kg") == (SUBJECT_TRAJECTORIES.name,)
    without_models = made.of("answer.diet", "With fewer than 5 people no estimate is made.")
    assert without_models == (MODELING_DATASET.name, SUBJECT_TRAJECTORIES.name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{< var a.x >}}\n\nMore: {{< var a.y >}}.", ["1", "More: 2.", "(silver/a)"]),
        ("{{< var a.x >}}\n\n{{< var b.x >}}", ["1", "(silver/a)", "3", "(silver/b)"]),
        ("{{< var a.x >}}\n\n## {{< var b.x >}}\n\nText.", ["1", "(silver/a)", "## 3", "Text."]),
        ("{{< var a.x >}}\n\n{{< include _parts/p.md >}}", ["1", "(silver/a)", "PART"]),
        (
            "::: {.answer}\n{{< var a.x >}}\n\nText\n:::\n\nEnd.",
            ["::: {.answer}\n1\n\nText\n:::", "End.", "(silver/a)"],
        ),
        ("```{=html}\n<p>\n\n```\n\n{{< var a.none >}}", ["```{=html}\n<p>\n\n```", "no number"]),
        ("- {{< var a.x >}} and {{< var b.x >}}", ["- 1 and 3", "(silver/a, silver/b)"]),
    ],
)
def test_a_line_stands_after_each_stretch_of_text_with_numbers_of_the_same_datasets(
    text: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "VARIABLES", {"a": ("silver/a",), "b": ("silver/b",)})
    monkeypatch.setattr(Sources, "line", lambda self, names: f"({', '.join(names)})")
    variables = {"a.x": "1", "a.y": "2", "a.none": "no number", "b.x": "3"}
    context = pages.Context(variables, {"p": "PART"}, sources=some_sources())
    assert pages.expand("index.qmd", text, context) == "\n\n".join(expected) + "\n"


def test_every_part_that_names_no_dataset_itself_has_its_sources() -> None:
    own = {"waterfall", "contents", "dictionary"}
    used = {name for path in REPORTS.glob("*.qmd") for name in pages._INCLUDE.findall(path.read_text(encoding="utf-8"))}
    of_gold = {name for name in used if name.startswith(("figure-", "table-"))} - sources.PARTS.keys()
    assert used - of_gold - own <= sources.PARTS.keys()
    assert of_gold, "gold's figures and tables say it in figures.json and tables.json"
    assert site.PAGES


def test_the_raw_columns_behind_a_dataset_are_told_by_file_and_many_files_are_counted() -> None:
    lineage = {
        "bronze/x": {"kg": [source(f"raw/s/{n}.csv", "kilos", "IDENTITY") for n in range(5)]},
        "silver/x": {"kg": [source("bronze/x", "kg", "IDENTITY")]},
    }
    told = {"inputs": {}, "contracts": [], "row_lineage": {}}
    manifests = {
        stage: {**told, "outputs": {}, "column_lineage": {f"{stage}/x": lineage[f"{stage}/x"]}}
        for stage in ("bronze", "silver")
    }
    found = trails.gather(manifests, gate=True)
    assert trails.raw_columns([found["silver/x"], found["bronze/x"]]) == "5 files: kilos"

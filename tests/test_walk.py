"""From a number of the report to all that made it, in two clicks: small studies of different kinds, in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from potato import lake, renderers
from potato.stage import Stage

from . import browser, walk
from .conftest import WEIGHT, copy_project
from .small_studies import STUDIES

RUN_ID = "01930000-0000-7000-8000-00000000abcd"


def report_of(name: str, root: Path, patch: pytest.MonkeyPatch) -> Path:
    """Run the stages of a small study in a copy of the project; return its site."""
    copy_project(root)
    small = STUDIES[name]
    for file, text in small.files.items():
        lake.write_text(root / "data/raw/small" / file, text)
    content = {"title": "Small", "description": "What 6 people weighed.", "weight": WEIGHT} | small.description
    lake.write_text(root / "studies/small.yaml", yaml.safe_dump(content))
    parameters = root / "params.yaml"
    parameters.write_text(parameters.read_text().replace("study: demo", "study: small"))
    patch.setenv("POTATO_ROOT", str(root))
    patch.setenv("POTATO_RUN_ID", RUN_ID)
    patch.setenv(renderers.QUARTO_VARIABLE, "none")
    patch.delenv("POTATO_STAGING", raising=False)
    patch.chdir(root)
    for stage in ("bronze", "silver", "gold", "report"):
        Stage(stage, root, lambda line: None).execute()
    return root / "_site"


@pytest.mark.skipif(browser.PROGRAM is None, reason="Chromium is not installed: apt-get install chromium")
@pytest.mark.parametrize("name", ["only_weights", "one_person_diary"])
def test_each_number_of_a_small_study_leads_to_all_that_made_it_within_two_clicks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = report_of(name, tmp_path / "project", monkeypatch)
    with browser.browser(tmp_path / "profile") as shown:
        visited = walk.walked(shown, site, tmp_path / "project/data/gold")
    assert "made-silver-subject-trajectories" in visited
    assert "made-gold-models-coefficients" not in visited, "it has no models"

"""Where the numbers of a page come from: the small line under each stretch of text, figure and table.

Figures and tables of gold name their dataset themselves; here stands what the report's sentences, and its own tables,
are made from. A test changes each dataset of silver and sees that no other sentence changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from potato import anchors
from potato.results import ATTRITION, BOOTSTRAP, COEFFICIENTS, COMPLETION, DIAGNOSTICS
from potato.schema import FLAGS, MODELING_DATASET, QUARANTINE, SUBJECT_TRAJECTORIES, SUBJECTS, WEEKLY_FEATURES
from potato.trails import CONTRACT, MANIFEST, Trail, Trails

STUDY, DRIFT, RUN, PARAMETERS, THRESHOLDS = "studies", "drift.json", "runs", "params.yaml", "potato/thresholds.py"

_WEIGHTS, _WEEKS, _MODELLED = SUBJECT_TRAJECTORIES.name, WEEKLY_FEATURES.name, MODELING_DATASET.name
_MANIFESTS = tuple(f"{stage}/{MANIFEST}" for stage in ("bronze", "silver", "gold"))
_CONTRACTS = tuple(f"{stage}/{CONTRACT}" for stage in ("bronze", "silver"))

VARIABLES: Mapping[str, tuple[str, ...]] = {
    "study.description": (STUDY,),
    "cohort": (_WEIGHTS,),
    "cohort.sentence": (_WEIGHTS, _WEEKS),
    "change": (_WEIGHTS,),
    "answer.headline": (_WEIGHTS,),
    "answer.diet": (COEFFICIENTS.name,),
    "answer.can": (_WEIGHTS, _WEEKS, _MODELLED),
    "answer.cannot": (_WEIGHTS, _WEEKS, _MODELLED),
    "answer.caveat": (_WEIGHTS,),
    "trajectories.sentence": (_WEIGHTS,),
    "trajectories.jumps": (FLAGS.name, _WEIGHTS),
    "intake": (_WEEKS,),
    "intake.dose_sentence": (_MODELLED,),
    "models.sentence": (COEFFICIENTS.name, DIAGNOSTICS.name),
    "models.dropped_sentence": (_MODELLED,),
    "models.bootstrap": (BOOTSTRAP.name,),
    "models.slope": (COEFFICIENTS.name,),
    "models.formula": (PARAMETERS,),
    "models.bootstrapping": ("potato/bootstrap.py",),
    "models.correction": ("potato/models.py",),
    "attrition": (ATTRITION.name,),
    "attrition.rule": (STUDY, _WEIGHTS),
    "attrition.weights": (COMPLETION.name,),
    "quality": ("silver/ledger",),
    "files.not_used": ("bronze/ledger",),
    "drift.sentence": (DRIFT,),
    "contracts.sentence": _CONTRACTS,
    "lineage.sentence": _MANIFESTS,
    "run.sentence": (RUN,),
    "report.left_out": (_WEIGHTS, _MODELLED),
    "methods": (THRESHOLDS,),
    "methods.assumptions": (PARAMETERS,),
}
"""What each variable of a page is made from; a name without a dot stands for all of its part that have none of their
own."""
PARTS: Mapping[str, tuple[str, ...]] = {
    "table-ledger": ("silver/ledger",),
    "table-reading": ("bronze/ledger",),
    "table-values": ("silver/ledger",),
    "table-quarantine-reasons": (QUARANTINE.name,),
    "table-quarantine-examples": (QUARANTINE.name,),
    "table-flags": (FLAGS.name,),
    "table-people": (SUBJECTS.name, QUARANTINE.name),
    "table-drift": (DRIFT,),
    "table-drift-rows": (DRIFT,),
    "contracts": _CONTRACTS,
    "lineage-graph": _MANIFESTS,
    "term-lineage": _MANIFESTS,
    "column-lineage": _MANIFESTS,
    "stages": (RUN,),
    "environment": (RUN,),
}
"""What the parts of pages are made from that name no dataset themselves."""
_WITHOUT_MODELS = {COEFFICIENTS.name: (_MODELLED, _WEIGHTS)}
"""What a sentence rests on instead that says why there are no models."""
_NUMBER = re.compile(r"\d")


@dataclass(frozen=True)
class Sources:
    """Writes the line of sources for one study and run.

    Parameters
    ----------
    trails : what leads back from each dataset.
    run : the run's identity, with run_id, study and stages.
    """

    trails: Trails
    run: Mapping[str, Any]

    def of(self, variable: str, text: str) -> tuple[str, ...]:
        """Return what a variable of a page is made from; nothing where its text holds no number."""
        if not _NUMBER.search(text):
            return ()
        found = VARIABLES.get(variable, VARIABLES.get(variable.partition(".")[0], ()))
        return tuple(dict.fromkeys(name for one in found for name in self._there(one)))

    def _there(self, name: str) -> tuple[str, ...]:
        trail = self.trails.get(name)
        return _WITHOUT_MODELS.get(name, ()) if trail and trail.rows == 0 else (name,)

    def line(self, names: Sequence[str]) -> str:
        """Return the line that leads from a number to what made it; empty without a name."""
        told = "; ".join(self._told(name) for name in names)
        return f"[Source: {told}.]{{.source}}" if told else ""

    def _told(self, name: str) -> str:
        if name in self.trails:
            return of_dataset(self.trails[name])
        shown, address = self._file(name)
        return f"[`{shown}`]({address})"

    def _file(self, name: str) -> tuple[str, str]:
        """Return how a file that no cell makes is shown, and the place of the page of the run that tells of it."""
        silver: Any = next((stage for stage in self.run["stages"] if stage["stage"] == "silver"), {})
        again, rest = (f"{anchors.RUN}#{place}" for place in ("make-it-again", "find-the-rest-of-this-run"))
        known = {
            STUDY: (f"studies/{self.run['study']}.yaml", again),
            DRIFT: (f"runs/{silver.get('run_id')}/contracts/drift.json", f"{anchors.RUN}#{anchors.stage('silver')}"),
            RUN: (f"runs/{self.run['run_id']}/", rest),
        }
        return known.get(name, (name, again))


def of_dataset(trail: Trail) -> str:
    """Return the links from a number to its dataset's columns, or checks, and to the cell that made it."""
    shown = f"`{trail.shown}`" if trail.is_file else trail.shown
    if trail.traced:
        shown = f"[{shown}]({anchors.LINEAGE}#{anchors.columns(trail.name)})"
    elif trail.checks:
        shown = f"[{shown}]({trail.checks})"
    return (
        f"{shown}, {'made by' if trail.is_file else 'asked in'} [this cell]({anchors.RUN}#{anchors.cell(trail.name)})"
    )

"""What a calibration found, on the terminal and as docs/calibration.md with its figure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks import coverage
from benchmarks.coverage import Judgement
from potato import words

if TYPE_CHECKING:
    from rich.console import Console

    from potato.figures import Figure

NAMES = {"model": "Drawn from the models' assumptions", "trial": "The demo study, from its raw files"}
_STRIPS = {"model": "Models' assumptions", "trial": "Demo study"}
COVERAGE, BIAS = "Coverage of 95% intervals, %", "Bias, % of the estimate's spread"
STAMP = "<!-- calibration "
_HEADINGS = ("model", "term", "truth", "bias", "spread", "own error", "coverage", "power")


def rows(terms: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each term: Monte Carlo standard errors behind ±, the coverage with its interval."""
    for row in words.rows(terms):
        step = words.term(row.term).step
        yield (
            row.model,
            f"{words.term(row.term).label}, {words.term(row.term).step_short}",
            words.number(row.truth * step, "+.3f"),
            f"{words.number(row.bias * step, '+.4f')} ± {row.bias_error * step:.4f}",
            f"{row.spread * step:.4f}",
            f"{row.std_error * step:.4f}",
            f"{row.coverage:.1%} ({row.coverage_low:.1%} to {row.coverage_high:.1%})",
            f"{row.power:.0%} ± {row.power_error:.0%}",
        )


def verdicts(judgements: Sequence[Judgement]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each judgement."""
    for found in judgements:
        shown = f"{found.coverage:.1%} ± {found.error:.1%}" if found.intervals else "–"
        told = f"{found.verdict}: {found.why}" if found.why else found.verdict
        yield found.model, f"{found.fitted} of {found.trials}", f"{found.intervals:,}", shown, told


def show(terms: pd.DataFrame, judgements: Sequence[Judgement], console: Console) -> None:
    """Print a table of the terms and one of the gate for each scenario."""
    from rich.table import Table

    for scenario in dict.fromkeys(found.scenario for found in judgements):
        mine = [found for found in judgements if found.scenario == scenario]
        for title, headings, cells in (
            (NAMES[scenario], _HEADINGS, list(rows(_of(terms, scenario)))),
            (None, ("model", "trials", "intervals", "pooled coverage", "gate"), list(verdicts(mine))),
        ):
            table = Table(title=title, title_justify="left")
            for i, heading in enumerate(headings):
                table.add_column(heading, justify="left" if i == 0 or heading in ("term", "gate") else "right")
            for line in cells:
                table.add_row(*line)
            console.print(table)
    console.print("Effects are kg a week for the step of the term; behind ± stands the Monte Carlo standard error.")
    console.print(coverage.RULE)


def figure(terms: pd.DataFrame) -> Figure:
    """Draw coverage with Monte Carlo intervals and the band that is wanted, and the bias beside it."""
    import plotnine as p9

    from potato import figures

    data = pd.concat([_panel(terms, COVERAGE), _panel(terms, BIAS)], ignore_index=True)
    measures, scenarios = [COVERAGE, BIAS], [_STRIPS[name] for name in dict.fromkeys(terms["scenario"])]
    models = [words.MODELS.get(name, name) for name in dict.fromkeys(terms["model"])]
    labels = [words.term(name).label for name in dict.fromkeys(terms["term"])]
    for column, levels in (("measure", measures), ("shown", scenarios), ("label", labels[::-1])):
        data[column] = pd.Categorical(data[column], levels)
    data["sign"] = pd.Categorical(data["sign"], models[::-1])
    wanted = {"low": [100 * coverage.LOW, math.nan], "high": [100 * coverage.HIGH, math.nan], "at": [95.0, 0.0]}
    band = pd.DataFrame(wanted | {"measure": pd.Categorical(measures, measures)})
    aside = p9.position_dodge(width=0.7)
    plot = (
        p9.ggplot(data, p9.aes("label", "value", color="sign", shape="sign", group="sign"))
        + p9.geom_rect(
            p9.aes(ymin="low", ymax="high", xmin=-math.inf, xmax=math.inf),
            band.dropna(),
            inherit_aes=False,
            fill="#d9d9d9",
        )
        + p9.geom_hline(p9.aes(yintercept="at"), band, color=figures.INK, size=0.4)
        + p9.geom_linerange(p9.aes(ymin="low", ymax="high"), position=aside, size=0.8)
        + p9.geom_point(position=aside, size=2.6)
        + p9.facet_grid("shown", "measure", scales="free_x")
        + p9.coord_flip()
        + p9.scale_y_continuous(labels=lambda values: [words.number(float(value), "g") for value in values])
        + figures.scales(models, "color", "shape")
        + p9.labs(x="", y="")
        + figures.look()
    )
    ranges = ", ".join(
        f"{_STRIPS[str(scenario)]}: {found.min():.1%} to {found.max():.1%}"
        for scenario, found in terms.groupby("scenario", sort=False)["coverage"]
    )
    told = words.count(len(models), "model")
    alt = f"Coverage of 95% intervals and bias for {told} and {words.count(len(labels), 'term')}. Coverages: {ranges}."
    return figures.Figure("calibration", "", "Calibration", "", alt, "", plot, height=4.8, width=8.4)


def _panel(terms: pd.DataFrame, measure: str) -> pd.DataFrame:
    if measure == COVERAGE:
        ends = {"value": terms["coverage"], "low": terms["coverage_low"], "high": terms["coverage_high"]}
    else:
        middle, half = terms["bias"] / terms["spread"], coverage.Z * terms["bias_error"] / terms["spread"]
        ends = {"value": middle, "low": middle - half, "high": middle + half}
    return pd.DataFrame(
        {name: 100 * values for name, values in ends.items()}
        | {
            "measure": measure,
            "shown": terms["scenario"].map(_STRIPS),
            "sign": terms["model"].map(lambda name: words.MODELS.get(name, name)),
            "label": terms["term"].map(lambda name: words.term(name).label),
        }
    )


def stamp(estimates: pd.DataFrame, fingerprint: str) -> str:
    """Return the line by which a test can see whether the page is of the present definitions and models.

    It holds the fingerprint of the definitions, the number of trials, and each scenario's estimates of its first trial.
    """
    first = estimates[estimates["trial"] == 0]
    found: dict[str, dict[str, float]] = {}
    for row in words.rows(first):
        found.setdefault(row.scenario, {})[f"{row.model} {row.term}"] = float(f"{row.estimate:.6g}")
        found[row.scenario][f"{row.model} {row.term} error"] = float(f"{row.std_error:.6g}")
    counts = estimates.groupby("scenario")["trial"].nunique().to_dict()
    content: dict[str, Any] = {"fingerprint": fingerprint, "trials": counts, "first": found}
    return f"{STAMP}{json.dumps(content, sort_keys=True)} -->"


def read_stamp(page: Path) -> dict[str, Any]:
    """Return what `stamp` wrote into a page."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(STAMP)]
    content: dict[str, Any] = json.loads(lines[0].removeprefix(STAMP).removesuffix(" -->"))
    return content


def write(docs: Path, estimates: pd.DataFrame, judgements: Sequence[Judgement], fingerprint: str) -> None:
    """Write calibration.md and calibration.svg into the folder `docs`."""
    docs.mkdir(parents=True, exist_ok=True)
    terms = coverage.by_term(estimates)
    drawn = figure(terms)
    (docs / "calibration.svg").write_bytes(drawn.files["svg"])
    text = page(terms, judgements, fingerprint, stamp(estimates, fingerprint), drawn)
    (docs / "calibration.md").write_text(text, encoding="utf-8")


def page(terms: pd.DataFrame, judgements: Sequence[Judgement], fingerprint: str, line: str, drawn: Figure) -> str:
    """Return the page as Markdown."""
    failed = [found for found in judgements if found.verdict == "fail"]
    judged = [found for found in judgements if found.verdict != "not judged"]
    answer = (
        f"**No.** {len(failed)} of {len(judged)} fail: " + "; ".join(f"{f.model} ({f.why})" for f in failed) + "."
        if failed
        else f"**Yes**, as far as {judgements[0].trials} simulated trials can tell: where a model is right about its"
        " data, its 95% intervals held the true effect about as often as they say."
    )
    parts = [
        "<!-- Written by `make calibration`; do not edit. -->",
        line,
        "# Do the intervals hold?",
        answer,
        _INTRODUCTION,
        f"![{drawn.alt}](calibration.svg)",
        _CAPTION,
        "## The rule",
        coverage.RULE,
        _HONESTY,
    ]
    for scenario in dict.fromkeys(found.scenario for found in judgements):
        mine = [found for found in judgements if found.scenario == scenario]
        parts += [
            f"## {NAMES[scenario]}",
            _SCENARIOS[scenario],
            _table(("model", "trials", "intervals", "pooled coverage", "gate"), list(verdicts(mine))),
            _table(_HEADINGS, list(rows(_of(terms, scenario)))),
            _bias(_of(terms, scenario)),
        ]
    parts += ["## What these numbers are", _NUMBERS, "## When this page is out of date", _CURRENT.format(fingerprint)]
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = """\
A simulated trial has effects that are known, because they were put in. Gold's models are run on many of them, each
with a seed of its own, and three things are counted. **Bias**: how far the estimates are from the truth on average.
**Coverage**: how often the 95% interval holds the truth; an honest one does so in 95% of trials. **Power**: how
often the interval tells the effect from zero."""

_CAPTION = """\
Points are what was found over the trials, lines their 95% Monte Carlo intervals: the range in which a longer run
may end. The grey band is the 93% to 97% that is wanted. Bias is shown as a share of the scatter of the estimates."""

_HONESTY = """\
The band is as wide as it is because a finite number of trials has an error of its own: with 200 of them the
coverage of one term is known to 1.5 percentage points, and pooled over three terms to about 0.9. A model that is
exactly right would still leave the band in about 3 of 100 runs with other seeds. The seed was chosen before any
result was seen, and is not changed to pass; a longer run (`make calibration TRIALS=1000`) decides what a short one
leaves open."""

_SCENARIOS = {
    "model": """\
Groups, people and weeks are as many as in the demo study. A person has a level of their own that has nothing to do
with diet, and what is left over is independent from week to week. All three models are right about such data, and
all three are judged.""",
    "trial": """\
The demo study is simulated again with another seed. Its raw files go through the code of bronze and silver: pounds
and kilograms, missing days, weights of zero, diaries that are means over the days with a log, people who leave. Two
weekly changes in a row share a weigh-in, so that the noise of one goes into the next with the other sign; a person
who loses much does so in the first week; and a last week has few days. The mixed model takes errors to be
independent and alike, which these are not: its row is shown and not judged. Errors clustered by person allow all of
it, so `ols_cluster` and `fixed_effects` are judged.

The effects act on what was logged. Days without a log therefore take nothing off the estimates here, by the way the
demo study is made. In a real study effects act on what was eaten, a week's log is a sample of it, and estimates
would be drawn towards zero: no calibration on this simulation can show that.""",
}

_NUMBERS = """\
Effects are kg a week for the step of the term. *Spread* is the standard deviation of the estimates over the trials,
*own error* the root mean square of the standard errors that the model itself reports: where they agree, the model
knows how unsure it is. Behind ± stands the Monte Carlo standard error, behind a coverage its 95% interval (Wilson).
The measures are those of Morris, White and Crowther, Using simulation studies to evaluate statistical methods,
Statistics in Medicine 38 (2019)."""

_CURRENT = """\
The page belongs to the definitions with the fingerprint `{}`: the parameters of the simulation, of silver's weeks
and of gold's models, without seeds. A test compares it with what params.yaml says now, and the first trial of each
scenario, whose estimates are kept in this file, with what the models say of it now. When it fails, type `make
calibration`: it takes some minutes, shows its progress, and goes on where it was ended."""


def _bias(terms: pd.DataFrame) -> str:
    """Return what the biases of a scenario amount to, in a sentence."""
    z = terms["bias"].abs() / terms["bias_error"]
    limit = NormalDist().inv_cdf(1 - 0.025 / len(terms))
    off = terms[z > limit]
    if off.empty:
        largest = float((terms["bias"] / terms["spread"]).abs().max())
        return (
            f"No estimate is off by more than chance explains, with {len(terms)} looked at together. The largest bias"
            f" is {largest:.0%} of the scatter of its estimates."
        )
    told = (
        f"{row.model}, {words.term(row.term).label}: {words.number(row.bias / row.truth, '+.0%')} of the effect"
        for row in words.rows(off)
    )
    return f"These estimates are off by more than chance explains: {'; '.join(told)}."


def _table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    first = ["---" if i == 0 or h in ("term", "gate") else "---:" for i, h in enumerate(headings)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, first, *cells))


def _of(terms: pd.DataFrame, scenario: str) -> pd.DataFrame:
    return terms[terms["scenario"] == scenario]

"""One stage of the pipeline: where identity, lock, trace, lineage, contract verdicts and published output meet."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from potato import (
    backend,
    contracts,
    ending,
    lake,
    liveroot,
    lock,
    manifest,
    otlp,
    readings,
    redaction,
    run,
    screen,
    settings,
    work,
)
from potato.errors import PotatoError, nearest
from potato.lineage import Lineage, left_behind, run_ended
from potato.run import Run
from potato.telemetry import Telemetry

Say = Callable[[str], None]


@dataclass
class Stage:
    """One execution of a stage.

    Parameters
    ----------
    name : simulate, bronze, silver, gold or report.
    root : the project's folder.
    say : takes a line of progress for the person at the terminal.
    """

    name: str
    root: Path
    say: Say
    run: run.Run = field(init=False)
    settings: settings.Settings = field(init=False)

    def __post_init__(self) -> None:
        if self.name not in work.OUTPUTS:
            raise PotatoError(
                f"There is no stage called {self.name!r}.",
                expected=f"one of {', '.join(work.OUTPUTS)}",
                found=self.name,
                nearest=nearest(self.name, work.OUTPUTS),
                hint="type `potato run STAGE` with one of these",
            )
        self.settings = settings.load(self.root)
        self.run = run.current(self.root, latest=False)

    def execute(self) -> None:
        """Run the stage and publish its output.

        Raises
        ------
        PotatoError
            when the stage can't do its work; the output that was there before is then untouched.
        """
        with lock.held(self.root, self.name), lock.interruptible() as over:
            started = time.monotonic()
            # Not before: a stage that is refused because another process is at it is not the latest run.
            run.make_latest(self.run.folder)
            if first := ending.is_new(self.run):
                backend.allowance(self.run.folder).renew()
                otlp.allowance(self.run.folder).renew()
            telemetry = Telemetry(self.run, self.name, self.settings.study_name, self._show)
            lineage = Lineage(self.run, self.name, self.root, engine=self.settings.engine)
            state = ending.opening(self.run, self.name, self.settings.study_name, work.OUTPUTS)
            telemetry.below(state.root_span_id)
            with telemetry, self._staging() as staging:
                state = ending.begun(self.run, state, telemetry.span_id)
                telemetry.log("info", "stage started")
                if first:
                    self._close_others(telemetry)
                lineage.start(self._inputs(), again=first)
                document: dict[str, Any] | None = None
                try:
                    liveroot.fill(self.root, self.settings, self.name, self.say)
                    document = work.do(self.name, self.settings, self.run, staging, telemetry)
                    self._measure(telemetry, document, staging)
                    self._enforce(document)
                    self._compare(staging, telemetry)
                    self._publish(staging)
                    liveroot.put(self.root, self.settings, work.OUTPUTS[self.name], self.say)
                except BaseException as error:
                    if over.interrupted and not isinstance(error, KeyboardInterrupt):
                        # What the dying kernel makes of it hides that a person or a signal ended the stage.
                        error = KeyboardInterrupt()
                    lineage.fail(error, document)
                    self._finish(telemetry, state, started, error)
                    self._keep(staging)
                    raise error from None
                self._record(telemetry, readings.of_publication(document, time.time()))
                self._track(document, telemetry)
                lineage.complete(document)
                self._finish(telemetry, state, started)

    def _close_others(self, telemetry: Telemetry) -> None:
        """Tell the end of runs that could not tell it themselves."""
        for other, left in ending.left_open(self.root, self.run):
            try:
                self.ended(other, left, ending.outcome_left(self.root, other, left), telemetry)
            except Exception as error:  # what is left of an earlier run is no reason to lose this one
                telemetry.log("warning", "the end of an earlier run cannot be told", run=other.id, error=str(error))

    def ended(
        self,
        over: Run,
        state: ending.Open,
        outcome: ending.Outcome,
        telemetry: Telemetry,
        error: BaseException | None = None,
    ) -> None:
        """Tell, once, how a run ended: this one, or one that could not tell it itself."""
        if ending.take(over):
            if over.id == self.run.id:
                telemetry.ends_run(over, state, outcome)
                run_ended(over, outcome, _sentence(error) if error else None)
            else:
                moment = ending.last_sign(over)
                telemetry.ends_run(over, state, outcome, moment)
                left_behind(over, outcome, moment)

    def _show(self, entry: Mapping[str, Any]) -> None:
        if line := screen.line(entry):
            self.say(line)

    def _record(self, telemetry: Telemetry, found: Iterable[readings.Reading]) -> None:
        for name, value, attributes in found:
            telemetry.record(name, value, **attributes)

    def _finish(
        self, telemetry: Telemetry, state: ending.Open, started: float, error: BaseException | None = None
    ) -> None:
        seconds = time.monotonic() - started
        status: Literal["ran", "failed"] = "failed" if error else "ran"
        self._record(telemetry, readings.of_memory())
        telemetry.record("potato.stage.duration", seconds, status=status)
        run.record(
            self.run,
            self.name,
            status=status,
            fingerprint=None if error else self._fingerprint(),
            seconds=seconds,
            error=_sentence(error) if error else None,
        )
        said = f"stage failed: {_sentence(error)}" if error else "stage ran"
        telemetry.log("error" if error else "info", said, seconds=round(seconds, 3))
        if outcome := ending.outcome_of(state, error):
            self.ended(self.run, state, outcome, telemetry, error)

    def _inputs(self) -> list[str]:
        """Return the names of the datasets that the stage is about to read."""
        if self.name == "bronze":
            globs = [mapping.files for mapping in self.settings.study.families().values()]
            raw = self.settings.raw
            files = sorted(path.relative_to(raw).as_posix() for glob in globs for path in raw.glob(glob))
            return [f"raw/{self.settings.study_name}/{name}" for name in files]
        before = {"silver": "bronze", "gold": "silver", "report": "gold"}.get(self.name)
        path = self.root / manifest.PATHS[before] if before else None
        return sorted(lake.read_json(path)["outputs"]) if path and path.is_file() else []

    def _measure(self, telemetry: Telemetry, document: dict[str, Any], staging: Path) -> None:
        self._record(telemetry, readings.of_stage(document, staging, self.root))
        for verdict in document["contracts"]:
            if not verdict["success"]:
                telemetry.log_missed(
                    verdict["severity"],
                    verdict["dataset"],
                    verdict["sentence"],
                    verdict["observed"],
                    expectation=verdict["expectation"],
                )
        found = redaction.clean(document["contracts"], redaction.FORM)
        lake.write_json(self.run.folder / "contracts" / f"{self.name}.json", found)

    def _enforce(self, document: dict[str, Any]) -> None:
        """Stop at the gate: an expectation of severity error that failed keeps the output from being published."""
        contracts.enforce(self.name, [manifest.Verdict(**verdict) for verdict in document["contracts"]])

    def _compare(self, staging: Path, telemetry: Telemetry) -> None:
        """Report how far silver's numbers are from the last accepted ones, which are published until the swap."""
        if self.name != "silver":
            return
        from potato import drift

        found = drift.against_published(self.root / "data/silver", staging / "data/silver", self.settings.study_name)
        lake.write_json(self.run.folder / "contracts" / "drift.json", redaction.clean(found, redaction.FORM))
        self._record(telemetry, readings.of_drift(found))
        if any(column["verdict"] == "shifted" for column in found["columns"]):
            telemetry.log("warning", f"{found['sentence']} See the page Data quality.")

    def _publish(self, staging: Path) -> None:
        for output in work.OUTPUTS[self.name]:
            if (staging / output).exists():
                lake.publish(staging / output, self.root / output)

    def _track(self, document: dict[str, Any], telemetry: Telemetry) -> None:
        if self.name == "gold":
            from potato import tracking

            with telemetry.span("track") as span:
                logged = tracking.log_gold(self.run, self.settings, self.root / "data/gold", document["inputs"])
                span.set_attributes({f"mlflow.run_id.{model}": identity for model, identity in logged.items()})

    def _fingerprint(self) -> str:
        if self.name == "report":
            return lake.fingerprint(self.root / work.SITE_STAMP)
        return lake.fingerprint(self.root / work.OUTPUTS[self.name][0])

    @contextlib.contextmanager
    def _staging(self) -> Iterator[Path]:
        """Give a fresh folder on the same file system as the outputs, so that publishing is a rename."""
        folder = self.root / "data" / ".staging" / self.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _keep(self, staging: Path) -> None:
        """Keep what a failed stage had written, beside its notebook."""
        if any(staging.rglob("*.*")):
            kept = self.run.folder / "failed" / self.name
            shutil.rmtree(kept, ignore_errors=True)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(staging, kept)


def _sentence(error: BaseException) -> str:
    # Redacted first: of a secret with several lines the first one alone is harder to find.
    return redaction.redact(str(error) or type(error).__name__).splitlines()[0]

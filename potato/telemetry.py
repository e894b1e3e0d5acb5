"""What happened in a stage and how long it took: spans, metrics and log lines, in files, on screen and over OTLP."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

from potato import cells, ending, jsonlines, manifest, measures, otlp, redaction, spans, tracer
from potato import run as runs
from potato.errors import PotatoError

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

_LEVELS = ("debug", "info", "warning", "error", "critical")
_RESERVED = {"ts", "level", "event", "run_id", "trace_id", "span_id", "stage", "study"}
_logger = logging.getLogger("potato.telemetry")

Show = Callable[[Mapping[str, Any]], None]


class Telemetry:
    """Records one stage of one run. Use it as a context manager; its body is the stage's span.

    Everything is appended to traces.jsonl, metrics.jsonl and logs.jsonl in the run's folder as it happens.
    Where OTEL_EXPORTER_OTLP_ENDPOINT or a variable for one signal is set, and OTEL_SDK_DISABLED is not
    "true", it is also sent by OTLP over HTTP when the stage ends, within `allowance.RUN_SECONDS`. Neither a
    full disk nor a dead collector raises: each is one warning in the log. OpenTelemetry's global providers
    stay as they are. Secrets of the environment are redacted before anything is written or sent.

    Messages of the `potato` loggers are written to logs.jsonl as well, and so is the traceback of an
    exception that leaves the body.

    Parameters
    ----------
    show : gets each log line, for the person at the terminal.
    """

    def __init__(self, run: runs.Run, stage: str, study: str, show: Show | None = None) -> None:
        self.run, self.stage, self.study = run, stage, study
        self._parent = run.parent_span_id
        service = {} if _service_is_named() else {"service.name": "potato"}
        self._service = tracer.resource(service)
        self._resource = self._of_run(run)
        self._sender = otlp.Sender(self._service, self._resource, run.folder)
        self._tracer = tracer.tracer(run.trace_id, self._resource, self._ended)
        self._attributes = {"potato.stage": stage, "potato.study": study}
        self._stack = contextlib.ExitStack()
        self._root: Span | None = None
        self._started, self._clock = 0, 0
        self._bridge = _Bridge(self)
        self._unwritable = False
        self._show = show
        self._missed: dict[str, tuple[str, int]] = {}
        self._ends: list[tuple[runs.Run, ending.Open, ending.Outcome, int | None]] = []

    def below(self, parent_span_id: str) -> None:
        """Put the stage's span below another span of the run; to be called before the body is entered."""
        self._parent = parent_span_id

    def __enter__(self) -> Self:
        """Start the stage's span."""
        logging.getLogger("potato").addHandler(self._bridge)
        parent = Context()
        if self._parent:
            outer = trace.NonRecordingSpan(tracer.context(self.run.trace_id, self._parent))
            parent = trace.set_span_in_context(outer, parent)
        self._started, self._clock = time.time_ns(), time.monotonic_ns()
        self._root = self._tracer.start_span(
            f"stage {self.stage}", parent, attributes=self._attributes, start_time=self._started
        )
        self._stack.enter_context(trace.use_span(self._root))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trail: TracebackType | None
    ) -> None:
        """End the stage's span and send what is to be sent."""
        if error is not None:
            message = error.what if isinstance(error, PotatoError) else str(error)
            self.log(
                "error",
                f"exception: {type(error).__name__}: {' '.join(str(error).split())}",
                error=type(error).__name__,
                message=message,
                traceback="".join(traceback.format_exception(error)),
            )
        # use_span sets the status and keeps the exception as an event of the span.
        self._stack.__exit__(kind, error, trail)
        assert self._root is not None
        if error is not None:
            tracer.interrupted(self._root, error)
        # Not by the clock, which may have been put forward or back since.
        self._root.end(self._started + time.monotonic_ns() - self._clock)
        for run, state, outcome, end in self._ends:
            try:
                self._end_of_run(run, state, outcome, end)
            except Exception as damaged:  # what is left of an earlier run is no reason to lose this one
                self.log("warning", "the end of a run cannot be told", run=run.id, error=str(damaged))
        for outcome in ending.OUTCOMES:
            # A series that begins at one has not increased: each begins at zero.
            labels = {"study": self.study, "outcome": outcome}
            self._sender.add_measurement(measures.find("potato.run.outcomes"), 0, labels, Context())
        self._sender.send()
        logging.getLogger("potato").removeHandler(self._bridge)

    @contextlib.contextmanager
    def span(self, name: str, **attributes: object) -> Iterator[Span]:
        """Time a part of the stage; yields the span, whose `set_attribute` adds what is known later."""
        with self._tracer.start_as_current_span(
            name, self._context(), attributes=self._attributes | _plain(attributes)
        ) as span:
            try:
                yield span
            except BaseException as error:
                tracer.interrupted(span, error)
                raise

    def notebook_spans(self, notebook: Mapping[str, Any], kernel: Path | None = None) -> None:
        """Add a span for each code cell of a notebook (nbformat 4) that papermill executed, and for what ran in it.

        A cell's span is named by the heading above it and carries the cell's index, its tags and the error that ended
        it. `kernel` is the file in which `potato.spans` left the spans of library code: each becomes a child of the
        cell in whose time it started.
        """
        known = []
        for cell in cells.executed(notebook):
            attributes = {"cell.index": cell.index, "cell.status": cell.status, "cell.tags": ",".join(cell.tags)}
            past = tracer.Past(
                cell.heading,
                tracer.new_span_id(),
                self.span_id,
                cell.start,
                cell.end,
                self._attributes | _plain(attributes),
                cell.error,
            )
            known.append(past)
            self._add(past)
        for entry in spans.taken(kernel) if kernel else ():
            around = (cell for cell in reversed(known) if cell.start <= entry["start"])
            parent = next((cell.span_id for cell in around if entry["start"] <= cell.end), self.span_id)
            self._add(_inner(entry, parent, self._attributes))
            for line in entry["attributes"].get(manifest.MISSED, "").splitlines():
                self._missed[line] = entry["span_id"], entry["end"]

    def ends_run(self, run: runs.Run, state: ending.Open, outcome: ending.Outcome, end: int | None = None) -> None:
        """Tell, when the stage is over, that a run ended: its span and its outcome.

        `run` is this run, whose last stage this is, or one that was killed; `end` is when, in nanoseconds since 1970,
        and now by default.
        """
        self._ends.append((run, state, outcome, end))

    def record(self, name: str, value: float, **attributes: object) -> None:
        """Record a value of one of `measures.METRICS`; study and stage are added where it has these attributes.

        Raises
        ------
        ValueError : no metric has this name, or its attributes are others.
        """
        metric = measures.find(name)
        around = {"study": self.study, "stage": self.stage}
        labels = measures.labels(metric, around, _plain(attributes))
        self._sender.add_measurement(metric, value, labels, self._context())
        self._write(
            "metrics.jsonl",
            {
                "ts": runs.now(),
                "metric": name,
                "value": value,
                "unit": metric.unit,
                "kind": metric.kind,
                "run_id": self.run.id,
                "trace_id": self.run.trace_id,
                "attributes": labels,
            },
        )

    def log_missed(self, level: str, dataset: str, sentence: str, observed: str, **fields: object) -> None:
        """Log an expectation that missed as what it is: something that its contract said, when it was asked."""
        line = redaction.redact(manifest.told(dataset, sentence, observed))
        at, when = self._missed.get(line, (None, None))
        told = {"dataset": dataset, "sentence": sentence, "observed": observed}
        self.log(level, f"expectation missed: {line}", at=at, when=when, **told, **fields)

    def log(self, level: str, event: str, *, at: str | None = None, when: int | None = None, **fields: object) -> None:
        """Append a line to logs.jsonl; a field named like one of the line's own gets an underscore.

        `event` is all that some readers show: it says what happened, and `fields` the same for programs.
        `at` is the id of the span that the line belongs to; by default it is the one that is open. `when` is the time
        of what the line tells, in nanoseconds since 1970, where that was not just now.
        """
        level = level.lower() if level.lower() in _LEVELS else "info"
        context = self._context()
        if at:
            context = trace.set_span_in_context(trace.NonRecordingSpan(tracer.context(self.run.trace_id, at)))
        extra = redaction.clean({f"{name}_" if name in _RESERVED else name: value for name, value in fields.items()})
        line = {
            "ts": runs.at(when) if when else runs.now(),
            "level": level,
            "event": jsonlines.text(redaction.redact(event)),
            "run_id": self.run.id,
            "trace_id": self.run.trace_id,
            "span_id": f"{trace.get_current_span(context).get_span_context().span_id:016x}",
            "stage": self.stage,
            "study": self.study,
        } | extra
        self._sender.add_log(level, str(line["event"]), self._attributes | _plain(extra), context, when)
        self._write("logs.jsonl", line)
        if self._show is not None:
            self._show(line)

    @property
    def span_id(self) -> str:
        """The id of the stage's span."""
        assert self._root is not None
        return f"{self._root.get_span_context().span_id:016x}"

    @property
    def shows(self) -> bool:
        """Whether a person sees the log lines."""
        return self._show is not None

    @property
    def traceparent(self) -> str:
        """The W3C header that makes a child process's spans children of the span that is open now."""
        span = trace.get_current_span(self._context()).get_span_context()
        return f"00-{self.run.trace_id}-{span.span_id:016x}-01"

    def _context(self) -> Context:
        """Return a context with the innermost open span of this stage, whichever thread asks for it."""
        here = trace.get_current_span()
        ours = here.get_span_context().trace_id == int(self.run.trace_id, 16)
        return trace.set_span_in_context(here if ours or self._root is None else self._root)

    def _of_run(self, run: runs.Run) -> Resource:
        return tracer.of_run(self._service, run.id)

    def _end_of_run(self, run: runs.Run, state: ending.Open, outcome: ending.Outcome, end: int | None) -> None:
        over = time.time_ns() if end is None else end
        if run.id != self.run.id and outcome == "aborted":
            told = jsonlines.read(run.folder / "traces.jsonl")
            if all(span.get("span_id") != state.stage_span_id for span in told):
                self._killed_stage(run, state, over)
        attributes = {"potato.study": state.study, "potato.outcome": outcome}
        error = None if outcome == "succeeded" else f"the run {outcome}"
        started = min(state.began or tracer.nanoseconds(run.started), over)
        past = tracer.Past(state.name, state.root_span_id, state.parent_span_id, started, over, attributes, error)
        self._add(past, run)
        self.record("potato.run.outcomes", 1, study=state.study, outcome=outcome)

    def _killed_stage(self, run: runs.Run, state: ending.Open, end: int) -> None:
        """Add the span that a killed stage could not end, so that the spans below it have their parent."""
        attributes, start = {"potato.stage": state.stage, "potato.study": state.study}, state.stage_started
        name, parent = f"stage {state.stage}", state.root_span_id
        self._add(tracer.Past(name, state.stage_span_id, parent, start, end, attributes, "killed"), run)
        for entry in spans.taken(kernel_file(run, state.stage)):
            self._add(_inner(entry, state.stage_span_id, attributes), run)

    def _add(self, past: tracer.Past, run: runs.Run | None = None) -> None:
        """Write and keep a span that is over, of this run or another one."""
        run = run or self.run
        resource = self._resource if run.id == self.run.id else self._of_run(run)
        self._ended(tracer.finished(past, run.trace_id, resource), run)

    def _ended(self, span: ReadableSpan, run: runs.Run | None = None) -> None:
        run, span = run or self.run, tracer.redacted(span)
        self._sender.add_span(tracer.cut(span, f"runs/{run.id}/traces.jsonl"))
        line = tracer.line(span)
        about = {name: line["attributes"].get(f"potato.{name}") for name in ("stage", "study")}
        self._write("traces.jsonl", line | {"run_id": run.id} | about, run)

    def _write(self, name: str, entry: Mapping[str, Any], run: runs.Run | None = None) -> None:
        try:
            runs.append((run or self.run).folder / name, entry)
        except OSError as error:
            if not self._unwritable:
                self._unwritable = True  # first, because this warning comes back here through the bridge
                _logger.warning("The run's records cannot be written: %s", error)


class _Bridge(logging.Handler):
    """Writes what the `potato` loggers say to logs.jsonl."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        self._telemetry = telemetry

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info:
            fields["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        self._telemetry.log(record.levelname, record.getMessage(), **fields)
        alone = logging.getLogger("potato").handlers == [self] and not logging.getLogger().handlers
        # Without this handler logging would have shown the warning; a file is no reason to hide it.
        if alone and not self._telemetry.shows and logging.lastResort and record.levelno >= logging.lastResort.level:
            record.msg, record.args = redaction.redact(record.getMessage()), ()
            logging.lastResort.handle(record)


def kernel_file(run: runs.Run, stage: str) -> Path:
    """Return where the kernel of a stage leaves its spans until they are taken over."""
    return run.folder / f".spans-{stage}.jsonl"


def _inner(entry: Mapping[str, Any], parent: str, attributes: Mapping[str, Any]) -> tracer.Past:
    return tracer.Past(
        entry["name"],
        entry["span_id"],
        entry["parent_span_id"] or parent,
        entry["start"],
        entry["end"],
        {**attributes, **entry["attributes"]},
        entry["error"],
    )


def _service_is_named() -> bool:
    return bool(os.environ.get("OTEL_SERVICE_NAME")) or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )


def _plain(attributes: Mapping[str, object]) -> dict[str, Any]:
    return {
        jsonlines.text(name): value if isinstance(value, bool | int | float) else jsonlines.text(str(value))
        for name, value in attributes.items()
        if value is not None
    }

"""What happened in a stage and how long it took: spans, metrics and log lines, in files and over OTLP."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanContext, Status, StatusCode, TraceFlags

from potato import cells, measures, otlp
from potato import run as runs
from potato.errors import PotatoError

_LEVELS = ("debug", "info", "warning", "error", "critical")
_RESERVED = {"ts", "level", "event", "run_id", "trace_id", "span_id", "stage", "study"}
_logger = logging.getLogger("potato.telemetry")


class Telemetry:
    """Records one stage of one run. Use it as a context manager; its body is the stage's span.

    Everything is appended to traces.jsonl, metrics.jsonl and logs.jsonl in the run's folder as it happens.
    Where OTEL_EXPORTER_OTLP_ENDPOINT or a variable for one signal is set, and OTEL_SDK_DISABLED is not
    "true", it is also sent by OTLP over HTTP when the stage ends, within `otlp.DEADLINE_SECONDS`. Neither a
    full disk nor a dead collector raises: each is one warning in the log. OpenTelemetry's global providers
    stay as they are.

    Messages of the `potato` loggers are written to logs.jsonl as well, and so is the traceback of an
    exception that leaves the body.
    """

    def __init__(self, run: runs.Run, stage: str, study: str) -> None:
        self.run, self.stage, self.study = run, stage, study
        service = {} if _service_is_named() else {"service.name": "potato"}
        resource = Resource.create({**service, "potato.run_id": run.id})
        self._sender = otlp.Sender(Resource.create(service), resource)
        with _enabled():
            provider = TracerProvider(
                sampler=ALWAYS_ON,
                resource=resource,
                shutdown_on_exit=False,
                id_generator=_Ids(int(run.trace_id, 16)),
            )
        provider.add_span_processor(_Recorder(self))
        self._tracer = provider.get_tracer("potato")
        self._attributes = {"potato.stage": stage, "potato.study": study}
        self._stack = contextlib.ExitStack()
        self._root: Span | None = None
        self._bridge = _Bridge(self)
        self._unwritable = False

    def __enter__(self) -> Self:
        """Start the stage's span."""
        logging.getLogger("potato").addHandler(self._bridge)
        parent = Context()
        if self.run.parent_span_id:
            outer = SpanContext(
                int(self.run.trace_id, 16),
                int(self.run.parent_span_id, 16),
                True,
                TraceFlags(TraceFlags.SAMPLED),
            )
            parent = trace.set_span_in_context(trace.NonRecordingSpan(outer), parent)
        self._root = self._tracer.start_span(f"stage {self.stage}", parent, attributes=self._attributes)
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
                "stage failed",
                error=type(error).__name__,
                message=message,
                traceback="".join(traceback.format_exception(error)),
            )
        # use_span sets the status and keeps the exception as an event of the span.
        self._stack.__exit__(kind, error, trail)
        assert self._root is not None
        self._root.end()
        self._sender.send()
        logging.getLogger("potato").removeHandler(self._bridge)

    @contextlib.contextmanager
    def span(self, name: str, **attributes: object) -> Iterator[Span]:
        """Time a part of the stage; yields the span, whose `set_attribute` adds what is known later."""
        with self._tracer.start_as_current_span(
            name, self._context(), attributes=self._attributes | _plain(attributes)
        ) as span:
            yield span

    def cell_spans(self, notebook: Mapping[str, Any]) -> None:
        """Add a span for each code cell of a notebook (nbformat 4) that papermill executed.

        A span is named by the last heading above its cell and carries the cell's index, its tags and the
        error that ended it.
        """
        for cell in cells.executed(notebook):
            attributes = {
                "cell.index": cell.index,
                "cell.status": cell.status,
                "cell.tags": ",".join(cell.tags),
            }
            span = self._tracer.start_span(
                cell.heading,
                self._context(),
                attributes=self._attributes | _plain(attributes),
                start_time=cell.start,
            )
            if cell.error:
                span.set_status(Status(StatusCode.ERROR, cell.error))
            span.end(cell.end)

    def record(self, name: str, value: float, **attributes: object) -> None:
        """Record a value of one of `measures.METRICS`; study and stage are added where it has these attributes.

        Raises
        ------
        ValueError : no metric has this name, or its attributes are others.
        """
        metric = measures.find(name)
        labels = measures.labels(metric, {"study": self.study, "stage": self.stage}, _plain(attributes))
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

    def log(self, level: str, event: str, **fields: object) -> None:
        """Append a line to logs.jsonl; a field named like one of the line's own gets an underscore."""
        level = level.lower() if level.lower() in _LEVELS else "info"
        context = self._context()
        line = {
            "ts": runs.now(),
            "level": level,
            "event": event,
            "run_id": self.run.id,
            "trace_id": self.run.trace_id,
            "span_id": _hex(trace.get_current_span(context).get_span_context().span_id, 16),
            "stage": self.stage,
            "study": self.study,
        }
        extra = {f"{name}_" if name in _RESERVED else name: value for name, value in fields.items()}
        self._sender.add_log(level, event, self._attributes | _plain(extra), context)
        self._write("logs.jsonl", line | extra)

    @property
    def traceparent(self) -> str:
        """The W3C header that makes a child process's spans children of the span that is open now."""
        span = trace.get_current_span(self._context()).get_span_context()
        return f"00-{self.run.trace_id}-{_hex(span.span_id, 16)}-01"

    def _context(self) -> Context:
        """Return a context with the innermost open span of this stage, whichever thread asks for it."""
        here = trace.get_current_span()
        ours = here.get_span_context().trace_id == int(self.run.trace_id, 16)
        return trace.set_span_in_context(here if ours or self._root is None else self._root)

    def _ended(self, span: ReadableSpan) -> None:
        self._sender.add_span(span)
        context, start, end = span.get_span_context(), span.start_time or 0, span.end_time or 0
        assert context is not None
        self._write(
            "traces.jsonl",
            {
                "name": span.name,
                "trace_id": _hex(context.trace_id, 32),
                "span_id": _hex(context.span_id, 16),
                "parent_span_id": _hex(span.parent.span_id, 16) if span.parent else None,
                "start": _moment(start),
                "end": _moment(end),
                "seconds": round((end - start) / 1e9, 6),
                "status": span.status.status_code.name.lower(),
                "message": span.status.description,
                "run_id": self.run.id,
                "stage": self.stage,
                "study": self.study,
                "attributes": dict(span.attributes or {}),
                "events": [
                    {
                        "name": event.name,
                        "ts": _moment(event.timestamp),
                        "attributes": dict(event.attributes or {}),
                    }
                    for event in span.events
                ],
            },
        )

    def _write(self, name: str, entry: Mapping[str, Any]) -> None:
        try:
            runs.append(self.run.folder / name, entry)
        except OSError as error:
            if not self._unwritable:
                self._unwritable = True  # first, because this warning comes back here through the bridge
                _logger.warning("The run's records cannot be written: %s", error)


class _Recorder(SpanProcessor):
    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def on_end(self, span: ReadableSpan) -> None:
        self._telemetry._ended(span)


class _Ids(IdGenerator):
    """Gives every span without a parent the run's trace id."""

    def __init__(self, trace_id: int) -> None:
        self._trace_id = trace_id

    def generate_trace_id(self) -> int:
        return self._trace_id

    def generate_span_id(self) -> int:
        # Not `random`, whose seed an analysis may set: two stages would then make the same ids.
        return secrets.randbits(64) or 1


class _Bridge(logging.Handler):
    """Writes what the `potato` loggers say to logs.jsonl."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__()
        self._telemetry = telemetry

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {"logger": record.name}
        if record.exc_info:
            fields["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        self._telemetry.log(record.levelname, record.getMessage(), **fields)
        alone = logging.getLogger("potato").handlers == [self] and not logging.getLogger().handlers
        # Without this handler logging would have shown the warning; a file is no reason to hide it.
        if alone and logging.lastResort and record.levelno >= logging.lastResort.level:
            logging.lastResort.handle(record)


@contextlib.contextmanager
def _enabled() -> Iterator[None]:
    """Make a provider that works although OTEL_SDK_DISABLED is set: it only writes the run's own files."""
    setting = os.environ.pop("OTEL_SDK_DISABLED", None)
    try:
        yield
    finally:
        if setting is not None:
            os.environ["OTEL_SDK_DISABLED"] = setting


def _service_is_named() -> bool:
    return bool(os.environ.get("OTEL_SERVICE_NAME")) or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )


def _plain(attributes: Mapping[str, object]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | bool | int | float) else str(value)
        for name, value in attributes.items()
        if value is not None
    }


def _hex(number: int, digits: int) -> str:
    return f"{number:0{digits}x}"


def _moment(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

"""OpenTelemetry's spans of one run: their ids, spans that somebody else timed, and a span as a line of JSON."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opentelemetry.trace import Span, SpanContext, Status, StatusCode, TraceFlags, Tracer

from potato import jsonlines, redaction

_MEANT = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_", "OTEL_PYTHON_EXPORTER_OTLP_")
"""The SDK's variables that are for us, by their beginnings."""


@contextlib.contextmanager
def meant() -> Iterator[None]:
    """Load and make what works whatever the SDK's other variables say: ours are those that are meant for us.

    A limit that is not a number, or a provider that nobody knows, would raise, as early as in an import; and a limit
    that is one would cut off what a person looks for.
    """
    saved = {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}
    for name in saved:
        if not name.startswith(_MEANT):
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(saved)


with meant():
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

SCOPE = "potato"
_logger = logging.getLogger("potato.telemetry")
MOST = 4000
"""Letters of an attribute that go to a collector; traces.jsonl holds all of them."""


@dataclass(frozen=True)
class Past:
    """A span that somebody else timed.

    Attributes
    ----------
    span_id, parent_span_id : 16 hexadecimal digits; no parent for the first span of a trace.
    start, end : nanoseconds since 1970 in UTC.
    error : what ended it, or None.
    """

    name: str
    span_id: str
    parent_span_id: str | None
    start: int
    end: int
    attributes: Mapping[str, Any]
    error: str | None = None


def tracer(trace_id: str, resource: Resource, ended: Callable[[ReadableSpan], None]) -> Tracer:
    """Return a tracer of its own for the trace; `ended` gets each span when it ends."""
    with meant():
        provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False, id_generator=_Ids(int(trace_id, 16))
        )
        provider.add_span_processor(_Recorder(ended))
        return provider.get_tracer(SCOPE)


def resource(attributes: Mapping[str, str]) -> Resource:
    """Return the attributes with those of the environment and of the process."""
    try:
        with meant():
            return Resource.create(dict(attributes))
    except Exception as error:  # whatever a detector that is plugged in does
        _logger.warning("OpenTelemetry cannot describe this process: %s", error)
        return Resource(dict(attributes))


def of_run(service: Resource, run_id: str) -> Resource:
    """Return the attributes of a process with those of its run."""
    return service.merge(Resource({"potato.run_id": run_id}))


def interrupted(span: Span, error: BaseException) -> None:
    """Tell in a span that a signal ended it: OpenTelemetry itself tells exceptions and no interruption."""
    if not isinstance(error, Exception):
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}".rstrip(": ")))


def new_span_id() -> str:
    """Return 16 hexadecimal digits, not by `random`: its seed is an analysis's to set, and would repeat them."""
    return f"{secrets.randbits(64) or 1:016x}"


def context(trace_id: str, span_id: str) -> SpanContext:
    """Return the context of a span of another process."""
    return SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(TraceFlags.SAMPLED))


def finished(past: Past, trace_id: str, resource: Resource) -> ReadableSpan:
    """Return a span that is over, as OpenTelemetry's exporters take it."""
    return ReadableSpan(
        past.name,
        context(trace_id, past.span_id),
        context(trace_id, past.parent_span_id) if past.parent_span_id else None,
        resource,
        dict(past.attributes),
        status=Status(StatusCode.ERROR, past.error) if past.error else Status(),
        start_time=past.start,
        end_time=past.end,
        instrumentation_scope=InstrumentationScope(SCOPE),
    )


def redacted(span: ReadableSpan) -> ReadableSpan:
    """Return the span without the secrets of the environment, in texts that UTF-8 can hold."""
    events = [Event(_told(event.name), _all_told(event.attributes), event.timestamp) for event in span.events]
    told = span.status.description
    status = Status(span.status.status_code, _told(told) if told else told)
    return _with(span, _told(span.name), _all_told(span.attributes), events, status)


def _told(text: str) -> str:
    return jsonlines.text(redaction.redact(text))


def _all_told(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    cleaned = redaction.clean(dict(attributes or {}))
    return {
        jsonlines.text(name): jsonlines.text(value) if isinstance(value, str) else value
        for name, value in cleaned.items()
    }


def cut(span: ReadableSpan, file: str) -> ReadableSpan:
    """Return the span as a collector gets it: a text of more than MOST letters ends with where the whole one is.

    Collectors and their stores refuse a span that is too large, or cut it and do not say so. `file` names the file in
    which the span is whole.
    """
    attributes = dict(span.attributes or {})
    long = {name: value for name, value in attributes.items() if isinstance(value, str) and len(value) > MOST}
    if not long:
        return span
    for name, value in long.items():
        attributes[name] = f"{value[:MOST]} [cut here: {MOST:,} of {len(value):,} characters; the rest is in {file}]"
    return _with(span, span.name, attributes, span.events, span.status)


def _with(
    span: ReadableSpan, name: str, attributes: Mapping[str, Any], events: Sequence[Event], status: Status
) -> ReadableSpan:
    return ReadableSpan(
        name,
        span.get_span_context(),
        span.parent,
        span.resource,
        attributes,
        events,
        status=status,
        start_time=span.start_time,
        # A clock that was put back in between.
        end_time=max(span.start_time or 0, span.end_time or 0),
        instrumentation_scope=span.instrumentation_scope,
    )


def line(span: ReadableSpan) -> dict[str, Any]:
    """Return the span as traces.jsonl has it, without what is said of its run."""
    own, start, end = span.get_span_context(), span.start_time or 0, span.end_time or 0
    assert own is not None
    return {
        "name": span.name,
        "trace_id": f"{own.trace_id:032x}",
        "span_id": f"{own.span_id:016x}",
        "parent_span_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "start": moment(start),
        "end": moment(end),
        "seconds": round((end - start) / 1e9, 6),
        "status": span.status.status_code.name.lower(),
        "message": span.status.description,
        "attributes": dict(span.attributes or {}),
        "events": [
            {"name": event.name, "ts": moment(event.timestamp), "attributes": dict(event.attributes or {})}
            for event in span.events
        ],
    }


def moment(nanoseconds: int) -> str:
    """Return a time in UTC to the microsecond, in ISO 8601."""
    told = datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC)
    return told.isoformat(timespec="microseconds").replace("+00:00", "Z")


def nanoseconds(text: str) -> int:
    """Return an ISO 8601 time as nanoseconds since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1e6) * 1000


class _Recorder(SpanProcessor):
    def __init__(self, ended: Callable[[ReadableSpan], None]) -> None:
        self._ended = ended

    def on_end(self, span: ReadableSpan) -> None:
        self._ended(span)


class _Ids(IdGenerator):
    """Gives every span without a parent the run's trace id."""

    def __init__(self, trace_id: int) -> None:
        self._trace_id = trace_id

    def generate_trace_id(self) -> int:
        return self._trace_id

    def generate_span_id(self) -> int:
        return int(new_span_id(), 16)

"""OpenTelemetry's spans of one run: their ids, spans that somebody else timed, and a span as a line of JSON."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags, Tracer

from potato import redaction

SCOPE = "potato"
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
    with _enabled():
        provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False, id_generator=_Ids(int(trace_id, 16))
        )
    provider.add_span_processor(_Recorder(ended))
    return provider.get_tracer(SCOPE)


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
    """Return the span without the secrets of the environment."""
    events = [
        Event(redaction.redact(event.name), redaction.clean(dict(event.attributes or {})), event.timestamp)
        for event in span.events
    ]
    told = span.status.description
    return _with(
        span,
        redaction.redact(span.name),
        redaction.clean(dict(span.attributes or {})),
        events,
        Status(span.status.status_code, redaction.redact(told) if told else told),
    )


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
        end_time=span.end_time,
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


@contextlib.contextmanager
def _enabled() -> Iterator[None]:
    """Make a provider that works whatever the SDK's variables say: it only writes the run's own files."""
    saved = dict(os.environ)
    for name in saved:
        # A limit that is not a number would raise, and one that is would cut off what a person looks for.
        if name == "OTEL_SDK_DISABLED" or (name.startswith("OTEL_") and name.endswith("_LIMIT")):
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(saved)

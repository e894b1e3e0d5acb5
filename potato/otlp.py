"""Sends a stage's spans, metrics and logs to a collector: OTLP over HTTP, in a bounded time."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from potato import tracer
from potato.allowance import RUN_SECONDS, Allowance
from potato.measures import Metric

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

REQUEST_SECONDS = 0.8
"""Time for one request. The SDK waits at least this long before it repeats one, so none is repeated.
OTEL_EXPORTER_OTLP_TIMEOUT is not used: the specification counts it in milliseconds and the Python SDK in
seconds, so that a valid value can mean hours of waiting for a dead collector."""

_LEAST_SECONDS = 0.1
_WRITES = {"counter": "add", "gauge": "set", "histogram": "record"}
_SIGNALS = ("traces", "metrics", "logs")
_logger = logging.getLogger("potato.telemetry")


def allowance(folder: Path) -> Allowance:
    """Return what the run with this folder may still wait for its collector."""
    return Allowance(folder / ".waited-otlp")


def endpoints() -> dict[str, str]:
    """Return the endpoint that the standard environment variables give for each signal that is to be sent."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return {}
    found = {}
    for signal in _SIGNALS:
        own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
        shared = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
        switched_off = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower() == "none"
        if (own or shared) and not switched_off:
            found[signal] = own or f"{shared.rstrip('/')}/v1/{signal}"
    return found


class Sender:
    """Holds what a stage records for a collector and sends it once, when the stage ends.

    A stage is a short batch job: sending once is cheaper than a thread that sends every few seconds, and one
    bounded wait at the end is the only time that a dead collector can cost: the signals go side by side, and what is
    not through when the run's allowance is used up is given up, which is said once a run. What was recorded is in the
    run's files in any case.

    Parameters
    ----------
    resource : attributes of the process, without the run: they name the time series of the metrics.
    run_resource : the same with the run's id, for spans and logs.
    folder : the run's. What counters and histograms have counted in earlier stages and runs is beside it.
    """

    def __init__(self, resource: Resource, run_resource: Resource, folder: Path) -> None:
        self.endpoints = endpoints()
        self._allowance = allowance(folder)
        self._spans: list[ReadableSpan] = []
        self._totals = folder.parent / "totals.json"
        self._reader: Any = None
        self._meter: Any = None
        self._instruments: dict[str, Any] = {}
        self._logs: Any = None
        self._log_provider: Any = None
        if not self.endpoints:
            return
        _say_when_grpc_was_meant(self.endpoints)
        try:
            self._prepare(resource, run_resource)
        except Exception as error:  # a mistake in the SDK's settings is no reason to lose a run
            self._warn(f"{type(error).__name__}: {error}")
            self.endpoints = {}
            self._meter = self._reader = self._logs = self._log_provider = None

    def _prepare(self, resource: Resource, run_resource: Resource) -> None:
        if "metrics" in self.endpoints:
            from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
            from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

            temporality = AggregationTemporality.DELTA if _is_delta() else AggregationTemporality.CUMULATIVE
            self._reader = InMemoryMetricReader(dict.fromkeys((Counter, Histogram), temporality))
            provider = MeterProvider([self._reader], resource, shutdown_on_exit=False)
            self._meter = provider.get_meter("potato")
        if "logs" in self.endpoints:
            from opentelemetry.sdk._logs import LoggerProvider
            from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

            self._logs = InMemoryLogRecordExporter()
            self._log_provider = LoggerProvider(run_resource, shutdown_on_exit=False)
            self._log_provider.add_log_record_processor(SimpleLogRecordProcessor(self._logs))

    def add_span(self, span: ReadableSpan) -> None:
        """Keep a finished span."""
        if "traces" in self.endpoints:
            self._spans.append(span)

    def add_measurement(self, metric: Metric, value: float, attributes: Mapping[str, Any], context: Any) -> None:
        """Add to what `metric` describes; `context` carries the span that a histogram keeps as an example."""
        if self._meter is None:
            return
        if metric.name not in self._instruments:
            create = getattr(self._meter, f"create_{metric.kind}")
            bounds = {"explicit_bucket_boundaries_advisory": metric.bounds} if metric.bounds else {}
            self._instruments[metric.name] = create(metric.name, metric.unit, metric.description, **bounds)
        instrument = self._instruments[metric.name]
        getattr(instrument, _WRITES[metric.kind])(value, attributes, context)

    def add_log(
        self, level: str, event: str, attributes: Mapping[str, Any], context: Any, when: int | None = None
    ) -> None:
        """Keep a log record; `context` carries the span that it belongs to, `when` its time in ns, now by default."""
        if self._log_provider is None:
            return
        from opentelemetry._logs import SeverityNumber

        severity = {"warning": "WARN", "critical": "FATAL"}.get(level, level.upper())
        self._log_provider.get_logger("potato").emit(
            timestamp=when or time.time_ns(),
            context=context,
            severity_number=SeverityNumber[severity],
            severity_text=severity,
            body=event,
            attributes=attributes,
        )

    def send(self) -> None:
        """Send everything in the time that the run has left; log one warning when something did not arrive."""
        # The exporters are imported here and not by the threads: that is no waiting for a collector.
        jobs = self._jobs()
        left = self._allowance.left()
        if not jobs:
            return
        if left < _LEAST_SECONDS:
            self._warn(f"this run has waited {RUN_SECONDS - left:.1f} seconds for it already")
            return
        refused: list[str] = []
        with _errors_of_the_sdk() as errors, self._allowance.spent():
            # Daemon threads: a request that outlives the deadline must not keep the process alive.
            threads = {
                signal: threading.Thread(
                    target=_guarded, args=(job, errors, refused, signal), name=f"otlp-{signal}", daemon=True
                )
                for signal, job in jobs.items()
            }
            deadline = time.monotonic() + left
            for thread in threads.values():
                thread.start()
            for thread in threads.values():
                thread.join(max(deadline - time.monotonic(), 0))
            late = [signal for signal, thread in threads.items() if thread.is_alive()]
        if errors:
            self._warn(errors[0])
        elif late or refused:
            self._warn(f"no answer within {left:.1f} seconds" if late else f"{', '.join(refused)} failed")

    def _jobs(self) -> dict[str, Callable[[], object]]:
        """Return what is to be sent, by signal."""
        made = {"traces": self._traces_job, "metrics": self._metrics_job, "logs": self._logs_job}
        jobs = {}
        for signal, make in made.items():
            try:
                if job := make():
                    jobs[signal] = job
            except Exception as error:  # a mistake in the SDK's settings is no reason to lose a run, or another signal
                self._warn(f"{type(error).__name__}: {error}")
        return jobs

    def _traces_job(self) -> Callable[[], object] | None:
        return partial(_exporter("traces").export, self._spans) if self._spans else None

    def _metrics_job(self) -> Callable[[], object] | None:
        if self._reader is None or not self._instruments:
            return None
        data = self._reader.get_metrics_data()
        if not _is_delta():
            from potato import totals

            data = totals.carried(data, self._totals)
        return partial(_exporter("metrics").export, data)

    def _logs_job(self) -> Callable[[], object] | None:
        records = self._logs.get_finished_logs() if self._logs is not None else ()
        return partial(_exporter("logs").export, records) if records else None

    def _warn(self, reason: str) -> None:
        if not self._allowance.is_first_loss():
            return
        where = ", ".join(sorted({_host(url) for url in self.endpoints.values()}))
        _logger.warning("Telemetry did not reach the collector at %s: %s", where, reason)


def _exporter(signal: str) -> Any:
    """Return the SDK's exporter of a signal, which reads its own variables: endpoint, headers, certificates."""
    from potato.answers import Session

    options: dict[str, Any] = {"timeout": REQUEST_SECONDS}
    if not any(name.startswith("OTEL_PYTHON_EXPORTER") and name.endswith("CREDENTIAL_PROVIDER") for name in os.environ):
        options["session"] = Session()
    with tracer.meant():
        if signal == "traces":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            return OTLPSpanExporter(**options)
        if signal == "metrics":
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

            return OTLPMetricExporter(**options)
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

        return OTLPLogExporter(**options)


def _is_delta() -> bool:
    preference = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").strip().lower()
    return preference in ("delta", "lowmemory")


def _guarded(job: Callable[[], object], errors: list[str], refused: list[str], signal: str) -> None:
    try:
        result = job()
    except Exception as error:  # whatever a collector or its address does, the stage goes on
        errors.append(f"{type(error).__name__}: {error}")
    else:
        # The SDK says once why, and not again within some seconds.
        if getattr(result, "name", "") == "FAILURE":
            refused.append(signal)


@contextmanager
def _errors_of_the_sdk() -> Iterator[list[str]]:
    """Collect what the SDK's exporters log; they tell a failure to nobody else."""
    errors: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                errors.append(record.getMessage())

    sdk = logging.getLogger("opentelemetry")
    collector, propagate = Collector(), sdk.propagate
    sdk.addHandler(collector)
    sdk.propagate = False
    try:
        yield errors
    finally:
        sdk.removeHandler(collector)
        sdk.propagate = propagate


def _say_when_grpc_was_meant(targets: Mapping[str, str]) -> None:
    names = ["OTEL_EXPORTER_OTLP_PROTOCOL", *(f"OTEL_EXPORTER_OTLP_{s.upper()}_PROTOCOL" for s in _SIGNALS)]
    by_protocol = next((name for name in names if os.environ.get(name, "").strip().lower() == "grpc"), None)
    by_port = next((url for url in targets.values() if _port(url) == 4317), None)
    if by_protocol or by_port:
        cause = f"{by_protocol}=grpc" if by_protocol else f"{by_port} has gRPC's usual port 4317"
        _logger.warning("Telemetry is sent by OTLP over HTTP, usually to port 4318, although %s", cause)


def _host(url: str) -> str:
    """Return the host and port of an address, without a user's name and password."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or url
    except ValueError:
        return url


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        return None

"""OpenTelemetry traces: a span for each request and for each of its phases.

They are sent to the endpoint of the setting api_traces, and contain no value of a client.
FastAPI's own telemetry is off, because its spans contain the requested path, and a path may contain
the key of a person.
"""

from __future__ import annotations

import time
from time import perf_counter
from typing import TYPE_CHECKING

from fastapi.telemetry import TelemetryConfig
from starlette.types import Scope

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from streamflow.web.request_context import Notes

FASTAPI_OFF = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)
SERVICE = "streamflow-api"
CONTEXT_HEADERS = (b"traceparent", b"tracestate")


class Traces:
    """Makes the spans of a request after its answer, from the instants in its notes."""

    def __init__(self, endpoint: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer: Tracer = self._provider.get_tracer("streamflow")

    def close(self) -> None:
        """Send the spans that are not sent yet."""
        self._provider.shutdown()

    def record_request(
        self, scope: Scope, notes: Notes, *, method: str, path: str, status: int, started_at: float
    ) -> None:
        """Make the spans of a request that ends at this moment.

        Args:
            scope: the ASGI scope of the request
            notes: the notes on the request
            method: the HTTP method
            path: the declared path, without values of the client
            status: the status of the answer
            started_at: the instant when the request began, as `perf_counter` measures it
        """
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, set_span_in_context

        now = perf_counter()
        now_ns = time.time_ns()

        def to_wall_clock(instant: float) -> int:
            """Convert an instant of `perf_counter` to nanoseconds since 1970."""
            return now_ns - round((now - instant) * 1e9)

        span = self._tracer.start_span(
            f"{method} {path}",
            context=extract(_read_trace_context(scope)),
            kind=SpanKind.SERVER,
            start_time=to_wall_clock(started_at),
            attributes={
                "http.request.method": method,
                "http.route": path,
                "http.response.status_code": status,
            },
        )
        _add_notes(span, notes, status)
        starts = [start for _, start in notes.phases]
        ends = [*starts, now][1:]  # none for a request without a prediction
        for (phase, start), end in zip(notes.phases, ends, strict=True):
            child = self._tracer.start_span(
                phase, context=set_span_in_context(span), start_time=to_wall_clock(start)
            )
            child.end(to_wall_clock(end))
        span.end(now_ns)


def _read_trace_context(scope: Scope) -> dict[str, str]:
    """Read the headers that name the trace of the caller."""
    return {
        name.decode(): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in CONTEXT_HEADERS
    }


def _add_notes(span: Span, notes: Notes, status: int) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("streamflow.request_id", notes.request_id)
    if notes.version is not None:
        span.set_attribute("streamflow.version", notes.version)
    if notes.error is not None:
        span.set_attribute("error.type", notes.error)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))

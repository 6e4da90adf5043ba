"""OpenTelemetry: a span for each request and for each phase of it, sent where the user says. No value of a client is in it.

FastAPI's own telemetry is off: its spans hold the paths that were asked, and so a person's key.
"""

from __future__ import annotations

import time
from time import perf_counter
from typing import TYPE_CHECKING

from fastapi.telemetry import TelemetryConfig
from starlette.types import Scope

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from streamflow.api.request_context import Notes

FASTAPI_OFF = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)
SERVICE = "streamflow-api"
CONTEXT = (b"traceparent", b"tracestate")


class Traces:
    """Makes the spans of a request once it is answered, from the instants that its notes hold."""

    def __init__(self, endpoint: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))
        )
        self._tracer: Tracer = self._provider.get_tracer("streamflow")

    def close(self) -> None:
        """Send what is not sent yet."""
        self._provider.shutdown()

    def request(
        self, scope: Scope, notes: Notes, *, method: str, path: str, status: int, began: float
    ) -> None:
        """Make the spans of a request that began at `began` and ends now, both by perf_counter."""
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        now, wall = perf_counter(), time.time_ns()

        def instant(moment: float) -> int:
            return wall - round((now - moment) * 1e9)

        parents = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"traceparent", b"tracestate")
        }
        span = self._tracer.start_span(
            f"{method} {path}", context=extract(parents), kind=SpanKind.SERVER, start_time=instant(began),
            attributes={"http.request.method": method, "http.route": path, "http.response.status_code": status},
        )  # fmt: skip
        span.set_attribute("streamflow.request_id", notes.request_id)
        if notes.version is not None:
            span.set_attribute("streamflow.version", notes.version)
        if notes.error is not None:
            span.set_attribute("error.type", notes.error)
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        ends = [begin for _, begin in notes.phases[1:]] + [now]
        for (phase, begin), end in zip(notes.phases, ends, strict=True):
            child = self._tracer.start_span(
                phase, context=set_span_in_context(span), start_time=instant(begin)
            )
            child.end(instant(end))
        span.end(wall)

"""Spans of a request as a collector receives them, and that no key of a person is in any."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import perf_counter

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from streamflow.api.traces import Traces
from streamflow.web.request_context import Notes

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", received
        server.shutdown()


def test_a_request_and_its_phases(collector: tuple[str, list[tuple[str, bytes]]]) -> None:
    endpoint, received = collector
    began = perf_counter() - 0.04
    notes = Notes(request_id="r1", version=3)
    notes.phases += [("queue", began + 0.01), ("features", began + 0.02), ("model", began + 0.03)]
    traces = Traces(endpoint)
    scope = {"headers": [(b"traceparent", PARENT.encode())], "path": "/features/7590-VHVEG"}
    traces.record_request(
        scope, notes, method="GET", path="/features/{user_id}", status=503, started_at=began
    )
    traces.close()
    [(path, body)] = received
    assert path == "/v1/traces"
    assert b"7590" not in body
    spans = {span.name: span for span in _spans(body)}
    whole = spans.pop("GET /features/{user_id}")
    assert list(spans) == ["queue", "features", "model"]
    assert {span.parent_span_id for span in spans.values()} == {whole.span_id}
    assert (whole.trace_id.hex(), whole.parent_span_id.hex()) == tuple(PARENT.split("-")[1:3])
    attributes = {a.key: a.value.string_value or a.value.int_value for a in whole.attributes}
    assert attributes == {
        "http.request.method": "GET",
        "http.route": "/features/{user_id}",
        "http.response.status_code": 503,
        "streamflow.request_id": "r1",
        "streamflow.version": 3,
    }
    edges = [
        whole.start_time_unix_nano,
        *(s.start_time_unix_nano for s in spans.values()),
        whole.end_time_unix_nano,
    ]
    assert edges == sorted(edges)
    assert spans["queue"].end_time_unix_nano == spans["features"].start_time_unix_nano
    assert whole.end_time_unix_nano - whole.start_time_unix_nano >= 40_000_000


def test_a_request_without_a_prediction_is_one_span(
    collector: tuple[str, list[tuple[str, bytes]]],
) -> None:
    endpoint, received = collector
    traces = Traces(endpoint)
    traces.record_request(
        {"headers": []},
        Notes(request_id="r2"),
        method="GET",
        path="/health",
        status=200,
        started_at=perf_counter() - 0.04,
    )
    traces.close()
    [(_, body)] = received
    [span] = _spans(body)
    assert (span.name, span.parent_span_id) == ("GET /health", b"")
    assert span.end_time_unix_nano - span.start_time_unix_nano >= 40_000_000


def _spans(body: bytes) -> list[Span]:
    request = ExportTraceServiceRequest.FromString(body)
    found = [
        span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    return sorted(found, key=lambda span: span.start_time_unix_nano)

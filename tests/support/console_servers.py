"""Small servers that answer the console in place of Prefect's server and of the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from streamflow.api.metrics import Metrics
from streamflow.api.reload import Readiness, ServedVersion

HOSTILE = '"><script>alert(1)</script>'
RUN = "0199a1b2-0000-7000-8000-000000000001"
FLOW = "0199a1b2-0000-7000-8000-000000000002"
ANSWERS: dict[str, Any] = {
    "/api/flow_runs/filter": [
        {
            "id": RUN,
            "name": "bold-owl",
            "flow_id": FLOW,
            "state_name": "Failed",
            "state": {"message": f"it failed {HOSTILE}"},
            "start_time": "2026-01-02T03:04:05.000006Z",
            "end_time": None,
            "estimated_run_time": 61.25,
        }
    ],
    "/api/flows/filter": [{"id": FLOW, "name": "monthly"}],
    "/api/logs/filter": [
        {"timestamp": "2026-01-02T03:04:07Z", "level": 40, "message": f"second {HOSTILE}"},
        {"timestamp": "2026-01-02T03:04:06Z", "level": 20, "message": "first"},
    ],
}


@contextmanager
def flow_server(questions: list[tuple[str, Any]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            questions.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(ANSWERS[self.path]).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()


def make_metrics() -> bytes:
    """What /metrics of a real API would say after some requests."""
    metrics = Metrics()
    for seconds in (0.002, 0.004, 0.2):
        metrics.observe_phase("queue", seconds)
    metrics.observe_phase("model", 20.0)
    metrics.count_answer("POST", "/predict", 200, 0.03)
    metrics.count_answer("GET", "/health", 200, 0.01)
    metrics.count_prediction(7, 1)
    metrics.count_reload("refused", 8)
    metrics.count_reload("refused", 8)
    metrics.count_reload("swapped", 7)
    for code in ("overloaded", "overloaded", "not_found"):
        metrics.count_error(code)
    pool = {"pool_size": 4, "pool_available": 3, "requests_waiting": 0}
    return metrics.render(
        Readiness(reasons=(), notes=(), current=ServedVersion(), as_of=None, waiting=5, pool=pool)
    )


@contextmanager
def api_server(*, key: str = "", body: bytes | None = None) -> Iterator[str]:
    """Serve what an API answers; with a key, only to who brings it."""
    readiness = {"status": "not ready", "reasons": [f"model {HOSTILE}"], "notes": ["a note"]}
    bodies = {"/ready": json.dumps(readiness).encode(), "/metrics": body or make_metrics()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_open = self.path == "/ready" or self.headers.get("X-API-Key", "") == key
            status = 503 if self.path == "/ready" else 200
            self.send_response(status if is_open else 401)
            self.end_headers()
            if is_open:
                self.wfile.write(bodies[self.path])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()

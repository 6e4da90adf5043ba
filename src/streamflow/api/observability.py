"""ASGI middleware that gives every request an id, and times, counts and logs it.

It also answers errors that nobody foresaw.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from time import perf_counter
from typing import Any

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from streamflow.api.metrics import Metrics
from streamflow.api.traces import Traces
from streamflow.web.host_check import SECURITY_HEADERS
from streamflow.web.observed_answer import REQUEST_ID_HEADER, observe_answer
from streamflow.web.request_context import Notes

WELL_FORMED_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestObserver:
    """Observes every request without a thread or a task, so that it does not slow requests down."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        log: FilteringBoundLogger,
        traces: Traces | None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and observe its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        notes = Notes(request_id=_choose_request_id(scope["headers"]))
        started_at = perf_counter()
        answer = await observe_answer(
            self._app,
            scope,
            receive,
            send,
            notes=notes,
            answer_unforeseen=_answer_unforeseen,
        )
        self._record(scope, notes, answer.status, started_at, answer.unforeseen_error)

    def _record(
        self,
        scope: Scope,
        notes: Notes,
        status: int,
        started_at: float,
        unforeseen_error: Exception | None,
    ) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        path = _find_path_template(scope)
        seconds = perf_counter() - started_at
        if self._traces is not None:
            self._traces.record_request(
                scope,
                notes,
                method=method,
                path=path,
                status=status,
                started_at=started_at,
            )
        self._metrics.count_answer(method, path, status, seconds)
        if notes.error is not None:
            self._metrics.count_error(notes.error)
        fields = _log_fields(notes, method, path, status, seconds)
        if unforeseen_error is not None or (status >= 500 and status != 503):
            self._log.error("request", **fields, exc_info=unforeseen_error)
        # 503 is expected, and it ends without our help.
        elif status == 503:
            self._log.warning("request", **fields)
        else:
            self._log.info("request", **fields)


def _log_fields(
    notes: Notes,
    method: str,
    path: str,
    status: int,
    seconds: float,
) -> dict[str, Any]:
    fields = {
        "request_id": notes.request_id,
        "method": method,
        "path": path,
        "status": status,
        "ms": round(seconds * 1000, 3),
    }
    optional_fields = {
        "error": notes.error,
        "version": notes.version,
        "caller": notes.caller,
    }
    fields |= {name: value for name, value in optional_fields.items() if value is not None}
    return fields


def _choose_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the request id of the client if it is well formed; else make a new one."""
    client_id = next((value for name, value in headers if name == REQUEST_ID_HEADER), b"")
    if WELL_FORMED_ID.fullmatch(client_id):
        return client_id.decode()
    return os.urandom(16).hex()


def _find_path_template(scope: Scope) -> str:
    """Return the path as it is declared, such as /features/{user_id}.

    A path that the API does not have is 'unmatched'.
    """
    route = scope.get("route")
    if route is not None:
        return str(route.path_format)
    # The routes of FastAPI's own pages, such as /docs, are not in the scope.
    routes = scope["app"].routes
    is_declared = any(getattr(route, "path", None) == scope["path"] for route in routes)
    return str(scope["path"]) if is_declared else "unmatched"


_answer_unforeseen = JSONResponse(
    {
        "error": "an unforeseen error; the log has its details under the id of this request",
        "code": "unforeseen",
    },
    status_code=500,
    headers={name.decode(): value.decode() for name, value in SECURITY_HEADERS},
)

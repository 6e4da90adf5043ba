"""Every request gets an id, is timed, counted and logged; what nobody foresaw is answered here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from time import perf_counter

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from streamflow.api.metrics import Metrics
from streamflow.api.request_context import NOTES, Notes
from streamflow.api.security_headers import HEADERS
from streamflow.api.traces import Traces

HEADER = b"x-request-id"
WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observed:
    """ASGI middleware. It adds no thread and no task: the requests that it measures are not made slow by it."""

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, log: FilteringBoundLogger, traces: Traces | None
    ) -> None:
        self._app, self._metrics, self._log, self._traces = app, metrics, log, traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and observe its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        notes = scope[NOTES] = Notes(request_id=_request_id(scope["headers"]))
        status, unforeseen, began = 0, None, perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (HEADER, notes.request_id.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except (
            Exception
        ) as error:  # passed on, the server would log its message, which may quote a value
            notes.error, unforeseen = "unforeseen", error
            if not status:
                await _answer_unforeseen(scope, receive, sending)
        self._record(scope, notes, status, began, unforeseen)

    def _record(
        self, scope: Scope, notes: Notes, status: int, began: float, unforeseen: Exception | None
    ) -> None:
        method, path = scope["method"] if scope["method"] in METHODS else "other", _template(scope)
        seconds = perf_counter() - began
        if self._traces is not None:
            self._traces.request(scope, notes, method=method, path=path, status=status, began=began)
        self._metrics.answered(method, path, status, seconds)
        if notes.error is not None:
            self._metrics.failed(notes.error)
        line = {
            "request_id": notes.request_id,
            "method": method,
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 3),
        }
        if notes.error is not None:
            line["error"] = notes.error
        if notes.version is not None:
            line["version"] = notes.version
        if notes.caller is not None:
            line["caller"] = notes.caller
        if unforeseen is not None or (status >= 500 and status != 503):
            self._log.error("request", **line, exc_info=unforeseen)
        elif status == 503:  # expected, and over by itself
            self._log.warning("request", **line)
        else:
            self._log.info("request", **line)


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The client's, when it is well formed; else one of ours."""
    given = next((value for name, value in headers if name == HEADER), b"")
    return given.decode() if WELL_FORMED.fullmatch(given) else os.urandom(16).hex()


def _template(scope: Scope) -> str:
    """The path as it is declared, such as /features/{user_id}; 'unmatched' for one that is not ours."""
    route = scope.get("route")
    if route is not None:
        return str(route.path_format)
    ours = any(
        getattr(route, "path", None) == scope["path"] for route in scope["app"].routes
    )  # /docs: such a route says nothing
    return str(scope["path"]) if ours else "unmatched"


_answer_unforeseen = JSONResponse(
    {
        "error": "an error that was not foreseen; the log has it under the request's id",
        "code": "unforeseen",
    },
    status_code=500,
    headers={name.decode(): value.decode() for name, value in HEADERS},
)

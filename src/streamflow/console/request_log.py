"""ASGI middleware that gives every request an id, and writes one line about it to the log.

The line holds the declared path and no value of the request: a path may hold the key of a user.
"""

from __future__ import annotations

import os
from time import perf_counter

from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from streamflow.web.host_check import SECURITY_HEADERS
from streamflow.web.observed_answer import observe_answer
from streamflow.web.request_context import Notes

METHODS = frozenset({"GET", "HEAD", "POST"})


class RequestLog:
    """Writes the log line of every request, and answers errors that nobody foresaw."""

    def __init__(self, app: ASGIApp, *, log: FilteringBoundLogger) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        notes = Notes(request_id=os.urandom(16).hex())
        started_at = perf_counter()
        answer = await observe_answer(
            self._app,
            scope,
            receive,
            send,
            notes=notes,
            answer_unforeseen=_answer_unforeseen(notes),
        )
        fields = {
            "request_id": notes.request_id,
            "method": scope["method"] if scope["method"] in METHODS else "other",
            "path": getattr(scope.get("route"), "path_format", "unmatched"),
            "status": answer.status,
            "ms": round((perf_counter() - started_at) * 1000, 1),
        }
        optional_fields = {"error": notes.error, "caller": notes.caller}
        fields |= {name: value for name, value in optional_fields.items() if value is not None}
        if answer.unforeseen_error is not None:
            self._log.error("request", **fields, exc_info=answer.unforeseen_error)
        else:
            self._log.info("request", **fields)


def _answer_unforeseen(notes: Notes) -> PlainTextResponse:
    text = f"An unforeseen error. The log has its details under the id {notes.request_id}."
    headers = {name.decode(): value.decode() for name, value in SECURITY_HEADERS}
    return PlainTextResponse(text, status_code=500, headers=headers)

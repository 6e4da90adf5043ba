"""The answers to requests that failed with one of our errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse

from streamflow.errors import StreamflowError
from streamflow.web.refusals import error_body
from streamflow.web.request_context import Notes

RETRY_LATER = {"Retry-After": "1"}


def answer_own_error(notes: Notes, error: StreamflowError) -> JSONResponse:
    """Return the answer to a request that failed with an error of streamflow."""
    headers = RETRY_LATER if error.http_status == 503 else None
    return error_response(notes, error.http_status, error_body(error), headers)


def error_response(
    notes: Notes,
    status: int,
    body: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an error answer, and note its code for the log and the metrics."""
    notes.error = body["code"]
    return JSONResponse(body, status_code=status, headers=headers)

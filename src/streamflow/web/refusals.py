"""The JSON body of every error, and the error codes that only HTTP knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from streamflow.errors import StreamflowError
from streamflow.web.request_context import NOTES

# HTTP status -> error code of a request that is refused before an endpoint sees it.
REFUSAL_CODES = {
    400: "wrong_host",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    408: "body_incomplete",
    413: "body_too_large",
    503: "keys_unknown",
}

# All codes that only HTTP knows. The codes of all other errors come from their classes in
# `streamflow.errors`.
HTTP_CODES = (*REFUSAL_CODES.values(), "malformed_request", "method_not_allowed", "unforeseen")

# The facts of an error that its answer lists.
PUBLIC_FACTS = {"missing_features", "stale_features"}


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Answer a request with an error. What the client sent is neither quoted nor logged."""
    code = REFUSAL_CODES[status]
    scope[NOTES].error = code
    response = JSONResponse(
        {"error": message, "code": code},
        status_code=status,
        headers=headers,
    )
    await response(scope, receive, send)


def error_body(error: StreamflowError) -> dict[str, Any]:
    """Return the body of the answer to a request that failed with one of our errors."""
    facts = {name: value for name, value in error.facts.items() if name in PUBLIC_FACTS}
    return {
        "error": error.message,
        "code": error.code,
        "remedy": error.remedy,
        **facts,
    }

"""How a request is refused: the form of every error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from streamflow.api.codes import BEFORE
from streamflow.api.request_context import NOTES
from streamflow.errors import StreamflowError


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    words: str,
    *,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Answer with an error; what the client sent is neither quoted nor logged."""
    scope[NOTES].error = BEFORE[status]
    await JSONResponse(
        {"error": words, "code": BEFORE[status]}, status_code=status, headers=headers
    )(scope, receive, send)


def why(error: StreamflowError) -> dict[str, Any]:
    """What an answer says of one of our errors."""
    facts = {k: v for k, v in error.facts.items() if k in {"missing_features", "stale_features"}}
    return {"error": error.message, "code": error.code, "remedy": error.remedy, **facts}

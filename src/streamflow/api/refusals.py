"""How a request is refused before any endpoint has seen it: in the form of every error."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from streamflow.api.codes import BEFORE
from streamflow.api.observe import NOTES


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, words: str, *, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with an error; what the client sent is neither quoted nor logged."""
    scope[NOTES].error = BEFORE[status]
    await JSONResponse({"error": words, "code": BEFORE[status]}, status_code=status, headers=headers)(scope, receive, send)

"""A body is read whole before anybody works on it: no larger than the limit, however it is sent, and not for ever."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamflow.api.refusals import refuse

DECLARED = (b"content-length", b"transfer-encoding")
CLOSE = {"Connection": "close"}  # the rest of a refused body is not read


class Bounded:
    """ASGI middleware. A request without a body goes through untouched."""

    def __init__(self, app: ASGIApp, *, most: int, seconds: float) -> None:
        self._app, self._most, self._seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, then pass on; 413 above the limit, 408 for one that does not come."""
        headers = {name: value for name, value in scope.get("headers", ()) if name in DECLARED} if scope["type"] == "http" else {}
        if not headers:
            await self._app(scope, receive, send)
            return
        if int(headers.get(DECLARED[0], 0)) > self._most:
            await self._too_large(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await _read(receive, self._most)
        except TimeoutError:
            await refuse(scope, receive, send, 408, f"the body did not arrive within {self._seconds:g} s", headers=CLOSE)
            return
        if body is None:
            await self._too_large(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)

    async def _too_large(self, scope: Scope, receive: Receive, send: Send) -> None:
        await refuse(scope, receive, send, 413, f"the body is larger than {self._most} bytes", headers=CLOSE)


async def _read(receive: Receive, most: int) -> bytes | None:
    """The body; None when it is larger. A client that goes away in between has sent what it has sent."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            return None
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """What was read, as if it were received now; then whatever comes."""
    told = False

    async def received() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received

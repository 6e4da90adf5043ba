"""A body is read whole before anybody works on it: no larger than the limit, however it is sent, and not for ever."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamflow.api.refusals import refuse

TOLD = (b"content-length", b"transfer-encoding", b"expect")
CLOSE = {"Connection": "close"}


class Bounded:
    """ASGI middleware. A request without a body goes through untouched.

    What is too large is read to its end and thrown away, for as long as a body may take: a client that is still sending would
    not read the answer.
    """

    def __init__(self, app: ASGIApp, *, most: int, seconds: float) -> None:
        self._app, self._most, self._seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, then pass on; 413 above the limit, 408 for one that does not come whole."""
        told = (
            {name: value for name, value in scope.get("headers", ()) if name in TOLD}
            if scope["type"] == "http"
            else {}
        )
        if not told:
            await self._app(scope, receive, send)
            return
        body = _Body(self._most, int(told.get(TOLD[0], 0)))
        if not (body.is_too_large and TOLD[2] in told):  # who asks before sending does not send
            try:
                async with asyncio.timeout(self._seconds):
                    await body.read(receive)
            except TimeoutError:
                body.is_whole = False
        if body.is_too_large:
            await refuse(
                scope,
                receive,
                send,
                413,
                f"the body is larger than {self._most} bytes",
                headers=CLOSE,
            )
        elif not body.is_whole:
            await refuse(
                scope,
                receive,
                send,
                408,
                f"the body did not arrive within {self._seconds:g} s",
                headers=CLOSE,
            )
        else:
            await self._app(scope, body.again(receive), send)


class _Body:
    """What has arrived of a body; of one that is too large nothing is kept."""

    def __init__(self, most: int, announced: int) -> None:
        self._most, self._parts, self._size = most, list[bytes](), 0
        self.is_too_large, self.is_whole = announced > most, False

    async def read(self, receive: Receive) -> None:
        """Read to the end, or until the client is gone."""
        message: Message = {"more_body": True}
        while message.get("more_body", False):
            message = await receive()
            part = message.get("body", b"")
            self._size += len(part)
            self.is_too_large = self.is_too_large or self._size > self._most
            if self.is_too_large:
                self._parts.clear()
            else:
                self._parts.append(part)
        self.is_whole = message["type"] == "http.request"

    def again(self, receive: Receive) -> Receive:
        """The body as if it were received now; then whatever comes."""
        waiting: list[Message] = [
            {"type": "http.request", "body": b"".join(self._parts), "more_body": False}
        ]

        async def received() -> Message:
            return waiting.pop() if waiting else await receive()

        return received

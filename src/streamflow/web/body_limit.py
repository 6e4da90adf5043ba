"""The limit of request bodies: no body is larger than a limit, and none may arrive for ever.

A body is read whole before any other part of the API works on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamflow.web.refusals import refuse

#: The key in the ASGI scope of a body that was read whole.
BODY = "streamflow.body"
#: The key in the ASGI scope that says that a body has arrived whole, so that nobody waits for it.
BODY_IS_HERE = "streamflow.body_is_here"

CONTENT_LENGTH = b"content-length"
EXPECT = b"expect"

# A request without any of these headers has no body.
BODY_HEADERS = (CONTENT_LENGTH, b"transfer-encoding", EXPECT)

CLOSE = {"Connection": "close"}

# How long the API waits before it reads more of a body that it throws away. Without a pause, a few
# clients that send without an end take all the time of the event loop.
DISCARD_PAUSE_S = 0.05


class BodyLimit:
    """ASGI middleware that refuses bodies that are too large or too slow.

    A request without a body passes through untouched.
    A body that is too large is read to its end and thrown away, for as long as a body may take,
    because a client that is still sending would not read the answer.
    A path that reads its body itself, piece by piece and with limits of its own, is left out.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        timeout_s: float,
        own_limits: Collection[str] = (),
    ) -> None:
        self._app = app
        self._own_limits = own_limits
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then pass the request on.

        A body above the limit is answered with 413, a body that does not arrive whole with 408.
        """
        headers = _read_body_headers(scope)
        if not headers or scope.get("path") in self._own_limits:
            await self._app(scope, receive, send)
            return
        body = await self._read_body(headers, receive, is_here=BODY_IS_HERE in scope)
        if body.is_too_large:
            message = f"the body is larger than {self._max_bytes} bytes"
            await refuse(scope, receive, send, 413, message, headers=CLOSE)
        elif not body.is_complete:
            message = f"the body did not arrive within {self._timeout_s:g} s"
            await refuse(scope, receive, send, 408, message, headers=CLOSE)
        else:
            scope[BODY] = body.content
            await self._app(scope, body.replay(receive), send)

    async def _read_body(
        self, headers: dict[bytes, bytes], receive: Receive, *, is_here: bool
    ) -> _Body:
        announced_bytes = int(headers.get(CONTENT_LENGTH, 0))
        body = _Body(self._max_bytes, announced_bytes)
        # A client that asks before it sends (`Expect`) does not send a body that is refused.
        will_not_be_sent = body.is_too_large and EXPECT in headers
        if will_not_be_sent:
            return body
        if is_here:  # A timer would take as long as all the rest.
            await body.read(receive)
            return body
        try:
            async with asyncio.timeout(self._timeout_s):
                await body.read(receive)
        except TimeoutError:
            body.is_complete = False
        return body


def _read_body_headers(scope: Scope) -> dict[bytes, bytes]:
    if scope["type"] != "http":
        return {}
    return {name: value for name, value in scope.get("headers", ()) if name in BODY_HEADERS}


class _Body:
    """The bytes of a body that have arrived. Nothing is stored of a body that is too large."""

    def __init__(self, max_bytes: int, announced_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._chunks: list[bytes] = []
        self._size = 0
        self.is_too_large = announced_bytes > max_bytes
        self.is_complete = False

    async def read(self, receive: Receive) -> None:
        """Read to the end of the body, or until the client disconnects."""
        message: Message = {"more_body": True}
        while message.get("more_body", False):
            message = await receive()
            chunk = message.get("body", b"")
            self._size += len(chunk)
            self.is_too_large = self.is_too_large or self._size > self._max_bytes
            if self.is_too_large:
                self._chunks.clear()
                await asyncio.sleep(DISCARD_PAUSE_S)
            else:
                self._chunks.append(chunk)
        self.is_complete = message["type"] == "http.request"

    @property
    def content(self) -> bytes:
        """Return the bytes of the whole body."""
        return b"".join(self._chunks)

    def replay(self, receive: Receive) -> Receive:
        """Return a `receive` that first delivers this body, then the messages of `receive`."""
        message: Message = {"type": "http.request", "body": self.content, "more_body": False}
        pending = [message]

        async def receive_again() -> Message:
            return pending.pop() if pending else await receive()

        return receive_again

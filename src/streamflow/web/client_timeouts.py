"""The time limits of a client. A connection of a client that is too slow is closed.

This concerns a client that sends no request, that never ends a request, or that does not read its
answer.
"""

from __future__ import annotations

import asyncio
from asyncio.events import TimerHandle
from functools import partial

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The connection is closed this much later than the time limit of a body (408), so that the client
# first gets the answer that says so.
EXTRA_S = 5.0
# The extension of ASGI by which the application gives the body of one request more time.
BODY_TIME = "streamflow.body_time"
GIVE = "give"


class ClientTimeoutProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with time limits for the client.

    uvicorn itself closes a connection that is idle after an answer. This class also closes one
    that is idle before its answer.

    Attributes:
        seconds: the limit from the beginning of a request (or of a connection) to the end of its
            body, and the limit for the client to read an answer. `set_client_timeout` sets it
            before the first connection.
    """

    seconds = 15.0
    _receive_timer: TimerHandle | None = None  # runs while we wait for data of the client
    _send_timer: TimerHandle | None = None  # runs while the client does not read our data

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._restart_receive_timer()

    def on_message_begin(self) -> None:
        """Begin to wait for the end of this request."""
        super().on_message_begin()
        self._restart_receive_timer()

    def on_headers_complete(self) -> None:
        """Let the application give the body of this request more time."""
        extensions = self.scope.get("extensions") or {}
        functions: dict[object, object] = {GIVE: partial(self._give_body_time, self.scope)}
        self.scope["extensions"] = {**extensions, BODY_TIME: functions}
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the timer: the request is complete, and from now on the API needs the time."""
        super().on_message_complete()
        _cancel(self._receive_timer)
        self._receive_timer = None

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read its answer.

        The timer aborts the connection. Closing it would also wait for the client to read.
        """
        super().pause_writing()
        self._send_timer = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the timer, because the client reads again."""
        super().resume_writing()
        _cancel(self._send_timer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop both timers, because the connection has ended."""
        super().connection_lost(exc)
        _cancel(self._receive_timer)
        _cancel(self._send_timer)

    def _restart_receive_timer(self) -> None:
        self._start_receive_timer(self.seconds)

    def _give_body_time(self, scope: object, body_s: float) -> None:
        """Restart the timer with a longer time, if it waits for the body of this request."""
        if scope is self.scope and self._receive_timer is not None:
            self._start_receive_timer(body_s + EXTRA_S)

    def _start_receive_timer(self, seconds: float) -> None:
        _cancel(self._receive_timer)
        self._receive_timer = self.loop.call_later(seconds, self.transport.close)


def _cancel(timer: TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def give_body_time(scope: Scope, body_s: float) -> None:
    """Let the body of one request take longer than that of all others, in seconds.

    Call it only for somebody who may do this, and limit the time between two pieces. Without the
    protocol of this module nothing limits the time of a body, so there is nothing to do.
    """
    functions = scope.get("extensions", {}).get(BODY_TIME)
    if functions is not None:
        functions[GIVE](body_s)


def set_client_timeout(body_s: float) -> None:
    """Set how long a client of this process may take to send a body, in seconds."""
    ClientTimeoutProtocol.seconds = body_s + EXTRA_S

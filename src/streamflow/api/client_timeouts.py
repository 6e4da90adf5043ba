"""How long a client may take: a connection that asks nothing, never ends what it asks, or does not take its answer, is closed."""

from __future__ import annotations

import asyncio
from asyncio.events import TimerHandle

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MORE_S = 5.0  # than a body may take: before that its sender is told so


class Patient(HttpToolsProtocol):
    """uvicorn closes what is idle after an answer; this one, what is idle before it, too.

    seconds   from the beginning of a request, or of a connection, to the end of its body; and for an answer to be taken
    """

    seconds = 15.0  # set by `wait_at_most` before anybody connects
    _impatience: TimerHandle | None = None  # with what it sends
    _unread: TimerHandle | None = None  # of what we send

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        """Begin to wait for the end of this one."""
        super().on_message_begin()
        self._wait()

    def on_message_complete(self) -> None:
        """It is whole: from here on it is our time."""
        super().on_message_complete()
        _cancel(self._impatience)

    def pause_writing(self) -> None:
        """The client does not read: wait for it. To close it would wait for it, too."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        _cancel(self._unread)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        super().connection_lost(exc)
        _cancel(self._impatience)
        _cancel(self._unread)

    def _wait(self) -> None:
        _cancel(self._impatience)
        self._impatience = self.loop.call_later(self.seconds, self.transport.close)


def _cancel(timer: TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def wait_at_most(body_s: float) -> None:
    """Set for this process how long a client may take with a body."""
    Patient.seconds = body_s + MORE_S

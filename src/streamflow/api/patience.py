"""How long a client may take: a connection that asks nothing, or never ends what it asks, is closed."""

from __future__ import annotations

import asyncio
from asyncio.events import TimerHandle

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_S = 15.0  # from the beginning of a request, or of a connection, to the end of its body


class Patient(HttpToolsProtocol):
    """uvicorn closes what is idle after an answer; this one, what is idle before it, too."""

    _impatience: TimerHandle | None = None

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
        self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        super().connection_lost(exc)
        self._stop_waiting()

    def _wait(self) -> None:
        self._stop_waiting()
        self._impatience = self.loop.call_later(REQUEST_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

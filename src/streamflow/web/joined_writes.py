"""Send the parts of an answer together."""

from __future__ import annotations

import asyncio
from typing import Any

# From so many bytes on nothing is held back, so that the transport sees how much its client leaves
# unread.
MAX_HELD_BYTES = 65_536


class JoinedWrites:
    """A transport that sends at once what is written in one pass of the event loop.

    uvicorn writes the head and the body of an answer one after the other. Sent one by one, each
    would be a call of the kernel, which can wake the client.

    Args:
        transport: the transport of the connection; everything but writing is left to it
        loop: the event loop of the connection
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._held_bytes = 0

    def write(self, data: bytes) -> None:
        """Hold the data until the other callbacks of this pass have run."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > MAX_HELD_BYTES:
            self.flush()

    def close(self) -> None:
        """Send what is held, and close the connection."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Send what is held."""
        if self._held and not self._transport.is_closing():
            self._transport.write(b"".join(self._held))
        self._held.clear()
        self._held_bytes = 0

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the transport. Python calls this for all but the methods above."""
        return getattr(self._transport, name)

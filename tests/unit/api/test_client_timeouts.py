"""A client that does not take its answer is let go, whoever else asks meanwhile."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from streamflow.web.client_timeouts import ClientTimeoutProtocol

LARGE = bytes(32_000_000)  # more than the buffers of both ends hold


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", str(len(LARGE)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": LARGE})


@pytest.mark.parametrize("is_read", [True, False])
def test_an_answer_that_nobody_takes(monkeypatch: pytest.MonkeyPatch, *, is_read: bool) -> None:
    # On a busy machine a client that reads may stand still for a second.
    monkeypatch.setattr(ClientTimeoutProtocol, "seconds", 5.0 if is_read else 0.3)

    async def work() -> int:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(
            uvicorn.Config(
                app, http=ClientTimeoutProtocol, ws="none", lifespan="off", log_config=None
            )
        )
        serving = asyncio.create_task(server.serve([listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname(), limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        if not is_read:
            while not server.server_state.connections:
                await asyncio.sleep(0.01)
            while server.server_state.connections:  # for ever, where nobody lets it go
                await asyncio.sleep(0.01)
        found = 0
        try:
            await reader.readuntil(b"\r\n\r\n")
            found = len(await reader.readexactly(len(LARGE)))
        except (asyncio.IncompleteReadError, OSError):
            pass
        writer.close()
        server.should_exit = True
        await serving
        return found

    assert asyncio.run(asyncio.wait_for(work(), 60)) == (len(LARGE) if is_read else 0)

"""A client that is too slow is let go, unless its body was given more time."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from streamflow.web import client_timeouts
from streamflow.web.client_timeouts import ClientTimeoutProtocol, give_body_time
from streamflow.web.http_protocol import HttpProtocol

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


@pytest.mark.parametrize("path", ["/upload", "/other"])
def test_a_slow_body_has_only_the_time_that_it_was_given(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(ClientTimeoutProtocol, "seconds", 0.3)
    monkeypatch.setattr(client_timeouts, "EXTRA_S", 0.3)
    requests: list[int] = []

    async def count_body(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/upload":
            give_body_time(scope, 20.0)
        size = 0
        is_complete = False
        while not is_complete:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message["body"])
            is_complete = not message["more_body"]
        requests.append(size)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def work() -> bytes:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(
            uvicorn.Config(
                count_body, http=HttpProtocol, ws="none", lifespan="off", log_config=None
            )
        )
        serving = asyncio.create_task(server.serve([listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
        writer.write(head.encode())
        answer = b""
        with suppress(OSError, asyncio.IncompleteReadError):
            for _ in range(5):
                await asyncio.sleep(0.12)
                writer.write(b"x")
            answer = await reader.readline()
            # The next request on the same connection has no more time than any other.
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx")
            assert await reader.read() == b""
        writer.close()
        server.should_exit = True
        await serving
        return answer

    answer = asyncio.run(asyncio.wait_for(work(), 60))
    if path == "/other":
        assert (answer, requests) == (b"", [])
    else:
        assert (answer, requests) == (b"HTTP/1.1 204 No Content\r\n", [5])

"""Head and body of an answer are sent together, and nothing of an answer waits for more."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from streamflow.web.http_protocol import HttpProtocol
from streamflow.web.joined_writes import MAX_HELD_BYTES, JoinedWrites

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Recorder(asyncio.Transport):
    """A transport that records what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bytes | str] = []

    def write(self, data: Any) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.told


def served(
    app: Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]],
    work: Callable[[socket.socket], Coroutine[Any, Any, bytes]],
    *,
    request: bytes = REQUEST,
) -> bytes:
    """Serve an application with our protocol, and do some work with a connected socket."""

    async def run() -> bytes:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        config = uvicorn.Config(app, http=HttpProtocol, ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        client = socket.socket()
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, listening.getsockname())
        await loop.sock_sendall(client, request)
        result = await work(client)
        client.close()
        server.should_exit = True
        await serving
        return result

    return asyncio.run(asyncio.wait_for(run(), 60))


def test_what_is_written_in_one_pass_is_sent_at_once() -> None:
    async def write() -> list[bytes | str]:
        recorder = Recorder()
        joined = JoinedWrites(recorder, asyncio.get_running_loop())
        joined.write(b"head ")
        joined.write(b"body")
        assert recorder.told == []
        await asyncio.sleep(0)
        joined.write(b"last")
        joined.close()
        await asyncio.sleep(0)
        joined.write(b"too late")
        await asyncio.sleep(0)
        return recorder.told

    assert asyncio.run(write()) == [b"head body", b"last", "closed"]


def test_a_large_answer_is_not_held_back() -> None:
    async def write() -> list[bytes | str]:
        recorder = Recorder()
        JoinedWrites(recorder, asyncio.get_running_loop()).write(b"x" * (MAX_HELD_BYTES + 1))
        return recorder.told

    assert [len(part) for part in asyncio.run(write())] == [MAX_HELD_BYTES + 1]


def test_the_beginning_of_a_stream_arrives_before_its_end_is_known() -> None:
    has_arrived = asyncio.Event()

    async def stream(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await has_arrived.wait()
        await send({"type": "http.response.body", "body": b"second"})

    async def read(client: socket.socket) -> bytes:
        loop, received = asyncio.get_running_loop(), b""
        while b"first" not in received:
            received += await loop.sock_recv(client, 4096)
        has_arrived.set()
        while b"second" not in received:
            received += await loop.sock_recv(client, 4096)
        return received

    assert b"5\r\nfirst\r\n" in served(stream, read)


@pytest.mark.parametrize("needed_s", [0.0, 0.05])
def test_a_client_that_sends_no_more_gets_its_answers(needed_s: float) -> None:
    """Such a client, for example `nc -N`, closes its sending side after the request."""

    async def answer(_: Scope, __: Receive, send: Send) -> None:
        if needed_s:
            await asyncio.sleep(needed_s)
        headers = [(b"content-length", b"6")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"answer"})

    async def read(client: socket.socket) -> bytes:
        loop, received = asyncio.get_running_loop(), b""
        await loop.sock_sendall(client, REQUEST)
        client.shutdown(socket.SHUT_WR)
        while part := await loop.sock_recv(client, 4096):
            received += part
        return received

    for _ in range(10):
        assert served(answer, read).count(b"answer") == 2


def test_a_client_that_ends_in_the_midst_of_a_body_is_gone() -> None:
    gone = asyncio.Event()

    async def answer(_: Scope, receive: Receive, __: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    async def read(client: socket.socket) -> bytes:
        loop = asyncio.get_running_loop()
        client.shutdown(socket.SHUT_WR)
        await gone.wait()
        return await loop.sock_recv(client, 4096)

    head = REQUEST.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n")
    assert served(answer, read, request=head + b"half") == b""

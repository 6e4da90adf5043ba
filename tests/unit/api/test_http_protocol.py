"""No client takes the time or the memory of the API, and HTTP/1.1 is read as it is meant."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from support.hostile import ATTACKS, BLOCK
from uvicorn.config import Config
from uvicorn.server import ServerState

from streamflow.web import http_protocol
from streamflow.web.http_protocol import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_PIPELINED,
    HttpProtocol,
)

HEAD = b"GET /a HTTP/1.1\r\nHost: a\r\n"
KEY = b"X-API-Key: sk_1\r\n"


@dataclass
class Exchange(asyncio.Transport):
    """A connection without a network: the requests that the application got, and the answers."""

    requests: list[tuple[Scope, bytes]] = field(default_factory=list)
    written: bytes = b""
    sent_parts: int = 0
    is_closed: bool = False
    is_reading: bool = True  # type: ignore[assignment]

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        assert not self.is_closed
        self.written += data
        self.sent_parts += 1

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    @property
    def statuses(self) -> list[int]:
        return [int(part[:3]) for part in self.written.split(b"HTTP/1.1 ")[1:]]

    @property
    def bodies(self) -> list[bytes]:
        return [body for _, body in self.requests]

    def headers(self, number: int = 0) -> list[tuple[bytes, bytes]]:
        return list(self.requests[number][0]["headers"])


def exchange(*parts: bytes, wait_s: float = 0.0, reads_body: bool = True) -> Exchange:
    """Send the parts, each when the application has worked on those before it."""
    connection = Exchange()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", reads_body
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        connection.requests.append((scope, body))
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    async def work() -> None:
        config = Config(app, ws="none", lifespan="off", log_config=None)
        config.load()
        protocol = HttpProtocol(config, ServerState(), {})
        protocol.connection_made(connection)
        for part in parts:
            if connection.is_reading and not connection.is_closed:
                protocol.data_received(part)
            for _ in range(6):
                await asyncio.sleep(0)
        await asyncio.sleep(wait_s)
        connection.is_closed = True
        protocol.connection_lost(ConnectionError())
        await asyncio.gather(*protocol.tasks)

    asyncio.run(work())
    return connection


def head(size: int) -> bytes:
    """A head of so many bytes."""
    padding = size - len(HEAD) - len(b"X-A: \r\n\r\n")
    return HEAD + b"X-A: " + b"a" * padding + b"\r\n\r\n"


def cut(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The data in parts, cut at these positions."""
    places = sorted({0, len(data), *(place % len(data) for place in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


MALFORMED = ("the method",)


def test_head_and_body_of_an_answer_are_sent_at_once() -> None:
    connection = exchange(HEAD + b"\r\n", HEAD + b"\r\n")
    assert connection.statuses == [200, 200]
    assert connection.sent_parts == 2


@pytest.mark.parametrize("kind", ATTACKS)
def test_a_request_without_an_end_is_refused(kind: str) -> None:
    beginning, block = ATTACKS[kind]
    connection = exchange(beginning, *[block] * 20)
    if kind == "one large body":
        assert not connection.statuses  # `BodyLimit` refuses it
    elif kind == "requests without a pause":
        assert connection.statuses == [200] * (MAX_PIPELINED + 1)
    else:
        assert connection.statuses == [400 if kind in MALFORMED else 431]
    assert connection.is_reading == (kind == "one large body")


def test_a_refused_connection_is_closed_later_and_read_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_protocol, "HOLD_S", 0.02)
    attack = HEAD + b"X-A: " + b"a" * MAX_HEAD_BYTES
    held = exchange(attack)
    assert (held.is_reading, held.written.count(b"HTTP/1.1")) == (False, 1)
    headers, _, body = held.written.partition(b"\r\n\r\n")
    assert json.loads(body)["code"] == "head_too_large"
    assert b"\r\nconnection: close" in headers
    assert b"\r\ncontent-security-policy: default-src 'none'" in headers
    with pytest.raises(AssertionError):  # it is closed, so nothing can be written any more
        exchange(attack, wait_s=0.1).write(b"")


@given(
    size=st.integers(MAX_HEAD_BYTES - 3, MAX_HEAD_BYTES + 3),
    cuts=st.lists(st.integers(0, MAX_HEAD_BYTES), max_size=5),
)
def test_a_head_has_at_most_64_kb_however_it_arrives(size: int, cuts: list[int]) -> None:
    connection = exchange(*cut(head(size), cuts))
    assert connection.statuses == [200 if size <= MAX_HEAD_BYTES else 431]


@pytest.mark.parametrize("count", [MAX_HEADERS - 1, MAX_HEADERS, MAX_HEADERS + 1])
def test_a_head_has_at_most_100_headers(count: int) -> None:
    lines = b"".join(b"h%d: v\r\n" % number for number in range(count - 1))
    connection = exchange(HEAD + lines + b"\r\n")
    assert connection.statuses == [200 if count <= MAX_HEADERS else 431]


@given(cuts=st.lists(st.integers(0, 500_000), max_size=8))
def test_what_clients_really_send_is_accepted_however_it_arrives(cuts: list[int]) -> None:
    large = b"x" * 100_000
    small_chunks = b"".join(b"c\r\n%012d\r\n" % number for number in range(5000))
    data = (
        b"POST /1 HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"
        + large
        + b"POST /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        + small_chunks
        + b"0\r\nX-Sum: 1\r\n\r\n"
        + head(60_000) * 3
    )
    connection = exchange(*cut(data, cuts), b"", b"", b"")
    expected = b"".join(b"%012d" % number for number in range(5000))
    assert connection.bodies == [large, expected, b"", b"", b""]
    assert connection.statuses == [200] * 5


@pytest.mark.parametrize("parts", [1, 2])
def test_a_trailer_is_not_a_header(parts: int) -> None:
    chunked = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"
    trailers = b"0\r\n" + KEY + b"Expect: 100-continue\r\nHost: b\r\n\r\n"
    sent = [chunked + trailers] if parts == 1 else [chunked, trailers]
    connection = exchange(*sent, HEAD + KEY + b"\r\n")
    assert connection.bodies == [b"hi", b""]
    assert connection.headers() == [(b"host", b"a"), (b"transfer-encoding", b"chunked")]
    assert connection.headers(1) == [(b"host", b"a"), (b"x-api-key", b"sk_1")]


H2C = b"Connection: Upgrade, HTTP2-Settings\r\n"
UPGRADES = {
    "curl --http2": H2C + b"Upgrade: h2c\r\nHTTP2-Settings: AA\r\n",
    "java.net.http": H2C + b"HTTP2-Settings: AA\r\nUpgrade: h2c\r\n",
    "a WebSocket": b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n",
    "TLS": b"Upgrade: TLS/1.2, HTTP/1.1\r\nConnection: upgrade\r\n",
}
BODIES = {
    "sized": (b"Content-Length: 2\r\n\r\nhi", b"hi"),
    "chunked": (b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: 1\r\n\r\n", b"hi"),
    "none": (b"\r\n", b""),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("upgrade", UPGRADES)
def test_an_upgrade_is_answered_as_http_1_1_with_its_body(upgrade: str, body: str) -> None:
    rest, expected = BODIES[body]
    request = b"POST /a%2Fb?c=d HTTP/1.1\r\nHost: a\r\n" + KEY + UPGRADES[upgrade] + rest
    for parts in ([request * 3], [bytes([byte]) for byte in request]):
        connection = exchange(*parts, b"", b"", b"")
        count = len(connection.requests)
        assert connection.bodies == [expected] * (3 if parts == [request * 3] else 1)
        assert connection.statuses == [200] * count
        scope, _ = connection.requests[0]
        assert (scope["method"], scope["raw_path"], scope["query_string"]) == (
            "POST", b"/a%2Fb", b"c=d",
        )  # fmt: skip
        assert (b"x-api-key", b"sk_1") in scope["headers"]


@pytest.mark.parametrize(
    "request_line",
    [
        b"CONNECT a:80 HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"GET http://[a HTTP/1.1",
        b"GET /a HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\nX: 1\r\n 2",
        b"GET http://[a HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade",
    ],
)
def test_what_is_not_a_request_is_answered_with_400(request_line: bytes) -> None:
    connection = exchange(request_line + b"\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n")
    assert connection.statuses == [400]
    assert json.loads(connection.written.partition(b"\r\n\r\n")[2])["code"] == "malformed_request"
    assert connection.requests == []


def test_a_body_that_nobody_wants_is_read_slowly() -> None:
    request = b"POST /a HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n"
    connection = exchange(request, b"a" * BLOCK, reads_body=False)
    assert (connection.statuses, connection.is_reading) == ([200], False)
    assert exchange(request, b"a" * BLOCK, reads_body=False, wait_s=0.1).is_reading


def test_a_refusal_does_not_stand_in_the_midst_of_an_answer() -> None:
    begun = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    malformed = b"x\r\n\r\n"
    assert exchange(begun, malformed).statuses == [400]
    assert exchange(begun, malformed).requests == []  # the application got no half of a body
    assert exchange(begun, malformed, reads_body=False).statuses == [200]
    assert exchange(HEAD + b"\r\n" + begun + malformed).statuses == [200]
    assert exchange(HEAD + b"\r\n" + malformed).statuses == [200]

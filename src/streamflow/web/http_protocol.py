"""The limits on the bytes of a request that are not its body, and what HTTP/1.1 does with the rest.

uvicorn and its parser have no limit for a head. A header without an end is joined piece by piece,
and this blocks the event loop: then no other client gets an answer, and no timer fires.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from streamflow.web.body_limit import BODY_IS_HERE, DISCARD_PAUSE_S
from streamflow.web.client_timeouts import ClientTimeoutProtocol
from streamflow.web.host_check import SECURITY_HEADERS
from streamflow.web.joined_writes import JoinedWrites

# The most bytes of a head: the request line and the headers.
MAX_HEAD_BYTES = 65_536

# The most bytes around a body: sizes and extensions of chunks, and trailers. Beyond that, they may
# be as many as the bytes of the body itself.
MAX_FRAMING_BYTES = 2_048

# The most headers and trailers of a request.
MAX_HEADERS = 100

# The most requests on one connection that wait for the answer to an earlier one.
MAX_PIPELINED = 16

# The parser gets at most so many bytes at once, so that the limits are checked between.
PIECE_BYTES = 16_384

# A refused connection is closed after this time, and nothing is read from it before. It limits how
# often a hostile client can begin again, and the client can read the answer.
HOLD_S = 2.0


class _RefusedError(Exception):
    """A request exceeds a limit. It stops the parser."""


class HttpProtocol(ClientTimeoutProtocol):
    """uvicorn's HTTP protocol, in which no client can take the time or the memory of the API.

    Three more things differ from uvicorn. A trailer is not a header: it is dropped. A request that
    asks for a different protocol (`Upgrade`) is answered as HTTP/1.1, with its body. An answer to
    a request that HTTP does not allow has the form of all our errors.
    """

    _room_bytes = MAX_HEAD_BYTES  # how many bytes besides the body may still come
    _header_count = 0
    _is_in_head = True  # whether the headers of the next request are not yet complete
    _is_refused = False
    _sends_no_more = False  # whether the client has closed its sending side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let the head and the body of each answer be sent together."""
        super().connection_made(cast("asyncio.Transport", JoinedWrites(transport, self.loop)))

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio declares it
        """Answer the requests that have arrived whole: the client sends no more.

        If there are none, the transport closes after this. What is held is sent before.
        """
        self._sends_no_more = True
        cast("JoinedWrites", self.transport).flush()
        return self._is_in_head and not self._is_all_answered()

    def data_received(self, data: bytes) -> None:
        """Give the data to the parser in pieces, and stop at the limits."""
        self._unset_keepalive_if_required()
        position = 0
        while position < len(data) and not self._is_refused and not self.transport.is_closing():
            size = min(PIECE_BYTES, self._room_bytes)
            if size <= 0:
                self._refuse_large_head()
                return
            position += self._parse(data[position : position + size])
        if self._is_answered_early():
            self.flow.pause_reading()
            self.loop.call_later(DISCARD_PAUSE_S, self._resume_reading)

    def _parse(self, piece: bytes) -> int:
        """Parse a piece, and return how many of its bytes were read."""
        self._room_bytes -= len(piece)
        try:
            return self._feed(piece)
        except HttpParserError as error:
            if isinstance(error.__context__, _RefusedError):
                self._refuse_large_head()
            else:
                self._refuse(400, "malformed_request", "this is not a request of HTTP/1.1")
        return len(piece)

    def _feed(self, piece: bytes) -> int:
        """Give a piece to the parser, and return how many of its bytes were read.

        The parser reads no body after a head that asks for an upgrade. So it is replaced, and the
        new parser reads this head without the header that asks.
        """
        try:
            self.parser.feed_data(piece)
        except HttpParserUpgrade as upgrade:
            if self.scope["method"] == "CONNECT":
                self._refuse(400, "malformed_request", "the API is not a proxy")
            else:
                head = self._build_head_without_upgrade()
                self.parser = HttpRequestParser(self)
                # uvicorn sets this too: a client may send more after the request that it calls
                # its last one.
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self.parser.feed_data(head)
            return int(upgrade.args[0])
        return len(piece)

    def _build_head_without_upgrade(self) -> bytes:
        method = self.scope["method"].encode()
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _should_upgrade(self) -> bool:
        """Tell uvicorn not to answer a head that asks for an upgrade: `_feed` changes it first."""
        return True

    def on_message_begin(self) -> None:
        """Begin to count the headers of a request."""
        super().on_message_begin()
        self._header_count = 0
        if len(self.pipeline) >= MAX_PIPELINED:
            raise _RefusedError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header or a trailer, and store the header."""
        self._header_count += 1
        if self._header_count > MAX_HEADERS:
            raise _RefusedError
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to count the bytes around the body."""
        super().on_headers_complete()
        self._is_in_head = False
        self._room_bytes = MAX_FRAMING_BYTES

    def on_body(self, body: bytes) -> None:
        """Give the room back that the body took, and as much for the bytes around it."""
        self._room_bytes = min(MAX_FRAMING_BYTES, self._room_bytes + 2 * len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the body has arrived, and begin to count the bytes of the next head."""
        self.scope[BODY_IS_HERE] = True  # type: ignore[literal-required]  # a key of our own
        self._is_in_head = True
        self._room_bytes = MAX_HEAD_BYTES
        super().on_message_complete()

    def _is_all_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _is_answered_early(self) -> bool:
        """Return whether the client still sends the body of a request that has its answer."""
        return not self._is_in_head and self.cycle.response_complete

    def _resume_reading(self) -> None:
        if not self._is_refused and not self.transport.is_closing():
            self.flow.resume_reading()

    def _refuse_large_head(self) -> None:
        message = (
            f"a request has at most {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers besides its"
            f" body, and at most {MAX_PIPELINED} requests wait on one connection"
        )
        self._refuse(431, "head_too_large", message)

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer with an error, and close the connection a little later.

        There is no answer where it would stand in the midst of a different answer.
        """
        self._is_refused = True
        self.logger.warning("A request was refused: %s", code)
        self.flow.pause_reading()
        if self._is_in_head:
            may_answer = self._is_all_answered()
        else:
            may_answer = not self.pipeline and not self.cycle.response_started
            # The application learns that the rest of the body does not come.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if may_answer:
            self.transport.write(_build_answer(status, {"error": message, "code": code}))
        self.loop.call_later(HOLD_S, self.transport.close)

    def on_response_complete(self) -> None:
        """Read the next request, unless the connection is refused or the client sends no more."""
        super().on_response_complete()
        if self._is_refused:
            self.flow.pause_reading()
        elif self._sends_no_more and self._is_all_answered():
            self.transport.close()


def _build_answer(status: int, content: dict[str, Any]) -> bytes:
    """Build the bytes of an answer that closes the connection."""
    body = json.dumps(content).encode()
    headers = (
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *SECURITY_HEADERS,
    )
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b%b\r\n%b" % (STATUS_LINE[status], lines, body)

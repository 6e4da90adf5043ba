"""Clients that try to stop the API without a key. Each kind sends one request that never ends.

`python hostile.py HOST:PORT KIND CLIENTS SECONDS` runs them in a process of their own, so that
they take no time of the clients that a test measures.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import NamedTuple

BLOCK = 65_536  # bytes of one write


class Attack(NamedTuple):
    """A request without an end: its beginning, and what is sent after it for ever."""

    beginning: bytes
    block: bytes


def repeat(part: bytes) -> bytes:
    """The part again and again, in about the bytes of one write."""
    return part * (BLOCK // len(part))


HEAD = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZED = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999999999\r\n\r\n"

ATTACKS = {
    "one header value": Attack(HEAD + b"X-A: ", repeat(b"a")),
    "one header name": Attack(HEAD, repeat(b"a")),
    "many small headers": Attack(HEAD, repeat(b"a: b\r\n")),
    "the path": Attack(b"GET /", repeat(b"a")),
    "the method": Attack(b"", repeat(b"A")),
    "empty lines": Attack(b"", repeat(b"\r\n")),
    "a chunk extension": Attack(CHUNKED + b"1;", repeat(b"a")),
    "the size of a chunk": Attack(CHUNKED, repeat(b"0")),
    "chunks of one byte": Attack(CHUNKED, repeat(b"1\r\na\r\n")),
    "one trailer value": Attack(CHUNKED + b"0\r\nX-A: ", repeat(b"a")),
    "many small trailers": Attack(CHUNKED + b"0\r\n", repeat(b"a: b\r\n")),
    "requests without a pause": Attack(b"", repeat(HEAD + b"\r\n")),
    "one large body": Attack(SIZED, repeat(b"a")),
}


def attack(address: tuple[str, int], kind: str, until: float) -> None:
    """Send the request, and begin again as soon as the API ends the connection."""
    beginning, block = ATTACKS[kind]
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(address, timeout=5) as connection:
            connection.sendall(beginning)
            while time.monotonic() < until:
                connection.sendall(block)


@contextmanager
def attacked(base: str, kind: str, *, clients: int, seconds: float) -> Iterator[None]:
    """Run so many hostile clients in a process of their own during the block."""
    netloc = base.rpartition("/")[2]
    command = [sys.executable, __file__, netloc, kind, str(clients), str(seconds)]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.kill()


def main(netloc: str, kind: str, clients: int, seconds: float) -> None:
    """Run the clients, each in a thread."""
    host, _, port = netloc.rpartition(":")
    until = time.monotonic() + seconds
    threads = [Thread(target=attack, args=[(host, int(port)), kind, until]) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))

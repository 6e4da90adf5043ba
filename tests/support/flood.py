"""Many clients at once, each on a connection of its own, on one event loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from urllib.parse import urlsplit

from support.load import Reply


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str, request_id: str
) -> Reply:
    """One question on a connection that stays open."""
    body = json.dumps({"user_id": key}).encode()
    began = time.monotonic()
    writer.write(
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        + f"X-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    content = json.loads(await reader.readexactly(int(headers["content-length"])))
    return Reply(
        request_id=request_id,
        key=key,
        status=int(head.split(" ")[1]),
        body=content,
        retry_after=headers.get("retry-after"),
        at=time.time(),
        seconds=time.monotonic() - began,
    )


@asynccontextmanager
async def connected(base: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection."""
    where = urlsplit(base)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def flood(
    base: str,
    keys: Sequence[str],
    *,
    clients: int,
    name: str,
    until: Callable[[], bool],
    seen: Callable[[Reply], None],
    pause_s: float = 0.0,
) -> None:
    """Ask with so many clients until `until`; each waits `pause_s` after a refusal."""

    async def client(number: int) -> None:
        async with connected(base) as (reader, writer):
            for turn in count():
                if until():
                    return
                key = keys[(number * 7 + turn) % len(keys)]
                reply = await asyncio.wait_for(
                    ask(reader, writer, key, f"{name}-{number}-{turn}"), 60
                )
                seen(reply)
                if reply.status != 200:
                    await asyncio.sleep(pause_s)

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(client(number))

    asyncio.run(work())


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share is not above."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]

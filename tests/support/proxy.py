"""A network between the API and PostgreSQL that can be cut, slow, or silent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Thread
from typing import Any

from streamflow.database import Address, from_url
from streamflow.services.processes import free_port


class Proxy:
    """Passes on what comes to a TCP port, on a loop in a thread of its own."""

    def __init__(self, target: Address) -> None:
        self.delay = 0.0  # of each answer
        self._target, self.port = target, free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where the same database is, by way of this."""
        return self.by_way(self._target).uri()

    def by_way(self, address: Address) -> Address:
        """An address on the same server, by way of this."""
        return replace(
            address,
            role=None,
            parameters={**address.parameters, "host": "127.0.0.1", "port": str(self.port)},
        )

    def up(self) -> None:
        """Accept, and pass on."""
        self._do(self._listen())

    def down(self) -> None:
        """Refuse, and cut what is open."""
        self._do(self._cut())

    def silent(self) -> None:
        """Keep all connections and accept new ones, but pass no data on, like a dead network.

        A server that was stopped looks the same.
        """
        self._loop.call_soon_threadsafe(self._flows.clear)

    def forget(self) -> None:
        """Pass no more data on for the open connections, without an error; new connections work."""

        async def work() -> None:
            self._flows.clear()
            self._flows = asyncio.Event()
            self._flows.set()

        self._do(work())

    def heal(self) -> None:
        """As if nothing had been."""
        self.delay = 0.0
        self._loop.call_soon_threadsafe(self._flows.set)
        self.up()

    def start(self) -> None:
        """Begin, cut off."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accept, "127.0.0.1", self.port, backlog=256
            )

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        flows = self._flows
        mine = {writer}
        self._open.add(writer)
        try:
            with suppress(OSError):  # either side may go at any time
                there, back = await self._connect()
                mine.add(back)
                self._open.add(back)
                await asyncio.gather(
                    self._pass(reader, back, flows), self._pass(there, writer, flows, slow=True)
                )
        except asyncio.CancelledError:
            return  # `_cut` waits for it
        finally:
            for one in mine:
                one.transport.abort()
            self._open -= mine
            self._tasks.discard(task)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._target.parameters["host"], self._target.parameters.get("port", "5432")
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port))

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flows: asyncio.Event,
        *,
        slow: bool = False,
    ) -> None:
        while content := await reader.read(65_536):
            if slow and self.delay:
                await asyncio.sleep(self.delay)
            await flows.wait()
            writer.write(content)
            await writer.drain()
        writer.transport.abort()


@contextmanager
def proxied(url: str) -> Iterator[Proxy]:
    """A proxy to the server that `url` names, cut off at first."""
    proxy = Proxy(from_url(url))
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()

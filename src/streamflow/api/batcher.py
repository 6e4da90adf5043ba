"""Requests that wait are answered together (dynamic batching): one read, one run of the model, one COPY into the prediction log.

An answer goes out after its line of the log is committed, so none that was given is ever missing there. Some lanes take turns:
while one waits for PostgreSQL another works. Nothing is kept from one turn to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from time import perf_counter
from typing import Literal

import psycopg
from psycopg_pool import AsyncConnectionPool

from streamflow.api.metrics import Metrics
from streamflow.api.request_context import Notes
from streamflow.database.pool import connection_of
from streamflow.errors import DatabaseUnavailable, Overloaded
from streamflow.features.live_features import OnlineRow
from streamflow.steps.serving.predict import Prediction, Refusal, Serving, judge
from streamflow.warehouse.prediction_log import log_beside

LANES, LARGE_LANES = 6, 2
TURN = 64  # ids of one turn; a request with more has a turn of its own, in lanes of their own: nobody waits behind it
HANG = 2  # times its limit, until a phase is broken off: by then PostgreSQL would have ended it, if it were there
INLINE = (
    TURN  # ids up to which the model runs between two events; more would hold up all other requests
)

Phase = Literal["queue", "features", "model", "log"]
Answer = Prediction | Refusal


@dataclass(slots=True, eq=False)
class Ask:
    """A request that waits for its answers, one per key, in their order."""

    keys: Sequence[str | int]
    notes: Notes
    limit: float
    answers: asyncio.Future[tuple[Serving, list[Answer]]]
    phase: Phase = "queue"
    entered: float = 0.0  # into the phase

    def enter(self, phase: Phase) -> None:
        """Begin a phase: its time limit begins anew."""
        self.phase, self.entered = phase, perf_counter()
        self.notes.phases.append((phase, self.entered))

    def watch(self) -> None:
        """Give up once a phase has taken too long."""
        if self.answers.done():
            return
        left = self.entered + self.limit - perf_counter()
        if left > 0:
            self.answers.get_loop().call_later(left, self.watch)
        else:
            self.fail(
                Overloaded(
                    f"no answer within {self.limit:g} s, in the phase '{self.phase}'",
                    phase=self.phase,
                )
            )

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        if not self.answers.done():
            self.answers.set_exception(error)


class Batcher:
    """One per process, on its event loop."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        serving: Callable[[], Serving],
        metrics: Metrics,
        *,
        time_limit: float,
        max_waiting: int,
        shed: bool,
    ) -> None:
        self._pool, self._serving, self._metrics = pool, serving, metrics
        self._limit, self._max, self._shed = time_limit, max_waiting, shed
        self._small: asyncio.Queue[Ask] = asyncio.Queue()
        self._large: asyncio.Queue[Ask] = asyncio.Queue()
        self._ids = 0  # that wait
        self._lanes: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """The ids that wait for their turn."""
        return self._ids

    def start(self) -> None:
        """Begin to answer."""
        queues = [self._small] * LANES + [self._large] * LARGE_LANES
        self._lanes = [
            asyncio.create_task(self._lane(queue), name=f"lane {n}")
            for n, queue in enumerate(queues)
        ]

    async def stop(self) -> None:
        """End; whoever still waits is told so. The server has waited for its requests before it calls this."""
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        for queue in (self._small, self._large):
            while not queue.empty():
                queue.get_nowait().fail(Overloaded("the API is being stopped"))

    async def answer(self, keys: Sequence[str | int], notes: Notes) -> tuple[Serving, list[Answer]]:
        """The version and its answer for each key, once they are in the prediction log.

        Raises Overloaded, DatabaseUnavailable, VersionMissing, NotMigrated; what one key lacks is its entry.
        """
        if self._ids and self._ids + len(keys) > self._max:
            raise Overloaded(
                f"{self._ids} ids wait already; api_max_waiting allows {self._max}", phase="queue"
            )
        ask = Ask(keys, notes, self._limit, asyncio.get_running_loop().create_future())
        ask.enter("queue")
        self._ids += len(keys)
        (self._large if len(keys) > TURN else self._small).put_nowait(ask)
        ask.answers.get_loop().call_later(self._limit, ask.watch)
        return await ask.answers

    async def _lane(self, queue: asyncio.Queue[Ask]) -> None:
        while True:
            turn = [ask for ask in await self._next(queue) if not ask.answers.done()]
            if turn:
                await self._take(turn)

    async def _next(self, queue: asyncio.Queue[Ask]) -> list[Ask]:
        """Whoever waits, as far as a turn has room."""
        first = await queue.get()
        turn, ids = [first], len(first.keys)
        while not queue.empty() and ids < TURN:
            turn.append(queue.get_nowait())
            ids += len(turn[-1].keys)
        self._ids -= ids
        return turn

    async def _take(self, turn: list[Ask]) -> None:
        """Answer a turn, whatever happens. What the database refuses for one request is not held against the others."""
        try:
            try:
                await self._again_if_lost(turn)
            except (psycopg.DataError, psycopg.IntegrityError):
                if len(turn) == 1:
                    raise
                for ask in turn:
                    await self._take([ask])
        except (
            Exception
        ) as error:  # whatever it is, it is the answer to those who wait; the request logs it
            for ask in turn:
                ask.fail(error)

    async def _again_if_lost(self, turn: list[Ask]) -> None:
        """Answer; once more on another connection where the first one was dead: PostgreSQL was started anew meanwhile."""
        try:
            await self._answer(turn)
        except _Lost:
            await (
                self._pool.drain()
            )  # the others are dead, too; to ask them first could take for ever
            try:
                await self._answer(turn)
            except _Lost as error:
                raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error

    async def _answer(self, turn: list[Ask]) -> None:
        serving = self._serving()
        keys = [key for ask in turn for key in ask.keys]
        async with connection_of(self._pool) as connection:
            for ask in turn:
                self._metrics.phase("queue", perf_counter() - ask.entered)
            async with self._phase("features", turn):
                rows = await _read(serving, connection, keys)
            async with self._phase("model", turn):
                found = await _judged(serving, keys, rows)
            async with self._phase("log", turn):
                await self._log(connection, turn, found)
        answers = iter(found)
        for ask in turn:
            own = list(islice(answers, len(ask.keys)))
            if not ask.answers.done():
                ask.answers.set_result((serving, own))
                for one in own:
                    if isinstance(one, Prediction):
                        self._metrics.predicted(one.version, one.prediction)

    @asynccontextmanager
    async def _phase(self, phase: Phase, turn: list[Ask]) -> AsyncIterator[None]:
        for ask in turn:
            ask.enter(phase)
        began = perf_counter()
        try:
            async with asyncio.timeout(HANG * self._limit):
                yield
        finally:
            self._metrics.phase(phase, perf_counter() - began)

    async def _log(
        self, connection: psycopg.AsyncConnection, turn: list[Ask], found: list[Answer]
    ) -> None:
        answers, entries = iter(found), []
        for ask in turn:
            own = islice(answers, len(ask.keys))
            entries += [
                one.logged(ask.notes.request_id) for one in own if isinstance(one, Prediction)
            ]
        if not entries:
            return
        try:
            async with asyncio.timeout(
                self._limit / 2 if self._shed else None
            ):  # there has to be time for the answer
                await log_beside(connection, entries)
        except (psycopg.Error, TimeoutError):
            if not self._shed:
                raise
            self._metrics.unlogged(len(entries))


class _Lost(Exception):
    """The connection was dead before anything was read."""


async def _read(
    serving: Serving, connection: psycopg.AsyncConnection, keys: list[str | int]
) -> list[OnlineRow | None]:
    try:
        return await serving.reader.read_beside(connection, keys)
    except psycopg.OperationalError as error:
        if connection.broken:
            raise _Lost(str(error)) from error
        raise


async def _judged(
    serving: Serving, keys: list[str | int], rows: list[OnlineRow | None]
) -> list[Answer]:
    now = datetime.now(UTC)
    if len(keys) <= INLINE:
        return judge(serving, keys, rows, now=now)
    return await asyncio.to_thread(judge, serving, keys, rows, now=now)

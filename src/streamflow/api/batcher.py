"""Dynamic batching: requests that wait are answered together.

A batch needs one read of the features, one run of the model, and one INSERT into the prediction
log. The API sends an answer only after its line in the log is committed, so every answer that was
given is in the log. Several workers take turns: while one waits for PostgreSQL, a different one
works. Nothing is stored between two batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice

import psycopg
from psycopg_pool import AsyncConnectionPool

from streamflow.api.metrics import Metrics
from streamflow.api.pending_request import Answer, PendingRequest
from streamflow.api.turn import begin_turn
from streamflow.core.data.counts import count_of
from streamflow.database.pool import take_connection
from streamflow.errors import DatabaseUnavailable, Overloaded
from streamflow.features.live_features import OnlineRow
from streamflow.steps.serving.predict import predict_rows
from streamflow.steps.serving.serving_version import Serving
from streamflow.warehouse.prediction_log import KeyForgotten, log_predictions_async
from streamflow.web.request_context import Notes

# How often a batch is tried: keys can be forgotten while it is answered.
ATTEMPTS = 3
# Workers for small requests, and for large ones. The fewer there are, the more requests share a
# turn; with one, nothing would be computed while it waits for the log.
SMALL_WORKERS = 2
LARGE_WORKERS = 2

# The largest number of ids in a batch. A request with more ids is a batch of its own, and has its
# own workers, so that no small request waits behind it.
BATCH_IDS = 64

# A phase is broken off after this many times its limit. PostgreSQL ends a statement at the limit
# itself, so by then it cannot be running.
HANG_FACTOR = 2

# Up to this many ids the model runs in the event loop. A larger batch runs in a thread, because it
# would hold up all requests.
INLINE_IDS = BATCH_IDS


class Batcher:
    """Answers the requests of one process, on its event loop."""

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
        self._pool = pool
        self._serving = serving
        self._metrics = metrics
        self._time_limit = time_limit
        self._max_waiting = max_waiting
        self._shed = shed
        self._small: asyncio.Queue[PendingRequest] = asyncio.Queue()
        self._large: asyncio.Queue[PendingRequest] = asyncio.Queue()
        self._waiting_ids = 0
        self._workers: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """Return how many ids wait for an answer."""
        return self._waiting_ids

    def start(self) -> None:
        """Start the workers, which answer the requests."""
        queues = [self._small] * SMALL_WORKERS + [self._large] * LARGE_WORKERS
        self._workers = [
            asyncio.create_task(self._work(queue), name=f"worker {number}")
            for number, queue in enumerate(queues)
        ]

    async def stop(self) -> None:
        """Stop the workers, and answer the requests that still wait with an error.

        The server has waited for its requests before it calls this.
        """
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for queue in (self._small, self._large):
            while not queue.empty():
                queue.get_nowait().fail(Overloaded("the API is being stopped"))

    async def answer(
        self,
        keys: Sequence[str | int],
        notes: Notes,
        *,
        needs_all: bool = False,
    ) -> tuple[Serving, list[Answer]]:
        """Return the version and its answer for each key, once they are in the prediction log.

        A key that cannot be answered has its error as its answer. With `needs_all`, the client
        then gets no prediction, and none is logged.
        Raises Overloaded, DatabaseUnavailable, VersionMissing, NotMigrated.
        """
        if self._waiting_ids and self._waiting_ids + len(keys) > self._max_waiting:
            raise Overloaded(
                f"{count_of(self._waiting_ids, 'id is', 'ids are')} waiting;"
                f" api_max_waiting allows {self._max_waiting}",
                phase="queue",
            )
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        request = PendingRequest(keys, notes, self._time_limit, future, needs_all)
        request.enter("queue")
        self._waiting_ids += len(keys)
        queue = self._large if len(keys) > BATCH_IDS else self._small
        queue.put_nowait(request)
        loop.call_later(self._time_limit, request.watch)
        return await request.answers

    async def _work(self, queue: asyncio.Queue[PendingRequest]) -> None:
        while True:
            requests = await self._collect_batch(queue)
            batch = [request for request in requests if not request.answers.done()]
            if batch:
                await self._answer_or_fail(batch)

    async def _collect_batch(self, queue: asyncio.Queue[PendingRequest]) -> list[PendingRequest]:
        """Wait for a request, and take with it those that wait too, until the batch is full."""
        first = await queue.get()
        batch = [first]
        ids = len(first.keys)
        while not queue.empty() and ids < BATCH_IDS:
            request = queue.get_nowait()
            batch.append(request)
            ids += len(request.keys)
        self._waiting_ids -= ids
        return batch

    async def _answer_or_fail(self, batch: list[PendingRequest]) -> None:
        """Answer a batch with its predictions, or with the error that occurs.

        If the database refuses the data of a batch, each request is answered alone, so that only
        the request with the wrong data fails.
        """
        try:
            try:
                await self._answer_with_retry(batch)
            except (psycopg.DataError, psycopg.IntegrityError):
                if len(batch) == 1:
                    raise
                for request in batch:
                    await self._answer_or_fail([request])
        # Whatever the error is, the requests that wait get it as their answer, and log it.
        except Exception as error:  # noqa: BLE001
            for request in batch:
                request.fail(error)

    async def _answer_with_retry(
        self,
        batch: list[PendingRequest],
        *,
        attempts: int = ATTEMPTS,
    ) -> None:
        """Answer a batch, once more on a new connection if its connection was dead.

        A connection is dead when PostgreSQL was restarted in the meantime. If a key was forgotten
        since its row was read, the rows are read once more: then the key is unknown.
        """
        try:
            await self._answer(batch)
        except KeyForgotten as error:
            if attempts == 1:
                raise DatabaseUnavailable(
                    "the live features have a row of a key that was forgotten",
                    remedy="Run 'streamflow doctor'.",
                ) from error
            await self._answer_with_retry(batch, attempts=attempts - 1)
        except _ConnectionLost as error:
            if attempts == 1:
                raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error
            # All connections of the pool are dead too. To try each first could take very long.
            await self._pool.drain()
            await self._answer_with_retry(batch, attempts=1)

    async def _answer(self, batch: list[PendingRequest]) -> None:
        serving = self._serving()
        keys = [key for request in batch for key in request.keys]
        limit_s = HANG_FACTOR * self._time_limit
        async with (
            take_connection(self._pool) as connection,
            begin_turn(batch, self._metrics, limit_s=limit_s) as turn,
        ):
            turn.enter("features")
            rows = await _read_rows(serving, connection, keys)
            turn.enter("model")
            answers = await _judge(serving, keys, rows)
            turn.enter("log")
            await self._log(connection, batch, answers)
        remaining_answers = iter(answers)
        for request in batch:
            request_answers = list(islice(remaining_answers, len(request.keys)))
            if request.succeed(serving, request_answers):
                for prediction in request.given_predictions(request_answers):
                    self._metrics.count_prediction(prediction.version, prediction.prediction)

    async def _log(
        self,
        connection: psycopg.AsyncConnection,
        batch: list[PendingRequest],
        answers: list[Answer],
    ) -> None:
        """Write the predictions to the log. If the setting is "shed", a failure is only counted."""
        remaining_answers = iter(answers)
        entries = []
        for request in batch:
            request_id = request.notes.request_id
            request_answers = islice(remaining_answers, len(request.keys))
            predictions = request.given_predictions(request_answers)
            entries += [prediction.log_row(request_id) for prediction in predictions]
        if not entries:
            return
        if not self._shed:
            await log_predictions_async(connection, entries)
            return
        try:
            # The second half of the time limit is for the answer itself.
            async with asyncio.timeout(self._time_limit / 2):
                await log_predictions_async(connection, entries)
        except (psycopg.Error, TimeoutError):
            self._metrics.count_unlogged(len(entries))


class _ConnectionLost(Exception):
    """The connection was dead before anything was read."""


async def _read_rows(
    serving: Serving,
    connection: psycopg.AsyncConnection,
    keys: list[str | int],
) -> list[OnlineRow | None]:
    try:
        return await serving.reader.read_many_async(connection, keys)
    except psycopg.OperationalError as error:
        if connection.broken:
            raise _ConnectionLost(str(error)) from error
        raise


async def _judge(
    serving: Serving,
    keys: list[str | int],
    rows: list[OnlineRow | None],
) -> list[Answer]:
    now = datetime.now(UTC)
    if len(keys) <= INLINE_IDS:
        return predict_rows(serving, keys, rows, now=now)
    return await asyncio.to_thread(predict_rows, serving, keys, rows, now=now)

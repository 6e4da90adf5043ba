"""A pool of connections on an event loop, with the errors of its driver translated into ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from streamflow.database.address import Address
from streamflow.database.sql_files import load_queries
from streamflow.errors import DatabaseUnavailable, DiskFull, Overloaded, StreamflowError

QUERIES = load_queries(__file__, "pool.sql")

POOL_SIZE = 10
# After so many seconds the pool begins its attempts to connect anew. Else the pauses between them
# would double for minutes, and would go on after PostgreSQL is back.
RECONNECT_S = 4.0
T = TypeVar("T")


def open_pool(address: Address, *, time_limit: float) -> AsyncConnectionPool:
    """Make a pool, which the caller opens.

    Args:
        time_limit: seconds that a statement may take, and after which a silent network is dead.
    """

    async def configure(connection: psycopg.AsyncConnection) -> None:
        await connection.execute(QUERIES["configure_session"], [f"{time_limit:.3f}s"])

    info = psycopg.conninfo.make_conninfo(
        address.conninfo(),
        application_name="streamflow-api",
        connect_timeout=max(2, round(time_limit)),
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=int(time_limit * 1000),
    )
    return AsyncConnectionPool(
        info,
        min_size=2,
        max_size=POOL_SIZE,
        kwargs={"autocommit": True},
        # A caller that waits for a connection learns the reason before its own time is over.
        timeout=time_limit / 2,
        configure=configure,
        reconnect_timeout=RECONNECT_S,
        open=False,
    )


@asynccontextmanager
async def take_connection(pool: AsyncConnectionPool) -> AsyncIterator[psycopg.AsyncConnection]:
    """Take a connection of the pool during the block.

    Errors that the content of a statement causes pass as they are.

    Raises:
        DatabaseUnavailable: PostgreSQL does not answer.
        DiskFull: the disk of PostgreSQL is full.
        Overloaded: a statement took too long.
    """
    try:
        async with pool.connection() as connection:
            yield connection
    except PoolTimeout as exc:
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {exc}") from exc
    except psycopg.OperationalError as exc:
        raise _translate(exc) from exc


def _translate(error: psycopg.OperationalError) -> StreamflowError:
    if isinstance(error, psycopg.errors.DiskFull):
        return DiskFull("PostgreSQL has no disk space left to write the prediction log")
    if isinstance(error, psycopg.errors.QueryCanceled):
        return Overloaded("PostgreSQL took longer than the setting api_time_limit allows")
    return DatabaseUnavailable(f"PostgreSQL does not answer: {error}")


async def finish_within(limit: float, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of some work on the database, if it is done in time.

    Work that takes too long is cancelled, but we do not wait for its end. A cancelled connection
    first waits for its server, which takes seconds when the server does not answer.

    Args:
        limit: the time limit in seconds.
        work: the work.

    Raises:
        Overloaded: the work took longer than `limit`.
    """
    task = asyncio.create_task(work)
    finished, _ = await asyncio.wait({task}, timeout=limit)
    if not finished:
        task.cancel()
        # Asking for the exception keeps asyncio from logging that nobody looked at it.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        raise Overloaded(f"no answer within {limit:g} s")
    return task.result()

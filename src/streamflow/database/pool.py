"""A pool of connections on an event loop, and the errors of its driver in our words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from streamflow.database.address import Address
from streamflow.errors import DatabaseUnavailable, DiskFull, Overloaded, StreamflowError

POOL_SIZE = 10
RECONNECT_S = 4.0  # then begin anew: the pauses between attempts would double for minutes, and last on once PostgreSQL is back
T = TypeVar("T")


def open_pool(address: Address, *, time_limit: float) -> AsyncConnectionPool:
    """A pool that is opened by its user. No statement takes longer than `time_limit`, and no dead network."""

    async def configure(connection: psycopg.AsyncConnection) -> None:
        await connection.execute(
            "SELECT set_config('statement_timeout', %s, false)", [f"{time_limit:.3f}s"]
        )

    silence = int(time_limit * 1000)
    info = psycopg.conninfo.make_conninfo(
        address.conninfo(), application_name="streamflow-api", connect_timeout=max(2, round(time_limit)),
        keepalives_idle=5, keepalives_interval=2, keepalives_count=3, tcp_user_timeout=silence,
    )  # fmt: skip
    return AsyncConnectionPool(
        info,
        min_size=2,
        max_size=POOL_SIZE,
        kwargs={"autocommit": True},
        timeout=time_limit / 2,  # who waits for a connection is told why before the time is up
        configure=configure,
        reconnect_timeout=RECONNECT_S,
        open=False,
    )


@asynccontextmanager
async def connection_of(pool: AsyncConnectionPool) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection of the pool. Raises DatabaseUnavailable, DiskFull, Overloaded; what a statement's content causes passes."""
    try:
        async with pool.connection() as connection:
            yield connection
    except PoolTimeout as exc:
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {exc}") from exc
    except psycopg.OperationalError as exc:
        raise _translated(exc) from exc


def _translated(error: psycopg.OperationalError) -> StreamflowError:
    if isinstance(error, psycopg.errors.DiskFull):
        return DiskFull("PostgreSQL has no space left to write the prediction log")
    if isinstance(error, psycopg.errors.QueryCanceled):
        return Overloaded("PostgreSQL took longer than api_time_limit allows")
    return DatabaseUnavailable(f"PostgreSQL does not answer: {error}")


async def within(limit: float, work: Coroutine[Any, Any, T]) -> T:
    """The outcome of some work on the database. Raises Overloaded after `limit` seconds.

    It is cancelled and left to end: a connection that is cancelled waits for its server first, for seconds where that is away.
    """
    task = asyncio.create_task(work)
    done, _ = await asyncio.wait({task}, timeout=limit)
    if not done:
        task.cancel()
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        raise Overloaded(f"no answer within {limit:g} s")
    return task.result()

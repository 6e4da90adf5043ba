"""The drivers' errors in our words: what can happen to any statement at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import adbc_driver_manager
import psycopg

from streamflow.database.address import Address
from streamflow.errors import DatabaseUnavailable, DiskFull, StreamflowError

FULL = "No space left on device"  # the system's words, in PostgreSQL's log and in its errors
LOST = ("08", "57P")  # SQLSTATE classes: the connection failed, an operator or a crash ended it


@contextmanager
def translated(address: Address, last_words: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Raise DiskFull or DatabaseUnavailable for what a driver reports; every other error passes.

    `last_words` are the end of the server's own log: a server that could not write any more ends the connection without a reason.
    """
    try:
        yield
    except (psycopg.OperationalError, adbc_driver_manager.Error) as exc:
        ours = _ours(exc, address, last_words)
        if ours is None:
            raise
        raise ours from exc


def _ours(
    error: psycopg.Error | adbc_driver_manager.Error,
    address: Address,
    last_words: Callable[[], str],
) -> StreamflowError | None:
    state, text = error.sqlstate or "", str(error).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    if state == "53100" or FULL in text:
        return DiskFull(f"{address.display}: {first}")
    without_a_reason = not state and (
        isinstance(error, psycopg.OperationalError) or "connection" in text
    )
    if not state.startswith(LOST) and not without_a_reason:
        return None
    words = last_words()
    if FULL in words:
        return DiskFull(f"{address.display}: the server has no space to write to:\n{words}")
    return DatabaseUnavailable(
        f"{address.display}: the connection was lost: {first}",
        state="What was not committed is rolled back.",
    )

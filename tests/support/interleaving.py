"""Interleave two calls at one of their locks, without a guess at how long anything takes.

All our locks are advisory locks of PostgreSQL, which grants them in the order of the requests. So
whoever holds a lock decides when the next in the queue goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import psycopg

from streamflow.database import locks
from streamflow.errors import StreamflowError
from streamflow.platform import Platform

# Every lock that a command may take, as the argument of PostgreSQL's functions.
LOCKS = {
    name: str(getattr(locks, name))
    for name in (
        "RAW_AND_FROZEN_ROWS",
        "FORGETTING",
        "LIVE_TABLES",
        "LEDGER",
        "MONITOR_REPORT",
        "FEATURE_REGISTRY",
    )
}
LOCKS["DROP_LOADING"] = f"{locks.DROP_LOADING}, 738916"  # of 31 January 2024
PATIENCE_S = 120.0

Call = Callable[[Platform], object]


class Queue:
    """Holds one lock in turns, so that the calls go on one acquisition at a time."""

    def __init__(self, platform: Platform, lock: str) -> None:
        self._lock = lock
        self._sessions = [
            psycopg.connect(platform.login.conninfo(), autocommit=True) for _ in range(2)
        ]
        self._watcher = psycopg.connect(platform.login.conninfo(), autocommit=True)
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._acquire(self._sessions[0])

    def _acquire(self, session: psycopg.Connection) -> None:
        session.execute(f"SELECT pg_advisory_lock({self._lock})")  # type: ignore[arg-type]

    def waiting(self) -> int:
        """How many sessions beside ours wait for any lock of this database."""
        ours = [session.info.backend_pid for session in (*self._sessions, self._watcher)]
        row = self._watcher.execute(
            "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE NOT l.granted AND a.datname = current_database() AND NOT l.pid = ANY(%s)",
            [ours],
        ).fetchone()
        assert row is not None
        return int(row[0])

    def let_one_pass(self) -> None:
        """Queue behind whoever waits, and hold the lock again after them."""
        holder, next_holder = self._sessions
        pending = self._pool.submit(self._acquire, next_holder)
        pid = next_holder.info.backend_pid
        while not self._watcher.execute(
            "SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted", [pid]
        ).fetchone():
            time.sleep(0.001)
        holder.execute(f"SELECT pg_advisory_unlock({self._lock})")  # type: ignore[arg-type]
        pending.result(timeout=PATIENCE_S)
        self._sessions.reverse()

    def release(self) -> None:
        """Let everybody pass from now on."""
        for session in (*self._sessions, self._watcher):
            session.close()
        self._pool.shutdown()


@contextmanager
def queue(platform: Platform, lock: str) -> Iterator[Queue]:
    """Hold a lock; whatever happens, it is free in the end."""
    held = Queue(platform, lock)
    try:
        yield held
    finally:
        held.release()


def _settle(held: Queue, call: Future[object], waiting: int) -> bool:
    """Wait until `waiting` sessions wait, or until the call has ended; return whether it waits."""
    deadline = time.monotonic() + PATIENCE_S
    while not call.done() and held.waiting() < waiting:
        assert time.monotonic() < deadline, "the call neither ended nor waited"
        time.sleep(0.001)
    return not call.done()


def _outcome(call: Future[object]) -> object:
    """What a call returned, or the error of ours that it raised."""
    try:
        return call.result(timeout=PATIENCE_S)
    except StreamflowError as error:
        return error


def interleave(
    platform: Platform, first: Call, second: Call, lock: str, number: int
) -> tuple[object, object] | None:
    """Stop `first` where it asks for a lock the n-th time, start `second`, and let both end.

    If `second` asks for the same lock, it comes directly after `first`; if not, it ends before.

    Returns:
        What both returned or raised. None: `first` does not ask for the lock that often.
    """
    with ThreadPoolExecutor(max_workers=2) as pool, queue(platform, LOCKS[lock]) as held:
        calls = [pool.submit(first, replace(platform, _connections=[]))]
        for _ in range(number - 1):
            if not _settle(held, calls[0], 1):
                return None
            held.let_one_pass()
        if not _settle(held, calls[0], 1):
            return None
        calls.append(pool.submit(second, replace(platform, _connections=[])))
        _settle(held, calls[1], 2)
        held.release()
        return _outcome(calls[0]), _outcome(calls[1])

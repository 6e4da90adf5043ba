"""The advisory locks of PostgreSQL that streamflow takes, and how it takes them.

An advisory lock is a number on which all processes agree. PostgreSQL frees the lock when the
connection ends, even when the process was killed. The numbers below must never change: an older
and a newer streamflow may work on the same database at the same time.

A command that takes several locks takes them in this order: LEDGER, LOADED_ROWS,
RAW_AND_FROZEN_ROWS, FORGETTING, LIVE_TABLES. A command can hold locks on two connections.
PostgreSQL does not see a deadlock between these, so only the order prevents it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

# One migration or restore at a time. It covers the parts of MLflow and Feast too.
MIGRATION = 7_590_001
# One writer of raw and frozen rows at a time.
RAW_AND_FROZEN_ROWS = 7_590_002
# One loader of a drop at a time. This lock has two numbers: this one and the day of the drop.
# PostgreSQL keeps pairs apart from single numbers, so it never meets INBOX.
DROP_LOADING = 7_590_003
# One process at a time works on the inbox.
INBOX = 7_590_003
# MLflow and the ledger agree. Writers to both share this lock; who needs both unchanged takes it
# exclusively.
LEDGER = 7_590_004
# One monitor report at a time, so that equal evidence gives one report and one MLflow run.
MONITOR_REPORT = 7_590_005
# One retraining at a time.
RETRAINING = 7_590_006
# Writers of answers and of live rows share this lock; `forget` takes it exclusively while it erases
# what is live. The triggers of migration 0014 name the number.
FORGETTING = 7_590_007
# One process at a time delivers webhooks. Nobody waits for this lock.
WEBHOOKS = 7_590_008
# Held while work that was started from a page of the console goes on, so that everybody can see
# whether its process still lives. It has two numbers: this one, and one that PostgreSQL computes
# from the name of the job.
CONSOLE_WORK = 7_590_009
# Who reads frozen rows in SQL shares this lock, whether they were loaded from the lake or a command
# may move them there. Who deletes loaded copies takes it exclusively, and never waits for it.
LOADED_ROWS = 7_590_010
# One process at a time works on the registry of Feast, which has no lock itself. PostgreSQL
# computes the number from the name.
FEATURE_REGISTRY = "hashtextextended('streamflow.feast', 0)"
# One writer of live tables at a time. A reader that needs them unchanged shares the lock.
LIVE_TABLES = "hashtextextended('streamflow.online', 0)"


def score_lock(evidence_digest: str) -> int:
    """Return the lock number of the scoring of one drop by one version.

    Processes that would write the same scores wait for each other, and nobody else waits.

    Args:
        evidence_digest: hexadecimal digest of everything that decides the scores.

    Returns:
        the first 8 bytes of the digest as a signed number, which is what PostgreSQL takes.
    """
    return int.from_bytes(bytes.fromhex(evidence_digest)[:8], "big", signed=True)


def transaction_lock_sql(lock: int, *, shared: bool = False) -> str:
    """Return the statement that waits for a lock and holds it until the transaction ends.

    >>> transaction_lock_sql(RAW_AND_FROZEN_ROWS, shared=True)
    'SELECT pg_advisory_xact_lock_shared(7590002)'
    """
    suffix = "_shared" if shared else ""
    return f"SELECT pg_advisory_xact_lock{suffix}({lock})"


def session_lock_sql(lock: int, *, shared: bool = False) -> str:
    """Return the query that waits for a lock and holds it until the session gives it back.

    >>> session_lock_sql(RAW_AND_FROZEN_ROWS, shared=True)
    'SELECT pg_advisory_lock_shared(7590002) IS NULL'
    """
    suffix = "_shared" if shared else ""
    # ADBC cannot read a column of PostgreSQL's type `void`.
    return f"SELECT pg_advisory_lock{suffix}({lock}) IS NULL"


def session_unlock_sql(lock: int, *, shared: bool = False) -> str:
    """Return the query that gives a lock of `session_lock_sql` back."""
    suffix = "_shared" if shared else ""
    return f"SELECT pg_advisory_unlock{suffix}({lock})"


@contextmanager
def hold_lock(connection: psycopg.Connection, lock: int, *, shared: bool = False) -> Iterator[None]:
    """Wait for a lock and hold it during the block.

    Args:
        connection: the session that holds the lock.
        lock: one of the numbers of this module.
        shared: hold it together with everybody who holds it shared, instead of exclusively.
    """
    connection.execute(session_lock_sql(lock, shared=shared))
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute(session_unlock_sql(lock, shared=shared))


@contextmanager
def try_to_hold_lock(connection: psycopg.Connection, lock: int) -> Iterator[bool]:
    """Hold a lock during the block if nobody holds it; do not wait.

    Yields:
        whether the lock is held.
    """
    row = connection.execute(f"SELECT pg_try_advisory_lock({lock})").fetchone()
    is_held = bool(row and row[0])
    try:
        yield is_held
    finally:
        if is_held and not connection.broken:
            connection.execute(session_unlock_sql(lock))

"""What was erased on request: tombstones that name no person."""

from __future__ import annotations

from datetime import UTC, date, datetime
from hashlib import sha256

import polars as pl
import psycopg


def key_digest(connection: psycopg.Connection, key: str | int) -> str:
    """What stands for a key in a tombstone: sha256 of this installation's secret and the key."""
    return _digest(_secret(connection), str(key))


def forgotten(connection: psycopg.Connection, keys: pl.Series, as_of: date) -> set[str | int]:
    """Those of `keys` that were erased on request after `as_of`: what a drop says of that time is not loaded again."""
    end = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    tombstones = {
        digest for (digest,) in connection.execute("SELECT DISTINCT key_digest FROM streamflow.erasure WHERE at >= %s", [end])
    }
    if not tombstones:
        return set()
    secret = _secret(connection)
    return {key for key in keys if _digest(secret, str(key)) in tombstones}


def _secret(connection: psycopg.Connection) -> bytes:
    row = connection.execute("SELECT erasure_secret FROM streamflow.installation").fetchone()
    assert row is not None
    return bytes(row[0].bytes)


def _digest(secret: bytes, key: str) -> str:
    return sha256(secret + b"\0" + key.encode()).hexdigest()

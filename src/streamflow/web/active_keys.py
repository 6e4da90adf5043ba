"""The API keys that are in force. A thread of its own reads them, so no request waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from math import inf
from threading import Event, Thread
from time import monotonic

import psycopg

from streamflow.core.serving.api_keys import ApiKey, parse_key
from streamflow.errors import DatabaseUnavailable
from streamflow.warehouse.api_keys import api_keys

# The API follows a new or a revoked key within 5 s: this interval, plus the time of one reading.
READ_EVERY_S = 2.0

# How long the last keys stay in force when the database does not answer.
TRUSTED_S = 300.0

# How long a reading may take to end when the API stops. One that hangs ends with the process.
STOP_TIMEOUT_S = 1.0


class KeyRing:
    """Reads all keys every few seconds, in its own thread and on its own connection."""

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection],
        notify: Callable[[str], None],
        *,
        interval_s: float = READ_EVERY_S,
        trusted_s: float = TRUSTED_S,
    ) -> None:
        self._connect = connect
        self._notify = notify
        self._every_s = interval_s
        self._trusted_s = trusted_s
        self._connection: psycopg.Connection | None = None
        self._keys: Mapping[str, ApiKey] = {}
        self._read_at = -inf
        self._has_failed = False
        self._stopping = Event()

    @contextmanager
    def keep_reading(self) -> Iterator[KeyRing]:
        """Read the keys at once, then read them again every few seconds until the block ends."""
        self._refresh()
        reader = Thread(target=self._refresh_until_stopped, name="keys", daemon=True)
        reader.start()
        try:
            yield self
        finally:
            self._stopping.set()
            reader.join(STOP_TIMEOUT_S)
            if self._connection is not None and not reader.is_alive():
                self._connection.close()

    @property
    def is_trusted(self) -> bool:
        """Return whether the last successful reading is recent enough to be relied on."""
        return monotonic() - self._read_at < self._trusted_s

    def find(self, text: bytes) -> ApiKey | None:
        """Return the key that this text opens, if that key is in force; None for any other text."""
        parsed = parse_key(text)
        if parsed is None:
            return None
        key_id, secret = parsed
        key = self._keys.get(key_id)
        if key is None or not key.matches_secret(secret):
            return None
        return key if key.state(datetime.now(UTC)) == "in force" else None

    def find_id(self, key_id: str) -> ApiKey | None:
        """Return the key with this id if it is in force, for a person who logged in with it."""
        key = self._keys.get(key_id)
        if key is None or key.state(datetime.now(UTC)) != "in force":
            return None
        return key

    def _refresh_until_stopped(self) -> None:
        while not self._stopping.wait(self._every_s):
            self._refresh()

    def _refresh(self) -> None:
        """Read the keys. If that fails, keep the last ones, and report only the first failure."""
        started_at = monotonic()
        try:
            keys = {key.id: key for key in self._read_keys()}
        # psycopg raises an OSError if this process may not open one more file.
        except (psycopg.Error, DatabaseUnavailable, OSError) as error:
            if not self._has_failed:
                self._notify(
                    f"cannot read the API keys ({type(error).__name__});"
                    f" the last keys stay in force for {self._trusted_s:.0f} s"
                )
            self._has_failed = True
            return
        self._keys = keys
        self._read_at = started_at
        self._has_failed = False

    def _read_keys(self) -> list[ApiKey]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return api_keys(self._connection)

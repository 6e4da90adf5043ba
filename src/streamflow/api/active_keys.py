"""The keys that are in force, read beside the requests: none of them waits for it."""

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

READ_EVERY_S = 2.0  # a key is revoked, or known, within 5 s: this, and what the reading takes
TRUSTED_S = (
    300.0  # how long the keys that are known stay in force when the database does not answer
)

END_S = 1.0  # what a reading gets to end in; one that hangs ends with the process


class KeyRing:
    """Reads all keys every few seconds, in a thread of its own and on a connection of its own."""

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection],
        notify: Callable[[str], None],
        *,
        every_s: float = READ_EVERY_S,
        trusted_s: float = TRUSTED_S,
    ) -> None:
        self._connect, self._notify, self._every_s, self._trusted_s = (
            connect,
            notify,
            every_s,
            trusted_s,
        )
        self._connection: psycopg.Connection | None = None
        self._keys: Mapping[str, ApiKey] = {}
        self._read_at = -inf
        self._failed, self._ended = False, Event()

    @contextmanager
    def kept(self) -> Iterator[KeyRing]:
        """Read now, and again and again until the end."""
        self._look()
        reading = Thread(target=self._work, name="keys", daemon=True)
        reading.start()
        try:
            yield self
        finally:
            self._ended.set()
            reading.join(END_S)
            if self._connection is not None and not reading.is_alive():
                self._connection.close()

    @property
    def is_trusted(self) -> bool:
        """Whether the keys were read lately enough to be believed."""
        return monotonic() - self._read_at < self._trusted_s

    def find(self, text: bytes) -> ApiKey | None:
        """The key in force that this is; None for any other text."""
        parsed = parse_key(text)
        key = self._keys.get(parsed[0]) if parsed else None
        if parsed is None or key is None or not key.is_opened_by(parsed[1]):
            return None
        return key if key.state(datetime.now(UTC)) == "in force" else None

    def _work(self) -> None:
        while not self._ended.wait(self._every_s):
            self._look()

    def _look(self) -> None:
        """Read; where that fails what is known goes on, for the time that it is trusted. The first failure is said."""
        began = monotonic()
        try:
            keys = {key.id: key for key in self._stored()}
        except (psycopg.Error, DatabaseUnavailable) as error:
            if not self._failed:
                self._notify(
                    f"the keys of the API cannot be read ({type(error).__name__}):"
                    f" those known stay in force for {self._trusted_s:.0f} s"
                )
            self._failed = True
            return
        self._keys, self._read_at, self._failed = keys, began, False

    def _stored(self) -> list[ApiKey]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return api_keys(self._connection)

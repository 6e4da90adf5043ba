"""What the API holds between requests: a pool of connections and the version that it serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from streamflow.api.watch import Watch
from streamflow.core.completeness import policy_of
from streamflow.database import translated
from streamflow.errors import DatabaseUnavailable, StreamflowError
from streamflow.features.service import features_of
from streamflow.features.serving import OnlineReader
from streamflow.platform import Platform
from streamflow.steps.predict import Serving, load_serving
from streamflow.steps.stages import unsettled
from streamflow.warehouse.ledger import entries

POOL_SIZE = 8
WAIT_S = 5.0  # for a connection, before a request is answered with 503


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look at the parts of a prediction found."""

    reasons: tuple[str, ...]  # why no prediction could be made now; empty when one could
    notes: tuple[str, ...]  # what ledger, stages and aliases do not agree on: the served version goes on
    serving: Serving | None
    as_of: datetime | None  # of the live features


class ServingState:
    """One per process. The served version is found at the start, and asked for again while there is none."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        catalog = platform.catalog
        self.reader = OnlineReader(features_of(catalog), key=catalog.entity.key, key_type=catalog.entity.type)
        self.policy = policy_of(catalog, [f.ref for f in self.reader.features])
        self._pool = ConnectionPool(
            platform.address.conninfo(),
            min_size=1,
            max_size=POOL_SIZE,
            kwargs={"autocommit": True},
            timeout=WAIT_S,
            check=ConnectionPool.check_connection,  # after a restart of PostgreSQL nobody gets a dead one
            open=False,
        )
        self._watch = Watch(self._unsettled)
        self._serving: Serving | None = None
        self._loading = Lock()

    def open(self) -> None:
        """Connect, and load the version in Production where there is one."""
        self._pool.open()
        self._watch.start()
        try:
            self.serving()
        except StreamflowError as error:
            self.platform.notify(f"not ready: {error.message}")

    def close(self) -> None:
        """Let go of the connections."""
        self._watch.stop()
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A connection of the pool. Raises DatabaseUnavailable."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, psycopg.OperationalError) as exc:
            raise DatabaseUnavailable(f"PostgreSQL does not answer: {exc}") from exc

    def serving(self) -> Serving:
        """The version that answers. Raises VersionMissing, ArtifactUntrusted, DatabaseUnavailable."""
        with self._loading:
            if self._serving is None:
                self.platform.forget_lost_connection()
                with translated(self.platform.login):
                    self._serving = load_serving(self.platform)
            return self._serving

    def look(self) -> Look:
        """Look at the database, the live features and the version: a few rows, no model is run."""
        reasons, serving, as_of = [], None, None
        try:
            with self.connection() as connection:
                as_of = self.reader.live_as_of(connection)
            if as_of is None:
                reasons.append("features: the online store is empty; run 'streamflow materialize'")
        except StreamflowError as error:
            reasons.append(f"database: {error.message}")
        try:
            serving = self.serving()
        except StreamflowError as error:
            reasons.append(f"model: {error.message}")
        return Look(reasons=tuple(reasons), notes=self._watch.notes, serving=serving, as_of=as_of)

    def _unsettled(self) -> list[str]:
        """What ledger, stages and aliases do not agree on. MLflow is asked first: it may take its time."""
        now = self.platform.models.standing()
        with self.connection() as connection:
            return unsettled(now, entries(connection, self.platform.catalog.model))

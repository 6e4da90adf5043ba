"""What the API holds between requests: a pool of connections, the version that it serves, and those who wait."""

from __future__ import annotations

from datetime import UTC, datetime

from streamflow.api.batcher import Batcher
from streamflow.api.look import Current, Look
from streamflow.api.metrics import Metrics
from streamflow.api.reload import Reload
from streamflow.core.completeness import policy_of
from streamflow.database.pool import connection_of, open_pool, within
from streamflow.errors import StreamflowError
from streamflow.features.service import features_of
from streamflow.features.serving import OnlineReader, OnlineRow
from streamflow.platform import Platform
from streamflow.steps.live_row import LiveRow, live_row
from streamflow.steps.predict import Serving, unknown


class ServingState:
    """One per process; `shared` where it is one of several workers, which count together."""

    def __init__(self, platform: Platform, *, shared: bool = False) -> None:
        self.platform, self._shared = platform, shared
        catalog, settings = platform.catalog, platform.settings
        self.metrics = Metrics(shared=shared)
        self.limit = settings.api_time_limit
        self._reader = OnlineReader(features_of(catalog), key=catalog.entity.key, key_type=catalog.entity.type)
        self._policy = policy_of(catalog, [f.ref for f in self._reader.features])
        self._reload = Reload(platform, self.metrics.reloaded)
        self._pool = open_pool(platform.address, time_limit=self.limit)
        self.batcher = Batcher(
            self._pool,
            self.serving,
            self.metrics,
            time_limit=self.limit,
            max_waiting=settings.api_max_waiting,
            shed=settings.prediction_log == "shed",
        )

    @property
    def current(self) -> Current:
        """The version that answers."""
        return self._reload.current

    def serving(self) -> Serving:
        """The version that answers. Raises VersionMissing."""
        return self._reload.serving()

    async def open(self) -> None:
        """Begin: the version is looked up and loaded beside the requests; until then /ready says why it is not."""
        await self._pool.open()
        self._reload.start()
        if self._shared:  # the others take the requests until this one can answer
            await self._reload.first_look()
        self.batcher.start()

    async def close(self) -> None:
        """Let go of everything."""
        self._reload.stop()
        await self.batcher.stop()
        await self._pool.close()

    async def features(self, key: str | int) -> LiveRow:
        """The live features of a key as they are. Raises EntityUnknown, DatabaseUnavailable, Overloaded."""

        async def read() -> OnlineRow | None:
            async with connection_of(self._pool) as connection:
                return (await self._reader.read_beside(connection, [key]))[0]

        row = await within(self.limit, read())
        if row is None:
            raise unknown(self.platform.catalog, key)
        return live_row(self._policy, row, datetime.now(UTC))

    async def look(self) -> Look:
        """Look at the database, the live features and the version: a few rows, no model is run."""

        async def read() -> datetime | None:
            async with connection_of(self._pool) as connection:
                return await self._reader.live_as_of(connection)

        reasons, as_of = [], None
        try:
            as_of = await within(self.limit, read())
            if as_of is None:
                reasons.append("features: the online store is empty; run 'streamflow materialize'")
        except StreamflowError as error:
            reasons.append(f"database: {error.message}")
        current = self.current
        if current.serving is None:
            reasons.append(f"model: {current.refused}")
        notes = (*((current.refused,) if current.refused and current.serving else ()), *current.notes, *self._reload.slow)
        return Look(
            reasons=tuple(reasons),
            notes=notes,
            current=current,
            as_of=as_of,
            waiting=self.batcher.waiting,
            pool=self._pool.get_stats(),
        )

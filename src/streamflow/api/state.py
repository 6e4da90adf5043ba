"""What the API holds between requests: a pool of connections, the version that it serves, and those who wait."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from streamflow.api.batcher import Batcher
from streamflow.api.metrics import Metrics
from streamflow.api.reload import Reload
from streamflow.api.serving_status import Current, Look
from streamflow.core.serving.completeness import Completed
from streamflow.core.serving.service_policy import policy_of
from streamflow.database.pool import connection_of, open_pool, within
from streamflow.errors import StreamflowError
from streamflow.features.feature_service import features_of
from streamflow.features.live_features import OnlineReader, OnlineRow
from streamflow.platform import Platform
from streamflow.steps.serving.explain import Reasons, reasons_of
from streamflow.steps.serving.live_row import LiveRow, live_row
from streamflow.steps.serving.predict import Serving, unknown

EXPLAIN_S = 5.0  # more: the first one of a version takes its trees over


class ServingState:
    """One per process; `shared` where it is one of several workers, which count together."""

    def __init__(self, platform: Platform, *, shared: bool = False) -> None:
        self.platform, self._shared = platform, shared
        catalog, settings = platform.catalog, platform.settings
        self.metrics = Metrics(shared=shared)
        self.limit = settings.api_time_limit
        self._reader = OnlineReader(
            features_of(catalog), key=catalog.entity.key, key_type=catalog.entity.type
        )
        self._explaining = (
            asyncio.Lock()
        )  # a tenth of a second of one core each: more at once would take it from predictions
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
        return live_row(self._policy, await self._row(self._reader, key), datetime.now(UTC))

    async def reasons(self, key: str | int) -> Reasons:
        """The reasons for what is said of a key, one at a time. Raises as `features` does, and FeaturesMissing, FeaturesStale."""
        serving = self.serving()

        async def alone(row: Completed) -> Reasons:
            async with self._explaining:
                return await asyncio.to_thread(reasons_of, serving, key, row)

        row = await self._row(serving.reader, key)
        whole = serving.policy.complete_row(row.values, row.as_of, datetime.now(UTC), key=key)
        return await within(self.limit + EXPLAIN_S, alone(whole))

    async def _row(self, reader: OnlineReader, key: str | int) -> OnlineRow:
        """The live row of a key. Raises EntityUnknown, DatabaseUnavailable, Overloaded."""

        async def read() -> OnlineRow | None:
            async with connection_of(self._pool) as connection:
                return (await reader.read_beside(connection, [key]))[0]

        row = await within(self.limit, read())
        if row is None:
            raise unknown(self.platform.catalog, key)
        return row

    async def look(self) -> Look:
        """Look at the database, the live features and the version: a few rows, no model is run."""

        async def read() -> dict[str, datetime | None]:
            async with connection_of(self._pool) as connection:
                return await self._reader.live_as_of(connection)

        reasons: list[str] = []
        instants: dict[str, datetime | None] = {}
        try:
            instants = await within(self.limit, read())
            if None in instants.values():
                reasons.append("features: the online store is empty; run 'streamflow materialize'")
            reasons += [
                f"features: {words}" for words in self._policy.too_old(instants, datetime.now(UTC))
            ]
        except StreamflowError as error:
            reasons.append(f"database: {error.message}")
        current = self.current
        if current.serving is None:
            reasons.append(f"model: {current.refused}")
        notes = (
            *((current.refused,) if current.refused and current.serving else ()),
            *current.notes,
            *self._reload.slow,
        )
        return Look(
            reasons=tuple(reasons),
            notes=notes,
            current=current,
            as_of=min((at for at in instants.values() if at is not None), default=None),
            waiting=self.batcher.waiting,
            pool=self._pool.get_stats(),
        )

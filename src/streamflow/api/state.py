"""What the API holds between requests: connections, the version that it serves, and the queue."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from streamflow.api.batcher import Batcher
from streamflow.api.metrics import Metrics
from streamflow.api.reload import Readiness, RegistryFollower, ServedVersion
from streamflow.core.serving.completeness import CompletedRow
from streamflow.core.serving.service_policy import build_policy
from streamflow.database.pool import finish_within, open_pool, take_connection
from streamflow.errors import StreamflowError
from streamflow.features.feature_service import features_of
from streamflow.features.live_features import OnlineReader, OnlineRow
from streamflow.models.trial_process import TrialProcess
from streamflow.platform import Platform
from streamflow.steps.serving.explain import ExplainedPrediction, explain_row
from streamflow.steps.serving.live_row import LiveRow, live_row
from streamflow.steps.serving.predict import unknown_key_error
from streamflow.steps.serving.serving_version import Serving

# An explanation may take this much longer than a prediction, because the first one of a version
# converts its trees.
EXPLAIN_EXTRA_S = 5.0


class ServingState:
    """The connections, the version and the queue of one process.

    Args:
        platform: the platform of the API
        shared: whether the process is one of several workers, which count their metrics together
        trial: a process that was started early to try the first version
    """

    def __init__(
        self,
        platform: Platform,
        *,
        shared: bool = False,
        trial: TrialProcess | None = None,
    ) -> None:
        catalog = platform.catalog
        settings = platform.settings
        self.platform = platform
        self.metrics = Metrics(shared=shared)
        self._time_limit = settings.api_time_limit
        self._shared = shared
        self._reader = OnlineReader(
            features_of(catalog),
            key=catalog.entity.key,
            key_type=catalog.entity.type,
        )
        # An explanation needs one core for a tenth of a second. Several at a time would take it
        # from the predictions.
        self._explain_lock = asyncio.Lock()
        self._policy = build_policy(catalog, [feature.ref for feature in self._reader.features])
        self._reload = RegistryFollower(platform, self.metrics.count_reload, trial=trial)
        self._pool = open_pool(platform.address, time_limit=self._time_limit)
        self.batcher = Batcher(
            self._pool,
            self.serving,
            self.metrics,
            time_limit=self._time_limit,
            max_waiting=settings.api_max_waiting,
            shed=settings.prediction_log == "shed",
        )

    @property
    def current(self) -> ServedVersion:
        """Return the version that answers, with the state of its reload."""
        return self._reload.current

    def serving(self) -> Serving:
        """Return the version that answers. Raises VersionMissing."""
        return self._reload.serving()

    async def open(self) -> None:
        """Open the connections and begin to answer.

        The version is looked up and loaded beside the requests. Until then /ready says why the
        API is not ready.
        """
        await self._pool.open()
        self._reload.start()
        if self._shared:
            # The workers that are running take the requests until this one can answer.
            await self._reload.wait_for_first_answer()
        self.batcher.start()

    async def close(self) -> None:
        """Stop answering, and close the connections."""
        self._reload.stop()
        await self.batcher.stop()
        await self._pool.close()

    async def features(self, key: str | int) -> LiveRow:
        """Return the live features of a key as they are stored.

        Raises EntityUnknown, DatabaseUnavailable, Overloaded.
        """
        row = await self._read_row(self._reader, key)
        return live_row(self._policy, row, datetime.now(UTC))

    async def reasons(self, key: str | int) -> ExplainedPrediction:
        """Return the reasons for the prediction of a key; only one explanation runs at a time.

        Raises EntityUnknown, DatabaseUnavailable, Overloaded, FeaturesMissing, FeaturesStale.
        """
        serving = self.serving()

        async def explain(row: CompletedRow) -> ExplainedPrediction:
            async with self._explain_lock:
                return await asyncio.to_thread(explain_row, serving, key, row)

        row = await self._read_row(serving.reader, key)
        completed = serving.policy.complete_row(row.values, row.as_of, datetime.now(UTC), key=key)
        return await finish_within(self._time_limit + EXPLAIN_EXTRA_S, explain(completed))

    async def _read_row(self, reader: OnlineReader, key: str | int) -> OnlineRow:
        """Read the live row of a key. Raises EntityUnknown, DatabaseUnavailable, Overloaded."""

        async def read() -> OnlineRow | None:
            async with take_connection(self._pool) as connection:
                rows = await reader.read_many_async(connection, [key])
            return rows[0]

        row = await finish_within(self._time_limit, read())
        if row is None:
            raise unknown_key_error(self.platform.catalog, key)
        return row

    async def readiness(self) -> Readiness:
        """Check the database, the live features and the version.

        This reads a few rows, and does not run the model.
        """
        instants: dict[str, datetime | None] = {}
        try:
            instants = await finish_within(self._time_limit, self._read_instants())
            reasons = self._check_instants(instants)
        except StreamflowError as error:
            reasons = [f"database: {error.message}"]
        current = self.current
        notes = [*current.notes, *self._reload.slowness_notes]
        if current.serving is None:
            reasons.append(f"model: {current.refused}")
        elif current.refused:
            notes.insert(0, current.refused)
        known_instants = [instant for instant in instants.values() if instant is not None]
        return Readiness(
            reasons=tuple(reasons),
            notes=tuple(notes),
            current=current,
            as_of=min(known_instants, default=None),
            waiting=self.batcher.waiting,
            pool=self._pool.get_stats(),
        )

    async def _read_instants(self) -> dict[str, datetime | None]:
        """Read the instant of each view of the live features; None if a view has no row."""
        async with take_connection(self._pool) as connection:
            return await self._reader.live_as_of(connection)

    def _check_instants(self, instants: dict[str, datetime | None]) -> list[str]:
        """Return the reasons why the live features cannot be used."""
        reasons = []
        if None in instants.values():
            reasons.append("features: the online store is empty; run 'streamflow materialize'")
        expired_views = self._policy.explain_age_refusals(instants, datetime.now(UTC))
        reasons += [f"features: {reason}" for reason in expired_views]
        return reasons

"""Steps on data as methods: ingest, snapshot, materialize, training_set, honesty."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamflow.python_api.arguments import Day, as_polars, parse_day, parse_instant
from streamflow.python_api.open_installation import OpenInstallation

if TYPE_CHECKING:
    from streamflow.core.training.honesty import HonestyReport
    from streamflow.core.training.training_set import TrainingSet
    from streamflow.steps.data.ingest import IngestReceipt
    from streamflow.steps.data.materialize import MaterializeReceipt
    from streamflow.steps.data.snapshot import SnapshotReceipt

Frames = Mapping[str, Any]  # table -> a frame of polars or pandas


class DataSteps(OpenInstallation):
    """From files or frames to frozen rows, live features and training sets."""

    def ingest(
        self,
        drop: str | Path | Frames,
        as_of: Day,
        *,
        allow_same: bool = False,
        reject_rows: bool = False,
    ) -> IngestReceipt:
        """Check a drop and load it. The first drop makes the installation.

        Args:
            drop: its folder, or its frames by the names of their tables.
            as_of: the day that its rows describe.
            allow_same: accept files that are equal to those of a different day.
            reject_rows: load the good rows and store the bad rows separately.
        """
        from streamflow.python_api.drop_frames import place_drop
        from streamflow.steps.data.drop_files import require_folder
        from streamflow.steps.data.ingest import ingest
        from streamflow.steps.data.migrate import ensure_migrated

        instant = parse_day(as_of)
        source = as_polars(drop) if isinstance(drop, Mapping) else Path(drop)
        if isinstance(source, Path):
            require_folder(source)
        with self._session(migrated=False) as platform:
            ensure_migrated(platform)
            with place_drop(platform, source) as (reader, folder):
                return ingest(
                    reader, folder, instant, allow_same=allow_same, reject_rows=reject_rows
                )

    def snapshot(self, as_of: Day) -> SnapshotReceipt:
        """Freeze a drop: store a revision of each table that has changed."""
        from streamflow.steps.data.snapshot import snapshot

        instant = parse_day(as_of)
        with self._session() as platform:
            return snapshot(platform, instant)

    def materialize(self) -> MaterializeReceipt:
        """Make the newest frozen drop the live features, from which `predict` reads."""
        from streamflow.steps.data.materialize import materialize

        with self._session() as platform:
            return materialize(platform)

    def training_set(
        self,
        as_of: Day,
        *,
        label_lead: int = 0,
        known_at: str | date | None = None,
        months: int = 1,
    ) -> TrainingSet:
        """Build a training set; its `frame` has key, features and label. Nothing is written.

        Of many months, `frame` is the newest one, `earlier` has the sets of those before, and
        `dated_rows` the rows of all of them.

        Args:
            as_of: the drop of the features.
            label_lead: take the labels from so many drops later.
            known_at: read only what was known at this instant; by default now.
            months: stack so many labelled drops, up to `as_of`, each as known at its own K.
        """
        from streamflow.steps.training.training_set import training_set

        instant = parse_day(as_of)
        limit = parse_instant(known_at)
        with self._session() as platform:
            return training_set(
                platform, instant, label_lead=label_lead, known_at=limit, months=months
            )

    def honesty(
        self,
        as_of: Day,
        *,
        label_lead: int = 0,
        known_at: str | date | None = None,
        months: int = 1,
    ) -> HonestyReport:
        """Check a training set for leaks: see `training_set`. Nothing is written."""
        from streamflow.steps.training.honesty import check_label_honesty
        from streamflow.steps.training.training_set import training_set

        instant = parse_day(as_of)
        limit = parse_instant(known_at)
        with self._session() as platform:
            rows = training_set(
                platform, instant, label_lead=label_lead, known_at=limit, months=months
            )
            return check_label_honesty(platform, rows)

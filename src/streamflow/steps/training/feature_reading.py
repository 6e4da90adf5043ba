"""Read the features of keys as of a drop: by Feast's offline store, in polars, or on the engine.

Each way gives the same values. The engine joins the revisions that PostgreSQL has chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.data.contract import polars_type
from streamflow.core.training.training_set import Source
from streamflow.features.point_in_time_join import AS_OF, INSTANT, point_in_time_join
from streamflow.platform import Platform
from streamflow.steps.data import frozen_reading
from streamflow.steps.data.engine import open_step_engine
from streamflow.warehouse import frozen
from streamflow.warehouse.known_drops import TrainingDrops

if TYPE_CHECKING:
    from streamflow.spark.point_in_time import FindTable, JoinedView, PointInTimeJoin
    from streamflow.spark.session import SparkEngine

INSTANT_TYPE = pl.Datetime("us", "UTC")
# Called with (table, columns, revisions); returns the rows with `as_of` and these columns.
ReadRows = Callable[[str, list[str], list[tuple[datetime, int]]], pl.DataFrame]


class MonthReader(Protocol):
    """Reads what the training set of a month is made of."""

    def read_population(self, drops: TrainingDrops, sources: tuple[Source, ...]) -> pl.DataFrame:
        """Read the keys of the drop. (n, 1)"""

    def read_labels(self, drops: TrainingDrops, sources: tuple[Source, ...]) -> pl.DataFrame:
        """Read key and label of each row of the label drop. (m, 2)"""

    def read_features(
        self, keys: pl.DataFrame, drops: TrainingDrops, sources: tuple[Source, ...]
    ) -> pl.DataFrame:
        """Read the features of some keys, in the order of the keys."""


def open_month_reader(platform: Platform) -> MonthReader:
    """Return what reads one month after another, on the engine of the settings.

    Raises:
        EngineUnavailable: the engine does not answer or refuses.
    """
    engine = open_step_engine(platform)
    return _SqlMonths(platform) if engine is None else _EngineMonths(platform, engine)


class _SqlMonths:
    """Reads months in PostgreSQL, and their features by Feast's offline store."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def read_population(self, drops: TrainingDrops, _sources: tuple[Source, ...]) -> pl.DataFrame:
        entity = self._platform.catalog.entity
        return frozen.keys_and_labels(
            self._platform.address, entity.table, entity.key, None, drops.as_of, drops.known_at
        )

    def read_labels(self, drops: TrainingDrops, _sources: tuple[Source, ...]) -> pl.DataFrame:
        catalog = self._platform.catalog
        return frozen.keys_and_labels(
            self._platform.address,
            catalog.label.table,
            catalog.entity.key,
            catalog.label.column,
            drops.label_as_of,
            drops.known_at,
        )

    def read_features(
        self, keys: pl.DataFrame, drops: TrainingDrops, _sources: tuple[Source, ...]
    ) -> pl.DataFrame:
        return read_features(self._platform, keys, drops.as_of, drops.known_at)


class _EngineMonths:
    """Reads months by their revisions on an engine, which reads the lake itself."""

    def __init__(self, platform: Platform, engine: SparkEngine) -> None:
        from streamflow.steps.data.engine_rows import EngineRows

        self._catalog = platform.catalog
        self._rows = EngineRows(platform, engine)
        self._join = start_join(engine, platform.catalog, self._rows.find_table)

    def read_population(self, drops: TrainingDrops, sources: tuple[Source, ...]) -> pl.DataFrame:
        entity = self._catalog.entity
        of_drop = [source for source in sources if source.as_of == drops.as_of]
        return read_table(self._rows.read_rows, entity.table, [entity.key], of_drop).drop("as_of")

    def read_labels(self, drops: TrainingDrops, sources: tuple[Source, ...]) -> pl.DataFrame:
        label = self._catalog.label
        columns = [self._catalog.entity.key, label.column]
        of_drop = [source for source in sources if source.as_of == drops.label_as_of]
        return read_table(self._rows.read_rows, label.table, columns, of_drop).drop("as_of")

    def read_features(
        self, keys: pl.DataFrame, drops: TrainingDrops, sources: tuple[Source, ...]
    ) -> pl.DataFrame:
        views = list_joined_views(self._catalog, sources, drops.as_of)
        return self._join.join(keys[self._catalog.entity.key], views)


def read_features(
    platform: Platform, keys: pl.DataFrame, as_of: datetime, known_at: datetime
) -> pl.DataFrame:
    """Read the features of each key, in the order of `keys`, through Feast's offline store."""
    entities = keys.with_columns(
        event_timestamp=pl.lit(as_of).cast(INSTANT_TYPE),
        known_at=pl.lit(known_at).cast(INSTANT_TYPE),
    )
    return pl.DataFrame(platform.features.read_history(entities, platform.catalog.service))


def join_features(
    platform: Platform,
    read_rows: ReadRows | None,
    keys: pl.DataFrame,
    as_of: datetime,
    sources: tuple[Source, ...],
) -> pl.DataFrame:
    """Return the features of each key from named revisions, in the order of `keys`.

    They are joined on the engine of the settings. The local join is that of Feast's offline store.

    Args:
        platform: the open platform
        read_rows: reads the revisions; None: they are the frozen ones, wherever they lie
        keys: (n, 1) the keys
        as_of: the instant that the features describe
        sources: the revisions
    """
    catalog = platform.catalog
    engine = open_step_engine(platform)
    if engine is None:
        read_rows = read_rows or partial(frozen_reading.read_rows, platform)
        return _join_locally(catalog, read_rows, keys, as_of, sources)
    join = start_join(engine, catalog, _choose_tables(platform, engine, read_rows))
    return join.join(keys[catalog.entity.key], list_joined_views(catalog, sources, as_of))


def _join_locally(
    catalog: Catalog,
    read_rows: ReadRows,
    keys: pl.DataFrame,
    as_of: datetime,
    sources: tuple[Source, ...],
) -> pl.DataFrame:
    key = catalog.entity.key
    instant = pl.lit(as_of).cast(INSTANT_TYPE)
    entities = keys.with_columns(instant.alias(INSTANT))
    joined_views = []
    for view_name, view in catalog.views.items():
        ttl = catalog.ttl(view_name)
        types = {}
        for feature in catalog.features_of(view_name):
            types[feature.name] = polars_type(feature.column.type)
        if any(source.table == view.table for source in sources):
            rows = read_table(read_rows, view.table, [key, *types], sources)
            history = rows.rename({"as_of": AS_OF})
        else:  # no drop that counts has the table: every feature is null
            history = pl.DataFrame(schema={AS_OF: INSTANT_TYPE, key: keys[key].dtype, **types})
        history = history.filter(pl.col(AS_OF).is_between(as_of - ttl, as_of))
        joined_views.append(point_in_time_join(entities, history, keys=[key], ttl=ttl))
    return pl.concat(joined_views, how="horizontal")


def open_frozen_reader(platform: Platform) -> ReadRows:
    """Return what reads frozen rows, wherever they lie, on the engine of the settings."""
    engine = open_step_engine(platform)
    if engine is None:
        return partial(frozen_reading.read_rows, platform)
    from streamflow.steps.data.engine_rows import EngineRows

    return EngineRows(platform, engine).read_rows


def read_table(
    read_rows: ReadRows,
    table: str,
    columns: list[str],
    sources: Iterable[Source],
) -> pl.DataFrame:
    """Read the rows of a table in those of the revisions that are of this table."""
    revisions = [(source.as_of, source.revision) for source in sources if source.table == table]
    return read_rows(table, columns, revisions)


def _choose_tables(
    platform: Platform, engine: SparkEngine, read_rows: ReadRows | None
) -> FindTable:
    """Return what finds the table of a revision on the engine; `read_rows` reads what is sent."""
    from streamflow.spark.point_in_time import SentRevisions
    from streamflow.steps.data.engine_rows import EngineRows

    if read_rows is None:
        return EngineRows(platform, engine).find_table

    def read_revision(
        table: str, columns: list[str], revision: tuple[datetime, int]
    ) -> pl.DataFrame:
        return read_rows(table, columns, [revision])

    key = platform.catalog.entity.key
    return SentRevisions(engine, key, read_revision, engine.sent_tables).find_table


def start_join(engine: SparkEngine, catalog: Catalog, find_table: FindTable) -> PointInTimeJoin:
    """Return a point-in-time join on the engine that finds its tables by `find_table`."""
    from streamflow.spark.point_in_time import PointInTimeJoin

    return PointInTimeJoin(engine, polars_type(catalog.entity.type), find_table)


def list_joined_views(
    catalog: Catalog, sources: Iterable[Source], as_of: datetime
) -> list[JoinedView]:
    """List the views of the catalog with the revisions that are valid at an instant."""
    from streamflow.spark.point_in_time import JoinedView

    views = []
    for name, view in catalog.views.items():
        oldest = as_of - catalog.ttl(name)
        revisions = [
            (source.as_of, source.revision)
            for source in sources
            if source.table == view.table and oldest <= source.as_of <= as_of
        ]
        features = {}
        for feature in catalog.features_of(name):
            features[feature.name] = polars_type(feature.column.type)
        views.append(JoinedView(table=view.table, features=features, revisions=tuple(revisions)))
    return views

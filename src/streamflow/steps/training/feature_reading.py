"""Read the features of keys as of a drop: by Feast's offline store, in polars, or on the engine.

Each way gives the same values. The engine joins the revisions that PostgreSQL has chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.data.contract import polars_type
from streamflow.core.training.training_set import Source
from streamflow.features.point_in_time_join import AS_OF, INSTANT, point_in_time_join
from streamflow.platform import Platform
from streamflow.steps.data import frozen_reading
from streamflow.steps.data.engine import open_step_engine
from streamflow.warehouse.known_drops import TrainingDrops

if TYPE_CHECKING:
    from streamflow.spark.point_in_time import JoinedView, PointInTimeJoin
    from streamflow.spark.session import SparkEngine

INSTANT_TYPE = pl.Datetime("us", "UTC")
# Called with (table, columns, revisions); returns the rows with `as_of` and these columns.
ReadRows = Callable[[str, list[str], list[tuple[datetime, int]]], pl.DataFrame]
# Called with keys, a month and its revisions; returns the features in the order of the keys.
ReadMonth = Callable[[pl.DataFrame, TrainingDrops, tuple[Source, ...]], pl.DataFrame]


def open_month_reader(platform: Platform) -> ReadMonth:
    """Return what reads the features of one month after another, on the engine of the settings.

    Raises:
        EngineUnavailable: the engine does not answer or refuses.
    """
    engine = open_step_engine(platform)
    if engine is None:
        return partial(_read_month_by_feast, platform)
    join = start_join(engine, platform.catalog, frozen_reader(platform))
    return partial(_read_month_on_engine, platform.catalog, join)


def _read_month_by_feast(
    platform: Platform, keys: pl.DataFrame, drops: TrainingDrops, _sources: tuple[Source, ...]
) -> pl.DataFrame:
    return read_features(platform, keys, drops.as_of, drops.known_at)


def _read_month_on_engine(
    catalog: Catalog,
    join: PointInTimeJoin,
    keys: pl.DataFrame,
    drops: TrainingDrops,
    sources: tuple[Source, ...],
) -> pl.DataFrame:
    views = list_joined_views(catalog, sources, drops.as_of)
    return join.join(keys[catalog.entity.key], views)


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
    read_rows: ReadRows,
    keys: pl.DataFrame,
    as_of: datetime,
    sources: tuple[Source, ...],
) -> pl.DataFrame:
    """Return the features of each key from named revisions, in the order of `keys`.

    They are joined on the engine of the settings. The local join is that of Feast's offline store.
    """
    catalog = platform.catalog
    engine = open_step_engine(platform)
    if engine is None:
        return _join_locally(catalog, read_rows, keys, as_of, sources)
    join = start_join(engine, catalog, read_rows)
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


def frozen_reader(platform: Platform) -> ReadRows:
    """Return what reads frozen rows for the engine, wherever they lie."""
    return partial(frozen_reading.read_rows, platform)


def read_table(
    read_rows: ReadRows,
    table: str,
    columns: list[str],
    sources: Iterable[Source],
) -> pl.DataFrame:
    """Read the rows of a table in those of the revisions that are of this table."""
    revisions = [(source.as_of, source.revision) for source in sources if source.table == table]
    return read_rows(table, columns, revisions)


def start_join(engine: SparkEngine, catalog: Catalog, read_rows: ReadRows) -> PointInTimeJoin:
    """Return a point-in-time join on the engine that reads revisions by `read_rows`."""
    from streamflow.spark.point_in_time import PointInTimeJoin

    return PointInTimeJoin(
        engine,
        catalog.entity.key,
        lambda table, columns, revision: read_rows(table, columns, [revision]),
        engine.sent_tables,
    )


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

"""The features of all keys of a drop, computed for some thousand keys at a time.

The join is the one that the offline store makes. Memory stays bounded, because only the rows of
one chunk of keys are read at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from psycopg import sql

from streamflow.database import Address
from streamflow.database.adbc import open_cursor
from streamflow.features.feature_service import ServiceFeature
from streamflow.features.point_in_time_join import AS_OF, INSTANT, point_in_time_join

KEYS_PER_CHUNK = 20_000  # keys in a chunk
UTC_MICROSECONDS = pl.Datetime("us", "UTC")

DropRevision = tuple[datetime, int]  # as_of and number of a revision of a known table


@dataclass(frozen=True, kw_only=True)
class PopulationView:
    """A feature view and the revisions of its table that may be read, the newest first."""

    name: str
    table: str
    ttl: timedelta
    features: tuple[str, ...]
    revisions: tuple[DropRevision, ...]


def views_at(
    features: Sequence[ServiceFeature],
    as_of: datetime,
    revisions_by_table: Mapping[str, Sequence[DropRevision]],
) -> tuple[PopulationView, ...]:
    """Return the views of a feature service with the revisions that are valid at an instant.

    Args:
        as_of: the instant; a revision counts when it is not later, and not older than the ttl.
        revisions_by_table: table -> the known revisions of it, one per as_of.
    """
    views = []
    for name in dict.fromkeys(feature.view for feature in features):
        view_features = [feature for feature in features if feature.view == name]
        # Table and ttl are taken from the last feature of the view. All its features agree.
        table = view_features[-1].table
        ttl = timedelta(days=view_features[-1].ttl_days)
        revisions = [
            key for key in revisions_by_table.get(table, ()) if as_of - ttl <= key[0] <= as_of
        ]
        views.append(
            PopulationView(
                name=name,
                table=table,
                ttl=ttl,
                features=tuple(feature.name for feature in view_features),
                revisions=tuple(sorted(revisions, reverse=True)),
            )
        )
    return tuple(views)


def as_of_column(view: str) -> str:
    """Return the name of the column that holds the as_of of a view's row.

    The column is null where the view has no row for the key.
    """
    return f"{AS_OF} {view}"


def read_population(
    address: Address,
    views: Sequence[PopulationView],
    *,
    key: str,
    population: tuple[str, DropRevision],
    as_of: datetime,
    chunk_size: int = KEYS_PER_CHUNK,
) -> Iterator[pl.DataFrame]:
    """Yield the keys of a drop with their features, in the database's order, chunk by chunk.

    Args:
        address: the database to read from.
        views: the views to join.
        key: name of the key column.
        population: the table and the revision whose keys are meant.
        as_of: the instant that the features describe.
        chunk_size: number of keys in a chunk.

    Yields:
        (n, ·) the key, then for each view its `as_of_column` and its features.
    """
    table, revision = population
    with open_cursor(address) as cursor:
        reader = _FrozenRowReader(cursor, key)
        for keys in reader.read_keys(table, revision).iter_slices(chunk_size):
            joined_views = [_join_view(reader, view, keys, as_of) for view in views]
            yield pl.concat([keys, *joined_views], how="horizontal")


def _join_view(
    reader: _FrozenRowReader,
    view: PopulationView,
    keys: pl.DataFrame,
    at: datetime,
) -> pl.DataFrame:
    """Return the newest valid row of a view for each key, in the order of `keys`.

    An older drop is read only while some key has no row in a newer one.
    """
    history = reader.read_no_rows(view)
    keys_without_row = keys
    for revision in view.revisions:
        rows = reader.read_rows(view, revision, keys)
        history = rows if history.is_empty() else pl.concat([history, rows])
        keys_without_row = keys_without_row.join(rows, on=reader.key, how="anti")
        if keys_without_row.is_empty():
            break
    instant = pl.lit(at).cast(UTC_MICROSECONDS)
    entities = keys.with_columns(instant.alias(INSTANT))
    return point_in_time_join(entities, history, keys=[reader.key], ttl=view.ttl)


class _FrozenRowReader:
    """Reads frozen rows of a revision through one connection."""

    def __init__(self, cursor: Any, key: str) -> None:
        self._cursor = cursor
        self.key = key

    def read_keys(self, table: str, revision: DropRevision) -> pl.DataFrame:
        """Return the keys of a revision, in the order of its index."""
        query = sql.SQL(
            "SELECT {key} FROM {table} WHERE as_of = $1 AND revision = $2 ORDER BY {key}"
        ).format(
            key=sql.Identifier(self.key),
            table=sql.Identifier("frozen", table),
        )
        return self._read(query, revision)

    def read_rows(
        self,
        view: PopulationView,
        revision: DropRevision,
        keys: pl.DataFrame,
    ) -> pl.DataFrame:
        """Return a revision's rows of the keys from the first to the last of `keys`.

        The columns are the key, AS_OF, the `as_of_column` of the view and its features.
        """
        first_key = keys[self.key].first()
        last_key = keys[self.key].last()
        condition = sql.SQL(
            " WHERE as_of = $1 AND revision = $2 AND {key} BETWEEN $3 AND $4"
        ).format(key=sql.Identifier(self.key))
        query = self._select(view) + condition
        return self._read(query, [*revision, first_key, last_key])

    def read_no_rows(self, view: PopulationView) -> pl.DataFrame:
        """Return a frame without rows that has the columns and types of `read_rows`."""
        query = self._select(view) + sql.SQL(" WHERE false")
        return self._read(query, [])

    def _select(self, view: PopulationView) -> sql.Composed:
        """Compose SELECT … FROM the frozen table of a view, without a condition."""
        source_columns = {
            self.key: self.key,
            AS_OF: "as_of",
            as_of_column(view.name): "as_of",
            **{feature: feature for feature in view.features},
        }
        select_items = [
            sql.SQL("{} AS {}").format(sql.Identifier(source), sql.Identifier(name))
            for name, source in source_columns.items()
        ]
        return sql.SQL("SELECT {columns} FROM {table}").format(
            columns=sql.SQL(", ").join(select_items),
            table=sql.Identifier("frozen", view.table),
        )

    def _read(self, query: sql.Composed, parameters: Sequence[object]) -> pl.DataFrame:
        """Run a query and return its rows as a frame."""
        self._cursor.execute(query.as_string(), list(parameters) or None)
        return pl.DataFrame(self._cursor.fetch_arrow_table())

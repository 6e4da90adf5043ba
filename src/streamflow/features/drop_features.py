"""The features of a whole drop, a part of its keys at a time: by the join that the offline store makes, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from psycopg import sql

from streamflow.database import Address
from streamflow.database.adbc import reading
from streamflow.features.feature_service import ServiceFeature
from streamflow.features.point_in_time_join import AS_OF, INSTANT, point_in_time_join

PART = 20_000  # keys at a time
STAMP = pl.Datetime("us", "UTC")

Place = tuple[datetime, int]  # as_of and revision


@dataclass(frozen=True, kw_only=True)
class PopulationView:
    """One view: which revisions it may see, the newest first."""

    name: str
    table: str
    ttl: timedelta
    features: tuple[str, ...]
    places: tuple[Place, ...]


def views_at(
    features: Sequence[ServiceFeature], at: datetime, newest: Mapping[str, Sequence[Place]]
) -> tuple[PopulationView, ...]:
    """The views of a service with the revisions that count at an instant; `newest` are the known ones of each table."""
    views = {f.view: f for f in features}
    return tuple(
        PopulationView(
            name=name,
            table=first.table,
            ttl=(ttl := timedelta(days=first.ttl_days)),
            features=tuple(f.name for f in features if f.view == name),
            places=tuple(
                sorted(
                    (p for p in newest.get(first.table, ()) if at - ttl <= p[0] <= at), reverse=True
                )
            ),
        )
        for name, first in views.items()
    )


def as_of_column(view: str) -> str:
    """The column that says which instant the row of a view describes; null where the view has no row for the key."""
    return f"{AS_OF} {view}"


def population_parts(
    address: Address,
    views: Sequence[PopulationView],
    *,
    key: str,
    population: tuple[str, Place],
    at: datetime,
    part: int = PART,
) -> Iterator[pl.DataFrame]:
    """The keys of a drop in the database's order, `part` at a time: (n, key, features, one `as_of_column` per view).

    population   the table and the revision whose keys they are
    """
    with reading(address) as cursor:
        reader = _Reader(cursor, key)
        for keys in reader.keys(*population).iter_slices(part):
            yield pl.concat(
                [keys, *(_joined(reader, view, keys, at) for view in views)], how="horizontal"
            )


def _joined(
    reader: _Reader, view: PopulationView, keys: pl.DataFrame, at: datetime
) -> pl.DataFrame:
    """Older drops are asked only while some key has no row in a newer one."""
    history, asked = reader.nothing(view), keys
    for place in view.places:
        found = reader.rows(view, place, keys)
        history = found if history.is_empty() else pl.concat([history, found])
        asked = asked.join(found, on=reader.key, how="anti")
        if asked.is_empty():
            break
    entities = keys.with_columns(pl.lit(at).cast(STAMP).alias(INSTANT))
    return point_in_time_join(entities, history, keys=[reader.key], ttl=view.ttl)


class _Reader:
    """Reads frozen rows by revision, through one connection."""

    def __init__(self, cursor: Any, key: str) -> None:
        self._cursor, self.key = cursor, key

    def keys(self, table: str, place: Place) -> pl.DataFrame:
        """The keys of a revision, in the order of its index."""
        query = sql.SQL(
            "SELECT {key} FROM {table} WHERE as_of = $1 AND revision = $2 ORDER BY {key}"
        )
        return self._read(
            query.format(key=sql.Identifier(self.key), table=sql.Identifier("frozen", table)), place
        )

    def rows(self, view: PopulationView, place: Place, keys: pl.DataFrame) -> pl.DataFrame:
        """What a revision says of the keys from the first to the last of `keys`: key, AS_OF, the view's columns."""
        bounds = keys[self.key].first(), keys[self.key].last()
        where = sql.SQL(" WHERE as_of = $1 AND revision = $2 AND {key} BETWEEN $3 AND $4").format(
            key=sql.Identifier(self.key)
        )
        return self._read(self._select(view) + where, [*place, *bounds])

    def nothing(self, view: PopulationView) -> pl.DataFrame:
        """No rows, of the same columns and types."""
        return self._read(self._select(view) + sql.SQL(" WHERE false"), [])

    def _select(self, view: PopulationView) -> sql.Composed:
        columns = {
            self.key: self.key,
            AS_OF: "as_of",
            as_of_column(view.name): "as_of",
            **{f: f for f in view.features},
        }
        return sql.SQL("SELECT {columns} FROM {table}").format(
            columns=sql.SQL(", ").join(
                sql.SQL("{} AS {}").format(sql.Identifier(source), sql.Identifier(name))
                for name, source in columns.items()
            ),
            table=sql.Identifier("frozen", view.table),
        )

    def _read(self, query: sql.Composed, parameters: Sequence[object]) -> pl.DataFrame:
        self._cursor.execute(query.as_string(), list(parameters) or None)
        return pl.DataFrame(self._cursor.fetch_arrow_table())

"""Read the live features of keys without Feast.

One prepared SELECT reads all views of a feature service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from streamflow.column_types import COLUMN_TYPES
from streamflow.errors import NotMigrated
from streamflow.features.feature_service import ServiceFeature
from streamflow.features.live_tables import TIME_COLUMNS, live_table


@dataclass(frozen=True, kw_only=True)
class OnlineRow:
    """The live features of one key, with the drop and revision that they come from.

    Attributes:
        values: in the order of the reader's features. None means that the value is null, or that
            the view has no row for the key.
        as_of: view -> the instant that its row describes. None means that the view has no row for
            the key.
        known_at: when the row of each view became known, in the order of `as_of`.
    """

    values: tuple[Any, ...]
    as_of: Mapping[str, datetime | None]
    known_at: tuple[datetime | None, ...]

    @property
    def sources(self) -> dict[str, tuple[datetime, datetime | None] | None]:
        """Return view -> (as_of, known_at) of its row; None when the view has no row."""
        return {
            view: None if as_of is None else (as_of, known_at)
            for (view, as_of), known_at in zip(self.as_of.items(), self.known_at, strict=True)
        }


class OnlineReader:
    """Reads the live features of one feature service, in the service's order.

    It holds no connection: any thread may use it with a connection of its own.
    """

    def __init__(
        self,
        features: Sequence[ServiceFeature],
        *,
        key: str,
        key_type: str = "string",
    ) -> None:
        self.features = tuple(features)
        self._views = tuple(dict.fromkeys(feature.view for feature in features))
        # The statements are composed once: composing costs as much as the lookup.
        self._row_query = _compose_row_query(self.features, self._views, key, key_type)
        self._as_of_query = _compose_as_of_query(self._views)

    def read(self, connection: psycopg.Connection, key: str | int) -> OnlineRow | None:
        """Return the live row of `key`, or None when no view has a row for it.

        Raises:
            NotMigrated: a live table is missing.
        """
        return self.read_many(connection, [key])[0]

    def read_many(
        self,
        connection: psycopg.Connection,
        keys: Sequence[str | int],
    ) -> list[OnlineRow | None]:
        """Return the live rows of `keys`, in their order, in one round trip."""
        with _as_not_migrated():
            rows = connection.execute(
                self._row_query,
                [list(keys)],
                prepare=True,
                binary=True,
            ).fetchall()
        return [self._create_row(row) for row in rows]

    async def read_many_async(
        self,
        connection: psycopg.AsyncConnection,
        keys: Sequence[str | int],
    ) -> list[OnlineRow | None]:
        """Return the live rows of `keys` as `read_many` does, on an asynchronous connection.

        The event loop can do different work during the read.
        """
        with _as_not_migrated():
            cursor = await connection.execute(
                self._row_query,
                [list(keys)],
                prepare=True,
                binary=True,
            )
            rows = await cursor.fetchall()
        return [self._create_row(row) for row in rows]

    async def live_as_of(self, connection: psycopg.AsyncConnection) -> dict[str, datetime | None]:
        """Return the as_of of each view; None for a view without rows.

        One row per view is enough: a materialization writes all rows of a view with one as_of.

        Raises:
            NotMigrated: a live table is missing.
        """
        with _as_not_migrated():
            cursor = await connection.execute(self._as_of_query)
            row = await cursor.fetchone()
        assert row is not None
        return dict(zip(sorted(self._views), row, strict=True))

    def _create_row(self, row: tuple[Any, ...]) -> OnlineRow | None:
        """Return a row of the row query as an OnlineRow."""
        view_count = len(self._views)
        instants = row[:view_count]
        if all(instant is None for instant in instants):
            return None
        return OnlineRow(
            values=row[2 * view_count :],
            as_of=dict(zip(self._views, instants, strict=True)),
            known_at=row[view_count : 2 * view_count],
        )


@contextmanager
def _as_not_migrated() -> Iterator[None]:
    """Raise NotMigrated when a live table or a column of one is missing."""
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as exc:
        raise NotMigrated(
            f"the live tables do not fit the features: {exc.diag.message_primary}"
        ) from exc


def _compose_as_of_query(views: tuple[str, ...]) -> bytes:
    """Compose a SELECT of the as_of of any row of each view, in the order of the views' names."""
    subqueries = [
        sql.SQL("(SELECT as_of FROM {} LIMIT 1)").format(live_table(view)) for view in sorted(views)
    ]
    query = sql.SQL("SELECT {}").format(sql.SQL(", ").join(subqueries))
    return query.as_bytes()


def _compose_row_query(
    features: tuple[ServiceFeature, ...],
    views: tuple[str, ...],
    key: str,
    key_type: str,
) -> bytes:
    """Compose a SELECT with one row per requested key, in the order of the request.

    The columns are the as_of of each view, the known_at of each view, then the features. A key that
    no view has gives a row of nulls.
    """
    requested_keys = sql.SQL("unnest(%s::{}[]) WITH ORDINALITY").format(
        sql.SQL(COLUMN_TYPES[key_type].sql)
    )
    columns = [sql.Identifier(view, name) for name in TIME_COLUMNS for view in views]
    columns += [sql.Identifier(feature.view, feature.name) for feature in features]
    # A materialization locks the tables in the order of their names: see swap_live_tables.
    joins = [
        sql.SQL(" LEFT JOIN {table} AS {view} ON {column} = asked.key").format(
            table=live_table(view),
            view=sql.Identifier(view),
            column=sql.Identifier(view, key),
        )
        for view in sorted(views)
    ]
    query = sql.SQL("SELECT {columns} FROM {keys} AS asked (key, n){joins} ORDER BY n").format(
        columns=sql.SQL(", ").join(columns),
        keys=requested_keys,
        joins=sql.Composed(joins),
    )
    return query.as_bytes()

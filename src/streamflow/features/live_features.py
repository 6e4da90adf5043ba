"""The live features of a key: all views of a service in one prepared SELECT, without Feast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from streamflow.errors import NotMigrated
from streamflow.features.feature_service import ServiceFeature
from streamflow.features.live_tables import FIXED, SQL_TYPES, live_table


@dataclass(frozen=True, kw_only=True)
class OnlineRow:
    """The live state of one key."""

    values: tuple[
        Any, ...
    ]  # in the order of the reader's features; None: a null, or the view has no row
    as_of: Mapping[
        str, datetime | None
    ]  # view -> the instant its row describes; None: the view has no row for this key
    known_at: tuple[
        datetime | None, ...
    ]  # of each view's row, in the same order: when we learned it

    @property
    def sources(self) -> dict[str, tuple[datetime, datetime | None] | None]:
        """View -> the drop and the revision that its row is of; None: the view has no row for this key."""
        return {
            view: None if as_of is None else (as_of, known_at)
            for (view, as_of), known_at in zip(self.as_of.items(), self.known_at, strict=True)
        }


class OnlineReader:
    """Reads the features of one service, in its order. Holds no connection: any thread may use it with its own."""

    def __init__(
        self, features: Sequence[ServiceFeature], *, key: str, key_type: str = "string"
    ) -> None:
        self.features = tuple(features)
        self._views = tuple(dict.fromkeys(f.view for f in features))
        self._rows_of = _rows_of(self.features, self._views, key, key_type)
        self._instants = _instants(self._views)

    def read(self, connection: psycopg.Connection, key: str | int) -> OnlineRow | None:
        """The live row of `key`; None where no view has one. Raises NotMigrated when a live table lacks."""
        return self.read_many(connection, [key])[0]

    def read_many(
        self, connection: psycopg.Connection, keys: Sequence[str | int]
    ) -> list[OnlineRow | None]:
        """The live rows of `keys`, in their order, in one round trip."""
        with _translated():
            rows = connection.execute(
                self._rows_of, [list(keys)], prepare=True, binary=True
            ).fetchall()
        return [self._row(row) for row in rows]

    async def read_beside(
        self, connection: psycopg.AsyncConnection, keys: Sequence[str | int]
    ) -> list[OnlineRow | None]:
        """The same on a connection that lets others work meanwhile."""
        with _translated():
            cursor = await connection.execute(
                self._rows_of, [list(keys)], prepare=True, binary=True
            )
            rows = await cursor.fetchall()
        return [self._row(row) for row in rows]

    async def live_as_of(self, connection: psycopg.AsyncConnection) -> dict[str, datetime | None]:
        """The as_of of each view; None for one that has no row. Raises NotMigrated when a live table lacks.

        One row tells it: a materialization writes all rows of a view with one as_of.
        """
        with _translated():
            cursor = await connection.execute(self._instants)
            row = await cursor.fetchone()
        assert row is not None
        return dict(zip(sorted(self._views), row, strict=True))

    def _row(self, row: tuple[Any, ...]) -> OnlineRow | None:
        n = len(self._views)
        instants = row[:n]
        if all(instant is None for instant in instants):
            return None
        return OnlineRow(
            values=row[2 * n :],
            as_of=dict(zip(self._views, instants, strict=True)),
            known_at=row[n : 2 * n],
        )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as exc:
        raise NotMigrated(
            f"the live tables do not fit the features: {exc.diag.message_primary}"
        ) from exc


def _instants(views: tuple[str, ...]) -> bytes:
    """SELECT the as_of of any row of each view."""
    parts = [
        sql.SQL("(SELECT as_of FROM {} LIMIT 1)").format(live_table(view)) for view in sorted(views)
    ]
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join(parts)).as_bytes()


def _rows_of(
    features: tuple[ServiceFeature, ...], views: tuple[str, ...], key: str, key_type: str
) -> bytes:
    """SELECT each view's as_of, then its known_at, then each feature, a row per asked key, found or not, in the order asked."""
    asked = sql.SQL("unnest(%s::{}[]) WITH ORDINALITY").format(sql.SQL(SQL_TYPES[key_type]))
    columns = [sql.Identifier(view, name) for name in FIXED for view in views]
    columns += [sql.Identifier(f.view, f.name) for f in features]
    joins = [
        sql.SQL(" LEFT JOIN {table} AS {view} ON {column} = asked.key").format(
            table=live_table(view), view=sql.Identifier(view), column=sql.Identifier(view, key)
        )
        for view in sorted(
            views
        )  # the order in which a materialization locks them: see swap_live_tables
    ]
    composed = sql.SQL("SELECT {columns} FROM {asked} AS asked (key, n){joins} ORDER BY n").format(
        columns=sql.SQL(", ").join(columns), asked=asked, joins=sql.Composed(joins)
    )
    return composed.as_bytes()  # composed once: it would cost as much as the lookup

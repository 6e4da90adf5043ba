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
from streamflow.features.online_sql import SQL_TYPES, live_table
from streamflow.features.service import ServiceFeature


@dataclass(frozen=True, kw_only=True)
class OnlineRow:
    """The live state of one key."""

    values: tuple[Any, ...]  # in the order of the reader's features; None: a null, or the view has no row
    as_of: Mapping[str, datetime | None]  # view -> the instant its row describes; None: the view has no row for this key

    @property
    def absent_views(self) -> tuple[str, ...]:
        """The views that have no row for this key."""
        return tuple(view for view, as_of in self.as_of.items() if as_of is None)


class OnlineReader:
    """Reads the features of one service, in its order. Holds no connection: any thread may use it with its own."""

    def __init__(self, features: Sequence[ServiceFeature], *, key: str, key_type: str = "string") -> None:
        self.features = tuple(features)
        self._views = tuple(dict.fromkeys(f.view for f in features))
        self._one, self._many = (_statement(self.features, self._views, key, key_type, many=many) for many in (False, True))

    def read(self, connection: psycopg.Connection, key: str | int) -> OnlineRow | None:
        """The live row of `key`; None where no view has one. Raises NotMigrated when a live table lacks."""
        return self._rows(connection, self._one, key)[0]

    def read_many(self, connection: psycopg.Connection, keys: Sequence[str | int]) -> list[OnlineRow | None]:
        """The live rows of `keys`, in their order."""
        return self._rows(connection, self._many, list(keys))

    def live_as_of(self, connection: psycopg.Connection) -> datetime | None:
        """The as_of of the oldest view; None when a view has no row. Raises NotMigrated when a live table lacks.

        One row tells it: a materialization writes all rows of a view with one as_of.
        """
        instants = [sql.SQL("(SELECT as_of FROM {} LIMIT 1)").format(live_table(view)) for view in sorted(self._views)]
        with _translated():
            row = connection.execute(sql.SQL("SELECT {}").format(sql.SQL(", ").join(instants))).fetchone()
        assert row is not None
        return None if None in row else min(row)

    def _rows(self, connection: psycopg.Connection, statement: sql.Composed, asked: Any) -> list[OnlineRow | None]:
        with _translated():
            rows = connection.execute(statement, [asked], prepare=True, binary=True).fetchall()
        return [self._row(row) for row in rows]

    def _row(self, row: tuple[Any, ...]) -> OnlineRow | None:
        instants = row[: len(self._views)]
        if all(instant is None for instant in instants):
            return None
        return OnlineRow(values=row[len(self._views) :], as_of=dict(zip(self._views, instants, strict=True)))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as exc:
        raise NotMigrated(f"the live tables do not fit the features: {exc.diag.message_primary}") from exc


def _statement(
    features: tuple[ServiceFeature, ...], views: tuple[str, ...], key: str, key_type: str, *, many: bool
) -> sql.Composed:
    """SELECT each view's as_of, then each feature, one row per asked key, found or not, in the order asked."""
    kind = sql.SQL(SQL_TYPES[key_type])
    one, several = "(SELECT %s::{} AS key, 1 AS n)", "unnest(%s::{}[]) WITH ORDINALITY"
    asked = sql.SQL(several if many else one).format(kind)
    columns = [sql.Identifier(view, "as_of") for view in views] + [sql.Identifier(f.view, f.name) for f in features]
    joins = [
        sql.SQL(" LEFT JOIN {table} AS {view} ON {column} = asked.key").format(
            table=live_table(view), view=sql.Identifier(view), column=sql.Identifier(view, key)
        )
        for view in sorted(views)  # the order in which a materialization locks them: see swap_live_tables
    ]
    return sql.SQL("SELECT {columns} FROM {asked} AS asked (key, n){joins} ORDER BY n").format(
        columns=sql.SQL(", ").join(columns), asked=asked, joins=sql.Composed(joins)
    )

"""Materialize: the newest drop becomes the live state, for all views at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from streamflow.catalog import Catalog
from streamflow.errors import NotMigrated, SnapshotMissing
from streamflow.features.feature_service import ServiceFeature, ViewSpec, views_of
from streamflow.features.live_tables import (
    live_columns,
    live_table,
    lock_live_tables,
    next_table,
    swap_live_tables,
)


@dataclass(frozen=True, kw_only=True)
class MaterializedView:
    """What one view holds now."""

    view: str
    rows: int
    removed: int  # keys that were live and are not in this drop
    as_of: datetime


@dataclass(frozen=True, kw_only=True)
class _Drop:
    """The newest known revision of each table at one as_of."""

    as_of: datetime
    revisions: Mapping[str, tuple[int, datetime]]  # table -> revision, known_at


def materialize(
    connection: psycopg.Connection,
    catalog: Catalog,
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    services: Mapping[str, Sequence[ServiceFeature]] | None = None,
) -> list[MaterializedView]:
    """Make one drop the live state of every view, in one transaction: readers see all of it or nothing.

    The rows are written into new tables, which take the place of the live ones at the end: readers wait for that alone.

    The drop is the newest `as_of` at which every table that feeds a view is frozen, or exactly `as_of`; of it the
    revisions known by `known_at`, or all. A drop of which one such table is not frozen yet is passed over, so that no
    answer mixes two drops. Keys that are not in it are removed. Of a view that only a registered version's service still
    names the table may be gone from the catalog: such a view is emptied, because what it holds is no longer true.

    Raises SnapshotMissing when there is no such drop, NotMigrated when a live table is missing.
    """
    with connection.transaction():
        lock_live_tables(connection)
        views = views_of(catalog, services or {})
        tables = sorted({view.table for view in views if view.table in catalog.tables})
        drop = _drop(connection, tables, as_of, known_at)
        filled = [_fill(connection, catalog.entity.key, view, drop) for view in views]
        swap_live_tables(connection, [view.name for view in views])
        return filled


def stale_views(
    connection: psycopg.Connection,
    catalog: Catalog,
    services: Mapping[str, Sequence[ServiceFeature]],
) -> list[str]:
    """The views whose live rows are not those of the newest frozen drop. Raises SnapshotMissing when none is frozen."""
    views = [view for view in views_of(catalog, services) if view.table in catalog.tables]
    drop = _drop(connection, sorted({view.table for view in views}), None, None)
    return [view.name for view in views if not _is_current(connection, view, drop)]


def _is_current(connection: psycopg.Connection, view: ViewSpec, drop: _Drop) -> bool:
    """Whether the live rows are all of this revision, and some are live if it has any."""
    revision, known_at = drop.revisions[view.table]
    if not live_columns(connection, view.name):
        return False
    row = connection.execute(
        sql.SQL(
            "SELECT NOT EXISTS (SELECT FROM {live} WHERE (as_of, known_at) IS DISTINCT FROM (%s::timestamptz, %s::timestamptz))"
            " AND (EXISTS (SELECT FROM {live}) OR NOT EXISTS (SELECT FROM {frozen} WHERE as_of = %s AND revision = %s))"
        ).format(live=live_table(view.name), frozen=sql.Identifier("frozen", view.table)),
        [drop.as_of, known_at, drop.as_of, revision],
    ).fetchone()
    return bool(row and row[0])


def _drop(
    connection: psycopg.Connection,
    tables: list[str],
    as_of: datetime | None,
    known_at: datetime | None,
) -> _Drop:
    rows = connection.execute(
        "WITH newest AS (SELECT DISTINCT ON (table_name, as_of) table_name, as_of, revision, known_at FROM streamflow.revision"
        "   WHERE table_name = ANY(%(tables)s) AND (%(as_of)s::timestamptz IS NULL OR as_of = %(as_of)s)"
        "   AND (%(known_at)s::timestamptz IS NULL OR known_at <= %(known_at)s) ORDER BY table_name, as_of, revision DESC)"
        " SELECT as_of, table_name, revision, known_at FROM newest"
        " WHERE as_of = (SELECT as_of FROM newest GROUP BY as_of HAVING count(*) = %(n)s ORDER BY as_of DESC LIMIT 1)",
        {"tables": tables, "as_of": as_of, "known_at": known_at, "n": len(tables)},
    ).fetchall()
    if not rows:
        when = f"as of {as_of:%Y-%m-%d} " if as_of else ""
        raise SnapshotMissing(
            f"no drop {when}has a snapshot of all of {', '.join(tables)}; the live features are as before"
        )
    return _Drop(
        as_of=rows[0][0], revisions={table: (revision, known) for _, table, revision, known in rows}
    )


def _fill(
    connection: psycopg.Connection, key: str, view: ViewSpec, drop: _Drop
) -> MaterializedView:
    """Fill a table that will take the place of the live one. All columns are filled, those of older services included."""
    columns = live_columns(connection, view.name)
    if not columns:
        raise NotMigrated(f"the live table of feature view '{view.name}' is missing")
    names = {
        "live": live_table(view.name),
        "next": next_table(view.name),
        "key": sql.Identifier(key),
    }
    connection.execute(
        sql.SQL("CREATE TABLE {next} (LIKE {live} INCLUDING ALL EXCLUDING INDEXES)").format(**names)
    )
    revision, known_at = drop.revisions.get(view.table, (0, None))
    rows = 0
    if revision:
        try:
            rows = connection.execute(_copy(view, list(columns), drop, revision, known_at)).rowcount
        except psycopg.errors.UndefinedColumn as exc:
            raise NotMigrated(
                f"table '{view.table}' lacks what '{view.name}' serves: {exc.diag.message_primary}"
            ) from exc
    connection.execute(
        sql.SQL("ALTER TABLE {next} ADD PRIMARY KEY ({key})").format(**names)
    )  # faster at once than row by row
    gone = sql.SQL(
        "SELECT count(*) FROM {live} l WHERE NOT EXISTS (SELECT FROM {next} n WHERE n.{key} = l.{key})"
    ).format(**names)
    counted = connection.execute(gone).fetchone()
    return MaterializedView(
        view=view.name, rows=rows, removed=counted[0] if counted else 0, as_of=drop.as_of
    )


def _copy(
    view: ViewSpec, columns: list[str], drop: _Drop, revision: int, known_at: datetime | None
) -> sql.Composed:
    """One INSERT … SELECT of a revision's rows."""
    given = {"as_of": drop.as_of, "known_at": known_at}
    return sql.SQL(
        "INSERT INTO {next} ({names}) SELECT {values} FROM {frozen} WHERE as_of = {at} AND revision = {revision}"
    ).format(
        next=next_table(view.name),
        names=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(
            sql.Literal(given[c]) if c in given else sql.Identifier(c) for c in columns
        ),
        frozen=sql.Identifier("frozen", view.table),
        at=sql.Literal(drop.as_of),
        revision=sql.Literal(revision),
    )

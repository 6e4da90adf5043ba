"""Make the newest drop the live state of all feature views at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from streamflow.catalog import Catalog
from streamflow.database.locks import RAW_AND_FROZEN_ROWS, transaction_lock_sql
from streamflow.database.sql_files import load_queries
from streamflow.errors import NotMigrated, SnapshotMissing
from streamflow.features.feature_service import ServiceFeature, ViewSpec, views_of
from streamflow.features.live_tables import (
    TIME_COLUMNS,
    live_columns,
    live_table,
    lock_live_tables,
    next_table,
    swap_live_tables,
)

QUERIES = load_queries(__file__)

RevisionKey = tuple[str, datetime, int]  # table, as_of and number of a revision


@dataclass(frozen=True, kw_only=True)
class MaterializedView:
    """The live state of one view after a materialization."""

    view: str
    rows: int
    removed: int  # keys that were live before and are not in this drop
    as_of: datetime


@dataclass(frozen=True, kw_only=True)
class _FrozenDrop:
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
    verify: Callable[[Iterable[RevisionKey]], None] = lambda _: None,
) -> list[MaterializedView]:
    """Make one drop the live state of every view, in one transaction.

    Readers see all of the new state or nothing of it: rows are written into new tables, which
    replace the live ones at the end. Nobody freezes or erases rows in the meantime, so a key that
    is forgotten now does not become live again.

    The drop is the newest one for which every table that feeds a view is frozen, so that no answer
    mixes two drops. Keys that are not in the drop are removed.

    A view of a registered version may read a table that is no longer in the catalog. Such a view is
    emptied, because its rows are no longer true.

    Args:
        catalog: its views and tables are materialized.
        as_of: the as_of that the drop must have.
        known_at: take only revisions that were known at this instant; None for the newest.
        services: the services of registered versions, by name.
        verify: raises an error when frozen rows of these revisions are not the recorded ones.

    Raises:
        SnapshotMissing: there is no such drop.
        NotMigrated: a live table is missing.
    """
    with connection.transaction():
        connection.execute(transaction_lock_sql(RAW_AND_FROZEN_ROWS, shared=True))
        lock_live_tables(connection)
        views = views_of(catalog, services or {})
        tables = _frozen_tables(views, catalog)
        drop = _read_newest_drop(connection, tables, as_of, known_at)
        verify((table, drop.as_of, number) for table, (number, _) in drop.revisions.items())
        key = catalog.entity.key
        filled = [_fill_next_table(connection, key, view, drop) for view in views]
        swap_live_tables(connection, [view.name for view in views])
        return filled


def _frozen_tables(views: Iterable[ViewSpec], catalog: Catalog) -> list[str]:
    """Return the tables of some views, without those that are no longer in the catalog."""
    return sorted({view.table for view in views if view.table in catalog.frozen_tables})


def find_revisions(
    connection: psycopg.Connection,
    catalog: Catalog,
    services: Mapping[str, Sequence[ServiceFeature]],
) -> list[RevisionKey]:
    """Return the revisions of the newest drop that `materialize` would take now.

    Raises:
        SnapshotMissing: no drop is frozen.
    """
    tables = _frozen_tables(views_of(catalog, services), catalog)
    drop = _read_newest_drop(connection, tables, as_of=None, known_at=None)
    return [(table, drop.as_of, number) for table, (number, _) in drop.revisions.items()]


def find_stale_views(
    connection: psycopg.Connection,
    catalog: Catalog,
    services: Mapping[str, Sequence[ServiceFeature]],
) -> list[str]:
    """Return the views whose live rows are not those of the newest frozen drop.

    Raises:
        SnapshotMissing: no drop is frozen.
    """
    views = [view for view in views_of(catalog, services) if view.table in catalog.frozen_tables]
    tables = sorted({view.table for view in views})
    drop = _read_newest_drop(connection, tables, as_of=None, known_at=None)
    return [view.name for view in views if not _is_current(connection, view, drop)]


def _is_current(connection: psycopg.Connection, view: ViewSpec, drop: _FrozenDrop) -> bool:
    """Whether all live rows are of the drop's revision, and there are some if the revision has any.

    A view without a live table is not current.
    """
    revision, known_at = drop.revisions[view.table]
    if not TIME_COLUMNS.keys() <= live_columns(connection, view.name).keys():
        return False  # it is missing, or a foreign 'feast apply' made it
    query = sql.SQL(
        "SELECT NOT EXISTS (SELECT FROM {live} WHERE (as_of, known_at)"
        " IS DISTINCT FROM (%s::timestamptz, %s::timestamptz))"
        " AND (EXISTS (SELECT FROM {live})"
        " OR NOT EXISTS (SELECT FROM streamflow.revision WHERE table_name = %s"
        " AND as_of = %s AND revision = %s AND rows > 0))"
    ).format(live=live_table(view.name))
    parameters = [drop.as_of, known_at, view.table, drop.as_of, revision]
    row = connection.execute(query, parameters).fetchone()
    return bool(row and row[0])


def _read_newest_drop(
    connection: psycopg.Connection,
    tables: list[str],
    as_of: datetime | None,
    known_at: datetime | None,
) -> _FrozenDrop:
    """Read the newest drop for which all tables are frozen, or raise SnapshotMissing."""
    rows = connection.execute(
        QUERIES["newest_drop"],
        {"tables": tables, "as_of": as_of, "known_at": known_at, "table_count": len(tables)},
    ).fetchall()
    if not rows:
        at_instant = f"as of {as_of:%Y-%m-%d} " if as_of else ""
        raise SnapshotMissing(
            f"no drop {at_instant}has a snapshot of each of the tables {', '.join(tables)}; "
            "the live features are unchanged"
        )
    revisions = {table: (revision, known_at) for _, table, revision, known_at in rows}
    return _FrozenDrop(as_of=rows[0][0], revisions=revisions)


def _fill_next_table(
    connection: psycopg.Connection,
    key: str,
    view: ViewSpec,
    drop: _FrozenDrop,
) -> MaterializedView:
    """Create and fill the table that will replace the live table of a view.

    All columns of the live table are filled, also those that only older services read.
    """
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
    row_count = _copy_revision(connection, view, list(columns), drop)
    # Building the index at once is faster than adding to it row by row.
    connection.execute(sql.SQL("ALTER TABLE {next} ADD PRIMARY KEY ({key})").format(**names))
    removed_keys = sql.SQL(
        "SELECT count(*) FROM {live} l"
        " WHERE NOT EXISTS (SELECT FROM {next} n WHERE n.{key} = l.{key})"
    ).format(**names)
    removed = connection.execute(removed_keys).fetchone()
    return MaterializedView(
        view=view.name,
        rows=row_count,
        removed=removed[0] if removed else 0,
        as_of=drop.as_of,
    )


def _copy_revision(
    connection: psycopg.Connection,
    view: ViewSpec,
    columns: list[str],
    drop: _FrozenDrop,
) -> int:
    """Copy the drop's rows of a view into its next table, and return how many rows these are.

    There are none when the table of the view is not in the drop.
    """
    revision, known_at = drop.revisions.get(view.table, (0, None))
    if not revision:
        return 0
    statement = _compose_copy(view, columns, drop, revision, known_at)
    try:
        return connection.execute(statement).rowcount
    except psycopg.errors.UndefinedColumn as exc:
        raise NotMigrated(
            f"table '{view.table}' does not have all columns that feature view '{view.name}' "
            f"serves: {exc.diag.message_primary}"
        ) from exc


def _compose_copy(
    view: ViewSpec,
    columns: list[str],
    drop: _FrozenDrop,
    revision: int,
    known_at: datetime | None,
) -> sql.Composed:
    """Compose the INSERT … SELECT that copies the rows of a revision."""
    instants = {"as_of": drop.as_of, "known_at": known_at}
    values = [
        sql.Literal(instants[column]) if column in instants else sql.Identifier(column)
        for column in columns
    ]
    return sql.SQL(
        "INSERT INTO {next} ({names}) SELECT {values} FROM {frozen}"
        " WHERE as_of = {as_of} AND revision = {revision}"
    ).format(
        next=next_table(view.name),
        names=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(values),
        frozen=sql.Identifier("frozen", view.table),
        as_of=sql.Literal(drop.as_of),
        revision=sql.Literal(revision),
    )

"""The live tables `online.<view>`: one row per key, one typed column per feature. Shared by all that touches them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg import sql

from streamflow.errors import CatalogInvalid

SCHEMA = "online"
FIXED = {"as_of": "timestamp with time zone", "known_at": "timestamp with time zone"}
SQL_TYPES = {
    "int": "bigint",
    "float": "double precision",
    "bool": "boolean",
    "string": "text",
}  # by catalog type


def live_table(view: str) -> sql.Identifier:
    """The table that holds the live state of `view`."""
    return sql.Identifier(SCHEMA, view)


def next_table(view: str) -> sql.Identifier:
    """The table that will take the place of the live one."""
    return sql.Identifier(SCHEMA, f"{view}__next")


def swap_live_tables(connection: psycopg.Connection, views: Iterable[str]) -> None:
    """Put the next tables in the place of the live ones. Call it under `lock_live_tables`, as the last act.

    Locks are taken in the order of the names, as readers of several views take theirs: else they could lock each other out.
    """
    ordered = sorted(views)
    connection.execute(
        sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(
            sql.SQL(", ").join(live_table(view) for view in ordered)
        )
    )
    for view in ordered:
        connection.execute(
            sql.SQL("DROP TABLE {}; ALTER TABLE {} RENAME TO {}").format(
                live_table(view), next_table(view), sql.Identifier(view)
            )
        )


def lock_live_tables(connection: psycopg.Connection) -> None:
    """Keep every other writer of live tables out until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('streamflow.online', 0))")


@contextmanager
def live_tables_kept(connection: psycopg.Connection) -> Iterator[None]:
    """Keep every live table as it is. A swap waits for this lock, and not for a table's, where readers would queue behind it."""
    connection.execute("SELECT pg_advisory_lock_shared(hashtextextended('streamflow.online', 0))")
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute(
                "SELECT pg_advisory_unlock_shared(hashtextextended('streamflow.online', 0))"
            )


def live_columns(connection: psycopg.Connection, view: str) -> dict[str, str]:
    """Column -> SQL type of a live table, in its order; empty when there is none."""
    rows = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [live_table(view).as_string(connection)],
    )
    return dict(rows.fetchall())


def ensure_live_table(
    connection: psycopg.Connection, view: str, key: tuple[str, str], features: Mapping[str, str]
) -> None:
    """Create the table of a view or add what it lacks; nothing is dropped. Call it under `lock_live_tables`.

    `key` is (name, SQL type), `features` name -> SQL type. Raises CatalogInvalid when a column has another type.
    """
    wanted = {key[0]: key[1], **FIXED, **features}
    live = live_columns(connection, view)
    changed = [name for name in wanted if live.get(name, wanted[name]) != wanted[name]]
    if changed:
        name = changed[0]
        raise CatalogInvalid(
            f"{SCHEMA}.{view}.{name} holds {live[name]}, the feature view says {wanted[name]}",
            remedy="Give the column of the new type a new name.",
        )
    if not live:
        connection.execute(_create(view, key[0], wanted))
    for name in wanted.keys() - live.keys() if live else ():
        connection.execute(
            sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                live_table(view), sql.Identifier(name), _type(wanted[name])
            )
        )


def drop_live_table(connection: psycopg.Connection, view: str) -> None:
    """Remove the live state of a view. Call it under `lock_live_tables`."""
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(live_table(view)))


def _create(view: str, key: str, columns: Mapping[str, str]) -> sql.Composed:
    required = {key: " PRIMARY KEY", "as_of": " NOT NULL"}
    lines = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(name), _type(kind), sql.SQL(required.get(name, ""))
        )
        for name, kind in columns.items()
    ]
    return sql.SQL("CREATE TABLE {} ({})").format(live_table(view), sql.SQL(", ").join(lines))


def _type(kind: str) -> sql.SQL:
    return sql.SQL(kind)


def upsert(
    view: str, key: str, columns: Iterable[str], rows: sql.Composable, *, when: sql.Composable
) -> sql.Composed:
    """INSERT `rows` (a query with `columns`) where a stored row is replaced only `when` says so (`live`, `excluded`)."""
    names = list(columns)
    return sql.SQL(
        "INSERT INTO {table} AS live ({columns}) {rows} ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE {when}"
    ).format(
        table=live_table(view),
        columns=sql.SQL(", ").join(map(sql.Identifier, names)),
        rows=rows,
        key=sql.Identifier(key),
        changes=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(n)) for n in names if n != key
        ),
        when=when,
    )

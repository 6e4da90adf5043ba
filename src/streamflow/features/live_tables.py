"""The live tables `online.<view>`, with one row per key and one typed column per feature.

Every module that reads or writes live tables uses these names, locks and statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256

import psycopg
from psycopg import sql

from streamflow.database.locks import LIVE_TABLES
from streamflow.database.sql_files import load_queries
from streamflow.errors import CatalogInvalid

QUERIES = load_queries(__file__)
SCHEMA = "online"
NAME_LIMIT = 63  # bytes; PostgreSQL's NAMEDATALEN - 1
DIGEST_LENGTH = 12
NEXT_SUFFIX = "__next"  # the end of the name of the table that will replace a live table
#: The columns, beside key and features, that every live table has -> their SQL type.
TIME_COLUMNS = {"as_of": "timestamp with time zone", "known_at": "timestamp with time zone"}


def live_table(view: str) -> sql.Identifier:
    """Return the name of the table that holds the live rows of `view`."""
    return sql.Identifier(SCHEMA, view)


def name_in_project(project: str, view: str) -> str:
    """Return the name of the live table of a view of a project that is not the installation's.

    PostgreSQL cuts names after 63 bytes. A longer name ends in a digest of the whole name, so that
    it stays different from all others.

    >>> name_in_project("drivers", "stats_fv")
    'drivers.stats_fv'
    >>> len(name_in_project("p" * 60, "stats_fv"))
    63
    """
    name = f"{project}.{view}"
    encoded = name.encode()
    if len(encoded) <= NAME_LIMIT:
        return name
    digest = sha256(encoded).hexdigest()[:DIGEST_LENGTH]
    beginning = encoded[: NAME_LIMIT - DIGEST_LENGTH - 1].decode(errors="ignore")
    return f"{beginning}_{digest}"


def next_table(view: str) -> sql.Identifier:
    """Return the name of the table that is about to replace the live table of `view`."""
    return sql.Identifier(SCHEMA, f"{view}{NEXT_SUFFIX}")


def swap_live_tables(connection: psycopg.Connection, views: Iterable[str]) -> None:
    """Replace the live tables of `views` by their next tables.

    Call it under `lock_live_tables`, as the last statement of the transaction.

    The locks are taken in the order of the names. Readers of several views take theirs in the same
    order: a different order could end in a deadlock.
    """
    ordered_views = sorted(views)
    connection.execute(
        sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(
            sql.SQL(", ").join(live_table(view) for view in ordered_views)
        )
    )
    for view in ordered_views:
        connection.execute(
            sql.SQL("DROP TABLE {}; ALTER TABLE {} RENAME TO {}").format(
                live_table(view),
                next_table(view),
                sql.Identifier(view),
            )
        )


def lock_live_tables(connection: psycopg.Connection) -> None:
    """Make every different writer of live tables wait until the transaction ends."""
    connection.execute(f"SELECT pg_advisory_xact_lock({LIVE_TABLES})")


@contextmanager
def keep_live_tables(connection: psycopg.Connection) -> Iterator[None]:
    """Keep every live table unchanged within the `with` block.

    A swap waits for this lock. It does not wait for a lock on a table, because readers would have
    to queue behind that one.
    """
    connection.execute(f"SELECT pg_advisory_lock_shared({LIVE_TABLES})")
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute(f"SELECT pg_advisory_unlock_shared({LIVE_TABLES})")


def live_columns(connection: psycopg.Connection, view: str) -> dict[str, str]:
    """Return column -> SQL type of a live table, in the table's order.

    The result is empty when the table does not exist.
    """
    table = live_table(view).as_string(connection)
    rows = connection.execute(QUERIES["live_columns"], [table])
    return dict(rows.fetchall())


def ensure_live_table(
    connection: psycopg.Connection,
    view: str,
    keys: Mapping[str, str],
    features: Mapping[str, str],
) -> None:
    """Create the live table of a view, or add the columns that are missing. Drop no column.

    A table without a row whose key is a different one is made anew.

    Call it under `lock_live_tables`.

    Args:
        keys: name -> SQL type of each part of the key.
        features: name -> SQL type.

    Raises:
        CatalogInvalid: a column has a different type, or the table has rows and a different key.
    """
    required = {**keys, **TIME_COLUMNS, **features}
    live = live_columns(connection, view)
    live_keys = _live_keys(connection, view) if live else set()
    is_replaced = live_keys != set(keys) and bool(live) and not _has_rows(connection, view)
    if is_replaced:
        drop_live_table(connection, view)
    if is_replaced or not live:
        connection.execute(_compose_create_table(view, list(keys), required))
        return
    _require_same_types(view, live, required)
    if live_keys != set(keys):
        raise CatalogInvalid(
            f"table {SCHEMA}.{view} has the key {', '.join(sorted(live_keys))}, "
            f"but the feature view declares {', '.join(sorted(keys))}",
            remedy="Apply once without this feature view, which drops the table, then with it.",
        )
    for name in required.keys() - live.keys():
        connection.execute(_compose_add_column(view, name, required[name]))


def _require_same_types(view: str, live: Mapping[str, str], required: Mapping[str, str]) -> None:
    """Refuse a required column that the live table has with a different type."""
    changed = [name for name, sql_type in required.items() if live.get(name, sql_type) != sql_type]
    if changed:
        name = changed[0]
        raise CatalogInvalid(
            f"column {SCHEMA}.{view}.{name} has the type {live[name]}, "
            f"but the feature view declares {required[name]}",
            remedy="Give the column of the new type a new name.",
        )


def _live_keys(connection: psycopg.Connection, view: str) -> set[str]:
    """Return the columns of the primary key of a live table."""
    table = live_table(view).as_string(connection)
    return {name for (name,) in connection.execute(QUERIES["live_keys"], [table]).fetchall()}


def _has_rows(connection: psycopg.Connection, view: str) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(live_table(view))
    row = connection.execute(query).fetchone()
    return row is not None and bool(row[0])


def drop_live_table(connection: psycopg.Connection, view: str) -> None:
    """Remove the live table of a view. Call it under `lock_live_tables`."""
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(live_table(view)))


def _compose_create_table(
    view: str,
    keys: Sequence[str],
    column_types: Mapping[str, str],
) -> sql.Composed:
    """Compose the CREATE TABLE of a live table."""
    column_definitions = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(name),
            _as_sql(sql_type),
            _as_sql(" NOT NULL" if name == "as_of" else ""),
        )
        for name, sql_type in column_types.items()
    ]
    return sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({}))").format(
        live_table(view),
        sql.SQL(", ").join(column_definitions),
        sql.SQL(", ").join(map(sql.Identifier, keys)),
    )


def _compose_add_column(view: str, name: str, sql_type: str) -> sql.Composed:
    """Compose the ALTER TABLE that adds a column to a live table."""
    return sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
        live_table(view), sql.Identifier(name), _as_sql(sql_type)
    )


def _as_sql(text: str) -> sql.SQL:
    """Return a type or a constraint of our own as SQL."""
    return sql.SQL(text)

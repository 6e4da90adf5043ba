"""The statements that Feast's online store reads and writes rows of live tables with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from psycopg import sql

from streamflow.features.live_tables import live_table

#: The condition under which a new row replaces the stored one.
IS_NOT_OLDER = sql.SQL(
    "(excluded.as_of, coalesce(excluded.known_at, '-infinity'))"
    " >= (live.as_of, coalesce(live.known_at, '-infinity'))"
)


def upsert(
    view: str,
    keys: Sequence[str],
    columns: Iterable[str],
    rows: sql.Composable,
    *,
    replace_when: sql.Composable,
) -> sql.Composed:
    """Compose an INSERT that may replace stored rows of a live table.

    Args:
        keys: the columns of the key.
        rows: the query that returns the new rows, with `columns`.
        replace_when: the condition under which a stored row (`live`) is replaced by the new one
            (`excluded`).
    """
    names = list(columns)
    assignments = [
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name))
        for name in names
        if name not in keys
    ]
    return sql.SQL(
        "INSERT INTO {table} AS live ({columns}) {rows}"
        " ON CONFLICT ({keys}) DO UPDATE SET {assignments} WHERE {condition}"
    ).format(
        table=live_table(view),
        columns=sql.SQL(", ").join(map(sql.Identifier, names)),
        rows=rows,
        keys=sql.SQL(", ").join(map(sql.Identifier, keys)),
        assignments=sql.SQL(", ").join(assignments),
        condition=replace_when,
    )


def compose_read(table: str, keys: Mapping[str, str], features: Sequence[str]) -> sql.Composed:
    """Compose the SELECT of keys, as_of and features of the rows of some keys.

    Args:
        table: the name of the live table.
        keys: key column -> SQL type. Each has a parameter: the list of the values that are read.
        features: the feature columns.
    """
    return sql.SQL(
        "SELECT {columns} FROM unnest({arrays}) AS requested ({keys}) JOIN {table} USING ({keys})"
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, [*keys, "as_of", *features])),
        arrays=sql.SQL(", ").join(sql.SQL(f"%s::{sql_type}[]") for sql_type in keys.values()),
        keys=sql.SQL(", ").join(map(sql.Identifier, keys)),
        table=live_table(table),
    )


def compose_newest_rows(keys: Sequence[str], column_types: Mapping[str, str]) -> sql.Composed:
    """Compose a SELECT of the newest row of each key from one array per column.

    A batch may hold several rows of a key. A row is left out if a part of its key was forgotten.
    """
    is_remembered = [
        sql.SQL("NOT streamflow.is_forgotten({}::text, as_of)").format(sql.Identifier(key))
        for key in keys
    ]
    return sql.SQL(
        "SELECT DISTINCT ON ({keys}) {columns} FROM unnest({arrays}) AS batch ({columns})"
        " WHERE {is_remembered}"
        " ORDER BY {keys}, as_of DESC, known_at DESC NULLS LAST"
    ).format(
        keys=sql.SQL(", ").join(map(sql.Identifier, keys)),
        columns=sql.SQL(", ").join(map(sql.Identifier, column_types)),
        arrays=sql.SQL(", ").join(
            sql.SQL(f"%s::{sql_type}[]") for sql_type in column_types.values()
        ),
        is_remembered=sql.SQL(" AND ").join(is_remembered),
    )

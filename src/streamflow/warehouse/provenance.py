"""Where cells come from: frozen rows with their revision, for the temporal proof. Not read through the views that training uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl
import psycopg
from psycopg import sql

from streamflow.core.training.row_sources import Place
from streamflow.database import Address, arrow
from streamflow.warehouse.sql_types import SQL_TYPES


def places(connection: psycopg.Connection, table: str) -> list[Place]:
    """Every revision of a table."""
    rows = connection.execute(
        "SELECT as_of, revision, known_at FROM streamflow.revision WHERE table_name = %s ORDER BY as_of, revision",
        [table],
    )
    return [Place(*row) for row in rows]


def rows(
    address: Address,
    table: str,
    key: tuple[str, str],
    columns: Iterable[str],
    wanted: Sequence[Place],
    keys: pl.Series | None,
) -> pl.DataFrame:
    """The frozen rows of some revisions, in no order; of `keys` alone, unless that is None.

    key      name and logical type
    returns  (n, ·) as_of, revision, known_at, the key, `columns`
    """
    query = sql.SQL(
        "SELECT f.as_of, f.revision, r.known_at, {columns} FROM {frozen} AS f"
        " JOIN streamflow.revision AS r ON r.table_name = {table} AND r.as_of = f.as_of AND r.revision = f.revision{asked}"
        " WHERE (f.as_of, f.revision) IN ({wanted})"
    ).format(
        columns=sql.SQL(", ").join(sql.Identifier("f", name) for name in (key[0], *columns)),
        frozen=sql.Identifier("frozen", table),
        table=sql.Literal(table),
        asked=_asked(*key) if keys is not None else sql.SQL(""),
        wanted=sql.SQL(", ").join(map(_row, wanted))
        if wanted
        else sql.SQL("(NULL, NULL)"),  # of no revision no row
    )
    return pl.DataFrame(
        arrow.read(address, query.as_string(), [] if keys is None else [keys.to_list()])
    )


def _row(place: Place) -> sql.Composed:
    return sql.SQL("({}, {})").format(sql.Literal(place.as_of), sql.Literal(place.revision))


def _asked(key: str, kind: str) -> sql.Composed:
    return sql.SQL(" JOIN unnest($1::{}[]) AS asked (key) ON asked.key = f.{}").format(
        sql.SQL(SQL_TYPES[kind]), sql.Identifier(key)
    )

"""What a new revision changed, counted cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from streamflow.warehouse.frozen import Revision


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a revision changed: keys that came and went, and changed cells per column of those that stayed."""

    added: int
    removed: int
    cells: Mapping[str, int]


def changed_cells(
    connection: psycopg.Connection,
    key: str,
    columns: Sequence[str],
    now: Revision,
    former: Revision,
) -> Changes:
    """How a revision differs from the one before it, key by key."""
    counts = [
        sql.SQL(
            "count(*) FILTER (WHERE n.{key} IS NOT NULL AND f.{key} IS NOT NULL AND n.{c} IS DISTINCT FROM f.{c})"
        ).format(key=sql.Identifier(key), c=sql.Identifier(name))
        for name in columns
    ]
    query = sql.SQL(
        "SELECT count(*) FILTER (WHERE f.{key} IS NULL), count(*) FILTER (WHERE n.{key} IS NULL), {counts}"
        " FROM (SELECT * FROM {table} WHERE as_of = {as_of} AND revision = {new}) n"
        " FULL JOIN (SELECT * FROM {table} WHERE as_of = {as_of} AND revision = {old}) f USING ({key})"
    ).format(
        key=sql.Identifier(key),
        counts=sql.SQL(", ").join(counts),
        table=sql.Identifier("frozen", now.table),
        as_of=sql.Literal(now.as_of),
        new=sql.Literal(now.revision),
        old=sql.Literal(former.revision),
    )
    row = connection.execute(query).fetchone()
    assert row is not None
    cells = {name: count for name, count in zip(columns, row[2:], strict=True) if count}
    return Changes(added=row[0], removed=row[1], cells=cells)

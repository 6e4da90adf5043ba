"""Count, cell by cell, what a new revision changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from streamflow.warehouse.frozen import Revision


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a revision changed, counted by keys and cells.

    added    keys that are new
    removed  keys that are missing now
    cells    column -> changed cells, of the keys that are in both revisions
    """

    added: int
    removed: int
    cells: Mapping[str, int]


def count_changes(
    connection: psycopg.Connection,
    key: str,
    columns: Sequence[str],
    newer: Revision,
    former: Revision,
) -> Changes:
    """Compare a revision with the one before it, key by key."""
    row = connection.execute(_compose_count(key, columns, newer, former)).fetchone()
    assert row is not None
    added, removed, *cell_counts = row
    cells = {name: count for name, count in zip(columns, cell_counts, strict=True) if count}
    return Changes(added=added, removed=removed, cells=cells)


def _compose_count(
    key: str,
    columns: Sequence[str],
    newer: Revision,
    former: Revision,
) -> sql.Composed:
    """Compose the query for the counts: new keys, missing keys, then the changes per column."""
    counts = [
        sql.SQL(
            "count(*) FILTER (WHERE n.{key} IS NOT NULL AND f.{key} IS NOT NULL"
            " AND n.{c} IS DISTINCT FROM f.{c})"
        ).format(key=sql.Identifier(key), c=sql.Identifier(name))
        for name in columns
    ]
    return sql.SQL(
        "SELECT count(*) FILTER (WHERE f.{key} IS NULL),"
        " count(*) FILTER (WHERE n.{key} IS NULL), {counts}"
        " FROM (SELECT * FROM {table} WHERE as_of = {as_of} AND revision = {newer}) n"
        " FULL JOIN (SELECT * FROM {table} WHERE as_of = {as_of} AND revision = {former}) f"
        " USING ({key})"
    ).format(
        key=sql.Identifier(key),
        counts=sql.SQL(", ").join(counts),
        table=sql.Identifier("frozen", newer.table),
        as_of=sql.Literal(newer.as_of),
        newer=sql.Literal(newer.revision),
        former=sql.Literal(former.revision),
    )

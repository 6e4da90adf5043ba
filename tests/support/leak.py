"""A view that leaks: for one user it gives the value of February as that of January."""

from __future__ import annotations

import psycopg
from psycopg import sql

from support.chain import FEBRUARY, JANUARY

KEY = "7590-VHVEG"


def leak(connection: psycopg.Connection) -> None:
    """Let the view of the usage give, as of January, the `skips_7d` of February of one user."""
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'history' AND table_name = 'usage_agg_30d'"
        " ORDER BY ordinal_position"
    ).fetchall()
    names = [name for (name,) in rows]
    shown = sql.SQL(", ").join(
        sql.SQL(
            "CASE WHEN h.user_id = {} AND h.as_of = {} THEN (SELECT f.skips_7d"
            " FROM frozen.usage_agg_30d f"
            " WHERE f.user_id = h.user_id AND f.as_of = {}) ELSE h.skips_7d END AS skips_7d"
        ).format(KEY, JANUARY, FEBRUARY)
        if name == "skips_7d"
        else sql.Identifier("h", name)
        for name in names
    )
    connection.execute("ALTER VIEW history.usage_agg_30d RENAME TO honest")
    connection.execute(
        sql.SQL(
            "CREATE VIEW history.usage_agg_30d AS SELECT {} FROM history.honest h;"
            "GRANT SELECT ON history.usage_agg_30d TO streamflow_writer"
        ).format(shown)
    )

"""What no registered version needs any more: superseded revisions, and the passports of versions that are gone."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg import sql

from streamflow.warehouse.frozen import Revision

# A revision goes when a newer one has taken its place and no passport names it. Passports of schema 1 name none: whatever was
# known when one was made stays.
SUPERSEDED = """
SELECT table_name, as_of, revision, known_at, rows, digest FROM streamflow.revision r
WHERE EXISTS (SELECT FROM streamflow.revision n
              WHERE (n.table_name, n.as_of) = (r.table_name, r.as_of) AND n.revision > r.revision)
AND NOT EXISTS (SELECT FROM streamflow.passport_source s
                WHERE (s.table_name, s.as_of, s.revision) = (r.table_name, r.as_of, r.revision) AND NOT s.run_id = ANY(%(gone)s))
AND NOT EXISTS (SELECT FROM streamflow.passport p
                WHERE r.known_at <= p.created_at AND NOT p.run_id = ANY(%(gone)s)
                AND NOT EXISTS (SELECT FROM streamflow.passport_source s WHERE s.run_id = p.run_id))
ORDER BY table_name, as_of, revision
"""


def without_version(connection: psycopg.Connection, registered: Iterable[str]) -> list[str]:
    """The runs whose passport is kept here, and that no version comes from any more."""
    rows = connection.execute(
        "SELECT run_id FROM streamflow.passport WHERE NOT run_id = ANY(%s) ORDER BY created_at",
        [list(registered)],
    )
    return [run_id for (run_id,) in rows]


def superseded(connection: psycopg.Connection, gone: list[str]) -> list[Revision]:
    """The revisions that nothing needs once the passports of the runs `gone` are gone."""
    rows = connection.execute(SUPERSEDED, {"gone": gone})
    return [
        Revision(
            table=table, as_of=as_of, revision=number, known_at=known_at, rows=count, digest=digest
        )
        for table, as_of, number, known_at, count, digest in rows
    ]


def remove(connection: psycopg.Connection, gone: list[str], revisions: Iterable[Revision]) -> None:
    """Delete passports, then revisions with their rows; only the maintenance role may. A passport that is left refuses it."""
    connection.execute("DELETE FROM streamflow.passport_source WHERE run_id = ANY(%s)", [gone])
    connection.execute("DELETE FROM streamflow.passport WHERE run_id = ANY(%s)", [gone])
    for one in revisions:
        place = [one.table, one.as_of, one.revision]
        connection.execute(
            "INSERT INTO streamflow.pruned (table_name, as_of, revision, known_at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [*place, one.known_at],
        )
        connection.execute(
            "DELETE FROM streamflow.revision_column WHERE table_name = %s AND as_of = %s AND revision = %s",
            place,
        )
        connection.execute(
            "DELETE FROM streamflow.revision WHERE table_name = %s AND as_of = %s AND revision = %s",
            place,
        )
        rows = sql.SQL("DELETE FROM {} WHERE as_of = %s AND revision = %s").format(
            sql.Identifier("frozen", one.table)
        )
        connection.execute(rows, place[1:])

"""Thousands of versions, written straight into the tables: copies of version 1 in all but name.

No such version was trained. The copies share the files of version 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql

from streamflow.database import connect
from streamflow.platform import Platform

RUN_OF_COPY = "md5('copy ' || i)"
COPY = sql.SQL(
    "INSERT INTO {table} ({names}) SELECT {values}"
    " FROM (SELECT * FROM {table} AS s WHERE {condition}) AS s"
    " CROSS JOIN generate_series(%(first)s::int, %(last)s::int) AS i"
)
COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s AND is_identity = 'NO' AND is_generated = 'NEVER'
ORDER BY ordinal_position
"""
SIGNED_STATEMENTS = """
INSERT INTO streamflow.console_action (job, who, action, subject, state, outcome)
SELECT left(md5('job ' || i), 16), 'simulated', 'reproduce', 'version ' || i, state, ''
FROM generate_series({first}, {last}) AS i, unnest(ARRAY['started', 'done']) AS state;
INSERT INTO streamflow.reproduction (who, model, version, run_id, code, result, holds, levels)
SELECT 'simulated', model, version, run_id, 'at hand', 'identical', true, '[]'
FROM streamflow.passport WHERE version >= {first};
"""


def copy_versions(platform: Platform, last: int) -> None:
    """Give an installation with one version as many versions as `last` says.

    Each copy has a run, tags, metrics, a passport, a reproduction, an action, and an entry of the
    ledger.
    """
    settings = platform.settings
    assert settings.mlflow_database is not None
    mlflow = platform.login.with_database(settings.mlflow_database)
    with connect(mlflow, autocommit=True) as connection:
        run_id = _read_run(connection)
        run = {"run_uuid": RUN_OF_COPY}
        _copy(connection, "public", "runs", run, f"run_uuid = '{run_id}'", last)
        _copy(connection, "public", "latest_metrics", run, f"run_uuid = '{run_id}'", last)
        version = {"version": "i", "run_id": RUN_OF_COPY, "current_stage": "'None'"}
        _copy(connection, "public", "model_versions", version, "version = 1", last)
        _copy(connection, "public", "model_version_tags", {"version": "i"}, "version = 1", last)
        connection.execute("VACUUM ANALYZE")
    with connect(platform.login, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        run = {"run_id": RUN_OF_COPY}
        passport = {**run, "version": "i"}
        _copy(connection, "streamflow", "passport", passport, "version = 1", last)
        source = f"run_id = '{run_id}'"
        _copy(connection, "streamflow", "passport_source", run, source, last)
        entry = {"seq": "(SELECT max(seq) FROM streamflow.ledger) + i - 1", "to_version": "i"}
        newest = "seq = (SELECT max(seq) FROM streamflow.ledger WHERE to_version = 1)"
        _copy(connection, "streamflow", "ledger", entry, newest, last)
        connection.execute(SIGNED_STATEMENTS.format(first=2, last=last).encode())
        for table in ("passport", "passport_source", "ledger", "console_action", "reproduction"):
            connection.execute(f"VACUUM ANALYZE streamflow.{table}".encode())


def _read_run(connection: psycopg.Connection) -> str:
    row = connection.execute("SELECT run_id FROM model_versions WHERE version = 1").fetchone()
    assert row is not None
    return str(row[0])


def _copy(
    connection: psycopg.Connection,
    schema: str,
    table: str,
    changes: Mapping[str, str],
    condition: str,
    last: int,
) -> None:
    """Copy the rows that fit a condition for each number from 2 to `last`.

    `changes` has the expression of each column that differs, in which i is the number.
    """
    names = [name for (name,) in connection.execute(COLUMNS, [schema, table])]
    values = [
        sql.SQL(changes[name]) if name in changes else sql.Identifier("s", name)  # type: ignore[arg-type]
        for name in names
    ]
    statement = COPY.format(
        table=sql.Identifier(schema, table),
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
        values=sql.SQL(", ").join(values),
        condition=sql.SQL(condition),  # type: ignore[arg-type]
    )
    connection.execute(statement, {"first": 2, "last": last})

"""The roles of the dashboards and of the API.

They come with `migrate`. Where they may not be created, the message gives the SQL.
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from conftest import Cluster
from support.chain import FEBRUARY, JANUARY, run
from support.migrations import TO_0003

from streamflow.core.promotion.ledger import find_first_broken
from streamflow.database import connect
from streamflow.errors import NotMigrated, PermissionMissing
from streamflow.platform import Platform, require_migrated
from streamflow.steps.data.migrate import migrate, plan_migration
from streamflow.steps.stages.ledger import read_ledger
from streamflow.warehouse.roles import API, ensure_roles, missing_roles_sql


def test_an_installation_of_the_version_before_gets_what_the_dashboards_read(
    platform: Platform,
) -> None:
    with connect(platform.login, autocommit=True) as connection:
        connection.execute(TO_0003)
        with pytest.raises(NotMigrated, match="schema version 0003, this code needs 0021"):
            require_migrated(platform)
        planned = plan_migration(platform).changes
        assert [change.split(":")[0] for change in planned] == [
            "fixed tables 0004",
            "fixed tables 0005",
            "fixed tables 0006",
            "fixed tables 0007",
            "fixed tables 0008",
            "fixed tables 0009",
            "fixed tables 0010",
            "fixed tables 0011",
            "fixed tables 0012",
            "fixed tables 0013",
            "fixed tables 0014",
            "fixed tables 0015",
            "fixed tables 0016",
            "fixed tables 0017",
            "fixed tables 0018",
            "fixed tables 0019",
            "fixed tables 0021",
            "view streamflow.drop_overview of users, labels.churn_label",
        ]
        assert migrate(platform).changes == planned
        assert migrate(platform).changes == ()
        entries = read_ledger(platform)
        assert [(e.action, e.from_version, e.to_version, e.forced) for e in entries] == [
            ("promoted", None, 1, False),
            ("promoted", 1, 2, True),
        ]
        assert find_first_broken(entries) is None
        assert_the_log_is_in_months(connection)
        connection.execute("SET ROLE streamflow_reader")
        connection.execute("SELECT * FROM streamflow.prediction_overview, streamflow.drop_overview")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM streamflow.prediction_log")


def assert_the_log_is_in_months(connection: psycopg.Connection) -> None:
    """Every logged row is in the partition of its month by UTC, with its id.

    New ids follow from there.
    """
    rows = connection.execute(
        "SELECT tableoid::regclass::text, min(id), max(id), count(*),"
        " bool_and(request_id = md5(at::text) AND probability = 0.1::float + 0.2 AND views IS NULL"
        '   AND features = \'{"skips_7d":'
        " null}') FROM streamflow.prediction_log GROUP BY 1 ORDER BY 2"
    ).fetchall()
    assert rows == [
        ("streamflow.prediction_log_2024_12", 1, 1, 1, True),
        ("streamflow.prediction_log_2025_01", 2, 745, 744, True),
        ("streamflow.prediction_log_2025_02", 746, 746, 1, True),
    ]
    row = connection.execute(
        "SELECT has_table_privilege('pg_monitor',"
        " 'streamflow.prediction_log', 'SELECT WITH GRANT OPTION'),"
        " has_table_privilege('pg_monitor', 'streamflow.prediction_log', 'INSERT')"
    ).fetchone()
    assert row == (True, False)
    row = connection.execute(
        "INSERT INTO streamflow.prediction_log (request_id, key, as_of, model,"
        " version, run_id, probability, prediction, threshold,"
        " features) VALUES ('r', 'k', now(), 'm', 1, 'r', 0, 0, 0, '{}')"
        " RETURNING id, tableoid::regclass::text, to_char(at AT TIME ZONE 'UTC', 'YYYY_MM')"
    ).fetchone()
    assert row is not None
    assert row[:2] == (747, f"streamflow.prediction_log_{row[2]}")


def test_who_may_not_create_roles_is_told_the_sql(cluster: Cluster) -> None:
    """In a transaction that is rolled back: roles belong to all databases of a server."""
    with psycopg.connect(cluster.address.conninfo()) as connection:
        assert missing_roles_sql(connection) == []
        connection.execute("ALTER ROLE streamflow_reader RENAME TO streamflow_reader_is_away")
        assert missing_roles_sql(connection) == ["CREATE ROLE streamflow_reader NOLOGIN"]
        connection.execute("ALTER ROLE streamflow_api RENAME TO streamflow_api_is_away")
        assert missing_roles_sql(connection) == [
            "CREATE ROLE streamflow_api NOLOGIN",
            'GRANT "streamflow_api" TO CURRENT_USER',
            "CREATE ROLE streamflow_reader NOLOGIN",
        ]
        connection.execute("ALTER ROLE streamflow_api_is_away RENAME TO streamflow_api")
        connection.execute(
            "CREATE ROLE sf_plain IN ROLE streamflow_writer, streamflow_maintenance,"
            " streamflow_api, streamflow_console, streamflow_expressions"
        )
        connection.execute("SET LOCAL ROLE sf_plain")
        with pytest.raises(
            PermissionMissing, match="CREATE ROLE streamflow_reader NOLOGIN;"
        ) as refused:
            ensure_roles(connection)
        assert refused.value.facts["sql"] == "CREATE ROLE streamflow_reader NOLOGIN;"
        connection.rollback()


ALLOWED = [
    "SELECT run_id, digest FROM streamflow.passport",
    "SELECT * FROM online.usage_agg_30d_fv",
    "SELECT * FROM streamflow.feature_service, streamflow.ledger,"
    " streamflow.installation, streamflow.api_key",
    "INSERT INTO streamflow.prediction_log (request_id, key, as_of, model,"
    " version, run_id, probability, prediction, threshold,"
    " features) VALUES ('r', 'k', now(), 'm', 1, 'run', 0.5, 1, 0.5, '{}')",
]
REFUSED = [
    "SELECT key FROM streamflow.prediction_log",
    "UPDATE streamflow.prediction_log SET prediction = 0",
    "DELETE FROM streamflow.prediction_log",
    "TRUNCATE streamflow.prediction_log",
    "ALTER TABLE streamflow.prediction_log ADD COLUMN x text",
    "UPDATE online.usage_agg_30d_fv SET known_at = now()",
    "DELETE FROM online.usage_agg_30d_fv",
    "DROP TABLE online.usage_agg_30d_fv",
    "CREATE TABLE online.planted (x text)",
    "CREATE TABLE streamflow.planted (x text)",
    "CREATE TABLE public.planted (x text)",
    "CREATE SCHEMA planted",
    "INSERT INTO streamflow.ledger SELECT * FROM streamflow.ledger",
    "INSERT INTO streamflow.pending_move (model, who, action,"
    " stage, version, forced, why, evidence)"
    " VALUES ('m', 'w', 'promoted', 'Production', 1, false, '', '')",
    "INSERT INTO streamflow.api_key (id, name, scope, digest)"
    " VALUES ('0123456789ab', 'x', 'admin', sha256('x'))",
    "UPDATE streamflow.api_key SET revoked = NULL",
    "SELECT * FROM frozen.users",
    "SELECT * FROM history.users",
    "SELECT * FROM raw.users",
    "SELECT * FROM streamflow.drop_file",
    "SELECT * FROM streamflow.passport",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('PG_VERSION')",
]
OF_MLFLOW = [
    "UPDATE model_versions SET current_stage = 'Production'",
    "INSERT INTO model_versions (name) VALUES ('x')",
    "DELETE FROM runs",
    "DROP TABLE runs",
    "CREATE TABLE public.planted (x text)",
]


def test_the_api_reads_what_it_serves_and_appends_what_it_said(
    platform: Platform, simulated_drops: Path
) -> None:
    """Before and after a materialization, which replaces the live tables by new ones."""
    for month, as_of in (("month_000", JANUARY), ("month_001", FEBRUARY)):
        run(platform, simulated_drops / month, as_of)
        with connect(platform.login.with_role(API), autocommit=True) as connection:
            for statement in ALLOWED:
                connection.execute(statement)
            for statement in REFUSED:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
    theirs = platform.login.with_database(platform.settings.mlflow_database).with_role(API)
    with connect(theirs, autocommit=True) as connection:
        connection.execute(
            "SELECT * FROM model_versions, registered_models, runs, tags, experiments"
        )
        for statement in OF_MLFLOW:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_no_table_is_open_to_the_api_that_is_not_named(platform: Platform) -> None:
    """All that the role may do with any table of ours, as PostgreSQL sees it.

    A new table is not part of it by itself.
    """
    rows = platform.connection.execute(
        "SELECT n.nspname || '.' || c.relname, string_agg(p, ',' ORDER BY p) FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE',"
        " 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p"
        " WHERE c.relkind IN ('r', 'p', 'v',"
        " 'm') AND n.nspname = ANY(%s) AND has_table_privilege('streamflow_api', c.oid, p)"
        " GROUP BY 1",
        [["streamflow", "raw", "frozen", "history", "feast", "public"]],
    ).fetchall()
    assert dict(rows) == {
        "streamflow.alembic_version": "SELECT",
        "streamflow.api_key": "SELECT",
        "streamflow.feature_service": "SELECT",
        "streamflow.installation": "SELECT",
        "streamflow.ledger": "SELECT",
        "streamflow.prediction_log": "INSERT",
        "streamflow.version_signature": "SELECT",
    }

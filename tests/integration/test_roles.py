"""The dashboards' role: it comes with `migrate`, and where it may not be created the SQL is said."""

from __future__ import annotations

import psycopg
import pytest
from conftest import Cluster
from support.migrations import TO_0003

from streamflow.core.ledger import first_broken
from streamflow.database import connect
from streamflow.errors import NotMigrated, PermissionMissing
from streamflow.platform import Platform, require_migrated
from streamflow.steps.ledger import read_ledger
from streamflow.steps.migrate import migrate, plan
from streamflow.warehouse.roles import ensure_roles, missing_roles_sql


def test_an_installation_of_the_version_before_gets_what_the_dashboards_read(platform: Platform) -> None:
    with connect(platform.login, autocommit=True) as connection:
        connection.execute(TO_0003)
        with pytest.raises(NotMigrated, match="schema version 0003, this code needs 0012"):
            require_migrated(platform)
        planned = plan(platform).changes
        assert [change.split(":")[0] for change in planned] == [
            "fixed tables 0004",
            "fixed tables 0005",
            "fixed tables 0006",
            "fixed tables 0007",
            "fixed tables 0008",
            "fixed tables 0009",
            "fixed tables 0012",
            "view streamflow.drop_overview of users, labels.churn_label",
        ]
        assert migrate(platform).changes == planned
        assert migrate(platform).changes == ()
        entries = read_ledger(platform)
        assert [(e.action, e.from_version, e.to_version, e.forced) for e in entries] == [
            ("promoted", None, 1, False),
            ("promoted", 1, 2, True),
        ]
        assert first_broken(entries) is None
        connection.execute("SET ROLE streamflow_reader")
        connection.execute("SELECT * FROM streamflow.prediction_overview, streamflow.drop_overview")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM streamflow.prediction_log")


def test_who_may_not_create_roles_is_told_the_sql(cluster: Cluster) -> None:
    """In a transaction that is rolled back: roles belong to all databases of a server."""
    with psycopg.connect(cluster.address.conninfo()) as connection:
        assert missing_roles_sql(connection) == []
        connection.execute("ALTER ROLE streamflow_reader RENAME TO streamflow_reader_is_away")
        assert missing_roles_sql(connection) == ["CREATE ROLE streamflow_reader NOLOGIN"]
        connection.execute("CREATE ROLE sf_plain IN ROLE streamflow_writer, streamflow_maintenance")
        connection.execute("SET LOCAL ROLE sf_plain")
        with pytest.raises(PermissionMissing, match="CREATE ROLE streamflow_reader NOLOGIN;") as refused:
            ensure_roles(connection)
        assert refused.value.facts["sql"] == "CREATE ROLE streamflow_reader NOLOGIN;"
        connection.rollback()

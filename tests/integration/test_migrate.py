"""Migrations when several services start together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from conftest import Cluster
from support.fork_server import ForkedConversation

from streamflow.catalog import DEFAULT_PATH
from streamflow.database import Address, connect
from streamflow.errors import DatabaseInUse
from streamflow.platform import Platform
from streamflow.steps.data.migrate import migrate, plan_migration
from streamflow.warehouse.sessions import describe_other_sessions

# The umask is that of some build machines.
MIGRATE = """
import os
from streamflow.__main__ import main
os.umask(0)
main()
"""


def test_several_services_migrate_an_empty_database_at_once(
    server: Address, tmp_path: Path
) -> None:
    cluster, name = Cluster(address=server, template=""), f"sf_test_{uuid4().hex[:12]}"
    try:
        services = [
            ForkedConversation(
                MIGRATE,
                "migrate",
                environment={**os.environ, **cluster.variables(name, tmp_path / str(i))},
            )
            for i in range(2)
        ]
        printed = [service.stdout.read() for service in services]
        assert [service.end() for service in services] == [0, 0], printed
        first, second = sorted(printed, key=len, reverse=True)
        assert "MLflow's tables" in first
        assert "Feast registry" in first
        # the database itself is made before the lock, which lies in it: by either of them
        assert second in ("[OK] nothing to migrate\n", f"  database {name}\n[OK] 1 change made\n")
        written = [
            path for i in range(2) for path in (tmp_path / str(i), *(tmp_path / str(i)).rglob("*"))
        ]
        assert written
        assert [
            path for path in written if path.stat().st_mode & 0o022
        ] == []  # nobody else may plant a feature definition
    finally:
        cluster.drop(name)


def _wait_until_alone(platform: Platform) -> None:
    """Wait until PostgreSQL has ended the sessions that this process has closed."""
    databases = (platform.login.database, platform.settings.mlflow_database)
    deadline = time.monotonic() + 10
    with connect(platform.login, autocommit=True) as connection:
        while describe_other_sessions(connection, databases):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_with_nothing_to_change_the_services_may_run(platform: Platform, installation: str) -> None:
    with connect(platform.login, autocommit=True) as connection:
        sessions = describe_other_sessions(connection, [platform.login.database])
        assert sessions == ()
        with connect(platform.login):
            sessions = describe_other_sessions(connection, [platform.login.database])
            assert sessions == (f"1 session of streamflow in the database {installation}",)
            assert describe_other_sessions(connection, ["another"]) == ()
            assert migrate(platform, require_stopped=True).changes == ()


def test_a_change_waits_until_the_services_have_stopped(
    open_with: Callable[..., Platform], tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog.toml"
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    assert "churn_label = {" in text
    new_column = 'a_note = { type = "bool" }\n'
    catalog.write_text(text.replace("churn_label = {", f"{new_column}churn_label = {{"))
    changed = open_with(migrated=False, catalog=catalog)
    planned = plan_migration(changed).changes
    assert planned
    with connect(changed.login), pytest.raises(DatabaseInUse, match="session.* of streamflow in"):
        migrate(changed, require_stopped=True)
    assert plan_migration(changed).changes == planned
    changed.connection.close()
    changed.forget_lost_connection()
    changed.models.close()
    _wait_until_alone(changed)
    assert migrate(changed, require_stopped=True).changes


def test_older_tables_of_mlflow_are_a_change_too(platform: Platform) -> None:
    mlflow = platform.login.with_database(platform.settings.mlflow_database)
    with connect(mlflow, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'older'")
        with pytest.raises(DatabaseInUse, match=f"in the database {mlflow.database}"):
            migrate(platform, require_stopped=True)
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        assert row == ("older",)

"""API keys at the command line, and what a running API knows of them without its database."""

from __future__ import annotations

import json
import os
from errno import EMFILE
from functools import partial

import psycopg
import pytest
from conftest import Cluster
from psycopg import sql
from support.command import called
from support.processes import wait_for

from streamflow.core.serving.api_keys import parse_key
from streamflow.database import connect
from streamflow.errors import ApiKeyUnknown, StreamflowError
from streamflow.platform import Platform
from streamflow.steps.serving.api_keys import create_key, list_keys, revoke_keys
from streamflow.warehouse.roles import API
from streamflow.web.active_keys import KeyRing


def test_keys_that_are_known_outlive_the_database_for_a_time_only(platform: Platform) -> None:
    new, said = create_key(platform, "crm", scope="read", days=None), list[str]()
    ring = KeyRing(
        partial(connect, platform.login.with_role(API), autocommit=True),
        said.append,
        interval_s=0.05,
        trusted_s=2.0,
    )
    assert not ring.is_trusted
    name = sql.Identifier(platform.login.database)
    with (
        connect(platform.login.with_database("postgres"), autocommit=True) as administrator,
        ring.keep_reading(),
    ):
        assert ring.is_trusted
        assert ring.find(new.key.encode()) is not None
        administrator.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [platform.login.database],
        )
        assert wait_for(lambda: bool(said))
        assert ring.find(new.key.encode()) is not None
        assert wait_for(lambda: not ring.is_trusted)
        administrator.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
        assert wait_for(lambda: ring.is_trusted)
        platform.forget_lost_connection()
        with connect(platform.address, autocommit=True) as again:
            again.execute("UPDATE streamflow.api_key SET revoked = now()")
        assert wait_for(lambda: ring.find(new.key.encode()) is None)
        assert ring.is_trusted
    (words,) = said
    assert words.startswith("cannot read the API keys (")
    assert words.endswith("); the last keys stay in force for 2 s")


def test_the_keys_are_read_again_after_the_process_had_no_free_file(platform: Platform) -> None:
    new = create_key(platform, "crm", scope="read", days=None)
    said = list[str]()
    errors = [OSError(EMFILE, os.strerror(EMFILE)) for _ in range(3)]

    def open_connection() -> psycopg.Connection:
        if errors:
            raise errors.pop()
        return connect(platform.login.with_role(API), autocommit=True)

    ring = KeyRing(open_connection, said.append, interval_s=0.05)
    with ring.keep_reading():
        assert wait_for(lambda: ring.find(new.key.encode()) is not None)
    assert said == ["cannot read the API keys (OSError); the last keys stay in force for 300 s"]


def test_a_key_is_shown_once_and_its_digest_alone_is_kept(
    platform: Platform, cluster: Cluster, installation: str
) -> None:
    def said(*arguments: str) -> str:
        done = called(
            platform.home, "keys", *arguments, extra=cluster.variables(installation, platform.home)
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = json.loads(said("create", "crm", "--scope", "predict", "--expires", "90", "--json"))
    shown = json.loads(said("list", "--json"))
    assert shown == [made["row"]]
    assert (shown[0]["name"], shown[0]["scope"], shown[0]["state"]) == (
        "crm",
        "predict",
        "in force",
    )
    parsed = parse_key(made["key"].encode())
    assert parsed is not None
    assert parsed[0] == shown[0]["id"]
    stored = str(platform.connection.execute("SELECT * FROM streamflow.api_key").fetchall())
    assert parsed[1].decode() not in stored
    second = create_key(platform, "crm", scope="admin", days=None)
    assert second.key not in said("list")
    assert [row.id for row in revoke_keys(platform, "crm").revoked] == [parsed[0], second.row.id]
    assert {row.state for row in list_keys(platform)} == {"revoked"}
    # A second call changes nothing, and says so.
    again = said("revoke", "crm")
    assert again.count("was revoked before") == 2
    assert "0 keys revoked" in again
    receipt = revoke_keys(platform, second.row.id)
    assert receipt.revoked == ()
    assert [row.id for row in receipt.revoked_before] == [second.row.id]
    with pytest.raises(ApiKeyUnknown, match="has the name or id '9999'"):
        revoke_keys(platform, "9999")
    # A name of a terminal that is not UTF-8: Python has its byte as half of a surrogate pair.
    variables = cluster.variables(installation, platform.home)
    foreign = called(
        platform.home, "keys", "create", "M\udcfcller", "--scope", "read", extra=variables
    )
    assert foreign.returncode == StreamflowError.exit_code, foreign.stderr
    assert "is not UTF-8" in foreign.stderr
    assert len(list_keys(platform)) == 2


def test_a_key_cannot_be_brought_back(platform: Platform) -> None:
    """Nor changed to another scope, nor removed, by whom our commands work as."""
    made = create_key(platform, "crm", scope="read", days=None)
    for statement in (
        "SET scope = 'admin'",
        "SET digest = sha256('x')",
        "SET expires = NULL",
        "SET name = 'x'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            platform.connection.execute(f"UPDATE streamflow.api_key {statement}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        platform.connection.execute("DELETE FROM streamflow.api_key")
    revoke_keys(platform, made.row.id)
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege, match=r"rows of streamflow\.api_key are frozen"
    ):
        platform.connection.execute("UPDATE streamflow.api_key SET revoked = NULL")

"""Proof: what runs every few seconds stays cheap with 300 versions, 1,000 drops and long names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from conftest import Cluster
from psycopg import sql
from support.states import THREE_VERSIONS, in_state

from streamflow.features.materialize import find_stale_views
from streamflow.platform import Platform
from streamflow.steps.data.inbox import inbox, list_inbox
from streamflow.steps.stages.transitions import production_status, reconcile
from streamflow.warehouse import ledger
from streamflow.warehouse.ledger import Move

VERSIONS, DROPS = 300, 1_000
LONG = "x" * 200  # a name may have 255 bytes
LIMIT = 0.2  # of one core, while a poll is repeated at its interval

COPY_VERSIONS = """
INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(t) || jsonb_build_object(
    'version', n, 'current_stage', 'Archived', 'key', to_jsonb(t) ->> 'key'))).*
FROM {table} t, generate_series(4, {versions}) n WHERE t.version = 3
"""
# One row of January, of each day before it.
COPY_ROWS = """
INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(t) || jsonb_build_object(
    'as_of', t.as_of - make_interval(days => n)))).*
FROM (SELECT * FROM {table} ORDER BY {key} LIMIT 1) t, generate_series(1, {drops}) n
"""
COPY_RECORDS = """
INSERT INTO {table} OVERRIDING SYSTEM VALUE
SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(t) || jsonb_build_object(
    'id', -row_number() OVER (), 'as_of', t.as_of - make_interval(days => n)))).*
FROM {table} t, generate_series(1, {drops}) n WHERE t.as_of = '2024-01-31'
"""


def execute(connection: psycopg.Connection, template: str, schema: str, table: str) -> None:
    connection.execute(
        sql.SQL(template).format(  # type: ignore[arg-type]
            table=sql.Identifier(schema, table),
            key=sql.Identifier("user_id"),
            versions=sql.Literal(VERSIONS),
            drops=sql.Literal(DROPS),
        )
    )


@pytest.fixture(scope="module")
def large(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The sizes are written past our commands, which would take hours."""
    folder = tmp_path_factory.mktemp("sizes")
    (folder / "inbox").mkdir()
    with in_state(
        cluster, THREE_VERSIONS, simulated_drops, folder / "home", inbox=folder / "inbox"
    ) as platform:
        registry = platform.login.with_database(platform.settings.mlflow_database)
        with psycopg.connect(registry.conninfo(), autocommit=True) as connection:
            for table in ("model_versions", "model_version_tags"):
                execute(connection, COPY_VERSIONS, "public", table)
        with psycopg.connect(platform.login.conninfo(), autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            for table in platform.catalog.tables:
                for schema in ("raw", "frozen"):
                    execute(connection, COPY_ROWS, schema, table)
            for table in ("revision", "drop_file"):
                execute(connection, COPY_RECORDS, "streamflow", table)
        _move_often(platform)
        yield platform


def _move_often(platform: Platform) -> None:
    """Two entries of the ledger for each version."""
    move = Move(
        who="a proof",
        model=platform.catalog.model,
        action="refused",
        stage="Production",
        version=3,
        why=LONG,
        evidence=LONG * 5,
    )
    with platform.connection.transaction():
        for _ in range(2 * VERSIONS):
            ledger.append(platform.connection, move)


def cpu_seconds(call: Callable[[], object]) -> float:
    """The CPU of this process for the second call; the first one fills caches."""
    call()
    began = time.process_time()
    call()
    return time.process_time() - began


def test_polls_are_fast(large: Platform) -> None:
    polls: dict[str, tuple[float, Callable[[], object]]] = {
        "the API asks who serves": (1.0, lambda: production_status(large)),
        "reconcile": (5.0, lambda: reconcile(large)),
        "are live features stale": (
            1.0,
            lambda: find_stale_views(large.connection, large.catalog, large.read_services()),
        ),
    }
    assert len(large.models.versions()) == VERSIONS
    shares = {}
    for name, (interval_s, poll) in polls.items():
        seconds = cpu_seconds(poll)
        shares[name] = seconds / interval_s
        print(f"  {seconds:.3f} s of CPU every {interval_s:.0f} s  {name}")
    assert max(shares.values()) < LIMIT, shares


def test_an_inbox_of_a_thousand_drops_with_long_names(large: Platform) -> None:
    root = large.settings.inbox
    assert root is not None
    for number in range(DROPS):
        folder = root / f"{LONG}-{number}"
        folder.mkdir()
        (folder / "users.csv").write_text("user_id\n")
        (folder / "drop.toml").write_text("as_of = 2024-01-31\n")
    later = datetime.now(UTC) + timedelta(hours=2)
    receipt = inbox(large, lambda *_: None, now=lambda: later)
    assert {drop.status for drop in receipt.drops} == {"done"}
    assert len(receipt.processed) == DROPS
    seconds = {
        "list the inbox": cpu_seconds(lambda: list_inbox(large, later)),
        "look for new folders": cpu_seconds(
            lambda: inbox(large, lambda *_: None, now=lambda: later)
        ),
    }
    for name, value in seconds.items():
        print(f"  {value:.3f} s of CPU  {name}")
    assert max(seconds.values()) < 1.0, seconds  # the inbox is looked into every few minutes

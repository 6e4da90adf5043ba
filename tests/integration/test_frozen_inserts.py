"""A revision that is complete takes no more rows, and rows that came past this decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import psycopg
import pytest
from conftest import Cluster
from psycopg import sql
from support.chain import JANUARY, copy_drop, load
from support.states import JANUARY_SERVED, in_state

from streamflow.cli import reproduce_receipts
from streamflow.database import translate_errors
from streamflow.errors import SnapshotDamaged
from streamflow.platform import Platform
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.monitoring.monitor import monitor
from streamflow.steps.serving.score import score
from streamflow.steps.training.train import train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.versions.reproduce import reproduce
from streamflow.steps.versions.verify import verify

TABLES = ("users", "subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d")
INVENTED = 20


@pytest.fixture
def served(cluster: Cluster, simulated_drops: Path, tmp_path: Path) -> Iterator[Platform]:
    """January is frozen and live, version 1 of it is in Production."""
    with in_state(cluster, JANUARY_SERVED, simulated_drops, tmp_path / "home") as platform:
        yield platform


def copies(
    connection: psycopg.Connection,
    table: str,
    *,
    revision: str = "revision",
    at: str = "as_of",
    rows: int = INVENTED,
) -> sql.Composed:
    """The statement that copies rows of a frozen table under keys that nobody delivered."""
    columns = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'frozen' AND table_name = %s ORDER BY ordinal_position",
        [table],
    ).fetchall()
    changed = {"as_of": at, "revision": revision, "user_id": "'invented-' || user_id"}
    values = [
        sql.SQL(changed[name]) if name in changed else sql.Identifier(name) for (name,) in columns
    ]
    return sql.SQL(
        "INSERT INTO frozen.{table} SELECT {values} FROM frozen.{table} LIMIT {rows}"
    ).format(table=sql.Identifier(table), values=sql.SQL(", ").join(values), rows=sql.Literal(rows))


def invent(platform: Platform) -> None:
    """Users with a label in every frozen table, by somebody who may switch the triggers off."""
    with psycopg.connect(platform.login.conninfo(), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for table in (*TABLES, "labels"):
            connection.execute(copies(connection, table))


def alter_cell(platform: Platform) -> None:
    with psycopg.connect(platform.login.conninfo(), autocommit=True) as connection:
        connection.execute(
            "SET session_replication_role = replica;"
            "UPDATE frozen.subscriptions SET monthly_fee = monthly_fee + 1"
            " WHERE user_id = (SELECT max(user_id) FROM frozen.subscriptions)"
        )


def remove(platform: Platform) -> None:
    with psycopg.connect(platform.login.conninfo(), autocommit=True) as connection:
        connection.execute(
            "SET session_replication_role = replica;"
            "DELETE FROM frozen.usage_agg_30d"
            " WHERE user_id = (SELECT max(user_id) FROM frozen.usage_agg_30d)"
        )


def test_no_role_but_maintenance_adds_rows_to_a_complete_revision(
    platform: Platform, simulated_drops: Path
) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    writer = platform.connection
    statement = copies(writer, "users")
    refused = "rows of frozen.users are frozen: revision 1 of 2024-01-31 is complete"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=refused):
        writer.execute(statement)
    with (
        psycopg.connect(platform.login.conninfo()) as owner,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match=refused),
    ):
        owner.execute(statement)
    row = writer.execute("SELECT *, user_id FROM frozen.users LIMIT 1").fetchone()
    assert row is not None
    *values, key = row
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege, match=refused),
        writer.cursor() as cursor,
        cursor.copy("COPY frozen.users FROM STDIN") as copy,
    ):
        copy.write_row(["invented" if value == key else value for value in values])
    repeatable = "BEGIN ISOLATION LEVEL REPEATABLE READ"
    writer.execute(repeatable)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="READ COMMITTED"):
        writer.execute(copies(writer, "users", revision="2"))
    writer.execute("ROLLBACK")
    counted = "SELECT count(*) FROM frozen.users"
    assert writer.execute(counted).fetchone() == (400,)
    with platform.maintenance_connection() as maintenance:
        maintenance.execute(statement)
        assert maintenance.execute(counted).fetchone() == (400 + INVENTED,)


def test_rows_that_wait_for_the_next_revision_do_not_become_a_part_of_it(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    writer = platform.connection
    writer.execute(copies(writer, "subscriptions", revision="2", rows=1))
    fees = {"monthly_fee": pl.lit("31.5")}
    corrected = copy_drop(simulated_drops / "month_000", tmp_path / "corrected", subscriptions=fees)
    with (
        pytest.raises(
            SnapshotDamaged,
            match="subscriptions has 401 rows of revision 2 of 2024-01-31, and the .* says 400",
        ),
        translate_errors(platform.login),
    ):
        load(platform, corrected, JANUARY)
    assert writer.execute("SELECT max(revision) FROM streamflow.revision").fetchone() == (1,)
    with platform.maintenance_connection() as maintenance:
        maintenance.execute("DELETE FROM frozen.subscriptions WHERE revision = 2")
    assert [t.revision for t in snapshot(platform, JANUARY).tables if t.created] == [2]


def test_a_writer_beside_a_snapshot_waits_and_is_refused(
    platform: Platform, simulated_drops: Path
) -> None:
    """The rows wait for the lock of the snapshot; when they get it, the revision is complete."""
    load(platform, simulated_drops / "month_000", JANUARY)
    with psycopg.connect(platform.address.conninfo()) as snapshotting:
        snapshotting.execute("SELECT pg_advisory_xact_lock(7590002)")
        snapshotting.execute("SET LOCAL lock_timeout = '10s'")
        with platform.connection.transaction(force_rollback=True):
            platform.connection.execute("SET LOCAL lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                platform.connection.execute(copies(platform.connection, "users", revision="2"))


@contextmanager
def refused(match: str) -> Iterator[None]:
    with pytest.raises(SnapshotDamaged, match=match):
        yield


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (invent, r"users of 2024-01-31, revision 1: .* there are 420 rows, recorded are 400"),
        (alter_cell, r"subscriptions of 2024-01-31, revision 1: .* values differ in monthly_fee"),
        (
            remove,
            r"usage_agg_30d of 2024-01-31, revision 1: .* there are 399 rows, recorded are 400",
        ),
    ],
)
def test_rows_that_are_not_the_frozen_ones_decide_nothing(
    served: Platform, damage: Callable[[Platform], None], sentence: str
) -> None:
    damage(served)
    with refused(sentence):
        training_set(served, JANUARY)
    with refused(sentence):
        train(served, JANUARY)
    with refused(sentence):
        score(served, JANUARY)
    with refused(sentence):
        monitor(served, JANUARY)
    with refused("of 2024-01-31, revision 1: its rows have the digest"):
        materialize(served)
    live = served.connection.execute("SELECT count(*) FROM online.usage_agg_30d_fv")
    assert live.fetchone() == (400,)
    assert len(served.models.versions()) == 1
    assert served.connection.execute("SELECT count(*) FROM streamflow.score").fetchone() == (0,)
    if damage is remove:
        with refused("usage_agg_30d of 2024-01-31, revision 1: .* there are 399 rows"):
            verify(served, "1")
        return
    receipt = verify(served, "1")
    assert not receipt.holds
    assert "nullable" not in reproduce_receipts.verify(receipt)
    first, *_ = [
        line for line in reproduce_receipts.verify(receipt).splitlines() if "frozen rows " in line
    ]
    assert "revision 1: its rows have the digest" in first
    if damage is invent:
        levels = {level.name: level.verdict for level in reproduce(served, "1").levels}
        assert levels["data"] == "drifted"


def test_verify_names_the_rows_when_no_training_set_can_be_made(served: Platform) -> None:
    """Invented users without usage: a feature that must have a value has none."""
    with psycopg.connect(served.login.conninfo(), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for table in ("users", "labels"):
            connection.execute(copies(connection, table))
    with refused("users of 2024-01-31, revision 1: .* there are 420 rows, recorded are 400"):
        verify(served, "1")
    with refused("there are 420 rows, recorded are 400"):
        training_set(served, JANUARY)

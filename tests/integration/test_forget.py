"""forget: no table holds the key any more, and the key does not come back.

Each revision that it touches has a new digest, which is verified.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import psycopg
import pytest
from support.chain import FEBRUARY, JANUARY, NOW, copy_drop, in_production, load, run
from support.forgetting import tables_that_mention

from streamflow.core.data.digest import Digester
from streamflow.errors import EntityUnknown, SnapshotDamaged, StreamflowError
from streamflow.platform import Platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.serving.predict import predict
from streamflow.steps.training.training_set import training_set
from streamflow.warehouse import frozen, inbox
from streamflow.warehouse.inbox import InboxEntry

KEY = "7590-VHVEG"


def recomputed(platform: Platform) -> dict[tuple[str, str, int], str]:
    found = {}
    for r in frozen.all_revisions(platform.connection):
        types = {c.name: c.type for c in frozen.stored_digest(platform.connection, r).columns}
        digester = Digester("user_id", types)
        for chunk in frozen.frozen_rows(
            platform.address, r.table, types, "user_id", r.as_of, r.revision
        ):
            digester.update(chunk)
        found[r.table, f"{r.as_of:%Y-%m-%d}", r.revision] = digester.finish().value
    return found


def recorded(platform: Platform) -> dict[tuple[str, str, int], str]:
    return {
        (r.table, f"{r.as_of:%Y-%m-%d}", r.revision): r.digest
        for r in frozen.all_revisions(platform.connection)
    }


def test_nothing_holds_the_key_and_every_digest_is_explained(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    run(platform, simulated_drops / "month_000", JANUARY)
    fees = {"monthly_fee": pl.lit("31.5")}
    load(
        platform,
        copy_drop(simulated_drops / "month_000", tmp_path / "corrected", subscriptions=fees),
        JANUARY,
    )
    run(platform, simulated_drops / "month_001", FEBRUARY)
    in_production(platform, FEBRUARY)
    predict(platform, KEY, now=NOW)
    refused = InboxEntry(
        folder="2024-03", digest="x", as_of=None, status="failed", at=NOW,
        error=f"2024-03/users.csv:3 column 'user_id': expected unique, got '{KEY}'",
    )  # fmt: skip
    inbox.record_entry(platform.connection, refused)
    assert len(tables_that_mention(platform, KEY)) == 6 + 6 + 4 + 1 + 1
    before, set_before = recorded(platform), training_set(platform, JANUARY)
    receipt = forget(platform, KEY, why="a request")
    assert tables_that_mention(platform, KEY) == []
    after = recorded(platform)
    assert after == recomputed(platform)
    assert {
        (e.table, f"{e.as_of:%Y-%m-%d}", e.revision): (e.old_digest, e.new_digest)
        for e in receipt.erased
    } == {place: (before[place], after[place]) for place in before}
    assert receipt.rows["streamflow.prediction_log"] == 1
    error = inbox.entries(platform.connection)["2024-03"].error
    assert error == "2024-03/users.csv:3 column 'user_id': expected unique, got '(erased)'"
    with pytest.raises(EntityUnknown):
        predict(platform, KEY, now=NOW)
    left = training_set(platform, JANUARY, known_at=set_before.known_at).frame
    assert left.equals(set_before.frame.filter(pl.col("user_id") != KEY))
    assert forget(platform, KEY, why="again").already
    with pytest.raises(EntityUnknown, match="'nobody': no table has a row of it"):
        forget(platform, "nobody", why="a typo")


def test_a_forgotten_key_does_not_come_back_with_an_old_drop(
    platform: Platform, simulated_drops: Path, tmp_path: Path
) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    forget(platform, KEY, why="a request")
    assert not any(t.created for t in snapshot(platform, JANUARY).tables)
    fees = {"monthly_fee": pl.lit("31.5")}
    receipt = ingest(
        platform,
        copy_drop(simulated_drops / "month_000", tmp_path / "corrected", subscriptions=fees),
        JANUARY,
    )
    assert (receipt.erased, {f.rows for f in receipt.files}) == (1, {399})
    assert tables_that_mention(platform, KEY) == []


def test_a_damaged_revision_is_not_covered_up(platform: Platform, simulated_drops: Path) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    with platform.maintenance_connection() as connection:
        connection.execute(
            "UPDATE frozen.payments_agg_90d SET failed_payments_90d = 3 WHERE user_id <> %s", [KEY]
        )
    before = recorded(platform)
    with pytest.raises(
        SnapshotDamaged,
        match="payments_agg_90d of 2024-01-31, revision 1: its rows have the digest",
    ):
        forget(platform, KEY, why="a request")
    assert recorded(platform) == before
    assert "frozen.users" in tables_that_mention(platform, KEY)


def test_only_the_maintenance_role_may(platform: Platform, simulated_drops: Path) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    refused = (
        "DELETE FROM frozen.users",
        "UPDATE streamflow.revision SET digest = ''",
        "INSERT INTO streamflow.erasure DEFAULT VALUES",
    )
    for statement in refused:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            platform.connection.execute(statement)  # type: ignore[arg-type]


def test_a_copy_that_cannot_be_removed_is_named_after_everything_else_was_erased(
    platform: Platform, simulated_drops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(platform, simulated_drops / "month_000", JANUARY)
    left = platform.home / "tmp" / "scratch-left"
    monkeypatch.setattr("streamflow.steps.data.forget.remove_abandoned_folders", lambda _: [left])
    with pytest.raises(StreamflowError, match="scratch-left: a copy of a drop"):
        forget(platform, KEY, why="asked")
    assert not tables_that_mention(platform, KEY)


def test_the_copy_of_a_drop_that_a_killed_command_left_is_removed(platform: Platform) -> None:
    left = platform.home / "tmp" / "scratch-left"
    left.mkdir(parents=True)
    (left / "users.csv").write_text(f"user_id\n{KEY}\n")
    with pytest.raises(EntityUnknown):
        forget(platform, KEY, why="asked")
    assert not left.exists()

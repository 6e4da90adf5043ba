"""Registry and ledger agree afterwards, or the disagreement is named.

The tests are about simultaneous moves, crashes between two writes, clocks, and MLflow's own page.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from conftest import Cluster
from support.api import asked, served
from support.chain import JANUARY, run
from support.command import called
from support.lifecycle import random_moves
from support.mlflow_page import client, transition
from support.processes import wait_for

from streamflow.database import connect
from streamflow.errors import ArtifactUntrusted, VersionMissing
from streamflow.platform import Platform, open_platform
from streamflow.steps.promotion.promote import promote
from streamflow.steps.promotion.rollback import rollback
from streamflow.steps.serving.serving_version import load_serving
from streamflow.steps.stages.ledger import find_version_at, read_ledger, verify_ledger
from streamflow.steps.stages.transitions import disagreements, reconcile
from streamflow.steps.training.train import train
from streamflow.steps.upkeep.doctor.vendors import check_production
from streamflow.warehouse import ledger as table
from streamflow.warehouse.ledger import Move

NAME, KEY = "streamflow_churn", "7590-VHVEG"


@pytest.fixture(scope="module")
def trained(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Four small versions, live features, and no version in a stage.

    Each test begins with version 1 in Production.
    """
    name = f"sf_ledger_{uuid4().hex[:12]}"
    cluster.clone(name)
    settings = cluster.settings(
        name,
        tmp_path_factory.mktemp("ledger") / "home",
        trees=3,
        calibration="none",
        threshold=0.5,
        gate_draws=50,
    )
    with open_platform(settings) as platform:
        run(platform, simulated_drops / "month_000", JANUARY)
        for seed in range(4):
            train(
                replace(
                    platform,
                    settings=settings.model_copy(
                        update={"seed": seed, "threshold": 0.2 + seed / 10}
                    ),
                ),
                JANUARY,
            )
        yield platform
    cluster.drop(name)


@pytest.fixture
def one(trained: Platform) -> Platform:
    """Version 1 in Production, and the ledger says so."""
    for version in (2, 3, 4):
        transition(trained, version, "None")
    forced(trained, 1)
    reconcile(trained)
    assert state(trained) == (1, 1, 1)
    return trained


def alias(platform: Platform, version: int) -> None:
    client(platform).set_registered_model_alias(NAME, "production", str(version))


def forced(platform: Platform, version: int) -> None:
    promote(platform, version, force=True, why="a test of something else")


def state(platform: Platform) -> tuple[int | None, int | None, int | None]:
    """What ledger, stage and alias say of Production."""
    now = platform.models.read_stages()
    held = [e.to_version for e in read_ledger(platform) if e.moves and e.stage == "Production"]
    staged = now.versions_by_stage["Production"]
    return (
        held[-1] if held else None,
        staged[0] if len(staged) == 1 else None,
        now.aliased_versions["Production"],
    )


def last(platform: Platform) -> tuple[str, int | None, int | None]:
    entry = read_ledger(platform)[-1]
    return entry.action, entry.from_version, entry.to_version


@contextmanager
def owner(platform: Platform) -> Iterator[psycopg.Connection]:
    """The owner of the tables, with the trigger off: what an attacker, or a test, can do."""
    with connect(platform.login, autocommit=True) as connection:
        connection.execute("ALTER TABLE streamflow.ledger DISABLE TRIGGER frozen")
        try:
            yield connection
        finally:
            connection.execute("ALTER TABLE streamflow.ledger ENABLE TRIGGER frozen")


def test_promotions_refusals_and_rollbacks_are_entered_with_their_evidence(one: Platform) -> None:
    refused = promote(one, 2)
    assert refused.refused
    entry = read_ledger(one)[-1]
    assert (entry.action, entry.to_version, entry.forced) == ("refused", 2, False)
    assert refused.examination is not None
    assert (entry.evidence, entry.evidence_digest) == (
        refused.examination.evidence,
        refused.examination.digest,
    )
    promote(one, 2, force=True, why="because")
    entry = read_ledger(one)[-1]
    assert (entry.action, entry.from_version, entry.to_version, entry.forced, entry.why) == (
        "promoted",
        1,
        2,
        True,
        "because",
    )
    assert load_serving(one).predictor.threshold == pytest.approx(0.3)
    back = rollback(one, why="no")
    assert (back.version, back.replaced, back.threshold) == (1, 2, pytest.approx(0.2))
    assert (state(one), last(one)) == ((1, 1, 1), ("rolled back", 2, 1))
    assert load_serving(one).predictor.threshold == pytest.approx(0.2)
    before = len(read_ledger(one))
    assert promote(one, 1).decision == "no change"
    assert len(read_ledger(one)) == before
    assert verify_ledger(one).broken is None


def test_the_stage_moved_in_mlflow_is_served_and_entered_with_mlflows_time(one: Platform) -> None:
    transition(one, 3, "Production", archive=True)
    begin = one.models.version(3).changed
    assert begin is not None
    assert load_serving(one).version == 3  # before anybody has entered it
    [entry] = reconcile(one).entered
    assert (entry.action, entry.who, entry.from_version, entry.to_version) == (
        "outside",
        "MLflow",
        1,
        3,
    )
    assert entry.since == begin < entry.at
    assert state(one) == (3, 3, 3)
    assert find_version_at(one, begin).version == 3
    assert find_version_at(one, begin - timedelta(milliseconds=1)).version == 1
    assert reconcile(one).entered == ()
    assert rollback(one).version == 1


def test_an_alias_moved_alone_is_put_back_and_said(one: Platform) -> None:
    alias(one, 2)
    assert load_serving(one).version == 1
    assert "alias" in " ".join(disagreements(one))
    [entry] = reconcile(one).entered
    assert (entry.action, entry.to_version) == ("repaired", 1)
    assert "the alias of Production names version 2, the stage version 1: put back" in entry.why
    client(one).delete_registered_model_alias(NAME, "production")
    assert [e.action for e in reconcile(one).entered] == ["repaired"]
    assert state(one) == (1, 1, 1)


def test_stage_and_alias_moved_together_are_one_change(one: Platform) -> None:
    transition(one, 2, "Production", archive=True)
    alias(one, 2)
    assert [e.action for e in reconcile(one).entered] == ["outside"]
    assert state(one) == (2, 2, 2)


def test_moved_apart_the_served_version_stays_and_everybody_says_so(one: Platform) -> None:
    transition(one, 2, "Production", archive=True)
    alias(one, 3)
    words = "Production: MLflow's stage names version 2 and its alias version 3; version 1 goes on"
    receipt = reconcile(one)
    assert [e.action for e in receipt.entered] == ["unresolved"]
    assert words in receipt.unsettled[0]
    assert reconcile(one).entered == ()  # once
    assert load_serving(one).version == 1
    finding = check_production(one)
    assert (finding.state, words in finding.text) == ("WRONG", True)
    with served(one) as base:
        assert wait_for(
            lambda: bool(asked(f"{base}/ready").body["notes"])
        )  # the API asks beside its requests
        ready = asked(f"{base}/ready")
        assert (ready.status, words in ready.body["notes"][0]) == (200, True)
        assert asked(f"{base}/predict", {"user_id": KEY}).body["model"]["version"] == 1
    forced(one, 2)
    assert (state(one), disagreements(one)) == ((2, 2, 2), [])


def test_several_in_production_are_an_error_that_names_them(one: Platform) -> None:
    transition(one, 2, "Production")
    with pytest.raises(VersionMissing, match="the versions 1, 2 are all in Production") as caught:
        load_serving(one)
    assert caught.value.facts["versions"] == [1, 2]
    assert "the versions 1, 2 are all in Production" in reconcile(one).unsettled[0]
    receipt = promote(one, 3, dry_run=True)
    assert receipt.examination is not None
    assert receipt.examination.champion == 1  # by the ledger
    forced(one, 2)
    assert state(one) == (2, 2, 2)


def test_a_repeated_reconcile_prints_json_only(
    one: Platform, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each round what is new: an entry, then a problem, once, and that it is settled."""
    moves = [
        lambda: transition(one, 3, "Production"),
        lambda: None,
        lambda: transition(one, 3, "Archived"),
        lambda: sys.exit(0),
    ]
    monkeypatch.setattr(time, "sleep", lambda _: moves.pop(0)())
    transition(one, 2, "Production", archive=True)
    variables = cluster.variables(one.login.database, one.home)
    said = called(one.home, "reconcile", "--every", "1", "--json", extra=variables)
    decoder, text, receipts = json.JSONDecoder(), said.stdout.strip(), []
    while text:
        receipt, end = decoder.raw_decode(text)
        receipts.append(receipt)
        text = text[end:].strip()
    news = [([e["action"] for e in r["entered"]], len(r["unsettled"])) for r in receipts]
    assert news == [(["outside"], 0), (["unresolved"], 0), ([], 1), ([], 0)]
    assert receipts[0]["entered"][0]["to_version"] == 2
    assert "are all in Production" in receipts[2]["unsettled"][0]


def test_nothing_in_production_serves_nothing(one: Platform) -> None:
    transition(one, 1, "Archived")
    with pytest.raises(VersionMissing, match="no version of streamflow_churn is in Production"):
        load_serving(one)
    assert [(e.action, e.to_version) for e in reconcile(one).entered] == [("outside", None)]
    assert state(one) == (None, None, None)
    with pytest.raises(VersionMissing, match="was in Production at"):
        find_version_at(one, datetime.now(UTC) + timedelta(hours=1))
    assert rollback(one).version == 1


def test_a_move_that_was_killed_before_mlflow_is_completed(one: Platform) -> None:
    move = Move(
        who="somebody", model=NAME, action="promoted", stage="Production", version=2, why="a reason"
    )
    table.record_pending_move(one.connection, move)
    [entry] = reconcile(one).entered
    assert (entry.who, entry.to_version, entry.why) == (
        "somebody",
        2,
        "a reason (completed after an interruption)",
    )
    assert state(one) == (2, 2, 2)


def test_a_move_that_was_killed_between_mlflow_and_the_ledger_is_completed(one: Platform) -> None:
    """The entry is refused by the database, as if the process had ended there."""
    with connect(one.login, autocommit=True) as administrator:
        administrator.execute(
            "CREATE FUNCTION public.no_entry() RETURNS trigger LANGUAGE"
            " plpgsql AS $$ BEGIN RAISE 'the end'; END $$;"
            "CREATE TRIGGER no_entry BEFORE INSERT ON streamflow.ledger"
            " FOR EACH ROW EXECUTE FUNCTION public.no_entry()"
        )
        try:
            with pytest.raises(psycopg.Error, match="the end"):
                forced(one, 3)
        finally:
            administrator.execute(
                "DROP TRIGGER no_entry ON streamflow.ledger; DROP FUNCTION public.no_entry()"
            )
    assert state(one) == (1, 3, 3)
    promote(one, 4)  # whoever comes next, whatever it came for
    assert [e.action for e in read_ledger(one)[-2:]] == ["promoted", "refused"]
    assert state(one) == (3, 3, 3)
    assert verify_ledger(one).broken is None


def test_what_was_intended_for_a_deleted_version_has_failed(one: Platform) -> None:
    version = train(one, JANUARY).version
    table.record_pending_move(
        one.connection,
        Move(who="me", model=NAME, action="promoted", stage="Production", version=version, why=""),
    )
    client(one).delete_model_version(NAME, str(version))
    [entry] = reconcile(one).entered
    assert (entry.action, f"has no version {version}" in entry.why) == ("failed", True)
    assert (state(one), reconcile(one).entered) == ((1, 1, 1), ())
    with pytest.raises(VersionMissing):
        forced(one, version)
    forced(one, 2)
    version = train(one, JANUARY).version
    forced(one, version)
    forced(one, 3)
    client(one).delete_model_version(NAME, str(version))
    with pytest.raises(VersionMissing, match=f"has no version {version}"):
        rollback(one)
    assert state(one) == (3, 3, 3)


def test_a_former_version_whose_file_was_changed_is_not_put_back(one: Platform) -> None:
    forced(one, 2)
    path = (
        Path(
            client(one)
            .get_run(one.models.version(1).run_id)
            .info.artifact_uri.removeprefix("file://")
        )
        / "decision.json"
    )
    before = path.read_bytes()
    path.write_bytes(before.replace(b"0.2", b"0.9"))
    try:
        with pytest.raises(ArtifactUntrusted, match=r"decision\.json has the digest"):
            rollback(one)
    finally:
        path.write_bytes(before)
    assert state(one) == (2, 2, 2)
    assert rollback(one).version == 1


def at_once(one: Platform, *acts: Callable[[Platform], object]) -> None:
    """Each as a platform of its own connection, all begun together."""

    def act(what: Callable[[Platform], object]) -> None:
        fresh = replace(one, _connections=[])
        try:
            what(fresh)
        finally:
            fresh.connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        for done in [pool.submit(act, what) for what in acts]:
            done.result()


def test_promotions_and_a_rollback_at_once_come_one_after_the_other(one: Platform) -> None:
    forced(one, 4)
    before = len(read_ledger(one))
    at_once(one, lambda p: forced(p, 2), lambda p: forced(p, 3), rollback)
    entries = read_ledger(one)[before:]
    assert sorted(e.action for e in entries) == ["promoted", "promoted", "rolled back"]
    assert [e.from_version for e in entries] == [4, *(e.to_version for e in entries[:-1])]
    assert state(one) == (entries[-1].to_version,) * 3
    assert verify_ledger(one).broken is None


def test_one_changed_or_removed_row_is_named(one: Platform) -> None:
    forced(one, 2)
    seq = len(table.entries(one.connection))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        one.connection.execute("UPDATE streamflow.ledger SET why = 'another'")
    with owner(one) as connection:
        connection.execute("UPDATE streamflow.ledger SET why = 'another' WHERE seq = %s", [seq - 1])
        verdict = verify_ledger(one)
        assert (verdict.broken, "it was changed" in verdict.text) == (seq - 1, True)
        why = next(e.why for e in read_ledger(one) if e.seq == seq - 2)
        connection.execute(
            "UPDATE streamflow.ledger SET why = 'a test of something else' WHERE seq = %s",
            [seq - 1],
        )
        assert why
        assert verify_ledger(one).broken in (None, seq - 1)
        removed = table.entries(connection, with_evidence=True)[-1]
        connection.execute("DELETE FROM streamflow.ledger WHERE seq = %s", [seq])
        verdict = verify_ledger(one)
        assert (verdict.broken, verdict.text) == (
            seq,
            f"it is missing: MLflow records an entry {seq}",
        )
        reconcile(one)  # heals nothing of it
        names = list(vars(removed))
        connection.execute("DELETE FROM streamflow.ledger WHERE seq >= %s", [seq])
        connection.execute(
            f"INSERT INTO streamflow.ledger ({', '.join(names)})"
            f" VALUES ({', '.join(f'%({n})s' for n in names)})",
            vars(removed),
        )


def test_who_served_is_what_the_prediction_log_says(one: Platform) -> None:
    assert random_moves(one, key=KEY, moves=8, seed=5) == []
    with pytest.raises(VersionMissing, match="was in Production at 1999"):
        find_version_at(one, datetime(1999, 1, 1, tzinfo=UTC))


def test_a_clock_that_is_set_back_reorders_nothing(one: Platform) -> None:
    """The last entry comes from a clock that was an hour ahead."""
    with owner(one) as connection:
        [newest] = table.entries(connection, with_evidence=True)[-1:]
        ahead = replace(
            newest, at=newest.at + timedelta(hours=1), since=newest.since + timedelta(hours=1)
        )
        connection.execute(
            "UPDATE streamflow.ledger SET at = %s, since = %s, hash = %s WHERE seq = %s",
            [ahead.at, ahead.since, ahead.content_hash, ahead.seq],
        )
    one.models.set_ledger_head(f"{ahead.seq}:{ahead.content_hash}")
    forced(one, 2)
    entry = read_ledger(one)[-1]
    assert entry.at == entry.since == ahead.at + timedelta(microseconds=1)
    assert find_version_at(one, entry.at).version == 2
    transition(one, 3, "Production", archive=True)
    assert [e.since for e in reconcile(one).entered] == [entry.since]  # MLflow's time is before it
    assert verify_ledger(one).broken is None

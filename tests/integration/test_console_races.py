"""The races of the ledger's tests with the forms of two consoles in them.

Afterwards ledger, MLflow and pages agree, and each change has one entry.
tests/proofs/test_ledger.py lets every two take part in both orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from conftest import Cluster
from support.console_pages import text_of
from support.console_races import (
    FIRST,
    FORMER,
    OTHER,
    Person,
    begin,
    list_disagreements,
    move_in_mlflow,
    run_race,
    two_persons,
)
from support.states import THREE_VERSIONS, in_state

from streamflow.database import connect
from streamflow.platform import Platform
from streamflow.steps.stages.ledger import read_ledger
from streamflow.warehouse import ledger
from streamflow.warehouse.ledger import Move


@pytest.fixture(scope="module")
def race(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Platform, Person, Person]]:
    """Three versions, and two consoles with a person each."""
    home = tmp_path_factory.mktemp("races") / "home"
    with (
        in_state(cluster, THREE_VERSIONS, simulated_drops, home, gate_draws=50) as platform,
        two_persons(platform) as (ada, bob),
    ):
        yield platform, ada, bob


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ada promotes", "bob promotes"),
        ("ada promotes", "a shell rolls back"),
        ("ada promotes", "MLflow moves"),
        ("a shell rolls back", "bob rolls back"),
        ("ada rolls back", "MLflow moves"),
    ],
)
def test_two_at_once_come_one_after_the_other(
    race: tuple[Platform, Person, Person], first: str, second: str
) -> None:
    platform, ada, bob = race
    assert run_race(platform, ada, bob, first, second) == []


def test_a_stage_that_was_moved_outside_is_not_overwritten_unseen(
    race: tuple[Platform, Person, Person],
) -> None:
    platform, ada, bob = race
    begin(platform)
    send = ada.prepare_rollback()
    move_in_mlflow(platform, OTHER)
    answer = send(platform)
    assert answer.status_code == 409  # type: ignore[attr-defined]
    assert f"version {OTHER} outside for Production" in text_of(answer.text)  # type: ignore[attr-defined]
    assert read_ledger(platform)[-1].action == "outside"
    assert list_disagreements(platform, bob) == []
    # The page is opened again, and shows what would be put back now.
    assert f"Put version {FIRST} back" in ada.browser.text("/production/rollback")
    assert ada.prepare_rollback()(platform).status_code == 303  # type: ignore[attr-defined]
    assert list_disagreements(platform, bob) == []


def test_a_form_that_was_interrupted_between_both_stores_is_completed_once(
    race: tuple[Platform, Person, Person],
) -> None:
    """The database refuses the entry, as if the process had ended there."""
    platform, ada, bob = race
    begin(platform)
    before = len(read_ledger(platform))
    late = bob.prepare_rollback()
    with connect(platform.login, autocommit=True) as administrator:
        administrator.execute(
            "CREATE FUNCTION public.no_entry() RETURNS trigger LANGUAGE"
            " plpgsql AS $$ BEGIN RAISE 'the end'; END $$;"
            "CREATE TRIGGER no_entry BEFORE INSERT ON streamflow.ledger"
            " FOR EACH ROW EXECUTE FUNCTION public.no_entry()"
        )
        try:
            with pytest.raises(psycopg.Error, match="the end"):
                ada.prepare_rollback()(platform)
        finally:
            administrator.execute(
                "DROP TRIGGER no_entry ON streamflow.ledger; DROP FUNCTION public.no_entry()"
            )
    assert len(read_ledger(platform)) == before
    # Whoever comes next completes it, and is refused: the page was older.
    assert late(platform).status_code == 409  # type: ignore[attr-defined]
    [entry] = read_ledger(platform)[before:]
    assert (entry.action, entry.to_version, entry.who) == ("rolled back", FORMER, ada.name)
    assert list_disagreements(platform, ada) == []
    assert list_disagreements(platform, bob) == []


def test_a_promotion_that_was_killed_before_mlflow_is_completed_by_a_form(
    race: tuple[Platform, Person, Person],
) -> None:
    platform, ada, bob = race
    begin(platform)
    before = len(read_ledger(platform))
    late = bob.prepare_rollback()
    move = Move(
        who=ada.name,
        model=platform.catalog.model,
        action="promoted",
        stage="Production",
        version=OTHER,
        why="a reason",
    )
    ledger.record_pending_move(platform.connection, move)
    assert late(platform).status_code == 409  # type: ignore[attr-defined]
    [entry] = read_ledger(platform)[before:]
    assert (entry.action, entry.to_version, entry.who) == ("promoted", OTHER, ada.name)
    assert list_disagreements(platform, bob) == []

"""retrain: once per evidence, one run at a time, not too often, and on after an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from conftest import Cluster
from support.chain import FEBRUARY, JANUARY, load, run

from streamflow.database import connect
from streamflow.errors import LabelsMissing, SnapshotMissing
from streamflow.platform import Platform, open_platform
from streamflow.steps.promotion.retrain import retrain
from streamflow.steps.stages.transitions import version_in_stage
from streamflow.steps.training.train import train
from streamflow.warehouse import retraining


@pytest.fixture(scope="module")
def loaded(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """January is frozen and live, and no version is trained; the tests build on each other."""
    name = f"sf_retrain_{uuid4().hex[:12]}"
    cluster.clone(name)
    with open_platform(
        cluster.settings(name, tmp_path_factory.mktemp("retrain") / "home", trees=10)
    ) as platform:
        run(platform, simulated_drops / "month_000", JANUARY)
        yield platform
    cluster.drop(name)


def other(platform: Platform, **values: object) -> Platform:
    return replace(platform, settings=platform.settings.model_copy(update=values))


def states(platform: Platform) -> list[tuple[str, int | None]]:
    return platform.connection.execute(
        "SELECT state, version FROM streamflow.retraining ORDER BY id"
    ).fetchall()  # type: ignore[return-value]


def test_nothing_is_begun_that_may_not_be(loaded: Platform) -> None:
    with pytest.raises(LabelsMissing, match="no drop has labels that are 1 drop later"):
        retrain(loaded, label_lead=1)
    with pytest.raises(LabelsMissing):
        retrain(loaded, JANUARY, label_lead=1)
    few = retrain(other(loaded, retrain_min_labels=1_000), force=True)
    assert (few.decision, few.version) == ("skipped", None)
    assert "labels, needed are 1,000 (retrain_min_labels)" in few.why
    with (
        connect(loaded.address, autocommit=True) as elsewhere,
        retraining.try_lock_retraining(elsewhere) as free,
    ):
        assert free
        assert retrain(loaded).why == "a different retraining is at work"
    assert states(loaded) == []


def test_the_first_is_promoted_and_never_repeated(loaded: Platform) -> None:
    receipt = retrain(loaded, why="the first")
    assert (receipt.decision, receipt.version, receipt.resumed) == ("promoted", 1, False)
    assert receipt.trained is not None
    assert states(loaded) == [("started", None), ("trained", 1), ("promoted", 1)]
    again = retrain(loaded, force=True)
    assert again.decision == "skipped"
    assert "version 1 of the same data, features and configuration was promoted" in again.why
    assert len(loaded.models.versions()) == 1


def test_another_configuration_is_other_evidence_but_waits_for_the_cool_down(
    loaded: Platform,
) -> None:
    seeded = other(loaded, seed=7)
    assert "the cool-down after the last retraining ends" in retrain(seeded).why
    receipt = retrain(other(seeded, retrain_cooldown_hours=0.0))
    assert (receipt.decision, receipt.version) == ("refused", 2)
    assert "was refused" in retrain(seeded, force=True).why
    production = version_in_stage(loaded)
    assert production is not None
    assert production.version == 1


def test_on_the_verdict_of_monitor(loaded: Platform) -> None:
    """January held against itself: nothing fires."""
    quiet = retrain(other(loaded, seed=8), force=True, on_verdict=True)
    assert (quiet.decision, quiet.why) == ("skipped", "monitor finds nothing on this drop")
    one_feature = other(loaded, seed=8, drift_psi=1e-9, drift_false_discovery=0.999)
    assert (
        retrain(one_feature, force=True, on_verdict=True).decision == "skipped"
    )  # equal rows drift by no measure


def test_what_was_interrupted_goes_on_without_training_again(
    loaded: Platform, simulated_drops: Path
) -> None:
    """The ledger takes no entry after the training, as if the process had ended there."""
    load(loaded, simulated_drops / "month_001", FEBRUARY)
    with connect(loaded.login, autocommit=True) as administrator:
        administrator.execute(
            "CREATE FUNCTION public.no_entry() RETURNS trigger LANGUAGE"
            " plpgsql AS $$ BEGIN RAISE 'the end'; END $$;"
            "CREATE TRIGGER no_entry BEFORE INSERT ON streamflow.ledger"
            " FOR EACH ROW EXECUTE FUNCTION public.no_entry()"
        )
        with pytest.raises(psycopg.Error, match="the end"):
            retrain(loaded, force=True, why="February")
        administrator.execute(
            "DROP TRIGGER no_entry ON streamflow.ledger; DROP FUNCTION public.no_entry()"
        )
    assert states(loaded)[-2:] == [("started", None), ("trained", 3)]
    receipt = retrain(loaded, why="February")
    assert (receipt.resumed, receipt.trained, receipt.version) == (True, None, 3)
    assert receipt.as_of == FEBRUARY.date()
    assert [state for state, _ in states(loaded)[-3:]] == ["started", "trained", receipt.decision]


def test_a_version_that_was_trained_by_hand_is_judged_instead_of_another_one(
    loaded: Platform,
) -> None:
    by_hand = train(other(loaded, seed=11), FEBRUARY)
    receipt = retrain(other(loaded, seed=11), FEBRUARY, force=True)
    assert (receipt.version, receipt.trained) == (by_hand.version, None)
    with pytest.raises(SnapshotMissing):
        retrain(other(loaded, seed=12), FEBRUARY.replace(day=1), force=True)

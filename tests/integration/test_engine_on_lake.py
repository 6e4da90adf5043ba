"""The workers of the engine read the lake themselves: equal digests, and damage is refused.

The engine is a real Sail server. No row of a revision goes through the process of the command on
its way to the engine: the methods that would read or send one are replaced by an error.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import Cluster
from support.chain import FEBRUARY, JANUARY
from support.spark_servers import sail_server
from support.states import TWO_MONTHS, in_state

from streamflow.core.data import digest_shards
from streamflow.core.monitoring.report import to_values
from streamflow.database import connect
from streamflow.errors import SnapshotDamaged
from streamflow.lake.iceberg_tables import TABLE_PROPERTIES, Lake
from streamflow.platform import Platform, open_platform
from streamflow.settings import Settings
from streamflow.spark.session import SparkEngine
from streamflow.steps.data.engine import open_step_engine
from streamflow.steps.data.engine_digests import compute_digests
from streamflow.steps.monitoring.monitor import _make_verified_report
from streamflow.steps.monitoring.monitor_inputs import collect_inputs, find_champion
from streamflow.steps.promotion.promote import promote
from streamflow.steps.serving import score as score_step
from streamflow.steps.serving.score_task import plan_scoring
from streamflow.steps.training.train import train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.upkeep.move_to_lake import move_to_lake
from streamflow.steps.versions.rebuild_verdict import IDENTICAL
from streamflow.steps.versions.recorded_version import platform_as_recorded
from streamflow.steps.versions.reproduce import reproduce
from streamflow.steps.versions.verify import verify
from streamflow.warehouse import frozen, lake_revisions, provenance, scores

ROWS_PER_GROUP = 100  # so that several workers read a file


@pytest.fixture(scope="module")
def lake(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Two months in a lake, and version 1 in Production."""
    folder = tmp_path_factory.mktemp("lake")
    with in_state(cluster, TWO_MONTHS, simulated_drops, folder / "home") as platform:
        promote(platform, 1, force=True, why="a test")
        settings = platform.settings.with_values({"lake": str(folder / "lake")})
        with open_platform(settings) as moving, pytest.MonkeyPatch.context() as patch:
            patch.setitem(TABLE_PROPERTIES, "write.parquet.row-group-limit", str(ROWS_PER_GROUP))
            move_to_lake(moving)
        yield settings


@pytest.fixture(scope="module")
def remote() -> Iterator[str]:
    with sail_server() as address:
        yield address


@pytest.fixture
def on_engine(lake: Settings, remote: str) -> Settings:
    return lake.with_values({"engine": "spark", "spark_remote": remote})


@contextmanager
def only_workers_read() -> Iterator[list[pl.DataFrame]]:
    """Refuse each way of a frozen row through this process; yield what is sent to the engine."""
    sent: list[pl.DataFrame] = []
    send = SparkEngine.send

    def refuse(*_arguments: Any, **_named: Any) -> Any:
        raise AssertionError("this process reads rows of the lake")

    def note(engine: SparkEngine, rows: pl.DataFrame) -> str:
        sent.append(rows)
        return send(engine, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lake, "read", refuse)
        patch.setattr(lake_revisions, "load_rows", refuse)
        for name in ("read_in_order", "read_rows", "keys_and_labels"):
            patch.setattr(frozen, name, refuse)
        patch.setattr(provenance, "read_rows", refuse)
        patch.setattr(SparkEngine, "send", note)
        yield sent


@pytest.mark.parametrize(("as_of", "months"), [(JANUARY, 1), (FEBRUARY, 2)])
def test_the_workers_read_a_training_set(
    lake: Settings, on_engine: Settings, as_of: datetime, months: int
) -> None:
    with open_platform(lake) as platform:
        expected = training_set(platform, as_of, months=months)
    with open_platform(on_engine) as platform, only_workers_read() as sent:
        computed = training_set(platform, as_of, months=months)
    assert computed.digest == expected.digest
    assert computed.without_label == expected.without_label
    assert {name for rows in sent for name in rows.columns} == {"k", "r"}, "the keys alone"


def delete_scores(platform: Platform) -> None:
    """Delete the answers: `score` does not score the same rows again."""
    with platform.maintenance_connection() as connection:
        runs = connection.execute("SELECT id FROM streamflow.score_run").fetchall()
        scores.delete_runs(connection, [run for (run,) in runs])


def test_the_workers_read_what_is_scored(lake: Settings, on_engine: Settings) -> None:
    with open_platform(on_engine) as platform:
        task = plan_scoring(platform, JANUARY, 1, explain=False)
        with only_workers_read() as sent:
            run = score_step._score_all(platform, task, "e" * 64, 0)
        assert sent == []
        delete_scores(platform)
    with open_platform(lake) as platform:
        assert score_step.score(platform, JANUARY, version=1).run.digest == run.digest
        delete_scores(platform)


def test_the_engine_computes_the_digests_that_postgresql_recorded(
    on_engine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_shards, "ROWS_PER_SHARD", 60)  # so that several workers digest them
    with open_platform(on_engine) as platform, only_workers_read():
        in_lake = lake_revisions.revisions_in_lake(platform.connection)
        stored = frozen.all_revisions(platform.connection)
        recorded = [frozen.stored_digest(platform.connection, revision) for revision in stored]
        pairs = [
            (in_lake[revision.revision_key], digest)
            for revision, digest in zip(stored, recorded, strict=True)
        ]
        row_groups = [
            platform.lake.list_row_groups(revision.table, revision.snapshot_id)
            for revision in in_lake.values()
        ]
        assert min(map(len, row_groups)) > 1
        engine = open_step_engine(platform)
        assert engine is not None
        assert compute_digests(platform, engine, pairs) == recorded
        assert len({digest.value for digest in recorded}) == len(recorded) > 10


def test_versions_are_proven_and_reproduced_with_both_engines(
    lake: Settings, on_engine: Settings
) -> None:
    with open_platform(on_engine) as platform:
        with only_workers_read():
            assert verify(platform, "1").holds
        trained = train(platform, FEBRUARY, months=2)
        assert reproduce(platform, str(trained.version)).result == IDENTICAL
    with open_platform(lake) as platform:
        assert verify(platform, str(trained.version)).holds
        assert reproduce(platform, str(trained.version)).result == IDENTICAL


def test_a_report_is_equal_with_both_engines(lake: Settings, on_engine: Settings) -> None:
    reports = []
    for settings in (on_engine, lake):
        with open_platform(settings) as platform:
            champion = find_champion(platform)
            recorded = platform_as_recorded(platform, champion.passport)
            inputs = collect_inputs(recorded, champion, FEBRUARY)
            reports.append(_make_verified_report(inputs))
    assert to_values(reports[0]) == to_values(reports[1])


@pytest.fixture
def damaged(lake: Settings, remote: str, tmp_path: Path) -> Iterator[tuple[Settings, Path]]:
    """The file of the subscriptions of January, which a test may damage; it is put back."""
    with open_platform(lake) as platform:
        key = ("subscriptions", JANUARY, 1)
        revision = lake_revisions.revisions_in_lake(platform.connection)[key]
        (address,) = platform.lake.list_files(revision.table, revision.snapshot_id)
    path = Path(address.removeprefix("file://"))
    shutil.copy(path, tmp_path / "kept")
    yield lake.with_values({"engine": "spark", "spark_remote": remote}), path
    shutil.copy(tmp_path / "kept", path)


@pytest.mark.parametrize("step", ["training set", "score", "verify"])
def test_an_edited_file_is_refused(damaged: tuple[Settings, Path], step: str) -> None:
    settings, path = damaged
    edited = pl.read_parquet(path).with_columns(monthly_fee=pl.col("monthly_fee") + 0.01)
    edited.write_parquet(path, row_group_size=ROWS_PER_GROUP)
    with open_platform(settings) as platform:
        if step == "verify":
            receipt = verify(platform, "1")
            (text,) = receipt.frozen_rows
            assert not receipt.holds
        else:
            steps = {
                "score": lambda: score_step.score(platform, JANUARY, version=1),
                "training set": lambda: training_set(platform, JANUARY),
            }
            with pytest.raises(SnapshotDamaged) as refused:
                steps[step]()
            text = str(refused.value)
        runs = platform.connection.execute(
            "SELECT count(*) FROM streamflow.score_run WHERE as_of = %s", [JANUARY]
        )
        assert step != "score" or runs.fetchone() == (0,)
    assert "subscriptions of 2024-01-31, revision 1: its rows have the digest" in text
    assert "values differ in monthly_fee" in text
    assert str(path) in text


def test_a_missing_file_is_refused(damaged: tuple[Settings, Path]) -> None:
    settings, path = damaged
    path.unlink()
    with open_platform(settings) as platform, pytest.raises(SnapshotDamaged) as refused:
        training_set(platform, JANUARY)
    assert "subscriptions of 2024-01-31, revision 1" in str(refused.value)
    assert "a file is missing" in str(refused.value)
    assert str(path) in str(refused.value)
    with open_platform(settings) as platform, pytest.raises(SnapshotDamaged) as named:
        verify(platform, "1")
    assert "a file is missing" in str(named.value)


def test_the_rows_that_postgresql_still_has_are_checked_too(lake: Settings, remote: str) -> None:
    """The newest drop lies in both, and SQL adds up the segments of a score from its copy."""
    settings = lake.with_values({"engine": "spark", "spark_remote": remote})
    change = (
        "SET session_replication_role = replica; UPDATE frozen.subscriptions"
        " SET paperless_billing = NOT paperless_billing WHERE as_of = '2024-02-29'"
    )
    with open_platform(settings) as platform, connect(platform.login, autocommit=True) as admin:
        admin.execute(change)
        try:
            with pytest.raises(SnapshotDamaged, match="paperless_billing"):
                score_step.score(platform, FEBRUARY, version=1)
        finally:
            admin.execute(change)

"""Frozen rows in the lake: equal results, refused damage, nothing half after an interruption."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from conftest import Cluster
from support.chain import FEBRUARY, JANUARY, copy_drop, load
from support.states import SCORED

from streamflow.catalog import DEFAULT_PATH
from streamflow.core.data.digest import digest_frame
from streamflow.core.monitoring.skew import DropKnowledge
from streamflow.database import connect
from streamflow.database.known_at import current_known_at
from streamflow.errors import FeastUnsupported, SnapshotDamaged, SnapshotMissing
from streamflow.features.history_reads import RequestedView, historical_features
from streamflow.platform import Platform, open_platform
from streamflow.steps.data import loaded_rows
from streamflow.steps.data.forget import forget
from streamflow.steps.data.frozen_reading import read_batches, read_lake, read_rows
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.lake_cleaning import count_unneeded_files
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.migrate import migrate
from streamflow.steps.data.snapshot import SnapshotReceipt, snapshot
from streamflow.steps.data.values_of_key import read_values_of_key
from streamflow.steps.monitoring.offline_values import OfflineReader, RowRequest, ViewRequests
from streamflow.steps.serving.score import score
from streamflow.steps.training.training_set import training_set
from streamflow.steps.upkeep.backup import backup
from streamflow.steps.upkeep.doctor.contents import check_frozen_rows, check_lake
from streamflow.steps.upkeep.doctor.finding import State
from streamflow.steps.upkeep.move_to_lake import move_to_lake
from streamflow.steps.upkeep.prune import prune
from streamflow.steps.upkeep.restore import restore
from streamflow.steps.versions.data_level import verify_frozen_rows
from streamflow.steps.versions.recorded_version import find_recorded_version
from streamflow.steps.versions.verify import verify
from streamflow.warehouse import lake_revisions, scores
from streamflow.warehouse.lake_revisions import revisions_in_lake
from streamflow.warehouse.skew import known_revisions

pytestmark = pytest.mark.state(SCORED)
FORGOTTEN = "7590-VHVEG"  # the first user of January


@contextmanager
def opened(
    cluster: Cluster, name: str, tmp_path: Path, *, migrated: bool = True, **flags: object
) -> Iterator[Platform]:
    """Open the platform on an installation whose lake is a folder of the test."""
    lake = {"lake": str(tmp_path / "the lake"), **flags}
    settings = cluster.settings(name, tmp_path / "home", **SCORED.settings, **lake)
    with open_platform(settings, must_be_migrated=migrated) as platform:
        yield platform


def revisions(platform: Platform) -> dict[tuple[str, datetime, int], tuple[int, str]]:
    rows = platform.connection.execute(
        "SELECT table_name, as_of, revision, rows, digest FROM streamflow.revision"
    )
    return {tuple(key): (count, digest) for *key, count, digest in rows}  # type: ignore[misc]


def count_rows(platform: Platform, as_of: datetime) -> int:
    """Count the frozen rows of a drop that PostgreSQL has."""
    total = 0
    for table in platform.catalog.frozen_tables:
        query = f"SELECT count(*) FROM frozen.{table} WHERE as_of = %s"
        total += platform.connection.execute(query, [as_of]).fetchall()[0][0]  # type: ignore[call-overload]
    return total


def results(platform: Platform) -> list[Any]:
    """What comes of the frozen rows: training set, scores, live features, values of a user."""
    with platform.maintenance_connection() as connection:
        numbers = connection.execute(
            "SELECT id FROM streamflow.score_run WHERE as_of = %s", [JANUARY]
        )
        scores.delete_runs(connection, [number for (number,) in numbers])
    made = training_set(platform, JANUARY)
    materialize(platform)
    live = platform.connection.execute("SELECT * FROM online.subs_profile_fv ORDER BY 1").fetchall()
    values = read_values_of_key(platform, "4498-ORXIB", platform.catalog.feature_tables)
    scored = score(platform, JANUARY, version=1).run.digest
    overview = platform.connection.execute(
        "SELECT * FROM streamflow.drop_overview ORDER BY 1"
    ).fetchall()
    return [revisions(platform), made.digest, scored, live, values, overview]


def test_results_are_equal_and_damage_is_refused(
    cluster: Cluster, installation: str, tmp_path: Path
) -> None:
    with opened(cluster, installation, tmp_path, lake=None) as platform:
        expected = results(platform)
    with opened(cluster, installation, tmp_path) as platform:
        assert move_to_lake(platform).revisions == len(expected[0])
        assert move_to_lake(platform).revisions == 0
    with opened(cluster, installation, tmp_path) as platform:
        assert count_rows(platform, JANUARY) == 0
        assert count_rows(platform, FEBRUARY) > 0, "the newest drop stays in PostgreSQL"
        assert_same_rows(platform)
        with pytest.raises(FeastUnsupported, match="lie in the lake"):
            read_history(platform)
        assert results(platform) == expected
        read_history(platform)  # now they are loaded
        receipt = verify(platform, "1")
        assert receipt.frozen_rows == receipt.violations == receipt.training_set == ()
        assert count_rows(platform, JANUARY) > 0
    with opened(cluster, installation, tmp_path) as platform:
        assert count_rows(platform, JANUARY) == 0, "the copies went when the platform was closed"
        passport = find_recorded_version(platform, "1").passport
        assert verify_frozen_rows(platform, passport).level.differences == ()
        refuse_damage(platform, tmp_path / "the lake")


def assert_same_rows(platform: Platform) -> None:
    """The one place where frozen rows are read yields the recorded rows in their order."""
    key = platform.catalog.entity.key
    for (table, as_of, number), (_, digest) in revisions(platform).items():
        batches = list(read_batches(platform, table, as_of, number))
        frame = pl.concat([pl.DataFrame(batch) for batch in batches])
        columns = platform.catalog.columns(table)
        types = {name: column.type for name, column in columns.items()}
        assert digest_frame(frame, key=key, types=types).value == digest


def read_history(platform: Platform) -> None:
    """Read January as a stock command of Feast does."""
    view = RequestedView(
        name="subs_profile_fv",
        relation="history.subscriptions",
        timestamp_field="as_of",
        created_column="known_at",
        ttl=timedelta(days=62),
        keys={"user_id": "user_id"},
        features={"monthly_fee": "monthly_fee"},
    )
    historical_features(platform.address, (JANUARY, JANUARY), [view])


def refuse_damage(platform: Platform, lake: Path) -> None:
    """An edited and a missing file are named, and no step uses the rows."""
    paths = files_of(platform, "subscriptions", JANUARY)
    (path,) = paths
    edited = pl.read_parquet(path).with_columns(monthly_fee=pl.col("monthly_fee") + 0.01)
    edited.write_parquet(path)
    with pytest.raises(SnapshotDamaged) as refused:
        training_set(platform, JANUARY)
    assert str(path) in str(refused.value)
    assert count_rows(platform, JANUARY) == 0
    finding = check_frozen_rows(platform, full=True)
    assert finding.is_wrong
    assert str(path) in finding.text
    assert "monthly_fee" in finding.text
    for damaged in (edited.reverse(), edited.with_columns(monthly_fee=pl.lit("free"))):
        damaged.write_parquet(path)
        with pytest.raises(SnapshotDamaged, match="in the order of|has different types"):
            forget(platform, FORGOTTEN, why="a request")
    path.unlink()
    former = revisions_in_lake(platform.connection)["subscriptions", JANUARY, 1]
    with pytest.raises(SnapshotMissing, match="was changed by 'forget' or 'prune'"):
        list(read_lake(platform, replace(former, snapshot_id=1), ["user_id"]))
    with pytest.raises(SnapshotDamaged, match="a file is missing"):
        training_set(platform, JANUARY)
    assert "a file is missing" in check_frozen_rows(platform, full=True).text
    assert lake in path.parents
    shutil.rmtree(lake)
    with pytest.raises(SnapshotDamaged, match="a file is missing"):
        count_unneeded_files(platform)


def test_a_reader_beside_a_command_that_moves_or_deletes_rows_gets_them_all(
    cluster: Cluster, installation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(cluster, installation, tmp_path, lake=None) as reader:
        loaded_rows.load(reader, revisions(reader))
        row_count = count_rows(reader, JANUARY)
        with opened(cluster, installation, tmp_path) as mover:
            move_to_lake(mover)
        assert count_rows(reader, JANUARY) == row_count > 0
    with opened(cluster, installation, tmp_path) as platform:
        assert count_rows(platform, JANUARY) == 0
        assert read_offline(platform)["monthly_fee"] is not None
    with opened(cluster, installation, tmp_path) as platform:
        with copies_deleted_after_first_look(monkeypatch):
            rows = read_rows(platform, "subscriptions", ["user_id"], [(JANUARY, 1)])
        with copies_deleted_after_first_look(monkeypatch):
            batches = list(read_batches(platform, "subscriptions", JANUARY, 1))
        in_batches = pl.concat([pl.DataFrame(batch) for batch in batches])["user_id"]
        assert FORGOTTEN in rows["user_id"].to_list()
        assert sorted(in_batches) == sorted(rows["user_id"])


def read_offline(platform: Platform) -> Mapping[str, Any]:
    """Read a user's features of January as `skew` does."""
    knowledge = DropKnowledge(known_revisions(platform.connection), platform.catalog.frozen_tables)
    reader = OfflineReader(platform, knowledge)
    request = RowRequest(FORGOTTEN, JANUARY, current_known_at(platform.connection))
    service = platform.catalog.service
    requests = {"subs_profile_fv": ViewRequests(None, request, None)}
    return reader.read(service, platform.read_services()[service], [requests])[request]


@contextmanager
def copies_deleted_after_first_look(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let rows of the lake be loaded when a reader looks first, and not afterwards."""
    look_up = lake_revisions.unloaded_revisions
    looks = []

    def find_unloaded(connection: psycopg.Connection) -> Any:
        looks.append(connection)
        return look_up(connection) if len(looks) > 1 else {}

    with monkeypatch.context() as patch:
        patch.setattr(lake_revisions, "unloaded_revisions", find_unloaded)
        yield
    assert len(looks) > 1


def test_a_table_that_left_the_catalog_is_still_read_in_the_lake(
    cluster: Cluster, installation: str, tmp_path: Path
) -> None:
    """Its rows hold keys that are forgotten, and belong into a backup."""
    table = "support_agg_90d"
    text = DEFAULT_PATH.read_text()
    for section in (f"[views.{table}_fv]", f"[tables.{table}.columns]"):
        begin = text.index(section)
        text = text[:begin] + text[text.index("\n\n", begin) :]
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(text)
    with opened(cluster, installation, tmp_path) as platform:
        move_to_lake(platform)
    with opened(cluster, installation, tmp_path, migrated=False, catalog=catalog) as platform:
        migrate(platform)
        assert table not in platform.catalog.frozen_tables
        before = revisions(platform)[table, JANUARY, 1][0]
        forget(platform, FORGOTTEN, why="a request")
        assert revisions(platform)[table, JANUARY, 1][0] == before - 1
        rows = read_lake(
            platform, revisions_in_lake(platform.connection)[table, JANUARY, 1], ["user_id"]
        )
        keys = pl.concat([pl.DataFrame(batch) for batch in rows])["user_id"]
        assert len(keys) == before - 1
        assert FORGOTTEN not in keys
        assert backup(platform, tmp_path / "all.backup").revisions == len(revisions(platform))


def files_of(platform: Platform, table: str, as_of: datetime) -> list[Path]:
    query = "SELECT snapshot_id FROM streamflow.lake_revision WHERE table_name = %s AND as_of = %s"
    ((snapshot_id,),) = platform.connection.execute(query, [table, as_of]).fetchall()
    files = platform.lake.list_files(table, snapshot_id)
    return [Path(file.removeprefix("file://")) for file in files]


def corrected(drop: Path, folder: Path, absent: int) -> Path:
    """Copy a drop without its first users, and with nulls."""
    is_first = pl.int_range(pl.len()) < 5
    plan = pl.when(is_first).then(None).otherwise(pl.col("plan_stream_tv"))
    copy_drop(drop, folder, subscriptions={"plan_stream_tv": plan})
    for path in folder.glob("*.csv"):
        pl.read_csv(path, infer_schema=False).slice(absent).write_csv(path)
    return folder


def describe(receipt: SnapshotReceipt) -> list[tuple[object, ...]]:
    """What a snapshot says of each table, but for the number of the revision."""
    return [
        (t.table, t.digest, t.rows, t.created, t.changed_cells, t.added, t.removed)
        for t in receipt.tables
    ]


def test_a_snapshot_is_whole_or_not_there_and_nothing_unneeded_stays(
    cluster: Cluster, installation: str, simulated_drops: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "the lake"
    january = simulated_drops / "month_000"
    other = corrected(january, tmp_path / "corrected", 10)
    with opened(cluster, installation, tmp_path, lake=None) as platform:
        expected = describe(load(platform, other, JANUARY))
        admin = platform.login
    with opened(cluster, installation, tmp_path) as platform:
        move_to_lake(platform)
    files = set(lake.rglob("*.parquet"))
    with connect(admin, autocommit=True) as connection:
        connection.execute("REVOKE INSERT ON streamflow.lake_revision FROM streamflow_writer")
    with opened(cluster, installation, tmp_path) as platform:
        frozen = revisions(platform)
        ingest(platform, january, JANUARY)
        # The Iceberg snapshots are committed when PostgreSQL refuses its transaction.
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            snapshot(platform, JANUARY)
        assert revisions(platform) == frozen
        assert len(set(lake.rglob("*.parquet")) - files) == len(platform.catalog.frozen_tables)
        assert count_unneeded_files(platform) > 0
        assert check_lake(platform).is_wrong
    with connect(admin, autocommit=True) as connection:
        connection.execute("GRANT INSERT ON streamflow.lake_revision TO streamflow_writer")
    with opened(cluster, installation, tmp_path) as platform:
        snapshot(platform, JANUARY)
        assert describe(load(platform, other, JANUARY)) == expected
    with opened(cluster, installation, tmp_path) as platform:
        assert {revision.revision for revision in prune(platform).revisions} == {2, 3}
        assert check_lake(platform).state is State.OK
        assert_same_rows(platform)
        forget_and_restore(cluster, platform, tmp_path)


def forget_and_restore(cluster: Cluster, platform: Platform, tmp_path: Path) -> None:
    """After a user is forgotten no file has the key, and a backup needs no lake."""
    lake = tmp_path / "the lake"
    assert keys_in(lake) >= {FORGOTTEN}
    erased = forget(platform, FORGOTTEN, why="a request").erased
    assert {revision.as_of for revision in erased} == {JANUARY}
    assert FORGOTTEN not in keys_in(lake)
    assert check_lake(platform).state is State.OK
    assert check_frozen_rows(platform, full=True).state is State.OK
    backup(platform, tmp_path / "file.backup")
    content = revisions(platform)
    shutil.rmtree(lake)
    name = f"{platform.login.database}_r"
    cluster.make_empty(name)
    with open_platform(
        cluster.settings(name, tmp_path / "restored"), must_be_migrated=False
    ) as restored:
        restore(restored, tmp_path / "file.backup")
        assert revisions(restored) == content
        assert_same_rows(restored)
        assert revisions_in_lake(restored.connection) == {}
    cluster.drop(name)


def keys_in(lake: Path) -> set[str]:
    frames = [pl.read_parquet(path, columns=["user_id"]) for path in lake.rglob("*.parquet")]
    return set(pl.concat(frames)["user_id"])

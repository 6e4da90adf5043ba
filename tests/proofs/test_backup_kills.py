"""`kill -9` and Ctrl-C in the middle of a backup or a restore.

Nothing half done is used, and the next run completes the work.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from conftest import Cluster
from support.chain import JANUARY, OURS, database_digest, run
from support.processes import kill, start, wait_for
from support.processes import run as command

from streamflow.database import Address, ensure_database, from_url
from streamflow.errors import StreamflowError
from streamflow.files import archive
from streamflow.platform import Platform, open_platform
from streamflow.steps.training.train import train
from streamflow.steps.upkeep.backup import backup
from streamflow.steps.upkeep.restore import BACKUP, check_backup, restore

WAITS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name = 'streamflow' AND wait_event_type = 'Lock'"
)

ADVISORY = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def loaded(platform: Platform, simulated_drops: Path) -> Platform:
    run(platform, simulated_drops / "month_000", JANUARY)
    return platform


@pytest.fixture
def names(cluster: Cluster) -> Iterator[str]:
    """The name of two databases that are empty."""
    name = f"sf_test_{uuid4().hex[:12]}"
    for database in (name, f"{name}_mlflow"):
        ensure_database(cluster.address, database)
    yield name
    cluster.drop(name)


@contextmanager
def blocked(address: Address, statement: str) -> Iterator[Callable[[], bool]]:
    """Hold what `statement` takes and nobody else has; whether a process of ours waits for it."""
    info = address.with_role("none").conninfo()  # PGOPTIONS of an open platform names the writer
    with psycopg.connect(info) as holder, psycopg.connect(info, autocommit=True) as other:
        holder.execute(statement)  # type: ignore[call-overload]
        yield lambda: other.execute(WAITS).fetchone() != (0,)
        holder.rollback()


POINTS = {
    "within MLflow's database": ("_mlflow", "CREATE TABLE public.experiments ()"),
    "between the two databases": ("", "CREATE SCHEMA feast"),
    "within our database": ("", "CREATE SCHEMA streamflow"),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_restore_blocks_all_but_the_next_one(
    loaded: Platform, cluster: Cluster, names: str, tmp_path: Path, point: str
) -> None:
    file, home = tmp_path / "state.backup", tmp_path / "target"
    backup(loaded, file)
    suffix, statement = POINTS[point]
    variables = cluster.variables(names, home)
    login = from_url(variables["STREAMFLOW_DATABASE_URL"])
    with blocked(login.with_database(f"{names}{suffix}"), statement) as reached:
        process = start(home, "restore", str(file), extra=variables)
        assert wait_for(lambda: reached() or process.poll() is not None)
        assert process.poll() is None, home.with_name("target.log").read_text()
        kill(process)
    ingest = ["ingest", str(tmp_path), "--as-of", "2024-01-31"]
    for arguments in (["models"], ["migrate"], ingest):
        done = command(home, *arguments, extra=variables)
        assert (done.returncode, "streamflow restore FILE' again" in done.stderr) == (13, True), (
            done.stderr
        )
    with open_platform(cluster.settings(names, home), must_be_migrated=False) as target:
        assert restore(target, file).revisions_verified == 6
        assert database_digest(target.connection, [*OURS, "feast"]) == database_digest(
            loaded.connection, [*OURS, "feast"]
        )
        assert target.connection.execute(
            "SELECT to_regnamespace('streamflow_restore')"
        ).fetchone() == (None,)


def test_an_interrupted_backup_leaves_no_file_that_looks_like_one(
    loaded: Platform, cluster: Cluster, tmp_path: Path
) -> None:
    file, partial = tmp_path / "state.backup", tmp_path / "state.backup.partial"
    variables = cluster.variables(loaded.login.database, loaded.home)
    lock = "LOCK TABLE streamflow.ledger IN ACCESS EXCLUSIVE MODE"
    with blocked(loaded.login, lock) as reached:
        process = start(loaded.home, "backup", str(file), extra=variables)
        assert wait_for(reached)
        with pytest.raises(StreamflowError, match="another backup writes it"):
            backup(loaded, file)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert (file.exists(), partial.exists()) == (False, False)
        process = start(loaded.home, "backup", str(file), extra=variables)
        assert wait_for(reached)
        kill(process)
        assert (file.exists(), partial.exists()) == (False, True)
    done = command(loaded.home, "backup", str(file), extra=variables)
    assert done.returncode == 0, done.stderr
    assert (file.exists(), partial.exists()) == (True, False)
    assert check_backup(file).revisions == 6


def test_a_backup_holds_up_neither_a_reader_nor_a_training(
    loaded: Platform, cluster: Cluster, tmp_path: Path
) -> None:
    """During a dump a materialization waits, without a lock that delays a reader.

    A version is registered at the same time.
    """
    variables = cluster.variables(loaded.login.database, loaded.home)
    # A table that the dump reads, and neither a training nor a materialization.
    lock = "LOCK TABLE streamflow.api_key IN ACCESS EXCLUSIVE MODE"
    with blocked(loaded.login, lock) as reached:
        dumping = start(loaded.home, "backup", str(tmp_path / "state.backup"), extra=variables)
        assert wait_for(reached)
        swapping = start(loaded.home, "materialize", extra=variables)
        with psycopg.connect(loaded.address.conninfo(), autocommit=True) as reader:
            assert wait_for(lambda: reader.execute(ADVISORY).fetchone() == (1,))
            reader.execute("SET lock_timeout = '5s'; SELECT count(*) FROM online.subs_profile_fv")
        assert train(loaded, JANUARY).version == 1
    assert (dumping.wait(), swapping.wait()) == (0, 0)


def test_a_version_is_backed_up_with_its_passport_or_not_at_all(
    loaded: Platform, cluster: Cluster, tmp_path: Path
) -> None:
    """A training that MLflow knows of, and whose passport is not written yet, is waited for."""
    file, variables = (
        tmp_path / "state.backup",
        cluster.variables(loaded.login.database, loaded.home),
    )
    with blocked(
        loaded.login, "LOCK TABLE streamflow.passport IN SHARE MODE"
    ) as reached:  # a backup could read it
        training = start(
            loaded.home,
            "train",
            "--as-of",
            "2024-01-31",
            extra={**variables, "STREAMFLOW_TREES": "10"},
        )
        assert wait_for(reached)
        assert loaded.models.version(1).stage == "None"
        backing_up = start(loaded.home, "backup", str(file), extra=variables)
        with psycopg.connect(loaded.address.conninfo(), autocommit=True) as other:
            assert wait_for(
                lambda: other.execute(ADVISORY).fetchone() == (1,) or backing_up.poll() is not None
            )
    assert (training.wait(), backing_up.wait()) == (0, 0)
    with archive.open_for_reading(file, BACKUP) as backed_up:
        assert [v.version for v in backed_up.manifest.versions] == [1]
        assert backed_up.manifest.ours["streamflow.passport"] == 1

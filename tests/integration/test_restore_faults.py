"""Faults around a backup and a restore: interruptions, files that vanish, manifests that lie."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

import pytest
from conftest import Cluster
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker
from support.states import JANUARY_TRAINED, in_state

from streamflow.core.versions.manifest import BACKUP_NAME
from streamflow.database import Address, connect, ensure_database, translate_errors
from streamflow.errors import BackupDamaged, DatabaseUnavailable, DiskFull, NotMigrated
from streamflow.files.archive import ArchiveWriter
from streamflow.models.mlflow_client import translate_mlflow_errors
from streamflow.platform import Platform, open_platform
from streamflow.settings import Settings
from streamflow.steps.upkeep.backup import add_artifacts, backup
from streamflow.steps.upkeep.restore import check_backup, restore


@pytest.fixture(scope="module")
def trained(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """An installation with one drop and one version, which no test changes."""
    home = tmp_path_factory.mktemp("trained") / "home"
    with in_state(cluster, JANUARY_TRAINED, simulated_drops, home) as platform:
        yield platform


@pytest.fixture(scope="module")
def file(trained: Platform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of this installation."""
    path = tmp_path_factory.mktemp("backup") / "state.backup"
    backup(trained, path)
    return path


@pytest.fixture
def empty(cluster: Cluster, tmp_path: Path) -> Iterator[Settings]:
    """An installation with two empty databases."""
    name = f"sf_test_{uuid4().hex[:12]}"
    for database in (name, f"{name}_mlflow"):
        ensure_database(cluster.address, database)
    yield cluster.settings(name, tmp_path / "home")
    cluster.drop(name)


def with_manifest(file: Path, to: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Copy a backup with a manifest that is changed."""
    with ZipFile(file) as old, ZipFile(to, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == BACKUP_NAME:
                manifest = json.loads(content)
                change(manifest)
                content = json.dumps(manifest).encode()
            new.writestr(name, content)
    return to


def interrupt_at(words: str) -> Callable[[str], None]:
    """Return a function for progress lines that behaves like Ctrl-C at a certain line."""

    def notify(line: str) -> None:
        if words in line:
            raise KeyboardInterrupt

    return notify


def test_a_restore_that_was_not_verified_blocks_all_until_it_is(
    file: Path, empty: Settings
) -> None:
    """The interrupt comes after the commit, and before any digest is computed again."""
    notify = interrupt_at("analyzing the tables")
    with (
        pytest.raises(KeyboardInterrupt),
        open_platform(empty, must_be_migrated=False, notify=notify) as platform,
    ):
        restore(platform, file)
    with (
        pytest.raises(NotMigrated, match="was not verified(.|\n)*'streamflow restore FILE' again"),
        open_platform(empty),
    ):
        pass
    lines: list[str] = []
    with open_platform(empty, must_be_migrated=False, notify=lines.append) as platform:
        receipt = restore(platform, file)
        assert (receipt.revisions_verified, receipt.models_verified) == (6, 1)
    assert not [line for line in lines if line.startswith("restoring")]
    with open_platform(empty) as platform:
        assert platform.models.version(1).version == 1


def test_only_the_file_that_was_restored_verifies_it(
    file: Path, empty: Settings, tmp_path: Path
) -> None:
    """The name of a digest is changed, so the file looks like a backup of different rows."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["revisions"][0]["digest"] = "0" * 64

    other = with_manifest(file, tmp_path / "other.backup", change)
    with open_platform(empty, must_be_migrated=False) as platform:
        for _ in range(2):
            with pytest.raises(BackupDamaged, match="differ: (.|\n)*The restore is not verified"):
                restore(platform, other)
        assert restore(platform, file).revisions_verified == 6


MISTAKES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a revision is left out": (
        lambda manifest: manifest["revisions"].pop(),
        "it names 5 frozen revisions, and the database of the backup has 6",
    ),
    "a revision is named twice": (
        lambda manifest: manifest["revisions"].append(manifest["revisions"][0]),
        "it names 6 frozen revisions",
    ),
    "a size is negative": (
        lambda manifest: manifest["members"]["postgres/mlflow.sql"].update(bytes=-1),
        r"members.postgres/mlflow.sql.bytes: Input should be greater than or equal to 0",
    ),
    "a size is wrong": (
        lambda manifest: manifest["members"]["postgres/mlflow.sql"].update(bytes=7),
        r"postgres/mlflow.sql: it has [\d,]+ bytes, the manifest says 7",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_manifest_that_lies_is_refused(file: Path, tmp_path: Path, mistake: str) -> None:
    change, words = MISTAKES[mistake]
    damaged = with_manifest(file, tmp_path / "damaged.backup", change)
    with pytest.raises(BackupDamaged, match=words):
        check_backup(damaged)


class DeletingWriter(ArchiveWriter):
    """Deletes a folder of artifacts when the first file is packed, as `prune` may do."""

    def __init__(self, archive: ZipFile, folder: Path) -> None:
        super().__init__(archive)
        self._folder = folder

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        super().add(name, chunks)


def test_files_that_are_deleted_while_they_are_packed_are_left_out(tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    for run in ("1", "2"):
        (artifacts / run).mkdir(parents=True)
        for name in ("a", "b"):
            (artifacts / run / name).write_text(f"{run} {name}")
    with ZipFile(tmp_path / "archive", "w") as archive:
        writer = DeletingWriter(archive, artifacts / "2")
        add_artifacts(writer, artifacts, lambda _: None)
        assert list(writer.members) == ["artifacts/1/a", "artifacts/1/b"]
        assert archive.namelist() == ["artifacts/1/a", "artifacts/1/b"]


@pytest.mark.parametrize("message", ["MLflow's store cannot be reached", "connection failed"])
def test_a_server_that_ended_on_a_full_disk_is_a_full_disk(message: str) -> None:
    address = Address(parameters={"dbname": "streamflow"})
    log = "PANIC:  could not write to file: No space left on device"
    with pytest.raises(DiskFull, match="No space left"), translate_errors(address, lambda: log):
        raise DatabaseUnavailable(message)
    with pytest.raises(DatabaseUnavailable), translate_errors(address, lambda: "shut down"):
        raise DatabaseUnavailable(message)


def test_a_full_disk_that_mlflow_reports_is_a_full_disk() -> None:
    from mlflow.exceptions import MlflowException

    words = "[Errno 28] No space left on device: '/srv/artifacts/1'"
    with pytest.raises(DiskFull, match="No space left"), translate_mlflow_errors():
        raise MlflowException(words)


def test_mlflow_tries_for_seconds_and_prints_nothing(
    caplog: pytest.LogCaptureFixture, trained: Platform
) -> None:
    """Nothing listens at this address. MLflow itself would try for 100 seconds."""
    from mlflow.store.db import utils

    trained.models.versions()
    with connect(trained.address), pytest.raises(Exception, match="refused"):
        utils.create_sqlalchemy_engine_with_retry("postgresql+psycopg2://x@127.0.0.1:1/x")
    assert "retried" not in caplog.text


def use_ended_session(session: Session, platform: Platform) -> None:
    """PostgreSQL ends a session, and then it is used again."""
    pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with connect(platform.login, autocommit=True) as administrator:
        administrator.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
    session.execute(text("SELECT 1"))


def test_mlflow_prints_nothing_of_a_lost_connection(
    caplog: pytest.LogCaptureFixture, trained: Platform
) -> None:
    """PostgreSQL ends the session in the middle of a statement."""
    from mlflow.store.db import utils
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    trained.models.versions()
    engine = SqlAlchemyStore._get_or_create_engine(trained.tracking_uri)
    session = utils._get_managed_session_maker(sessionmaker(bind=engine), "postgresql")
    with (
        pytest.raises(DatabaseUnavailable),
        translate_mlflow_errors(),
        session() as opened,
    ):
        use_ended_session(opened, trained)
    assert caplog.text == ""

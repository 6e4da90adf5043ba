"""restore: make a backup the state of this installation, in its state folder and its databases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from streamflow.core.versions.manifest import BACKUP_NAME, BackupManifest, parse_backup
from streamflow.database import connect, ensure_database, run_sql
from streamflow.errors import ArtifactUntrusted, SnapshotDamaged, StreamflowError
from streamflow.files import archive
from streamflow.files.home_catalog import remember_catalog
from streamflow.models import artifact_locations
from streamflow.platform import Platform
from streamflow.progress import MB, Progress
from streamflow.steps.upkeep.backup_content import (
    ARTIFACTS,
    MLFLOW_DUMP,
    OUR_DUMP,
    PREFECT,
    BackupContent,
    mlflow_address,
    report_progress,
    summarize,
)
from streamflow.steps.upkeep.restore_checks import (
    find_open_points,
    refuse_newer,
    refuse_occupied,
    require_recorded_content,
    require_whole_manifest,
    verify_restored,
)
from streamflow.warehouse import whole_database
from streamflow.warehouse.migrate import (
    check_encoding,
    grant_database,
    lock_migration,
    translate_permission_errors,
)
from streamflow.warehouse.roles import ensure_roles

Notify = Callable[[str], None]
Reader = archive.ArchiveReader[BackupManifest]

BACKUP = archive.ArchiveKind(
    noun="backup",
    command="streamflow backup",
    manifest=BACKUP_NAME,
    parse=parse_backup,
)


@dataclass(frozen=True, kw_only=True)
class RestoreReceipt:
    """What was restored, and what was verified afterwards.

    Attributes:
        backup: The content of the backup.
        home: The state folder that was filled.
        database: The database that was filled, for display.
        revisions_verified: The number of frozen revisions whose digest was computed again: all.
        models_verified: The number of versions whose model file was verified.
        notes: What is left to do, and which files were not restored.
    """

    backup: BackupContent
    home: Path
    database: str
    revisions_verified: int
    models_verified: int
    notes: tuple[str, ...]
    seconds: float


def check_backup(file: Path, *, notify: Notify = lambda _: None) -> BackupContent:
    """Verify every byte of a backup and summarize it. Nothing is restored.

    Raises:
        BackupDamaged: The file is not an intact backup.
    """
    begin = time.monotonic()
    with archive.open_for_reading(file, BACKUP) as reader:
        require_whole_manifest(reader.manifest)
        _verify(reader, notify)
        return summarize(file, reader.manifest, notes=(), seconds=time.monotonic() - begin)


def restore(platform: Platform, file: Path) -> RestoreReceipt:
    """Make the backup the state of this empty installation.

    The transaction that fills our database comes last, and then every digest is verified. If a
    restore is interrupted before this transaction ends, the next one starts over. If it is
    interrupted afterwards, the next one only verifies. Until then no command works here.

    Raises:
        BackupDamaged: The backup is damaged. Nothing was touched.
        RestoreRefused: Something is here already.
        SnapshotDamaged, ArtifactUntrusted: Something was damaged before the backup was made.
        PermissionMissing: The login user does not have a right. The error gives the SQL for it.
    """
    begin = time.monotonic()
    with archive.open_for_reading(file, BACKUP) as reader:
        manifest = reader.manifest
        require_whole_manifest(manifest)
        refuse_newer(platform, manifest)
        _verify(reader, platform.notify)
        content = summarize(file, manifest, notes=(), seconds=0.0)
        file_notes = _restore_when_empty(platform, reader)
    platform.notify("analyzing the tables")
    for address in (platform.login, mlflow_address(platform)):
        with connect(address, autocommit=True) as connection:
            connection.execute("SET client_min_messages = error; ANALYZE")
    models_verified = _verify_stored(platform, manifest)
    if manifest.catalog_digest == platform.catalog.digest:
        remember_catalog(platform.home, platform.catalog_file)
    return RestoreReceipt(
        backup=content,
        home=platform.home,
        database=platform.login.display,
        revisions_verified=len(manifest.revisions),
        models_verified=models_verified,
        notes=(*file_notes, *find_open_points(platform, manifest)),
        seconds=time.monotonic() - begin,
    )


def _verify_stored(platform: Platform, manifest: BackupManifest) -> int:
    """Verify what is stored now, and then let the other commands work here.

    Damage from before the backup is reported as an error, but it does not block the installation:
    the restore was verified. Returns the number of model files that were verified.
    """
    require_recorded_content(platform, manifest)
    try:
        models_verified = verify_restored(platform, manifest)
    except (SnapshotDamaged, ArtifactUntrusted):
        _mark_verified(platform)
        raise
    _mark_verified(platform)
    return models_verified


def _mark_verified(platform: Platform) -> None:
    with connect(platform.login, autocommit=True) as connection:
        whole_database.mark_restore_verified(connection)


def _verify(reader: Reader, notify: Notify) -> None:
    """Read every member of the backup. Reading compares it with its digest."""
    members = reader.manifest.members
    total = sum(member.bytes for member in members.values())
    progress = Progress(notify, "verifying the backup", total, unit="MB", per=MB)
    for name in members:
        for chunk in reader.chunks(name):
            progress.add(len(chunk))


def _restore_when_empty(platform: Platform, reader: Reader) -> list[str]:
    """Restore under the lock of migrations, after a check that the installation is empty.

    Nothing is restored if an earlier restore was complete, and only its verification is missing.
    """
    for name in (platform.login.database, platform.settings.mlflow_database):
        ensure_database(platform.login, name)
    with (
        connect(platform.login, autocommit=True) as connection,
        lock_migration(connection),
        translate_permission_errors(platform.login),
    ):
        check_encoding(connection)
        if whole_database.is_restore_unverified(connection):
            return []
        refuse_occupied(platform, reader.manifest, connection)
        with _error_says_unfinished():
            return _restore_all(platform, reader, connection)


@contextmanager
def _error_says_unfinished() -> Iterator[None]:
    """Let every error from here on say that the restore is unfinished, and what to do."""
    try:
        yield
    except StreamflowError as error:
        error.state = "The restore is unfinished, and every other command refuses to work here."
        error.remedy = "Remove the cause, then run 'streamflow restore FILE' again: it starts over."
        raise


def _restore_all(platform: Platform, reader: Reader, connection: psycopg.Connection) -> list[str]:
    """Restore the files, then MLflow's database, then ours; return notes about the files.

    Each is restored completely or not at all. Ours marks the restore as complete, not verified.
    """
    manifest = reader.manifest
    server = connection.info.server_version
    ensure_roles(connection)
    grant_database(platform.login, platform.settings.mlflow_database)
    whole_database.mark_restore_unfinished(connection)
    notes = _restore_files(platform, reader)
    target = artifact_locations.location_prefix(platform.tracking_uri, platform.home / "artifacts")
    relocation = artifact_locations.rewrite_statements(manifest.artifact_roots, target)
    run_sql(
        mlflow_address(platform),
        server,
        first_sql=whole_database.DROP_MLFLOW_TABLES_SQL,
        dump=_read_dump(platform, reader, MLFLOW_DUMP, "restoring MLflow's database"),
        last_sql=f"{relocation}\n{whole_database.row_count_checks_sql(manifest.mlflows)}",
    )
    row_check = whole_database.row_count_checks_sql(manifest.ours)
    run_sql(
        platform.login,
        server,
        first_sql="",
        dump=_read_dump(platform, reader, OUR_DUMP, "restoring streamflow's database"),
        last_sql=f"{whole_database.SET_OWNERS_SQL}\n{row_check}"
        f"\n{whole_database.MARK_RESTORED_SQL}",
    )
    return notes


def _read_dump(platform: Platform, reader: Reader, name: str, title: str) -> Iterator[bytes]:
    """Read a dump from the backup, and report the progress."""
    total = reader.manifest.members[name].bytes
    return report_progress(reader.chunks(name), title, platform.notify, total=total)


def _restore_files(platform: Platform, reader: Reader) -> list[str]:
    """Write the artifacts, and Prefect's run history unless the state folder has one already.

    Returns:
        A note about a run history that was left as it was, if there is one.
    """
    members = {
        name: member
        for name, member in reader.manifest.members.items()
        if name.startswith(ARTIFACTS) or name == PREFECT
    }
    total = sum(member.bytes for member in members.values())
    progress = Progress(platform.notify, "unpacking artifacts", total, unit="MB", per=MB)
    for name, member in members.items():
        path = platform.home / name
        if not path.exists():
            archive.write_file(path, reader.chunks(name))
        progress.add(member.bytes)
    prefect = platform.home / PREFECT
    if PREFECT in members and archive.compute_digest(prefect) != members[PREFECT].sha256:
        return [
            f"{prefect} exists and was left as it is: the backup's run history was not restored"
        ]
    return []

"""backup: write the whole state of an installation into one file, while everything runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from streamflow import __version__
from streamflow.core.versions.manifest import (
    BACKUP_FORMAT,
    BACKUP_NAME,
    BackupManifest,
    FrozenRevision,
    dump_manifest,
)
from streamflow.core.versions.version_files import MODEL
from streamflow.database import Snapshot, connect, server_version, snapshot
from streamflow.errors import NotMigrated, SettingsInvalid, SnapshotMissing
from streamflow.features.live_tables import keep_live_tables
from streamflow.files import archive
from streamflow.files.scratch_folders import open_scratch_folder
from streamflow.files.sqlite_files import copy_database
from streamflow.models import artifact_locations
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.steps.data.loaded_rows import hold_loaded_rows, load
from streamflow.steps.upkeep.backup_content import (
    ARTIFACTS,
    CATALOG,
    MLFLOW_DUMP,
    OUR_DUMP,
    PREFECT,
    BackupContent,
    mlflow_address,
    read_artifact_locations,
    read_registered_versions,
    report_progress,
    summarize,
)
from streamflow.warehouse import frozen, installation, lake_revisions, ledger, whole_database


def backup(platform: Platform, file: Path, *, force: bool = False) -> BackupContent:
    """Write the databases, the artifacts and Prefect's run history into one file.

    The file is written completely or not at all. Both databases are as they were at one moment,
    at which no version was half registered or half promoted. The artifact files are read after
    the databases, so that every file that the databases name is in the backup.

    Args:
        force: Replace a file that exists.

    Raises:
        StreamflowError: The file exists, and `force` is not set.
        NotMigrated: The database is empty.
    """
    begin = time.monotonic()
    state = installation.read_installation(platform.login)
    if state is None:
        raise NotMigrated("there is nothing to back up: the database is empty")
    artifacts = platform.home / "artifacts"
    _refuse_inside(file, artifacts)
    _load_lake(platform)
    with archive.open_for_writing(file, replace=force) as writer:
        with _snapshot_both_databases(platform) as (ours, mlflow):
            manifest = _build_manifest(platform, state, ours, mlflow)
            locations = read_artifact_locations(mlflow.connection)
            _add_dumps(writer, ours, mlflow, platform.notify)
        add_artifacts(writer, artifacts, platform.notify)
        _add_prefect(writer, platform.home)
        if platform.catalog_file.source is not None:
            writer.add(CATALOG, [platform.catalog_file.text.encode()])
        manifest = replace(manifest, members=dict(writer.members))
        writer.finish(BACKUP_NAME, dump_manifest(manifest))
    outside = artifact_locations.find_outside_stores(locations, manifest.artifact_roots)
    outside_notes = [
        f"MLflow names files at {location}, and they are not in this backup" for location in outside
    ]
    return summarize(
        file,
        manifest,
        missing=_find_missing(manifest),
        notes=(*_find_absent_history(manifest), *outside_notes),
        seconds=time.monotonic() - begin,
    )


def _load_lake(platform: Platform) -> None:
    """Load the rows that lie in the lake, so that the backup can be restored where no lake is."""
    if not lake_revisions.has_lake_tables(platform.connection):
        return
    hold_loaded_rows(platform)
    load(platform, lake_revisions.unloaded_revisions(platform.connection))


def _refuse_inside(file: Path, folder: Path) -> None:
    """Raise SettingsInvalid when the backup file would lie in the folder that it has to hold."""
    if file.resolve().is_relative_to(folder.resolve()):
        raise SettingsInvalid(
            f"{file}: a backup cannot lie among the artifacts that it holds",
            remedy="Name a file outside of that folder.",
        )


@contextmanager
def _snapshot_both_databases(platform: Platform) -> Iterator[tuple[Snapshot, Snapshot]]:
    """Open a snapshot of each database, both of the same moment.

    A materialization has to wait until the dumps are made: its swap of tables would wait for them
    anyway. The lock of the ledger comes before that of the live tables: see `database.locks`.
    """
    with ExitStack() as open_contexts:
        with (
            connect(platform.address, autocommit=True) as connection,
            ledger.lock_ledger(connection),
        ):
            open_contexts.enter_context(keep_live_tables(platform.connection))
            ours = open_contexts.enter_context(snapshot(platform.login))
            mlflow = open_contexts.enter_context(snapshot(mlflow_address(platform)))
        yield ours, mlflow


def _build_manifest(
    platform: Platform,
    state: installation.MigratedState,
    ours: Snapshot,
    mlflow: Snapshot,
) -> BackupManifest:
    """Build the manifest, still without its members.

    Counting the rows locks every table as well, so that nobody alters a table before it is dumped.
    """
    tables_schema = _read_mlflow_schema(mlflow)
    roles = {
        *whole_database.foreign_roles(ours.connection, whole_database.SCHEMAS),
        *whole_database.foreign_roles(mlflow.connection, whole_database.MLFLOW_SCHEMAS),
    }
    return BackupManifest(
        format=BACKUP_FORMAT,
        streamflow=__version__,
        created=datetime.now(UTC),
        postgresql=server_version(ours.connection),
        schema_version=state.schema_version,
        catalog_digest=state.catalog_digest,
        key=platform.catalog.entity.key,
        mlflow=(version("mlflow"), tables_schema),
        artifact_roots=artifact_locations.location_prefixes(platform.home / "artifacts"),
        roles=tuple(sorted(roles)),
        members={},
        ours=whole_database.row_counts(ours.connection, whole_database.SCHEMAS),
        mlflows=whole_database.row_counts(mlflow.connection, whole_database.MLFLOW_SCHEMAS),
        revisions=_read_revisions(ours),
        versions=read_registered_versions(mlflow.connection),
    )


def _read_mlflow_schema(mlflow: Snapshot) -> str:
    """Read the version of MLflow's tables. Raises SettingsInvalid when there are no such tables."""
    query = "SELECT to_regclass('public.alembic_version')"
    if mlflow.connection.execute(query).fetchone() == (None,):
        database = mlflow.address.database
        raise SettingsInvalid(
            "setting 'mlflow_database': MLflow's tables are not in the database "
            f"'{database}' of this server",
            remedy="Name the database of the MLflow server that is in use.",
        )
    row = mlflow.connection.execute(artifact_locations.SCHEMA_QUERY).fetchone()
    assert row is not None
    schema: str = row[0]
    return schema


def _read_revisions(ours: Snapshot) -> tuple[FrozenRevision, ...]:
    """Read every frozen revision with its digest. Raises SnapshotMissing if rows are not loaded."""
    has_lake = lake_revisions.has_lake_tables(ours.connection)
    if has_lake and lake_revisions.unloaded_revisions(ours.connection):
        raise SnapshotMissing(
            "rows of a revision are in the lake only: it was frozen while the backup began",
            state="No backup was made.",
            remedy="Run the command again.",
        )
    return tuple(
        FrozenRevision(
            table=revision.table,
            as_of=revision.as_of,
            revision=revision.revision,
            rows=revision.rows,
            digest=revision.digest,
        )
        for revision in frozen.all_revisions(ours.connection)
    )


def _add_dumps(
    writer: archive.ArchiveWriter,
    ours: Snapshot,
    mlflow: Snapshot,
    notify: Callable[[str], None],
) -> None:
    """Add the SQL dumps of both databases."""
    our_dump = ours.dump(whole_database.PG_DUMP_SELECTION)
    writer.add(OUR_DUMP, report_progress(our_dump, "dumping streamflow's database", notify))
    mlflow_dump = mlflow.dump(whole_database.mlflow_selection(mlflow.connection))
    writer.add(MLFLOW_DUMP, report_progress(mlflow_dump, "dumping MLflow's database", notify))


def add_artifacts(
    writer: archive.ArchiveWriter,
    folder: Path,
    notify: Callable[[str], None],
) -> None:
    """Add every file below the folder of the artifacts.

    `prune` may delete files of deleted versions meanwhile. `_find_missing` reports what a version
    needs and the backup does not have.
    """
    paths = list(archive.files_below(folder))
    progress = Progress(notify, "packing artifacts", len(paths), unit="files")
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # it was deleted since the folder was listed
        with file:
            # An open file can be read to its end, also when it is deleted meanwhile.
            writer.add(f"{ARTIFACTS}{name}", archive.read_open_file(file))
        progress.add(1)


def _add_prefect(writer: archive.ArchiveWriter, home: Path) -> None:
    """Add Prefect's run history if it is in the state folder.

    A Prefect server of your own keeps its run history itself.
    """
    source = home / PREFECT
    if source.is_file():
        with open_scratch_folder(home / "tmp") as folder:
            copy = folder / source.name
            copy_database(source, copy)
            writer.add(PREFECT, archive.read_chunks(copy))


def _find_missing(manifest: BackupManifest) -> Iterator[str]:
    """Name each version whose registered model file is not in the backup.

    A file in a different store, such as s3://bucket, is not missing: the store keeps it.
    """
    for registered in manifest.versions:
        version_name = f"version {registered.version} of {registered.name}"
        path = artifact_locations.relative_path(registered.location, manifest.artifact_roots)
        if not registered.model_digest:
            continue
        if path is None:
            if artifact_locations.local_path(registered.location):
                yield (
                    f"{version_name}: its model file is not below the artifacts of this state"
                    f" folder, but at {registered.location}"
                )
            continue
        member = manifest.members.get(f"{ARTIFACTS}{path}/{MODEL.name}")
        if member is None or member.sha256 != registered.model_digest:
            problem = "damaged" if member else "missing"
            yield f"{version_name}: its model file is {problem}"


def _find_absent_history(manifest: BackupManifest) -> Iterator[str]:
    """Say whether the backup has no run history of Prefect."""
    if PREFECT not in manifest.members:
        yield "the state folder has no run history of Prefect"

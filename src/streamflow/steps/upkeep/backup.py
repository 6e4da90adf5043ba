"""backup: the whole state in one file, while everything runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from streamflow import __version__
from streamflow.core.versions.manifest import (
    BACKUP_FORMAT,
    BACKUP_NAME,
    FrozenRevision,
    Manifest,
    RegisteredVersion,
    to_json,
)
from streamflow.database import Snapshot, connect, server_version, snapshot
from streamflow.errors import NotMigrated, SettingsInvalid
from streamflow.features.live_tables import live_tables_kept
from streamflow.files import archive
from streamflow.files.sqlite_files import copy_database
from streamflow.models import artifact_locations
from streamflow.models.model_file import FILE as MODEL_FILE
from streamflow.platform import Platform
from streamflow.progress import MB, Progress
from streamflow.warehouse import frozen, installation, ledger, whole_database

OURS, MLFLOWS = "postgres/streamflow.sql", "postgres/mlflow.sql"
ARTIFACTS, PREFECT, CATALOG = "artifacts/", "prefect/prefect.db", "catalog.toml"


@dataclass(frozen=True, kw_only=True)
class BackupContent:
    """What a backup holds. `notes` says what a reader must know, such as files that are not in it."""

    file: Path
    sha256: str
    bytes: int
    created: datetime
    postgresql: str
    schema_version: str
    tables: int
    rows: int
    revisions: int
    versions: tuple[RegisteredVersion, ...]
    artifacts: int
    prefect: bool
    notes: tuple[str, ...]
    seconds: float


def backup(
    platform: Platform,
    file: Path,
    *,
    force: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> BackupContent:
    """Write the databases, the artifacts and Prefect's run history into one file, whole or not at all.

    Both databases are as they were at one moment at which no version was half registered or promoted; files come after, so
    that every file that the databases name is there. Raises StreamflowError when there is a file, unless `force`.
    """
    begin = time.monotonic()
    found = installation.state(platform.login)
    if found is None:
        raise NotMigrated("there is nothing to back up: the database is empty")
    _refuse_inside(file, platform.home / "artifacts")
    with archive.writing(file, replace=force) as writer:
        with _both_databases(platform) as (ours, mlflow):
            manifest = _manifest(platform, found, ours, mlflow)
            places = [place for (place,) in mlflow.connection.execute(artifact_locations.LOCATIONS)]
            writer.add(
                OURS,
                _told(
                    ours.dump(whole_database.OUR_SELECTION), "dumping streamflow's database", notify
                ),
            )
            writer.add(
                MLFLOWS,
                _told(
                    mlflow.dump(whole_database.mlflow_selection(mlflow.connection)),
                    "dumping MLflow's database",
                    notify,
                ),
            )
        _add_artifacts(writer, platform.home / "artifacts", notify)
        _add_prefect(writer, platform.home)
        if platform.settings.catalog:
            writer.add(CATALOG, archive.file_chunks(platform.settings.catalog))
        manifest = Manifest(**{**vars(manifest), "members": dict(writer.members)})
        writer.finish(BACKUP_NAME, to_json(manifest))
    outside = artifact_locations.elsewhere(places, manifest.artifact_roots)
    return content(
        file,
        manifest,
        notes=(*_notes(manifest), *map(_outside, outside)),
        seconds=time.monotonic() - begin,
    )


def _refuse_inside(file: Path, folder: Path) -> None:
    if file.resolve().is_relative_to(folder.resolve()):
        raise SettingsInvalid(
            f"{file}: a backup cannot lie among the artifacts that it holds",
            remedy="Name another file.",
        )


@contextmanager
def _both_databases(platform: Platform) -> Iterator[tuple[Snapshot, Snapshot]]:
    """Both databases at one moment. A materialization waits until the dumps are made: its swap would wait for them anyway."""
    theirs = platform.address.with_database(platform.settings.mlflow_database)
    with ExitStack() as held:
        held.enter_context(live_tables_kept(platform.connection))
        with connect(platform.address, autocommit=True) as connection, ledger.alone(connection):
            ours, mlflow = (
                held.enter_context(snapshot(platform.login)),
                held.enter_context(snapshot(theirs)),
            )
        yield ours, mlflow


def _manifest(
    platform: Platform, found: installation.Installation, ours: Snapshot, mlflow: Snapshot
) -> Manifest:
    """All but the members. Counting locks every table as well: none is altered before it is dumped."""
    if mlflow.connection.execute("SELECT to_regclass('public.alembic_version')").fetchone() == (
        None,
    ):
        raise SettingsInvalid(
            f"setting 'mlflow_database': MLflow's tables are not in the database '{mlflow.address.database}' of this server",
            remedy="Name the database of the MLflow server that is in use.",
        )
    row = mlflow.connection.execute(artifact_locations.SCHEMA).fetchone()
    assert row is not None
    return Manifest(
        format=BACKUP_FORMAT,
        streamflow=__version__,
        created=datetime.now(UTC),
        postgresql=server_version(ours.connection),
        schema_version=found.schema_version,
        catalog_digest=found.catalog_digest,
        key=platform.catalog.entity.key,
        mlflow=(version("mlflow"), row[0]),
        artifact_roots=artifact_locations.roots(platform.home / "artifacts"),
        roles=tuple(
            sorted(
                {
                    *whole_database.foreign_roles(ours.connection, whole_database.SCHEMAS),
                    *whole_database.foreign_roles(mlflow.connection, whole_database.MLFLOWS),
                }
            )
        ),
        members={},
        ours=whole_database.row_counts(ours.connection, whole_database.SCHEMAS),
        mlflows=whole_database.row_counts(mlflow.connection, whole_database.MLFLOWS),
        revisions=tuple(
            FrozenRevision(
                table=r.table, as_of=r.as_of, revision=r.revision, rows=r.rows, digest=r.digest
            )
            for r in frozen.all_revisions(ours.connection)
        ),
        versions=registered(mlflow.connection),
    )


def registered(connection: psycopg.Connection) -> tuple[RegisteredVersion, ...]:
    """Every version that MLflow's tables hold."""
    return tuple(
        RegisteredVersion(
            name=name, version=number, stage=stage, location=location, model_digest=digest
        )
        for name, number, stage, location, digest in connection.execute(artifact_locations.VERSIONS)
    )


def _told(chunks: Iterable[bytes], what: str, notify: Callable[[str], None]) -> Iterator[bytes]:
    progress = Progress(notify, what, 0, unit="MB", per=MB)
    for chunk in chunks:
        progress.add(len(chunk))
        yield chunk


def _add_artifacts(writer: archive.Writer, folder: Path, notify: Callable[[str], None]) -> None:
    paths = list(archive.files_below(folder))
    progress = Progress(
        notify, "packing artifacts", sum(p.stat().st_size for p in paths), unit="MB", per=MB
    )
    for path in paths:
        writer.add(f"{ARTIFACTS}{path.relative_to(folder).as_posix()}", archive.file_chunks(path))
        progress.add(path.stat().st_size)


def _add_prefect(writer: archive.Writer, home: Path) -> None:
    """Prefect's run history, where it is kept in the state folder; a server of your own keeps its own."""
    source = home / PREFECT
    if source.is_file():
        (home / "tmp").mkdir(exist_ok=True)
        with TemporaryDirectory(dir=home / "tmp") as folder:
            copy_database(source, Path(folder, source.name))
            writer.add(PREFECT, archive.file_chunks(Path(folder, source.name)))


def _notes(manifest: Manifest) -> Iterator[str]:
    """Versions whose model is not in the backup as it was registered, and what else is missing."""
    for one in manifest.versions:
        path = artifact_locations.relative(one.location, manifest.artifact_roots)
        if path is None or not one.model_digest:
            continue
        member = manifest.members.get(f"{ARTIFACTS}{path}/{MODEL_FILE}")
        if member is None or member.sha256 != one.model_digest:
            yield f"version {one.version} of {one.name}: its model file is {'damaged' if member else 'missing'}"
    if PREFECT not in manifest.members:
        yield "no run history of Prefect is in the state folder"


def _outside(place: str) -> str:
    return f"files at {place} are named by MLflow and are not in this backup"


def content(
    file: Path, manifest: Manifest, *, notes: Iterable[str], seconds: float
) -> BackupContent:
    """What a backup holds, from its manifest and its file."""
    return BackupContent(
        file=file,
        sha256=archive.digest_of(file),
        bytes=file.stat().st_size,
        created=manifest.created,
        postgresql=manifest.postgresql,
        schema_version=manifest.schema_version,
        tables=len(manifest.ours) + len(manifest.mlflows),
        rows=sum(manifest.ours.values()) + sum(manifest.mlflows.values()),
        revisions=len(manifest.revisions),
        versions=manifest.versions,
        artifacts=sum(name.startswith(ARTIFACTS) for name in manifest.members),
        prefect=PREFECT in manifest.members,
        notes=tuple(notes),
        seconds=seconds,
    )

"""What a backup file holds: the names of its members, and a summary for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

from streamflow.core.versions.manifest import BackupManifest, RegisteredVersion
from streamflow.database import Address
from streamflow.files import archive
from streamflow.models import artifact_locations
from streamflow.platform import Platform
from streamflow.progress import MB, Progress

OUR_DUMP = "postgres/streamflow.sql"
MLFLOW_DUMP = "postgres/mlflow.sql"
ARTIFACTS = "artifacts/"
PREFECT = "prefect/prefect.db"
CATALOG = "catalog.toml"


@dataclass(frozen=True, kw_only=True)
class BackupContent:
    """A summary of the content of a backup.

    Attributes:
        sha256: The digest of the backup file.
        bytes: The size of the backup file.
        tables: The number of tables of both databases.
        rows: The number of rows of both databases.
        revisions: The number of frozen revisions.
        artifacts: The number of artifact files.
        prefect: Whether Prefect's run history is in the backup.
        missing: The versions whose model file is not in the backup, although it is a file of this
            machine. Empty for a backup that is complete.
        notes: What a reader must know, such as files that lie in a different store.
        seconds: How long the step took.
    """

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
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float


def summarize(
    file: Path,
    manifest: BackupManifest,
    *,
    missing: Iterable[str] = (),
    notes: Iterable[str] = (),
    seconds: float,
) -> BackupContent:
    """Summarize a backup from its manifest and its file."""
    return BackupContent(
        file=file,
        sha256=archive.compute_digest(file),
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
        missing=tuple(missing),
        notes=tuple(notes),
        seconds=seconds,
    )


def mlflow_address(platform: Platform) -> Address:
    """Return the address of MLflow's database."""
    return platform.address.with_database(platform.settings.mlflow_database)


def read_registered_versions(connection: psycopg.Connection) -> tuple[RegisteredVersion, ...]:
    """Read every model version from MLflow's tables."""
    rows = connection.execute(artifact_locations.VERSIONS_QUERY)
    return tuple(
        RegisteredVersion(
            name=name,
            version=number,
            stage=stage,
            location=location,
            model_digest=digest,
        )
        for name, number, stage, location, digest in rows
    )


def read_artifact_locations(connection: psycopg.Connection) -> list[str]:
    """Read every location of files that MLflow's tables name."""
    return [location for (location,) in connection.execute(artifact_locations.LOCATIONS_QUERY)]


def report_progress(
    chunks: Iterable[bytes],
    title: str,
    notify: Callable[[str], None],
    *,
    total: int = 0,
) -> Iterator[bytes]:
    """Pass the chunks on, and report how many megabytes have passed.

    Args:
        title: What is being done, for the progress line.
        total: The number of bytes to come; 0 when it is not known.
    """
    progress = Progress(notify, title, total, unit="MB", per=MB)
    for chunk in chunks:
        progress.add(len(chunk))
        yield chunk

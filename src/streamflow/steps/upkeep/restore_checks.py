"""The checks around a restore: what it refuses beforehand, and what it verifies afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import psycopg
from packaging.version import Version

from streamflow.core.data.counts import count_of
from streamflow.core.versions.manifest import BACKUP_NAME, BackupManifest, RegisteredVersion
from streamflow.core.versions.version_files import MODEL
from streamflow.database import connect
from streamflow.errors import (
    ArtifactUntrusted,
    BackupDamaged,
    RestoreRefused,
    SnapshotDamaged,
)
from streamflow.files import archive
from streamflow.models import artifact_locations
from streamflow.platform import Platform
from streamflow.steps.data.frozen_checks import describe_damaged_revisions
from streamflow.steps.upkeep.backup_content import (
    ARTIFACTS,
    CATALOG,
    mlflow_address,
    read_artifact_locations,
    read_registered_versions,
)
from streamflow.warehouse import frozen, whole_database
from streamflow.warehouse.roles import SCHEMA_VERSION

MAX_NAMES_SHOWN = 3
NOT_VERIFIED = "The restore is not verified, and every other command refuses to work here."
RESTORED_AS_IN_BACKUP = "Everything was restored as the backup has it."


def require_whole_manifest(manifest: BackupManifest) -> None:
    """Check that a manifest names every frozen revision that it counts in the database.

    Raises:
        BackupDamaged: It leaves a revision out, or names one twice.
    """
    revision_keys = {(entry.table, entry.as_of, entry.revision) for entry in manifest.revisions}
    revision_count = manifest.ours.get("streamflow.revision", 0)
    if len(revision_keys) != revision_count or len(manifest.revisions) != revision_count:
        names_text = count_of(len(revision_keys), "frozen revision")
        raise BackupDamaged(
            f"{BACKUP_NAME}: it names {names_text}, and the database of the backup has"
            f" {revision_count:,}"
        )


def require_recorded_content(platform: Platform, manifest: BackupManifest) -> None:
    """Check that the restored databases hold the revisions and the versions of the manifest.

    Raises:
        BackupDamaged: They do not, or the file is not the one that was restored.
    """
    stored_content: set[tuple[object, ...]] = {
        (revision.table, revision.as_of, revision.revision, revision.rows, revision.digest)
        for revision in frozen.all_revisions(platform.connection)
    }
    manifest_content: set[tuple[object, ...]] = {
        (entry.table, entry.as_of, entry.revision, entry.rows, entry.digest)
        for entry in manifest.revisions
    }
    with connect(mlflow_address(platform), autocommit=True) as connection:
        stored_content |= _identify(read_registered_versions(connection))
    manifest_content |= _identify(manifest.versions)
    differences = stored_content ^ manifest_content
    if differences:
        first = " ".join(map(str, min(differences, key=str)))
        raise BackupDamaged(
            f"the restored databases and {BACKUP_NAME} differ: {first} is only in one of them",
            state=NOT_VERIFIED,
            remedy="Run 'streamflow restore FILE' with the file that was restored here, or remove"
            " this installation and restore a different backup.",
        )


def _identify(versions: Sequence[RegisteredVersion]) -> set[tuple[object, ...]]:
    return {(version.name, version.version, version.model_digest) for version in versions}


def refuse_newer(platform: Platform, manifest: BackupManifest) -> None:
    """Refuse a backup that newer code wrote, because this code would misread it.

    Raises:
        RestoreRefused: The backup has a newer schema or newer MLflow tables.
    """
    remedy = f"Install streamflow {manifest.streamflow} or newer."
    if manifest.schema_version > SCHEMA_VERSION:
        raise RestoreRefused(
            f"the backup has schema version {manifest.schema_version}, "
            f"this code knows {SCHEMA_VERSION}",
            remedy=remedy,
        )
    backup_mlflow, backup_schema = manifest.mlflow
    installed_mlflow = version("mlflow")
    is_newer_mlflow = Version(backup_mlflow) > Version(installed_mlflow)
    if is_newer_mlflow and platform.models.required_schema() not in (None, backup_schema):
        raise RestoreRefused(
            f"the backup has MLflow's tables of version {backup_mlflow}, "
            f"installed is {installed_mlflow}",
            remedy=remedy,
        )


def refuse_occupied(
    platform: Platform,
    manifest: BackupManifest,
    connection: psycopg.Connection,
) -> None:
    """Refuse an installation that is neither empty nor left by an interrupted restore.

    Raises:
        RestoreRefused: Something is here already, or the server does not have a role that the
            backup grants rights to.
    """
    contents = list(_find_contents(platform, manifest, connection))
    if contents:
        raise RestoreRefused(
            f"this installation is not empty: {'; '.join(contents)}",
            remedy=f"{RestoreRefused.remedy} To replace this installation, back it up, and "
            "then delete by hand what is named above.",
        )
    missing = whole_database.missing_roles(connection, manifest.roles)
    if missing:
        statements = " ".join(f'CREATE ROLE "{name}";' for name in missing)
        raise RestoreRefused(
            "the backup grants rights to roles that this server does not have: "
            f"{', '.join(missing)}",
            remedy=f"Run {statements}",
        )


def _find_contents(
    platform: Platform,
    manifest: BackupManifest,
    connection: psycopg.Connection,
) -> Iterator[str]:
    """Say what this installation holds already."""
    schemas = whole_database.existing_schemas(connection)
    if schemas:
        yield f"the database '{platform.login.database}' has the schemas {', '.join(schemas)}"
    if not whole_database.is_restore_unfinished(connection):
        mlflow_database = platform.settings.mlflow_database
        address = platform.login.with_database(mlflow_database)
        with connect(address, autocommit=True) as mlflow_connection:
            tables = whole_database.existing_tables(
                mlflow_connection,
                whole_database.MLFLOW_SCHEMAS,
            )
        if tables:
            yield f"the database '{mlflow_database}' has the tables {_shorten(tables)}"
    if files := [str(path) for path in _find_different_files(platform, manifest)]:
        yield f"different files lie where artifacts of the backup belong: {_shorten(files)}"


def _shorten(names: Sequence[str]) -> str:
    """List the first names, and say how many more there are."""
    shown = ", ".join(names[:MAX_NAMES_SHOWN])
    hidden_count = len(names) - MAX_NAMES_SHOWN
    return f"{shown} and {hidden_count:,} more" if hidden_count > 0 else shown


def _find_different_files(platform: Platform, manifest: BackupManifest) -> Iterator[Path]:
    """Find the files that lie in the place of an artifact of the backup and differ from it."""
    for name, member in manifest.members.items():
        path = platform.home / name
        if name.startswith(ARTIFACTS) and path.exists():
            same_size = path.stat().st_size == member.bytes
            if not same_size or archive.compute_digest(path) != member.sha256:
                yield path


def verify_restored(platform: Platform, manifest: BackupManifest) -> int:
    """Compute every digest again from what is stored now, and count the verified model files.

    Raises:
        SnapshotDamaged: Frozen rows do not have their digest. They were damaged before the backup.
        ArtifactUntrusted: A model file is not the registered one. It was damaged before the backup.
    """
    revisions = frozen.all_revisions(platform.connection)
    damages = describe_damaged_revisions(platform, revisions, manifest.key)
    if damages:
        raise SnapshotDamaged("\n".join(damages), state=RESTORED_AS_IN_BACKUP)
    with connect(mlflow_address(platform), autocommit=True) as connection:
        versions = read_registered_versions(connection)
    untrusted = []
    verified = 0
    for registered in versions:
        path = _find_model_file(platform, registered)
        if path is None:
            continue
        verified += 1
        if not path.is_file() or archive.compute_digest(path) != registered.model_digest:
            untrusted.append(str(registered.version))
    if untrusted:
        raise ArtifactUntrusted(
            f"the model files of these versions are not the registered ones: "
            f"{', '.join(untrusted)}",
            state=RESTORED_AS_IN_BACKUP,
        )
    return verified


def _find_model_file(platform: Platform, registered: RegisteredVersion) -> Path | None:
    """Return where the model file of a version lies.

    The result is None for a version that streamflow did not train, and for files that lie outside
    of the artifacts' folder.
    """
    path = artifact_locations.relative_path(registered.location, [_artifact_root(platform)])
    if path is None or not registered.model_digest:
        return None
    return platform.home / ARTIFACTS / path / MODEL.name


def _artifact_root(platform: Platform) -> str:
    """Return what the location of a file in the artifacts' folder begins with."""
    return artifact_locations.location_prefix(platform.tracking_uri, platform.home / "artifacts")


def find_open_points(platform: Platform, manifest: BackupManifest) -> Iterator[str]:
    """Say what a person still has to do after the restore, and which files are not here."""
    if manifest.schema_version != SCHEMA_VERSION:
        yield (
            f"the backup has schema version {manifest.schema_version}, this code has "
            f"{SCHEMA_VERSION}: run 'streamflow migrate'"
        )
    if manifest.catalog_digest != platform.catalog.digest:
        if CATALOG in manifest.members:
            origin = f"the catalog of the backup is its member {CATALOG}"
        else:
            origin = "the backup had the built-in catalog"
        yield (
            f"the catalog is different from the one of the backup ({origin}): "
            "name the catalog of the backup, or run 'streamflow migrate'"
        )
    with connect(mlflow_address(platform), autocommit=True) as connection:
        locations = read_artifact_locations(connection)
    for location in artifact_locations.find_outside_stores(locations, [_artifact_root(platform)]):
        yield (
            f"MLflow names files at {location}, and they were not in the backup: "
            "this machine must be able to read them there"
        )

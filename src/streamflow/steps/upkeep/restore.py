"""restore: a backup becomes an installation, here: in this state folder, in these databases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import psycopg
from packaging.version import Version

from streamflow.core.versions.manifest import (
    BACKUP_NAME,
    Manifest,
    RegisteredVersion,
    parse_backup,
)
from streamflow.database import Address, connect, ensure_database, run_sql
from streamflow.errors import ArtifactUntrusted, RestoreRefused, SnapshotDamaged, StreamflowError
from streamflow.files import archive
from streamflow.models import artifact_locations
from streamflow.models.model_file import FILE as MODEL_FILE
from streamflow.platform import Platform
from streamflow.progress import MB, Progress
from streamflow.steps.data.snapshot import damaged
from streamflow.steps.upkeep.backup import (
    ARTIFACTS,
    CATALOG,
    MLFLOWS,
    OURS,
    PREFECT,
    BackupContent,
    content,
    registered,
)
from streamflow.warehouse import frozen, whole_database
from streamflow.warehouse.migrate import alone, check_encoding, grant_database, permissions
from streamflow.warehouse.roles import SCHEMA_VERSION, ensure_roles

Notify = Callable[[str], None]
Reader = archive.Reader[Manifest]

BACKUP = archive.Kind(
    noun="backup", command="streamflow backup", manifest=BACKUP_NAME, parse=parse_backup
)
SHOWN = 3
AS_IT_IS = "Everything was restored as the backup has it."


@dataclass(frozen=True, kw_only=True)
class RestoreReceipt:
    """What was restored, and what was verified afterwards: every frozen revision, and the model file of so many versions."""

    backup: BackupContent
    home: Path
    database: str
    revisions_verified: int
    models_verified: int
    notes: tuple[str, ...]
    seconds: float


def check(file: Path, *, notify: Notify = lambda _: None) -> BackupContent:
    """Verify every byte of a backup and say what it holds; restores nothing. Raises BackupDamaged."""
    begin = time.monotonic()
    with archive.reading(file, BACKUP) as reader:
        _verify(reader, notify)
        return content(file, reader.manifest, notes=(), seconds=time.monotonic() - begin)


def restore(platform: Platform, file: Path, *, notify: Notify = lambda _: None) -> RestoreReceipt:
    """Make the backup the state of this empty installation; the transaction that fills our database is the last act.

    A restore that was interrupted is made whole by the next one. Raises BackupDamaged before anything is touched,
    RestoreRefused where something is there already, PermissionMissing with the SQL where the login user may not.
    """
    begin = time.monotonic()
    with archive.reading(file, BACKUP) as reader:
        manifest = reader.manifest
        _refuse_newer(platform, manifest)
        _verify(reader, notify)
        held = content(file, manifest, notes=(), seconds=0.0)
        for name in (platform.login.database, platform.settings.mlflow_database):
            ensure_database(platform.login, name)
        with (
            connect(platform.login, autocommit=True) as connection,
            alone(connection),
            permissions(platform.login),
        ):
            check_encoding(connection)
            _refuse_occupied(platform, manifest, connection)
            with _unfinished():
                kept = _restore_all(platform, reader, connection, notify)
    notify("analyzing the tables")
    for address in (platform.login, _mlflow(platform)):
        with connect(address, autocommit=True) as connection:
            connection.execute("SET client_min_messages = error; ANALYZE")
    models = _verify_contents(platform, manifest, notify)
    return RestoreReceipt(
        backup=held,
        home=platform.home,
        database=platform.login.display,
        revisions_verified=len(manifest.revisions),
        models_verified=models,
        notes=(*kept, *_notes(platform, manifest)),
        seconds=time.monotonic() - begin,
    )


@contextmanager
def _unfinished() -> Iterator[None]:
    """Say what an error leaves from here on."""
    try:
        yield
    except StreamflowError as error:
        error.state = "The restore is unfinished, and every other command refuses to work here."
        error.remedy = (
            "When the reason is gone run 'streamflow restore FILE' again: it starts over."
        )
        raise


def _mlflow(platform: Platform) -> Address:
    return platform.address.with_database(platform.settings.mlflow_database)


def _verify(reader: Reader, notify: Notify) -> None:
    members = reader.manifest.members
    progress = Progress(
        notify, "verifying the backup", sum(m.bytes for m in members.values()), unit="MB", per=MB
    )
    for name in members:
        for chunk in reader.chunks(name):
            progress.add(len(chunk))


def _refuse_newer(platform: Platform, manifest: Manifest) -> None:
    """What a newer code wrote, an older one would misread."""
    remedy = f"Install streamflow {manifest.streamflow} or newer."
    if manifest.schema_version > SCHEMA_VERSION:
        words = f"the backup has schema version {manifest.schema_version}, this code knows {SCHEMA_VERSION}"
        raise RestoreRefused(words, remedy=remedy)
    theirs, schema = manifest.mlflow
    if Version(theirs) > Version(version("mlflow")) and platform.models.needed_schema() not in (
        None,
        schema,
    ):
        words = (
            f"the backup has MLflow's tables of version {theirs}, installed is {version('mlflow')}"
        )
        raise RestoreRefused(words, remedy=remedy)


def _refuse_occupied(
    platform: Platform, manifest: Manifest, connection: psycopg.Connection
) -> None:
    """Raise RestoreRefused unless this is an empty installation, or what an interrupted restore left."""
    there = list(_what_is_there(platform, manifest, connection))
    if there:
        raise RestoreRefused(
            f"this installation is not empty: {'; '.join(there)}",
            remedy=f"{RestoreRefused.remedy} To replace this one, back it up and remove yourself what is named here.",
        )
    missing = whole_database.missing_roles(connection, manifest.roles)
    if missing:
        statements = " ".join(f'CREATE ROLE "{name}";' for name in missing)
        raise RestoreRefused(
            f"the backup grants rights to roles that this server has not: {', '.join(missing)}",
            remedy=f"Run {statements}",
        )


def _what_is_there(
    platform: Platform, manifest: Manifest, connection: psycopg.Connection
) -> Iterator[str]:
    schemas, theirs = whole_database.schemas_there(connection), platform.settings.mlflow_database
    if schemas:
        yield f"the database '{platform.login.database}' has the schemas {', '.join(schemas)}"
    if not whole_database.is_unfinished(connection):
        with connect(platform.login.with_database(theirs), autocommit=True) as other:
            tables = whole_database.tables_there(other, whole_database.MLFLOWS)
        if tables:
            yield f"the database '{theirs}' has the tables {_first(tables)}"
    if files := [str(path) for path in _other_files(platform, manifest)]:
        yield f"where artifacts of the backup belong lie other files: {_first(files)}"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (
        f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    )


def _other_files(platform: Platform, manifest: Manifest) -> Iterator[Path]:
    """The artifacts that lie where one of the backup belongs, and are not that one."""
    for name, member in manifest.members.items():
        if name.startswith(ARTIFACTS):
            path = platform.home / name
            if path.exists() and (
                path.stat().st_size != member.bytes or archive.digest_of(path) != member.sha256
            ):
                yield path


def _restore_all(
    platform: Platform, reader: Reader, connection: psycopg.Connection, notify: Notify
) -> list[str]:
    """Files, then MLflow's database, then ours: each whole or not at all, and ours says that all is there."""
    manifest, server = reader.manifest, connection.info.server_version
    ensure_roles(connection)
    grant_database(platform.login, platform.settings.mlflow_database)
    whole_database.begin(connection)
    kept = _restore_files(platform, reader, notify)
    progress = partial(_told, reader, notify)
    target = artifact_locations.root(platform.tracking_uri, platform.home / "artifacts")
    run_sql(
        _mlflow(platform),
        server,
        before=whole_database.NOTHING_OF_MLFLOW,
        dump=progress(MLFLOWS, "restoring MLflow's database"),
        after=f"{artifact_locations.rewriting(manifest.artifact_roots, target)}\n{whole_database.expecting(manifest.mlflows)}",
    )
    run_sql(
        platform.login,
        server,
        before="",
        dump=progress(OURS, "restoring streamflow's database"),
        after=f"{whole_database.OWNERSHIP}\n{whole_database.expecting(manifest.ours)}\n{whole_database.FINISHED}",
    )
    return kept


def _restore_files(platform: Platform, reader: Reader, notify: Notify) -> list[str]:
    """The artifacts, and Prefect's run history unless there is one; what was kept, in words."""
    members = {
        name: m
        for name, m in reader.manifest.members.items()
        if name.startswith(ARTIFACTS) or name == PREFECT
    }
    progress = Progress(
        notify, "unpacking artifacts", sum(m.bytes for m in members.values()), unit="MB", per=MB
    )
    for name, member in members.items():
        path = platform.home / name
        if not path.exists():
            archive.write_whole(path, reader.chunks(name))
        progress.add(member.bytes)
    prefect = platform.home / PREFECT
    is_other = PREFECT in members and archive.digest_of(prefect) != members[PREFECT].sha256
    return (
        [f"{prefect} was there and is kept: the run history of the backup was left out"]
        if is_other
        else []
    )


def _told(reader: Reader, notify: Notify, name: str, what: str) -> Iterator[bytes]:
    progress = Progress(notify, what, reader.manifest.members[name].bytes, unit="MB", per=MB)
    for chunk in reader.chunks(name):
        progress.add(len(chunk))
        yield chunk


def _verify_contents(platform: Platform, manifest: Manifest, notify: Notify) -> int:
    """Compute every digest anew from what is stored here now; how many model files were read.

    Raises SnapshotDamaged or ArtifactUntrusted: then the source was damaged before it was backed up.
    """
    revisions = frozen.all_revisions(platform.connection)
    wrong = damaged(platform, revisions, manifest.key)
    if wrong:
        raise SnapshotDamaged("\n".join(wrong), state=AS_IT_IS)
    with connect(_mlflow(platform), autocommit=True) as connection:
        versions = registered(connection)
    paths = [(one, _model_path(platform, one)) for one in versions]
    here = [(one, path) for one, path in paths if path is not None]
    bad = [
        one.version
        for one, path in here
        if not path.is_file() or archive.digest_of(path) != one.model_digest
    ]
    if bad:
        numbers = ", ".join(map(str, bad))
        raise ArtifactUntrusted(
            f"the model files of the versions {numbers} are not those that were registered",
            state=AS_IT_IS,
        )
    return len(here)


def _model_path(platform: Platform, one: RegisteredVersion) -> Path | None:
    """Where the model of a version of ours lies; None where that is no place of ours."""
    path = artifact_locations.relative(
        one.location, [artifact_locations.root(platform.tracking_uri, platform.home / "artifacts")]
    )
    return (
        None
        if path is None or not one.model_digest
        else platform.home / ARTIFACTS / path / MODEL_FILE
    )


def _notes(platform: Platform, manifest: Manifest) -> Iterator[str]:
    """What is left to do, and what is not here."""
    if manifest.schema_version != SCHEMA_VERSION:
        yield f"the backup has schema version {manifest.schema_version}, this code {SCHEMA_VERSION}: run 'streamflow migrate'"
    if manifest.catalog_digest != platform.catalog.digest:
        inside = (
            f"that of the backup is its member {CATALOG}"
            if CATALOG in manifest.members
            else "the backup had the built-in one"
        )
        yield f"the catalog differs from that of the backup ({inside}): name that one, or run 'streamflow migrate'"
    with connect(_mlflow(platform), autocommit=True) as connection:
        places = [place for (place,) in connection.execute(artifact_locations.LOCATIONS)]
    for place in artifact_locations.elsewhere(
        places, [artifact_locations.root(platform.tracking_uri, platform.home / "artifacts")]
    ):
        yield f"files at {place} are named by MLflow and were not in the backup: that place must be reachable from here"

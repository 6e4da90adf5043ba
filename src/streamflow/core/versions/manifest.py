"""The manifests of a backup and of an exported version: what the file holds, and its origin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from pydantic import NonNegativeInt, TypeAdapter, ValidationError

from streamflow.core.data.digest import ColumnDigest
from streamflow.core.training.training_set import describe_revision
from streamflow.core.versions import version_files
from streamflow.errors import BackupDamaged, ImportRefused, RestoreRefused, StreamflowError

BACKUP_FORMAT = 1
BACKUP_NAME = "manifest.json"

EXPORT_FORMAT = 1
EXPORT_NAME = "export.json"

# The members of an export: three files and three folders.
PASSPORT = version_files.PASSPORT.name
RUN = "run.json"
CATALOG = "catalog.toml"
MODEL = "model/"
FILES = "files/"
FROZEN = "frozen/"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file within a backup or an export."""

    sha256: str
    bytes: NonNegativeInt


@dataclass(frozen=True, kw_only=True)
class FrozenRevision:
    """One frozen revision of a backup, with its digest."""

    table: str
    as_of: datetime
    revision: int
    rows: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """One model version of a backup.

    location      where MLflow has the files of the version
    model_digest  the sha256 of the model's file; empty if the model is not ours
    """

    name: str
    version: int
    stage: str
    location: str
    model_digest: str


@dataclass(frozen=True, kw_only=True)
class BackupManifest:
    """The manifest of a backup: its content and its origin.

    key              the entity's key, by which frozen rows are ordered for their digest
    mlflow           the version of MLflow, and the version of its tables
    artifact_roots   how MLflow's locations of files in this backup begin
    roles            the roles, except our own, that have rights on our tables
    members          name -> file; all files except the manifest
    ours             table -> rows, of our database
    mlflows          table -> rows, of MLflow's database
    """

    format: int
    streamflow: str
    created: datetime
    postgresql: str
    schema_version: str
    catalog_digest: str
    key: str
    mlflow: tuple[str, str]
    artifact_roots: tuple[str, ...]
    roles: tuple[str, ...]
    members: Mapping[str, Member]
    ours: Mapping[str, int]
    mlflows: Mapping[str, int]
    revisions: tuple[FrozenRevision, ...]
    versions: tuple[RegisteredVersion, ...]


@dataclass(frozen=True, kw_only=True)
class ExportedColumn:
    """One column of an exported revision; the digests of its buckets are hexadecimal."""

    name: str
    type: str
    buckets: str

    @property
    def digest(self) -> ColumnDigest:
        """Return the digest as the warehouse stores it."""
        return ColumnDigest(name=self.name, type=self.type, buckets=bytes.fromhex(self.buckets))


@dataclass(frozen=True, kw_only=True)
class ExportedRevision:
    """One frozen revision of an export.

    parts  the members that hold its rows, as Arrow IPC streams, in the order of its digest
    """

    table: str
    as_of: datetime
    revision: int
    known_at: datetime
    rows: int
    digest: str
    columns: tuple[ExportedColumn, ...]
    parts: tuple[str, ...]

    @property
    def types(self) -> dict[str, str]:
        """Return the catalog type of each column."""
        return {column.name: column.type for column in self.columns}

    def __str__(self) -> str:
        """Name the revision for people."""
        return describe_revision(self.table, self.as_of, self.revision)


@dataclass(frozen=True, kw_only=True)
class ExportManifest:
    """The manifest of an exported version.

    version, run_id  those of the installation that exported the version
    key              the entity's key, by which frozen rows are ordered for their digest
    """

    format: int
    streamflow: str
    created: datetime
    model: str
    version: int
    run_id: str
    key: str
    passport_digest: str
    revisions: tuple[ExportedRevision, ...]
    members: Mapping[str, Member]


@dataclass(frozen=True, kw_only=True)
class _FormatHeader:
    """The fields that a manifest of every format has."""

    format: int
    streamflow: str


M = TypeVar("M")


def dump_manifest(manifest: BackupManifest | ExportManifest) -> bytes:
    """Write a manifest as indented JSON."""
    return TypeAdapter(type(manifest)).dump_json(manifest, indent=1)


def parse_backup(text: bytes) -> BackupManifest:
    """Read the manifest of a backup.

    Raises BackupDamaged, or RestoreRefused when a newer streamflow wrote it.
    """
    return _parse_manifest(
        text,
        BackupManifest,
        noun="backup",
        file=BACKUP_NAME,
        newest_format=BACKUP_FORMAT,
        refusal=partial(RestoreRefused, remedy="Restore it with that version."),
    )


def parse_export(text: bytes) -> ExportManifest:
    """Read the manifest of an exported version.

    Raises BackupDamaged, or ImportRefused when a newer streamflow wrote it.
    """
    return _parse_manifest(
        text,
        ExportManifest,
        noun="export",
        file=EXPORT_NAME,
        newest_format=EXPORT_FORMAT,
        refusal=partial(ImportRefused, remedy="Import it with that version."),
    )


def _parse_manifest(
    text: bytes,
    manifest_type: type[M],
    *,
    noun: str,
    file: str,
    newest_format: int,
    refusal: Callable[[str], StreamflowError],
) -> M:
    """Read the manifest of a file of any kind.

    Raises BackupDamaged, or what `refusal` makes when a newer streamflow wrote the manifest.
    """
    try:
        header = TypeAdapter(_FormatHeader).validate_json(text)
        if header.format > newest_format:
            raise refusal(
                f"this {noun} has format {header.format}, written by "
                f"streamflow {header.streamflow}; this code reads formats up to {newest_format}"
            )
        return TypeAdapter(manifest_type).validate_json(text)
    except ValidationError as exc:
        mistake = exc.errors(include_input=False, include_url=False)[0]
        path = ".".join(map(str, mistake["loc"]))
        raise BackupDamaged(f"{file}: {path}: {mistake['msg']}") from exc

"""Unpack an exported version and check its files, passport, frozen rows and catalog."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import polars as pl

from streamflow.catalog import Catalog
from streamflow.core.data.digest import Digester, TableDigest
from streamflow.core.versions.manifest import (
    CATALOG,
    FILES,
    MODEL,
    PASSPORT,
    ExportedRevision,
    ExportManifest,
)
from streamflow.core.versions.passport import Passport, parse_passport
from streamflow.core.versions.version_files import is_unchanged, recorded_digests
from streamflow.errors import BackupDamaged, CatalogInvalid
from streamflow.files import archive
from streamflow.files.archive_limits import MAX_TEXT
from streamflow.platform import Platform
from streamflow.progress import MB, Progress


def unpack(platform: Platform, reader: archive.ArchiveReader[ExportManifest], folder: Path) -> None:
    """Write every member of the file into a folder, each byte compared with the manifest."""
    members = reader.manifest.members
    total_bytes = sum(member.bytes for member in members.values())
    progress = Progress(platform.notify, "unpacking the version", total_bytes, unit="MB", per=MB)
    for name, member in members.items():
        archive.write_file(folder / name, reader.chunks(name))
        progress.add(member.bytes)


def read_passport(folder: Path, manifest: ExportManifest) -> Passport:
    """Read the passport, which must name exactly the revisions and the files of the export.

    Raises BackupDamaged.
    """
    content = read_text(folder, PASSPORT)
    try:
        passport = parse_passport(content)
    except ValueError as exc:
        raise BackupDamaged(f"{PASSPORT}: {exc}") from exc
    is_registered = sha256(content).hexdigest() == manifest.passport_digest
    if not is_registered or read_bytes(folder, f"{FILES}{PASSPORT}") != content:
        raise BackupDamaged(f"{PASSPORT}: its digest is not the registered one")
    recorded_revisions = {(*source.revision_key, source.digest) for source in passport.sources}
    exported_revisions = {
        (revision.table, revision.as_of, revision.revision, revision.digest)
        for revision in manifest.revisions
    }
    if recorded_revisions != exported_revisions:
        raise BackupDamaged(f"{PASSPORT}: it does not name the revisions that are in the file")
    _require_recorded_files(folder, passport)
    return passport


def _require_recorded_files(folder: Path, passport: Passport) -> None:
    """Raise BackupDamaged unless every file has the digest that the passport names."""
    for file, digest in recorded_digests(passport.result).items():
        name = f"{MODEL if file.in_package else FILES}{file.name}"
        if not is_unchanged(file, read_bytes(folder, name), digest):
            raise BackupDamaged(f"{name}: it is not the file that the passport names")


def read_text(folder: Path, name: str) -> bytes:
    """Read an unpacked text. Raises BackupDamaged when it is missing or too large to parse."""
    path = folder / name
    size = path.stat().st_size if path.is_file() else 0
    if size > MAX_TEXT:
        raise BackupDamaged(f"{name}: it has {size:,} bytes, at most {MAX_TEXT:,} are read")
    return read_bytes(folder, name)


def read_bytes(folder: Path, name: str) -> bytes:
    """Read one unpacked file. Raises BackupDamaged when it is missing."""
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError as exc:
        raise BackupDamaged(f"{name} is missing") from exc


def verify_rows(platform: Platform, folder: Path, manifest: ExportManifest) -> None:
    """Compare every row with the digests, also with those of the columns' buckets.

    From here on this installation trusts these digests. Raises BackupDamaged.
    """
    total_rows = sum(revision.rows for revision in manifest.revisions)
    progress = Progress(platform.notify, "verifying frozen rows", total_rows)
    for revision in manifest.revisions:
        digester = Digester(manifest.key, revision.types)
        for frame in read_frames(folder, revision):
            digester.update(frame)
            progress.add(len(frame))
        content = digester.finish()
        columns = tuple(column.digest for column in revision.columns)
        stored = TableDigest(rows=revision.rows, columns=columns)
        same_digest = content.value == stored.value == revision.digest
        if not same_digest or content.rows != revision.rows:
            raise BackupDamaged(
                f"{revision}: its rows have the digest {content.value},"
                f" the digest in the export is {revision.digest}"
            )


def read_frames(folder: Path, revision: ExportedRevision) -> Iterator[pl.DataFrame]:
    """Read the rows of an exported revision, one frame per file, in the order of its digest."""
    for name in revision.parts:
        yield pl.read_ipc_stream(folder / name)


def require_declared(catalog: Catalog, manifest: ExportManifest) -> None:
    """Raise CatalogInvalid unless the catalog declares every frozen column with the same type.

    Without that declaration there is no table for the rows.
    """
    lines: list[str] = []
    if catalog.model != manifest.model:
        lines.append(
            f"the version belongs to the model '{manifest.model}',"
            f" the catalog at hand declares the model '{catalog.model}'"
        )
    if catalog.entity.key != manifest.key:
        lines.append(
            f"the key of the version is '{manifest.key}',"
            f" the key of the catalog is '{catalog.entity.key}'"
        )
    for revision in manifest.revisions:
        lines += _describe_undeclared(catalog, revision)
    if lines:
        raise CatalogInvalid(
            "\n".join(dict.fromkeys(lines)),
            violations=lines,
            remedy=f"The exported file contains the version's catalog as {CATALOG}:"
            " unzip it, and name it with --catalog.",
        )


def _describe_undeclared(catalog: Catalog, revision: ExportedRevision) -> list[str]:
    """Name the columns of a revision that the catalog does not declare with the same type."""
    is_declared = revision.table in catalog.frozen_tables
    columns = catalog.columns(revision.table) if is_declared else {}
    lines = []
    for name, exported_type in revision.types.items():
        declared_type = columns[name].type if name in columns else None
        if declared_type != exported_type:
            declaration = repr(declared_type) if declared_type else "not declared"
            lines.append(
                f"{revision.table}.{name} is '{exported_type}' in the export,"
                f" and {declaration} in the catalog at hand"
            )
    return lines

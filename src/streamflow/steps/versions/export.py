"""export: write a version, its passport and the frozen rows it was made from to one file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from streamflow import __version__
from streamflow.core.data.catalog_definitions import values_to_toml
from streamflow.core.data.digest import BUCKET, Digester, TableDigest
from streamflow.core.training.training_set import Source
from streamflow.core.versions.manifest import (
    CATALOG,
    EXPORT_FORMAT,
    EXPORT_NAME,
    FILES,
    FROZEN,
    MODEL,
    PASSPORT,
    RUN,
    ExportedColumn,
    ExportedRevision,
    ExportManifest,
    dump_manifest,
)
from streamflow.core.versions.version_files import is_unchanged, recorded_digests
from streamflow.errors import ArtifactUntrusted, SnapshotDamaged
from streamflow.files import archive
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.steps.data.frozen_checks import describe_digest_difference
from streamflow.steps.data.frozen_reading import read_frames, require_order
from streamflow.steps.versions.data_level import refuse_erased
from streamflow.steps.versions.recorded_version import (
    find_recorded_version,
    platform_with_recorded_catalog,
    require_frozen,
)
from streamflow.steps.versions.registered_version import RecordedVersion
from streamflow.warehouse import frozen
from streamflow.warehouse.frozen import Revision


@dataclass(frozen=True, kw_only=True)
class ExportReceipt:
    """What the exported file contains, and what it was made from."""

    file: Path
    bytes: int
    sha256: str
    model: str
    version: int
    run_id: str
    revisions: int
    rows: int
    passport_digest: str
    seconds: float


def export(
    platform: Platform,
    version_or_run: str,
    file: Path,
    *,
    force: bool = False,
) -> ExportReceipt:
    """Write a version to a file, completely or not at all.

    Everything is compared with its digest before it is written. `version_or_run` is the number of
    the version, or the id of its run.

    Raises:
        VersionMissing: no version has this number or run id
        NotRebuildable: a revision is gone, or rows of it were erased on request
        SnapshotDamaged: frozen rows are not what was registered
        ArtifactUntrusted: a file or a tag of the version is not what was registered
        StreamflowError: the file exists already, and `force` is False
    """
    begin = time.monotonic()
    record = find_recorded_version(platform, version_or_run)
    recorded_platform = platform_with_recorded_catalog(platform, record.passport)
    revisions = require_frozen(recorded_platform, record.passport.sources)
    refuse_erased(recorded_platform, record.passport)
    with archive.open_for_writing(file, replace=force) as writer, TemporaryDirectory() as scratch:
        _add_version(platform, record, writer, Path(scratch))
        exported = tuple(
            _add_revisions(recorded_platform, record.passport.sources, revisions, writer)
        )
        key = recorded_platform.catalog.entity.key
        manifest = _make_manifest(platform, record, key, exported, writer)
        writer.finish(EXPORT_NAME, dump_manifest(manifest))
    return _receipt(file, manifest, seconds=time.monotonic() - begin)


def _make_manifest(
    platform: Platform,
    record: RecordedVersion,
    key: str,
    revisions: tuple[ExportedRevision, ...],
    writer: archive.ArchiveWriter,
) -> ExportManifest:
    return ExportManifest(
        format=EXPORT_FORMAT,
        streamflow=__version__,
        created=datetime.now(UTC),
        model=platform.catalog.model,
        version=record.version.version,
        run_id=record.version.run_id,
        key=key,
        passport_digest=record.passport_digest,
        revisions=revisions,
        members=dict(writer.members),
    )


def _receipt(file: Path, manifest: ExportManifest, *, seconds: float) -> ExportReceipt:
    return ExportReceipt(
        file=file,
        bytes=file.stat().st_size,
        sha256=archive.compute_digest(file),
        model=manifest.model,
        version=manifest.version,
        run_id=manifest.run_id,
        revisions=len(manifest.revisions),
        rows=sum(revision.rows for revision in manifest.revisions),
        passport_digest=manifest.passport_digest,
        seconds=seconds,
    )


def _add_version(
    platform: Platform,
    record: RecordedVersion,
    writer: archive.ArchiveWriter,
    scratch: Path,
) -> None:
    """Add the passport, the catalog, the facts of the run, the model and the files beside it."""
    package, files = platform.models.fetch_files(record.version, scratch)
    _require_recorded_files(record, package, files)
    writer.add(PASSPORT, archive.read_chunks(files / PASSPORT))
    writer.add(CATALOG, [values_to_toml(record.passport.features["catalog"]).encode()])
    run_facts = asdict(platform.models.read_run_facts(record.version))
    writer.add(RUN, [json.dumps(run_facts, indent=1, sort_keys=True).encode()])
    for prefix, folder in ((MODEL, package), (FILES, files)):
        for path in archive.files_below(folder):
            name = f"{prefix}{path.relative_to(folder).as_posix()}"
            writer.add(name, archive.read_chunks(path))


def _require_recorded_files(record: RecordedVersion, package: Path, files: Path) -> None:
    """Raise ArtifactUntrusted unless tags and files are what the passport names."""
    version = record.version.version
    for file, registered in recorded_digests(record.passport.result).items():
        path = (package if file.in_package else files) / file.name
        if not path.is_file():
            problem = f"the file {file.name} of version {version} is lost"
        elif not is_unchanged(file, path.read_bytes(), registered):
            problem = (
                f"the file {file.name} of version {version} was changed:"
                f" the registered digest is {registered}"
            )
        else:
            continue
        raise ArtifactUntrusted(problem, state="No file was written.")
    if record.tampered:
        raise ArtifactUntrusted("; ".join(record.tampered), state="No file was written.")


def _add_revisions(
    platform: Platform,
    sources: tuple[Source, ...],
    revisions: Mapping[tuple[str, datetime, int], Revision],
    writer: archive.ArchiveWriter,
) -> Iterator[ExportedRevision]:
    """Add the rows of each revision in chunks, compared with the revision's digest."""
    total_rows = sum(source.rows for source in sources)
    progress = Progress(platform.notify, "packing frozen rows", total_rows)
    for source in sources:
        yield _add_revision(platform, source, revisions[source.revision_key], writer, progress)


def _add_revision(
    platform: Platform,
    source: Source,
    revision: Revision,
    writer: archive.ArchiveWriter,
    progress: Progress,
) -> ExportedRevision:
    stored = frozen.stored_digest(platform.connection, revision)
    types = {column.name: column.type for column in stored.columns}
    key = platform.catalog.entity.key
    folder = f"{FROZEN}{source.table}/{source.as_of:%Y-%m-%d}/{source.revision}"
    digester = Digester(key, types)
    names: list[str] = []
    for chunk in read_frames(platform, source.table, types, key, source.as_of, source.revision):
        with require_order(source.revision_key, state="No file was written."):
            digester.update(chunk, chunk[BUCKET])
        names.append(f"{folder}/{len(names):05}.arrow")
        writer.add(names[-1], [_ipc_bytes(chunk.drop(BUCKET))])
        progress.add(len(chunk))
    _require_undamaged(source, revision, digester.finish())
    return ExportedRevision(
        table=source.table,
        as_of=source.as_of,
        revision=source.revision,
        known_at=source.known_at,
        rows=source.rows,
        digest=source.digest,
        columns=tuple(
            ExportedColumn(name=column.name, type=column.type, buckets=column.buckets.hex())
            for column in stored.columns
        ),
        parts=tuple(names),
    )


def _require_undamaged(source: Source, revision: Revision, digest: TableDigest) -> None:
    """Raise SnapshotDamaged unless rows, database and passport have the same digest."""
    problem = describe_digest_difference(revision, digest)
    if not problem and revision.digest != source.digest:
        problem = f"{source}: the digest in the database is not the digest in the passport"
    if problem:
        raise SnapshotDamaged(
            problem,
            state="No file was written.",
            remedy="Run 'streamflow reproduce VERSION' to see what was changed.",
        )


def _ipc_bytes(chunk: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    chunk.write_ipc_stream(buffer)
    return buffer.getvalue()

"""export: a version with its passport and the frozen rows that it was made from, as one file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from streamflow import __version__
from streamflow.core.data.catalog_definitions import catalog_toml
from streamflow.core.data.digest import Digester
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
    to_json,
)
from streamflow.errors import ArtifactUntrusted, SnapshotDamaged
from streamflow.files import archive
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.steps.data.snapshot import difference
from streamflow.steps.versions.data_level import refuse_erased
from streamflow.steps.versions.recorded_version import (
    Recorded,
    recorded,
    require_frozen,
    with_catalog,
)
from streamflow.warehouse import frozen
from streamflow.warehouse.frozen import Revision


@dataclass(frozen=True, kw_only=True)
class ExportReceipt:
    """What is in the file."""

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
    which: str,
    file: Path,
    *,
    force: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> ExportReceipt:
    """Write a version to a file, whole or not at all; everything in it is verified on the way.

    Raises VersionMissing; NotRebuildable when a revision is gone or lacks what was erased; SnapshotDamaged and
    ArtifactUntrusted when rows or the model file are not what was registered; StreamflowError when there is a file, unless `force`.
    """
    begin = time.monotonic()
    record = recorded(platform, which)
    then = with_catalog(platform, record.passport)
    there = require_frozen(then, record.passport.sources)
    refuse_erased(then, record.passport)
    with archive.writing(file, replace=force) as writer, TemporaryDirectory() as scratch:
        _add_version(platform, record, writer, Path(scratch))
        revisions = tuple(_add_revisions(then, record.passport.sources, there, writer, notify))
        manifest = ExportManifest(
            format=EXPORT_FORMAT,
            streamflow=__version__,
            created=datetime.now(UTC),
            model=platform.catalog.model,
            version=record.version.version,
            run_id=record.version.run_id,
            key=then.catalog.entity.key,
            passport_digest=record.passport_digest,
            revisions=revisions,
            members=dict(writer.members),
        )
        writer.finish(EXPORT_NAME, to_json(manifest))
    return ExportReceipt(
        file=file,
        bytes=file.stat().st_size,
        sha256=archive.digest_of(file),
        model=manifest.model,
        version=manifest.version,
        run_id=manifest.run_id,
        revisions=len(revisions),
        rows=sum(r.rows for r in revisions),
        passport_digest=manifest.passport_digest,
        seconds=time.monotonic() - begin,
    )


def _add_version(
    platform: Platform, record: Recorded, writer: archive.Writer, scratch: Path
) -> None:
    """Passport, catalog, what MLflow was told, the model and the files beside it."""
    from streamflow.models.model_file import FILE

    package, files = platform.models.fetch(record.version, scratch)
    found, registered = archive.digest_of(package / FILE), record.passport.result["model"]["file"]
    if found != registered:
        raise ArtifactUntrusted(
            f"the model file of version {record.version.version} has the digest {found}, registered was {registered}",
            state="No file was written.",
        )
    writer.add(PASSPORT, archive.file_chunks(files / PASSPORT))
    writer.add(CATALOG, [catalog_toml(record.passport.features["catalog"]).encode()])
    writer.add(
        RUN,
        [
            json.dumps(
                asdict(platform.models.facts(record.version)), indent=1, sort_keys=True
            ).encode()
        ],
    )
    for prefix, folder in ((MODEL, package), (FILES, files)):
        for path in archive.files_below(folder):
            writer.add(f"{prefix}{path.relative_to(folder).as_posix()}", archive.file_chunks(path))


def _add_revisions(
    platform: Platform,
    sources: tuple[Source, ...],
    there: Mapping[tuple[str, datetime, int], Revision],
    writer: archive.Writer,
    notify: Callable[[str], None],
) -> Iterator[ExportedRevision]:
    """The rows of each revision in parts, held against its digest."""
    progress = Progress(notify, "packing frozen rows", sum(s.rows for s in sources))
    for source in sources:
        yield _add_revision(platform, source, there[source.place], writer, progress)


def _add_revision(
    platform: Platform,
    source: Source,
    revision: Revision,
    writer: archive.Writer,
    progress: Progress,
) -> ExportedRevision:
    stored = frozen.stored_digest(platform.connection, revision)
    types, key = {c.name: c.type for c in stored.columns}, platform.catalog.entity.key
    digester, parts = Digester(key, types), list[str]()
    for chunk in frozen.frozen_rows(
        platform.address, source.table, types, key, source.as_of, source.revision
    ):
        digester.update(chunk)
        parts.append(
            f"{FROZEN}{source.table}/{source.as_of:%Y-%m-%d}/{source.revision}/{len(parts):05}.arrow"
        )
        writer.add(parts[-1], [_ipc(chunk)])
        progress.add(len(chunk))
    renamed = (
        ""
        if revision.digest == source.digest
        else f"{source}: recorded with it is another digest than in the passport"
    )
    if words := difference(revision, digester.finish().value) or renamed:
        raise SnapshotDamaged(
            words,
            state="No file was written.",
            remedy="Run 'streamflow reproduce VERSION': it names what was changed.",
        )
    return ExportedRevision(
        table=source.table,
        as_of=source.as_of,
        revision=source.revision,
        known_at=source.known_at,
        rows=source.rows,
        digest=source.digest,
        columns=tuple(
            ExportedColumn(name=c.name, type=c.type, buckets=c.buckets.hex())
            for c in stored.columns
        ),
        parts=tuple(parts),
    )


def _ipc(chunk: pl.DataFrame) -> bytes:
    file = BytesIO()
    chunk.write_ipc_stream(file)
    return file.getvalue()

"""import: an exported version becomes a version here, with its frozen rows; everything is verified before anything is written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from streamflow.core.data.catalog_definitions import catalog_of
from streamflow.core.data.digest import Digester, TableDigest
from streamflow.core.versions.manifest import (
    CATALOG,
    EXPORT_NAME,
    FILES,
    MODEL,
    PASSPORT,
    RUN,
    ExportedRevision,
    ExportManifest,
    parse_export,
)
from streamflow.core.versions.passport import Passport, parse_passport
from streamflow.errors import BackupDamaged, CatalogInvalid, ImportRefused, StreamflowError
from streamflow.features.feature_service import features_of
from streamflow.files import archive
from streamflow.platform import Platform
from streamflow.progress import MB, Progress
from streamflow.steps.data.migrate import ensure_migrated, migrate
from streamflow.steps.versions.recorded_version import tags_of
from streamflow.warehouse import erasures, installation, ledger, revision_import

if TYPE_CHECKING:
    from streamflow.models.run_record import RunFacts

EXPORT = archive.Kind(
    noun="exported version", command="streamflow export", manifest=EXPORT_NAME, parse=parse_export
)
Notify = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ImportReceipt:
    """What a version is called here. `already`: it was imported before, and nothing was changed."""

    model: str
    version: int
    run_id: str
    imported_from: str
    revisions: int
    rows: int
    already: bool
    seconds: float


def import_version(
    platform: Platform, file: Path, *, notify: Notify = lambda _: None
) -> ImportReceipt:
    """Take in an exported version; an empty database is migrated first.

    Raises BackupDamaged when the file is none or damaged, CatalogInvalid when the catalog at hand lacks what the rows have,
    ImportRefused when a revision that is here has another content.
    """
    begin = time.monotonic()
    with TemporaryDirectory() as scratch, archive.reading(file, EXPORT) as reader:
        folder, manifest = Path(scratch), reader.manifest
        _unpack(reader, folder, notify)
        passport = _passport(folder, manifest)
        facts = _facts(folder, manifest, passport)
        _verify_rows(folder, manifest, notify)
        _require_declared(platform, manifest)
        ensure_migrated(platform)
        with ledger.alone(platform.connection):
            before = _held(platform, manifest)
            taken = () if before else _take_in(platform, folder, manifest, notify)
            run_id, version = before or _register(platform, folder, facts, passport)
    return ImportReceipt(
        model=platform.catalog.model,
        version=version,
        run_id=run_id,
        imported_from=manifest.run_id,
        revisions=len(taken),
        rows=sum(r.rows for r in taken),
        already=before is not None,
        seconds=time.monotonic() - begin,
    )


def _unpack(reader: archive.Reader[ExportManifest], folder: Path, notify: Notify) -> None:
    """Every file, each byte held against the manifest."""
    members = reader.manifest.members
    progress = Progress(
        notify, "unpacking the version", sum(m.bytes for m in members.values()), unit="MB", per=MB
    )
    for name, member in members.items():
        archive.write_whole(folder / name, reader.chunks(name))
        progress.add(member.bytes)


def _passport(folder: Path, manifest: ExportManifest) -> Passport:
    """The passport, which must name exactly the revisions that came with it, and the model file."""
    text = _bytes(folder, PASSPORT)
    try:
        passport = parse_passport(text)
    except ValueError as exc:
        raise BackupDamaged(f"{PASSPORT}: {exc}") from exc
    named = {(s.table, s.as_of, s.revision, s.digest) for s in passport.sources}
    brought = {(r.table, r.as_of, r.revision, r.digest) for r in manifest.revisions}
    model = sha256(_bytes(folder, f"{MODEL}model.skops")).hexdigest()
    if (
        sha256(text).hexdigest() != manifest.passport_digest
        or _bytes(folder, f"{FILES}{PASSPORT}") != text
    ):
        raise BackupDamaged(f"{PASSPORT}: its digest is not the one that was registered")
    if named != brought:
        raise BackupDamaged(f"{PASSPORT}: it names other revisions than those that are in the file")
    if model != passport.result["model"]["file"]:
        raise BackupDamaged(f"{MODEL}model.skops: it is not the model of this passport")
    return passport


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError as exc:
        raise BackupDamaged(f"{name} is missing") from exc


def _verify_rows(folder: Path, manifest: ExportManifest, notify: Notify) -> None:
    """Every row held against the digests, those of the columns' buckets included: they will be believed here."""
    progress = Progress(notify, "verifying frozen rows", sum(r.rows for r in manifest.revisions))
    for one in manifest.revisions:
        digester = Digester(manifest.key, one.types)
        for part in _parts(folder, one):
            digester.update(part)
            progress.add(len(part))
        found = digester.finish()
        stored = TableDigest(rows=one.rows, columns=tuple(column.digest for column in one.columns))
        if not found.value == stored.value == one.digest or found.rows != one.rows:
            raise BackupDamaged(
                f"{one}: its rows have the digest {found.value}, the export says {one.digest}"
            )


def _parts(folder: Path, one: ExportedRevision) -> Iterator[pl.DataFrame]:
    for name in one.parts:
        yield pl.read_ipc_stream(folder / name)


def _require_declared(platform: Platform, manifest: ExportManifest) -> None:
    """The catalog at hand must have every frozen column, of the same type: else there is no table for the rows."""
    catalog, lines = platform.catalog, list[str]()
    if catalog.model != manifest.model:
        lines.append(
            f"the version is of the model '{manifest.model}', the catalog at hand declares '{catalog.model}'"
        )
    if catalog.entity.key != manifest.key:
        lines.append(f"its key is '{manifest.key}', that of the catalog is '{catalog.entity.key}'")
    for one in manifest.revisions:
        columns = catalog.columns(one.table) if one.table in catalog.tables else {}
        declared = {name: column.type for name, column in columns.items()}
        lines += [
            f"{one.table}.{name} is '{kind}' there, and {repr(declared[name]) if name in declared else 'not declared'} here"
            for name, kind in one.types.items()
            if declared.get(name) != kind
        ]
    if lines:
        raise CatalogInvalid(
            "\n".join(dict.fromkeys(lines)),
            violations=lines,
            remedy=f"The file holds the catalog of the version as {CATALOG}: unzip it, and name it with --catalog.",
        )


def _held(platform: Platform, manifest: ExportManifest) -> tuple[str, int] | None:
    """(run id, version) of this version, if it is registered here."""
    there = {v.version for v in platform.models.versions()}
    held = [
        one
        for one in revision_import.imported_as(platform.connection, manifest.passport_digest)
        if one[1] in there
    ]
    return held[0] if held else None


def _take_in(
    platform: Platform, folder: Path, manifest: ExportManifest, notify: Notify
) -> tuple[ExportedRevision, ...]:
    """Insert the frozen rows that are not here. Raises ImportRefused."""
    missing, refused = revision_import.conflicts(platform.connection, manifest.revisions)
    refused += _forgotten(platform, folder, manifest.key, missing)
    if refused:
        raise ImportRefused("\n".join(refused), violations=refused)
    if missing:
        notify(f"freezing {sum(r.rows for r in missing):,} rows of {len(missing)} revisions")
        revision_import.take_in(platform.address, missing, lambda one: _parts(folder, one))
    return tuple(missing)


def _forgotten(
    platform: Platform, folder: Path, key: str, missing: list[ExportedRevision]
) -> list[str]:
    """What was erased here on request does not come back from elsewhere. In words, without a key."""
    lines = []
    for one in missing:
        keys = (
            pl.concat([part[key] for part in _parts(folder, one)])
            if one.parts
            else pl.Series(key, [], pl.String)
        )
        if count := len(erasures.forgotten(platform.connection, keys, one.as_of.date())):
            lines.append(f"{one}: it holds {count:,} keys that were forgotten here")
    return lines


def _register(
    platform: Platform, folder: Path, facts: RunFacts, passport: Passport
) -> tuple[str, int]:
    """The feature service, the run, the version and its passport's row."""
    with _rows_kept():
        catalog = catalog_of(passport.features["catalog"])
        features = [asdict(feature) for feature in features_of(catalog)]
        installation.add_service(platform.connection, passport.features["service"], features)
        migrate(platform)  # where the service is new, Feast is told
        enter = partial(
            ledger.record_passport, platform.connection, catalog.model, passport.sources
        )
        return platform.models.log_again(facts, folder / MODEL, folder / FILES, enter)


def _facts(folder: Path, manifest: ExportManifest, passport: Passport) -> RunFacts:
    """What MLflow is told. Tags decide what is loaded and how it decides: they must be those of the passport."""
    from streamflow.models.run_record import RunFacts

    facts = RunFacts(**json.loads(_bytes(folder, RUN)))
    wrong = [
        name
        for name, value in tags_of(passport, manifest.passport_digest).items()
        if facts.tags.get(name) != value
    ]
    if wrong:
        raise BackupDamaged(f"{RUN}: the tag {wrong[0]} is not that of the passport")
    return replace(facts, tags={**facts.tags, "imported_from": manifest.run_id})


@contextmanager
def _rows_kept() -> Iterator[None]:
    """Say what an error leaves from here on."""
    try:
        yield
    except StreamflowError as error:
        error.state = "The frozen rows of the version are here, the version is not."
        error.remedy = f"{error.remedy} Then import the file again: it goes on from there."
        raise

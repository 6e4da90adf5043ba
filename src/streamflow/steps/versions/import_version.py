"""import: register an exported version here, with its frozen rows.

Everything is verified before anything is written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from streamflow.core.data.catalog_definitions import catalog_from_values
from streamflow.core.data.counts import choose_form, count_of
from streamflow.core.statistics.old_metric_names import translate_old_metrics
from streamflow.core.versions.manifest import (
    EXPORT_NAME,
    FILES,
    MODEL,
    RUN,
    ExportedRevision,
    ExportManifest,
    parse_export,
)
from streamflow.core.versions.passport import Passport
from streamflow.core.versions.version_files import describe_unchecked
from streamflow.errors import BackupDamaged, ImportRefused, StreamflowError
from streamflow.features.feature_service import features_of
from streamflow.files import archive
from streamflow.platform import Platform
from streamflow.steps.data.migrate import ensure_migrated, migrate
from streamflow.steps.versions.import_checks import (
    read_frames,
    read_passport,
    read_text,
    require_declared,
    unpack,
    verify_rows,
)
from streamflow.steps.versions.registered_version import tags_of
from streamflow.warehouse import erasures, installation, ledger, revision_import

if TYPE_CHECKING:
    from streamflow.models.run_record import RunFacts

EXPORT = archive.ArchiveKind(
    noun="exported version",
    command="streamflow export",
    manifest=EXPORT_NAME,
    parse=parse_export,
)


@dataclass(frozen=True, kw_only=True)
class ImportReceipt:
    """The number and run id that a version has here.

    already   the version was imported before, and nothing was changed
    notes     what could not be checked, and why
    """

    model: str
    version: int
    run_id: str
    imported_from: str
    revisions: int
    rows: int
    already: bool
    seconds: float
    notes: tuple[str, ...] = ()


def import_version(platform: Platform, file: Path) -> ImportReceipt:
    """Import an exported version; an empty database is migrated first.

    Raises:
        BackupDamaged: the file is not an exported version, or it is damaged
        CatalogInvalid: the catalog at hand does not declare a column of the frozen rows
        ImportRefused: a revision that is frozen here has different content
    """
    begin = time.monotonic()
    with TemporaryDirectory() as scratch, archive.open_for_reading(file, EXPORT) as reader:
        folder = Path(scratch)
        manifest = reader.manifest
        unpack(platform, reader, folder)
        passport = read_passport(folder, manifest)
        run_facts = _read_run_facts(folder, manifest, passport)
        verify_rows(platform, folder, manifest)
        require_declared(platform.catalog, manifest)
        ensure_migrated(platform)
        with ledger.lock_ledger(platform.connection):
            existing = _find_imported(platform, manifest)
            new_revisions = () if existing else _insert_rows(platform, folder, manifest)
            run_id, version = existing or _register(platform, folder, run_facts, passport)
    return ImportReceipt(
        model=platform.catalog.model,
        version=version,
        run_id=run_id,
        imported_from=manifest.run_id,
        revisions=len(new_revisions),
        rows=sum(revision.rows for revision in new_revisions),
        already=existing is not None,
        seconds=time.monotonic() - begin,
        notes=describe_unchecked(passport),
    )


def _read_run_facts(folder: Path, manifest: ExportManifest, passport: Passport) -> RunFacts:
    """Read what MLflow gets to know about the run.

    The tags decide which model is loaded and how it decides, so they must be the passport's tags.
    """
    from streamflow.models.run_record import RunFacts

    run_facts = RunFacts(**json.loads(read_text(folder, RUN)))
    metrics = translate_old_metrics(run_facts.metrics)
    for name, value in tags_of(passport, manifest.passport_digest).items():
        if run_facts.tags.get(name) != value:
            raise BackupDamaged(f"{RUN}: the tag {name} does not agree with the passport")
    tags = {**run_facts.tags, "imported_from": manifest.run_id}
    return replace(run_facts, metrics=metrics, tags=tags)


def _find_imported(platform: Platform, manifest: ExportManifest) -> tuple[str, int] | None:
    """Return (run id, version) of this version if it is registered here already."""
    registered = {version.version for version in platform.models.versions()}
    imported = revision_import.imported_versions(platform.connection, manifest.passport_digest)
    for run_id, version in imported:
        if version in registered:
            return run_id, version
    return None


def _insert_rows(
    platform: Platform,
    folder: Path,
    manifest: ExportManifest,
) -> tuple[ExportedRevision, ...]:
    """Insert the frozen rows of the revisions that are not here yet. Raises ImportRefused.

    Whether they may be inserted is looked up under the lock that `forget` needs.
    """
    with revision_import.lock_frozen_rows(platform.address) as transaction:
        missing, conflicts = revision_import.check_revisions(
            platform.connection, manifest.revisions
        )
        conflicts += _describe_forgotten(platform, folder, manifest.key, missing)
        if conflicts:
            raise ImportRefused("\n".join(conflicts), violations=conflicts)
        if missing:
            row_count = sum(revision.rows for revision in missing)
            revision_count = count_of(len(missing), "revision")
            platform.notify(f"freezing {count_of(row_count, 'row')} of {revision_count}")
            revision_import.import_revisions(
                transaction, missing, lambda revision: read_frames(folder, revision)
            )
    return tuple(missing)


def _describe_forgotten(
    platform: Platform,
    folder: Path,
    key: str,
    missing: list[ExportedRevision],
) -> list[str]:
    """Name the revisions that contain keys which were erased here on request.

    An import must not bring them back. The sentences contain no key.
    """
    sentences = []
    for revision in missing:
        keys = pl.Series(key, [], pl.String)
        if revision.parts:
            keys = pl.concat([frame[key] for frame in read_frames(folder, revision)])
        count = len(erasures.find_forgotten_keys(platform.connection, keys, revision.as_of))
        if count:
            verb = choose_form(count, "was", "were")
            sentences.append(
                f"{revision}: it contains {count_of(count, 'key')} that {verb} forgotten here"
            )
    return sentences


def _register(
    platform: Platform,
    folder: Path,
    run_facts: RunFacts,
    passport: Passport,
) -> tuple[str, int]:
    """Register the feature service, the run, the version and the passport's row."""
    with _errors_name_kept_rows():
        catalog = catalog_from_values(passport.features["catalog"])
        features = [asdict(feature) for feature in features_of(catalog)]
        installation.add_feature_service(
            platform.connection,
            passport.features["service"],
            features,
        )
        migrate(platform)  # tells Feast about the service where it is new
        record_passport = partial(
            ledger.record_passport,
            platform.connection,
            catalog.model,
            passport.sources,
        )
        return platform.models.log_copied_run(
            run_facts,
            folder / MODEL,
            folder / FILES,
            record_passport,
        )


@contextmanager
def _errors_name_kept_rows() -> Iterator[None]:
    """Add to an error that the frozen rows were inserted before it, and stay."""
    try:
        yield
    except StreamflowError as error:
        error.state = "The frozen rows of the version were imported, the version was not."
        error.remedy = f"{error.remedy} Then import the file again: it continues where it stopped."
        raise

"""A version as it was recorded: its passport, and the checks that the record is unchanged."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from streamflow.core.data.catalog_definitions import catalog_from_values
from streamflow.core.training.training_set import Source
from streamflow.core.versions.old_passport import describe_limits
from streamflow.core.versions.passport import Passport
from streamflow.errors import ArtifactUntrusted, NotRebuildable
from streamflow.models.registry import ModelVersion
from streamflow.platform import Platform
from streamflow.steps.data.frozen_checks import describe_damaged_revisions
from streamflow.steps.versions.registered_version import RecordedVersion, read_record
from streamflow.warehouse import frozen
from streamflow.warehouse.change_evidence import follow_erasures
from streamflow.warehouse.frozen import Revision


def find_version(platform: Platform, version_or_run: str) -> ModelVersion:
    """Find a version by its number, or by the id of the run that made it. Raises VersionMissing."""
    if version_or_run.isdecimal():
        return platform.models.version(int(version_or_run))
    return platform.models.version_of_run(version_or_run)


def find_recorded_version(platform: Platform, version_or_run: str) -> RecordedVersion:
    """Find a version and read its passport, which must be the one that was registered.

    The digest of the registered passport is in our own database, not in MLflow.

    Raises:
        VersionMissing: no version has this number or run id
        NotRebuildable: the passport is lost or was changed
    """
    version = find_version(platform, version_or_run)
    try:
        record = read_record(platform, version)
    except ArtifactUntrusted as exc:
        raise _not_rebuildable(exc.message) from exc
    if record.decision is not None:
        raise NotRebuildable(
            f"version {version.version}: {describe_limits(record.passport.schema)}",
            missing=["passport"],
            remedy="Run 'streamflow train --as-of D', and promote the new version.",
        )
    return record


def _not_rebuildable(*missing: str) -> NotRebuildable:
    return NotRebuildable("\n".join(missing), missing=list(missing))


def platform_with_recorded_catalog(platform: Platform, passport: Passport) -> Platform:
    """Return the platform with the catalog of a passport: enough to read the passport's rows.

    Raises NotRebuildable when this code does not accept the recorded catalog.
    """
    try:
        return replace(platform, catalog=catalog_from_values(passport.features["catalog"]))
    except (ValidationError, KeyError) as exc:
        raise NotRebuildable(
            f"this code does not accept the recorded catalog: {exc}",
            remedy="Install the streamflow that trained the version.",
            missing=["code"],
        ) from exc


def platform_as_recorded(platform: Platform, passport: Passport) -> Platform:
    """Return the platform with the catalog and the semantic settings of a passport.

    Raises NotRebuildable when this code does not accept the recorded catalog or settings.
    """
    try:
        return replace(
            platform_with_recorded_catalog(platform, passport),
            settings=platform.settings.with_values(passport.settings),
        )
    except ValidationError as exc:
        raise NotRebuildable(
            f"this code does not accept the recorded settings: {exc}",
            remedy="Run 'streamflow reproduce VERSION --code recorded'.",
            missing=["code"],
        ) from exc


def without_progress(platform: Platform) -> Platform:
    """Return the platform with a `notify` that drops every line.

    It is for a step that runs inside another step, which reports the progress of both.
    """
    return replace(platform, notify=lambda _: None)


def require_frozen(
    platform: Platform,
    sources: tuple[Source, ...],
) -> dict[tuple[str, datetime, int], Revision]:
    """Return the revision of each source, by its `revision_key`, as the database has it now.

    Raises NotRebuildable unless every revision is still frozen here.
    """
    revisions = frozen.revisions_by_key(platform.connection)
    missing = [
        f"data: {source} is not frozen here"
        for source in sources
        if source.revision_key not in revisions
    ]
    if missing:
        raise _not_rebuildable(*missing)
    return {source.revision_key: revisions[source.revision_key] for source in sources}


def count_erased_users(platform: Platform, passport: Passport) -> int:
    """Return how many users of a passport's rows were erased on request.

    A user of several months counts once in each. The number is 0 when anything else was changed in
    these rows, too: then the erasures do not explain the difference. The tombstones of the erasures
    lead from the digest in the passport to the digest that the revision has now, and the frozen
    rows must have that digest.
    Raises NotRebuildable when a revision is no longer frozen.
    """
    revisions = require_frozen(platform, passport.sources)
    erased_revisions = []
    erased_rows = {}
    for source in passport.sources:
        erasure = follow_erasures(platform.connection, source)
        revision = revisions[source.revision_key]
        if erasure.digest != revision.digest:
            return 0
        erased_rows[source.revision_key] = erasure.rows
        if erasure.rows:
            erased_revisions.append(revision)
    if not erased_revisions:
        return 0
    key = platform.catalog.entity.key
    if describe_damaged_revisions(without_progress(platform), erased_revisions, key):
        return 0
    return sum(
        max((erased_rows[source.revision_key] for source in month.sources), default=0)
        for month in passport.months
    )

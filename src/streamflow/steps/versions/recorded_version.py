"""A version as it was recorded: its passport, and the checks that the record is unchanged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from pydantic import ValidationError

from streamflow.core.data.catalog_definitions import catalog_from_values
from streamflow.core.training.training_set import Source
from streamflow.core.versions.old_passport import describe_limits, parse_old_passport
from streamflow.core.versions.passport import Passport, parse_passport
from streamflow.core.versions.version_files import PASSPORT, recorded_digests
from streamflow.errors import ArtifactUntrusted, NotRebuildable
from streamflow.models.registry import ModelVersion
from streamflow.platform import Platform
from streamflow.steps.data.snapshot import describe_damaged_revisions
from streamflow.warehouse import frozen, ledger
from streamflow.warehouse.change_evidence import follow_erasures
from streamflow.warehouse.frozen import Revision


@dataclass(frozen=True, kw_only=True)
class RecordedVersion:
    """A version with the passport that it was registered with.

    tampered   one sentence for each part of the record that is no longer what was registered
    """

    version: ModelVersion
    passport: Passport
    passport_digest: str
    tampered: tuple[str, ...] = ()


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
    name = f"version {version.version} of {platform.catalog.model}"
    digest = ledger.passport_digest(platform.connection, version.run_id)
    if digest is None:
        raise _not_rebuildable(
            f"{name}: this database has no passport of its run {version.run_id},"
            " because streamflow did not train it"
        )
    passport = _read_passport(platform, version, name, digest)
    return RecordedVersion(
        version=version,
        passport=passport,
        passport_digest=digest,
        tampered=tuple(_describe_changed_tags(version, passport, digest)),
    )


def _read_passport(
    platform: Platform,
    version: ModelVersion,
    name: str,
    registered_digest: str,
) -> Passport:
    """Read the passport's file. Raises NotRebuildable when it is lost, changed or unreadable."""
    try:
        content = platform.models.read_run_file(version.run_id, PASSPORT.name)
    except ArtifactUntrusted as exc:
        raise _not_rebuildable(f"{name}: its passport is lost: {exc.message}") from exc
    digest = sha256(content).hexdigest()
    if digest != registered_digest:
        raise _not_rebuildable(
            f"{name}: its {PASSPORT.name} was changed: its digest is {digest},"
            f" the registered digest is {registered_digest}"
        )
    try:
        old_passport = parse_old_passport(content)
        passport = None if old_passport else parse_passport(content)
    except ValueError as exc:
        raise _not_rebuildable(f"{name}: its {PASSPORT.name} cannot be read: {exc}") from exc
    if old_passport is not None:
        raise NotRebuildable(
            f"{name}: {describe_limits(old_passport.schema)}",
            missing=["passport"],
            remedy="Run 'streamflow train --as-of D', and promote the new version.",
        )
    assert passport is not None
    return passport


def _not_rebuildable(*missing: str) -> NotRebuildable:
    return NotRebuildable("\n".join(missing), missing=list(missing))


def _describe_changed_tags(version: ModelVersion, passport: Passport, digest: str) -> list[str]:
    """Name the tags in MLflow whose value is not the registered one."""
    sentences = []
    for name, registered in tags_of(passport, digest).items():
        tag = version.tags.get(name, "nothing")
        if tag != registered:
            sentences.append(
                f"the tag {name} of version {version.version} was changed:"
                f" it is {tag}, the registered value is {registered}"
            )
    return sentences


def tags_of(passport: Passport, digest: str) -> dict[str, str]:
    """Return the tags in MLflow that a version with this passport must have."""
    result = passport.result
    file_digests = {PASSPORT: digest, **recorded_digests(result)}
    return {
        **{file.tag: digest for file, digest in file_digests.items() if file.tag},
        "content_digest": result["model"]["content"],
        "threshold": repr(result["decision"]["threshold"]),
        "feature_service": passport.features["service"],
        "as_of": f"{passport.as_of:%Y-%m-%d}",
    }


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
    revisions = {
        (revision.table, revision.as_of, revision.revision): revision
        for revision in frozen.all_revisions(platform.connection)
    }
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

    The number is 0 when anything else was changed in these rows, too: then the erasures do not
    explain the difference. The tombstones of the erasures lead from the digest in the passport to
    the digest that the revision has now, and the frozen rows must have that digest.
    Raises NotRebuildable when a revision is no longer frozen.
    """
    revisions = require_frozen(platform, passport.sources)
    erased_revisions = []
    user_counts = [0]
    for source in passport.sources:
        erasure = follow_erasures(platform.connection, source)
        revision = revisions[source.revision_key]
        if erasure.digest != revision.digest:
            return 0
        user_counts.append(erasure.rows)
        if erasure.rows:
            erased_revisions.append(revision)
    if not erased_revisions:
        return 0
    key = platform.catalog.entity.key
    if describe_damaged_revisions(without_progress(platform), erased_revisions, key):
        return 0
    return max(user_counts)

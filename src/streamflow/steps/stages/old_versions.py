"""What a migration says about versions that an earlier release trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from streamflow.core.versions.level_comparison import compare_defaults
from streamflow.core.versions.old_passport import describe_limits, parse_old_passport
from streamflow.core.versions.passport import parse_passport
from streamflow.core.versions.version_files import PASSPORT
from streamflow.errors import ArtifactUntrusted, ModelRenamed, NotMigrated, VersionMissing
from streamflow.models.stages import ALIAS_BY_STAGE
from streamflow.platform import Platform
from streamflow.warehouse import retraining


def describe_old_versions(platform: Platform) -> Iterator[str]:
    """Describe each version in a stage whose passport records too little to make it again.

    A version whose passport is lost is described too.
    """
    try:
        versions = platform.models.versions()
    except NotMigrated:
        yield "the versions can be checked when MLflow's tables are migrated"
        return
    except (ModelRenamed, VersionMissing) as exc:
        yield f"the versions cannot be checked: {exc.message}"
        return
    for version in versions:
        if version.stage not in ALIAS_BY_STAGE:
            continue
        name = f"version {version.version} in {version.stage}"
        try:
            old = parse_old_passport(platform.models.read_version_file(version, PASSPORT.name))
        except (ArtifactUntrusted, ValueError) as exc:
            yield f"{name}: its passport cannot be read: {exc}"
            continue
        if old is not None:
            yield f"{name}: {describe_limits(old.schema)}"


def describe_changed_defaults(platform: Platform) -> Iterator[str]:
    """Say that `retrain` decides old evidence again, because defaults of settings have changed.

    Evidence contains the values of the settings. The passport of the version that the last
    retraining decided about has the values of that time.
    """
    number = retraining.find_decided_version(platform.connection, platform.catalog.model)
    if number is None:
        return
    try:
        run_id = platform.models.version(number).run_id
        passport = parse_passport(platform.models.read_run_file(run_id, PASSPORT.name))
    except (ModelRenamed, NotMigrated, VersionMissing):
        return  # the version is gone, or `describe_old_versions` says why it cannot be read
    except (ArtifactUntrusted, ValueError) as exc:
        yield f"version {number}: the defaults of its time cannot be read: {exc}"
        return
    changed = compare_defaults(passport.configuration, platform.settings.semantic_values)
    if changed:
        values = ", ".join(str(replace(difference, note="")) for difference in changed)
        yield (
            f"defaults of settings have changed since 'retrain' decided about version {number}"
            f" ({values}): the next 'retrain' decides again about drops that it decided about"
            " before. To prevent this, set the former values"
        )

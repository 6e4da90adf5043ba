"""Name the versions in use that an earlier release trained, before and after a migration."""

from __future__ import annotations

from collections.abc import Iterator

from streamflow.core.versions.old_passport import describe_limits, parse_old_passport
from streamflow.core.versions.version_files import PASSPORT
from streamflow.errors import ArtifactUntrusted, ModelRenamed, NotMigrated, VersionMissing
from streamflow.models.stages import ALIAS_BY_STAGE
from streamflow.platform import Platform


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
            old = parse_old_passport(platform.models.read_run_file(version.run_id, PASSPORT.name))
        except (ArtifactUntrusted, ValueError) as exc:
            yield f"{name}: its passport cannot be read: {exc}"
            continue
        if old is not None:
            yield f"{name}: {describe_limits(old.schema)}"

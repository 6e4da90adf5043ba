"""doctor --fix: correct what can be corrected without losing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from streamflow.core.data.counts import count_of
from streamflow.errors import SnapshotMissing, StreamflowError
from streamflow.features.materialize import find_stale_views
from streamflow.features.registry_content import find_unfit_tables
from streamflow.features.registry_results import AppliedObjects
from streamflow.platform import Platform, open_platform
from streamflow.settings import Settings
from streamflow.steps.data.lake_cleaning import clean_lake
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.migrate import migrate
from streamflow.steps.upkeep.doctor.finding import Finding

# The subjects of the findings that each command corrects.
MIGRATE_SUBJECTS = {"migration", "roles", "tables", "prediction log", "MLflow"}
FEAST_SUBJECTS = {"feature files", "Feast registry"}
LIVE_SUBJECTS = {"live features"}
REGISTRY_SUBJECTS = {"model registry"}
LAKE_SUBJECTS = {"lake"}
REPAIRABLE_SUBJECTS = (
    MIGRATE_SUBJECTS | FEAST_SUBJECTS | LIVE_SUBJECTS | REGISTRY_SUBJECTS | LAKE_SUBJECTS
)


def repair(
    settings: Settings,
    findings: Iterable[Finding],
    notify: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Correct those findings that can be corrected without losing anything.

    Returns:
        What was done, in words. If an error stops the work, the last line begins with "stopped:".
    """
    subjects = {finding.subject for finding in findings if finding.is_wrong and finding.fixable}
    repairs: list[str] = []
    try:
        if subjects & REPAIRABLE_SUBJECTS:
            with open_platform(settings, notify=notify, must_be_migrated=False) as platform:
                _repair(platform, subjects, repairs)
    except StreamflowError as error:
        repairs.append(f"stopped: {error}")
    return repairs


def _repair(platform: Platform, subjects: set[str], repairs: list[str]) -> None:
    """Run the command that corrects each subject, and add what was done to `repairs`."""
    if subjects & MIGRATE_SUBJECTS:
        changes = [f"migrated: {change}" for change in migrate(platform).changes]
        repairs += changes or ["migrated: the record of what is there"]
    if subjects & REGISTRY_SUBJECTS:
        repairs += platform.models.undo_problems()
    if subjects & LAKE_SUBJECTS:
        files = count_of(clean_lake(platform), "file")
        repairs.append(f"removed {files} that no revision needs from the lake")
    services = platform.read_services()
    is_unfit = bool(find_unfit_tables(platform.connection, platform.catalog, services))
    if "Feast registry" in subjects or (subjects & LIVE_SUBJECTS and is_unfit):
        repairs += _describe_applied(platform.features.rebuild(services))
    elif subjects & FEAST_SUBJECTS:
        platform.features.write(services)
        repairs += _describe_applied(platform.features.apply())
    # The live features can have become stale only now: the apply above makes a live table again
    # that an earlier apply had dropped.
    if _has_stale_views(platform):
        receipt = materialize(platform)
        repairs.append(f"materialized {count_of(len(receipt.views), 'view')} as of {receipt.as_of}")


def _describe_applied(applied: AppliedObjects) -> list[str]:
    """Say that the feature repository was applied, and what Feast's registry no longer has."""
    lines = ["wrote and applied the feature repository"]
    if applied.removed:
        lines.append(f"removed from Feast's registry: {', '.join(applied.removed)}")
    return lines


def _has_stale_views(platform: Platform) -> bool:
    """Return whether a live view does not hold the newest snapshot."""
    try:
        return bool(
            find_stale_views(platform.connection, platform.catalog, platform.read_services())
        )
    except SnapshotMissing:
        return False

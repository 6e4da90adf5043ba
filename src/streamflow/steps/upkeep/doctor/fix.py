"""doctor --fix: what can be mended without losing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from streamflow.errors import SnapshotMissing, StreamflowError
from streamflow.features.materialize import stale_views
from streamflow.platform import Platform, open_platform
from streamflow.settings import Settings
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.migrate import migrate
from streamflow.steps.upkeep.doctor.finding import Finding

MIGRATE = {"migration", "roles", "tables", "prediction log", "MLflow"}
FEAST = {"feature files", "Feast registry"}
LIVE = {"live features"}


def mend(
    settings: Settings, findings: Iterable[Finding], notify: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Mend what `findings` say is wrong and can be mended; what was done, in words. An error is among the words."""
    wanted = {finding.subject for finding in findings if not finding.ok and finding.fixable}
    done: list[str] = []
    try:
        if wanted & (MIGRATE | FEAST | LIVE):
            with open_platform(settings, notify=notify, migrated=False) as platform:
                _mend_platform(platform, wanted, done)
    except StreamflowError as error:
        done.append(f"stopped: {error}")
    return done


def _mend_platform(platform: Platform, wanted: set[str], done: list[str]) -> None:
    if wanted & MIGRATE:
        done += [f"migrated: {change}" for change in migrate(platform).changes] or [
            "migrated: the record of what is there"
        ]
    if wanted & FEAST:
        services = platform.services()
        platform.features.write(services)
        platform.features.apply()
        done.append("wrote and applied the feature repository")
    if _is_stale(
        platform
    ):  # or has become so: an apply makes a live table anew that another one had dropped
        receipt = materialize(platform)
        done.append(f"materialized {len(receipt.views)} views as of {receipt.as_of}")


def _is_stale(platform: Platform) -> bool:
    try:
        return bool(stale_views(platform.connection, platform.catalog, platform.services()))
    except SnapshotMissing:
        return False

"""The platform: the only place that puts settings, database, features and models together."""

from streamflow.platform.connections import Platform
from streamflow.platform.opening import open_platform, require_migrated

__all__ = ["Platform", "open_platform", "require_migrated"]

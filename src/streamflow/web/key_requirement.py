"""Where a service of HTTP requires an API key. The API and the console ask this one place."""

from __future__ import annotations

from streamflow.settings import Settings
from streamflow.web.host_check import is_loopback


def keys_are_needed(settings: Settings, host: str) -> bool:
    """Return whether a request needs an API key, for a service that is bound to `host`."""
    if settings.api_auth == "auto":
        return not is_loopback(host)
    return settings.api_auth == "on"

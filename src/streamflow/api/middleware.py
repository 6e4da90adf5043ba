"""What stands between the network and the endpoints, and in which order.

From outside: Observed (request id, numbers, log), Hardened (host, headers), CORS where it is set, Guard (keys), Bounded (body).
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from streamflow.api.active_keys import KeyRing
from streamflow.api.authentication import Guard
from streamflow.api.body_limit import Bounded
from streamflow.api.host_check import Hardened, allowed_hosts, is_loopback
from streamflow.settings import Settings

SENT = ("Authorization", "Content-Type", "X-API-Key", "X-Request-ID")
SHOWN = ("X-Request-ID", "Retry-After")


def keys_are_needed(settings: Settings, host: str) -> bool:
    """Whether whoever asks must have a key."""
    return settings.api_auth == "on" or (settings.api_auth == "auto" and not is_loopback(host))


def add_fence(app: FastAPI, settings: Settings, host: str, keys: KeyRing | None) -> None:
    """Add all but Observed, the innermost first; without `keys` nobody is asked for one."""
    app.add_middleware(Bounded, most=settings.api_max_body, seconds=settings.api_client_limit)
    if keys is not None:
        app.add_middleware(Guard, keys=keys)
    if settings.api_cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.api_cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=SENT,
            expose_headers=SHOWN,
        )
    app.add_middleware(Hardened, hosts=allowed_hosts(host, settings.api_allowed_hosts))

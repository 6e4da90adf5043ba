"""The middleware between the network and the endpoints, and its order.

From outside to inside: RequestObserver (request id, metrics, log), HostCheck (host, headers),
CORS if it is configured, KeyGuard (API keys), BodyLimit (request body), DirectPredict (/predict).
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from streamflow.api.authentication import KeyGuard
from streamflow.settings import Settings
from streamflow.web.active_keys import KeyRing
from streamflow.web.body_limit import BodyLimit
from streamflow.web.host_check import HostCheck, allowed_hosts

CORS_REQUEST_HEADERS = ("Authorization", "Content-Type", "X-API-Key", "X-Request-ID")
CORS_RESPONSE_HEADERS = ("X-Request-ID", "Retry-After")


def add_middleware(app: FastAPI, settings: Settings, host: str, keys: KeyRing | None) -> None:
    """Add all middleware between RequestObserver and DirectPredict, the innermost first.

    Args:
        app: the application
        settings: the settings of the API
        host: the host that the API is bound to
        keys: the API keys; None if a request needs no key
    """
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.api_max_body,
        timeout_s=settings.api_client_limit,
    )
    if keys is not None:
        app.add_middleware(KeyGuard, keys=keys)
    if settings.api_cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.api_cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=CORS_REQUEST_HEADERS,
            expose_headers=CORS_RESPONSE_HEADERS,
        )
    app.add_middleware(HostCheck, hosts=allowed_hosts(host, settings.api_allowed_hosts))

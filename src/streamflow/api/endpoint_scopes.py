"""The API-key scope that each endpoint requires. A path in neither table is answered with 404."""

from __future__ import annotations

from streamflow.core.serving.api_keys import Scope

# Paths that need no key, because a health probe has none. They must match exactly.
OPEN_PATHS = frozenset({"/health", "/ready"})

ACCESS: dict[str, Scope] = {
    # The metrics show how much is predicted, and what. A scraper gets a key for them alone.
    "/metrics": "metrics",
    "/model": "read",
    "/features/{}": "read",
    "/openapi.json": "read",
    "/docs": "read",
    "/redoc": "read",
    "/predict": "predict",
    "/predict/batch": "predict",
    "/explain": "predict",
}


def required_scope(path: str) -> Scope | None:
    """Return the scope that a path requires; None if the API has no such path.

    The path must be the one that the router reads.

    >>> [required_scope(p) for p in ("/features/7590-VHVEG", "/features/x/health", "/health")]
    ['read', None, None]
    """
    parent = path.rpartition("/")[0]
    return ACCESS.get(path) or ACCESS.get(f"{parent}/{{}}")

"""Which endpoint asks for which scope. What stands here neither way does not exist for whoever comes with a key, or without."""

from __future__ import annotations

from streamflow.core.serving.api_keys import Scope

OPEN = frozenset({"/health", "/ready"})  # by exact match: a probe has no key
ACCESS: dict[str, Scope] = {
    "/metrics": "metrics",  # it tells how much is predicted and what: a scraper gets a key that can do nothing else
    "/model": "read",
    "/features/{}": "read",
    "/openapi.json": "read",
    "/docs": "read",
    "/redoc": "read",
    "/predict": "predict",
    "/predict/batch": "predict",
    "/explain": "predict",
}


def scope_of(path: str) -> Scope | None:
    """The scope that a path asks for; None for one that is not ours. The path is the one that the router will read.

    >>> scope_of("/features/7590-VHVEG"), scope_of("/features/x/health"), scope_of("/health")
    ('read', None, None)
    """
    return ACCESS.get(path) or ACCESS.get(f"{path.rpartition('/')[0]}/{{}}")

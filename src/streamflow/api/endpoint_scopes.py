"""The API-key scope that each endpoint requires. A path in neither table is answered with 404."""

from __future__ import annotations

import re

from streamflow.core.serving.api_keys import Scope

# Paths that need no key, because a health probe has none. They must match exactly.
OPEN_PATHS = frozenset({"/health", "/ready", "/v2/health/live", "/v2/health/ready", "/ping"})

FEATURES_PREFIX = "/features/"

# The paths of the Open Inference Protocol that name a model.
MODEL_PATH = re.compile(r"/v2/models/[^/]+(/ready|/infer)?")

ACCESS: dict[str, Scope] = {
    # The metrics show how much is predicted, and what. A scraper gets a key for them alone.
    "/metrics": "metrics",
    "/model": "read",
    f"{FEATURES_PREFIX}{{}}": "read",
    "/openapi.json": "read",
    "/docs": "read",
    "/redoc": "read",
    # The files that these two pages load.
    "/docs/swagger-ui-bundle.js": "read",
    "/docs/swagger-ui.css": "read",
    "/docs/favicon-32x32.png": "read",
    "/redoc/redoc.standalone.js": "read",
    "/predict": "predict",
    "/predict/batch": "predict",
    "/explain": "predict",
    "/v2": "read",
    "/version": "read",
    "/invocations": "predict",
}


def required_scope(path: str) -> Scope | None:
    """Return the scope that a path requires; None if the API has no such path.

    The path must be the one that the router reads. A key in a path may contain slashes.

    >>> [required_scope(p) for p in ("/features/7590-VHVEG", "/features/x/health", "/health")]
    ['read', 'read', None]
    >>> [required_scope(f"/v2/models/churn{p}") for p in ("", "/ready", "/infer", "/health")]
    ['read', 'read', 'predict', None]
    """
    if path.startswith(FEATURES_PREFIX):
        return ACCESS[f"{FEATURES_PREFIX}{{}}"]
    model_path = MODEL_PATH.fullmatch(path)
    if model_path is not None:
        return "predict" if model_path[1] == "/infer" else "read"
    return ACCESS.get(path)

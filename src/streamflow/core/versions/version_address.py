"""Where MLflow shows a version."""

from __future__ import annotations

from urllib.parse import quote


def version_address(page: str, model: str, version: int) -> str:
    """Return the address at which MLflow shows a version.

    Args:
        page: the address of MLflow's page

    >>> version_address("http://localhost:5000/", "my churn", 3)
    'http://localhost:5000/#/models/my%20churn/versions/3'
    """
    return f"{page.rstrip('/')}/#/models/{quote(model, safe='')}/versions/{version}"

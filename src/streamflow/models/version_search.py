"""Search MLflow's registry for versions and aliases, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def read_all_pages(read_page: Callable[[str | None], Any]) -> list[Any]:
    """Return the items of all pages of a search.

    Args:
        read_page: the token of a page, or None for the first page -> the page.
    """
    items: list[Any] = []
    token = None
    while True:
        page = read_page(token)
        items += page
        token = page.token
        if not token:
            return items


def search_versions(
    client: MlflowClient,
    name: str,
    *,
    below: int | None = None,
    limit: int | None = None,
) -> list[Any]:
    """Return MLflow's versions of a registered model, the newest first.

    Args:
        client: the connection to MLflow.
        name: the name of the registered model.
        below: only versions with smaller numbers; None: all.
        limit: how many versions at most; None: all.
    """
    condition = f"name = '{name}'"
    if below is not None:
        condition += f" AND version_number < {below:d}"
    if limit is not None:
        order = ["version_number DESC"]
        return list(client.search_model_versions(condition, max_results=limit, order_by=order))
    versions = read_all_pages(
        lambda token: client.search_model_versions(condition, page_token=token)
    )
    return sorted(versions, key=lambda version: -int(version.version))


def search_versions_of_all_models(client: MlflowClient) -> list[Any]:
    """Return MLflow's versions of every registered model."""
    return read_all_pages(lambda token: client.search_model_versions(page_token=token))


def search_registered_models(client: MlflowClient, name: str) -> list[Any]:
    """Return MLflow's registered model of this name. The list is empty when there is none."""
    return list(client.search_registered_models(f"name = '{name}'"))


def collect_aliases(registered_models: Iterable[Any]) -> dict[str, int]:
    """Return alias -> version of registered models.

    MLflow's search for versions does not return their aliases, so they are read from the models.
    """
    aliases: dict[str, int] = {}
    for model in registered_models:
        aliases |= {alias: int(number) for alias, number in model.aliases.items()}
    return aliases

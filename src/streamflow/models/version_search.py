"""Search MLflow's registry for versions and aliases, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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


def search_versions(client: MlflowClient, name: str) -> list[Any]:
    """Return MLflow's versions of a registered model, the newest first."""
    versions = read_all_pages(
        lambda token: client.search_model_versions(f"name = '{name}'", page_token=token)
    )
    return sorted(versions, key=lambda version: -int(version.version))


def search_versions_below(
    client: MlflowClient,
    name: str,
    *,
    below: int | None,
    limit: int,
) -> list[Any]:
    """Return at most `limit` of MLflow's versions with smaller numbers, the newest first."""
    condition = "" if below is None else f" AND version_number < {below:d}"
    page = client.search_model_versions(
        f"name = '{name}'{condition}",
        max_results=limit,
        order_by=["version_number DESC"],
    )
    return list(page)


def read_metrics(
    client: MlflowClient,
    experiment: str,
    run_ids: Sequence[str],
) -> dict[str, dict[str, float]]:
    """Return run -> its metrics. The runs of our experiment are read in one search."""
    own_experiment = client.get_experiment_by_name(experiment)
    runs: list[Any] = []
    # Whoever can write to MLflow can register a version with any text as its run.
    searchable_ids = [run_id for run_id in run_ids if run_id.isalnum()]
    if own_experiment is not None and searchable_ids:
        quoted = ", ".join(f"'{run_id}'" for run_id in searchable_ids)
        runs = client.search_runs(
            [own_experiment.experiment_id],
            f"attributes.run_id IN ({quoted})",
            max_results=len(searchable_ids),
        )
    metrics = {run.info.run_id: dict(run.data.metrics) for run in runs}
    for run_id in run_ids:
        if run_id not in metrics:
            metrics[run_id] = dict(client.get_run(run_id).data.metrics)
    return metrics


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

"""Prepared installations for blocks of pages, and whoever reads the pages there.

A page says with `<!-- run in: STATE -->` above a block in which of them it runs. One installation
of each kind is used for all pages, in the order of their names.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from getpass import getuser
from pathlib import Path
from uuid import uuid4

from conftest import CHEAP, Cluster
from mlflow import MlflowClient

from streamflow.models.mlflow_client import ignore_stage_warnings
from streamflow.platform import Platform
from streamflow.steps.serving.api_keys import create_key
from support.api import served
from support.console import open_session, read_blocks
from support.page_blocks import Reader
from support.states import JANUARY_SERVED, THREE_VERSIONS, State, in_state

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
STATES = {
    "served": JANUARY_SERVED,
    "served, with keys": JANUARY_SERVED,
    "two promotions": THREE_VERSIONS,
}
# Blocks that take longer: tests/proofs/test_pages.py runs them.
PROVEN_STATES = {"served, long": JANUARY_SERVED}
HELM = "helm"  # no installation: tests/deploy/test_helm.py runs it


def list_states() -> set[str]:
    """Return each state that a page names."""
    named = {block.state for page in PAGES for block in read_blocks(page.read_text("utf-8"))}
    return named - {""}


def find_differences(name: str, cluster: Cluster, drops: Path, folder: Path) -> list[str]:
    """Run all blocks of a state, and return what they print differently from their pages."""
    differences = []
    state = {**STATES, **PROVEN_STATES}[name]
    with ExitStack() as closing:
        reader = open_reader(name, state, cluster, drops, folder, closing)
        for page in PAGES:
            for block in read_blocks(page.read_text("utf-8")):
                if block.state == name:
                    differences += reader.read(page.relative_to(ROOT).as_posix(), block)
    return differences


def open_reader(
    name: str,
    state: State,
    cluster: Cluster,
    drops: Path,
    folder: Path,
    closing: ExitStack,
) -> Reader:
    platform = closing.enter_context(in_state(cluster, state, drops, folder / "home"))
    for link, target in {"data": drops, "deploy": ROOT / "deploy"}.items():
        (folder / link).symlink_to(target)
    settings = platform.settings
    assert settings.database_url is not None
    variables = {
        "STREAMFLOW_HOME": str(platform.home),
        "STREAMFLOW_DATABASE_URL": settings.database_url.get_secret_value(),
        "STREAMFLOW_MLFLOW_DATABASE": settings.mlflow_database,
        "COLUMNS": "300",
    }
    for setting in {*CHEAP, *state.settings}:
        variables[f"STREAMFLOW_{setting.upper()}"] = str(getattr(settings, setting))
    is_asked = name == "served, with keys"
    if is_asked:
        scraper = create_key(platform, "prometheus", scope="metrics", days=None)
        variables["METRICS_KEY"] = scraper.key
    session = closing.enter_context(open_session(folder, variables))
    page_names = {
        settings.mlflow_database: "mlflow",
        platform.login.database: "streamflow",
        "promoted by force": "promoted",
        f"│ {getuser()} ": "│ root ",
        f"by {getuser()}:": "by root:",
    }
    auth = {"STREAMFLOW_API_AUTH": "on" if is_asked else "off"}
    return Reader(
        session=session,
        serve=lambda: closing.enter_context(served(platform, extra=auth)),
        make_empty=make_empty_installations(cluster, folder, page_names, closing),
        hidden_steps={"(put version 2 into Production in MLflow)": lambda: move_stage(platform, 2)},
        page_names=page_names,
    )


def make_empty_installations(
    cluster: Cluster, folder: Path, page_names: dict[str, str], closing: ExitStack
) -> Callable[[str], dict[str, str]]:
    def make(home: str) -> dict[str, str]:
        name = f"sf_page_{uuid4().hex[:12]}"
        cluster.make_empty(name)
        closing.callback(cluster.drop, name)
        page_names[f"{name}_mlflow"] = "mlflow"
        page_names[name] = "streamflow"
        page_names[str(folder)] = "/srv/churn"
        return cluster.variables(name, folder / home)

    return make


def move_stage(platform: Platform, version: int) -> None:
    """Do what somebody does on MLflow's page."""
    client = MlflowClient(platform.tracking_uri, registry_uri=platform.tracking_uri)
    with ignore_stage_warnings():
        client.transition_model_version_stage(
            platform.catalog.model, str(version), "Production", archive_existing_versions=True
        )

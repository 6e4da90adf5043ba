"""The blocks of the pages that need an installation with a version and live features run in one.

A page says so with `<!-- run in: STATE -->` above the block: `served`, `served, with keys` (the API
asks for keys), `two promotions`, or `helm`. One installation of each kind is used for all pages.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from getpass import getuser
from pathlib import Path
from uuid import uuid4

import pytest
from conftest import CHEAP, Cluster
from mlflow import MlflowClient
from support.api import served
from support.console import open_session, read_blocks
from support.page_blocks import Reader
from support.states import JANUARY_SERVED, THREE_VERSIONS, State, in_state
from test_code_blocks import read_code

from streamflow.database import connect
from streamflow.models.mlflow_client import ignore_stage_warnings
from streamflow.platform import Platform
from streamflow.steps.serving.api_keys import create_key

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
STATES = {
    "served": JANUARY_SERVED,
    "served, with keys": JANUARY_SERVED,
    "two promotions": THREE_VERSIONS,
}
HELM = "helm"  # no installation: tests/deploy/test_helm.py runs it
PROGRAMS = ("bash", "curl", "openssl", "psql")


def test_each_state_that_a_page_names_exists() -> None:
    named = {block.state for page in PAGES for block in read_blocks(page.read_text("utf-8"))}
    assert named - {""} == {*STATES, HELM}


@pytest.mark.parametrize("name", STATES)
def test_the_blocks_of_the_pages_show_what_is_printed(
    name: str, cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"programs of the pages are absent: {missing}")
    differences = []
    with ExitStack() as closing:
        reader = open_reader(name, STATES[name], cluster, simulated_drops, tmp_path, closing)
        for page in PAGES:
            for block in read_blocks(page.read_text("utf-8")):
                if block.state == name:
                    differences += reader.read(page.relative_to(ROOT).as_posix(), block)
    assert differences == [], "\n\n".join(differences)


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


# Pages with SQL for an administrator.
ADMINISTRATORS_PAGES = (
    "docs/security.md",
    "docs/how-to/monitoring.md",
    "docs/how-to/kubernetes.md",
    "docs/feast.md",
)


@pytest.mark.parametrize("page", ADMINISTRATORS_PAGES)
def test_an_administrator_can_run_the_sql_of_a_page(page: str, cluster: Cluster) -> None:
    """In the database of an installation. What it makes is gone afterwards."""
    (block,) = [block for block in read_code(ROOT / page) if block.language == "sql"]
    name = f"sf_sql_{uuid4().hex[:12]}"
    own_name = re.sub(r"(?<=DATABASE )(\w+)", rf"{name}_own_\1", block.code)
    databases = re.findall(r"(?<=DATABASE )\w+", own_name)
    cluster.clone(name)
    try:
        with connect(cluster.address.with_database(name), autocommit=True) as connection:
            statements = [text for text in own_name.split(";") if text.strip()]
            for statement in statements:
                # A role and a schema go with their transaction; a database cannot be in one.
                if "DATABASE" in statement:
                    connection.execute(statement.replace("OWNER streamflow ", ""))
                else:
                    with connection.transaction(force_rollback=True):
                        connection.execute(statement)
    finally:
        with connect(cluster.address, autocommit=True) as connection:
            for database in databases:
                connection.execute(f'DROP DATABASE IF EXISTS "{database}"')
        cluster.drop(name)

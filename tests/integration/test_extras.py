"""Each extra brings what its work needs, and a command says which extra it misses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Cluster
from support import only_extra
from support.states import THREE_VERSIONS, in_state

from streamflow.errors import PackagesMissing
from streamflow.platform import Platform

# Each brings dozens of packages or hundreds of megabytes. The API does not even look for them.
VENDORS = {"feast", "polars", "prefect"}
API_REQUESTS = (
    "GET /ready",
    "POST /predict",
    "POST /explain",
    f"GET /features/{only_extra.BODY}",
    "GET /model",
    "GET /metrics",
    "GET /openapi.json",
)
CONSOLE_REQUESTS = (
    "GET /versions",
    "GET /versions/1",
    "GET /production",
    "GET /production/rollback",
    "GET /drops",
    "GET /drops/2024-01-31",
    "GET /data",
    "GET /snapshots",
    "GET /training-sets",
    "GET /training-sets/1",
    "GET /runs",
    "GET /work",
    "GET /upload",
    "GET /monitoring",
    "GET /service",
    "GET /serving",
)
# Commands that work with the default packages, where MLflow's tables are on the same PostgreSQL.
SMALL_COMMANDS = (
    "models",
    f"predict {only_extra.BODY}",
    f"explain {only_extra.BODY}",
    "ledger",
    "drops",
    "catalog",
    "keys list",
)
COMPARISON = "GET /versions/2/promote"


@dataclass(frozen=True)
class Work:
    """What a process with one extra did."""

    results: dict[str, int]
    missed: set[str]
    messages: str


@pytest.fixture(scope="module")
def three_versions(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("extras") / "home"
    with in_state(cluster, THREE_VERSIONS, simulated_drops, home) as platform:
        yield platform


def work_with(platform: Platform, extra: str, work: str, *items: str) -> Work:
    """Work on the installation of a platform with the packages of one extra."""
    settings = platform.settings
    assert settings.database_url is not None
    variables = {
        "STREAMFLOW_HOME": str(settings.home),
        "STREAMFLOW_DATABASE_URL": settings.database_url.get_secret_value(),
        "STREAMFLOW_MLFLOW_DATABASE": settings.mlflow_database,
        "STREAMFLOW_API_TRIAL": "off",
        "PATH": os.environ["PATH"],
    }
    child = subprocess.run(
        [sys.executable, only_extra.__file__, extra, work, *items],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    values = json.loads(child.stdout.splitlines()[-1])
    return Work(values["results"], set(values["missed"]), child.stderr)


def test_the_api_needs_the_packages_of_serve_alone(three_versions: Platform) -> None:
    work = work_with(three_versions, "serve", "api", *API_REQUESTS)
    assert work.results == dict.fromkeys(API_REQUESTS, 200), work.messages
    assert work.missed & VENDORS == set()


def test_the_console_needs_the_packages_of_console_but_to_compare_versions(
    three_versions: Platform,
) -> None:
    work = work_with(three_versions, "console", "console", *CONSOLE_REQUESTS, COMPARISON)
    expected = {**dict.fromkeys(CONSOLE_REQUESTS, 200), COMPARISON: PackagesMissing.http_status}
    assert work.results == expected, work.messages
    assert "streamflow-churn[train]" in work.messages


def test_a_command_names_the_extra_that_it_misses(three_versions: Platform) -> None:
    extras = {
        "train --as-of 2024-01-31": "train",
        "serve --port 0": "serve",
        "console": "console",
        "snapshots": "console",
    }
    work = work_with(three_versions, "", "command", *SMALL_COMMANDS, *extras)
    codes = dict.fromkeys(extras, PackagesMissing.exit_code)
    assert work.results == {**dict.fromkeys(SMALL_COMMANDS, 0), **codes}, work.messages
    for extra in extras.values():
        assert f"Run: pip install 'streamflow-churn[{extra}]'." in work.messages

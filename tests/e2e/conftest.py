"""Installations on the embedded server, made by the command line as a user makes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import called

from streamflow.catalog import DEFAULT_PATH
from streamflow.database.embedded import remove_server

OLD = (
    'contract_type       = { type = "string",'
    ' categories = ["Month-to-month", "One year", "Two year"] }'
)
NEW = OLD.replace(" }", ', categorical = true, view = "subs_profile_fv" }')
DAY = ("--as-of", "2024-01-31")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A state folder that is not there yet."""
    yield tmp_path / "home"
    remove_server(tmp_path / "home")


@pytest.fixture(scope="session")
def wider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default catalog with one line changed: a frozen column becomes a feature."""
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    assert text.count(OLD) == 1
    path = tmp_path_factory.mktemp("catalog") / "wider.toml"
    path.write_text(text.replace(OLD, NEW), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def two_feature_sets(
    simulated_drops: Path, wider: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A state folder with January and a version of each of two feature sets.

    None of our processes runs.
    """
    home = tmp_path_factory.mktemp("two") / "home"
    changed = ("--catalog", str(wider))
    for arguments in (
        ("ingest", str(simulated_drops / "month_000"), *DAY),
        ("snapshot", *DAY),
        ("train", *DAY),
        (*changed, "migrate", "--change-catalog"),
        (*changed, "materialize"),
        (*changed, "train", *DAY),
    ):
        done = called(home, *arguments, extra={"STREAMFLOW_TREES": "10"})
        assert done.returncode == 0, done.stderr
    yield home
    remove_server(home)

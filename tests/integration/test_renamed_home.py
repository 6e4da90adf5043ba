"""A state folder that was renamed or copied: its models are found again, or the loss is named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from conftest import Cluster
from support.states import JANUARY_TRAINED, copy_state

from streamflow.cli import receipts
from streamflow.database import connect
from streamflow.models.artifact_locations import LOCATIONS_QUERY
from streamflow.platform import Platform, open_platform
from streamflow.settings import Settings
from streamflow.steps.upkeep.backup import backup
from streamflow.steps.upkeep.backup_content import mlflow_address
from streamflow.steps.upkeep.doctor.vendors import check_model_files
from streamflow.steps.versions.registered_version import load_answering


@pytest.fixture(scope="module")
def name(cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The databases of an installation with one version, and its artifacts in `prepared`."""
    name = f"sf_home_{uuid4().hex[:12]}"
    folder = tmp_path_factory.mktemp("prepared")
    copy_state(cluster, JANUARY_TRAINED, simulated_drops, name, folder)
    return f"{name} {folder}"


@pytest.fixture
def settings(cluster: Cluster, name: str, tmp_path: Path) -> Iterator[Settings]:
    """An installation of its own whose state folder is `<tmp_path>/former`."""
    template, prepared = name.split()
    own, home = f"sf_home_{uuid4().hex[:12]}", tmp_path / "former"
    Cluster(address=cluster.address, template=template).clone(own)
    Path(prepared).rename(home)
    (home / "home.location").write_text(f"{prepared}\n")
    made = cluster.settings(own, home)
    with open_platform(made):  # the folder was just moved
        pass
    yield made
    cluster.drop(own)
    (artifacts,) = (path for path in tmp_path.glob("*/artifacts") if not path.parent.is_symlink())
    artifacts.parent.rename(prepared)


def moved(settings: Settings, home: Path) -> Settings:
    return settings.model_copy(update={"home": home})


def locations(platform: Platform) -> list[str]:
    with connect(mlflow_address(platform)) as connection:
        return [location for (location,) in connection.execute(LOCATIONS_QUERY)]


def test_a_renamed_home_has_its_models(settings: Settings, tmp_path: Path) -> None:
    home = settings.home.rename(tmp_path / "renamed folder")
    told: list[str] = []
    with open_platform(moved(settings, home), notify=told.append) as platform:
        assert told == [
            f"this state folder was {settings.home}: MLflow's locations name {home} now"
        ]
        assert not [location for location in locations(platform) if str(settings.home) in location]
        assert load_answering(platform, platform.models.version(1)).version.version == 1
        assert check_model_files(platform).text == "1 file"
        receipt = backup(platform, tmp_path / "whole.backup")
        assert receipt.missing == ()
        assert receipts.backup(receipt).splitlines()[-1].startswith("[OK] ")
    told.clear()
    with open_platform(moved(settings, home), notify=told.append):
        assert told == []


def test_a_link_to_a_home_is_the_same_home(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(settings.home)
    with open_platform(moved(settings, tmp_path / "link")) as platform:
        assert any(str(settings.home) in location for location in locations(platform))


def test_a_copy_of_a_home_leaves_the_common_database_alone(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "copy").mkdir()
    shutil.copy(settings.home / "home.location", tmp_path / "copy" / "home.location")
    with open_platform(moved(settings, tmp_path / "copy")) as platform:
        assert any(str(settings.home) in location for location in locations(platform))
    assert (tmp_path / "copy" / "home.location").read_text() == f"{settings.home}\n"


def test_models_that_are_not_found_are_named_and_a_backup_without_them_is_not_ok(
    settings: Settings, tmp_path: Path
) -> None:
    home = settings.home.rename(tmp_path / "renamed")
    (home / "home.location").unlink()  # as an earlier release left it
    with open_platform(moved(settings, home)) as platform:
        finding = check_model_files(platform)
        assert finding.is_wrong
        assert finding.text.startswith("missing: version 1 of streamflow_churn at /")
        assert str(home / "home.location") in finding.remedy
        receipt = backup(platform, tmp_path / "incomplete.backup")
        assert "its model file is not below the artifacts" in " ".join(receipt.missing)
        assert receipts.backup(receipt).splitlines()[-1].startswith("[INCOMPLETE] ")
    (home / "home.location").write_text(f"{settings.home}\n")  # what the remedy says
    with open_platform(moved(settings, home)) as platform:
        assert not check_model_files(platform).is_wrong

"""The state that each release left: it is restored, migrated, served and rebuilt by this tree.

tools/make_release_state.py makes a state, once for each release.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from conftest import Cluster
from support.api import asked, served

import streamflow
from streamflow.platform import Platform, open_platform
from streamflow.settings import load_settings
from streamflow.steps.data.migrate import migrate
from streamflow.steps.stages.ledger import verify_ledger
from streamflow.steps.upkeep.restore import RestoreReceipt, restore
from streamflow.steps.versions.rebuild_verdict import IDENTICAL
from streamflow.steps.versions.registered_version import load_answering
from streamflow.steps.versions.reproduce import reproduce

ROOT = Path(__file__).parents[2]
RELEASES = ROOT / "tests" / "data" / "releases"
NAMES = sorted(path.name for path in RELEASES.iterdir())
INPUTS_OF_THE_STATE = ("data", "features", "configuration")


@dataclass(frozen=True, kw_only=True)
class Upgraded:
    """An installation of a release after its migration, and what that release answered."""

    platform: Platform
    restored: RestoreReceipt
    expected: dict[str, Any]


@pytest.fixture(scope="module", params=NAMES)
def upgraded(
    request: pytest.FixtureRequest, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgraded]:
    folder, name = RELEASES / request.param, f"sf_release_{uuid4().hex[:12]}"
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    home = tmp_path_factory.mktemp("release") / "home"
    settings = cluster.settings(name, home, **expected["settings"])
    cluster.make_empty(name)
    with open_platform(settings, must_be_migrated=False) as platform:
        receipt = restore(platform, folder / "state.backup")
        migrate(platform)
        yield Upgraded(platform=platform, restored=receipt, expected=expected)
    cluster.drop(name)


def test_this_release_has_its_state() -> None:
    assert streamflow.__version__ in NAMES, "run tools/make_release_state.py"


def test_the_tool_writes_into_no_installation_of_whoever_runs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "make_release_state.py"))
    monkeypatch.setenv("STREAMFLOW_DATABASE_URL", "postgresql://mine/by_variable")
    Path("streamflow.toml").write_text('database_url = "postgresql://mine/by_file"\n')
    folder = tmp_path / "release"
    folder.mkdir()
    assert load_settings().database_url is not None
    with tool["without_own_settings"](folder):
        assert load_settings(home=folder / "home").database_url is None


def test_everything_is_restored_and_migrated(upgraded: Upgraded) -> None:
    assert upgraded.restored.backup.missing == ()
    assert upgraded.restored.models_verified == len(upgraded.expected["stages"])
    assert upgraded.restored.revisions_verified > 0
    assert migrate(upgraded.platform).changes == ()
    stages = {str(it.version): it.stage for it in upgraded.platform.models.versions()}
    assert stages == upgraded.expected["stages"]


def test_the_ledger_is_whole(upgraded: Upgraded) -> None:
    verdict = verify_ledger(upgraded.platform)
    head = upgraded.platform.models.read_stages().ledger_head
    assert (verdict.broken, [verdict.entries, head]) == (None, upgraded.expected["ledger"])


def test_the_api_answers_as_the_release_did(upgraded: Upgraded) -> None:
    """The version in Production is a forest: its probabilities are the same to the last bit."""
    expected = upgraded.expected["answers"]
    with served(upgraded.platform) as base:
        answer = asked(f"{base}/predict/batch", {"user_ids": list(expected)})
    assert answer.status == 200, answer.body
    answers = {
        entry["user_id"]: [entry["probability"], entry["prediction"]]
        for entry in answer.body["predictions"]
    }
    assert answers == expected


def test_each_version_answers_its_stored_requests(upgraded: Upgraded) -> None:
    """It is refused if it does not: a forest to the last bit, the other kinds within 1e-12."""
    for version in upgraded.platform.models.versions():
        load_answering(upgraded.platform, version)


def test_the_version_in_production_is_rebuilt(upgraded: Upgraded) -> None:
    """After an upgrade the code has drifted, and the environment if a package has changed.

    With the same packages the result must be identical.
    """
    receipt = reproduce(upgraded.platform, "1")
    verdicts = {level.name: level.verdict for level in receipt.levels}
    assert [verdicts[name] for name in INPUTS_OF_THE_STATE] == ["same"] * 3, receipt.levels
    assert receipt.tampered == ()
    assert receipt.holds, receipt.differences
    if verdicts["environment"] == "same":
        assert receipt.result == IDENTICAL == upgraded.expected["result"]

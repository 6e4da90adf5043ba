"""Proof: `serve` with a state folder and a temporary folder on a full disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Cluster
from support.api import asked, served
from support.load import truths
from support.processes import wait_for
from support.states import THREE_VERSIONS, THRESHOLDS, in_state

from streamflow.platform import Platform
from streamflow.steps.promotion.promote import promote

KEY = "7590-VHVEG"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system of its own")
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs", folder]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            assert wait_for(lambda: not subprocess.run(["umount", folder], check=False).returncode)


@pytest.fixture
def installed(cluster: Cluster, simulated_drops: Path, small_disk: Path) -> Iterator[Platform]:
    """Three versions; the first is in Production."""
    with in_state(cluster, THREE_VERSIONS, simulated_drops, small_disk / "home") as platform:
        yield platform


def fill(disk: Path) -> None:
    with (disk / "rest").open("ab", 0) as file:
        while shutil.disk_usage(disk).free:
            file.write(bytes(4_096))


@pytest.mark.parametrize("is_full_before", [True, False])
def test_the_api_answers_and_follows_promotions_on_a_full_disk(
    installed: Platform, small_disk: Path, tmp_path: Path, is_full_before: bool
) -> None:
    """The disk is full before the start, or becomes full later, and then also for the log."""
    truth = truths(installed, [KEY], list(THRESHOLDS))
    logs = tmp_path / "logs" if is_full_before else small_disk / "logs"
    logs.mkdir()
    (installed.home / "logs").symlink_to(logs)
    if is_full_before:
        fill(small_disk)
    with served(installed, extra={"TMPDIR": str(small_disk)}) as base:
        if not is_full_before:
            fill(small_disk)
        for version in (1, 2):
            promote(installed, version, force=True, why="on a full disk")
            assert wait_for(lambda v=version: asked(f"{base}/model").body["version"] == v)  # type: ignore[misc]
            for _ in range(200):  # more lines than a buffer holds
                answer = asked(f"{base}/predict", {"user_id": KEY})
                assert answer.status == 200, answer
                assert answer.body["probability"] == truth[version, KEY].probability
        (small_disk / "rest").unlink()
        assert asked(f"{base}/health").status == 200
        said = (logs / "api.log").read_text()
    assert ("the log could not be written" in said) is not is_full_before

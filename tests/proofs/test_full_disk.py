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
from support.load import Truths, truths
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


def require_answers(base: str, truth: Truths, version: int) -> None:
    """More answers than a buffer of the log holds lines."""
    for _ in range(200):
        answer = asked(f"{base}/predict", {"user_id": KEY})
        assert answer.status == 200, answer
        assert answer.body["probability"] == truth[version, KEY].probability


def is_version(base: str, version: int) -> bool:
    return bool(asked(f"{base}/model").body["version"] == version)


def test_the_api_starts_and_follows_promotions_on_a_full_disk(
    installed: Platform, small_disk: Path, tmp_path: Path
) -> None:
    """Its log is somewhere else; temporary files go where there is room."""
    truth = truths(installed, [KEY], list(THRESHOLDS))
    (tmp_path / "logs").mkdir()
    (installed.home / "logs").symlink_to(tmp_path / "logs")
    fill(small_disk)
    with served(installed, extra={"TMPDIR": str(small_disk)}) as base:
        require_answers(base, truth, 1)
        promote(installed, 2, force=True, why="on a full disk")
        assert wait_for(lambda: is_version(base, 2)), asked(f"{base}/ready")
        require_answers(base, truth, 2)
    (small_disk / "rest").unlink()


def test_the_api_goes_on_if_its_disk_becomes_full(installed: Platform, small_disk: Path) -> None:
    """It answers without a log. A new version needs temporary files: it waits, and that is said."""
    truth = truths(installed, [KEY], list(THRESHOLDS))
    with served(installed, extra={"TMPDIR": str(small_disk)}) as base:
        fill(small_disk)
        require_answers(base, truth, 1)
        promote(installed, 2, force=True, why="on a full disk")
        assert wait_for(lambda: "version 2" in str(asked(f"{base}/ready").body))
        require_answers(base, truth, 1)
        (small_disk / "rest").unlink()
        assert wait_for(lambda: is_version(base, 2)), asked(f"{base}/ready")
        require_answers(base, truth, 2)
        said = (installed.home / "logs" / "api.log").read_text()
        assert "the log could not be written" in said

"""A full disk: the message says so, nothing is half written, and a later attempt succeeds."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import called
from support.processes import wait_for

from streamflow.database.embedded import remove_server
from streamflow.steps.data.simulate import simulate

DAY = ("--as-of", "2024-01-31")


@pytest.fixture(scope="module")
def large_drop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A month of 80,000 users."""
    folder = tmp_path_factory.mktemp("large")
    simulate(folder, users=80_000, months=1, seed=1, notify=lambda _: None)
    return folder / "month_000"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own, of 170 MB: the server and its empty databases take 115."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # where PostgreSQL's user can reach
        Path(folder).chmod(0o755)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=170m,mode=755", "tmpfs", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            # The server that has just ended may still hold the disk for a moment.
            assert wait_for(lambda: not subprocess.run(["umount", folder], check=False).returncode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system of its own")
def test_the_servers_disk_is_full(small_disk: Path, large_drop: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "postgres.location").write_text(
        f"{small_disk / 'pg'}\n"
    )  # what streamflow itself notes there
    assert called(home, "migrate").returncode == 0
    said = called(home, "ingest", str(large_drop), *DAY)
    assert said.returncode == 21, said.stderr
    assert "No space left on device" in said.stderr
    assert (
        "What was not committed is rolled back. Free some space there and run the command again."
        in said.stderr
    )
    subprocess.run(["mount", "-o", "remount,size=900m", str(small_disk)], check=True)
    assert "Frozen revisions" in called(home, "snapshots").stdout
    done = called(home, "ingest", str(large_drop), *DAY)
    assert done.returncode == 0, done.stderr
    assert "[OK] ingested" in done.stdout
    remove_server(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system of its own")
def test_the_disk_of_the_state_folder_is_full(small_disk: Path, large_drop: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=2m", str(small_disk)], check=True)
    home = small_disk / "home"
    said = called(home, "ingest", str(large_drop), *DAY)
    assert said.returncode == 21, said.stderr
    assert "No space left on device" in said.stderr
    assert called(home, "snapshots", "--json").stdout.strip() == "[]"
    remove_server(home)

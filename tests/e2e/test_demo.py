"""The demo has a state folder of its own, and refuses the data of an installation."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import called

from streamflow.database.embedded import remove_server

DATES = ("--as-of", "2024-01-31", "--as-of", "2024-02-29")
SMALL = {
    "STREAMFLOW_TREES": "10",
    "STREAMFLOW_BOOTSTRAP_DRAWS": "100",
    "STREAMFLOW_GATE_DRAWS": "300",
}


@pytest.fixture
def demo_home(tmp_path: Path) -> Iterator[Path]:
    """The state folder that the demo makes in the folder of this test."""
    yield tmp_path / ".streamflow-demo"
    remove_server(tmp_path / ".streamflow-demo")


def test_the_demo_leaves_the_default_state_folder_alone(
    demo_home: Path, simulated_drops: Path
) -> None:
    command = [sys.executable, "-m", "streamflow", "demo", "--data", str(simulated_drops), *DATES]
    done = subprocess.run(
        command, env={**os.environ, **SMALL}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("The demo works in its own state folder, .streamflow-demo.")
    assert lines[-1] == (
        "The demo's data is in .streamflow-demo."
        " Commands without --home .streamflow-demo do not meet it."
    )
    assert "streamflow --home .streamflow-demo promote --dry-run" in done.stdout
    assert not demo_home.with_name(".streamflow").exists()
    snapshots = called(demo_home, "snapshots")
    assert snapshots.returncode == 0
    assert "2024-02-29" in snapshots.stdout


def test_the_demo_refuses_an_installation_with_drops(home: Path, simulated_drops: Path) -> None:
    january = ("ingest", str(simulated_drops / "month_000"), "--as-of", "2024-01-31")
    assert called(home, "migrate").returncode == 0
    assert called(home, *january).returncode == 0
    done = called(home, "--home", str(home), "demo")
    assert done.returncode == 7
    assert "holds drops that the demo did not load" in done.stderr
    assert not (home / "demo").exists()

"""Proof: each service of `up` may be killed at any time.

All of them are back within 30 s, and nothing is lost.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.api import asked
from support.processes import alive, kill, run, start, wait_for
from support.stack import (
    count_of_flow_runs,
    features_of_feast,
    free_ports,
    is_up,
    kill_9,
    postmaster,
    resident_mb,
    runs_of_mlflow,
    seconds_until,
    status,
    stopped,
    url,
)

from streamflow.database.embedded import remove_server

READY_S, BACK_S, GONE_S = 60.0, 30.0, 5.0  # the bounds that are promised, on 2 cores
KEY = "7590-VHVEG"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    run(tmp_path / "home", "down")
    remove_server(tmp_path / "home")


def answers(home: Path) -> bool:
    """Whether every service works with the former data: each answer comes from a database."""
    services = status(home)
    if any(row["state"] != "up" for row in services.values()):
        return False
    try:
        predicted = asked(url(services, "api", "/predict"), {"user_id": KEY})
        feast, mlflow, flow_runs = (
            features_of_feast(services, KEY),
            runs_of_mlflow(services),
            count_of_flow_runs(services),
        )
    except (
        OSError
    ):  # what a killed server left of itself has just answered its health check, and is gone
        return False
    return (
        (predicted.status, feast.status, mlflow.status) == (200, 200, 200)
        and feast.body["results"][1]["statuses"] == ["PRESENT"]
        and len(mlflow.body["runs"]) == 1
        and flow_runs == 1
    )


def test_every_service_comes_back_and_nothing_is_lost(home: Path, simulated_drops: Path) -> None:
    begin = time.monotonic()
    done = run(home, "up", "--detach", extra=free_ports())
    ready = time.monotonic() - begin
    assert done.returncode == 0, done.stderr
    print(f"\nfrom an empty state to ready: {ready:.1f} s")
    for arguments in (
        ("run", str(simulated_drops / "month_000"), "--as-of", "2024-01-31"),
        ("train", "--as-of", "2024-01-31"),
        ("promote", "1"),
    ):
        assert run(home, *arguments, extra={"STREAMFLOW_TREES": "10"}).returncode == 0
    assert answers(home)
    services = status(home)
    for name, row in services.items():
        print(f"  {name:8} {resident_mb(row['pid']):>5} MB")
    worst = 0.0
    for name in (*services, "the postmaster"):
        kill_9(postmaster(home) if name == "the postmaster" else status(home)[name]["pid"])
        back = seconds_until(lambda: answers(home), 2 * BACK_S)
        worst = max(worst, back)
        print(f"  kill -9 of {name:14} all answer again after {back:4.1f} s", flush=True)
    begin = time.monotonic()
    assert stopped(home) == []
    print(f"  down: nothing is left after {time.monotonic() - begin:.1f} s")
    assert ready <= READY_S
    assert worst <= BACK_S


def test_a_killed_up_leaves_nothing(home: Path) -> None:
    process = start(home, "up", extra=free_ports())
    assert wait_for(lambda: is_up(home), 120.0), home.with_name("home.log").read_text()
    kill(process)
    gone = seconds_until(lambda: not alive(home), 30.0)
    print(f"\nkill -9 of up with all services: nothing is left after {gone:.1f} s")
    assert gone <= GONE_S


def test_a_killed_supervisor_leaves_nothing(home: Path) -> None:
    assert run(home, "up", "--detach", extra=free_ports()).returncode == 0
    kill_9(int((home / "run" / "supervisord.pid").read_text()))
    gone = seconds_until(lambda: not alive(home), 30.0)
    print(f"\nkill -9 of the supervisor of a detached up: nothing is left after {gone:.1f} s")
    assert gone <= GONE_S
    assert run(home, "status").returncode == 1
    assert os.path.exists(home / "run" / "up")  # noqa: PTH110  # a socket without a listener
    assert run(home, "up", "api", "--detach", extra=free_ports()).returncode == 0

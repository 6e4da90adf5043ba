"""The stack of `streamflow up` in the tests: on free ports, asked over real HTTP."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from streamflow.services.processes import free_port
from support.api import Answer, asked
from support.command import called
from support.processes import alive, run, wait_for

PORTS = ("prefect_port", "mlflow_port", "feast_port", "feast_ui_port", "api_port", "console_port")


def free_ports() -> dict[str, str]:
    """Variables that give each service a port which nothing listens on."""
    return {f"STREAMFLOW_{name.upper()}": str(free_port()) for name in PORTS}


def status(home: Path) -> dict[str, dict[str, Any]]:
    """Service -> what `status --json` says; empty when nothing is up."""
    done = called(home, "status", "--json")
    assert done.stdout, done.stderr
    receipt: list[dict[str, Any]] = json.loads(done.stdout)["services"]
    return {row["service"]: row for row in receipt}


def url(services: Mapping[str, Mapping[str, Any]], name: str, path: str) -> str:
    """A path of a service."""
    return f"{services[name]['address'].removesuffix('/docs')}{path}"


def count_of_flow_runs(services: Mapping[str, Mapping[str, Any]]) -> object:
    """How many runs Prefect's server knows."""
    return asked(url(services, "prefect", "/api/flow_runs/count"), {}).body


def runs_of_mlflow(services: Mapping[str, Mapping[str, Any]]) -> Answer:
    """The runs of our experiment, from MLflow's server: it reads them from PostgreSQL."""
    return asked(url(services, "mlflow", "/api/2.0/mlflow/runs/search"), {"experiment_ids": ["1"]})


def features_of_feast(services: Mapping[str, Mapping[str, Any]], key: str) -> Answer:
    """One live feature of one key, from Feast's server: it reads it from PostgreSQL."""
    question = {"features": ["subs_profile_fv:months_active"], "entities": {"user_id": [key]}}
    return asked(url(services, "feast", "/get-online-features"), question)


def is_up(home: Path) -> bool:
    """Whether every service is."""
    return called(home, "status").returncode == 0


def kill_9(pid: int) -> None:
    """`kill -9` of one process."""
    os.kill(pid, signal.SIGKILL)


def postmaster(home: Path) -> int:
    """The process of the embedded server that is the parent of the others."""
    from streamflow.database.server_folder import find_server_folders

    return int((find_server_folders(home).data / "postmaster.pid").read_text().splitlines()[0])


def resident_mb(pid: int) -> int:
    """The resident memory of a process and its children, in MB.

    Each process counts the pages that they share.
    """
    process = psutil.Process(pid)
    return round(
        sum(p.memory_info().rss for p in (process, *process.children(recursive=True))) / 1e6
    )


def stopped(home: Path) -> list[str]:
    """`streamflow down`, and what of it still runs 5 s later."""
    done = run(home, "down")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: not alive(home), 5.0)
    return alive(home)


def seconds_until(condition: Any, seconds: float = 60.0) -> float:
    """How long `condition` took to come true."""
    begin = time.monotonic()
    assert wait_for(condition, seconds)
    return time.monotonic() - begin

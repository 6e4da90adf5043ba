"""Proof: Prefect's server is killed during a flow, or `down` ends everything during one.

Nothing is half written, no command hangs, and the same flow again ends as an undisturbed one.
The flow stands still at a lock that the proof holds, so that the moment is exact.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from conftest import Cluster
from support.api import asked
from support.kills import Bench, content, half_written
from support.processes import alive, run, start, wait_for
from support.stack import free_ports, status, stopped, url

from streamflow.database import Address
from streamflow.database.locks import RAW_AND_FROZEN_ROWS

DAY = ("--as-of", "2024-01-31")
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
LONGEST_END_S = 900.0  # Prefect's client tries for minutes to reach its server


@contextmanager
def held(address: Address) -> Iterator[Callable[[], bool]]:
    """Hold the lock of raw and frozen rows; yields whether somebody waits for it."""
    with psycopg.connect(address.conninfo(), autocommit=True) as holder:
        holder.execute(f"SELECT pg_advisory_lock({RAW_AND_FROZEN_ROWS})")
        yield lambda: holder.execute(WAITING).fetchone() != (0,)


@pytest.fixture
def bench(cluster: Cluster, tmp_path: Path) -> Bench:
    return Bench(cluster, tmp_path, [])


@pytest.fixture
def undisturbed(bench: Bench, simulated_drops: Path, tmp_path: Path) -> dict[str, str]:
    """The content after one month that nothing disturbed."""
    name, drop = bench.installation(), str(simulated_drops / "month_000")
    for arguments in (("ingest", drop, *DAY), ("snapshot", *DAY), ("materialize",)):
        done = run(tmp_path / name, *arguments, extra=bench.variables(name))
        assert done.returncode == 0, done.stderr
    return content(bench.address(name))


def server_of_prefect(parent: int) -> psutil.Process:
    """The server that a command has started."""
    children = psutil.Process(parent).children(recursive=True)
    servers = [child for child in children if "prefect" in " ".join(child.cmdline())]
    assert servers, [child.cmdline() for child in children]
    return servers[0]


def test_prefects_server_is_killed_during_run(
    bench: Bench, undisturbed: dict[str, str], simulated_drops: Path, tmp_path: Path
) -> None:
    name = bench.installation()
    home, log = tmp_path / name, tmp_path / f"{name}.log"
    command = ("run", str(simulated_drops / "month_000"), *DAY)
    with held(bench.address(name)) as is_reached:
        process = start(home, *command, extra=bench.variables(name))
        is_there = wait_for(lambda: is_reached() or process.poll() is not None, LONGEST_END_S)
        assert is_there, log.read_text()
        assert process.poll() is None, log.read_text()
        server_of_prefect(process.pid).send_signal(signal.SIGKILL)
    code = process.wait(timeout=LONGEST_END_S)
    text = log.read_text()
    print(f"\n`run` without Prefect's server ended with {code}: {text[-400:]}")
    assert code != 70, text
    assert 'File "' not in text, text
    assert wait_for(lambda: not alive(home), 5.0), alive(home)
    assert half_written(bench.address(name)) == []
    again = run(home, *command, extra=bench.variables(name))
    assert again.returncode == 0, again.stderr
    assert content(bench.address(name)) == undisturbed


def make_flow_run(home: Path, drop: Path) -> str:
    """Let the worker run `monthly`; the address of the flow run."""
    services = status(home)
    deployment = url(services, "prefect", "/api/deployments/name/monthly/monthly")
    assert wait_for(lambda: asked(deployment).status == 200), asked(deployment)
    parameters = {"folder": str(drop), "as_of": "2024-01-31"}
    made = asked(
        url(
            services, "prefect", f"/api/deployments/{asked(deployment).body['id']}/create_flow_run"
        ),
        {"parameters": parameters},
    )
    return url(services, "prefect", f"/api/flow_runs/{made.body['id']}")


def test_down_during_a_flow(
    bench: Bench, undisturbed: dict[str, str], simulated_drops: Path, tmp_path: Path
) -> None:
    name, drop = bench.installation(), simulated_drops / "month_000"
    home = tmp_path / name
    extra = {**bench.variables(name), **free_ports()}
    with pytest.MonkeyPatch.context() as patch:  # `status` and `down` are called without them
        for variable, value in extra.items():
            patch.setitem(os.environ, variable, value)
        up = ("up", "prefect", "worker", "--detach")
        assert run(home, *up).returncode == 0
        with held(bench.address(name)) as is_reached:
            make_flow_run(home, drop)
            assert wait_for(is_reached, LONGEST_END_S)
            assert stopped(home) == []  # the flow run, too, which still waits
        assert half_written(bench.address(name)) == []
        assert run(home, *up).returncode == 0
        flow_run = make_flow_run(home, drop)
        assert wait_for(lambda: asked(flow_run).body["state_type"] == "COMPLETED", LONGEST_END_S), (
            asked(flow_run).body["state"]
        )
        assert content(bench.address(name)) == undisturbed
        assert stopped(home) == []

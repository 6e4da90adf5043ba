"""After `kill -9` of a command, none of our processes runs 5 s later.

This includes the embedded server.
"""

from __future__ import annotations

import signal
import socket
from functools import partial
from pathlib import Path

import pytest
from support.command import called
from support.processes import alive, left_after_kill, start, wait_for

from streamflow.services.processes import free_port


def running(home: Path, part: str) -> bool:
    return any(part in command for command in alive(home))


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        pytest.param(["migrate"], "postgres -D", id="migrate, once the server runs"),
        pytest.param(["demo"], "prefect server start", id="demo, while Prefect's server starts"),
        pytest.param(
            ["exec", "--", "sleep", "60"], "sleep 60", id="exec, in the command that it became"
        ),
    ],
)
def test_nothing_runs_after_a_kill(home: Path, arguments: list[str], part: str) -> None:
    named = ["--home", str(home), *arguments]  # the demo uses the folder of the flag as it is
    assert left_after_kill(home, named, lambda: running(home, part)) == []


def test_nothing_runs_after_a_kill_of_the_api(home: Path) -> None:
    port = free_port()
    assert called(home, "migrate").returncode == 0
    assert left_after_kill(home, ["serve", "--port", str(port)], partial(is_taken, port)) == []


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_killed_migration_is_made_whole_by_the_next_one(home: Path) -> None:
    assert left_after_kill(home, ["migrate"], lambda: running(home, "postgres -D")) == []
    done = called(home, "migrate")
    assert done.returncode == 0, done.stderr
    assert called(home, "migrate").stdout == "[OK] nothing to migrate\n"


def test_ctrl_c_ends_a_command_and_its_servers(home: Path) -> None:
    process = start(home, "--home", str(home), "demo")
    assert wait_for(lambda: running(home, "prefect server start"))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=90) == 130
    assert wait_for(lambda: not alive(home), 5.0), alive(home)

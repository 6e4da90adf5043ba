"""What runs on this machine for one state folder: commands, servers, guards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from streamflow.database.server_folder import find_server_folders
from support.fork_server import PROGRAM, ForkedCommand, run_forked


def alive(home: Path) -> list[str]:
    """The command lines of all processes whose arguments or environment name this state folder."""
    marks = {str(home), str(find_server_folders(home).root)}
    found = []
    for process in psutil.process_iter():
        try:
            known = [*process.cmdline(), *process.environ().values()]
            if (
                process.pid != os.getpid()
                and process.status() != psutil.STATUS_ZOMBIE
                and any(m in k for k in known for m in marks)
            ):
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def start(
    home: Path, *arguments: str, extra: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """`streamflow ARGUMENTS` on this state folder, its output in the folder beside it."""
    log = home.with_name(f"{home.name}.log").open("ab")
    with log:
        environment = {**os.environ, "STREAMFLOW_HOME": str(home), **(extra or {})}
        return subprocess.Popen(
            [sys.executable, "-m", "streamflow", *arguments],
            env=environment,
            stdout=log,
            stderr=log,
        )


def start_fork(
    home: Path, *arguments: str, extra: Mapping[str, str] | None = None
) -> ForkedCommand:
    """The same as a fork that need not import the libraries: see `support.fork_server`.

    `alive` does not see the fork itself: it has the command line of the fork server.
    """
    environment = {**os.environ, "STREAMFLOW_HOME": str(home), **(extra or {})}
    log = home.with_name(f"{home.name}.log").open("ab")
    with log, Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), log.fileno(), log.fileno())
        return ForkedCommand(arguments, environment, streams)


def run(
    home: Path, *arguments: str, extra: Mapping[str, str] | None = None, forks: bool = True
) -> subprocess.CompletedProcess[str]:
    """`streamflow ARGUMENTS` to its end.

    The process is a fork that need not import the libraries: see `support.fork_server`.
    Without `forks` it is a new one.
    """
    environment = {**os.environ, "STREAMFLOW_HOME": str(home), **(extra or {})}
    if forks:
        return run_forked(PROGRAM, *arguments, environment=environment)
    command = [sys.executable, "-m", "streamflow", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def wait_for(condition: Callable[[], bool], seconds: float = 240.0) -> bool:
    """Whether `condition` came true in time. On a busy machine a start takes minutes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def kill(process: subprocess.Popen[bytes]) -> None:
    """`kill -9`, of this one process."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def left_after_kill(home: Path, arguments: Sequence[str], reached: Callable[[], bool]) -> list[str]:
    """Start a command, kill it once `reached`, and say what of ours still runs 5 s later."""
    process = start_fork(home, *arguments)
    assert wait_for(lambda: reached() or process.poll() is not None)
    assert process.poll() is None, home.with_name(f"{home.name}.log").read_text()
    process.kill()
    process.close()
    wait_for(lambda: not alive(home), 5.0)
    return alive(home)

"""Find or start the Prefect server that runs the flows of one command.

It is the server that PREFECT_API_URL names; without it, the server that 'up' runs; without that,
a server for this command alone.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from streamflow.errors import ServiceFailed, StreamflowError
from streamflow.services.processes import (
    describe_failure,
    fetch,
    free_port,
    running,
    wait_until_ready,
)
from streamflow.services.running_stack import is_up, read_running_stack
from streamflow.settings import inherited_environment, temporary_environment

SCHEDULER = "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED"
# A server for one command does not need these services. Each would start a loop of its own.
QUIET_ENVIRONMENT = {
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
}


@contextmanager
def prefect_server(
    environment: Mapping[str, str],
    home: Path,
    *,
    notify: Callable[[str], None],
    schedules: bool = False,
) -> Iterator[Callable[[], None]]:
    """Start a Prefect server if there is none, and stop it at the end.

    Yields a function that waits until the server answers. Before you call it, you can do more
    work. In the whole block the URL of the server is in the environment of this process, so that
    `streamflow.flows` can be imported while the server starts.

    Args:
        environment: The variables that the vendors need.
        schedules: Whether the server makes runs from schedules.
    """
    inherited = inherited_environment()
    if inherited.get("PREFECT_API_URL"):
        yield lambda: None
        return
    if url := running_server(home):
        with temporary_environment({"PREFECT_API_URL": url}):
            yield lambda: None
        return
    port = free_port()
    log = home / "logs" / "prefect.log"
    url = f"http://127.0.0.1:{port}/api"
    command = _server_command(port)
    scheduler = {SCHEDULER: str(schedules).lower()}
    variables = {**inherited, **environment, **QUIET_ENVIRONMENT, **scheduler}
    with ExitStack() as closing, ExitStack() as starting:
        starting.enter_context(one_at_a_time(home))
        child = closing.enter_context(running(command, environment=variables, log=log))
        notify("starting Prefect's server")

        def wait() -> None:
            wait_until_ready(f"{url}/health", child, name="Prefect's server", log=log)
            starting.close()

        closing.enter_context(temporary_environment({"PREFECT_API_URL": url}))
        closing.enter_context(_explain_lost_server(child, f"{url}/health", log))
        yield wait


@contextmanager
def _explain_lost_server(
    child: subprocess.Popen[bytes],
    health_url: str,
    log: Path,
) -> Iterator[None]:
    """Raise ServiceFailed for an unforeseen error in the block if the server is gone."""
    try:
        yield
    except StreamflowError:
        raise
    # Prefect's client raises errors of several libraries if its server is gone.
    except Exception as error:
        # The process that watches over the server can end a moment later than the server.
        if child.poll() is None and fetch(health_url) is not None:
            raise
        end = "does not answer any more"
        if child.returncode is not None:
            end = f"ended with code {child.returncode}"
        raise ServiceFailed(
            describe_failure(f"Prefect's server {end}", log).message,
            remedy="Run the command again.",
        ) from error


def find_server_address(home: Path) -> str:
    """Return the address of the API that PREFECT_API_URL or 'up' names; empty: there is none."""
    address = inherited_environment().get("PREFECT_API_URL")
    if address:
        return address
    stack = read_running_stack(home)
    return stack.prefect_url if stack else ""


def _server_command(port: int) -> list[str]:
    """Build the command line of a Prefect server without a user interface."""
    address = ["--host", "127.0.0.1", "--port", str(port)]
    return [sys.executable, "-P", "-m", "prefect", "server", "start", *address, "--no-ui"]


def running_server(home: Path) -> str:
    """Return the API of the server that 'up' runs for this state folder; "" when there is none.

    If the server is starting, also after it died, this waits until it answers: two servers never
    work on one database.
    """
    while is_up(home):
        stack = read_running_stack(home)
        if stack is not None and "prefect" not in stack.ports:
            return ""
        if stack is not None and fetch(f"{stack.prefect_url}/health") is not None:
            return stack.prefect_url
        time.sleep(0.2)
    return ""


@contextmanager
def one_at_a_time(home: Path) -> Iterator[None]:
    """Let the Prefect servers of one state folder start one after the other.

    In a new state folder, two servers would migrate the same database, and one of them would fail.
    """
    home.mkdir(parents=True, exist_ok=True)
    # The kernel frees the lock however this process ends.
    with (home / "prefect.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

"""Prefect's server for the flows of one command: that of PREFECT_API_URL, that of 'up', else one of its own."""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from streamflow.services.processes import asked, free_port, running, wait_until_ready
from streamflow.services.running_stack import current
from streamflow.settings import exported, inherited_environment

SCHEDULER = "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED"
QUIET = {  # what a server of one command does not need; each would start a loop of its own
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
    """Start it, and hand out what waits until it answers: there is time for other work before. `schedules`: it makes runs.

    The URL is in this process's environment from then on, until the end: import `streamflow.flows` after that.
    """
    inherited = inherited_environment()
    if inherited.get("PREFECT_API_URL"):
        yield lambda: None
        return
    if url := running_server(home):
        with exported({"PREFECT_API_URL": url}):
            yield lambda: None
        return
    port, log = free_port(), home / "logs" / "prefect.log"
    url = f"http://127.0.0.1:{port}/api"
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-ui",
    ]
    ours = {**inherited, **environment, **QUIET, SCHEDULER: str(schedules).lower()}
    with ExitStack() as closing, ExitStack() as starting:
        starting.enter_context(one_at_a_time(home))
        child = closing.enter_context(running(command, environment=ours, log=log))
        notify("starting Prefect's server")

        def ready() -> None:
            wait_until_ready(f"{url}/health", child, name="Prefect's server", log=log)
            starting.close()
            closing.enter_context(exported({"PREFECT_API_URL": url}))

        yield ready


def running_server(home: Path) -> str:
    """The API of the server that 'up' runs for this state folder, once it answers; "" when there is none.

    One that is starting, also after it died, is waited for: two servers never work on one database.
    """
    while (stack := current(home)) is not None and "prefect" in stack.ports:
        if asked(f"{stack.prefect_url}/health") is not None:
            return stack.prefect_url
        time.sleep(0.2)
    return ""


@contextmanager
def one_at_a_time(home: Path) -> Iterator[None]:
    """Servers of one state folder start one after the other: on a new one, two would migrate the same database and one fail."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "prefect.lock").open("a") as lock:  # the kernel frees it however this process ends
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

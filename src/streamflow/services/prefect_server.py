"""Prefect's server for the flows of one command, unless PREFECT_API_URL names another one."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from streamflow.services.processes import free_port, running, wait_until_ready
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
    environment: Mapping[str, str], home: Path, *, notify: Callable[[str], None], schedules: bool = False
) -> Iterator[Callable[[], None]]:
    """Start it, and hand out what waits until it answers: there is time for other work before. `schedules`: it makes runs.

    The URL is in this process's environment from then on, until the end: import `streamflow.flows` after that.
    """
    inherited = inherited_environment()
    if inherited.get("PREFECT_API_URL"):
        yield lambda: None
        return
    port, log = free_port(), home / "logs" / "prefect.log"
    url = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    ours = {**inherited, **environment, **QUIET, SCHEDULER: str(schedules).lower()}
    with ExitStack() as closing, ExitStack() as starting:
        starting.enter_context(_one_at_a_time(home))
        child = closing.enter_context(running(command, environment=ours, log=log))
        notify("starting Prefect's server")

        def ready() -> None:
            wait_until_ready(f"{url}/health", child, name="Prefect's server", log=log)
            starting.close()
            closing.enter_context(exported({"PREFECT_API_URL": url}))

        yield ready


@contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    """Servers of one state folder start one after the other: on a new one, two would migrate the same database and one fail."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "prefect.lock").open("a") as lock:  # the kernel frees it however this process ends
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

"""Find out whether each service is well, from what the service itself answers."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from streamflow.database import is_answering
from streamflow.errors import ServiceFailed
from streamflow.services.processes import describe_failure, fetch
from streamflow.services.programs import PROGRAMS_BY_NAME, Program
from streamflow.services.running_stack import Stack
from streamflow.services.supervision import Process, Supervisor, log_file

# For one service. On an idle machine no service needs 20 s. Beside a load of 20 on two processors,
# Prefect needed more than 180 s. A service that ends is reported long before.
READY_TIMEOUT_S = 600.0
STILL_WAITING_EVERY_S = 30.0
# A service that was started again this often, and was never up, will not come up by itself.
MAX_RESTARTS = 2


@dataclass(frozen=True, kw_only=True)
class Condition:
    """The condition of one service: one line of `streamflow status`.

    Attributes:
        state: "up", "starting", "waiting" (it died and is started again soon) or "stopped".
        since: When it was started or stopped.
        restarts: How often it was started again.
        note: Why the API cannot predict yet; empty when it can, and for all remaining services.
    """

    service: str
    state: str
    since: datetime | None
    pid: int
    address: str
    restarts: int
    note: str = ""


def find_conditions(stack: Stack, supervisor: Supervisor) -> list[Condition]:
    """Find the condition of every service of the stack, in the order of their start."""
    processes = {process.name: process for process in supervisor.processes()}
    return [
        _find_condition(stack, supervisor, program, processes[program.name])
        for program in stack.programs
    ]


def _find_condition(
    stack: Stack,
    supervisor: Supervisor,
    program: Program,
    process: Process,
) -> Condition:
    """Find the condition of one service."""
    state = _find_state(stack, supervisor, program, process)
    note = ""
    if program.name == "api" and state == "up":
        note = _explain_not_ready(stack.url("api", "/ready"))
    return Condition(
        service=program.name,
        state=state,
        since=process.since,
        pid=process.pid,
        address=stack.url(program.name, program.page),
        restarts=process.restarts,
        note=note,
    )


def _find_state(stack: Stack, supervisor: Supervisor, program: Program, process: Process) -> str:
    """Find the state of one service, as `Condition.state` says it."""
    if process.state == "BACKOFF":
        return "waiting"
    if not process.pid or process.state == "STOPPING":
        return "stopped"
    return "up" if _is_well(stack, supervisor, program, process) else "starting"


def _is_well(stack: Stack, supervisor: Supervisor, program: Program, process: Process) -> bool:
    """Return whether a running service does its work, by what it answers."""
    if program.name == "postgres":
        return is_answering(supervisor.home)
    if program.name == "worker":
        return _has_polled(stack.prefect_url, process.since)
    if not program.health:
        # It listens on no port. All that can be seen is that it runs, and its log.
        return True
    return fetch(stack.url(program.name, program.health)) is not None


def _has_polled(prefect_url: str, since: datetime | None) -> bool:
    """Return whether the worker has asked Prefect for work since its start.

    Before that, its flows cannot run.
    """
    deployment = fetch(f"{prefect_url}/deployments/name/monthly/monthly")
    if not deployment:
        return False
    polled_at = json.loads(deployment)["last_polled"]
    return (
        polled_at is not None and since is not None and datetime.fromisoformat(polled_at) >= since
    )


def _explain_not_ready(url: str) -> str:
    """Say why the API cannot predict yet; empty when it can."""
    try:
        urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 -- our own address
    except urllib.error.HTTPError as error:
        with error:
            return "not ready: " + "; ".join(json.load(error)["reasons"])
    except OSError as error:
        # It does not answer in time, or it has just ended. `status` reports this as well.
        return f"not ready: it does not answer ({error})"
    return ""


def wait_until_up(
    stack: Stack,
    supervisor: Supervisor,
    name: str,
    notify: Callable[[str], None],
) -> None:
    """Wait until a service is up. If that takes long, say so from time to time.

    Raises:
        ServiceFailed: The service ends again and again, or is not up in time. The message has the
            end of its log. Also raised when supervisord ends.
    """
    started = time.monotonic()
    next_report_s = STILL_WAITING_EVERY_S
    log = log_file(supervisor.home, name)
    program = PROGRAMS_BY_NAME[name]
    while supervisor.alive():
        process = next(process for process in supervisor.processes() if process.name == name)
        if _find_state(stack, supervisor, program, process) == "up":
            return
        if process.restarts >= MAX_RESTARTS:
            raise describe_failure(f"{name} ends each time it is started", log)
        waited_s = time.monotonic() - started
        if waited_s > READY_TIMEOUT_S:
            raise describe_failure(f"{name} was not up after {READY_TIMEOUT_S:.0f} s", log)
        if waited_s > next_report_s:
            notify(f"{name} is still starting after {next_report_s:.0f} s")
            next_report_s += STILL_WAITING_EVERY_S
        time.sleep(0.2)
    raise ServiceFailed("supervisord ended")

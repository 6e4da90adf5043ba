"""Find out whether each service is well, from what the service itself answers."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.client import HTTPException

from streamflow.database import is_answering
from streamflow.services.processes import describe_failure, fetch
from streamflow.services.programs import PROGRAMS_BY_NAME, Program
from streamflow.services.running_stack import Stack
from streamflow.services.supervision import Process, Supervisor, log_file
from streamflow.web.service_condition import Condition

# For one service. On an idle machine no service needs 20 s. Beside a load of 20 on two processors,
# Prefect needed more than 180 s. A service that ends is reported long before.
READY_TIMEOUT_S = 600.0
STILL_WAITING_EVERY_S = 30.0
# How long `status` waits for the answer of one service.
ANSWER_TIMEOUT_S = 5.0
# A service that was started again this often, and was never up, will not come up by itself.
MAX_RESTARTS = 2


def find_conditions(
    stack: Stack,
    supervisor: Supervisor,
    *,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> list[Condition]:
    """Find the condition of every service of the stack, in the order of their start.

    All services are asked at the same time, so one that does not answer delays no other.

    Args:
        timeout_s: How long to wait for each answer. The API is asked two questions.
    """
    processes = {process.name: process for process in supervisor.processes()}

    def find(program: Program) -> Condition:
        return _find_condition(stack, supervisor, program, processes[program.name], timeout_s)

    with ThreadPoolExecutor(max_workers=len(PROGRAMS_BY_NAME)) as pool:
        return list(pool.map(find, stack.programs))


def _find_condition(
    stack: Stack,
    supervisor: Supervisor,
    program: Program,
    process: Process,
    timeout_s: float,
) -> Condition:
    """Find the condition of one service."""
    state = _find_state(stack, supervisor, program, process, timeout_s)
    note = ""
    if program.name == "api" and state == "up":
        note = _explain_not_ready(stack.url("api", "/ready"), timeout_s)
    return Condition(
        service=program.name,
        state=state,
        since=process.since,
        pid=process.pid,
        address=stack.url(program.name, program.page),
        restarts=process.restarts,
        note=note,
    )


def _find_state(
    stack: Stack,
    supervisor: Supervisor,
    program: Program,
    process: Process,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> str:
    """Find the state of one service, as `Condition.state` says it."""
    if process.state == "BACKOFF":
        return "waiting"
    if not process.pid or process.state == "STOPPING":
        return "stopped"
    is_well = _is_well(stack, supervisor, program, process, timeout_s)
    return "up" if is_well else "starting"


def _is_well(
    stack: Stack,
    supervisor: Supervisor,
    program: Program,
    process: Process,
    timeout_s: float,
) -> bool:
    """Return whether a running service does its work, by what it answers."""
    if program.name == "postgres":
        return is_answering(supervisor.home)
    if program.name == "worker":
        return _has_polled(stack.prefect_url, process.since, timeout_s)
    if not program.health:
        # It listens on no port. All that can be seen is that it runs, and its log.
        return True
    return fetch(stack.url(program.name, program.health), timeout_s=timeout_s) is not None


def _has_polled(prefect_url: str, since: datetime | None, timeout_s: float) -> bool:
    """Return whether the worker has asked Prefect for work since its start.

    Before that, its flows cannot run.
    """
    deployment = fetch(f"{prefect_url}/deployments/name/monthly/monthly", timeout_s=timeout_s)
    if not deployment:
        return False
    polled_at = json.loads(deployment)["last_polled"]
    return (
        polled_at is not None and since is not None and datetime.fromisoformat(polled_at) >= since
    )


def _explain_not_ready(url: str, timeout_s: float = ANSWER_TIMEOUT_S) -> str:
    """Say why the API cannot predict yet; empty when it can."""
    try:
        urllib.request.urlopen(url, timeout=timeout_s).close()  # noqa: S310 -- our own address
    except urllib.error.HTTPError as error:
        return _read_reasons(error)
    except (OSError, HTTPException) as error:
        # It does not answer in time, or it has just ended. `status` reports this as well.
        return f"not ready: it does not answer ({error})"
    return ""


def _read_reasons(answer: urllib.error.HTTPError) -> str:
    """Say why the API cannot predict, from its answer."""
    try:
        with answer:
            return "not ready: " + "; ".join(json.load(answer)["reasons"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        return f"not ready: it answers {answer.code}, and its reasons cannot be read ({error!r})"


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
    raise describe_failure("supervisord ended", log_file(supervisor.home, "supervisor"))

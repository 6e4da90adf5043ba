"""Whether each service is well, by what it answers itself."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from streamflow.database import answers
from streamflow.errors import ServiceFailed
from streamflow.services.processes import asked, failure
from streamflow.services.programs import BY_NAME, Program
from streamflow.services.running_stack import Stack
from streamflow.services.supervision import Process, Supervisor, log_file

READY_S = 180.0  # for one service, on a machine that has other things to do; alone none needs 20 s
TRIES = 2  # started again so often before it was up once: it will not come up by itself


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One line of `streamflow status`. `state` is up, starting, waiting (it died and is started again soon) or stopped."""

    service: str
    state: str
    since: datetime | None
    pid: int
    address: str
    restarts: int
    note: str = ""


def conditions(stack: Stack, supervisor: Supervisor) -> list[Condition]:
    """Every service of the stack, in the order of their start."""
    found = {process.name: process for process in supervisor.processes()}
    return [
        _condition(stack, supervisor, program, found[program.name]) for program in stack.programs
    ]


def _condition(
    stack: Stack, supervisor: Supervisor, program: Program, process: Process
) -> Condition:
    state = _state(stack, supervisor, program, process)
    return Condition(
        service=program.name,
        state=state,
        since=process.since,
        pid=process.pid,
        address=stack.url(program.name, program.page),
        restarts=process.restarts,
        note=_note(stack.url("api", "/ready")) if program.name == "api" and state == "up" else "",
    )


def _state(stack: Stack, supervisor: Supervisor, program: Program, process: Process) -> str:
    if process.state == "BACKOFF":
        return "waiting"
    if not process.pid or process.state == "STOPPING":
        return "stopped"
    return "up" if _is_well(stack, supervisor, program, process) else "starting"


def _is_well(stack: Stack, supervisor: Supervisor, program: Program, process: Process) -> bool:
    if program.name == "postgres":
        return answers(supervisor.home)
    if program.name == "worker":
        return _has_polled(stack.prefect_url, process.since)
    if not program.health:
        return True  # it listens nowhere: that it runs is all that can be seen, and its log
    return asked(stack.url(program.name, program.health)) is not None


def _has_polled(prefect_url: str, since: datetime | None) -> bool:
    """Whether the worker has asked Prefect for work since its start: only then its flows can be run."""
    deployment = asked(f"{prefect_url}/deployments/name/monthly/monthly")
    polled = json.loads(deployment)["last_polled"] if deployment else None
    return polled is not None and since is not None and datetime.fromisoformat(polled) >= since


def _note(url: str) -> str:
    """Why the API cannot predict yet; empty when it can."""
    try:
        urllib.request.urlopen(url, timeout=5).close()  # our own address
    except urllib.error.HTTPError as error:
        with error:
            return "not ready: " + "; ".join(json.load(error)["reasons"])
    except (
        OSError
    ) as error:  # it answers nothing in time, or has just ended: that is what a look at it says
        return f"not ready: it does not answer ({error})"
    return ""


def wait_until_up(
    stack: Stack, supervisor: Supervisor, name: str, notify: Callable[[str], None]
) -> None:
    """Wait for one service. Raises ServiceFailed with the end of its log when it keeps ending, or time is up."""
    end, log = time.monotonic() + READY_S, log_file(supervisor.home, name)
    while supervisor.alive():
        process = next(p for p in supervisor.processes() if p.name == name)
        state = _state(stack, supervisor, BY_NAME[name], process)
        if state == "up":
            notify(f"{name} is up {stack.url(name, BY_NAME[name].page)}".rstrip())
            return
        if process.restarts >= TRIES:
            raise failure(f"{name} ends whenever it is started", log)
        if time.monotonic() > end:
            raise failure(f"{name} was not up after {READY_S:.0f} s", log)
        time.sleep(0.2)
    raise ServiceFailed("supervisord ended")

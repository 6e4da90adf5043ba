"""Start supervisord for one state folder, and ask it about the services."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import (  # our own daemon, on a socket in a folder of mode 0700
    Error,
    Fault,
    ServerProxy,
)

from supervisor.xmlrpc import Faults, SupervisorTransport

from streamflow.errors import ServiceFailed
from streamflow.services.processes import describe_failure, running
from streamflow.services.running_stack import Stack, socket_path
from streamflow.services.supervisor_configuration import (
    FOLDER_VARIABLE,
    process_name,
    write_configuration,
)

# A call raises one of these when supervisord has no socket yet, or no longer.
NO_ANSWER = (OSError, HTTPException)
# Also while it ends: then it answers with a fault.
NO_LIST = (*NO_ANSWER, Error)
# More than any service needs: supervisord kills each service 10 s after SIGTERM.
STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Process:
    """A service as supervisord sees it.

    Attributes:
        state: The state in supervisor's own words.
        pid: The process id; 0 when the service does not run.
        since: When it was started or stopped; None when it was never started.
        restarts: How often it was started again.
    """

    name: str
    state: str
    pid: int
    since: datetime | None
    restarts: int


def log_file(home: Path, name: str) -> Path:
    """Return the path of the log of a service, or of the supervisor itself."""
    return home / "logs" / f"{name}.log"


def _supervisor_command(home: Path, stack: Stack) -> list[str]:
    """Write the configuration, and build the command line of supervisord."""
    (home / "logs").mkdir(exist_ok=True)
    configuration = write_configuration(home, stack)
    return [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(configuration)]


class Supervisor:
    """Sends requests to supervisord.

    Args:
        alive: Returns whether supervisord runs at all.
    """

    def __init__(self, home: Path, alive: Callable[[], bool]) -> None:
        self.home = home
        self.alive = alive

    def _call(self, method: str, *arguments: object) -> Any:
        """Call a method of supervisord's XML-RPC interface, and return its result."""
        transport = SupervisorTransport(None, None, serverurl=f"unix://{socket_path(self.home)}")
        with ServerProxy("http://localhost", transport=transport) as proxy:
            return getattr(proxy, method)(*arguments)

    def _failure(self, problem: str) -> ServiceFailed:
        """Build the error of a problem with supervisord, with the end of its log."""
        return describe_failure(problem, log_file(self.home, "supervisor"))

    def wait(self) -> None:
        """Wait until supervisord answers. Raises ServiceFailed when it ends before."""
        while self.alive():
            try:
                self._call("supervisor.getState")
            except NO_ANSWER:
                time.sleep(0.05)
            else:
                return
        raise self._failure("supervisord ended")

    def start(self, name: str) -> None:
        """Start a service. If it ends at once, supervisord starts it again, as it does later.

        Raises:
            ServiceFailed: supervisord is gone, or is being stopped.
        """
        try:
            self._call("supervisor.startProcess", process_name(name), False)
        except NO_LIST as exc:
            if not (isinstance(exc, Fault) and exc.faultCode == Faults.SPAWN_ERROR):
                raise self._failure(f"supervisord does not start {name} ({exc})") from exc

    def processes(self) -> list[Process]:
        """List all services, started or not. Raises ServiceFailed when supervisord is gone."""
        try:
            infos = self._call("supervisor.getAllProcessInfo")
            restarts = self._call("streamflow.restarts")
        except NO_LIST as exc:
            raise self._failure(f"supervisord does not answer ({exc})") from exc
        return [_describe_process(info, restarts.get(info["name"], 0)) for info in infos]

    def stop(self) -> None:
        """Stop all services and then supervisord, and wait until it has ended.

        Raises:
            ServiceFailed: This takes too long.
        """
        deadline = time.monotonic() + STOP_TIMEOUT_S
        is_shutting_down = False
        while self.alive():
            with suppress(*NO_ANSWER):  # supervisord is just starting or ending
                if not is_shutting_down:
                    is_shutting_down = self._request_shutdown()
            if time.monotonic() > deadline:
                raise self._failure(f"supervisord did not stop within {STOP_TIMEOUT_S:.0f} s")
            time.sleep(0.05)

    def _request_shutdown(self) -> bool:
        """Tell supervisord to stop all services and to end, unless somebody has done so before."""
        try:
            return bool(self._call("supervisor.shutdown"))
        except Fault as fault:
            if fault.faultCode != Faults.SHUTDOWN_STATE:
                raise
            return True


def _describe_process(info: Mapping[str, Any], restarts: int) -> Process:
    """Turn supervisord's description of a service into ours."""
    timestamp = info["start"] if info["pid"] else info["stop"]
    return Process(
        name=info["name"],
        state=info["statename"],
        pid=info["pid"],
        since=datetime.fromtimestamp(timestamp, UTC) if timestamp else None,
        restarts=restarts,
    )


@contextmanager
def supervised(
    home: Path,
    stack: Stack,
    environment: Mapping[str, str],
    lock: int,
) -> Iterator[Supervisor]:
    """Run supervisord as a child process, and stop it with all services at the end.

    If this process is killed, supervisord ends too.

    Args:
        lock: The file descriptor of the lock that supervisord holds while it runs.
    """
    command = _supervisor_command(home, stack)
    log = log_file(home, "supervisor")
    variables = {**environment, FOLDER_VARIABLE: str(Path.cwd())}
    with running(
        command,
        environment=variables,
        log=log,
        grace_s=0.0,
        inherit=[lock],
        folder=log.parent,
    ) as child:
        supervisor = Supervisor(home, lambda: child.poll() is None)
        supervisor.wait()
        try:
            yield supervisor
        finally:
            supervisor.stop()


@contextmanager
def detached(
    home: Path,
    stack: Stack,
    environment: Mapping[str, str],
    lock: int,
) -> Iterator[Supervisor]:
    """Run supervisord in a new session, in which it continues after this process has ended.

    If the body of the `with` statement fails, supervisord is stopped. `lock` is the file descriptor
    of the lock that supervisord holds while it runs.
    """
    command = _supervisor_command(home, stack)
    log = log_file(home, "supervisor")
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            env={**environment, FOLDER_VARIABLE: str(Path.cwd())},
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[lock],
            start_new_session=True,
        )
    supervisor = Supervisor(home, lambda: child.poll() is None)
    try:
        supervisor.wait()
        yield supervisor
    except BaseException:
        supervisor.stop()
        raise
    # With a return code set, Python does not warn that nobody waited for supervisord.
    child.returncode = 0

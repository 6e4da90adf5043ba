"""supervisord for one state folder: its configuration, its start, and what it says about the services.

Each service gets a pipe as its standard input whose other end supervisord holds: the tether ends it when supervisord is gone.
Nothing secret is written: the services inherit the environment. No path of the user's either, which supervisor would read as
an expansion or a comment: it runs in the folder of the logs, and is told by the environment where the services run.
"""

from __future__ import annotations

import os
import shlex
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
from xmlrpc.client import Fault, ServerProxy  # our own daemon, on a socket in a folder of mode 0700

from supervisor.xmlrpc import Faults, SupervisorTransport

from streamflow.services.processes import failure, running, tethered
from streamflow.services.programs import Program
from streamflow.services.running_stack import Stack, folder, socket_path

GROUP = "streamflow"  # supervisor stops the members of a group at the same time, and groups one after the other:
LAST = "worker"  # a group of its own, stopped before the others, since it signs off at Prefect's server
GONE = (
    OSError,
    HTTPException,
)  # what a call meets when supervisord has no socket yet, or no longer
STOP_S = 30.0  # more than any service needs: each is killed 10 s after SIGTERM
FROM = "UP_FROM"
HEAD = """
[supervisord]
nodaemon = true
silent = true
nocleanup = true
logfile = supervisor.log
logfile_maxbytes = 5MB
logfile_backups = 1
pidfile = ../run/supervisord.pid
"""
RPC = """
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[rpcinterface:streamflow]
supervisor.rpcinterface_factory = streamflow.services.restart_counter:make
"""
# A program that ends before `startsecs` is started again after 1, 2, 3 … s; later, at once. It is never given up.
PROGRAM = """
[program:{name}]
command = {command}
environment = {environment}
directory = %(ENV_{folder})s
autostart = false
autorestart = true
startsecs = 10
startretries = 1000000
stopwaitsecs = 10
killasgroup = true
redirect_stderr = true
strip_ansi = true
stdout_logfile = {name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 2
"""


@dataclass(frozen=True, kw_only=True)
class Process:
    """A service as supervisord sees it. `pid` is 0 when it does not run; `since` is when it was started or stopped."""

    name: str
    state: str  # supervisor's word
    pid: int
    since: datetime | None
    restarts: int


def log_file(home: Path, name: str) -> Path:
    """What a service, or the supervisor itself, says."""
    return home / "logs" / f"{name}.log"


def write_configuration(home: Path, stack: Stack) -> Path:
    """The configuration of supervisord for this stack."""
    root = f"user = {os.geteuid()}\n" if os.geteuid() == 0 else ""  # else it warns at each start
    socket = socket_path(home)
    near = os.path.relpath(socket, home / "logs") if socket.is_relative_to(home) else str(socket)
    server = f"[unix_http_server]\nfile = {near.replace('%', '%%')}\nchmod = 0700\n"
    members = ",".join(p.name for p in stack.programs if p.name != LAST)
    group = f"[group:{GROUP}]\nprograms = {members}\npriority = 1\n" if members else ""
    path = folder(home) / "supervisord.conf"
    path.write_text(
        HEAD + root + server + RPC + group + "".join(_section(p, stack) for p in stack.programs),
        encoding="utf-8",
    )
    return path


def _section(program: Program, stack: Stack) -> str:
    words = program.words.format(host=stack.host, port=stack.ports[program.name]).split()
    command = shlex.join(tethered([sys.executable, *words], pipe=0))
    prefect = f'PREFECT_API_URL="{_escaped(stack.prefect_url)}"' if stack.prefect_url else ""
    return PROGRAM.format(
        name=program.name, folder=FROM, command=_escaped(command), environment=prefect
    )


def _escaped(text: str) -> str:
    """A command line for the file: % begins an expansion, and a blank before ; or # a comment, unless quotes stand between."""
    return text.replace("%", "%%").replace(" ;", " '';").replace(" #", " ''#")


def _command(home: Path, stack: Stack) -> list[str]:
    (home / "logs").mkdir(exist_ok=True)
    return [
        sys.executable,
        "-m",
        "supervisor.supervisord",
        "-c",
        str(write_configuration(home, stack)),
    ]


class Supervisor:
    """Asks supervisord. `alive` says whether it runs at all."""

    def __init__(self, home: Path, alive: Callable[[], bool]) -> None:
        self.home, self.alive = home, alive

    def _call(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(None, None, serverurl=f"unix://{socket_path(self.home)}")
        with ServerProxy("http://localhost", transport=transport) as proxy:
            return getattr(proxy, method)(*arguments)

    def wait(self) -> None:
        """Until it answers. Raises ServiceFailed when it ends before."""
        while self.alive():
            try:
                self._call("supervisor.getState")
            except GONE:
                time.sleep(0.05)
            else:
                return
        raise failure("supervisord ended", log_file(self.home, "supervisor"))

    def start(self, name: str) -> None:
        """Start a service; what ends at once is started again like any other."""
        try:
            self._call(
                "supervisor.startProcess", name if name == LAST else f"{GROUP}:{name}", False
            )
        except Fault as fault:
            if fault.faultCode != Faults.SPAWN_ERROR:
                raise

    def processes(self) -> list[Process]:
        """All services, started or not. Raises ServiceFailed when supervisord is gone."""
        try:
            found, restarts = (
                self._call("supervisor.getAllProcessInfo"),
                self._call("streamflow.restarts"),
            )
        except GONE as exc:
            raise failure(
                f"supervisord does not answer ({exc})", log_file(self.home, "supervisor")
            ) from exc
        return [
            Process(
                name=p["name"],
                state=p["statename"],
                pid=p["pid"],
                since=datetime.fromtimestamp(at, UTC)
                if (at := p["start"] if p["pid"] else p["stop"])
                else None,
                restarts=restarts.get(p["name"], 0),
            )
            for p in found
        ]

    def stop(self) -> None:
        """Stop all services, then itself, and wait for that. Raises ServiceFailed when it takes too long."""
        end, told = time.monotonic() + STOP_S, False
        while self.alive():
            with suppress(*GONE):  # it is just starting or ending
                told = told or self._call("supervisor.shutdown")
            if time.monotonic() > end:
                raise failure(
                    f"supervisord did not stop within {STOP_S:.0f} s",
                    log_file(self.home, "supervisor"),
                )
            time.sleep(0.05)


@contextmanager
def supervised(
    home: Path, stack: Stack, environment: Mapping[str, str], lock: int
) -> Iterator[Supervisor]:
    """Keep supervisord beside us, at our end stopped with all services. Killed, we take it along."""
    command, log = _command(home, stack), log_file(home, "supervisor")
    own = {**environment, FROM: str(Path.cwd())}
    with running(
        command, environment=own, log=log, grace_s=0.0, inherit=[lock], folder=log.parent
    ) as child:
        supervisor = Supervisor(home, lambda: child.poll() is None)
        supervisor.wait()
        try:
            yield supervisor
        finally:
            supervisor.stop()


@contextmanager
def detached(
    home: Path, stack: Stack, environment: Mapping[str, str], lock: int
) -> Iterator[Supervisor]:
    """Keep supervisord in a session of its own: it outlives us, unless what we do here fails."""
    command, log = _command(home, stack), log_file(home, "supervisor")
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            env={**environment, FROM: str(Path.cwd())},
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
    child.returncode = (
        0  # it is meant to outlive us: Python must not warn that nobody waited for it
    )

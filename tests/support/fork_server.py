"""Start `streamflow serve` as a process of its own, without the 10 s of CPU that its imports take.

The fork server imports the libraries once in a run of the tests. Each command is a fork of it.
The command has its own process id, environment, folder, log, signals and exit code.
A test of imports or of a tree of processes starts a real command instead: `support.processes`.

The first pytest process starts the fork server and ends it. The workers of xdist share it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

# What `streamflow serve` has imported when it answers.
LIBRARIES = (
    "streamflow.cli.app",
    "streamflow.features.repository",
    "streamflow.models.compiled_model",
    "streamflow.models.registry",
    "mlflow.sklearn",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "psycopg2",
    "sklearn.calibration",
    "sklearn.ensemble",
    "skops.io",
    "treelite.sklearn",
)
TESTS = Path(__file__).parents[1]
ADDRESS = "TESTS_FORK_SERVER"  # the variable that names the socket
GRACE_S = 3.0  # between SIGTERM and SIGKILL


class ForkedCommand:
    """A command that the fork server runs. It has the methods of Popen that the tests use."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        request = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(Path.cwd()),
        }
        text = json.dumps(request).encode()
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.connect(os.environ[ADDRESS])
        with log.open("ab") as output:
            socket.send_fds(self._connection, [struct.pack("!I", len(text))], [output.fileno()])
            self._connection.sendall(text)
        self.pid = struct.unpack("!i", _receive(self._connection, 4))[0]

    def poll(self) -> int | None:
        """Return the exit code; None while the command runs."""
        return self._wait(0)

    def stop(self) -> None:
        """Send SIGTERM to the process group, and SIGKILL to what is left of it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            if self._wait(GRACE_S * 4 if number == signal.SIGTERM else GRACE_S) is not None:
                break
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._connection.close()

    def _wait(self, seconds: float) -> int | None:
        is_ended = self.returncode is None and select.select([self._connection], [], [], seconds)[0]
        if is_ended:
            self.returncode = struct.unpack("!i", _receive(self._connection, 4))[0]
        return self.returncode


@contextmanager
def forked(
    arguments: Sequence[str], *, environment: Mapping[str, str], log: Path
) -> Iterator[ForkedCommand]:
    """Run `streamflow ARGUMENTS` as a fork. It is stopped at the end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    command = ForkedCommand(arguments, environment, log)
    try:
        yield command
    finally:
        command.stop()


class ForkServer:
    """The process that forks. It costs next to nothing until the first command is started."""

    def __init__(self, folder: Path) -> None:
        os.environ[ADDRESS] = str(folder / "forks")
        command = [sys.executable, "-W", "ignore", "-m", "support.fork_server"]
        self._process = subprocess.Popen(
            [*command, os.environ[ADDRESS]],
            env=_clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def close(self) -> None:
        """End the process, and with it every command that still runs."""
        self._process.communicate()
        del os.environ[ADDRESS]


def _clean_environment() -> dict[str, str]:
    """The variables of the fork server: some libraries read them when they are imported."""
    ours = ("STREAMFLOW_", "PG", "MLFLOW_", "PREFECT_", "FEATURE_REPO_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(TESTS)}


def _receive(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        part = connection.recv(size - len(content))
        if not part:
            raise ConnectionError("the other side of the fork server's socket is gone")
        content += part
    return content


# ---- in the fork server --------------------------------------------------------------------


def _import_libraries() -> None:
    """Import the libraries in the environment that `streamflow serve` gives them."""
    from streamflow.api.server import VENDOR_VARIABLES
    from streamflow.platform import VENDOR_DEFAULTS

    os.environ.update({**VENDOR_DEFAULTS, **VENDOR_VARIABLES})
    for name in LIBRARIES:
        import_module(name)
    with suppress(OSError):  # the system has no OpenMP
        import_module("lightgbm")


def _run(request: Mapping[str, Any], output: int) -> None:
    """Become the command; never returns."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.argv = ["streamflow", *request["arguments"]]
    if "STREAMFLOW_API_WORKERS" in os.environ:
        _fork_workers()
    from streamflow.cli.app import main

    main()


def _fork_workers() -> None:
    """Let uvicorn fork the workers of the API instead of starting Python anew for each."""
    import uvicorn._subprocess
    from prometheus_client import values

    from streamflow.api import server

    start_worker = server.worker

    def worker() -> object:
        # The library decides when it is imported whether processes count together.
        values.ValueClass = values.get_value_class()
        return start_worker()

    uvicorn._subprocess.spawn = multiprocessing.get_context("fork")  # type: ignore[assignment]
    server.worker = worker  # type: ignore[assignment]


def _accept(listener: socket.socket) -> tuple[socket.socket, dict[str, Any], int]:
    connection, _ = listener.accept()
    head, descriptors, _, _ = socket.recv_fds(connection, 4, 1)
    request = json.loads(_receive(connection, struct.unpack("!I", head)[0]))
    return connection, request, descriptors[0]


def _reap(children: dict[int, socket.socket]) -> None:
    """Tell the exit codes of the commands that have ended."""
    for pid in list(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with children.pop(pid) as connection, suppress(OSError):
                connection.sendall(struct.pack("!i", os.waitstatus_to_exitcode(status)))


def serve(path: str) -> tuple[dict[str, Any], int] | None:
    """Fork until standard input ends. In a fork: return the request and its log."""
    children: dict[int, socket.socket] = {}
    waking, woken = socket.socketpair()
    for end in (waking, woken):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # pytest ends us
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    signal.set_wakeup_fd(woken.fileno())
    print("ready", flush=True)
    while True:
        ready = select.select([0, listener, waking, *children.values()], [], [])[0]
        if waking in ready:
            waking.recv(4096)
        _reap(children)
        for pid, connection in children.items():
            if connection in ready:  # whoever started the command is gone
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
        if 0 in ready:
            for pid in children:
                os.killpg(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            return None
        if listener in ready:
            connection, request, output = _accept(listener)
            _import_libraries()
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                for held in (waking, woken, listener, connection, *children.values()):
                    held.close()
                return request, output
            os.close(output)
            children[pid] = connection
            connection.sendall(struct.pack("!i", pid))


if __name__ == "__main__":
    forked_request = serve(sys.argv[1])
    if forked_request is not None:
        _run(*forked_request)

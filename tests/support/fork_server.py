"""Start a process of streamflow without the 10 s of CPU that the imports of its libraries take.

The fork server imports the libraries once in a run of the tests. Each process is a fork of it.
It has its own process id, environment, folder, input, output, signals and exit code.
It runs the command line, a different program of ours by the name of its module, or a text of
Python code as `python -c` does.
It can run a copy of the package: it then forgets our own modules, and imports those of the copy.
A test of imports or of a tree of processes starts a real command instead: `support.processes`.

The first pytest process starts the fork server and ends it. The workers of xdist share it.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
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
from tempfile import TemporaryFile
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
    "treelite.sklearn",
)
TESTS = Path(__file__).parents[1]
PROGRAM = "streamflow"
CODE = "-c"  # in place of a module: the first argument is Python code
ADDRESS = "TESTS_FORK_SERVER"  # the variable that names the socket
GRACE_S = 3.0  # between SIGTERM and SIGKILL


class ForkedCommand:
    """A command that the fork server runs. It has the methods of Popen that the tests use."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        streams: Sequence[int],
        *,
        module: str = PROGRAM,
        package: Path | None = None,
    ) -> None:
        """Start it.

        Args:
            arguments: those after the name of the program; those of `CODE` begin with the code.
            environment: all of its variables.
            streams: the descriptors of its input, output and errors.
            module: the program.
            package: the folder of a copy of our package, which is run instead of our own.
        """
        request = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(Path.cwd()),
            "module": module,
            "package": str(package) if package else "",
        }
        text = json.dumps(request).encode()
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.connect(os.environ[ADDRESS])
        socket.send_fds(self._connection, [struct.pack("!I", len(text))], streams)
        self._connection.sendall(text)
        self.pid = struct.unpack("!i", _receive(self._connection, 4))[0]

    def wait(self) -> int:
        """Wait until the command ends, and return its exit code."""
        self._wait(None)
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """Send SIGKILL to the process if it still runs, and wait for its end."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def poll(self) -> int | None:
        """Return the exit code; None while the command runs."""
        return self._wait(0)

    def close(self) -> None:
        """Let a command go that has ended. What it started goes on."""
        self._connection.close()

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

    def _wait(self, seconds: float | None) -> int | None:
        is_ended = self.returncode is None and select.select([self._connection], [], [], seconds)[0]
        if is_ended:
            self.returncode = struct.unpack("!i", _receive(self._connection, 4))[0]
        return self.returncode


@contextmanager
def forked(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    module: str = PROGRAM,
) -> Iterator[ForkedCommand]:
    """Run `streamflow ARGUMENTS`, or `python -m MODULE ARGUMENTS`, as a fork. Stop it at last."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), output.fileno(), output.fileno())
        command = ForkedCommand(arguments, environment, streams, module=module)
    try:
        yield command
    finally:
        command.stop()


def run_forked(
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
    package: Path | None = None,
    typed: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a program as a fork to its end: see `ForkedCommand`. It reads `typed` as its input."""
    with TemporaryFile() as keyboard, TemporaryFile() as output, TemporaryFile() as errors:
        keyboard.write(typed.encode())
        keyboard.seek(0)
        streams = (keyboard.fileno(), output.fileno(), errors.fileno())
        command = ForkedCommand(arguments, environment, streams, module=module, package=package)
        try:
            code = command.wait()
        except BaseException:
            command.stop()
            raise
        command.close()
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(
            [module, *arguments], code, output.read().decode(), errors.read().decode()
        )


class ForkedConversation:
    """A fork that the test talks with: it writes lines to its input and reads those it prints.

    Its errors go where those of the test go.
    """

    def __init__(self, *arguments: str, environment: Mapping[str, str], module: str = CODE) -> None:
        """Start it: see `ForkedCommand`."""
        input_end, writing_end = os.pipe()
        reading_end, output_end = os.pipe()
        streams = (input_end, output_end, 2)
        self._command = ForkedCommand(arguments, environment, streams, module=module)
        for descriptor in streams[:2]:
            os.close(descriptor)
        self.stdin = os.fdopen(writing_end, "w", encoding="utf-8")
        self.stdout = os.fdopen(reading_end, encoding="utf-8")

    def say(self, line: str) -> None:
        """Write a line to its input."""
        self.stdin.write(f"{line}\n")
        self.stdin.flush()

    def hear(self) -> str:
        """Read the next line that it prints, without the end of the line."""
        return self.stdout.readline().rstrip("\n")

    def kill(self) -> None:
        """Send SIGKILL to the process, and wait for its end."""
        self._command.kill()
        self.end()

    def end(self) -> int:
        """Close its input, wait for its end, and return its exit code."""
        self.stdin.close()
        code = self._command.wait()
        self.stdout.close()
        self._command.close()
        return code


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
    path = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(path)}


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
    from streamflow.settings import VENDOR_DEFAULTS

    os.environ.update({**VENDOR_DEFAULTS, **VENDOR_VARIABLES})
    from streamflow.models.skops_import import import_skops

    import_skops()  # before MLflow imports skops
    for name in LIBRARIES:
        import_module(name)
    from sqlalchemy.orm import configure_mappers

    from streamflow.features.feast_import import without_typeguard

    with without_typeguard():
        import_module("streamflow.features.registry")
    configure_mappers()  # those of MLflow: its first query does it
    if not gc.get_freeze_count():  # a fork that ends would go through all of it: 1 s of CPU
        gc.collect()
        gc.freeze()


def _run(request: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Become the command; never returns."""
    os.setsid()
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    if request["package"]:
        _replace_package(request["package"])
    sys.argv = [request["module"], *request["arguments"]]
    if request["module"] == PROGRAM:
        from streamflow.__main__ import main

        main()
    elif request["module"] == CODE:
        sys.argv = [CODE, *request["arguments"][1:]]
        exec(request["arguments"][0], {"__name__": "__main__"})  # noqa: S102  # a test wrote it
    else:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def _replace_package(folder: str) -> None:
    """Forget our own modules, so that they are imported from the copy in this folder."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("streamflow", "support"):
            del sys.modules[name]
    sys.path.insert(0, folder)


def _accept(listener: socket.socket) -> tuple[socket.socket, dict[str, Any], list[int]]:
    connection, _ = listener.accept()
    head, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    request = json.loads(_receive(connection, struct.unpack("!I", head)[0]))
    return connection, request, descriptors


def _reap(children: dict[int, socket.socket]) -> None:
    """Tell the exit codes of the commands that have ended."""
    for pid in list(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with children.pop(pid) as connection, suppress(OSError):
                connection.sendall(struct.pack("!i", os.waitstatus_to_exitcode(status)))


def serve(path: str) -> tuple[dict[str, Any], list[int]] | None:
    """Fork until standard input ends. In a fork: return the request and its streams."""
    children: dict[int, socket.socket] = {}
    waking, woken = socket.socketpair()
    for end in (waking, woken):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the end of pytest ends us, and every fork with us
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
            connection, request, streams = _accept(listener)
            _import_libraries()
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                for held in (waking, woken, listener, connection, *children.values()):
                    held.close()
                return request, streams
            for descriptor in streams:
                os.close(descriptor)
            children[pid] = connection
            connection.sendall(struct.pack("!i", pid))


if __name__ == "__main__":
    forked_request = serve(sys.argv[1])
    if forked_request is not None:
        _run(*forked_request)

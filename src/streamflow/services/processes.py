"""Run child processes that end with us, find ports for them, and ask whether they answer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from errno import EACCES, EADDRINUSE
from http.client import HTTPException
from pathlib import Path

from streamflow.errors import PortTaken, ServiceFailed, SettingsInvalid

WATCH_SCRIPT = Path(__file__).with_name("parent_watch.py")
GRACE_S = 3.0  # between SIGTERM and SIGKILL, when the starting process is gone
LOG_LINES_SHOWN = 15
# What is wrong with a port. All other errors are those of the host.
PORT_PROBLEMS = {EADDRINUSE: "is in use", EACCES: "is not allowed"}


def watched_command(command: Sequence[str], *, pipe: int, grace_s: float = GRACE_S) -> list[str]:
    """Build the command line that runs `command` until a pipe is at its end.

    Args:
        pipe: The file descriptor of the reading end of the pipe.
        grace_s: The seconds between SIGTERM and SIGKILL.
    """
    watch = [sys.executable, "-I", "-S", str(WATCH_SCRIPT), str(pipe), str(grace_s)]
    return [*watch, *command]


@contextmanager
def running(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    grace_s: float = GRACE_S,
    inherit: Sequence[int] = (),
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` as a child process. It is stopped at the end.

    If this process is killed, the child is stopped within seconds.

    Args:
        log: The file to which the output of the command is added.
        grace_s: The seconds between SIGTERM and SIGKILL.
        inherit: File descriptors that the command inherits, such as that of a lock, which the
            command then holds as long as it runs.
        folder: The working directory of the command; None for ours.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as read_end, os.fdopen(writing, "wb") as lifeline:
        with log.open("ab") as output:
            child = subprocess.Popen(
                watched_command(command, pipe=read_end.fileno(), grace_s=grace_s),
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[read_end.fileno(), *inherit],
                start_new_session=True,
            )
        read_end.close()
        try:
            yield child
        finally:
            lifeline.close()
            child.wait(timeout=15)


def wait_until_ready(
    url: str,
    child: subprocess.Popen[bytes],
    *,
    name: str,
    log: Path,
    seconds: float = 120.0,
) -> None:
    """Wait until `url` answers with status 200.

    Raises:
        ServiceFailed: The child ends, or time is up. The message has the end of the log.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and child.poll() is None:
        if fetch(url) is not None:
            return
        time.sleep(0.1)
    if child.poll() is not None:
        raise describe_failure(f"{name} ended with code {child.returncode}", log)
    raise describe_failure(f"{name} was not ready after {seconds:.0f} s", log)


def describe_failure(problem: str, log: Path) -> ServiceFailed:
    """Build the error of a service that failed, with the end of its log."""
    return ServiceFailed(f"{problem}. The end of {log}:\n{read_last_lines(log, LOG_LINES_SHOWN)}")


def read_last_lines(log: Path, lines: int) -> str:
    """Return the last lines of a log; empty when the log does not exist yet."""
    if not log.is_file():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def fetch(url: str, *, timeout_s: float = 5.0) -> bytes | None:
    """Return what `url` answers with status 200; None for a different status or no answer."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 -- our address
            content: bytes = answer.read()
            return content if answer.status == 200 else None
    except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError):
        return None


def free_port(host: str = "127.0.0.1") -> int:
    """Find a port that no process listens on right now.

    Raises:
        SettingsInvalid: The host is no address of this machine.
    """
    return _bind(host, 0)


def require_port(host: str, port: int) -> int:
    """Return `port`, or a free port if it is 0.

    Raises:
        PortTaken: A different process listens on the port, or you may not use it.
        SettingsInvalid: The host is no address of this machine.
    """
    return _bind(host, port)


def _bind(host: str, port: int) -> int:
    """Bind to a port for a moment, to see whether this can be done. Return the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if port:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            problem = PORT_PROBLEMS.get(exc.errno or 0)
            if problem is not None:
                message = f"port {port} of {host} {problem} ({exc.strerror})"
                raise PortTaken(message, port=port) from exc
            raise SettingsInvalid(
                f"the services cannot listen at {host} ({exc.strerror})",
                remedy="Name an address of this machine with --host.",
            ) from exc
        bound_port: int = probe.getsockname()[1]
        return bound_port


def web_address(host: str, port: int) -> str:
    """Return the address of HTTP of a host and a port.

    >>> web_address("churn.example.com", 8000), web_address("::1", 8000)
    ('http://churn.example.com:8000', 'http://[::1]:8000')
    """
    shown_host = f"[{host}]" if ":" in host else host
    return f"http://{shown_host}:{port}"

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
from http.client import HTTPException
from pathlib import Path

from streamflow.errors import PortTaken, ServiceFailed

WATCH_SCRIPT = Path(__file__).with_name("parent_watch.py")
GRACE_S = 3.0  # between SIGTERM and SIGKILL, when the starting process is gone
LOG_LINES_SHOWN = 15


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
    """Find a port that no process listens on right now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def require_port(host: str, port: int) -> int:
    """Return `port`, or a free port if it is 0.

    Raises:
        PortTaken: A different process listens on the port.
    """
    if port == 0:
        return free_port(host)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise PortTaken(f"port {port} of {host} is in use ({exc.strerror})", port=port) from exc
    return port

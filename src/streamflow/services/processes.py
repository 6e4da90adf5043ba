"""Child processes that end with us, ports for them, and whether they answer."""

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

TETHER = Path(__file__).with_name("parent_watch.py")
GRACE_S = 3.0  # between SIGTERM and SIGKILL, for what has lost the process that asked for it


def tethered(command: Sequence[str], *, pipe: int, grace_s: float = GRACE_S) -> list[str]:
    """The command line that runs `command` until the pipe of this descriptor is at its end."""
    return [sys.executable, "-I", "-S", str(TETHER), str(pipe), str(grace_s), *command]


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
    """Run `command` beside us, its output in `log`; it is stopped at the end, and within seconds if we are killed.

    It runs in `folder`, and inherits the descriptors in `inherit`, such as that of a lock which it holds as long as it runs.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as end, os.fdopen(writing, "wb") as lifeline:
        with log.open("ab") as output:
            child = subprocess.Popen(
                tethered(command, pipe=end.fileno(), grace_s=grace_s),
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[end.fileno(), *inherit],
                start_new_session=True,
            )
        end.close()
        try:
            yield child
        finally:
            lifeline.close()
            child.wait(timeout=15)


def wait_until_ready(
    url: str, child: subprocess.Popen[bytes], *, name: str, log: Path, seconds: float = 120.0
) -> None:
    """Wait until `url` answers with 200. Raises ServiceFailed with the end of the log when the child ends or time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and child.poll() is None:
        if asked(url) is not None:
            return
        time.sleep(0.1)
    said = (
        f"ended with code {child.returncode}"
        if child.poll() is not None
        else f"was not ready after {seconds:.0f} s"
    )
    raise failure(f"{name} {said}", log)


def failure(what: str, log: Path) -> ServiceFailed:
    """The error that a service did not do as it should, with the end of its log."""
    return ServiceFailed(f"{what}. The end of {log}:\n{tail(log, 15)}")


def tail(log: Path, lines: int) -> str:
    """The last lines of a log; empty where there is none yet."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.is_file() else ""


def asked(url: str) -> bytes | None:
    """What `url` answers, with 200; None when it does not. The answer of another status is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # our own address
            content: bytes = answer.read()
            return content if answer.status == 200 else None
    except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError):
        return None


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def require_port(host: str, port: int) -> int:
    """`port`, or a free one for 0. Raises PortTaken."""
    if port == 0:
        return free_port(host)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise PortTaken(f"port {port} of {host} is in use ({exc.strerror})", port=port) from exc
    return port

"""Child processes that end with us, and ports for them."""

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
from pathlib import Path

from streamflow.errors import PortTaken, ServiceFailed

TETHER = Path(__file__).with_name("tether.py")


@contextmanager
def running(command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` beside us, its output in `log`; it is stopped at the end, and within seconds if we are killed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as end, os.fdopen(writing, "wb") as lifeline:
        with log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(TETHER), str(end.fileno()), *command],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[end.fileno()],
                start_new_session=True,
            )
        end.close()
        try:
            yield child
        finally:
            lifeline.close()
            child.wait(timeout=15)


def wait_until_ready(url: str, child: subprocess.Popen[bytes], *, name: str, log: Path, seconds: float = 120.0) -> None:
    """Wait until `url` answers with 200. Raises ServiceFailed with the end of the log when the child ends or time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # our own address
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    said = f"ended with code {child.returncode}" if child.poll() is not None else f"was not ready after {seconds:.0f} s"
    raise ServiceFailed(f"{name} {said}. The end of {log}:\n{tail}")


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

"""Run commands that work until Ctrl-C, and press it when they have printed what a page shows."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from streamflow.services.processes import free_port

UNTIL_CTRL_C = re.compile(
    r"(?:\w+=\S+ )*streamflow (?:--home \S+ )?"
    r"(?:serve|console|up(?! --detach)|inbox --every|exec -- mlflow ui)\b"
)
IN_BACKGROUND = re.compile(r".*\b(?:mlflow models serve|sail spark server)\b")  # in a second shell
INTERRUPTED = 130  # the exit code of a command that Ctrl-C ended
SERVERS_CODE = 0  # of a server, whose ordinary end it is
PATIENCE_S = 300.0
PORTS = {
    "serve": "STREAMFLOW_API_PORT",
    "console": "STREAMFLOW_CONSOLE_PORT",
    "mlflow ui": "MLFLOW_PORT",
}


def run_until_ctrl_c(
    text: str,
    folder: Path,
    environment: Mapping[str, str],
    has_shown: Callable[[str], bool],
) -> tuple[str, int]:
    """Run a command until it has printed what is shown and its port answers; then interrupt it.

    Returns what it printed, on both streams, and its exit code: that of Ctrl-C also for a server,
    which ends with 0.
    """
    variables = dict(environment)
    port = next((name for command, name in PORTS.items() if f" {command}" in text), "")
    if port:
        variables[port] = str(free_port())
    log = folder / "foreground.log"
    with log.open("w", encoding="utf-8") as output:
        child = subprocess.Popen(
            ["bash", "-c", re.sub(r"(?<!\S)streamflow ", "exec streamflow ", text, count=1)],
            cwd=folder,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            end = time.monotonic() + PATIENCE_S
            while child.poll() is None and time.monotonic() < end:
                printed = log.read_text("utf-8")
                if printed and has_shown(printed) and (not port or _answers(variables[port])):
                    break
                time.sleep(0.2)
            child.send_signal(signal.SIGINT)
            code = child.wait(PATIENCE_S)
        finally:
            child.kill()
    is_server_end = bool(port) and code == SERVERS_CODE
    return log.read_text("utf-8"), INTERRUPTED if is_server_end else code


def _answers(port: str) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(port))) == 0


def without_marks(lines: Iterable[str]) -> list[str]:
    """Return the lines without the mark of progress, which a page shows for these commands."""
    return [re.sub(r"^… (?=\S)", "", line) for line in lines]


@contextmanager
def in_background(text: str, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a server of a page in a shell of its own, until the block ends."""
    with (folder / "background.log").open("ab") as log:
        child = subprocess.Popen(
            ["bash", "-c", text],
            cwd=folder,
            env=dict(environment),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait()

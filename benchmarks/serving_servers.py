"""The servers of `serving.py`: how each is started, asked, and what it holds of the memory."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from serving_lab import Lab

Request = tuple[str, Sequence[str]]  # a body, and the texts that its answer must hold
PATIENCE_S = 180.0
POLL_S = 0.005
PYTHON = sys.executable
PEERS = str(Path(__file__).with_name("serving_peers.py"))


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One way to serve."""

    label: str
    command: Callable[[int], Sequence[str]]  # of a port
    ready: str
    path: str = "/predict"
    request: Callable[[str, Mapping[str, object]], Request]
    ours: bool = False


def _by_key(*marks: str) -> Callable[[str, Mapping[str, object]], Request]:
    return lambda key, _: (json.dumps({"user_id": key}), [json.dumps(key), *marks])


def _by_row(_: str, row: Mapping[str, object]) -> Request:
    return json.dumps({"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}), [
        '"predictions"'
    ]


def _peer(label: str, name: str, request: Callable[[str, Mapping[str, object]], Request]) -> Kind:
    return Kind(
        label=label,
        command=lambda port: [PYTHON, PEERS, name, str(port)],
        ready="/openapi.json",
        request=request,
    )


def ours(port: int) -> list[str]:
    """As a user starts it."""
    return [PYTHON, "-m", "streamflow", "serve", "--port", str(port)]


def _mlflow(port: int) -> list[str]:
    version = "models:/streamflow_churn/Production"
    return [
        PYTHON,
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        version,
        "--env-manager",
        "local",
        "--port",
        str(port),
    ]


KINDS = {
    "ours": Kind(
        label="(a) streamflow serve",
        command=ours,
        ready="/ready",
        request=_by_key('"version":'),
        ours=True,
    ),
    "reference": _peer("(b) Feast SDK + MLflow sklearn", "reference", _by_key('"prediction":')),
    "mlflow": Kind(
        label="(c) mlflow models serve",
        command=_mlflow,
        ready="/ping",
        path="/invocations",
        request=_by_row,
    ),
    "empty": _peer(
        "(d) empty FastAPI endpoint", "empty", lambda key, _: (json.dumps({"user_id": key}), [])
    ),
    "select": _peer("(e) one prepared SELECT, async", "select_async", _by_key('"monthly_fee":')),
    "select_def": _peer("(e) the same, def and threads", "select_sync", _by_key('"monthly_fee":')),
}


@dataclass(frozen=True, kw_only=True)
class Server:
    """One that is ready."""

    kind: Kind
    port: int
    process: psutil.Process
    seconds_to_ready: float

    @property
    def megabytes(self) -> float:
        """What it and its child processes hold in memory."""
        return (
            sum(p.memory_info().rss for p in (self.process, *self.process.children(recursive=True)))
            / 1e6
        )


@contextmanager
def serving(
    kind: Kind, lab: Lab, command: Callable[[int], Sequence[str]] | None = None
) -> Iterator[Server]:
    """Start a server, wait until it is ready, and at last end it with all that it started.

    Its output goes into a file of the lab.
    """
    port = free_port()
    said = lab.folder / f"{port}.log"
    with said.open("wb") as log:
        begin = time.perf_counter()
        started = subprocess.Popen(
            (command or kind.command)(port),
            env=dict(lab.plain if kind.ours else lab.stock),
            cwd=lab.folder,
            stdout=log,
            stderr=log,
        )
        process = psutil.Process(started.pid)
        try:
            while not _answers(port, kind.ready):
                if started.poll() is not None or time.perf_counter() - begin > PATIENCE_S:
                    raise RuntimeError(f"{kind.label} is not ready:\n{said.read_text()[-4000:]}")
                time.sleep(POLL_S)
            yield Server(
                kind=kind, port=port, process=process, seconds_to_ready=time.perf_counter() - begin
            )
        finally:
            family = [process, *process.children(recursive=True)] if started.poll() is None else []
            for one in family:
                one.send_signal(signal.SIGTERM)
            for survivor in psutil.wait_procs(family, timeout=20)[1]:
                survivor.kill()
            started.wait()


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):  # not yet
        return False

"""A Sail server: Spark Connect without Java, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# In the process of the tests its threads would stay, and a mapInArrow would wait for their lock.
START = """
import sys
from pysail.spark import SparkConnectServer
server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
print(server.listening_address[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def sail_server(**environment: str) -> Iterator[str]:
    """Start a Sail server on a free port, and yield its address. It ends with this process."""
    pytest.importorskip("pysail", reason="pysail is not installed: make test does it")
    variables = {**os.environ, **environment}
    command = [sys.executable, "-c", START]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=variables, text=True, **pipes) as server:
        try:
            port = int(server.stdout.readline())
            yield f"sc://127.0.0.1:{port}"
        finally:
            server.kill()

"""Spark Connect servers in processes of their own: Sail, and Apache Spark where it is installed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# In the process of the tests its threads would stay, and a mapInArrow would wait for their lock.
START_SAIL = """
import sys
from pysail.spark import SparkConnectServer
server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
print(server.listening_address[1], flush=True)
sys.stdin.read()
"""
# Where `uv pip install --no-deps --target build/spark pyspark==4.2.0` puts it.
BUILT_SPARK = Path(__file__).parents[2] / "build" / "spark" / "pyspark"
START_TIMEOUT_S = 600.0
# `make test` installs Spark's client and Sail here, out of sight of the processes of other tests:
# MLflow imports pyspark wherever it is installed, which takes half a second.
PACKAGES = Path(sys.prefix) / "spark"


def make_importable() -> bool:
    """Let this process import Spark's client and Sail. Return whether they are installed.

    Only tests of the engine call it, when they run: while tests are collected it would be for all.
    """
    if not PACKAGES.is_dir():
        return False
    if str(PACKAGES) not in sys.path:
        sys.path.append(str(PACKAGES))
    main = sys.modules["__main__"]
    if not hasattr(main, "__file__"):
        # A worker of xdist has no file, and pyspark would think that its doctests are running.
        main.__file__ = __file__
    return True


@contextmanager
def sail_server(**environment: str) -> Iterator[str]:
    """Start a Sail server on a free port, and yield its address. It ends with this process."""
    if not make_importable():
        pytest.skip("pysail is not installed: make test does it")
    variables = {**os.environ, "PYTHONPATH": str(PACKAGES), **environment}
    command = [sys.executable, "-c", START_SAIL]
    with subprocess.Popen(
        command,
        env=variables,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as server:
        assert server.stdout is not None
        try:
            yield f"sc://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


@contextmanager
def apache_spark_server(folder: Path, *, cores: int = 2) -> Iterator[str]:
    """Start a server of Apache Spark, and yield its address. Its workers use this Python.

    The test is skipped where there is no Java or no Spark.
    """
    home = Path(os.environ.get("SPARK_HOME") or BUILT_SPARK)
    if not make_importable():
        pytest.skip("Spark's client is not installed: make prove does it")
    if shutil.which("java") is None:
        pytest.skip("there is no java: apt-get install openjdk-17-jre-headless")
    if not (home / "jars").is_dir():
        pytest.skip(
            f"there is no Apache Spark in {home}: set SPARK_HOME, or run"
            " 'uv pip install --no-deps --target build/spark pyspark==4.2.0'"
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.sql.shuffle.partitions": 2 * cores,
        "spark.ui.enabled": "false",
    }
    command = [str(home / "bin" / "spark-submit"), "--master", f"local[{cores}]"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    for name, value in options.items():
        command += ["--conf", f"{name}={value}"]
    variables = {**os.environ, "SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable}
    log = folder / "spark.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*command, "spark-internal"],
            env=variables,
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as server,
    ):
        try:
            _wait_for(server, port, log)
            yield f"sc://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def _wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError(f"Spark did not start: {log.read_text(errors='replace')[-3000:]}")

"""Proof: the wheel, installed as a stranger does it: each extra, its size, and the API by `serve`.

Needs a package registry. A Python that is not on this machine is skipped, and so is one for which
the registry has no wheel of a package.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Cluster
from support.api import asked
from support.console import read_blocks
from support.foreground import in_background
from support.processes import wait_for
from support.states import JANUARY_SERVED, in_state
from test_code_blocks import read_code

from streamflow.errors import PackagesMissing
from streamflow.packages import DISTRIBUTION
from streamflow.platform import Platform
from streamflow.services.processes import free_port, running, wait_until_ready
from streamflow.steps.serving.predict import predict

ROOT = Path(__file__).parents[2]
UV = str(Path(sys.executable).with_name("uv"))
USER = "7590-VHVEG"
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = ("3.11", "3.12", "3.13")
EXTRAS = ("", "serve", "console", "train", "all", "spark")
# `pyspark-client` has none: it is Python alone, and built in a second.
ONLY_WHEELS = ("--only-binary", ":all:", "--no-binary", "pyspark-client")
# As it was before a fixture opened an installation in this process.
ENVIRONMENT = {name: value for name, value in os.environ.items() if "STREAMFLOW" not in name}
# Run by the Python of the environment: how many distributions it has, and their bytes.
MEASURE = """
from importlib.metadata import distributions
files = [item.locate_file(name) for item in distributions() for name in item.files or ()]
size = sum(file.stat().st_size for file in files if file.exists())
print(len(list(distributions())), round(size / 1e6))
"""


def run(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        env={**ENVIRONMENT, "PYTHONPATH": "", **variables},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    (path,) = folder.glob("*.whl")
    return path


def install(
    wheel: Path, extra: str, folder: Path, python: str = THIS_PYTHON, *, compiled: bool = False
) -> Path:
    """Install the wheel with an extra into an empty environment, and return its folder `bin`.

    With `compiled` each module is compiled at once, as pip does it. Otherwise each process of ours
    compiles what it imports, where PYTHONDONTWRITEBYTECODE is set.
    """
    # The commands of pyenv are scripts that do not start the version that they name.
    own = sorted((Path.home() / ".pyenv" / "versions").glob(f"{python}.*/bin/python"))
    interpreter = own[0] if own and python != THIS_PYTHON else python
    made = run(UV, "venv", "-q", "--no-python-downloads", "--python", interpreter, folder)
    if made.returncode:
        pytest.skip(f"no Python {python}: {made.stderr.strip()}")
    requirement = f"{DISTRIBUTION}[{extra}] @ {wheel.as_uri()}" if extra else str(wheel)
    interpreter = folder / "bin" / "python"
    command = (UV, "pip", "install", "-q", "--python", interpreter, *ONLY_WHEELS)
    if compiled:
        command += ("--compile-bytecode",)
    done = run(*command, requirement)
    if done.returncode and python != THIS_PYTHON:
        pytest.skip(f"Python {python}: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    count, megabytes = run(interpreter, "-c", MEASURE).stdout.split()
    print(f"\nPython {python} [{extra}]: {count} packages, {megabytes} MB")
    return folder / "bin"


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_can_be_installed_and_the_command_starts(
    wheel: Path, tmp_path: Path, extra: str
) -> None:
    binaries = install(wheel, extra, tmp_path / "environment")
    assert run(binaries / "streamflow", "--version").stdout.startswith("streamflow ")
    if extra in ("", "serve"):
        home = str(tmp_path / "home")
        refused = run(binaries / "streamflow", "--home", home, "train", "--as-of", "2024-01-31")
        assert refused.returncode == PackagesMissing.exit_code
        assert f"pip install '{DISTRIBUTION}[train]'" in refused.stderr
        vendors = {"feast", "prefect", "polars"}
        site = next((binaries.parent / "lib").glob("python*/site-packages"))
        assert vendors & {path.name for path in site.iterdir()} == set()


@pytest.mark.parametrize("page", ["how-to/install.md", "how-to/spark.md"])
def test_the_commands_of_a_page_install_the_wheel(wheel: Path, tmp_path: Path, page: str) -> None:
    """With pip, in an environment of Python's own. The server of the page gets a free port."""
    made = run(sys.executable, "-m", "venv", tmp_path / "environment")
    assert made.returncode == 0, made.stderr
    shutil.copy(wheel, tmp_path)
    port = free_port()
    binaries = tmp_path / "environment" / "bin"
    variables = {**ENVIRONMENT, "PYTHONPATH": "", "PATH": f"{binaries}:{os.environ['PATH']}"}
    for shown in read_lines(ROOT / "docs" / page):
        line = shown.replace("15002", str(port))
        if "sail" in line:
            with in_background(line, tmp_path, variables):
                assert wait_for(lambda: is_open(port), 60.0), (
                    tmp_path / "background.log"
                ).read_text()
            continue
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert run(binaries / "streamflow", "--version").stdout.startswith("streamflow ")


def read_lines(page: Path) -> list[str]:
    """Return the commands of a page that this file runs."""
    text = page.read_text(encoding="utf-8")
    blocks = [block for block in read_blocks(text) if block.run_by.endswith("test_install.py")]
    console = [command.text for block in blocks for command in block.commands]
    code = [block.code for block in read_code(page) if block.language == "sh"]
    return console + [line for text in code for line in text.splitlines()]


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def served(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("install") / "home"
    with in_state(cluster, JANUARY_SERVED, simulated_drops, home) as platform:
        yield platform


def variables_of(platform: Platform) -> dict[str, str]:
    settings = platform.settings
    assert settings.database_url is not None
    return {
        "STREAMFLOW_HOME": str(platform.home),
        "STREAMFLOW_DATABASE_URL": settings.database_url.get_secret_value(),
        "STREAMFLOW_MLFLOW_DATABASE": settings.mlflow_database,
        "PYTHONPATH": "",
    }


@contextmanager
def mlflow_server(variables: dict[str, str], log: Path) -> Iterator[str]:
    """MLflow's server of the whole installation, on the same database."""
    port = free_port()
    command = [sys.executable, "-m", "streamflow", "exec", "--", "mlflow", "server"]
    command += ["--port", str(port), "--workers", "1"]
    url = f"http://127.0.0.1:{port}"
    with running(command, environment={**os.environ, **variables}, log=log) as child:
        wait_until_ready(f"{url}/health", child, name="MLflow", log=log, seconds=300)
        yield url


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("is_remote", [False, True], ids=["own tables", "MLflow's server"])
def test_serve_alone_answers_as_the_whole_installation_does(
    wheel: Path, served: Platform, tmp_path: Path, python: str, is_remote: bool
) -> None:
    binaries = install(wheel, "serve", tmp_path / "environment", python)
    variables = variables_of(served)
    with ExitStack() as closing:
        if is_remote:
            server = mlflow_server(variables, tmp_path / "mlflow.log")
            variables["STREAMFLOW_MLFLOW_TRACKING_URI"] = closing.enter_context(server)
        port = free_port()
        log = tmp_path / "api.log"
        command = [str(binaries / "streamflow"), "serve", "--port", str(port)]
        process = running(command, environment={**os.environ, **variables}, log=log)
        child = closing.enter_context(process)
        base = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{base}/health", child, name="the API", log=log)
        ready = wait_for(lambda: asked(f"{base}/ready").status == 200)
        assert ready, asked(f"{base}/ready").body
        answer = asked(f"{base}/predict", {"user_id": USER})
    assert answer.status == 200, answer.body
    expected = predict(served, USER, now=datetime.now(UTC))
    assert answer.body["probability"] == expected.probability


@pytest.mark.parametrize("python", PYTHONS)
def test_the_demo_works_with_everything_installed(wheel: Path, tmp_path: Path, python: str) -> None:
    """The whole demo, as a stranger runs it; its numbers are printed."""
    binaries = install(wheel, "all", tmp_path / "environment", python, compiled=True)
    streamflow = binaries / "streamflow"
    home = tmp_path / "home"
    started = time.monotonic()
    try:
        done = run(streamflow, "--home", home, "demo")
        seconds = time.monotonic() - started
        aucs = ", ".join(re.findall(r"AUC=[0-9.]+", done.stdout))
        print(f"Python {python}: demo ended with {done.returncode} after {seconds:.0f} s; {aucs}")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "POST /predict {" in done.stdout, done.stdout
        assert aucs
    finally:
        run(streamflow, "--home", home, "uninstall", "--yes")

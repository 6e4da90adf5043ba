"""Proof: the pages that need the services of `up` are right. It needs a registry of packages.

One stack serves them all: the pages native.md, tutorial.md, feast-objects.md and mlflow-clients.md.
The ports of the pages are replaced by free ones.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.console import CUT, Block, agrees, comparable, open_session, read_blocks
from support.foreground import without_marks
from support.hidden_steps import read_last_block
from support.page_blocks import Reader, shape
from support.processes import alive, run, wait_for
from support.stack import free_ports, kill_9, status, url

from streamflow.database.embedded import remove_server
from streamflow.platform import open_platform
from streamflow.services.processes import free_port
from streamflow.settings import load_settings
from streamflow.steps.serving.predict import predict

ROOT = Path(__file__).parents[2]
MARK = "tests/proofs/test_page_of_up.py"
NATIVE = "docs/how-to/native.md"
KEY = "7590-VHVEG"
MARCH = "2024-03-31"
PATIENCE_S = 600.0
# The id that a reader would copy from the list.
FIRST_FLOW_RUN = (
    "curl -s -X POST $PREFECT_API_URL/flow_runs/filter -H 'Content-Type: application/json' -d '{}'"
    """ | python -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])'"""
)
STILL_STARTING = "is still starting after"  # on a busy machine
# What a page calls the port of a service; the console and Feast's pages are not asked.
PAGE_PORTS = {"prefect": 4200, "mlflow": 5000, "feast": 6566, "api": 8000}


def list_page_blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [block for block in read_blocks(text) if block.run_by == MARK]


@dataclass
class Stack:
    """The services of `up`, and whoever reads the pages beside them."""

    home: Path
    folder: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None  # of `up`
    platform_open: ExitStack = field(default_factory=ExitStack)

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        return status(self.home)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("up")
    home = folder / ".streamflow"
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    environment = {
        **os.environ,
        **free_ports(),
        "STREAMFLOW_MLFLOW_PORT": str(taken.getsockname()[1]),  # the page says so
        "STREAMFLOW_HOME": str(home),
        "STREAMFLOW_TREES": "10",
        "COLUMNS": "300",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    opened = Stack(home, folder, environment)
    with taken:
        yield opened
    run(home, "down")
    if opened.process:
        opened.process.wait(PATIENCE_S)
    remove_server(home)
    assert wait_for(lambda: not alive(home), 10.0), alive(home)


def test_up_prints_what_the_page_shows_also_after_a_service_was_killed(stack: Stack) -> None:
    """The page is native.md. The stack stays up for the tests below."""
    block = list_page_blocks(NATIVE)[0]
    (command,) = block.commands
    shown = [shape(line) for line in comparable(without_marks(command.shown))]
    log = stack.folder / "up.log"
    with log.open("w", encoding="utf-8") as output:
        stack.process = subprocess.Popen(
            ["bash", "-c", f"exec {command.text}"],
            env=stack.environment,
            cwd=stack.folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def has_printed(lines: list[str]) -> Callable[[], bool]:
        def look() -> bool:
            printed = comparable(without_marks(log.read_text("utf-8").splitlines()))
            ours = [shape(line) for line in printed if STILL_STARTING not in line]
            return agrees([*lines, CUT], ours)

        return look

    table = max(number for number, line in enumerate(shown) if line.startswith("│"))
    assert wait_for(has_printed(shown[: table + 1]), PATIENCE_S), log.read_text("utf-8")
    kill_9(int(stack.services["feast"]["pid"]))
    assert wait_for(has_printed(shown), PATIENCE_S), log.read_text("utf-8")


@pytest.fixture(scope="module")
def reader(stack: Stack) -> Iterator[Reader]:
    """A reader in the installation of the stack, with three months and a version that serves."""
    names = ("STREAMFLOW_HOME", "STREAMFLOW_TREES", "COLUMNS")
    with ExitStack() as closing:
        session = closing.enter_context(
            open_session(stack.folder, {name: stack.environment[name] for name in names})
        )
        closing.enter_context(stack.platform_open)
        settings = load_settings(home=stack.home)
        platform = stack.platform_open.enter_context(open_platform(settings))
        opened = Reader(
            session=session,
            platform=platform,
            serve=lambda: url(stack.services, "api", ""),
            make_empty=dict,
            page_names={},
            patience_s=PATIENCE_S,
        )
        for service, port in PAGE_PORTS.items():
            own_port = url(stack.services, service, "").rpartition(":")[2]
            for host in ("localhost", "127.0.0.1"):
                opened.own_names[f"{host}:{port}"] = f"127.0.0.1:{own_port}"
        for text in (
            "streamflow simulate drops --users 400 --months 3 --seed 1",
            "streamflow run drops/month_000 --as-of 2024-01-31",
            "streamflow run drops/month_001 --as-of 2024-02-29",
            "streamflow train --as-of 2024-01-31",
            "streamflow promote 1 --force --why first",
        ):
            output, code = opened.run(text)
            assert code == 0, output
        yield opened


def read_page(reader: Reader, page: str, *numbers: int) -> None:
    """Run some blocks of a page that name this test."""
    blocks = list_page_blocks(page)
    differences = []
    for number in numbers:
        differences += reader.read(page, blocks[number])
    assert differences == [], "\n\n".join(differences)


def test_feasts_command_and_server_answer_as_the_tutorial_shows(reader: Reader) -> None:
    read_page(reader, "docs/tutorial.md", 1)


def test_own_objects_are_served_as_the_page_shows(reader: Reader) -> None:
    read_page(reader, "docs/how-to/feast-objects.md", 0)


def test_the_commands_of_prefect_mlflow_and_feast_work_as_the_page_shows(
    reader: Reader, stack: Stack
) -> None:
    reader.own_names[f"/srv/drops/{MARCH}"] = str(stack.folder / "drops" / "month_002")
    reader.own_names["logs RUN"] = f"logs $({FIRST_FLOW_RUN})"
    read_page(reader, NATIVE, 1)


def test_a_stock_client_of_mlflow_answers_as_the_page_shows(reader: Reader, stack: Stack) -> None:
    """The page is mlflow-clients.md: its Python, and MLflow's own server."""
    text = (ROOT / "docs" / "how-to" / "mlflow-clients.md").read_text(encoding="utf-8")
    code = read_last_block(text, "python")
    for page_name, own_name in reader.own_names.items():
        code = code.replace(page_name, own_name)
    assert reader.platform is not None
    expected = predict_one(reader)
    frame = ", ".join(f"{name!r}: [{value!r}]" for name, value in expected.features.items())
    program = f"import pandas as pd\nframe = pd.DataFrame({{{frame}}})\n{code}"
    output, exit_code = reader.shell(
        f"python -W ignore -c {shlex.quote(program + 'print(answers.probability[0])')}"
    )
    assert exit_code == 0, output
    assert float(output.splitlines()[-1]) == expected.probability
    port = str(free_port())
    reader.own_names |= {"localhost:5005": f"127.0.0.1:{port}", "-p 5005": f"-p {port}"}
    read_page(reader, "docs/how-to/mlflow-clients.md", 0)


def predict_one(reader: Reader) -> Any:
    from datetime import UTC, datetime

    return predict(reader.platform, KEY, now=datetime.now(UTC))


def test_the_installation_is_removed_as_the_page_shows(reader: Reader, stack: Stack) -> None:
    stack.platform_open.close()
    own_files = stack.home / "features"  # those of feast-objects.md
    if own_files.exists():
        own_files.rename(stack.folder / "own-features")  # as the page says
    read_page(reader, NATIVE, 2)
    assert not stack.home.exists()


def test_the_tutorial_starts_and_stops_all_services(tmp_path: Path) -> None:
    home = tmp_path / ".streamflow"
    variables = {**free_ports(), "STREAMFLOW_HOME": str(home), "COLUMNS": "300"}
    try:
        for block in (
            list_page_blocks("docs/tutorial.md")[0],
            list_page_blocks("docs/tutorial.md")[2],
        ):
            (command,) = block.commands
            done = run(home, *shlex.split(command.text)[1:], extra=variables)
            assert done.returncode == 0, done.stderr
            shown = [shape(line) for line in comparable(command.shown)]
            printed = [shape(line) for line in comparable(done.stdout.splitlines())]
            assert agrees(shown, printed), printed
    finally:
        run(home, "down")
        remove_server(home)

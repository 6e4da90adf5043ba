"""Proof: what README.md and docs/how-to/install.md tell a stranger to type works in a fresh clone.

It needs git, make and a registry of packages, and takes some minutes: `make setup` and `make demo`.
Servers use free ports.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.foreground import INTERRUPTED, UNTIL_CTRL_C, run_until_ctrl_c
from test_code_blocks import read_code

ROOT = Path(__file__).parents[2]
CLONE, DEMO, AFTER_DEMO, OWN_DATA = range(4)
BLOCKS = [block.code for block in read_code(ROOT / "README.md")]
SHELL = ["bash", "-eu", "-c"]
REMOVE = "streamflow --home .streamflow uninstall --yes"


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """The variables of a stranger: none of ours, and a python of this version."""
    kept = {name: text for name, text in os.environ.items() if "STREAMFLOW" not in name}
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "MLFLOW_TRACKING_URI", "MAKEFLAGS", "MAKELEVEL"):
        kept.pop(name, None)
    return {**kept, "PYTHON": sys.executable}


@pytest.fixture(scope="module")
def clone(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("hour")
    text = BLOCKS[CLONE].replace("URL-OF-THIS-REPOSITORY", str(ROOT))
    assert str(ROOT) in text
    script = f"{text}\nstreamflow --version"
    done = subprocess.run(
        [*SHELL, script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("streamflow ")
    yield folder / "streamflow"
    subprocess.run(["make", "clean"], cwd=folder / "streamflow", env=environment, check=True)


@pytest.fixture(scope="module")
def shell_variables(clone: Path, environment: dict[str, str]) -> dict[str, str]:
    """Variables of a shell in which the environment of the clone is active."""
    return {**environment, "PATH": f"{clone / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}"}


def type_lines(code: str, folder: Path, variables: dict[str, str]) -> None:
    """Run the lines of a block, one after the other. Ctrl-C ends a server that has printed."""
    for line in code.splitlines():
        if UNTIL_CTRL_C.match(line):
            printed, ended = run_until_ctrl_c(line, folder, variables, bool)
            assert ended == INTERRUPTED, f"{line}\n{printed}"
            continue
        done = subprocess.run(
            [*SHELL, line],
            cwd=folder,
            env=variables,
            input="y\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_the_demo_and_the_commands_after_it(clone: Path, shell_variables: dict[str, str]) -> None:
    type_lines(BLOCKS[DEMO], clone, shell_variables)
    assert (clone / ".streamflow-demo").is_dir()
    type_lines(BLOCKS[AFTER_DEMO], clone, shell_variables)
    assert not (clone / ".streamflow-demo").exists()


def test_five_commands_lead_from_a_drop_to_an_api(
    simulated_drops: Path, tmp_path: Path, shell_variables: dict[str, str]
) -> None:
    shutil.copytree(simulated_drops / "month_000", tmp_path / "DROP")
    (tmp_path / "DROP" / "drop.toml").unlink()
    try:
        type_lines(BLOCKS[OWN_DATA], tmp_path, shell_variables)
    finally:
        subprocess.run([*SHELL, REMOVE], cwd=tmp_path, env=shell_variables, check=False)

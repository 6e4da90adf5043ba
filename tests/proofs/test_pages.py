"""Proof: pages whose blocks take too long for `make test` are right, too.

Those of commands show what they print, and the Python of docs/python.md runs from its first block
to its last.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Cluster
from support.console import comparable, read_blocks
from support.page_blocks import shape
from support.page_states import Place, find_differences, list_places
from test_code_blocks import read_code
from test_documentation import PROVEN_PAGES, compare_page, list_runs, name_run

import streamflow as sf

ROOT = Path(__file__).parents[2]
USES_OPEN = 2  # the blocks of docs/python.md from this one on use an open installation `churn`


@pytest.mark.parametrize(("page", "is_real"), list_runs(PROVEN_PAGES), ids=name_run)
def test_a_page_shows_what_its_commands_print(
    page: str,
    is_real: bool,
    cluster: Cluster,
    installation: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if is_real:
        (tmp_path / "data").symlink_to(request.getfixturevalue("real_drops"))
    compare_page(page, is_real, cluster, installation, tmp_path)


@pytest.mark.parametrize("place", [place for place in list_places() if place.is_long], ids=str)
def test_the_long_blocks_of_the_pages_show_what_is_printed(
    place: Place, cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Backups, exports and rebuilds, in a prepared installation."""
    drops = request.getfixturevalue("real_drops" if place.is_real else "simulated_drops")
    differences = find_differences(place, cluster, drops, tmp_path)
    assert differences == [], "\n\n".join(differences)


def test_a_benchmark_prints_the_lines_that_the_page_shows() -> None:
    """The page is performance.md. Its times are those of a machine at rest."""
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    (block,) = [block for block in read_blocks(text) if block.run_by.endswith(Path(__file__).name)]
    (command,) = block.commands
    words = command.text.split()
    assert words[0] == "python"
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    printed = [shape(line) for line in comparable(done.stdout.splitlines())]
    assert printed == [shape(line) for line in comparable(command.shown)], done.stderr


def test_the_python_of_the_page_runs_from_its_first_block_to_its_last(
    cluster: Cluster,
    installation: str,
    simulated_drops: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variables = cluster.variables(installation, tmp_path / "churn-state")
    del variables["STREAMFLOW_HOME"]  # the page names its own
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "data").symlink_to(simulated_drops)
    names: dict[str, Any] = {}
    blocks = read_code(ROOT / "docs" / "python.md")
    assert len(blocks) == 5
    for number, block in enumerate(blocks):
        if number >= USES_OPEN:
            names["churn"] = sf.open("churn-state")
        exec(compile(block.code, block.page, "exec"), names)  # noqa: S102 - our own page
        names["churn"].close()
    assert names["trained"].metrics.auc > 0.5
    assert len(names["runs"]) >= 1

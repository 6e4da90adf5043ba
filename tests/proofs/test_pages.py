"""Proof: pages whose blocks take too long for `make test` are right, too.

Those of commands show what they print, and the Python of docs/python.md runs from its first block
to its last.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Cluster
from support.page_states import PROVEN_STATES, find_differences
from test_code_blocks import read_code
from test_documentation import PROVEN_PAGES, compare_page

import streamflow as sf

ROOT = Path(__file__).parents[2]
USES_OPEN = 2  # the blocks of docs/python.md from this one on use an open installation `churn`


@pytest.mark.parametrize("page", sorted(PROVEN_PAGES))
def test_a_page_shows_what_its_commands_print(
    page: str, cluster: Cluster, installation: str, tmp_path: Path
) -> None:
    compare_page(page, False, cluster, installation, tmp_path)


@pytest.mark.parametrize("name", PROVEN_STATES)
def test_the_long_blocks_of_the_pages_show_what_is_printed(
    name: str, cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    """Backups, exports and rebuilds, in a prepared installation."""
    differences = find_differences(name, cluster, simulated_drops, tmp_path)
    assert differences == [], "\n\n".join(differences)


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

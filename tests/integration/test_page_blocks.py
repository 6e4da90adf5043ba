"""The blocks of the pages that need a prepared installation run in one.

A page says so with `<!-- run in: PLACE -->` above the block: see `support/page_states.py`. `make
prove` runs those whose place is `long`.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from conftest import Cluster
from support.hidden_steps import HIDDEN_STEPS
from support.page_states import (
    COPY,
    LONG,
    STATES,
    WITH_KEYS,
    Place,
    find_differences,
    list_blocks,
    list_places,
)
from test_code_blocks import read_code

from streamflow.database import connect

ROOT = Path(__file__).parents[2]
PROGRAMS = ("bash", "curl", "openssl", "psql")


def test_each_place_that_a_page_names_exists() -> None:
    for place in list_places():
        state, *words = place.mark.split(", ")
        assert state in STATES, place
        assert set(words) <= {WITH_KEYS, COPY, LONG}, place


def test_each_step_that_a_page_names_exists_and_is_used() -> None:
    texts = [text for _, block in list_blocks() for text in block.run_before]
    assert {text for text in texts if text.startswith("(")} == set(HIDDEN_STEPS)


def skip_without_programs() -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"programs of the pages are absent: {missing}")


@pytest.mark.parametrize("place", [place for place in list_places() if not place.is_long], ids=str)
def test_the_blocks_of_the_pages_show_what_is_printed(
    place: Place, cluster: Cluster, simulated_drops: Path, tmp_path: Path
) -> None:
    skip_without_programs()
    differences = find_differences(place, cluster, simulated_drops, tmp_path)
    assert differences == [], "\n\n".join(differences)


# Pages with SQL for an administrator.
ADMINISTRATORS_PAGES = (
    "docs/security.md",
    "docs/how-to/monitoring.md",
    "docs/how-to/kubernetes.md",
    "docs/feast.md",
)


@pytest.mark.parametrize("page", ADMINISTRATORS_PAGES)
def test_an_administrator_can_run_the_sql_of_a_page(page: str, cluster: Cluster) -> None:
    """In the database of an installation. What it makes is gone afterwards."""
    (block,) = [block for block in read_code(ROOT / page) if block.language == "sql"]
    name = f"sf_sql_{uuid4().hex[:12]}"
    own_name = re.sub(r"(?<=DATABASE )(\w+)", rf"{name}_own_\1", block.code)
    databases = re.findall(r"(?<=DATABASE )\w+", own_name)
    cluster.clone(name)
    try:
        with connect(cluster.address.with_database(name), autocommit=True) as connection:
            statements = [text for text in own_name.split(";") if text.strip()]
            for statement in statements:
                # A role and a schema go with their transaction; a database cannot be in one.
                if "DATABASE" in statement:
                    connection.execute(statement.replace("OWNER streamflow ", ""))
                else:
                    with connection.transaction(force_rollback=True):
                        connection.execute(statement)
    finally:
        with connect(cluster.address, autocommit=True) as connection:
            for database in databases:
                connection.execute(f'DROP DATABASE IF EXISTS "{database}"')
        cluster.drop(name)

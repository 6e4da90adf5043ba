"""Make an installation to serve from.

It holds one month of 7,043 users, and the baseline forest of 300 trees is in Production.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from serving_peers import ROWS

USERS, DAY, SEED = 7_043, "2024-01-31", 42
STEPS = (
    ("simulate", "drops", "--users", str(USERS), "--months", "1", "--seed", str(SEED)),
    ("migrate",),
    ("ingest", "drops/month_000", "--as-of", DAY),
    ("snapshot", "--as-of", DAY),
    ("materialize",),
    ("train", "--as-of", DAY),
    ("promote", "1"),
)


@dataclass(frozen=True, kw_only=True)
class Lab:
    """What a server needs.

    plain  the environment of a user who starts `streamflow`
    stock  the same for a stock client of PostgreSQL, Feast and MLflow
    rows   key -> feature -> value, of all users in a random order
    """

    folder: Path
    plain: Mapping[str, str]
    stock: Mapping[str, str]
    rows: Mapping[str, Mapping[str, object]]


@contextmanager
def laboratory(folder: Path, *, kept: bool = False) -> Iterator[Lab]:
    """Make the installation below `folder`, unless it exists.

    Its PostgreSQL runs until the end of the block. Then it is removed, unless `kept` is true.
    """
    from streamflow.database.embedded import remove_server
    from streamflow.platform import open_platform
    from streamflow.settings import load_settings

    os.environ["STREAMFLOW_HOME"] = str(folder / "home")
    plain, made = dict(os.environ), folder / "made"
    try:
        with open_platform(
            load_settings(), must_be_migrated=False
        ) as platform:  # keeps the server up
            for step in () if made.exists() else STEPS:
                print("streamflow", *step, file=sys.stderr)
                command = [sys.executable, "-m", "streamflow", "--quiet", *step]
                subprocess.run(
                    command, cwd=folder, env=plain, stdout=subprocess.DEVNULL, check=True
                )
            made.touch()
            names = [feature.name for feature in platform.catalog.features]
            programs = Path(sys.executable).parent  # where MLflow looks for uvicorn
            stock = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
            yield Lab(folder=folder, plain=plain, stock=stock, rows=_rows(names))
    finally:
        if not kept:
            remove_server(folder / "home")


def _rows(names: list[str]) -> dict[str, dict[str, object]]:
    with psycopg.connect("", row_factory=psycopg.rows.dict_row) as connection:
        found = connection.execute(ROWS).fetchall()
    assert len(found) == USERS
    random.Random(SEED).shuffle(found)  # noqa: S311  # an order of requests
    return {row["user_id"]: {name: row[name] for name in names} for row in found}

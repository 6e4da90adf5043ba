"""A SQLite database that others may be writing to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from streamflow.errors import StreamflowError

WAIT_S = 30.0  # for another process's transaction


def copy_database(source: Path, to: Path) -> None:
    """Copy one state of the database into a new file. Raises StreamflowError when it stays locked or is none."""
    try:
        with (
            closing(sqlite3.connect(source, timeout=WAIT_S)) as theirs,
            closing(sqlite3.connect(to)) as ours,
        ):
            theirs.backup(ours)
    except sqlite3.Error as exc:
        raise StreamflowError(
            f"{source}: {exc}", remedy="End what uses it and run the command again."
        ) from exc

"""Copy a SQLite database that different processes may be writing to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from streamflow.errors import StreamflowError

LOCK_TIMEOUT_S = 30.0  # how long to wait for the transaction of a different process


def copy_database(source: Path, target: Path) -> None:
    """Copy one consistent state of the database into a new file.

    Raises:
        StreamflowError: The database stays locked, or the file is not a database.
    """
    try:
        with (
            closing(sqlite3.connect(source, timeout=LOCK_TIMEOUT_S)) as original,
            closing(sqlite3.connect(target)) as copy,
        ):
            original.backup(copy)
    except sqlite3.Error as exc:
        raise StreamflowError(
            f"{source}: {exc}",
            remedy="End the program that uses it and run the command again.",
        ) from exc

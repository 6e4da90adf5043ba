"""Name the folder in the error when a disk is full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path

from streamflow.errors import DiskFull


@contextmanager
def naming_full_disk(folder: Path) -> Iterator[None]:
    """Raise DiskFull with the name of `folder` when a write finds no space.

    All remaining errors pass unchanged.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno not in (ENOSPC, EDQUOT):
            raise
        raise DiskFull(f"{folder}: {exc.strerror}", state="Nothing was written.") from exc

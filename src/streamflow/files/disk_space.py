"""A disk that is full, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path

from streamflow.errors import DiskFull


@contextmanager
def named_when_full(folder: Path) -> Iterator[None]:
    """Raise DiskFull, naming `folder`, when what is written there finds no space; every other error passes."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in (ENOSPC, EDQUOT):
            raise
        raise DiskFull(f"{folder}: {exc.strerror}", state="Nothing was written.") from exc

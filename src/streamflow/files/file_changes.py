"""Refuse files that change while they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from streamflow.errors import DropConflict

# The inode, the size, and the nanoseconds of the last change of the content and of the inode.
FileState = tuple[int, int, int, int]


@contextmanager
def refusing_changes(paths: Iterable[Path]) -> Iterator[None]:
    """Require that files stay as they are during the block, which reads them more than once.

    Raises:
        DropConflict: a file was changed, replaced or removed.
    """
    states = {path: _read_state(path) for path in paths}
    try:
        yield
    except Exception:  # of a half-written file, a reader can say anything
        _require_states(states)
        raise
    _require_states(states)


def _read_state(path: Path) -> FileState | None:
    """Return what tells whether a file was changed; None: there is no such file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _require_states(states: Mapping[Path, FileState | None]) -> None:
    """Raise DropConflict for the first file that is not in its state."""
    for path, state in states.items():
        if _read_state(path) != state:
            raise DropConflict(
                f"{path} changed while it was read",
                remedy="Run 'streamflow ingest' again when the file is complete.",
            )

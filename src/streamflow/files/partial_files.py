"""The partial file that a new archive is written to before it gets its final name."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from streamflow.errors import StreamflowError


def open_partial(partial: Path) -> int:
    """Open a partial file alone, and empty it of what a killed process left.

    The file is locked. The kernel frees the lock when this process ends.

    Returns:
        The file descriptor.

    Raises:
        StreamflowError: The file cannot be opened, or a different process writes it.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(partial, flags, 0o600)
    except OSError as exc:
        raise StreamflowError(f"{partial}: {exc.strerror}", remedy="Name another file.") from exc
    if not (_try_lock(descriptor) and _is_at(descriptor, partial)):
        os.close(descriptor)
        raise StreamflowError(
            f"{partial}: another backup writes it",
            remedy="Wait for it, or name another file.",
        )
    os.ftruncate(descriptor, 0)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _try_lock(descriptor: int) -> bool:
    """Lock the file if no different process has locked it; return whether it is locked now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether the open file is still the one at `path`.

    A backup that has just finished has given its partial file the final name.
    """
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def sync_folder(folder: Path) -> None:
    """Make sure that the names of new files in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

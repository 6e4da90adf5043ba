"""Folders for the copies that a command needs only while it works.

A copy can hold personal data, so none may stay. The folder is locked as long as its command works,
and the kernel frees the lock when the command ends. So an unlocked folder was left by a command
that was killed, and whoever comes next removes it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

PREFIX = "scratch-"


@contextmanager
def open_scratch_folder(space: Path) -> Iterator[Path]:
    """Make a folder that is removed at the end. First remove those that killed commands left.

    Args:
        space: the folder in which it is made; it is created if it does not exist.
    """
    space.mkdir(parents=True, exist_ok=True)
    remove_abandoned_folders(space)
    folder, descriptor = _make_locked(space)
    try:
        yield folder
    finally:
        try:
            rmtree(folder)
        finally:
            os.close(descriptor)


def remove_abandoned_folders(space: Path) -> list[Path]:
    """Remove the folders that killed commands left.

    Returns:
        those that could not be removed, for example because they belong to a different user.
    """
    remaining = []
    for folder in space.glob(f"{PREFIX}*"):
        try:
            _remove_abandoned(folder)
        except OSError:
            remaining.append(folder)
    return remaining


def _remove_abandoned(folder: Path) -> None:
    """Remove a folder unless its command still works."""
    descriptor = _try_lock(folder)
    if descriptor is None:
        return
    try:
        rmtree(folder)
    finally:
        os.close(descriptor)


def _make_locked(space: Path) -> tuple[Path, int]:
    """Make a folder, and lock it. Before it is locked, a different command may remove it."""
    while True:
        folder = Path(mkdtemp(prefix=PREFIX, dir=space))
        descriptor = _try_lock(folder)
        if descriptor is not None:
            return folder, descriptor


def _try_lock(folder: Path) -> int | None:
    """Lock a folder, and return its descriptor.

    The result is None if it is gone, if it is no folder, or if its command still works.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    # The command that held the lock until now may have removed the folder.
    if os.fstat(descriptor).st_nlink:
        return descriptor
    os.close(descriptor)
    return None

"""The embedded server of PostgreSQL.

The first process that needs the server starts it, all processes share it, and it is stopped after
the last one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from streamflow.database.address import Address
from streamflow.database.driver_errors import DISK_FULL_MESSAGE
from streamflow.database.server_folder import (
    ServerFolders,
    copy_server,
    create_server_folders,
    find_server_folders,
    is_own_server,
    note_creation,
    remove_server_folders,
)
from streamflow.database.server_guard import try_lock
from streamflow.database.server_programs import (
    can_connect,
    initialise_data,
    leave_running,
    read_server_log_end,
    socket_parameters,
    start_guard,
    start_server,
)
from streamflow.errors import DatabaseUnavailable, DiskFull, StreamflowError

# After so many seconds the user is told that the server recovers.
SLOW_START_S = 3.0
# A process that only looks at a lock holds it for a moment. So a user must be seen this often.
USER_SIGHTINGS = 3


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """The hold of a process on the server.

    folders  the folders of the server
    lock     the descriptor of a file with a shared lock, which keeps the server running
    """

    folders: ServerFolders
    lock: int

    @property
    def address(self) -> Address:
        """Return the address of the server, for its superuser."""
        parameters = {**socket_parameters(self.folders), "dbname": "postgres"}
        return Address(parameters=parameters, role="none")


@contextmanager
def attach(home: Path, *, notify: Callable[[str], None] = lambda _: None) -> Iterator[Attachment]:
    """Hold the server of a state folder during the block, and start it if it does not run.

    Args:
        home: the state folder.
        notify: shows a message to the user.

    Raises:
        DatabaseUnavailable: the server cannot be started.
        DiskFull: the server cannot be started because its disk is full.
    """
    folders = create_server_folders(home)
    clients = _open_lock(folders, "clients")
    try:
        # This waits while a guard is stopping the server.
        fcntl.flock(clients, fcntl.LOCK_SH)
        start = _open_lock(folders, "start")
        try:
            fcntl.flock(start, fcntl.LOCK_EX)
            copy_server(folders)
            _ensure_guard(folders)
            initialise_data(folders, notify)
            note_creation(home, folders)
            _ensure_running(folders, notify)
        finally:
            os.close(start)
        yield Attachment(folders=folders, lock=clients)
    finally:
        os.close(clients)


def data_folder(home: Path) -> Path:
    """Return the folder in which the embedded server of a state folder keeps its data."""
    return find_server_folders(home).data


def is_answering(home: Path) -> bool:
    """Return whether the embedded server of a state folder answers; do not start it."""
    return can_connect(find_server_folders(home))


def guard_is_alive(attachment: Attachment) -> bool:
    """Return whether a guard runs that will stop the server.

    The guard may have been started a moment ago, so it gets one second to take its lock.
    """
    descriptor = _open_lock(attachment.folders, "guard")
    try:
        for _ in range(20):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            time.sleep(0.05)
        return False
    finally:
        os.close(descriptor)


def remove_server(home: Path) -> None:
    """Delete what the embedded server keeps outside `home`, once nobody uses it any more.

    The server of a different state folder is left alone, also if `home` is a copy of that folder.
    `make clean` calls this.
    """
    folders = find_server_folders(home)
    if folders.root.is_dir() and is_own_server(home, folders):
        descriptor = _open_lock(folders, "clients")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.close(descriptor)
        _wait_for_end(folders)
    remove_server_folders(home)


@contextmanager
def hold_alone(home: Path) -> Iterator[bool]:
    """Keep every process from using the server of a state folder during the block.

    A server that is about to stop is waited for.

    Yields:
        whether this succeeded: False if a process uses the server.
    """
    folders = find_server_folders(home)
    if not folders.root.is_dir() or not is_own_server(home, folders):
        yield True
        return
    clients = _open_lock(folders, "clients")
    try:
        yield _lock_alone(folders, clients)
    finally:
        os.close(clients)


def _lock_alone(folders: ServerFolders, clients: int) -> bool:
    """Lock out all users once the server has ended. Return False if a process uses the server."""
    sightings = 0
    while sightings < USER_SIGHTINGS:
        if try_lock(clients):
            if not _is_running(folders):
                return True
            # The guard needs this lock to stop the server.
            fcntl.flock(clients, fcntl.LOCK_UN)
            _ensure_guard(folders)
        sightings = sightings + 1 if _is_shared(clients) else 0
        time.sleep(0.1)
    return False


def _is_shared(descriptor: int) -> bool:
    """Return whether others share a lock. False if it is free, or if one process has it alone."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    is_free = try_lock(descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return not is_free


def _is_running(folders: ServerFolders) -> bool:
    """Return whether the server runs: it holds a lock as long as it does."""
    descriptor = _open_lock(folders, "server")
    is_free = try_lock(descriptor)
    os.close(descriptor)
    return not is_free


def replace_process(
    command: Sequence[str],
    environment: Mapping[str, str],
    attachment: Attachment | None,
) -> NoReturn:
    """Replace this process by a command.

    The command inherits the descriptor of the lock, so the server keeps running until it ends.
    """
    path = shutil.which(command[0], path=environment.get("PATH"))
    if path is None:
        raise StreamflowError(
            f"{command[0]}: no such command",
            remedy="Name a command that is on the PATH.",
        )
    if attachment is not None:
        os.set_inheritable(attachment.lock, True)
    # No shell is involved: the arguments are exactly those that the user gave.
    os.execve(path, list(command), dict(environment))  # noqa: S606


def _open_lock(folders: ServerFolders, name: str) -> int:
    return os.open(folders.lock(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _wait_for_end(folders: ServerFolders) -> None:
    """Wait until the server has ended: it holds a lock as long as it runs."""
    descriptor = _open_lock(folders, "server")
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.close(descriptor)


def _ensure_guard(folders: ServerFolders) -> None:
    """Start the guard if none runs.

    This is done before the server is started: at every moment of its life somebody can stop it.
    """
    descriptor = _open_lock(folders, "guard")
    is_free = try_lock(descriptor)
    os.close(descriptor)
    if is_free:
        start_guard(folders)


def _ensure_running(folders: ServerFolders, notify: Callable[[str], None]) -> None:
    """Wait until the server answers, and start it if it does not run.

    The server inherits a lock that shows to others that it runs. A server that runs but does not
    answer is recovering, or is about to end. We wait as long as it runs, because recovery after a
    crash can take long. When it has ended, we start a new one.
    """
    lock = _open_lock(folders, "server")
    slow_notice = _SlowNotice(notify)
    server: subprocess.Popen[bytes] | None = None
    try:
        while not can_connect(folders):
            if server is not None and server.poll() is not None:
                raise _make_start_error(folders)
            if server is None and try_lock(lock):
                _remove_stale_files(folders)
                fcntl.flock(lock, fcntl.LOCK_SH)
                server = start_server(folders, lock)
            slow_notice.send_if_due()
            time.sleep(0.02)
        if server is not None:
            leave_running(server)
    finally:
        os.close(lock)


def _remove_stale_files(folders: ServerFolders) -> None:
    """Delete the files of a crashed server: their pid may belong to a different program now."""
    for path in (folders.data / "postmaster.pid", folders.socket / ".s.PGSQL.5432.lock"):
        path.unlink(missing_ok=True)


def _make_start_error(folders: ServerFolders) -> StreamflowError:
    log_end = read_server_log_end(folders)
    error_class = DiskFull if DISK_FULL_MESSAGE in log_end else DatabaseUnavailable
    return error_class(f"the embedded PostgreSQL of {folders.root} did not start:\n{log_end}")


class _SlowNotice:
    """Tells the user once that PostgreSQL takes long to start."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._due_at = time.monotonic() + SLOW_START_S

    def send_if_due(self) -> None:
        if time.monotonic() > self._due_at:
            self._notify("PostgreSQL is recovering from a crash; this can take a while")
            self._due_at = float("inf")

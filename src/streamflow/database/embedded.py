"""The embedded server: started by the first process that needs it, shared, and stopped after the last one."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import psycopg
from psycopg.conninfo import make_conninfo

from streamflow.database.address import Address
from streamflow.database.driver_errors import FULL
from streamflow.database.server_folder import (
    Place,
    copy_server,
    find_place,
    make_place,
    remove_place,
)
from streamflow.database.server_guard import try_lock
from streamflow.errors import DatabaseUnavailable, DiskFull, StreamflowError

GUARD = Path(__file__).with_name("server_guard.py")
SUPERUSER = "postgres"
SLOW_S = 3.0  # after that, say that recovery takes long
CONFIGURATION = """
# streamflow: reached through a socket in a folder of mode 0700 only; durable as PostgreSQL ships it
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100
max_wal_size = 2GB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
"""


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A process's hold on the server. `lock` is the descriptor whose shared lock keeps the server up."""

    place: Place
    lock: int

    @property
    def address(self) -> Address:
        """The server, as its superuser."""
        return Address(
            parameters={**_socket_parameters(self.place), "dbname": "postgres"}, role="none"
        )


@contextmanager
def attach(home: Path, *, notify: Callable[[str], None] = lambda _: None) -> Iterator[Attachment]:
    """Hold the server of the state folder `home`, started if nobody has yet. Raises DatabaseUnavailable."""
    place = make_place(home)
    clients = _open_lock(place, "clients")
    try:
        fcntl.flock(clients, fcntl.LOCK_SH)  # waits while a guard is just stopping the server
        start = _open_lock(place, "start")
        try:
            fcntl.flock(start, fcntl.LOCK_EX)
            copy_server(place)
            _ensure_guard(place)
            _ensure_initialised(place, notify)
            _ensure_running(place, notify)
        finally:
            os.close(start)
        yield Attachment(place=place, lock=clients)
    finally:
        os.close(clients)


def data_folder(home: Path) -> Path:
    """Where the embedded server of `home` keeps its data."""
    return find_place(home).data


def answers(home: Path) -> bool:
    """Whether the embedded server of `home` answers now; it is not started."""
    return _answers(find_place(home))


def guard_is_alive(attachment: Attachment) -> bool:
    """Whether somebody will stop the server. It may have been started a moment ago: it is given a second."""
    descriptor = _open_lock(attachment.place, "guard")
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


def remove(home: Path) -> None:
    """Delete what the embedded server keeps outside `home`, once nobody uses it. For `make clean`."""
    place = find_place(home)
    if place.root.is_dir():
        descriptor = _open_lock(place, "clients")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.close(descriptor)
        _wait_for_lock(place)
    remove_place(home)


def replace_process(
    command: Sequence[str], environment: Mapping[str, str], attachment: Attachment | None
) -> NoReturn:
    """Become `command`. It inherits the lock's descriptor, so that the server stays up until it ends."""
    path = shutil.which(command[0], path=environment.get("PATH"))
    if path is None:
        raise StreamflowError(
            f"{command[0]}: no such command", remedy="Name one that is on the PATH."
        )
    if attachment is not None:
        os.set_inheritable(attachment.lock, True)
    os.execve(path, list(command), dict(environment))  # no shell: the words are the user's own


def _open_lock(place: Place, name: str) -> int:
    return os.open(place.lock(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _ensure_guard(place: Place) -> None:
    """Start the guard before the server: from its first moment on there is somebody to stop it."""
    descriptor = _open_lock(place, "guard")
    free = try_lock(descriptor)
    os.close(descriptor)
    if free:
        with place.lock("guard").with_suffix(".log").open("ab") as log:
            guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(place.root)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            )  # fmt: skip
        _let_go(guard)


def _as_server(place: Place) -> dict[str, Any]:
    """How PostgreSQL's programs are run: as the server's user, in a clean environment that the user's own cannot disturb."""
    who = (
        {"user": place.account.pw_uid, "group": place.account.pw_gid, "extra_groups": []}
        if place.account
        else {}
    )
    return {
        **who,
        "env": {"LC_ALL": "C", "PATH": os.defpath},
        "umask": 0o077,
        "cwd": "/",
        "stdin": subprocess.DEVNULL,
    }


def _ensure_initialised(place: Place, notify: Callable[[str], None]) -> None:
    """Make the data directory beside its place and rename it: one that was interrupted is never used."""
    if place.data.is_dir():
        return
    notify("creating the embedded PostgreSQL")
    partial = place.root / "data.partial"
    shutil.rmtree(partial, ignore_errors=True)
    command = [str(place.binaries / "initdb"), "-D", str(partial), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8",
               "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]  # fmt: skip
    done = subprocess.run(command, **_as_server(place), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DatabaseUnavailable(
            f"initdb failed in {place.root}:\n{done.stderr.strip() or done.stdout.strip()}"
        )
    with (partial / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(CONFIGURATION)
    partial.rename(place.data)


def _ensure_running(place: Place, notify: Callable[[str], None]) -> None:
    """Connect; else start the server, which inherits the lock that tells others it is alive.

    A server that lives and does not answer recovers, or is about to end: as long as it lives we wait, for recovery after
    a crash takes the time it takes; once it is gone a new one is started.
    """
    server, slow = _open_lock(place, "server"), _Slow(notify)
    started: subprocess.Popen[bytes] | None = None
    try:
        while not _answers(place):
            if started is not None and started.poll() is not None:
                words = last_words(place)
                kind = DiskFull if FULL in words else DatabaseUnavailable
                raise kind(f"the embedded PostgreSQL of {place.root} did not start:\n{words}")
            if started is None and try_lock(server):
                for left in (place.data / "postmaster.pid", place.socket / ".s.PGSQL.5432.lock"):
                    left.unlink(
                        missing_ok=True
                    )  # of a crash: the pid in it may be that of another program now
                fcntl.flock(server, fcntl.LOCK_SH)
                started = _start(place, server)
            slow.tell()
            time.sleep(0.02)
        if started is not None:
            _let_go(started)
    finally:
        os.close(server)


class _Slow:
    """Says once that PostgreSQL takes long."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify, self._end = notify, time.monotonic() + SLOW_S

    def tell(self) -> None:
        if time.monotonic() > self._end:
            self._notify("PostgreSQL is recovering from a crash; this can take a while")
            self._end = float("inf")


def _start(place: Place, lock: int) -> subprocess.Popen[bytes]:
    command = [
        str(place.binaries / "postgres"),
        "-D",
        str(place.data),
        "-c",
        f"unix_socket_directories={place.socket}",
    ]
    with place.log.open("wb") as log:  # of this start only: it stays small
        server: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            **_as_server(place),
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock],
        )
    return server


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """A guard or server is meant to outlive us: Python must not warn that nobody waited for it."""
    process.returncode = 0


def last_words(place: Place) -> str:
    """The end of the server's log."""
    text = place.log.read_text(encoding="utf-8", errors="replace") if place.log.is_file() else ""
    return "\n".join(text.splitlines()[-8:])


def _socket_parameters(place: Place) -> dict[str, str]:
    """All that the user's own PG* variables could change is said."""
    return {"host": str(place.socket), "port": "5432", "user": SUPERUSER}


def _answers(place: Place) -> bool:
    try:
        psycopg.connect(
            make_conninfo(
                **_socket_parameters(place),
                dbname="postgres",
                options="-c role=none",
                connect_timeout=10,
            )
        ).close()
    except psycopg.OperationalError:
        return False
    return True


def _wait_for_lock(place: Place) -> None:
    descriptor = _open_lock(place, "server")
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.close(descriptor)

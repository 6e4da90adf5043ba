"""Run the programs of the embedded PostgreSQL: initdb, the server itself, and its guard."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from streamflow.database.server_folder import ServerFolders
from streamflow.errors import DatabaseUnavailable

GUARD = Path(__file__).with_name("server_guard.py")
SUPERUSER = "postgres"
INITDB_OPTIONS = (
    "-U",
    SUPERUSER,
    "--auth=trust",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
)
# How many lines of the server's log an error shows.
LOG_LINES = 8
CONFIGURATION = """
# streamflow: reached through a socket in a folder of mode 0700 only; durable as PostgreSQL ships it
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100
max_wal_size = 2GB
# a digest sorts the rows of a revision: 100,000 rows without a file on the disk, 1.5 times as fast
work_mem = 32MB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
"""


def start_guard(folders: ServerFolders) -> None:
    """Start the guard, which runs until nobody uses the server any more."""
    with folders.lock("guard").with_suffix(".log").open("ab") as log:
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD), str(folders.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    leave_running(guard)


def initialise_data(folders: ServerFolders, notify: Callable[[str], None]) -> None:
    """Create the data directory of PostgreSQL if it does not exist.

    It gets its name at the end, so a directory whose creation was interrupted is never used.
    """
    if folders.data.is_dir():
        return
    notify("creating the embedded PostgreSQL")
    partial = folders.root / "data.partial"
    shutil.rmtree(partial, ignore_errors=True)
    command = [str(folders.binaries / "initdb"), "-D", str(partial), *INITDB_OPTIONS]
    initdb = subprocess.run(
        command,
        **_run_as_server(folders),
        capture_output=True,
        text=True,
        check=False,
    )
    if initdb.returncode:
        output = initdb.stderr.strip() or initdb.stdout.strip()
        raise DatabaseUnavailable(f"initdb failed in {folders.root}:\n{output}")
    with (partial / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(CONFIGURATION)
    partial.rename(folders.data)


def start_server(folders: ServerFolders, lock: int) -> subprocess.Popen[bytes]:
    """Start PostgreSQL. It inherits the descriptor `lock`, and with it the lock on its file."""
    command = [
        str(folders.binaries / "postgres"),
        "-D",
        str(folders.data),
        "-c",
        f"unix_socket_directories={folders.socket}",
    ]
    # The log holds only this start of the server, so it stays small.
    with folders.log.open("wb") as log:
        server: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            **_run_as_server(folders),
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock],
        )
    return server


def _run_as_server(folders: ServerFolders) -> dict[str, Any]:
    """Return the arguments with which subprocess runs a program of PostgreSQL.

    The program runs as the user of the server, in a clean environment: variables of the user
    cannot disturb it.
    """
    arguments: dict[str, Any] = {
        "env": {"LC_ALL": "C", "PATH": os.defpath},
        "umask": 0o077,
        "cwd": "/",
        "stdin": subprocess.DEVNULL,
    }
    if folders.account:
        arguments["user"] = folders.account.pw_uid
        arguments["group"] = folders.account.pw_gid
        arguments["extra_groups"] = []
    return arguments


def leave_running(process: subprocess.Popen[bytes]) -> None:
    """Mark a process as ended for Python, so that it does not warn that nobody waited for it.

    A guard or a server is meant to live longer than we do.
    """
    process.returncode = 0


def read_server_log_end(folders: ServerFolders) -> str:
    """Return the last lines of the server's log, or an empty text if there is no log."""
    if not folders.log.is_file():
        return ""
    text = folders.log.read_text(encoding="utf-8", errors="replace")
    return "\n".join(text.splitlines()[-LOG_LINES:])


def socket_parameters(folders: ServerFolders) -> dict[str, str]:
    """Return the parameters that reach the server, with all that a PG* variable could change."""
    return {"host": str(folders.socket), "port": "5432", "user": SUPERUSER}


def can_connect(folders: ServerFolders) -> bool:
    """Return whether a connection to the server can be opened."""
    conninfo = make_conninfo(
        **socket_parameters(folders),
        dbname="postgres",
        options="-c role=none",
        connect_timeout=10,
    )
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError:
        return False
    return True

"""A second PostgreSQL server for one test.

It has a different version, and users without superuser rights.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from streamflow.database import Address
from streamflow.database.server_folder import ACCOUNTS, client_binaries
from support.processes import wait_for

WHEEL = client_binaries().parents[1]
OLDER = {"16": WHEEL / "pginstall", "15": Path("/usr/lib/postgresql/15")}


@contextmanager
def another_server(installed: Path) -> Iterator[Address]:
    """A server of that installation on its own socket, as its superuser; nothing of it remains."""
    who: dict[str, Any] = {"cwd": "/"}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        names = {entry.pw_name: entry for entry in pwd.getpwall()}
        account = next(names[name] for name in ACCOUNTS if name in names)
        who |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        binaries = _reachable(installed, folder)
        if "user" in who:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, who["user"], who["group"], follow_symlinks=False)
        data = folder / "data"
        done = subprocess.run(
            [
                binaries / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
            ],
            capture_output=True,
            text=True,
            check=False,
            **who,
        )
        assert done.returncode == 0, done.stderr
        command = [
            binaries / "postgres",
            "-D",
            data,
            "-c",
            f"unix_socket_directories={folder}",
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ]
        server = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who
        )
        try:
            address = Address(
                parameters={
                    "host": str(folder),
                    "port": "5432",
                    "user": "postgres",
                    "dbname": "postgres",
                }
            )
            assert wait_for(lambda: _answers(address))
            yield address
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(folder)


def _reachable(installed: Path, folder: Path) -> Path:
    """The binaries; those of the wheel are copied to where the server's user can reach them."""
    if not installed.is_relative_to(WHEEL):
        return installed / "bin"
    shutil.copytree(installed, folder / WHEEL.name / installed.name, symlinks=True)
    libraries = WHEEL.with_name(f"{WHEEL.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return folder / WHEEL.name / installed.name / "bin"


def _answers(address: Address) -> bool:
    try:
        psycopg.connect(address.conninfo()).close()
    except psycopg.OperationalError:
        return False
    return True


def definitions(address: Address, *selection: str) -> list[str]:
    """All that a schema consists of, with owners and rights, as pg_dump writes it.

    The login user is called LOGIN.
    """
    command = [client_binaries() / "pg_dump", "--schema-only", "--restrict-key=test", *selection]
    done = subprocess.run(
        command,
        env={**os.environ, **address.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("--")]
    user = address.user or "postgres"
    return [_plain(line.replace(f"OWNER TO {user};", "OWNER TO LOGIN;")) for line in lines]


def _plain(line: str) -> str:
    """Without what a dump changes in words alone.

    A membership is stored as a cast of the array or of its elements: PostgreSQL itself reads both
    in
    the same way. Before 18 a
    NOT NULL has no name.
    """
    line = re.sub(r" CONSTRAINT \w+ NOT NULL", " NOT NULL", line)
    return re.sub(r"[()]|::text(\[\])?", "", line) if "= ANY " in line else line

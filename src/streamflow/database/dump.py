"""A database as SQL text, out of it and into it, by PostgreSQL's own pg_dump and psql."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from tempfile import TemporaryFile
from typing import IO

import psycopg

from streamflow.database.address import Address
from streamflow.database.connect import connect
from streamflow.database.driver_errors import FULL
from streamflow.database.server_folder import client_binaries
from streamflow.errors import DatabaseUnavailable, DiskFull, StreamflowError
from streamflow.settings import inherited_environment

CHUNK = 1 << 20
KEY = "streamflow"  # of the lines \restrict and \unrestrict, so that they can be found again
TAIL = 200  # bytes at the end of a dump in which its \unrestrict stands
NEW_IN_17 = b"SET transaction_timeout = 0;\n"  # pg_dump 18 writes it for every server
LOST = (
    "connection to server",
    "server closed the connection",
    "the database system is",
)  # libpq's words
TIMEOUTS = (
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_timeout",
)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One state of one database: what `connection` reads and what `dump` writes out, however long both take."""

    address: Address
    connection: psycopg.Connection
    name: str

    def dump(self, selection: Sequence[str]) -> Iterator[bytes]:
        """The SQL that makes what pg_dump's options `selection` choose, without owners. Raises DatabaseUnavailable, DiskFull."""
        command = [str(client_binaries() / "pg_dump"), "--no-password", "--no-owner", "--no-sync", f"--snapshot={self.name}",
                   f"--restrict-key={KEY}", *selection]  # fmt: skip
        with TemporaryFile() as words:
            process = subprocess.Popen(
                command,
                env=_environment(self.address),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=words,
            )
            assert process.stdout is not None
            try:
                while chunk := process.stdout.read(CHUNK):
                    yield chunk
                process.wait()
            finally:
                process.stdout.close()
                process.kill()
                process.wait()
            if process.returncode:
                raise _error(self.address, "pg_dump", words)


@contextmanager
def snapshot(address: Address) -> Iterator[Snapshot]:
    """Hold one state of a database; no time limit of the server ends it."""
    with connect(address) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction():
            connection.execute(
                "SELECT set_config(name, '0', true) FROM pg_settings WHERE name = ANY(%s)",
                [list(TIMEOUTS)],
            )
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
            assert row is not None
            yield Snapshot(address=address, connection=connection, name=row[0])


def run_sql(
    address: Address, server_version: int, *, before: str, dump: Iterable[bytes], after: str
) -> None:
    r"""Run SQL, a dump and SQL again as one transaction: all of it or nothing, also when this process is killed.

    psql cannot tell a script that was cut off from one that has ended, so the COMMIT is sent by us, after everything. It is
    confined (\restrict): no line of a dump can make it run a program or read a file of ours.
    """
    confine = token_hex(16)
    command = [
        str(client_binaries() / "psql"),
        "--no-password",
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--file=-",
    ]
    with TemporaryFile() as words:
        process = subprocess.Popen(
            command,
            env=_environment(address),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=words,
        )
        assert process.stdin is not None
        try:
            process.stdin.write(f"\\restrict {confine}\nBEGIN;\n{before}\n".encode())
            for part in _adapted(dump, server_version):
                process.stdin.write(part)
            process.stdin.write(f"\n{after}\nCOMMIT;\n".encode())
        except BrokenPipeError:
            pass  # psql has ended at an error: its code says so below
        finally:
            _close(process.stdin)
            process.wait()
        if process.returncode:
            raise _error(address, "psql", words)


def _adapted(dump: Iterable[bytes], server_version: int) -> Iterator[bytes]:
    r"""A dump without its own \restrict, and without the setting that an older server does not know.

    Both stand before any data in the first chunk, or within the last bytes: no row can look like them.
    """
    unknown = NEW_IN_17 if server_version < 170_000 else b""
    held: bytes | None = None
    for chunk in dump:
        if held is None:
            chunk = chunk.replace(f"\\restrict {KEY}\n".encode(), b"", 1)
            chunk = chunk.replace(unknown, b"", 1) if unknown else chunk
        held = (held or b"") + chunk
        yield held[:-TAIL]
        held = held[-TAIL:]
    yield (held or b"").replace(f"\\unrestrict {KEY}\n".encode(), b"")


def _close(stream: IO[bytes]) -> None:
    """Flush what is left; psql may be gone."""
    try:
        stream.close()
    except BrokenPipeError:
        return  # its code tells why


def _environment(address: Address) -> dict[str, str]:
    """Libpq's variables: no password is seen among the arguments."""
    return {
        **inherited_environment(),
        **address.environment(),
        "PGAPPNAME": "streamflow",
        "LC_ALL": "C",
    }


def _error(address: Address, program: str, words: IO[bytes]) -> StreamflowError:
    words.seek(0)
    text = words.read().decode(errors="replace").strip()
    kind = (
        DiskFull
        if FULL in text
        else DatabaseUnavailable
        if any(w in text for w in LOST)
        else StreamflowError
    )
    return kind(
        f"{address.display}: {program} failed:\n{text}",
        state="What was not committed is rolled back.",
    )

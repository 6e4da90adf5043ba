"""Dump a database as SQL text and run SQL text, with PostgreSQL's own pg_dump and psql."""

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
from streamflow.database.driver_errors import DISK_FULL_MESSAGE
from streamflow.database.server_folder import client_binaries
from streamflow.database.sql_files import load_queries
from streamflow.errors import DatabaseUnavailable, DiskFull, StreamflowError
from streamflow.settings import inherited_environment

QUERIES = load_queries(__file__, "dump.sql")

CHUNK_BYTES = 1 << 20
# The key in the lines \restrict and \unrestrict of a dump, so that we can find these lines again.
RESTRICT_KEY = "streamflow"
# The \unrestrict of a dump is within its last bytes.
TAIL_BYTES = 200
# pg_dump 18 writes this for every server, but servers before 17 do not know the setting.
NEW_IN_17 = b"SET transaction_timeout = 0;\n"
# Parts of the messages with which libpq reports a lost connection.
CONNECTION_LOST_MESSAGES = (
    "connection to server",
    "server closed the connection",
    "the database system is",
)
TIMEOUTS = (
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_timeout",
)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One state of one database, for as long as it is needed.

    `connection` reads this state, and `dump` writes it out.
    """

    address: Address
    connection: psycopg.Connection
    name: str

    def dump(self, selection: Sequence[str]) -> Iterator[bytes]:
        """Return the SQL that creates a part of the database, without owners, in chunks.

        Args:
            selection: the options of pg_dump that choose the part.

        Raises:
            DatabaseUnavailable: the connection was lost.
            DiskFull: the disk of the server is full.
        """
        command = [
            str(client_binaries() / "pg_dump"),
            "--no-password",
            "--no-owner",
            "--no-sync",
            f"--snapshot={self.name}",
            f"--restrict-key={RESTRICT_KEY}",
            *selection,
        ]
        with TemporaryFile() as error_output:
            process = subprocess.Popen(
                command,
                env=_make_environment(self.address),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=error_output,
            )
            assert process.stdout is not None
            try:
                while chunk := process.stdout.read(CHUNK_BYTES):
                    yield chunk
                process.wait()
            finally:
                process.stdout.close()
                process.kill()
                process.wait()
            if process.returncode:
                raise _make_error(self.address, "pg_dump", error_output)


@contextmanager
def snapshot(address: Address) -> Iterator[Snapshot]:
    """Hold one state of a database during the block; no time limit of the server ends it."""
    with connect(address) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction():
            connection.execute(QUERIES["set_timeouts_off"], [list(TIMEOUTS)])
            row = connection.execute(QUERIES["export_snapshot"]).fetchone()
            assert row is not None
            yield Snapshot(address=address, connection=connection, name=row[0])


def run_sql(
    address: Address, server_version: int, *, first_sql: str, dump: Iterable[bytes], last_sql: str
) -> None:
    r"""Run SQL, a dump, and more SQL as one transaction, also when this process is killed.

    psql cannot see whether a script has ended or was cut off. So we send the COMMIT, after
    everything else. psql runs restricted (\restrict): no line of a dump can make it run a program
    or read one of our files.

    Args:
        address: the database.
        server_version: the version of the server as a number, such as 180004.
        first_sql: the SQL to run first.
        dump: the dump, in chunks.
        last_sql: the SQL to run last.
    """
    command = [
        str(client_binaries() / "psql"),
        "--no-password",
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--file=-",
    ]
    with TemporaryFile() as error_output:
        process = subprocess.Popen(
            command,
            env=_make_environment(address),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=error_output,
        )
        assert process.stdin is not None
        try:
            _write_script(process.stdin, first_sql, _adapt_dump(dump, server_version), last_sql)
        finally:
            _close_stream(process.stdin)
            process.wait()
        if process.returncode:
            raise _make_error(address, "psql", error_output)


def _write_script(stream: IO[bytes], first_sql: str, dump: Iterable[bytes], last_sql: str) -> None:
    restrict_key = token_hex(16)
    try:
        stream.write(f"\\restrict {restrict_key}\nBEGIN;\n{first_sql}\n".encode())
        for chunk in dump:
            stream.write(chunk)
        stream.write(f"\n{last_sql}\nCOMMIT;\n".encode())
    except BrokenPipeError:
        # psql ended with an error. Its exit code shows this.
        return


def _adapt_dump(dump: Iterable[bytes], server_version: int) -> Iterator[bytes]:
    r"""Remove from a dump its own \restrict, and the setting that an older server does not know.

    Both are before any data in the first chunk, or within the last bytes. So no row can be taken
    for one of them.
    """
    unknown_setting = NEW_IN_17 if server_version < 170_000 else b""
    tail: bytes | None = None
    for chunk in dump:
        if tail is None:
            tail = chunk.replace(f"\\restrict {RESTRICT_KEY}\n".encode(), b"", 1)
            if unknown_setting:
                tail = tail.replace(unknown_setting, b"", 1)
        else:
            tail += chunk
        yield tail[:-TAIL_BYTES]
        tail = tail[-TAIL_BYTES:]
    yield (tail or b"").replace(f"\\unrestrict {RESTRICT_KEY}\n".encode(), b"")


def _close_stream(stream: IO[bytes]) -> None:
    """Write what is still in the buffer and close the stream; psql may have ended before."""
    try:
        stream.close()
    except BrokenPipeError:
        # The exit code of psql tells why it ended.
        return


def _make_environment(address: Address) -> dict[str, str]:
    """Return the environment for a client of libpq.

    It holds the password, which would be visible to other users in the arguments.
    """
    return {
        **inherited_environment(),
        **address.environment(),
        "PGAPPNAME": "streamflow",
        "LC_ALL": "C",
    }


def _make_error(address: Address, program: str, error_output: IO[bytes]) -> StreamflowError:
    error_output.seek(0)
    text = error_output.read().decode(errors="replace").strip()
    error_class: type[StreamflowError] = StreamflowError
    if DISK_FULL_MESSAGE in text:
        error_class = DiskFull
    elif any(message in text for message in CONNECTION_LOST_MESSAGES):
        error_class = DatabaseUnavailable
    return error_class(
        f"{address.display}: {program} failed:\n{text}",
        state="What was not committed is rolled back.",
    )

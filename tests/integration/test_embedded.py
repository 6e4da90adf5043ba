"""The embedded server: who starts it, who shares it, who stops it, and where its files lie."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.fork_server import ForkedConversation
from support.processes import alive, wait_for

from streamflow.database import attach, connect
from streamflow.database.embedded import remove_server
from streamflow.database.server_folder import SOCKET_LIMIT, find_server_folders
from streamflow.errors import StreamflowError

HOLD = """
import sys
from pathlib import Path
from streamflow.database import attach, connect
with attach(Path(sys.argv[1])) as held:
    with connect(held.address) as connection:
        started = connection.execute("SELECT pg_postmaster_start_time()").fetchone()[0]
        print(started.isoformat(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    remove_server(tmp_path / "home")


def hold(home: Path) -> ForkedConversation:
    """Another process that uses the server until its input ends."""
    return ForkedConversation(HOLD, str(home), environment=os.environ)


def test_processes_share_one_server_and_the_last_one_stops_it(home: Path) -> None:
    holders = [hold(home) for _ in range(4)]  # at once, on a state folder that is not there yet
    assert len({holder.hear() for holder in holders} - {""}) == 1
    for holder in holders[:2]:
        holder.end()
    holders[2].kill()
    assert any("postgres -D" in line for line in alive(home))
    holders[3].end()
    assert wait_for(lambda: not alive(home), 5.0), alive(home)


def test_what_was_written_is_there_after_a_restart_and_after_a_crash_of_the_server(
    home: Path,
) -> None:
    with attach(home) as held, connect(held.address, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    assert wait_for(lambda: not alive(home), 5.0)
    for _ in range(2):
        with attach(home) as held, connect(held.address, autocommit=True) as connection:
            connection.execute("INSERT INTO kept VALUES (2)")
            pid = int((held.folders.data / "postmaster.pid").read_text().splitlines()[0])
            os.kill(pid, signal.SIGKILL)
    with attach(home) as held, connect(held.address) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (3,)


def test_an_immediate_stop_is_recovered_from(home: Path) -> None:
    with attach(home) as held, connect(held.address, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        command = [
            str(held.folders.binaries / "pg_ctl"),
            "-D",
            str(held.folders.data),
            "stop",
            "-m",
            "immediate",
        ]
        account = held.folders.account
        who = {"user": account.pw_uid, "group": account.pw_gid} if account else {}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **who)  # type: ignore[call-overload]
    with attach(home) as held, connect(held.address) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
        assert "automatic recovery in progress" in held.folders.log.read_text()


def test_a_server_that_lives_and_does_not_answer_is_waited_for_and_that_is_said(home: Path) -> None:
    with attach(home) as held:
        lock = held.folders.lock("server")
    assert wait_for(lambda: not alive(home), 5.0)
    recovering = os.open(lock, os.O_RDWR)  # what a server in recovery holds
    fcntl.flock(recovering, fcntl.LOCK_SH)
    said: list[str] = []

    def notify(text: str) -> None:
        said.append(text)
        os.close(recovering)  # it ended: a new one may be started

    with attach(home, notify=notify) as held, connect(held.address) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert said == ["PostgreSQL is recovering from a crash; this can take a while"]


def test_a_pid_file_that_names_a_stranger_is_not_believed(home: Path) -> None:
    with attach(home) as held:
        data = held.folders.data
    assert wait_for(lambda: not alive(home), 5.0)
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n0\n5432\n\n\n")
    with attach(home) as held, connect(held.address) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_folders_are_private_and_no_other_mode_is_changed(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = {p: p.stat().st_mode for p in (closed, *closed.parents)}
    home = closed / "deep" / "home"
    with attach(home) as held:
        for folder in (held.folders.root, held.folders.socket, held.folders.data):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with connect(held.address) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    assert {p: p.stat().st_mode for p in before} == before
    root = held.folders.root
    remove_server(home)
    assert os.geteuid() != 0 or not root.exists()


def test_a_long_path_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    with attach(home) as held, connect(held.address) as connection:
        assert len(os.fsencode(held.folders.socket)) <= SOCKET_LIMIT
        assert connection.execute("SELECT 1").fetchone() == (1,)
    remove_server(home)
    assert os.geteuid() != 0 or not held.folders.socket.exists()


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only as root the server's files lie outside the state folder"
)
def test_a_state_folder_that_was_deleted_leaves_nothing_to_its_successor(home: Path) -> None:
    with attach(home) as held, connect(held.address, autocommit=True) as connection:
        connection.execute("CREATE TABLE former ()")
    note = home / "postgres.location"
    former = Path(note.read_text().strip())
    note.rename(home.with_name("moved"))
    with attach(home) as held, connect(held.address) as connection:
        assert find_server_folders(home).root != former
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("TABLE former")
    remove_server(home)
    home.with_name("moved").rename(note)
    with attach(home) as held, connect(held.address) as connection:
        connection.execute("TABLE former")


def test_a_server_that_cannot_start_is_reported_with_its_own_words(home: Path) -> None:
    with attach(home) as held:
        data = held.folders.data
    assert wait_for(lambda: not alive(home), 5.0)
    with (data / "postgresql.conf").open("a") as file:
        file.write("no_such_parameter = 1\n")
    with pytest.raises(StreamflowError, match="no_such_parameter"), attach(home):
        pass

"""Proof: three users of one machine, each with a state folder, do not disturb each other.

The third is root, whose embedded server runs as a user of its own and lies somewhere else.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.fork_server import PROGRAM, run_forked

from streamflow.database.embedded import remove_server

ANN, BOB = "nobody", "daemon"  # users that every Linux has
ANYBODY = 0o001
# A statement on a database that every server has from its beginning.
DATABASE = "dbname=postgres options='-c role=none'"
MARK = ("exec", "--", "psql", "-d", DATABASE, "-AXtqc")
WRITE = "CREATE TABLE mark AS SELECT '{}' AS who"


def is_reachable(path: Path) -> bool:
    return all(folder.stat().st_mode & ANYBODY for folder in (path, *path.parents))


@pytest.fixture
def homes() -> Iterator[dict[str, Path]]:
    """User -> a state folder that is not made yet, in a folder of the user's own."""
    needed = (Path(__file__).parents[2] / "src", Path(sys.executable).resolve())
    if os.geteuid() != 0 or not all(map(is_reachable, needed)):
        pytest.skip("only root may become a different user, who must reach our code and Python")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        made = {}
        for user in (ANN, BOB, "root"):
            own = Path(folder) / user
            own.mkdir(mode=0o755)
            shutil.chown(own, user)
            made[user] = own / "home"
        yield made
        for home in made.values():
            remove_server(home)


def run_as(user: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = ("--home", str(home), *arguments)
    if user == "root":
        return run_forked(PROGRAM, *words, environment=os.environ)
    return run_forked("support.as_user", user, *words, environment=os.environ)


def test_users_of_one_machine_have_a_database_each(homes: dict[str, Path]) -> None:
    with ThreadPoolExecutor(3) as pool:  # all three make their server at once
        made = pool.map(lambda u: run_as(u, homes[u], *MARK, WRITE.format(u)), homes)
    for done in made:
        assert done.returncode == 0, done.stderr
    for user, home in homes.items():
        said = run_as(user, home, *MARK, "SELECT who FROM mark")
        assert (said.returncode, said.stdout.strip()) == (0, user), said.stderr
    for user in (ANN, BOB):
        owner = pwd.getpwnam(user).pw_uid
        assert {p.stat().st_uid for p in homes[user].rglob("*")} == {owner}
    for user, other in ((ANN, BOB), (ANN, "root"), ("root", ANN)):
        said = run_as(user, homes[other], *MARK, "SELECT who FROM mark")
        print(f"\n{user} with the state folder of {other}: {said.returncode}: {said.stderr}")
        assert 3 <= said.returncode < 70, said.stderr
        assert said.stdout == ""
        assert 'File "' not in said.stderr
    for user, home in homes.items():  # nothing was broken by these tries
        assert run_as(user, home, *MARK, "SELECT who FROM mark").stdout.strip() == user

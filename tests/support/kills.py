"""Kill a process at some point of its work, repeat the work, and compare the result.

The result of an undisturbed run is the measure.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
from psycopg import sql

from streamflow.core.data.digest import Digester
from streamflow.database import Address, from_url
from streamflow.platform import Platform, open_platform
from streamflow.settings import load_settings
from streamflow.steps.data.forget import forget
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.snapshot import snapshot
from streamflow.warehouse import frozen
from support.fork_server import ForkedCommand
from support.processes import alive, run, start, wait_for

if TYPE_CHECKING:
    from conftest import Cluster


def do_all(platform: Platform, words: Sequence[str]) -> None:
    """Folder and as_of of each drop in turn: all of its steps; then a user is forgotten."""
    for folder, day in zip(words[::2], words[1::2], strict=True):
        as_of = datetime.fromisoformat(f"{day}T00:00Z")
        ingest(platform, Path(folder), as_of)
        snapshot(platform, as_of)
        materialize(platform)
    forget(platform, "7590-VHVEG", why="a proof")


def content(address: Address) -> dict[str, str]:
    """What an undisturbed run and a repeated one must have in common.

    This is everything but clock readings and counters.
    """
    queries = {
        "revisions": "SELECT table_name, as_of, revision, rows, digest FROM streamflow.revision",
        "columns": "SELECT table_name, as_of, revision, name, type, buckets"
        " FROM streamflow.revision_column",
        "files": "SELECT DISTINCT as_of, table_name, file, sha256, rows FROM streamflow.drop_file",
        "erasures": "SELECT DISTINCT table_name, as_of, revision, old_digest, new_digest"
        " FROM streamflow.erasure",
    }
    found = {}
    with psycopg.connect(address.conninfo(), autocommit=True) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname IN ('raw', 'frozen', 'online') ORDER BY 1, 2"
        ).fetchall()
        for schema, table in tables:
            name, known = (
                sql.Identifier(schema, table),
                " - 'known_at'" if schema == "online" else "",
            )
            queries[f"{schema}.{table}"] = (
                sql.SQL("SELECT to_jsonb(t){} FROM {} t").format(sql.SQL(known), name).as_string()
            )
        for name, query in queries.items():
            digest = sql.SQL(
                "SELECT md5(coalesce(string_agg(q::text, '' ORDER BY q::text), '')) FROM ({}) q"
            )
            row = connection.execute(digest.format(sql.SQL(query))).fetchone()  # type: ignore[arg-type]
            assert row is not None
            found[name] = row[0]
    return found


def half_written(address: Address) -> list[str]:
    """Revisions that readers can see and whose rows are not what their digest says."""
    wrong = []
    with psycopg.connect(address.conninfo(), autocommit=True) as connection:
        for r in frozen.all_revisions(connection):
            types = {c.name: c.type for c in frozen.stored_digest(connection, r).columns}
            digester = Digester("user_id", types)
            for chunk in frozen.frozen_rows(
                address, r.table, types, "user_id", r.as_of, r.revision
            ):
                digester.update(chunk)
            if digester.finish().value != r.digest:
                wrong.append(f"{r.table} {r.as_of:%Y-%m-%d} revision {r.revision}")
    return wrong


class Bench:
    """Makes installations on one cluster and does the same work on each."""

    def __init__(self, cluster: Cluster, folder: Path, drops: Sequence[tuple[Path, str]]) -> None:
        self._cluster, self._folder = cluster, folder
        self._words = [word for drop, as_of in drops for word in (str(drop), as_of)]

    def installation(self) -> str:
        name = f"sf_kill_{uuid4().hex[:12]}"
        self._cluster.clone(name)
        return name

    def variables(self, name: str) -> dict[str, str]:
        return self._cluster.variables(name, self._folder / name)

    def address(self, name: str) -> Address:
        return from_url(self.variables(name)["STREAMFLOW_DATABASE_URL"]).with_role("none")

    def drop(self, name: str) -> None:
        self._cluster.drop(name)

    def work(self, name: str, *, kill_after: float | None = None) -> float:
        """Do all steps in a second process, or kill it after so many seconds.

        Returns how long it ran.
        """
        arguments = [str(word) for word in self._words]
        environment = {**os.environ, **self.variables(name)}
        input_end, go = os.pipe()
        ready, output_end = os.pipe()
        with Path(os.devnull).open("ab") as errors, os.fdopen(ready) as lines:
            streams = (input_end, output_end, errors.fileno())
            process = ForkedCommand(arguments, environment, streams, module="support.kills")
            os.close(input_end)
            os.close(output_end)
            assert lines.readline() == "ready\n"
            os.write(go, b"go\n")
            os.close(go)
            begin = time.monotonic()
            if kill_after is not None:
                time.sleep(kill_after)
                process.kill()
            code = process.wait()
            process.stop()
        assert kill_after is not None or code == 0
        return time.monotonic() - begin

    def repeat(self, name: str) -> None:
        """Do all steps in this process."""
        with open_platform(self._cluster.settings(name, self._folder / name)) as platform:
            do_all(platform, self._words)

    def killed_and_repeated(self, seconds: float) -> tuple[dict[str, str], list[str]]:
        """Kill the work, repeat it, and return what the installation holds.

        Also what was half written in between.
        """
        name = self.installation()
        self.work(name, kill_after=seconds)
        wrong = half_written(self.address(name))
        self.repeat(name)
        found = content(self.address(name))
        self.drop(name)
        return found, wrong

    def run_killed_and_repeated(
        self, drop: Path, as_of: str, seconds: float
    ) -> tuple[dict[str, str], list[str]]:
        """The same for the command `run` and its Prefect flow; `seconds` after it was started."""
        name = self.installation()
        home = self._folder / name
        process = start(home, "run", str(drop), "--as-of", as_of, extra=self.variables(name))
        time.sleep(seconds)
        process.kill()
        process.wait()
        assert wait_for(lambda: not alive(home), 5.0), alive(home)
        wrong = half_written(self.address(name))
        done = run(home, "run", str(drop), "--as-of", as_of, extra=self.variables(name))
        assert done.returncode == 0, done.stderr
        found = content(self.address(name))
        self.drop(name)
        return found, wrong


def main() -> None:
    """Do all once a line is read: the process that is killed."""
    with open_platform(load_settings()) as platform:
        platform.features.open()  # imports Feast
        print("ready", flush=True)
        sys.stdin.readline()
        do_all(platform, sys.argv[1:])


if __name__ == "__main__":
    main()

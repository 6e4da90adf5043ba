"""Time each data step for a million users against the bare work of PostgreSQL.

Both sides have the same rows and the same keys, and each step has its own process.

ingest       against ADBC's binary COPY of the ready rows into tables like raw.*
snapshot     against INSERT … SELECT from raw.* into tables like frozen.*, without digests
materialize  against INSERT … SELECT from frozen.* into tables like online.*

Both sides are timed in the same run, with all their indexes. Our time is that of the whole process,
from its start to its end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ratios import IS_SHORT, Ratio, record

if TYPE_CHECKING:
    import psycopg

    from streamflow.platform import Platform

USERS, MONTHS, SEED = int(os.environ.get("USERS", "1000000")), 2, 42
DAYS = ("2024-01-31", "2024-02-29")
MEMORY_GB = 2.0
REQUIRED = {"ingest": 1 / 3, "snapshot": 1 / 2, "materialize": 1 / 2}


class Step(NamedTuple):
    """One command: its seconds and the most memory of its process."""

    name: str
    seconds: float
    gigabytes: float


def main() -> int:
    """Print the table; 1 when a step is slower or larger than it may be."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STREAMFLOW_HOME"] = str(Path(folder, "home"))
        try:
            return _measured(Path(folder))
        finally:
            from streamflow.database.embedded import remove_server

            remove_server(Path(folder, "home"))


def _measured(folder: Path) -> int:
    from streamflow.platform import open_platform
    from streamflow.settings import load_settings

    drops = folder / "drops"
    steps = [
        _command(
            "simulate",
            str(drops),
            "--users",
            str(USERS),
            "--months",
            str(MONTHS),
            "--seed",
            str(SEED),
        )
    ]
    bare: dict[str, list[float]] = {name: [] for name in REQUIRED}
    with open_platform(load_settings(), must_be_migrated=False) as platform:  # keeps the server up
        steps.append(_command("migrate"))
        for month, day in enumerate(DAYS):
            steps.append(_command("ingest", str(drops / f"month_{month:03d}"), "--as-of", day))
            bare["ingest"].append(_bare_copy(platform, day))
            steps.append(_command("snapshot", "--as-of", day))
            bare["snapshot"].append(_bare_freeze(platform, day))
            steps.append(_command("materialize"))
            bare["materialize"].append(_bare_materialize(platform, day))
        steps.append(_command("training-set", "--as-of", DAYS[-1]))
    return _print(steps, bare)


def _command(*arguments: str) -> Step:
    """`streamflow ARGUMENTS` in a process of its own."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamflow", "--quiet", *arguments], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return Step(arguments[0], time.perf_counter() - begin, usage.ru_maxrss * 1024 / 1e9)


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _like(connection: psycopg.Connection, pairs: Sequence[tuple[str, str]]) -> None:
    """Empty tables `bench.<name>` with the columns and keys of others."""
    connection.execute("DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench")
    for name, original in pairs:
        connection.execute(f"CREATE TABLE bench.{name} (LIKE {original} INCLUDING ALL)")  # type: ignore[arg-type]


def _bare_copy(platform: Platform, day: str) -> float:
    from streamflow.database import adbc, arrow, connect

    tables = list(platform.catalog.tables)
    with connect(platform.login, autocommit=True) as connection:
        _like(connection, [(t, f"raw.{t}") for t in tables])
    ready = {
        table: arrow.read(
            platform.login,
            f"SELECT * FROM raw.{table} WHERE as_of = $1::date",  # noqa: S608  # names of our own
            [day],
        )
        for table in tables
    }

    def copy() -> None:
        with adbc.connection(platform.login) as opened:
            for table, rows in ready.items():
                with opened.cursor() as cursor:
                    cursor.adbc_ingest(table, rows, mode="append", db_schema_name="bench")
            opened.commit()

    return _timed(copy)


def _bare_freeze(platform: Platform, day: str) -> float:
    from streamflow.database import connect

    tables = list(platform.catalog.tables)
    with connect(platform.login, autocommit=True) as connection:
        _like(connection, [(t, f"frozen.{t}") for t in tables])

        def freeze() -> None:
            with connection.transaction():
                for table in tables:
                    names = ", ".join(platform.catalog.columns(table))
                    connection.execute(
                        f"INSERT INTO bench.{table} (as_of, revision, {names}, row_digest)"  # type: ignore[arg-type]  # noqa: S608
                        f" SELECT as_of, 1, {names}, '' FROM raw.{table} WHERE as_of = '{day}'"
                    )

        return _timed(freeze)


def _bare_materialize(platform: Platform, day: str) -> float:
    from streamflow.database import connect

    views = platform.catalog.views
    with connect(platform.login, autocommit=True) as connection:
        _like(connection, [(v, f"online.{v}") for v in views])

        def fill() -> None:
            with connection.transaction():
                for view, spec in views.items():
                    names = ", ".join(
                        [
                            platform.catalog.entity.key,
                            *(f.name for f in platform.catalog.features_of(view)),
                        ]
                    )
                    connection.execute(
                        f"INSERT INTO bench.{view} ({names}, as_of, known_at)"  # type: ignore[arg-type]  # noqa: S608
                        f" SELECT {names}, as_of, now() FROM frozen.{spec.table}"
                        f" WHERE as_of = '{day}' AND revision = 1"
                    )

        return _timed(fill)


def _print(steps: list[Step], bare: dict[str, list[float]]) -> int:
    print(f"{USERS:,} users, {MONTHS} months, each step in a process of its own")
    print(f"{'step':<14}{'seconds':>9}{'bare':>9}{'speed':>8}{'required':>10}{'memory GB':>11}")
    failed = 0
    seen = dict.fromkeys(bare, 0)
    for step in steps:
        line = f"{step.name:<14}{step.seconds:>9.1f}"
        if step.name in bare:
            against = bare[step.name][seen[step.name]]
            seen[step.name] += 1
            speed = against / step.seconds
            ratio = Ratio(
                section="million",
                measure=f"{step.name}: speed of the bare work, {USERS:,} users",
                value=speed,
                bound=None if IS_SHORT else REQUIRED[step.name],
            )
            failed += not record(ratio)
            line += f"{against:>9.1f}{speed:>8.2f}{REQUIRED[step.name]:>10.2f}"
        else:
            line += " " * 27
        failed += step.gigabytes > MEMORY_GB
        print(f"{line}{step.gigabytes:>11.2f}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

"""Time every step for several numbers of users and months, and fit how each of them grows.

Usage: python benchmarks/scale.py [--users 10000 …] [--months 2 6 …] [--data-only]
           [--one-process] [--keep FOLDER] [--svg FILE]

Each step is a process of its own, and works on all months: what is run once for each month
(ingest, snapshot, materialize) is added up. For each number of users there is one installation: the
months of the next line are added to those of the line before. A line has

seconds       of the whole processes, from their start to their end
CPU s         processor seconds of the processes, and of PostgreSQL for them
work          the processor seconds without those that a process needs to start, as `snapshots`
              takes them. They say how a step grows, also on a machine with other work
memory        the most memory of a process; PostgreSQL is a server of its own and is not counted
rows/CPU s    users x months per second of work

An exponent says how the work grows: 1 is proportional, 2 is four times the work for twice the size.
That of the users is fitted over the sizes with the most months, that of the months over those with
the most users. Both need two sizes. They are reliable only where the work is longer than the start.

The cost model is fitted over all sizes. --data-only leaves out the steps that need a trained
version, which take the most time. --one-process runs every command in this process: faster, and
the memory of a line is then the most of all lines until there. --keep FOLDER keeps the
installation of each number of users in FOLDER/USERS/home, for further commands. --svg writes the
curve of docs/scaling.md.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from calendar import monthrange
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil
from scale_report import (
    NO_COST,
    Cost,
    Size,
    print_cost_model,
    print_costs,
    print_exponents,
    work_of,
    write_curve,
)

if TYPE_CHECKING:
    from streamflow.platform import Platform

SEED = 42
OTHER_CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
REAPING_S = 0.2  # the server adds up the time of a connection shortly after its end
WARM_UP_USERS = 500
#: Runs a command, and returns its cost: (clock of the server, *arguments, may_say_no=False).
RunStep = Callable[..., Cost]


class Measured(NamedTuple):
    """What one size cost: step -> cost, and the bytes of the database after all months."""

    costs: dict[str, Cost]
    database_bytes: int


def main() -> int:
    """Print the costs of each size, the exponents and the cost model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, nargs="+", default=[10_000])
    parser.add_argument("--months", type=int, nargs="+", default=[2, 6])
    parser.add_argument("--data-only", action="store_true")
    parser.add_argument("--one-process", action="store_true")
    parser.add_argument("--keep", type=Path, help="keep the installations in this folder")
    parser.add_argument("--svg", type=Path)
    arguments = parser.parse_args()
    run = _run_here if arguments.one_process else _run
    if arguments.one_process:  # the first run of a command imports its libraries
        with _installation(None) as folder:
            list(_run_steps(WARM_UP_USERS, [1], folder, run, arguments.data_only))
    measured: dict[Size, Measured] = {}
    for users in sorted(arguments.users):
        with _installation(arguments.keep and arguments.keep / str(users)) as folder:
            months = sorted(arguments.months)
            for size, of_size in _run_steps(users, months, folder, run, arguments.data_only):
                measured[size] = of_size
                print_costs(size, of_size.costs)
    work = {size: work_of(of_size.costs) for size, of_size in measured.items()}
    memory = {
        size: {name: cost.gigabytes for name, cost in of_size.costs.items()}
        for size, of_size in measured.items()
    }
    disk = {size: of_size.database_bytes for size, of_size in measured.items()}
    print_exponents(work)
    print_cost_model(work, memory, disk)
    if arguments.svg:
        write_curve(arguments.svg, work)
    return 0


@contextmanager
def _installation(kept: Path | None) -> Iterator[Path]:
    """Use an installation in a folder: in `kept`, or in a temporary one that is then removed."""
    if kept:
        kept.mkdir(parents=True)
        os.environ["STREAMFLOW_HOME"] = str(kept.absolute() / "home")
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STREAMFLOW_HOME"] = str(Path(folder, "home"))
        try:
            yield Path(folder)
        finally:
            from streamflow.database.embedded import remove_server

            remove_server(Path(folder, "home"))


def _run_steps(
    users: int, months: list[int], folder: Path, run_step: RunStep, is_data_only: bool
) -> Iterator[tuple[Size, Measured]]:
    from streamflow.platform import open_platform
    from streamflow.settings import load_settings

    drops, copy = folder / "drops", folder / "all.backup"
    with open_platform(load_settings(), must_be_migrated=False) as platform:  # keeps the server up
        run_step(lambda: 0.0, "migrate")
        server_seconds = _make_server_clock(platform)

        def run(*arguments: str, may_say_no: bool = False) -> Cost:
            return run_step(server_seconds, *arguments, may_say_no=may_say_no)

        of_months: dict[str, Cost] = {}  # of the steps that are run once for each month
        version = count(1)
        days: list[str] = []
        for size in (Size(users, number) for number in months):
            shutil.rmtree(drops, ignore_errors=True)
            options = ("--users", str(users), "--months", str(size.months), "--seed", str(SEED))
            costs = {"simulate": run("simulate", str(drops), *options), "start": run("snapshots")}
            for number, day in list(enumerate(_days(size.months)))[len(days) :]:
                for name, arguments in {
                    "ingest": (str(drops / f"month_{number:03d}"), "--as-of", day),
                    "snapshot": ("--as-of", day),
                    "materialize": (),
                }.items():
                    of_months[name] = of_months.get(name, NO_COST) + run(name, *arguments)
                days.append(day)
            costs |= of_months
            all_months = ("--as-of", days[-1], "--months", str(size.months))
            costs["training-set"] = run("training-set", *all_months)
            if not is_data_only:
                costs |= _run_model_steps(run, str(next(version)), all_months)
            costs["backup"] = run("backup", str(copy))
            copy.unlink()
            yield size, Measured(costs, _read_database_bytes(platform))


def _run_model_steps(
    run: Callable[..., Cost], version: str, all_months: tuple[str, ...]
) -> dict[str, Cost]:
    """Train a version on all months, check it, and work with it on the newest one."""
    newest = all_months[:2]
    costs = {name: run(name, *arguments) for name, arguments in {
        "train": all_months, "verify": (version,), "reproduce": (version,)
    }.items()}  # fmt: skip
    run("promote", version, "--force", "--why", "the benchmark")
    costs["score"] = run("score", *newest)
    costs["monitor"] = run("monitor", *newest, may_say_no=True)
    return costs


def _read_database_bytes(platform: Platform) -> int:
    row = platform.connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


def _make_server_clock(platform: Platform) -> Callable[[], float]:
    """Return what reads the processor seconds of all connections that have ended.

    It waits until all but our own have ended. Work of autovacuum counts where it happens.
    """
    server = psutil.Process(platform.connection.info.backend_pid).parent()
    assert server is not None

    def read() -> float:
        while platform.connection.execute(OTHER_CONNECTIONS).fetchone() != (0,):
            time.sleep(0.05)
        time.sleep(REAPING_S)
        times = server.cpu_times()
        return float(times.children_user + times.children_system)

    return read


def _days(months: int) -> Iterator[str]:
    """Yield the last day of each month from January 2024 on."""
    for number in range(months):
        year, month = 2024 + number // 12, number % 12 + 1
        yield f"{year}-{month:02d}-{monthrange(year, month)[1]}"


def _run(server_seconds: Callable[[], float], *arguments: str, may_say_no: bool = False) -> Cost:
    """Run `streamflow ARGUMENTS` in a process of its own."""
    begin, server_begin = time.perf_counter(), server_seconds()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamflow", "--quiet", *arguments], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0 or (may_say_no and process.returncode == 1), arguments
    return Cost(
        time.perf_counter() - begin,
        usage.ru_utime + usage.ru_stime + server_seconds() - server_begin,
        1,
        usage.ru_maxrss * 1024 / 1e9,
    )


def _run_here(
    server_seconds: Callable[[], float], *arguments: str, may_say_no: bool = False
) -> Cost:
    """Run `streamflow ARGUMENTS` in this process."""
    from streamflow.cli.app import app

    begin, server_begin = time.perf_counter(), server_seconds()
    processor_begin = time.process_time()
    with redirect_stdout(io.StringIO()):
        code = app(["--quiet", *arguments], standalone_mode=False)
    assert not code or (may_say_no and code == 1), arguments
    return Cost(
        time.perf_counter() - begin,
        time.process_time() - processor_begin + server_seconds() - server_begin,
        1,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    )


if __name__ == "__main__":
    sys.exit(main())

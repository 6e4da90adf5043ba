"""Time every step for several numbers of users and months, and fit how each of them grows.

Usage: python benchmarks/scale.py [--users 10000 …] [--months 2 6 …]

Each step is a process of its own, and works on all months: what is run once for each month
(ingest, snapshot, materialize) is added up. A line has

seconds    of the whole processes, from their start to their end
work       the seconds without those that a process needs to start, as `snapshots` takes them
memory     the most memory of a process; PostgreSQL is a server of its own and is not counted
rows/s     users x months per second of work

An exponent says how the work grows: 1 is proportional, 2 is four times the work for twice the size.
That of the users is fitted over the sizes with the most months, that of the months over those with
the most users. Both need two sizes. They are reliable only where the work is longer than the start.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from calendar import monthrange
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

SEED = 42
SHORTEST_WORK_S = 0.05  # less is not told apart from the start of a process


class Cost(NamedTuple):
    """What a step cost: seconds, the number of its processes, and the most memory of one."""

    seconds: float
    processes: int
    gigabytes: float

    def __add__(self, other: object) -> Cost:
        """Add the same step for a further month."""
        assert isinstance(other, Cost)
        return Cost(
            self.seconds + other.seconds,
            self.processes + other.processes,
            max(self.gigabytes, other.gigabytes),
        )


class Size(NamedTuple):
    """How many users, and how many months of them."""

    users: int
    months: int


def main() -> int:
    """Print the costs of each size, and the exponents."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, nargs="+", default=[10_000])
    parser.add_argument("--months", type=int, nargs="+", default=[2, 6])
    arguments = parser.parse_args()
    work: dict[Size, dict[str, float]] = {}
    for users in sorted(arguments.users):
        for months in sorted(arguments.months):
            size = Size(users, months)
            work[size] = _print_costs(size, _measure(size))
    _print_exponents(work)
    return 0


def _measure(size: Size) -> dict[str, Cost]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STREAMFLOW_HOME"] = str(Path(folder, "home"))
        try:
            return _run_steps(size, Path(folder))
        finally:
            from streamflow.database.embedded import remove_server

            remove_server(Path(folder, "home"))


def _run_steps(size: Size, folder: Path) -> dict[str, Cost]:
    from streamflow.platform import open_platform
    from streamflow.settings import load_settings

    drops = folder / "drops"
    of_size = ("--users", str(size.users), "--months", str(size.months), "--seed", str(SEED))
    costs = {"simulate": _run("simulate", str(drops), *of_size)}
    with open_platform(load_settings(), must_be_migrated=False):  # keeps the server up
        _run("migrate")
        costs["start"] = _run("snapshots")
        for number, day in enumerate(_days(size.months)):
            folder_of_month = str(drops / f"month_{number:03d}")
            for name, arguments in {
                "ingest": (folder_of_month, "--as-of", day),
                "snapshot": ("--as-of", day),
                "materialize": (),
            }.items():
                costs[name] = costs.get(name, Cost(0, 0, 0)) + _run(name, *arguments)
        all_months = ("--as-of", day, "--months", str(size.months))
        costs["training-set"] = _run("training-set", *all_months)
        costs["train"] = _run("train", *all_months)
        costs["verify"] = _run("verify", "1")
        costs["reproduce"] = _run("reproduce", "1")
        _run("promote", "1", "--force", "--why", "the benchmark")
        costs["score"] = _run("score", "--as-of", day)
        costs["monitor"] = _run("monitor", "--as-of", day, may_say_no=True)
        costs["backup"] = _run("backup", str(folder / "all.backup"))
    return costs


def _days(months: int) -> Iterator[str]:
    """Yield the last day of each month from January 2024 on."""
    for number in range(months):
        year, month = 2024 + number // 12, number % 12 + 1
        yield f"{year}-{month:02d}-{monthrange(year, month)[1]}"


def _run(*arguments: str, may_say_no: bool = False) -> Cost:
    """Run `streamflow ARGUMENTS` in a process of its own."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamflow", "--quiet", *arguments], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0 or (may_say_no and process.returncode == 1), arguments
    return Cost(time.perf_counter() - begin, 1, usage.ru_maxrss * 1024 / 1e9)


def _print_costs(size: Size, costs: Mapping[str, Cost]) -> dict[str, float]:
    """Print a line for each step. Returns the seconds of work of each."""
    rows = size.users * size.months
    print(f"{size.users:,} users x {size.months} months")
    print(f"  {'step':<14}{'seconds':>9}{'work':>9}{'memory GB':>11}{'rows/s':>12}")
    start = costs["start"].seconds
    work = {}
    for name, cost in costs.items():
        if name == "start":
            continue
        work[name] = max(cost.seconds - start * cost.processes, SHORTEST_WORK_S)
        print(
            f"  {name:<14}{cost.seconds:>9.1f}{work[name]:>9.1f}{cost.gigabytes:>11.2f}"
            f"{rows / work[name]:>12,.0f}",
            flush=True,
        )
    return work


def fit_exponent(sizes: list[int], seconds: list[float]) -> float:
    """Fit the exponent of seconds = c * size ** exponent by least squares of the logarithms.

    >>> round(fit_exponent([10, 20, 40], [1.0, 2.0, 4.0]), 6)
    1.0
    """
    x = [math.log(size) for size in sizes]
    y = [math.log(second) for second in seconds]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return covariance / sum((a - mean_x) ** 2 for a in x)


def _print_exponents(work: Mapping[Size, Mapping[str, float]]) -> None:
    most_users, most_months = max(work).users, max(size.months for size in work)
    by_users = [size for size in work if size.months == most_months]
    by_months = [size for size in work if size.users == most_users]
    print(f"{'exponent of the work in':<24}{'users':>8}{'months':>8}")
    for name in work[max(work)]:
        line = f"  {name:<22}"
        for sizes, unit in ((by_users, "users"), (by_months, "months")):
            if len(sizes) < 2:  # a line needs two points
                line += f"{'-':>8}"
                continue
            numbers = [getattr(size, unit) for size in sizes]
            line += f"{fit_exponent(numbers, [work[size][name] for size in sizes]):>8.2f}"
        print(line)


if __name__ == "__main__":
    sys.exit(main())

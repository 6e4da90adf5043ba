"""Time `init` of one CSV file of ROWS rows and 40 columns against polars, which only reads it.

Both run in this process, in turn, RUNS times after one that does not count. The file is simulated:
15 columns of fractions, 11 of integers, 10 of five words, 2 of dates, a key and a label.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl
from ratios import IS_SHORT, Ratio, record

from streamflow.steps.data.init import init

ROWS, RUNS, SEED = int(os.environ.get("ROWS", "1000000")), int(os.environ.get("RUNS", "3")), 42
HIGHEST = 3.0  # times polars
WORDS = np.array(["red", "green", "blue", "Month-to-month", "Two year"])


def main() -> int:
    """Print the times; 1 when `init` takes longer than it may."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "users.csv")
        _simulate().write_csv(file)
        megabytes = file.stat().st_size / 1e6
        catalog = Path(folder, "catalog.toml")
        peer_runs, own_runs = [], []
        for _ in range(RUNS + 1):
            peer_runs.append(_time(lambda: pl.read_csv(file)))
            own_runs.append(_time(lambda: init([file], catalog, force=True)))
    print(f"{ROWS:,} rows, 40 columns, {megabytes:,.0f} MB, medians of {RUNS} runs in turn")
    (peer, peer_cpu), (ours, own_cpu) = _medians(peer_runs), _medians(own_runs)
    print(f"{'polars reads':<14}{peer:>8.2f} s {peer_cpu:>8.2f} CPU s")
    print(f"{'init':<14}{ours:>8.2f} s {own_cpu:>8.2f} CPU s")
    measure = "init / polars reads"
    bound = None if IS_SHORT else HIGHEST
    ratio = ours / peer
    print(f"{measure} {ratio:.2f} by the clock, {own_cpu / peer_cpu:.2f} by the processors")
    is_met = record(
        Ratio(section="init", measure=measure, value=ratio, bound=bound, is_lowest=False)
    )
    return int(not is_met)


def _time(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of the clock and of the processors."""
    begin, begin_cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - begin_cpu


def _medians(runs: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the medians of all runs but the first."""
    seconds, cpu_seconds = zip(*runs[1:], strict=True)
    return median(seconds), median(cpu_seconds)


def _simulate() -> pl.DataFrame:
    """Make the rows of the file."""
    random = np.random.default_rng(SEED)
    numbers = pl.Series(np.arange(ROWS)).cast(pl.String)
    columns: dict[str, object] = {"customerID": "C" + numbers.str.zfill(7)}
    for number in range(15):
        columns[f"amount_{number}"] = np.round(random.gamma(2, 30, ROWS), 2)
    for number in range(10):
        columns[f"count_{number}"] = random.integers(0, 1_000, ROWS)
    for number in range(10):
        columns[f"word_{number}"] = WORDS[random.integers(0, len(WORDS), ROWS)]
    for number in range(2):
        days = random.integers(0, 1_200, ROWS).astype("timedelta64[D]")
        columns[f"day_{number}"] = np.datetime64("2020-01-01") + days
    columns["senior"] = random.integers(0, 2, ROWS)
    columns["churn"] = np.array(["Yes", "No"])[random.integers(0, 2, ROWS)]
    return pl.DataFrame(columns)


if __name__ == "__main__":
    sys.exit(main())
